// Load: the image at a rate, without waiting for answers, as many users of the server would send it.

const load = (() => {
  const MOST = 24; // on their way at once; what would be more is left out
  const SECONDS = 30;
  const [button, rate] = [element("load"), element("rate")];
  let run = null;

  async function start() {
    if (!rate.reportValidity()) return;
    if (!budget.asked()) return show("Nothing was sent: no stitch fits.");
    const current = (run = { rate: Number(rate.value), due: 0, sent: 0, answered: 0, failed: 0 });
    button.textContent = "Stop";
    if (!image.current) await pad.example();
    if (run !== current) return; // stopped meanwhile
    current.image = image.current;
    const started = performance.now();
    current.timer = setInterval(() => tick(current, (performance.now() - started) / 1e3), Math.max(10, 500 / current.rate));
  }

  function tick(current, seconds) {
    const asked = budget.asked();
    if (seconds >= SECONDS || !asked) return stop();
    for (; current.due < seconds * current.rate; current.due += 1) send(current, asked);
    told(current);
  }

  async function send(current, asked) {
    if (current.sent - current.answered - current.failed >= MOST) return;
    current.sent += 1;
    const { error } = await request(current.image, asked);
    current[error ? "failed" : "answered"] += 1;
    if (current === run || !run) told(current); // not over the figures of a later run
  }

  function stop() {
    clearInterval(run.timer);
    speech.say(told(run));
    run = null;
    button.textContent = "Make load";
  }

  function told({ due, sent, answered, failed }) {
    const leftOut = due > sent ? `, ${due - sent} left out as ${MOST} were on their way` : "";
    return show(`${sent} sent, ${answered} answered, ${failed} failed${leftOut}`);
  }

  function show(text) {
    element("sent").textContent = text;
    return text;
  }

  button.addEventListener("click", () => (run ? stop() : start()));
})();
