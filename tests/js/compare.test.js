// Two runs side by side: what is computed without a page.
import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = { documentElement: { lang: "en" }, querySelector: () => null, querySelectorAll: () => [] };
globalThis.window = globalThis;
globalThis.ResizeObserver = class {};
globalThis.location = { hash: "", href: "http://lab.example/labs/1/compare/" };
globalThis.addEventListener = () => {};
globalThis.gettext = (text) => text;
globalThis.ngettext = (one, many, n) => (n === 1 ? one : many);
globalThis.interpolate = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => String(values[name]));
const { createModel } = await import("../../static/js/model.js");
const { merged } = await import("../../static/js/compare/lanes.js");
const { differenceOf, hostFigures, vmFigures } = await import("../../static/js/compare/figures.js");
const { unlike } = await import("../../static/js/compare/difference.js");
const { differing } = await import("../../static/js/compare/maps.js");
const { lookBoth, settled, tickOf } = await import("../../static/js/compare/sides.js");

function machine(names, tick = 100) {
  const model = createModel();
  model.version = 1;
  model.meta = { ...model.meta, pcpus: 2, vms: names.map((name, row) => ({ name, vcpus: [row] })), vcpus: names.map((name, row) => ({ name: `${name}/0`, vm: row, number: 0 })) };
  Object.assign(model.state, { tick, status: "paused", last: tick });
  model.slices = [[{ from: 0, to: 60, vcpu: 0, overhead: 1, busy: 60, merged: 1, why: null }], [{ from: 10, to: 90, vcpu: names.length - 1, overhead: 0, busy: 80, merged: 1, why: null }]];
  model.pcpu = { busy: [50, 60], idle: [40, 40], overhead: [10, 0] };
  model.vcpu = { run: names.map((_, row) => 10 + row), runnable: names.map(() => 4), preemptions: names.map(() => 2) };
  model.vm = { minor_faults: names.map(() => 3), major_faults: names.map(() => 1), resident: names.map(() => 8) };
  model.vdevice = { requests: [5], in_flight: [1], latency_ns: [400] };
  return model;
}

test("lanes alternate, A above B, and a VM has one colour though its row differs", () => {
  const whole = merged([machine(["web", "db"]), machine(["db", "late"])], 100);
  assert.deepEqual(whole.laneNames, ["A · pCPU 0", "B · pCPU 0", "A · pCPU 1", "B · pCPU 1"]);
  assert.deepEqual(whole.meta.vms.map((vm) => vm.name), ["web", "db", "late"]);
  const ownerOf = (lane) => whole.meta.vms[whole.meta.vcpus[whole.slices[lane][0].vcpu].vm].name;
  assert.deepEqual([0, 1, 2, 3].map(ownerOf), ["web", "db", "db", "late"]);
});

test("slices beyond the tick that is looked at are not drawn", () => {
  const whole = merged([machine(["web"]), machine(["web"])], 5);
  assert.deepEqual(whole.slices.map((lane) => lane.length), [1, 1, 0, 0]);
});

test("figures are matched by the VM's name; who is missing has a dash", () => {
  const rows = vmFigures([machine(["web", "db"]), machine(["db"])]);
  assert.deepEqual(rows.map(({ name }) => name), ["web", "db"]);
  const ran = rows.map(({ figures }) => figures.find(({ name }) => name === "ran"));
  assert.deepEqual(ran.map(({ values }) => values), [[10, null], [11, 10]]);
  assert.deepEqual(ran.map(({ values, show }) => differenceOf(values, show)), ["–", "−1"]);
});

test("the host's figures are sums over its VMs", () => {
  const figures = Object.fromEntries(hostFigures([machine(["a", "b"]), machine(["a"])]).map(({ name, values }) => [name, values]));
  assert.deepEqual(figures.preemptions, [4, 2]);
  assert.deepEqual(figures.major, [2, 1]);
  assert.deepEqual(figures.used, [0.55, 0.55]);
  assert.deepEqual(figures.latency, [100, 100]);
});

test("frames that differ are counted, those only one host has too", () => {
  assert.equal(differing(Uint32Array.of(1, 2, 3), Uint32Array.of(1, 5, 3)), 1);
  assert.equal(differing(Uint32Array.of(1), Uint32Array.of(1, 5, 3)), 2);
});

function side(tick, last, past = true) {
  const looked = [];
  const looker = { wish: null, busy: false, at: (state) => state.tick, look: (to) => looked.push(to) };
  return { looked, looker, model: { state: { tick, last, past, live: { tick: last, status: "paused" } } } };
}

test("both look at the tick, each as far as it has got, and nobody twice", () => {
  const sides = [side(10, 100), side(10, 50)];
  lookBoth(sides, 80);
  assert.deepEqual(sides.map(({ looked }) => looked), [[80], [50]]);
  const there = [side(80, 100), side(50, 50)];
  lookBoth(there, 80);
  assert.deepEqual(there.map(({ looked }) => looked), [[], []]);
  assert.equal(tickOf(there), 80);
});

test("a live run is asked for its tick too: it must stand still to be compared", () => {
  const live = side(100, 100, false);
  lookBoth([live], 100);
  assert.deepEqual(live.looked, [100]);
});

test("nothing is settled while one is on its way", () => {
  const sides = [side(1, 5), side(1, 5)];
  assert.ok(settled(sides));
  sides[1].looker.busy = true;
  assert.ok(!settled(sides));
});

test("what was already different is told field by field, by the name of whom it concerns", () => {
  const state = { vcpu: { a: { name: "web/0", run: 3, left: 0 }, b: { name: "web/0", run: 3, left: 22 } }, page: { a: { vm: "db", page: 7, dirty: true }, b: { vm: "db", page: 7, dirty: false } } };
  assert.deepEqual(unlike(state), [["web/0", "left", 0, 22], ["page 7 of db", "dirty", true, false]]);
  assert.deepEqual(unlike({ vcpu: { a: { name: "late/0" }, b: null } }), []);
});
