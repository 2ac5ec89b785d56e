// The budget: time, under which the server chooses the stitch, or FLOPs, under which the page does.

const budget = (() => {
  const [slider, amount] = [element("slider"), element("amount")];
  const byFlops = [...stitches].sort((a, b) => a.flops - b.flops || a.id - b.id);
  const [cheapest, dearest] = [byFlops[0], byFlops.at(-1)];
  const MEASURES = {
    ms: { unit: "ms", size: 1, low: 0, high: 2 * objective, first: objective },
    flops: { ...FLOPS, low: cheapest.flops, high: dearest.flops },
  };
  let chosen = "ms";
  let step = 1; // of the slider: a power of ten

  function choose(measure) {
    chosen = measure;
    const { unit, size, low, high, first } = MEASURES[measure];
    step = 10 ** Math.floor(Math.log10((high - low || high) / 100));
    slider.min = Math.max(1, Math.ceil(low / step) - 1); // one step too little for any stitch
    slider.max = Math.ceil(high / step);
    element("unit").textContent = unit;
    if (first) {
      amount.value = first / size;
      fromAmount();
    } else {
      slider.value = Math.round((Number(slider.min) + Number(slider.max)) / 2);
      fromSlider();
    }
  }

  function fromSlider() {
    const { size } = MEASURES[chosen];
    amount.value = ((slider.value * step) / size).toFixed(Math.max(0, Math.round(Math.log10(size / step))));
    show();
  }

  function fromAmount() {
    slider.value = Math.round((amount.value * MEASURES[chosen].size) / step);
    show();
  }

  // The most accurate, of equals the cheapest; nothing where none fits.
  function best() {
    const most = Math.round(amount.value * FLOPS.size);
    const fitting = byFlops.filter((stitch) => stitch.flops <= most);
    return fitting.length ? fitting.reduce((a, b) => (b.acc1 > a.acc1 ? b : a)) : null;
  }

  function said() {
    if (chosen === "ms") return "The server chooses a stitch that is in time.";
    const found = best();
    if (!found) return `No stitch fits: the cheapest, ${cheapest.name}, needs ${inFlops(cheapest.flops)}.`;
    return `${found.name} (${found.id}): top-1 ${rounded(found.acc1, 2)} %, ${inFlops(found.flops)}`;
  }

  function show() {
    slider.setAttribute("aria-valuetext", `${amount.value} ${MEASURES[chosen].unit}`);
    element("buys").textContent = said();
  }

  slider.addEventListener("input", fromSlider);
  amount.addEventListener("input", fromAmount);
  for (const field of [slider, amount]) {
    field.addEventListener("change", () => amount.checkValidity() && answer.ask());
  }
  for (const radio of document.getElementsByName("measure")) {
    radio.addEventListener("change", () => {
      choose(radio.value);
      answer.ask();
    });
  }
  return {
    start() {
      element("flops-unit").textContent = FLOPS.unit;
      choose("ms");
    },
    // What a request says of it; nothing where no stitch fits.
    asked() {
      if (chosen === "ms") return { max_latency_ms: amount.value };
      const found = best();
      return found && { stitch: found.id };
    },
  };
})();
