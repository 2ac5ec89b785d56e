// The table: sorted by its heads, filtered to the front, the named stitch marked.

const table = (() => {
  const body = document.querySelector("tbody");
  const heads = [...document.querySelectorAll("thead th")];
  const lines = new Map([...body.rows].map((line) => [Number(line.dataset.id), line]));
  const keys = ["id", "name", "flops", "params", ...(rows[0].text.ms ? ["latency_ms"] : []), "acc1", "acc5", "loss"];
  const badge = Object.assign(document.createElement("span"), { className: "badge best", textContent: measured ? "best" : "largest" });

  // "a[:10]" comes after "a[:2]".
  function naturally(a, b) {
    const [left, right] = [a, b].map((text) => text.split(/(\d+)/));
    for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
      const order = i % 2 ? left[i] - right[i] : (left[i] > right[i]) - (left[i] < right[i]);
      if (order) return order;
    }
    return left.length - right.length;
  }

  function sortBy(column) {
    const key = keys[column];
    const head = heads[column];
    const before = head.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : key.startsWith("acc"); // at first what is best
    const sign = descending ? -1 : 1;
    const order = (a, b) => {
      if (key === "name") return sign * naturally(a.name, b.name);
      if (a[key] === null || b[key] === null) return (a[key] === null) - (b[key] === null); // the unknown comes last
      return sign * (a[key] - b[key]);
    };
    const sorted = [...rows].sort((a, b) => order(a, b) || a.id - b.id);
    body.append(...sorted.map((row) => lines.get(row.id)));
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  for (const [column, head] of heads.entries()) {
    head.querySelector("button").addEventListener("click", () => sortBy(column));
  }
  function filter() {
    for (const row of rows) lines.get(row.id).hidden = element("only-front").checked && !row.front[chosenAxis()];
  }
  element("only-front").addEventListener("change", filter);

  return {
    filter,
    // Scrolls the table only, never the page, which the reader holds.
    mark(row, scroll) {
      body.querySelector("[aria-current]")?.removeAttribute("aria-current");
      badge.previousSibling?.remove(); // the space before it
      badge.remove();
      if (!row) return;
      const line = lines.get(row.id);
      line.setAttribute("aria-current", "true");
      line.cells[1].append(" ", badge);
      const frame = element("table");
      const head = document.querySelector("thead").offsetHeight;
      const hiddenAbove = line.offsetTop - head < frame.scrollTop;
      const hiddenBelow = line.offsetTop + line.offsetHeight > frame.scrollTop + frame.clientHeight;
      if (scroll && (hiddenAbove || hiddenBelow)) frame.scrollTop = line.offsetTop - frame.clientHeight / 2;
    },
  };
})();
