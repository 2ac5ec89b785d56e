// The plot: drawn again at every width, so that its letters keep their size; its points are made once and keep the focus.

const plot = (() => {
  const LETTER = 7.6; // about the width of a digit, in pixels
  const svg = element("plot");
  const yKey = measured ? "acc1" : "params";
  const shown = rows.filter((row) => row[yKey] !== null);
  const largest = Math.max(...rows.map((row) => row.params));
  const unit = (row, key) => (key === "acc1" ? row.acc1 : row[key] / MEASURES[key].per);
  let budgetState = { measure: "flops", budget: Infinity, best: null };
  let logarithmic = false;
  let current = null; // the point that the tip is about

  const radius = (row) => (row.anchor ? 9 : Math.sqrt(9 + 40 * (row.params / largest)));
  const points = [...shown]
    .sort((a, b) => a.anchor - b.anchor || b.params - a.params) // small ones lie on large ones, anchors on all
    .map((row) => {
      const group = make("g", { class: "point", role: "img", tabindex: -1 }, element("points"));
      group.dataset.id = row.id;
      if (row.anchor) make("use", { href: "#star", class: "star" }, group);
      else make("circle", { class: "dot", r: radius(row) }, group);
      return { row, group, x: 0, y: 0 };
    });
  let inOrder = []; // the points from left to right

  function chooseAxis(axis) {
    document.body.dataset.axis = axis;
    for (const name of document.querySelectorAll(".axis-name")) name.textContent = MEASURES[axis].label;
    inOrder = [...points].sort((a, b) => a.row[axis] - b.row[axis] || a.row.id - b.row.id);
    for (const { row, group } of points) {
      const front = row.front[axis];
      const label = [row.name, ...(row.anchor ? ["anchor"] : []), ...(front ? ["on the Pareto front"] : [])];
      const spoken = [...label, ...figuresOf(row).map((pair) => pair.join(" "))].join(", ");
      group.setAttribute("aria-label", spoken);
      if (!row.anchor) group.firstChild.classList.toggle("on-front", front);
    }
  }

  function draw() {
    const width = element("chart").clientWidth;
    const height = Math.round(Math.min(460, Math.max(300, 0.62 * width)));
    const inner = { left: 0, right: width - 10, top: 28, bottom: height - 44 };
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    const up = scale(extent(shown.map((r) => unit(r, yKey))), [inner.bottom, inner.top], 0.1, false);
    const heights = heightTicks(up);
    inner.left = 14 + LETTER * Math.max(...heights.map(({ text }) => text.length));
    const axis = chosenAxis();
    const across = scale(extent(shown.map((r) => unit(r, axis))), [inner.left, inner.right], 0.06, logarithmic);
    for (const point of points) {
      point.x = across(unit(point.row, axis));
      point.y = up(unit(point.row, yKey));
      point.group.setAttribute("transform", `translate(${point.x.toFixed(2)} ${point.y.toFixed(2)})`);
    }
    drawAxes(across, up, heights, inner, width);
    drawLines(across, inner);
    drawMarks(inner);
    if (current) showTip(current);
  }

  const show = (x, decimals) => x.toLocaleString("en", { maximumFractionDigits: decimals });

  function heightTicks(up) {
    const { ticks, decimals } = linearTicks(up.domain, 6);
    return ticks.filter((y) => !measured || y <= 100).map((y) => ({ y, text: show(y, decimals) }));
  }

  function drawAxes(across, up, heights, { left, right, top, bottom }, width) {
    const axes = element("axes");
    axes.replaceChildren();
    for (const { y, text } of heights) {
      make("path", { class: "grid", d: `M${left} ${up(y)}H${right}` }, axes);
      make("text", { x: left - 6, y: up(y), dy: "0.35em", "text-anchor": "end" }, axes, text);
    }
    const horizontal = (logarithmic ? logTicks : linearTicks)(across.domain, Math.floor((right - left) / 64));
    for (const x of horizontal.ticks) {
      make("path", { class: "grid", d: `M${across(x)} ${top}V${bottom}` }, axes);
      const text = show(x, horizontal.decimals);
      const middle = Math.min(across(x), width - (LETTER * text.length) / 2); // not cut off at the right
      make("text", { x: middle, y: bottom + 16, "text-anchor": "middle" }, axes, text);
    }
    make("text", { x: 0, y: 14, class: "axis-title" }, axes, measured ? "top-1 (%)" : "Mparams");
    const title = `${MEASURES[chosenAxis()].unit}${logarithmic ? ", logarithmic" : ""}`;
    make("text", { x: right, y: bottom + 36, "text-anchor": "end", class: "axis-title" }, axes, title);
  }

  function drawLines(across, { left, right, top, bottom }) {
    const lines = element("lines");
    lines.replaceChildren();
    const front = inOrder.filter((point) => point.row.front[chosenAxis()]);
    if (front.length) {
      const steps = front.slice(1).map((point) => `H${point.x}V${point.y}`);
      make("path", { class: "front-line", d: `M${front[0].x} ${front[0].y}${steps.join("")}H${right}` }, lines);
    }
    if (budgetState.measure === chosenAxis()) {
      const x = across(Math.max(budgetState.budget / MEASURES[budgetState.measure].per, Number.MIN_VALUE));
      if (x >= left && x <= right) make("path", { class: "budget-line", d: `M${x} ${top}V${bottom}` }, lines);
    }
  }

  function drawMarks({ left, right }) {
    const marks = element("marks");
    marks.replaceChildren();
    for (const point of points.filter(({ row }) => row.anchor)) {
      const text = make("text", { class: "anchor-name", "text-anchor": "middle" }, marks, point.row.name);
      const half = text.getComputedTextLength() / 2;
      const room = Math.min(Math.max(point.x, left + half), right - half); // not beyond the plot's sides
      const x = half * 2 > right - left ? (left + right) / 2 : room;
      const hidden = (y) => points.filter((p) => Math.abs(p.x - x) < half + 5 && Math.abs(p.y - y + 4) < 12).length;
      const [above, below] = [point.y - 14, point.y + 22];
      text.setAttribute("x", x);
      text.setAttribute("y", hidden(above) < hidden(below) ? above : below);
    }
    const best = points.find(({ row }) => row === budgetState.best);
    if (best) make("circle", { class: "ring", cx: best.x, cy: best.y, r: radius(best.row) + 4 }, marks);
    if (current) make("circle", { class: "halo", cx: current.x, cy: current.y, r: radius(current.row) + 2 }, marks);
  }

  function showTip(point) {
    const tip = element("tip");
    const strong = document.createElement("strong");
    strong.textContent = point.row.name;
    const lines = figuresOf(point.row).map((pair) => {
      const line = document.createElement("div");
      line.textContent = pair.join(": ");
      return line;
    });
    tip.replaceChildren(strong, ...lines);
    tip.hidden = false;
    const { clientWidth, clientHeight } = element("chart");
    const x = point.x + (point.x > clientWidth / 2 ? -tip.offsetWidth - 14 : 14);
    tip.style.left = `${Math.max(0, Math.min(x, clientWidth - tip.offsetWidth))}px`;
    const fits = point.y + 16 + tip.offsetHeight <= clientHeight;
    tip.style.top = `${fits ? point.y + 16 : Math.max(0, point.y - 16 - tip.offsetHeight)}px`;
  }

  function look(point) {
    if (point === current) return;
    current = point;
    if (point) showTip(point);
    else element("tip").hidden = true;
    element("marks").querySelector(".halo")?.remove();
    if (point) {
      make("circle", { class: "halo", cx: point.x, cy: point.y, r: radius(point.row) + 2 }, element("marks"));
    }
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const distance = (p) => Math.hypot(event.clientX - box.left - p.x, event.clientY - box.top - p.y);
    const found = points.reduce((a, b) => (distance(b) < distance(a) ? b : a), points[0]);
    return found && distance(found) < 24 ? found : null;
  }

  svg.addEventListener("pointermove", (event) => look(nearest(event)));
  svg.addEventListener("pointerdown", (event) => look(nearest(event))); // a tap; a finger leaves as soon as it lifts
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && look(null));
  svg.addEventListener("focusin", (event) => {
    const point = points.find(({ group }) => group === event.target);
    if (!point) return;
    for (const { group } of points) group.setAttribute("tabindex", group === point.group ? 0 : -1);
    look(point);
  });
  svg.addEventListener("focusout", () => look(null));
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") look(null);
    const place = inOrder.findIndex(({ group }) => group === document.activeElement);
    const last = inOrder.length - 1;
    const go = { ArrowRight: place + 1, ArrowUp: place + 1, ArrowLeft: place - 1, ArrowDown: place - 1, Home: 0, End: last };
    if (place < 0 || !(event.key in go)) return;
    event.preventDefault();
    inOrder[Math.min(Math.max(go[event.key], 0), last)].group.focus();
  });
  element("log").addEventListener("change", (event) => {
    logarithmic = event.target.checked;
    draw();
  });
  for (const radio of document.getElementsByName("axis")) {
    radio.addEventListener("change", () => {
      chooseAxis(radio.value);
      table.filter();
      if (shown.length) draw();
    });
  }

  return {
    start() {
      if (!shown.length) return;
      chooseAxis(chosenAxis());
      inOrder[0].group.setAttribute("tabindex", 0);
      new ResizeObserver(draw).observe(element("chart"));
      draw();
    },
    showBudget(state) {
      budgetState = state;
      for (const { row, group } of points) {
        group.firstChild.classList.toggle("over", !(row[state.measure] <= state.budget));
      }
      if (shown.length) draw();
    },
  };
})();
