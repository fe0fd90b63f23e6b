/* The ECG explorer: reads its form, runs the networks, draws the record and what speaks for what. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector("[data-explorer]");
  if (!root) return;
  const facts = JSON.parse(document.getElementById("explorer-facts").textContent);
  const form = root.querySelector("form"), field = form.elements, paper = root.querySelector(".explorer-paper");
  const status = root.querySelector("[data-status]"), { segments } = ecgcore, leads = facts.leads;
  const ask = ecgcore.startNetworks(ecgcore.networks);
  const record = { data: null, before: null, after: null }; // as it is, its answer, the re-run's
  let hidden = [], turn = 0;

  const floats = (base64, Kind = Float32Array) => {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new Kind(bytes.buffer);
  };
  const number = (name) => Number(field[name].value);
  const times = (a, b) => a.map((v, i) => v * b[i]);
  const position = () => facts.models.indexOf(field.network.value);
  const chance = (logit) => 1 / (1 + Math.exp(-logit / facts.temperatures[position()])); // calibrated
  const signed = (v, digits = 3) => (v < 0 ? "\u2212" : "+") + Math.abs(v).toFixed(digits);
  const explainsItself = () => ecgcore.networks.find((n) => n.name === field.network.value).writes_weights;

  /* Records are scripts of their own, loaded when they are asked for. */
  function load(ecg_id) {
    const name = `record_${ecg_id}`;
    if (ecgcore[name]) return Promise.resolve(ecgcore[name]);
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${facts.folder}${name}.js`;
      script.onload = () => resolve(ecgcore[name]);
      script.onerror = () => reject(new Error(`${script.src} is missing`));
      document.head.append(script);
    });
  }

  async function choose() {
    const mine = ++turn, model = field.network.value;
    busy("The network is running in your browser \u2026");
    const data = await load(field.record.value);
    data.trace ??= floats(data.signals_uv, Int16Array);
    data.input ??= floats(data.x);
    data.flags ??= data.evidence ? floats(data.evidence, Uint8Array) : null;
    const answer = await ask({ name: model, x: data.input });
    if (mine !== turn) return;
    Object.assign(record, { data, before: answer, after: null });
    await runAgain();
  }

  /* Runs the network on the record less the hidden segments. */
  async function runAgain() {
    const mine = ++turn, samples = record.data.input.length / leads.length;
    record.after = null;
    if (hidden.length) {
      busy("The network runs again \u2026");
      const x = segments.filled(record.data.input, leads, facts.rate_hz, hidden, field.fill.value);
      const range = segments.range(hidden, facts.rate_hz, samples);
      const answer = await ask({ name: field.network.value, x, range });
      if (mine !== turn) return;
      record.after = { ...answer, x };
    }
    root.dataset.state = "ready";
    show();
  }

  function busy(words) {
    root.dataset.state = "busy";
    status.textContent = words;
  }

  /* The map of the chosen method; W and W x come from the network that just ran. */
  function currentMap() {
    const rerun = field.rerun.checked && record.after ? record.after : null, method = field.method.value;
    const { data } = record, stored = data.answers[field.network.value].maps;
    if (method === "w") return (rerun ?? record.before).weights;
    if (method === "imn") return times((rerun ?? record.before).weights, rerun ? rerun.x : data.input);
    if (method === "input_x_gradient") return times(floats(stored.saliency), data.input);
    return floats(stored[method]);
  }

  function show() {
    const map = currentMap(), shown = leads.filter((lead) => field[`lead_${lead}`].checked);
    const found = segments.top(map, leads, facts.rate_hz, number("top"), number("window"), number("stride"));
    drawPaper(map, found.filter((s) => shown.includes(s.lead)), shown);
    fillAnswer(map);
    fillSegments(found);
    fillHidden();
    const python = record.data.answers[field.network.value].logit;
    status.textContent = `Computed here, in your browser: logit ${signed(record.before.logit)}; ` +
      `Python gave ${signed(python)} (difference ${Math.abs(python - record.before.logit).toExponential(0)}).`;
  }

  function drawPaper(map, found, shown) {
    const { data } = record, samples = data.input.length / leads.length, span_s = number("span");
    const length_s = samples / facts.rate_hz, from_s = Math.min(number("from"), length_s - span_s);
    field.from.max = length_s - span_s;
    const sizes = Float32Array.from(map, Math.abs).sort(), large = sizes[Math.floor(0.99 * (sizes.length - 1))] || 1;
    const view = { from_s, to_s: from_s + span_s, rate: facts.rate_hz, mv_per_unit: 0.5 / large };
    const rows = shown.map((name) => {
      const row = leads.indexOf(name), part = [row * samples, (row + 1) * samples];
      const trace = Float32Array.from(data.trace.subarray(...part), (v) => v / 1000);
      return {
        name, trace: hideIn(name, trace),
        map: field.area.checked ? map.subarray(...part) : null,
        evidence: field.evidence?.checked && data.flags ? data.flags.subarray(...part) : null,
        marks: [
          ...hidden.filter((h) => h.lead === name).map((h) => ({ ...h, kind: "hidden-part" })),
          ...(field.marks.checked ? found : []).filter((s) => s.lead === name)
            .map((s) => ({ ...s, kind: s.sign > 0 ? "top-for" : "top-against", text: `${s.sign > 0 ? "+" : "\u2212"}${s.rank}` })),
        ],
      };
    });
    const words = `Record ${data.ecg_id}, leads ${shown.join(", ")}, with ${field.method.selectedOptions[0].text}; ` +
      "the table of segments gives the same information in words.";
    const drawn = ecgcore.paper.draw(rows, view, words);
    paper.replaceChildren(drawn.svg);
    paper.where = drawn.where;
  }

  function hideIn(name, trace) {
    const own = hidden.filter((h) => h.lead === name);
    return own.length ? segments.filled(trace, [name], facts.rate_hz, own, field.fill.value) : trace;
  }

  function fillAnswer(map) {
    root.querySelector("[data-training]").textContent = `This network was ${facts.training[position()]}.`;
    const { before, after } = record, parts = [["probability", chance], ["logit", (v) => v]];
    const rows = parts.map(([name, of]) => [name, of(before.logit), after && of(after.logit)]);
    if (explainsItself()) rows.push(
      ["sum of W x", before.explained, after && after.explained], ["bias b", before.bias, after && after.bias]);
    const body = root.querySelector("[data-answer] tbody");
    body.replaceChildren(...rows.map(([name, a, b]) => line("th", name, [a, b, b === null ? null : b - a])));
    const credit = hidden.length ? segments.credited(map, leads, facts.rate_hz, hidden) : 0;
    const words = root.querySelector("[data-verdict]");
    words.dataset.credited = credit;
    const method = field.method.selectedOptions[0].text;
    words.textContent = after
      ? `The map (${method}) credits the hidden segments with ${signed(credit)}. Without them, the network's ` +
        `logit is ${signed(after.logit)} instead of ${signed(before.logit)}, a change of ${signed(after.logit - before.logit)}. ` +
        `A faithful map would have credited them with ${signed(before.logit - after.logit)}.`
      : "Hide a segment below, or one from the table, and the network runs again without it.";
  }

  function line(kind, name, values) {
    const row = document.createElement("tr"), head = document.createElement(kind);
    if (kind === "th") head.scope = "row";
    head.textContent = name;
    row.append(head, ...values.map((value) => {
      const cell = document.createElement("td");
      if (value !== null && value !== undefined) {
        cell.dataset.value = value;
        cell.textContent = name === "probability" ? value.toFixed(4) : signed(value);
      } else cell.textContent = "\u2013";
      return cell;
    }));
    return row;
  }

  function fillSegments(found) {
    const body = root.querySelector("[data-segments] tbody");
    body.replaceChildren(...found.map((s) => {
      const row = line("td", s.sign > 0 ? "for" : "against", []);
      const when = `${s.from_s.toFixed(2)} to ${s.to_s.toFixed(2)} s`;
      for (const text of [s.rank, s.lead, when, signed(s.value, 4)]) row.insertCell().textContent = text;
      row.cells[4].dataset.value = s.value;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Hide";
      button.setAttribute("aria-label", `Hide lead ${s.lead}, ${when}`);
      button.addEventListener("click", () => hide([s]));
      row.insertCell().append(button);
      return row;
    }));
  }

  function fillHidden() {
    const list = root.querySelector("[data-hidden]");
    list.replaceChildren(...hidden.map((h, i) => {
      const item = document.createElement("li"), button = document.createElement("button");
      const words = `lead ${h.lead}, ${h.from_s.toFixed(2)} to ${h.to_s.toFixed(2)} s`;
      button.type = "button";
      button.textContent = "Show again";
      button.setAttribute("aria-label", `Show again ${words}`);
      button.addEventListener("click", () => { hidden.splice(i, 1); runAgain(); });
      item.append(`${words} `, button);
      return item;
    }));
  }

  function hide(parts) {
    for (const { lead, from_s, to_s } of parts) {
      const known = hidden.some((h) => h.lead === lead && h.from_s === from_s && h.to_s === to_s);
      if (!known && to_s > from_s) hidden.push({ lead, from_s, to_s });
    }
    runAgain();
  }

  function hideChosen() {
    const from_s = number("hide_from"), to_s = from_s + number("hide_length"), lead = field.hide_lead.value;
    hide((lead === "all" ? leads : [lead]).map((name) => ({ lead: name, from_s, to_s })));
  }

  function hideTop() {
    const found = segments.top(currentMap(), leads, facts.rate_hz, number("top"), number("window"), number("stride"));
    hide(found.filter((s) => s.sign > 0));
  }

  /* Methods that the network offers, with the others greyed out. */
  function offerMethods() {
    for (const option of field.method.options) option.disabled = option.dataset.own === "yes" && !explainsItself();
    if (field.method.selectedOptions[0].disabled) field.method.value = "grad_cam";
    field.rerun.disabled = !["w", "imn"].includes(field.method.value);
  }

  let pressed = null;
  paper.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") pressed = paper.where?.(event); });
  paper.addEventListener("pointerup", (event) => {
    if (!pressed || !paper.where) return;
    const now = paper.where(event), from_s = Math.min(now.second, pressed.second);
    const length_s = Math.abs(now.second - pressed.second);
    field.hide_lead.value = pressed.lead;
    field.hide_from.value = (length_s > 0.04 ? from_s : Math.max(0, from_s - number("window") / 2)).toFixed(2);
    if (length_s > 0.04) field.hide_length.value = length_s.toFixed(2);
    pressed = null;
    status.textContent = "Segment chosen: now press \u201cHide this segment\u201d.";
  });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    if (!form.reportValidity()) return;
    const name = event.target.name;
    offerMethods();
    if (name === "record") hidden = [];
    if (name === "record" || name === "network") choose();
    else if (name === "fill") runAgain();
    else if (!name.startsWith("hide_") && root.dataset.state === "ready") show();
  });
  form.addEventListener("click", (event) => {
    const action = event.target.dataset.action;
    if (!action || root.dataset.state !== "ready" || !form.reportValidity()) return;
    if (action === "hide") hideChosen();
    if (action === "hide-top") hideTop();
    if (action === "show-all") { hidden = []; runAgain(); }
  });

  if (window.innerWidth < 700) field.span.value = "2.5";
  root.hidden = false;
  document.querySelector("[data-explorer-fallback]").classList.add("print-only");
  offerMethods();
  choose();
});
