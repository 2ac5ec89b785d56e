// The results as the page's own data, and what is asked of them.

const { rows, measured } = JSON.parse(document.getElementById("data").textContent);
const MILLION = 1e6;
// per: how much of it makes one unit; grain: the smallest step of a budget; label: what it is counted in.
const MEASURES = {
  flops: { per: MILLION, unit: "MFLOPs", grain: 1, label: "FLOPs" },
  params: { per: MILLION, unit: "Mparams", grain: 1, label: "parameters" },
  latency_ms: { per: 1, unit: "ms", grain: 0.001, label: "ms" },
  memory: { per: MILLION, unit: "MB", grain: 1, label: "bytes" },
};

// What the plot has across: FLOPs, or milliseconds.
function chosenAxis() {
  return document.body.dataset.axis;
}

function inUnits(number, measure, decimals) {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return (number / MEASURES[measure].per).toLocaleString("en", digits);
}

function percent(text) {
  return /\d/.test(text) ? `${text} %` : text;
}

// What is said of one stitch beside its name, as [label, text] pairs.
function figuresOf(row) {
  const { text, flops, params, memory } = row;
  const figures = [
    ["FLOPs", `${text.MFLOPs} M (${flops.toLocaleString("en")})`],
    ["parameters", `${text.Mparams} M (${params.toLocaleString("en")})`],
  ];
  if (text.ms) figures.push(["latency", `${text.ms} ms`]);
  if (memory !== undefined) figures.push(["memory", `${inUnits(memory, "memory", 2)} MB (${memory.toLocaleString("en")})`]);
  if (measured) figures.push(["top-1", percent(text["top-1"])], ["top-5", percent(text["top-5"])]);
  return figures;
}

function fittingUnder(measure, budget) {
  return rows.filter((row) => row[measure] <= budget && (!measured || row.acc1 !== null));
}

// The most accurate, of equals the cheapest; where nothing was measured, the one that uses most of the budget.
function bestOf(fitting, measure) {
  const other = measure === "flops" ? "params" : "flops";
  const better = measured
    ? (a, b) => b.acc1 - a.acc1 || a[measure] - b[measure] || a[other] - b[other] || a.id - b.id
    : (a, b) => b[measure] - a[measure] || a[other] - b[other] || a.id - b.id;
  return [...fitting].sort(better)[0];
}
