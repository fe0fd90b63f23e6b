/* Projects a page: a slide for each second-level heading, figure, exercise and solution, and for
   the text behind these. Figures and such text keep the heading of their section.
   The minute plan with the teacher's notes is no slide.
   Arrow keys and the two buttons turn; Escape ends. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const start = document.querySelector("p.project");
  if (!start) return;
  const article = document.querySelector("article section");
  let slides = [], now = 0;

  /* Leaves of the page in order. A figure, an exercise or a solution fills its slide. */
  function collect() {
    slides = [];
    let heading = [], isFull = true;
    const walk = (section) => {
      for (const child of section.children) {
        if (child === start || child.matches(".slide-bar, #minute-plan")) continue;
        if (child.matches("section")) { walk(child); continue; }
        const isHeading = child.matches("h2"), fills = child.matches("figure, .exercise, .solution");
        const isNamed = isHeading || child.matches(".exercise, .solution");
        const isBare = slides.at(-1)?.at(-1) === heading[0];  // nothing but a heading so far
        if (isFull || isHeading || fills && (isNamed || !isBare)) slides.push(isNamed ? [] : [...heading]);
        if (isHeading) heading = [child];
        slides.at(-1).push(child);
        isFull = fills;
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
    slides.flat().forEach((part) => part.classList.toggle("slide-off", !slides[now].includes(part)));
    leaveRoom();
    bar.querySelector("output").textContent = `${now + 1} / ${slides.length}`;
    window.scrollTo(0, 0);
  }

  /* The height of a slide without its picture, for the style sheet: the picture gets the rest. */
  function leaveRoom() {
    const pictures = slides[now].flatMap((part) => [...part.querySelectorAll("img")]);
    if (!pictures.length) return;
    const below = slides[now].at(-1).getBoundingClientRect().bottom + window.scrollY;
    const taken = below - Math.max(...pictures.map((picture) => picture.offsetHeight));
    document.documentElement.style.setProperty("--slide-taken", `${taken}px`);
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
