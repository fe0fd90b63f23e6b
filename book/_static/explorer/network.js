/* The networks of study A, run in the browser: convolutions over leads x samples in plain JavaScript.

   One self-contained function, so that its text can also start a worker; a page that was opened from
   a folder may load no script of its own into one.  Batch norms were folded into the convolutions
   when the weights were exported (ecgcore.explorer), and of two outputs only their difference is kept.

   An activation is {data: Float32Array, channels, rows (leads), columns (samples)}, channel by channel. */
"use strict";

function ecgNetwork(description) {
  const weights = floats(description.weights);
  const tensors = {};
  let offset = 0;
  for (const [name, shape] of description.tensors) {
    const size = shape.reduce((a, b) => a * b, 1);
    tensors[name] = { shape, data: weights.subarray(offset, offset + size) };
    offset += size;
  }
  const encoder = ["encoder_0", "encoder_1", "encoder_2"].map(packed);
  const writer = description.writes_weights ? ["writer_0", "writer_1", "writer_2"].map(packed) : [];
  let kept = null; // activations of the record as it is

  function floats(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new Float32Array(bytes.buffer);
  }

  /* Weights four outputs at a time, so that one sample that is read serves four sums. */
  function packed(name) {
    const { shape, data } = tensors[name + "_weight"], bias = tensors[name + "_bias"].data;
    const [outputs, inputs, height, width] = shape, size = inputs * height * width;
    const quads = Math.ceil(outputs / 4), order = new Float64Array(quads * size * 4);
    for (let o = 0; o < outputs; o++)
      for (let s = 0; s < size; s++) order[((o >> 2) * size + s) * 4 + (o & 3)] = data[o * size + s];
    return { outputs, inputs, height, width, size, quads, order, bias };
  }

  /* 1 - erf(x): Abramowitz and Stegun, Handbook of Mathematical Functions (1964), formula 7.1.26;
     absolute error at most 1.5e-7. */
  function erfc(x) {
    const z = Math.abs(x), t = 1 / (1 + 0.3275911 * z);
    const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 +
      t * 1.061405429))));
    const y = sum * Math.exp(-z * z);
    return x >= 0 ? y : 2 - y;
  }
  const gelu = (x) => 0.5 * x * erfc(-x * Math.SQRT1_2);

  function room(channels, rows, columns, before) {
    const data = before ? before.data.slice() : new Float32Array(channels * rows * columns);
    return { data, channels, rows, columns };
  }

  /* Columns [from, to) of a convolution that keeps the size; the rest is as before. */
  function convolve(layer, input, range, before, activate) {
    const { rows, columns } = input, { inputs, height, width, size } = layer;
    const output = room(layer.outputs, rows, columns, before);
    const from = Math.max(0, range[0] - (width >> 1)), to = Math.min(columns, range[1] + (width >> 1));
    const strip = padded(input, height >> 1, width >> 1, from, to);
    const plane = rows * columns, sums = new Float64Array(8);
    for (let quad = 0; quad < layer.quads; quad++) {
      const n = Math.min(4, layer.outputs - 4 * quad);
      for (let row = 0; row < rows; row++)
        for (let column = from; column < to; column += 2) {
          pair(layer, strip, quad * size * 4, row, column - from, inputs, height, width, sums);
          for (let k = 0; k < n; k++) {
            const bias = layer.bias[4 * quad + k], at = (4 * quad + k) * plane + row * columns + column;
            output.data[at] = activate ? gelu(sums[k] + bias) : sums[k] + bias;
            if (column + 1 < to)
              output.data[at + 1] = activate ? gelu(sums[4 + k] + bias) : sums[4 + k] + bias;
          }
        }
    }
    return { output, range: [from, to] };
  }

  /* Two neighbouring columns of four outputs. */
  function pair(layer, strip, first, row, column, inputs, height, width, sums) {
    const { data, rows, columns } = strip, order = layer.order;
    let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, k = first;
    for (let channel = 0; channel < inputs; channel++)
      for (let i = 0; i < height; i++) {
        let p = (channel * rows + row + i) * columns + column, now = data[p];
        for (let j = 0; j < width; j++, k += 4) {
          const next = data[++p];
          const w0 = order[k], w1 = order[k + 1], w2 = order[k + 2], w3 = order[k + 3];
          a += w0 * now; b += w1 * now; c += w2 * now; d += w3 * now;
          e += w0 * next; f += w1 * next; g += w2 * next; h += w3 * next;
          now = next;
        }
      }
    sums[0] = a; sums[1] = b; sums[2] = c; sums[3] = d;
    sums[4] = e; sums[5] = f; sums[6] = g; sums[7] = h;
  }

  /* The columns that [from, to) of the output need, with zeros around the record. */
  function padded(input, above, left, from, to) {
    const rows = input.rows + 2 * above, columns = to - from + 2 * left + 2; // one spare for the pair
    const data = new Float32Array(input.channels * rows * columns);
    const low = Math.max(0, from - left), high = Math.min(input.columns, to + left + 1);
    for (let channel = 0; channel < input.channels; channel++)
      for (let row = 0; row < input.rows; row++) {
        const source = (channel * input.rows + row) * input.columns;
        data.set(input.data.subarray(source + low, source + high),
          (channel * rows + row + above) * columns + low - from + left);
      }
    return { data, rows, columns };
  }

  function halve(input, range, before) {
    const columns = input.columns >> 1, output = room(input.channels, input.rows, columns, before);
    const from = range[0] >> 1, to = Math.min(columns, (range[1] + 1) >> 1);
    for (let line = 0; line < input.channels * input.rows; line++)
      for (let t = from; t < to; t++) {
        const at = line * input.columns + 2 * t;
        output.data[line * columns + t] = Math.max(input.data[at], input.data[at + 1]);
      }
    return { output, range: [from, to] };
  }

  /* Nearest neighbour, as torch.nn.functional.interpolate does it. */
  function stretch(input, columns, range, before) {
    const output = room(input.channels, input.rows, columns, before), ratio = input.columns / columns;
    const from = Math.floor(range[0] / ratio), to = Math.min(columns, Math.ceil(range[1] / ratio));
    for (let line = 0; line < input.channels * input.rows; line++)
      for (let t = from; t < to; t++)
        output.data[line * columns + t] =
          input.data[line * input.columns + Math.min(input.columns - 1, Math.floor(t * ratio))];
    return { output, range: [from, to] };
  }

  /* All activations of a record (rows x columns), of which only the columns of range are new. */
  function activations(x, range, before) {
    const done = [{ data: x, channels: 1, rows: description.leads, columns: x.length / description.leads }];
    let now = range;
    const add = (step) => { done.push(step.output); now = step.range; };
    const last = () => done[done.length - 1], was = () => before && before[done.length];
    const lengths = [];
    encoder.forEach((layer, depth) => {
      add(convolve(layer, last(), now, was(), true));
      lengths.push(last().columns);
      if (depth > 0) add(halve(last(), now, was()));
    });
    const features = last();
    writer.forEach((layer, depth) => {
      add(convolve(layer, last(), now, was(), depth < 2));
      if (depth < 2) add(stretch(last(), depth ? lengths[1] : lengths[2], now, was()));
    });
    return { all: done, features };
  }

  function answer(x, { all, features }) {
    const head = tensors.head_weight.data, size = features.rows * features.columns;
    let bias = tensors.head_bias.data[0];
    for (let channel = 0; channel < features.channels; channel++) {
      let sum = 0;
      for (let i = channel * size; i < (channel + 1) * size; i++) sum += features.data[i];
      bias += head[channel] * sum / size;
    }
    if (!writer.length) return { logit: bias, bias: null, explained: null, weights: null };
    const weights = all[all.length - 1].data;
    let explained = 0;
    for (let i = 0; i < x.length; i++) explained += weights[i] * x[i];
    return { logit: explained + bias, bias, explained, weights };
  }

  return {
    /* A record, lead by lead: its logit and, of a network that writes weights, W, sum(W x) and b. */
    run(x) {
      kept = activations(x, [0, x.length / description.leads], null);
      return answer(x, kept);
    },
    /* The same record changed in columns [from, to) only; the rest is not computed again. */
    again(x, from, to) {
      return from < to ? answer(x, activations(x, [from, to], kept.all)) : answer(x, kept);
    },
  };
}
