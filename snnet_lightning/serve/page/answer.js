// The answer to the image under the budget.

const answer = (() => {
  let asked = 0;

  function bar({ name, probability }) {
    const line = document.createElement("li");
    const percent = rounded(100 * probability, 1);
    for (const [className, textContent] of [["name", name], ["probability", `${percent} %`], ["bar", ""]]) {
      line.append(Object.assign(document.createElement("span"), { className, textContent }));
    }
    const filled = document.createElement("span");
    filled.style.width = `${percent}%`;
    line.lastChild.append(filled);
    return line;
  }

  function figuresOf(told) {
    const late = told.total_ms > told.max_latency_ms ? ", late" : "";
    return [
      ["stitch", `${told.stitch.name} (${told.stitch.id})`],
      ["top-1", `${rounded(told.stitch.acc1, 2)} %`],
      ["FLOPs", inFlops(told.stitch.flops)],
      ["why", told.why],
      ["ran for", `${milliseconds(told.ms)}, a batch of ${told.batch}`],
      ["in all", `${milliseconds(told.total_ms)} of ${milliseconds(told.max_latency_ms)}${late}`],
      ["round trip", milliseconds(told.roundTrip)],
    ];
  }

  function show(said, classes, figures) {
    element("said").textContent = said;
    element("classes").replaceChildren(...classes.map(bar));
    element("figures").replaceChildren(...listed(figures));
  }

  return {
    show,
    async ask() {
      const number = (asked += 1);
      if (!image.current) return;
      const query = budget.asked();
      if (!query) {
        show("Nothing was sent: no stitch fits.", [], []);
        return;
      }
      const told = await request(image.current, query);
      if (number !== asked) return; // another was asked meanwhile
      if (told.error) show(told.error, [], []);
      else show(`Most likely: ${told.classes[0].name}`, told.classes, figuresOf(told));
    },
  };
})();
