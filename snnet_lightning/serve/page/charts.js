// Three charts on one axis of time: requests, latency, and the accuracy of what ran; gaps where nothing came.

const charts = (() => {
  const LETTER = 7.6; // about the width of a digit, in pixels
  const [HEIGHT, HEAD, FOOT] = [96, 32, 24]; // of a chart, of the line over it, and of the line under all
  const SECONDS = 60;
  const svg = element("charts");
  const front = extent(stitches.filter((stitch) => stitch.front).map((stitch) => stitch.acc1));
  let shown = { now: 0, seconds: [] };

  function draw() {
    const { now, seconds } = shown;
    const answered = seconds.filter((second) => second.answered);
    const width = element("chart").clientWidth;
    const panels = [
      { title: "requests per second", ...counts(seconds) },
      { title: "latency (ms), logarithmic", ...latency(answered) },
      { title: "mean top-1 of the stitches that ran (%)", ...accuracy(answered) },
    ].map((panel, i) => place(panel, HEAD + i * (HEIGHT + HEAD)));
    const letters = Math.max(...panels.flatMap(({ ticks }) => ticks.map(({ text }) => text.length)));
    const [left, right] = [14 + LETTER * letters, width - 4];
    const across = scale([now - SECONDS, now], [left, right], 0, false);
    const height = panels.at(-1).bottom + FOOT;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren();
    for (const { title, ticks, up, top, bottom, marks } of panels) {
      make("text", { x: 0, y: top - 9, class: "axis-title" }, svg, title);
      for (const { value, text } of ticks) {
        make("path", { class: "grid", d: `M${left} ${up(value)}H${right}` }, svg);
        make("text", { x: left - 6, y: up(value), dy: "0.35em", "text-anchor": "end" }, svg, text);
      }
      for (const ago of [60, 45, 30, 15, 0]) {
        make("path", { class: "grid", d: `M${across(now - ago)} ${top}V${bottom}` }, svg);
      }
      for (const [kind, d] of marks(across, up)) make("path", { class: kind, d }, svg);
    }
    for (const [ago, text, anchor] of [[60, "−60 s", "start"], [45, "−45"], [30, "−30"], [15, "−15"], [0, "now", "end"]]) {
      make("text", { x: across(now - ago), y: height - 6, "text-anchor": anchor ?? "middle" }, svg, text);
    }
  }

  function place(panel, top) {
    const bottom = top + HEIGHT;
    const up = scale(panel.domain, [bottom, top], panel.margin, panel.logarithmic);
    const { ticks, decimals } = (panel.logarithmic ? logTicks : linearTicks)(up.domain, panel.logarithmic ? 6 : 4);
    const told = (value) => value.toLocaleString("en", { maximumFractionDigits: decimals });
    const inside = ticks.filter((value) => value <= panel.most).map((value) => ({ value, text: told(value) }));
    return { ...panel, top, bottom, up, ticks: inside };
  }

  function counts(seconds) {
    const highest = Math.max(5, ...seconds.map(({ answered, refused }) => answered + refused));
    const bar = (second, low, high, across, up) =>
      `M${across(second) + 0.5} ${up(low)}V${up(high)}H${across(second + 1) - 1}V${up(low)}Z`;
    return {
      domain: [0, 1.1 * highest],
      margin: 0,
      most: Infinity,
      marks: (across, up) =>
        seconds.flatMap(({ second, answered, refused }) => [
          ...(answered ? [["answered", bar(second, 0, answered, across, up)]] : []),
          ...(refused ? [["refused", bar(second, answered, answered + refused, across, up)]] : []),
        ]),
    };
  }

  function latency(answered) {
    const times = answered.flatMap((second) => [second.p50_ms, second.p99_ms]);
    return {
      domain: extent([objective / 10, 2 * objective, ...times]),
      margin: 0.04,
      most: Infinity,
      logarithmic: true,
      marks: (across, up) => [
        ["objective", `M${across.range[0]} ${up(objective)}H${across.range[1]}`],
        ["run", runs(answered, "p50_ms", across, up)],
        ["run slowest", runs(answered, "p99_ms", across, up)], // on top: it is thinner
      ],
    };
  }

  function accuracy(answered) {
    return {
      domain: extent([...front, ...answered.map((second) => second.accuracy)]),
      margin: 0.08,
      most: 100,
      marks: (across, up) => [["run", runs(answered, "accuracy", across, up)]],
    };
  }

  // A level a second, joined where seconds follow one another.
  function runs(answered, key, across, up) {
    const levels = answered.map((second, i) => {
      const follows = i && answered[i - 1].second === second.second - 1;
      const level = up(second[key]).toFixed(2);
      const start = follows ? `V${level}` : `M${across(second.second).toFixed(2)} ${level}`;
      return `${start}H${across(second.second + 1).toFixed(2)}`;
    });
    return levels.join("");
  }

  return {
    start() {
      new ResizeObserver(draw).observe(element("chart"));
    },
    show(recent) {
      shown = recent;
      draw();
    },
  };
})();
