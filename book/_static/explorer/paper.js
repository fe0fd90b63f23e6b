/* Twelve leads on ECG paper as SVG: one unit is one millimetre, 25 mm/s and 10 mm/mV. */
"use strict";
window.ecgcore ??= {};

ecgcore.paper = (() => {
  const MM_PER_S = 25, MM_PER_MV = 10, LABEL_MM = 9;
  const NAMESPACE = "http://www.w3.org/2000/svg";

  function element(name, attributes, ...children) {
    const made = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const number = (v) => v.toFixed(2);

  /* Where each lead's zero line lies, such that neighbours do not touch; and the height of all. */
  function levels(rows) {
    const places = [];
    let y = 0;
    for (const row of rows) {
      let high = 6, low = -6;
      for (const v of row.trace) { high = Math.max(high, v * MM_PER_MV); low = Math.min(low, v * MM_PER_MV); }
      y += Math.ceil((high + 3) / 5) * 5;
      places.push(y);
      y += Math.ceil((-low + 2) / 5) * 5;
    }
    return { places, height: y };
  }

  function grid(width, height) {
    const lines = [];
    for (const [step, kind] of [[1, "fine"], [5, "coarse"]]) {
      let d = "";
      for (let x = 0; x <= width; x += step) d += `M${x} 0V${height}`;
      for (let y = 0; y <= height; y += step) d += `M0 ${y}H${width}`;
      lines.push(element("path", { d, class: `grid-${kind}` }));
    }
    return lines;
  }

  const path = (points) => "M" + points.map(([x, y]) => `${number(x)} ${number(y)}`).join("L");

  /* The attribution as an area on the trace: above it where it speaks for, below where against. */
  function area(xs, ys, heights, sign) {
    let d = "", run = [];
    const close = () => {
      if (run.length > 1) d += path([...run.map((i) => [xs[i], ys[i]]),
        ...run.reverse().map((i) => [xs[i], ys[i] - heights[i]])]) + "Z";
      run = [];
    };
    heights.forEach((h, i) => {
      if (sign * h > 0) run.push(i);
      else { if (run.length) run.push(i); close(); }
    });
    close();
    return element("path", { d, class: sign > 0 ? "speaks-for" : "speaks-against" });
  }

  function box(segment, view, y, mark) {
    const from = Math.max(segment.from_s, view.from_s), to = Math.min(segment.to_s, view.to_s);
    if (to <= from) return null;
    const x = (from - view.from_s) * MM_PER_S + LABEL_MM;
    const frame = element("rect", { x: number(x), y: y - 8, width: number((to - from) * MM_PER_S), height: 16,
      class: mark.kind });
    if (!mark.text) return frame;
    return element("g", {}, frame, element("text", { x: number(x + 0.6), y: y - 5.2, class: mark.kind }, mark.text));
  }

  function lead(row, y, view) {
    const first = Math.round(view.from_s * view.rate), last = Math.min(row.trace.length, Math.round(view.to_s * view.rate));
    const xs = [], ys = [], heights = [];
    for (let t = first; t < last; t++) {
      xs.push((t / view.rate - view.from_s) * MM_PER_S + LABEL_MM);
      ys.push(y - row.trace[t] * MM_PER_MV);
      heights.push(row.map ? Math.max(-1, Math.min(1, row.map[t] * view.mv_per_unit)) * MM_PER_MV : 0);
    }
    const group = element("g", {});
    if (row.evidence) group.append(evidence(row.evidence, first, last, y, view));
    if (row.map) group.append(area(xs, ys, heights, 1), area(xs, ys, heights, -1));
    group.append(element("path", { d: path(xs.map((x, i) => [x, ys[i]])), class: "trace" }));
    for (const mark of row.marks) { const drawn = box(mark, view, y, mark); if (drawn) group.append(drawn); }
    group.append(element("text", { x: 1, y: y - 4, class: "lead-name" }, row.name));
    return group;
  }

  function evidence(flags, first, last, y, view) {
    let d = "";
    for (let t = first; t < last; t++) {
      if (!flags[t]) continue;
      const from = t;
      while (t < last && flags[t]) t++;
      const x = (from / view.rate - view.from_s) * MM_PER_S + LABEL_MM;
      d += `M${number(x)} ${y + 5}h${number(((t - from) / view.rate) * MM_PER_S)}v1.6h${number((-(t - from) / view.rate) * MM_PER_S)}Z`;
    }
    return element("path", { d, class: "evidence" });
  }

  /* rows: {name, trace [mV], map, marks: [{from_s, to_s, kind, text}], evidence}; view: {from_s, to_s,
     rate, mv_per_unit}.  Returns the drawing and a function from a pointer to (lead, second). */
  function draw(rows, view, words) {
    const width = (view.to_s - view.from_s) * MM_PER_S + LABEL_MM, { places, height } = levels(rows);
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });
    svg.append(...grid(width, height), ...rows.map((row, i) => lead(row, places[i], view)));
    const where = (event) => {
      const frame = svg.getBoundingClientRect();
      const x = ((event.clientX - frame.left) / frame.width) * width, y = ((event.clientY - frame.top) / frame.height) * height;
      let nearest = 0;
      places.forEach((place, i) => { if (Math.abs(place - y) < Math.abs(places[nearest] - y)) nearest = i; });
      const second = view.from_s + (x - LABEL_MM) / MM_PER_S;
      return { lead: rows[nearest].name, second: Math.max(view.from_s, Math.min(view.to_s, second)) };
    };
    return { svg, where };
  }

  return { draw };
})();
