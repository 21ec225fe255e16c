// wire.js against bytes that the Python encoder made of a real machine.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { createModel, drawn } from "../../static/js/model.js";
import { crc32, createWire } from "../../static/js/wire.js";

const recorded = JSON.parse(readFileSync(process.env.RECORDED, "utf8"));
const { expected } = recorded;

function bytes(text) {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, "base64");
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

function topicOf(message) {
  return new DataView(message).getUint16(2, true);
}

async function played(messages = recorded.messages) {
  const model = createModel();
  model.want = { heat: true };
  const wire = createWire(model);
  wire.watch(2);
  for (const message of messages) assert.equal(await wire.receive(bytes(message)), null);
  return { model, wire };
}

test("after a snapshot and all changes every column is the machine's", async () => {
  const { model } = await played();
  for (const [table, columns] of Object.entries(expected.tables)) {
    for (const [name, values] of Object.entries(columns)) assert.deepEqual([...model[table][name]], values, `${table}.${name}`);
  }
  assert.equal(model.state.tick, expected.tick);
  assert.deepEqual([...model.queue], expected.queue);
  assert.deepEqual(model.meta.vms.map((vm) => vm.name), expected.names);
});

test("the map is equal, frame by frame and by its CRC", async () => {
  const { model } = await played();
  assert.deepEqual([...model.frames], expected.frames);
  assert.equal(crc32(model.frames), expected.crc);
});

test("the pages of the watched VM and the heat are equal", async () => {
  const { model } = await played();
  assert.equal(model.pages.vm, 2);
  assert.deepEqual([...model.pages.pte], expected.pages);
  assert.deepEqual([...model.heat], expected.heat);
});

test("slices stand per pCPU, oldest first", async () => {
  const { model } = await played();
  const got = model.slices.map((lane) => lane.map(({ from, to, vcpu, overhead }) => [from, to, vcpu, overhead]));
  assert.deepEqual(got, expected.slices);
  assert.ok(model.slices[0].every(({ merged, busy, from, to, why }) => merged === 1 && busy === to - from && model.meta.slice_ends.includes(why)));
  assert.equal(model.slicesFrom, 0);
});

test("events have their words, the charts their points, the journal its rows", async () => {
  const { model } = await played();
  assert.equal(model.events.length, expected.events);
  const last = model.events.at(-1);
  assert.deepEqual([last.tick, last.a, last.b], expected.lastEvent);
  assert.ok(model.meta.events.includes(last.kind));
  assert.ok(model.events.some((event) => event.name === "vm-1/0"));
  assert.deepEqual(model.history.tick, expected.historyTicks);
  assert.deepEqual([...model.history.share.at(-1)], expected.lastShare);
  assert.equal(model.journal.length, expected.journal);
  assert.deepEqual(model.people, [{ name: "alice" }]);
});

test("a compressed snapshot gives the same picture as all the changes", async () => {
  const { model } = await played();
  const late = await played([recorded.snapshot]);
  for (const name of ["pcpu", "vcpu", "vm", "device", "vdevice", "queue", "frames", "slices", "events", "meta", "state"]) {
    assert.deepEqual(late.model[name], model[name], name);
  }
  for (const { history } of [model, late.model]) {
    // Points from before a VM was added have no entry for it, or 0 where they came at once.
    for (const name of ["share", "steal", "vm_minor", "vm_major", "vm_cow", "vm_guest"]) history[name] = history[name].map((point) => [...point, 0].slice(0, 7));
  }
  assert.deepEqual(late.model.history, model.history);
});

test("a change onto another version is not applied; a snapshot mends it", async () => {
  const { model, wire } = await played(recorded.messages.slice(0, 6));
  const ofLab = recorded.messages.slice(6).map(bytes).filter((message) => topicOf(message) === 0);
  const before = structuredClone(model.vcpu);
  assert.equal(await wire.receive(ofLab[1]), 0);
  assert.deepEqual(model.vcpu, before);
  assert.equal(await wire.receive(bytes(recorded.snapshot)), null);
  assert.equal(crc32(model.frames), expected.crc);
});

test("what changed is noted until it is drawn", async () => {
  const { model, wire } = await played(recorded.messages.slice(0, 3));
  assert.equal(model.changed.frames, true);
  assert.equal(model.changed.meta, true);
  drawn(model);
  assert.equal(model.changed.any, false);
  for (const message of recorded.messages.slice(3, 40)) await wire.receive(bytes(message));
  assert.equal(model.changed.any, true);
  assert.equal(model.changed.queue, true);
  assert.ok(model.changed.frames === true || model.changed.frames.some((list) => list.length));
});

test("pages of a VM that is no longer watched are dropped", async () => {
  const { model, wire } = await played();
  wire.watch(1);
  const pages = recorded.messages.map(bytes).filter((message) => topicOf(message) === 18);
  await wire.receive(pages[0]);
  assert.equal(model.pages, null);
});

test("a message that is cut short is an error, not half a picture", async () => {
  const { wire } = await played(recorded.messages.slice(0, 1));
  const next = bytes(recorded.messages.find((text, n) => n > 2 && topicOf(bytes(text)) === 0));
  await assert.rejects(wire.receive(next.slice(0, next.byteLength - 9)), RangeError);
});
