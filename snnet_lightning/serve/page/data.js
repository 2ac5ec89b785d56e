// What the server said of itself when the page was made.

const { slo_ms: objective, stitches } = JSON.parse(element("data").textContent);
const stitchOf = new Map(stitches.map((stitch) => [stitch.id, stitch]));
const large = stitches.some((stitch) => stitch.flops >= 1e9);
const FLOPS = large ? { unit: "GFLOPs", size: 1e9 } : { unit: "MFLOPs", size: 1e6 };

function rounded(number, digits) {
  return number.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// Three figures, so that 0.123 ms and 1,230 ms are both told.
function milliseconds(ms) {
  return `${ms < 100 ? ms.toLocaleString("en", { maximumSignificantDigits: 3 }) : rounded(ms, 0)} ms`;
}

function inFlops(flops) {
  return `${(flops / FLOPS.size).toLocaleString("en", { maximumSignificantDigits: 4 })} ${FLOPS.unit}`;
}
