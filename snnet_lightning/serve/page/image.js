// The image that is sent: the drawing, or a file that was chosen, dropped or pasted.

const image = (() => {
  const chosen = element("chosen");
  const square = element("square");

  function take(blob, shown) {
    URL.revokeObjectURL(chosen.src);
    chosen.hidden = !shown;
    if (shown) chosen.src = URL.createObjectURL(blob);
    else chosen.removeAttribute("src");
    image.current = blob;
    answer.ask();
  }

  // Read at once: a file that changes or goes away later could not be sent.
  async function takeFile(file) {
    if (!file) return;
    try {
      take(new Blob([await file.arrayBuffer()], { type: file.type }), true);
    } catch {
      answer.show(`${file.name} cannot be read`, [], []);
    }
  }

  element("file").addEventListener("change", (event) => takeFile(event.target.files[0]));
  document.addEventListener("paste", (event) => takeFile(event.clipboardData.files[0]));
  // Everywhere: a file that is dropped beside the square would replace the page.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    square.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? square.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    square.classList.remove("over");
    takeFile(event.dataTransfer.files[0]);
  });
  chosen.addEventListener("error", () => (chosen.hidden = true));

  return {
    current: null,
    drawn(blob) {
      element("file").value = "";
      take(blob, false);
    },
  };
})();
