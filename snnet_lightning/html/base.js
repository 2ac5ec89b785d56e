"use strict";
// The page's elements.

function element(id) {
  return document.getElementById(id);
}

// [label, text] pairs as the children of a <dl>.
function listed(figures) {
  return figures.map(([label, text]) => {
    const pair = document.createElement("div");
    for (const [tag, content] of [["dt", label], ["dd", text]]) {
      pair.append(Object.assign(document.createElement(tag), { textContent: content }));
    }
    return pair;
  });
}
