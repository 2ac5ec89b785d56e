// The results as the page's own data, and the one question that is asked of them.

const { rows, measured } = JSON.parse(document.getElementById("data").textContent);
const MILLION = 1e6;
const MEASURES = {
  flops: { unit: "MFLOPs", label: "FLOPs" },
  params: { unit: "Mparams", label: "parameters" },
};

function millions(count, decimals) {
  return (count / MILLION).toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function percent(text) {
  return /\d/.test(text) ? `${text} %` : text;
}

// What is said of one stitch beside its name, as [label, text] pairs.
function figuresOf(row) {
  const [flops, params, acc1, acc5] = row.text;
  const figures = [
    ["FLOPs", `${flops} M (${row.flops.toLocaleString("en")})`],
    ["parameters", `${params} M (${row.params.toLocaleString("en")})`],
  ];
  if (measured) figures.push(["top-1", percent(acc1)], ["top-5", percent(acc5)]);
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
