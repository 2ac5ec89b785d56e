// Scales and round tick values of the plot's axes.

function extent(values) {
  return [Math.min(...values), Math.max(...values)];
}

// From data in [low, high], widened by a share on both sides, to pixels in [start, end].
function scale([low, high], [start, end], share, logarithmic) {
  const to = logarithmic ? Math.log : (x) => x;
  const [a, b] = [to(low), to(high)];
  const margin = b > a ? share * (b - a) : logarithmic ? 0.1 : 0.1 * Math.abs(a) || 1;
  const place = (x) => start + ((to(x) - a + margin) / (b - a + 2 * margin)) * (end - start);
  const back = logarithmic ? Math.exp : (x) => x;
  place.domain = [back(a - margin), back(b + margin)];
  place.range = [start, end];
  return place;
}

// Round values inside [low, high], about `count` of them, and the decimals that tell them apart.
function linearTicks([low, high], count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const first = Math.ceil(low / step);
  const ticks = Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function logTicks([low, high], count) {
  const inside = (digits) => {
    const found = [];
    for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
      found.push(...digits.map((d) => d * power).filter((x) => x >= low && x <= high));
    }
    return found;
  };
  const sets = [[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]].map(inside);
  const ticks = sets.find((set) => set.length <= count) ?? sets.at(-1);
  if (ticks.length < 3) return linearTicks([low, high], count);
  const decimals = Math.max(...ticks.map((x) => (String(+x.toPrecision(2)).split(".")[1] ?? "").length));
  return { ticks, decimals };
}
