/* The networks in a thread of their own, so that the page stays alive while they run.

   A page opened from a folder may start no worker from a file; it may from text, which is why
   network.js is one function.  Where no worker is allowed at all, the page itself computes. */
"use strict";
window.ecgcore ??= {};

ecgcore.startNetworks = (descriptions) => {
  function serve(make) {
    const networks = {};
    return (message) => {
      if (message.description) networks[message.name] = make(message.description);
      else if (message.range) return networks[message.name].again(message.x, ...message.range);
      else return networks[message.name].run(message.x);
      return null;
    };
  }
  const waiting = new Map();
  let ask, next = 0;
  try {
    const text = `${ecgNetwork}; const answer = (${serve})(ecgNetwork);
      onmessage = (e) => postMessage({ id: e.data.id, answer: answer(e.data) });`;
    const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    worker.onmessage = (e) => { waiting.get(e.data.id)(e.data.answer); waiting.delete(e.data.id); };
    ask = (message) => new Promise((resolve) => {
      message.id = next++;
      waiting.set(message.id, resolve);
      worker.postMessage(message);
    });
  } catch {
    const answer = serve(ecgNetwork);
    ask = (message) => new Promise((resolve) => setTimeout(() => resolve(answer(message)), 20));
  }
  for (const description of descriptions) ask({ name: description.name, description });
  return ask;
};
