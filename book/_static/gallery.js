/* The gallery of runs: sort by a click on a heading, filter by parameters, set two runs side by side. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector("[data-gallery]");
  if (!root) return;
  const runs = JSON.parse(document.getElementById("gallery-facts").textContent);
  const form = root.querySelector("form"), table = root.querySelector("table"), body = table.tBodies[0];

  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = (a, b) => (a === "" || b === "" ? (a === "") - (b === "") :
    Number.isFinite(+a) && Number.isFinite(+b) ? a - b : a.localeCompare(b));

  table.tHead.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      body.append(...[...body.rows].sort((a, b) => sign * compare(value(a, column), value(b, column))));
    });
  });

  function filter() {
    let shown = 0;
    for (const row of body.rows) {
      const run = runs[row.dataset.run];
      const wanted = [...form.querySelectorAll("select")].filter((s) => s.value !== "");
      const fits = wanted.every((s) =>
        String(s.name === "notebook" ? run.notebook : run.params[s.name] ?? "") === s.value);
      row.hidden = !fits || !(form.elements.all.checked || run.metrics.auroc);
      shown += !row.hidden;
    }
    form.querySelector("output").textContent = `${shown} of ${body.rows.length} runs`;
  }

  /* Parameters, origin and metrics in which two runs differ. */
  function difference() {
    const part = root.querySelector("[data-difference]"), [first, second] = part.querySelectorAll("select");
    const a = runs[first.value], b = runs[second.value], lines = [];
    for (const group of ["params", "origin"])
      for (const key of new Set([...Object.keys(a[group]), ...Object.keys(b[group])]))
        if (String(a[group][key]) !== String(b[group][key])) lines.push([key, a[group][key], b[group][key], null]);
    for (const key of new Set([...Object.keys(a.metrics), ...Object.keys(b.metrics)])) {
      const [x, y] = [a.metrics[key]?.[0], b.metrics[key]?.[0]];
      lines.push([key.replaceAll("_", " "), x, y, x === undefined || y === undefined ? null : y - x]);
    }
    const rounded = (v) => (typeof v === "number" ? String(Number(v.toPrecision(5))) : v ?? "\u2013");
    part.querySelector("tbody").replaceChildren(...lines.map(([name, x, y, change]) => {
      const row = document.createElement("tr"), head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head);
      for (const text of [rounded(x), rounded(y), change === null ? "" : rounded(change)]) row.insertCell().textContent = text;
      return row;
    }));
  }

  form.addEventListener("change", filter);
  form.hidden = false;
  const selects = root.querySelectorAll("[data-difference] select");
  const names = Object.keys(runs); // begin with two runs of one notebook
  const second = names.findIndex((name, i) => i > 0 && runs[name].notebook === runs[names[i - 1]].notebook);
  if (second > 0) [selects[0].selectedIndex, selects[1].selectedIndex] = [second - 1, second];
  selects.forEach((select) => select.addEventListener("change", difference));
  root.querySelector("[data-difference]").hidden = false;
  filter();
  difference();
});
