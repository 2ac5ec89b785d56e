// What changes every second is on the page for the eyes; screen readers hear of it now and then.

const speech = (() => {
  const EVERY = 10_000; // milliseconds
  let last = -Infinity;

  function say(text) {
    last = performance.now();
    if (element("spoken").textContent !== text) element("spoken").textContent = text;
  }

  return {
    say,
    sayNowAndThen(text) {
      if (performance.now() - last >= EVERY) say(text);
    },
  };
})();
