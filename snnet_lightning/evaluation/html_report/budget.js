// The budget: a slider and a number field for the same amount, and what it buys.

const budget = (() => {
  const [slider, amount] = [element("slider"), element("amount")];
  let measure = "flops";
  let step = 1; // of the slider: a power of ten, so that every amount on it is a round number
  let decimals = 0;

  function chooseMeasure(chosen, scroll) {
    measure = chosen;
    const [low, high] = extent(rows.map((row) => row[measure]));
    const { per, grain, unit } = MEASURES[measure];
    step = Math.max(grain, 10 ** Math.floor(Math.log10((high - low || high) / 200)));
    decimals = Math.max(0, Math.round(Math.log10(per / step)));
    slider.min = Math.ceil(low / step) - 1; // one step too little for any stitch
    slider.max = Math.ceil(high / step);
    slider.step = 1;
    slider.value = Math.round((Number(slider.min) + Number(slider.max)) / 2);
    element("unit").textContent = unit;
    fromSlider(scroll);
  }

  function fromSlider(scroll) {
    const chosen = Number(slider.value) * step;
    amount.value = (chosen / MEASURES[measure].per).toFixed(decimals);
    show(chosen, scroll);
  }

  function fromAmount() {
    if (!amount.checkValidity() || amount.value === "") return;
    const product = Number(amount.value) * MEASURES[measure].per; // of 0.000249 and a million, a little less than 249
    const chosen = Number(product.toPrecision(15));
    slider.value = Math.floor(chosen / step);
    show(chosen);
  }

  function show(chosen, scroll = true) {
    slider.setAttribute("aria-valuetext", `${inUnits(chosen, measure, decimals)} ${MEASURES[measure].unit}`);
    const fitting = fittingUnder(measure, chosen);
    const best = bestOf(fitting, measure) ?? null;
    element("use").hidden = !best;
    element("figures").replaceChildren(...(best ? listed([["id", String(best.id)], ...figuresOf(best)]) : []));
    element("fitting").textContent = `${fitting.length} of ${rows.length} stitches fit${
      best && !measured ? "; this one uses most of the budget" : ""
    }.`;
    if (best) {
      element("best").textContent = best.name;
      element("select").textContent = `net.select(${best.id})`;
    } else {
      const cheapest = rows.reduce((a, b) => (b[measure] < a[measure] ? b : a));
      const enough = Math.ceil(1000 * cheapest[measure]) / 1000; // what is measured has digits without end
      const needed = `${enough.toLocaleString("en")} ${MEASURES[measure].label}`;
      element("best").textContent = `No stitch fits: the cheapest, ${cheapest.name}, needs ${needed}.`;
    }
    element("best").classList.toggle("none", !best);
    plot.showBudget({ measure, budget: chosen, best });
    table.mark(best, scroll);
  }

  slider.addEventListener("input", () => fromSlider());
  amount.addEventListener("input", fromAmount);
  for (const radio of document.getElementsByName("measure")) {
    radio.addEventListener("change", () => chooseMeasure(radio.value));
  }
  return {
    start() {
      chooseMeasure("flops", false); // nothing was asked for yet that the table should scroll to
    },
  };
})();
