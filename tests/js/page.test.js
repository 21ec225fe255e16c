// paint.js and the part of commands.js that needs no page.
import assert from "node:assert/strict";
import test from "node:test";

import { buttonArguments, formArguments } from "../../static/js/commands.js";
import { createModel } from "../../static/js/model.js";
import { startPainting } from "../../static/js/paint.js";

function painting(draw) {
  const model = createModel();
  const frames = [];
  const done = [];
  const socket = { acknowledge: () => done.push("acknowledged") };
  const stop = startPainting(model, socket, (each) => (done.push("drawn"), draw?.(each)), { frame: (paint) => frames.push(paint) });
  function sample() {
    model.version++;
    model.changed.any = true;
    socket.onsample();
  }
  return { model, frames, done, sample, stop };
}

test("several samples are drawn in one animation frame, then acknowledged", () => {
  const { frames, done, sample, model } = painting();
  for (let i = 0; i < 3; i++) sample();
  assert.equal(frames.length, 1);
  assert.deepEqual(done, []);
  frames[0]();
  assert.deepEqual(done, ["drawn", "acknowledged"]);
  assert.equal(model.changed.any, false);
});

test("the next sample asks for a frame of its own", () => {
  const { frames, sample } = painting();
  sample();
  frames[0]();
  sample();
  assert.equal(frames.length, 2);
});

test("nothing new is not drawn", () => {
  const { frames, done, sample, model } = painting();
  sample();
  model.changed.any = false;
  frames[0]();
  assert.deepEqual(done, ["acknowledged"]);
});

test("a panel that fails does not stop the stream", (t) => {
  t.mock.method(console, "error", () => {});
  const { frames, done, sample } = painting(() => {
    throw new Error("a panel's bug");
  });
  sample();
  frames[0]();
  assert.deepEqual(done, ["drawn", "acknowledged"]);
});

test("stopped, it draws no more", () => {
  const { frames, done, sample, stop } = painting();
  sample();
  stop();
  frames[0]();
  assert.deepEqual(done, []);
});

function form(...elements) {
  return { elements: elements.map((each) => ({ type: "text", value: "", dataset: {}, ...each })) };
}

test("a form's inputs are the arguments of its command", () => {
  const values = formArguments(
    form(
      { name: "vm", value: "web-1" }, { name: "ticks", type: "number", value: "5" }, { name: "weight", type: "number", value: "" },
      { name: "on", type: "checkbox", checked: true }, { name: "row", value: "7", dataset: { type: "number" } }, { name: "", value: "unnamed" },
      { name: "left_out", value: "1", disabled: true },
    ),
  );
  assert.deepEqual(values, { vm: "web-1", ticks: 5, weight: null, on: true, row: 7 });
});

test("a number that is none is sent as it is, for the server to refuse", () => {
  assert.deepEqual(formArguments(form({ name: "ticks", type: "number", value: "5e" })), { ticks: "5e" });
});

test("a name with a dot is a field within an argument", () => {
  assert.deepEqual(formArguments(form({ name: "vm.name", value: "a" }, { name: "vm.pages", type: "number", value: "3" })), { vm: { name: "a", pages: 3 } });
});

test("of several buttons only the one that was pressed counts, and of radios the chosen one", () => {
  const pressed = { name: "how", type: "submit", value: "now", dataset: {} };
  const values = formArguments(
    { elements: [pressed, { name: "how", type: "submit", value: "later", dataset: {} }, { name: "mode", type: "radio", value: "vf", checked: false, dataset: {} }, { name: "mode", type: "radio", value: "emulated", checked: true, dataset: {} }] },
    pressed,
  );
  assert.deepEqual(values, { how: "now", mode: "emulated" });
});

test("a button's data attributes are the arguments of its command", () => {
  assert.deepEqual(buttonArguments({ command: "step", ticks: "10", confirm: "Sure?", word: "Step", forPanel: "x" }), { ticks: 10 });
  assert.deepEqual(buttonArguments({ command: "speed", ticksPerS: "0" }), { ticks_per_s: 0 });
  assert.deepEqual(buttonArguments({ command: "stop_vm", vm: "12" }), { vm: "12" }, "a VM may be called 12");
});
