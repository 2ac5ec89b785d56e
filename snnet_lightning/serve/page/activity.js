// What the server did: asked for every second while the page is seen, told in words and charts.

const activity = (() => {
  const EVERY = matchMedia("(prefers-reduced-motion: reduce)").matches ? 5000 : 1000; // milliseconds

  function told({ now, waiting, seconds }) {
    const last = seconds.at(-1);
    const sum = (key) => seconds.reduce((total, second) => total + second[key], 0);
    if (last?.second !== now - 1) return `Nothing came in the last second; ${sum("answered")} answered in the last minute.`;
    const refused = last.refused ? `${last.refused} refused, ` : "";
    const came = `In the last second: ${last.answered} answered, ${refused}${waiting} waiting`;
    if (!last.answered) return `${came}.`;
    const [id] = Object.entries(last.stitches).reduce((a, b) => (b[1] > a[1] ? b : a));
    return (
      `${came}; p50 ${milliseconds(last.p50_ms)}, p99 ${milliseconds(last.p99_ms)}, ` +
      `${rounded(100 * last.in_time, 0)} % in time; top-1 ${rounded(last.accuracy, 2)} %, ` +
      `mostly by ${stitchOf.get(Number(id)).name} (${id}).`
    );
  }

  async function look() {
    if (!document.hidden && !element("still").checked) await show();
    setTimeout(look, EVERY);
  }

  async function show() {
    const recent = await fetch("recent").then((response) => response.json()).catch(() => null);
    const text = recent ? told(recent) : "The server does not answer.";
    element("now").textContent = text;
    speech.sayNowAndThen(text);
    if (recent) charts.show(recent);
  }

  return { start: look };
})();
