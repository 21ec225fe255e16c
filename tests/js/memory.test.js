// The pictures of memory: a walk's entries by what they are read for, faults in columns of time.
import assert from "node:assert/strict";
import test from "node:test";

globalThis.gettext = (text) => text;
globalThis.window = { interpolate: (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]) };
globalThis.document ??= { documentElement: { lang: "en" } };
globalThis.ResizeObserver ??= class {};
const { rowsOf, sentence, bitsOf } = await import("../../static/js/walking.js");
const { binned, gathered } = await import("../../static/js/stretches.js");

const host = (page, why, leaf, more = {}) => ({ table: "host", level: leaf ? 1 : 2, index: 0, for: why, of_page: page, leaf, frame: null, ...more });
const guest = (page, leaf, names) => ({ table: "guest", level: leaf ? 1 : 2, index: 3, for: "data", of_page: page, leaf, page: names, accessed: true, dirty: false });
const bits = { present: true, writable: true, accessed: true, dirty: false, shared: false, huge: false, swapped: false };
const told = {
  vm: "a", page: 5, mode: "nested", simulated: true, references: 8, by: null, frame: 7, tlb: [{ pcpu: 0, hit: false }], guest: bits, host: bits,
  steps: [host(16, "guest table", false), host(16, "guest table", true), guest(16, false, 17), host(17, "guest table", false), host(17, "guest table", true), guest(17, true, 5), host(5, "data", false), host(5, "data", true, { ...bits, frame: 7 })],
};

test("a walk has a row for each of the guest's entries, and one for the page itself", () => {
  const rows = rowsOf(told);
  assert.deepEqual(rows.map((row) => row.host.map(({ number }) => number)), [[1, 2], [4, 5], [7, 8]]);
  assert.deepEqual(rows.map((row) => row.guest?.number ?? null), [3, 6, null]);
});

test("each step has its sentence, the last entry its bits", () => {
  const said = Array.from({ length: 9 }, (_, at) => sentence(told, at));
  assert.equal(new Set(said.slice(1)).size, 8);
  assert.match(said[0], /No TLB/);
  assert.match(said[8], /frame 7\. Set: present, writable, accessed\./);
  assert.deepEqual(bitsOf(told.steps[7]).map(([letter, on]) => letter + (on ? "1" : "0")), ["P1", "W1", "A1", "D0"]);
  assert.match(sentence({ ...told, steps: [host(5, "data", true, { ...bits, present: false, frame: null })] }, 1), /a fault of the host/);
});

const faults = (tick, minor) => ({ tick, vm_minor: minor, vm_major: minor.map(() => [0, 0]), vm_cow: minor.map(() => [1, 0]), vm_guest: minor.map(() => [0, 0]) });

test("faults in columns are as many as were sent", () => {
  const history = faults([100, 200, 250], [[10, 0], [4, 6], [5, 5]]);
  const out = binned(history, 2, 0, 250, 5);
  assert.deepEqual([...out.vm_minor[0]].map((n) => Math.round(10 * n) / 10), [5, 5, 2, 2, 5]);
  assert.deepEqual([...out.vm_minor[1]], [0, 0, 3, 3, 5]);
  const part = binned(history, 2, 100, 150, 1);
  assert.deepEqual([...part.vm_minor[1]], [3]);
});

test("one sample of the charts is drawn level, and nothing of it is lost", () => {
  const names = ["minor", "major", "overhead", "idle", "io_p50", "io_p99", "wake_p50", "wake_p99", "jain"];
  const one = { tick: [900], share: [[0.5]], steal: [[0.1]], ...Object.fromEntries(names.map((name) => [name, [0.25]])), io_p50: [NaN] };
  const out = gathered(one);
  assert.deepEqual([out.tick, out.jain, out.io_p50], [[899, 900], [0.25, 0.25], [null, null]]);
});

const { lessThan, partsOf, totalOf, isOverhead } = await import("../../static/js/spending.js");

test("the parts of a bar add up to its time; overhead alone is what is neither guest nor rest", () => {
  const groups = { guest: ["guest"], exits: ["exit io", "exit fault"], waiting: ["runnable"], idle: ["idle"] };
  const now = { guest: 60, "exit io": 4, "exit fault": 6, runnable: 20, idle: 10 };
  const sum = (parts) => parts.reduce((all, { ns }) => all + ns, 0);
  assert.equal(sum(partsOf(now, groups, false)), totalOf(now));
  assert.deepEqual(partsOf(now, groups, true), [{ group: "exits", ns: 10 }]);
  assert.equal(isOverhead("runnable"), false);
  assert.deepEqual(lessThan(now, { guest: 50, idle: 10 }), { guest: 10, "exit io": 4, "exit fault": 6, runnable: 20, idle: 0 });
});
