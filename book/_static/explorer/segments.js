/* Windows, the segments that weigh most, and what is put in place of a hidden stretch.
   The same as the Python modules segments and fills of ecgcore.explanations, to the last rounding. */
"use strict";
window.ecgcore ??= {};

ecgcore.segments = (() => {
  /* Python rounds halves to the even neighbour. */
  const round = (v) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

  function windowStarts(samples, rate, window_s, stride_s) {
    const size = Math.min(samples, Math.max(1, round(window_s * rate)));
    const step = Math.max(1, round(stride_s * rate)), starts = new Set();
    for (let first = 0; first < samples - size + step; first += step)
      starts.add(Math.min(first, samples - size));
    return { starts: [...starts], size };
  }

  /* The k windows that speak most for (sign 1) and against (sign -1), strongest first. */
  function top(map, leads, rate, k, window_s, stride_s) {
    const samples = map.length / leads.length, found = [];
    const { starts, size } = windowStarts(samples, rate, window_s, stride_s);
    const all = [];
    leads.forEach((lead, row) => {
      const total = new Float64Array(samples + 1);
      for (let t = 0; t < samples; t++) total[t + 1] = total[t] + map[row * samples + t];
      for (const start of starts) all.push({ lead, start, value: total[start + size] - total[start] });
    });
    for (const sign of [1, -1]) {
      const ordered = all.slice().sort((a, b) => sign * (b.value - a.value)).slice(0, k);
      ordered.filter((s) => sign * s.value > 0).forEach((s, i) => found.push({
        sign, rank: i + 1, lead: s.lead, value: s.value,
        from_s: s.start / rate, to_s: s.start / rate + window_s,
      }));
    }
    return found;
  }

  /* Which samples of a lead are hidden; null if none. */
  function mask(hidden, lead, samples, rate) {
    const own = hidden.filter((h) => h.lead === lead);
    if (!own.length) return null;
    const out = new Uint8Array(samples);
    for (const h of own) out.fill(1, round(h.from_s * rate), round(h.to_s * rate));
    return out;
  }

  /* A copy of the record with hidden samples as a straight line between the ends, or as zeros. */
  function filled(x, leads, rate, hidden, fill) {
    const out = x.slice(), samples = x.length / leads.length;
    leads.forEach((lead, row) => {
      const gone = mask(hidden, lead, samples, rate);
      if (gone) fillLead(out.subarray(row * samples, (row + 1) * samples), gone, fill);
    });
    return out;
  }

  function fillLead(trace, gone, fill) {
    const n = trace.length;
    for (let t = 0; t < n; t++) {
      if (!gone[t]) continue;
      let end = t;
      while (end < n && gone[end]) end++;
      const left = t > 0 ? trace[t - 1] : end < n ? trace[end] : 0;
      const right = end < n ? trace[end] : left;
      for (let i = t; i < end; i++)
        trace[i] = fill === "zero" ? 0 : left + ((right - left) * (i - t + 1)) / (end - t + 1);
      t = end;
    }
  }

  /* First and last changed column of all leads. */
  function range(hidden, rate, samples) {
    const from = Math.min(...hidden.map((h) => round(h.from_s * rate)), samples);
    return [from, Math.min(samples, Math.max(...hidden.map((h) => round(h.to_s * rate)), 0))];
  }

  /* Sum of a map over all hidden samples: what the map says that they were worth. */
  function credited(map, leads, rate, hidden) {
    const samples = map.length / leads.length;
    let sum = 0;
    leads.forEach((lead, row) => {
      const gone = mask(hidden, lead, samples, rate);
      if (gone) for (let t = 0; t < samples; t++) if (gone[t]) sum += map[row * samples + t];
    });
    return sum;
  }

  return { windowStarts, top, mask, filled, range, credited, round };
})();
