// The budget: a slider and a number field for the same amount, and what it buys.

const budget = (() => {
  const [slider, amount] = [element("slider"), element("amount")];
  let measure = "flops";
  let step = 1; // of the slider: a power of ten, so that every amount on it is a round number
  let decimals = 0;

  function chooseMeasure(chosen, scroll) {
    measure = chosen;
    const [low, high] = extent(rows.map((row) => row[measure]));
    step = 10 ** Math.max(0, Math.floor(Math.log10((high - low || high) / 200)));
    decimals = Math.max(0, Math.round(Math.log10(MILLION / step)));
    slider.min = Math.ceil(low / step) - 1; // one step too little for any stitch
    slider.max = Math.ceil(high / step);
    slider.step = 1;
    slider.value = Math.round((Number(slider.min) + Number(slider.max)) / 2);
    element("unit").textContent = MEASURES[measure].unit;
    fromSlider(scroll);
  }

  function fromSlider(scroll) {
    const chosen = Number(slider.value) * step;
    amount.value = (chosen / MILLION).toFixed(decimals);
    show(chosen, scroll);
  }

  function fromAmount() {
    if (!amount.checkValidity() || amount.value === "") return;
    const chosen = Number(amount.value) * MILLION;
    slider.value = Math.floor(chosen / step);
    show(chosen);
  }

  function show(chosen, scroll = true) {
    slider.setAttribute("aria-valuetext", `${millions(chosen, decimals)} ${MEASURES[measure].unit}`);
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
      const needed = `${cheapest[measure].toLocaleString("en")} ${MEASURES[measure].label}`;
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
