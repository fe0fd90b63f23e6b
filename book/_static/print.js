/* A page prints in the colours of the light theme, with folded text open, whatever its reader sees. */
"use strict";

(() => {
  let theme = null, opened = [];
  addEventListener("beforeprint", () => {
    const root = document.documentElement;
    theme ??= root.dataset.theme;
    root.dataset.theme = "light";
    document.querySelectorAll("details:not(.hide):not([open])").forEach((part) => {
      part.open = true;
      opened.push(part);
    });
  });
  addEventListener("afterprint", () => {
    if (theme !== null) document.documentElement.dataset.theme = theme;
    opened.forEach((part) => { part.open = false; });
    [theme, opened] = [null, []];
  });
})();
