/* The form on the parameters page: checks values as ecgcore.runs.parameters does and writes the command
   and the YAML file.  What is declared comes from the notebooks, as JSON in the page. */
"use strict";
window.ecgcore ??= {};

ecgcore.parameters = (() => {
  const DIGITS = String.raw`\d+(?:_\d+)*`;
  const NUMBER = new RegExp(String.raw`^[+-]?(?:${DIGITS}\.?(?:${DIGITS})?|\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`);

  class Refused extends Error {}

  /* A number as Python reads it from text. */
  function readNumber(text, kind) {
    const bare = text.trim();
    if (!NUMBER.test(bare)) throw new Refused();
    const value = Number(bare.replaceAll("_", ""));
    if (!Number.isFinite(value) || (kind === "int" && !Number.isInteger(value))) throw new Refused();
    return value;
  }

  function readItem(declared, text, kind) {
    let value = text;
    if (kind === "bool") {
      if (!["true", "false"].includes(text.toLowerCase())) throw new Refused();
      value = text.toLowerCase() === "true";
    } else if (kind !== "str") value = readNumber(text, kind);
    const isNamed = declared.allowed.includes(String(value)), [low, high] = declared.limits ?? [null, null];
    const isWithin = declared.limits && (low === null || value >= low) && (high === null || value <= high);
    if ((declared.allowed.length || declared.limits) && !isNamed && !isWithin) throw new Refused();
    return value;
  }

  /* Value of a parameter given as text; throws an Error with the sentence of the command line. */
  function read(declared, text) {
    try {
      if (!declared.kind.startsWith("list[")) return readItem(declared, text, declared.kind);
      const inner = text.trim().replace(/^[[\]]+|[[\]]+$/g, "");
      const items = inner.split(",").map((item) => item.trim().replace(/^['"]+|['"]+$/g, "")).filter(Boolean);
      return items.map((item) => readItem(declared, item, declared.kind.slice(5, -1)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new Error(`Parameter '${declared.name}': expected ${declared.expected}, got '${text}'.`);
    }
  }

  const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
  const plain = (value) => (Array.isArray(value) ? value.join(",") : String(value));

  /* given: [name, value] of what differs from the defaults. */
  function command(notebook, given, out) {
    const words = given.map(([name, value]) => `-p ${quoted(`${name}=${plain(value)}`)}`);
    return ["python -m ecgcore run", `notebooks/${notebook}.ipynb`, ...words, `--out ${quoted(out)}`].join(" ");
  }

  const yaml = (given) => given.map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join("");

  return { read, command, yaml };
})();

document.addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector("[data-parameter-form]");
  if (!root) return;
  const notebooks = JSON.parse(document.getElementById("parameter-facts").textContent);
  const form = root.querySelector("form"), rows = root.querySelector("[data-fields]");
  const shown = { command: root.querySelector("[data-command]"), yaml: root.querySelector("[data-yaml]") };
  const errors = root.querySelector("[data-errors]");

  function field(declared) {
    const row = document.createElement("div"), label = document.createElement("label");
    const closed = declared.kind === "bool" ? ["True", "False"] : declared.kind.startsWith("list") ? [] : declared.allowed;
    const input = document.createElement(closed.length ? "select" : "input");
    for (const word of closed) input.add(new Option(word, word));
    input.id = `parameter-${declared.name}`;
    input.name = declared.name;
    input.value = declared.default_text;
    input.autocomplete = "off";
    label.htmlFor = input.id;
    label.textContent = declared.name;
    const help = document.createElement("small"), wrong = document.createElement("small");
    help.id = `${input.id}-help`;
    help.textContent = `${declared.meaning}: ${declared.expected}`;
    wrong.id = `${input.id}-wrong`;
    wrong.className = "wrong";
    input.setAttribute("aria-describedby", `${help.id} ${wrong.id}`);
    row.append(label, input, help, wrong);
    return row;
  }

  function choose() {
    rows.replaceChildren(...notebooks[form.elements.notebook.value].map(field));
    update();
  }

  function update() {
    const notebook = form.elements.notebook.value, given = [], wrong = [];
    for (const declared of notebooks[notebook]) {
      const input = form.elements[declared.name], note = document.getElementById(`${input.id}-wrong`);
      note.textContent = "";
      try {
        const value = ecgcore.parameters.read(declared, input.value);
        if (input.value !== declared.default_text) given.push([declared.name, value]);
      } catch (error) {
        wrong.push(error.message);
        note.textContent = error.message;
      }
      input.setAttribute("aria-invalid", note.textContent ? "true" : "false");
    }
    const out = form.elements.run_directory.value.trim() || "my_run";
    errors.textContent = wrong.length ? "The check would refuse this; nothing would be computed." : "";
    shown.command.textContent = wrong.length ? "" : ecgcore.parameters.command(notebook, given, out);
    shown.yaml.textContent = wrong.length ? "" : ecgcore.parameters.yaml(given) || "# all defaults\n";
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => (event.target.name === "notebook" ? choose() : update()));
  form.addEventListener("click", (event) => { if (event.target.dataset.reset !== undefined) choose(); });
  root.hidden = false;
  choose();
});
