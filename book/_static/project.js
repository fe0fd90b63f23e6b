/* Projects a page: a slide for each second-level heading, exercise and solution.
   Arrow keys, space and the two buttons turn; Escape ends. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const start = document.querySelector("p.project");
  if (!start) return;
  const article = document.querySelector("article section");
  let slides = [], now = 0;

  /* Leaves of the page in order, a new slide at each heading, exercise and solution. */
  function collect() {
    slides = [];
    const walk = (section) => {
      for (const child of section.children) {
        if (child === start || child.matches(".slide-bar")) continue;
        if (child.matches("section")) { walk(child); continue; }
        if (!slides.length || child.matches("h2, .exercise, .solution")) slides.push([]);
        slides.at(-1).push(child);
      }
    };
    walk(article);
  }

  const bar = document.createElement("div");
  bar.className = "slide-bar";
  bar.innerHTML = '<button type="button" data-turn="-1" aria-label="Previous slide">\u2039</button>' +
    '<output></output><button type="button" data-turn="1" aria-label="Next slide">\u203a</button>' +
    '<button type="button" data-end>End</button>';

  function show(position) {
    now = Math.max(0, Math.min(slides.length - 1, position));
    slides.forEach((slide, i) => slide.forEach((part) => part.classList.toggle("slide-off", i !== now)));
    bar.querySelector("output").textContent = `${now + 1} / ${slides.length}`;
    window.scrollTo(0, 0);
  }

  function begin() {
    collect();
    document.documentElement.classList.add("projecting");
    document.body.append(bar);
    show(0);
    bar.querySelector("[data-turn='1']").focus();
  }

  function end() {
    document.documentElement.classList.remove("projecting");
    slides.flat().forEach((part) => part.classList.remove("slide-off"));
    bar.remove();
    start.querySelector("button").focus();
  }

  bar.addEventListener("click", (event) => {
    const { turn, end: ends } = event.target.dataset;
    if (turn) show(now + Number(turn));
    if (ends !== undefined) end();
  });
  document.addEventListener("keydown", (event) => {
    if (!document.documentElement.classList.contains("projecting")) return;
    const turn = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
    if (turn) { event.preventDefault(); show(now + turn); }
    if (event.key === "Escape") end();
  });
  start.hidden = false;
  start.querySelector("button").addEventListener("click", begin);
});
