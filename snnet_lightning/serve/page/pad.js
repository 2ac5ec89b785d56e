// The pad: white strokes on black, as images of digits are.

const pad = (() => {
  const PEN = 0.11; // of the side
  const THREE = [[0.27, 0.12], [0.72, 0.12], [0.47, 0.43], [0.68, 0.52], [0.73, 0.68], [0.64, 0.83], [0.46, 0.89], [0.27, 0.84]];
  const canvas = element("pad");
  const context = canvas.getContext("2d", { willReadFrequently: true }); // after every stroke
  let pen = null; // the pointer that draws

  function wipe() {
    context.fillRect(0, 0, canvas.width, canvas.height);
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function stroke(points) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x * canvas.width, y * canvas.height);
    context.stroke();
  }

  function done() {
    return new Promise((resolve) =>
      canvas.toBlob((blob) => {
        image.drawn(blob);
        resolve();
      }),
    );
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pen !== null || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pen = { id: event.pointerId, last: at(event) };
    stroke([pen.last, pen.last]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen?.id) return;
    const next = at(event);
    stroke([pen.last, next]);
    pen.last = next;
  });
  canvas.addEventListener("lostpointercapture", (event) => {
    if (event.pointerId !== pen?.id) return;
    pen = null;
    done();
  });
  element("clear").addEventListener("click", () => {
    wipe();
    image.drawn(null);
    answer.show("", [], []);
  });
  element("example").addEventListener("click", () => pad.example());

  return {
    start() {
      Object.assign(context, { fillStyle: "#000", strokeStyle: "#fff", lineCap: "round", lineJoin: "round" });
      context.lineWidth = PEN * canvas.width;
      wipe();
    },
    example() {
      wipe();
      stroke(THREE);
      return done();
    },
  };
})();
