// Devices, attacks and kinds of VMs in words and figures, without a page.
import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = { documentElement: { lang: "en" } };
globalThis.window = globalThis;
globalThis.ResizeObserver = class {};
globalThis.gettext = (text) => text;
globalThis.interpolate = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
const { limitsShown, latencyOf, utilisation } = await import("../../static/js/devices.js");
const { cellOf, columnsOf, sections } = await import("../../static/js/kinds.js");
const { attackWords, cellWords, harmOf, stoppedWords } = await import("../../static/js/verdicts.js");

test("limits show what somebody set, not what follows from it", () => {
  assert.deepEqual(limitsShown(undefined), { iops: "", burst: "", mib_per_s: "", burst_kib: "" });
  assert.deepEqual(limitsShown({ iops: 200, burst: 20, mib_per_s: 10, burst_kib: 1024 }), { iops: "200", burst: "", mib_per_s: "10", burst_kib: "" });
  assert.deepEqual(limitsShown({ iops: 5, burst: 1, mib_per_s: 10, burst_kib: 64 }), { iops: "5", burst: "", mib_per_s: "10", burst_kib: "64" });
  assert.deepEqual(limitsShown({ iops: 0, burst: 7 }), { iops: "", burst: "", mib_per_s: "", burst_kib: "" });
});

test("a latency that nobody measured is a dash", () => {
  assert.deepEqual([NaN, undefined, null].map(latencyOf), ["–", "–", "–"]);
  assert.equal(latencyOf(250), "250 µs");
  assert.equal(latencyOf(1500.4), "1.5 ms");
});

test("a device is as busy as its channels were since the last look", () => {
  const model = { state: { tick: 100 }, meta: { tick_us: 1000, devices: [{ channels: 2 }] }, device: { busy_ns: [50e6] } };
  assert.equal(utilisation(model, 0), 0.25);
  assert.equal(utilisation({ ...model, state: { tick: 10 }, device: { busy_ns: [20e6] } }, 0), 1, "the machine began anew");
});

test("the worst of verdict and harm is what a cell shows", () => {
  assert.equal(harmOf({ verdict: "refused", harmed: [] }), 0);
  assert.equal(harmOf({ verdict: "learned", harmed: [] }), 1);
  assert.equal(harmOf({ verdict: "refused", harmed: ["vm"] }), 2);
  assert.equal(harmOf({ verdict: "a new word" }), 2, "what is not known is not called harmless");
  assert.equal(cellWords({ verdict: "succeeded", harmed: ["vm", "container"] }), "succeeded, harms VM, container");
});

test("each verdict says what stopped the attempt, or why nothing did", () => {
  const words = (means, verdict, kind, setting) => stoppedWords(means, { verdict, harmed: [] }, kind, setting);
  assert.match(words("memory", "refused", "vm", ""), /nested page table/);
  assert.match(words("memory", "refused", "container", ""), /host’s kernel/);
  assert.match(words("dma", "refused", "vm", "own device, IOMMU on"), /IOMMU has no entry/);
  assert.match(words("dma", "refused", "vm", "the same, victims encrypted"), /encrypted/);
  assert.match(words("dma", "succeeded", "vm", "own device, IOMMU off"), /no IOMMU/);
  assert.match(words("fork_bomb", "contained", "microvm", ""), /kernel of its own/);
  assert.match(words("fork_bomb", "refused", "container", "pids: 100"), /cgroup/);
  assert.match(stoppedWords("dma", { verdict: "refused", stopped_by: "iommu" }, "vm"), /IOMMU has no entry/, "the engine’s word comes first");
  assert.equal(attackWords("dma", "refused"), "attack “DMA outside its frames”: refused by whoever must refuse it");
});

const ROWS = [
  { name: "vm", kind: "vm", start_ms: 4000, guest_percent: 98.889, switch_percent: 0, fits: 16, isolation: "hardware", harms: null },
  { name: "container", kind: "container", start_ms: 200, guest_percent: 99.49, switch_percent: 0, fits: 120, isolation: "kernel", harms: "4 of 19 trials" },
];

test("of each measure the better value is known, whichever way better is", () => {
  const all = Object.fromEntries(sections(ROWS).flatMap(({ measures }) => measures).map((each) => [each.column, each]));
  assert.deepEqual([all.start_ms.best, all.guest_percent.best, all.fits.best], [200, 99.49, 120]);
  assert.equal(all.kernel_mib, undefined, "what the server does not tell has no line");
  assert.equal(cellOf(all.start_ms, 4000), "4,000 ms");
  assert.equal(cellOf(all.guest_percent, 98.889), "98.9 %");
  assert.equal(cellOf(all.switch_percent, 0), "0 %");
  assert.equal(cellOf(all.isolation, "kernel"), "the kernel");
  assert.equal(cellOf(all.harms, null), "not tried yet");
  assert.equal(cellOf(all.fits, null), "–");
});

test("where not all VMs have a column, the chosen one has", () => {
  const rows = Array.from({ length: 20 }, (_, at) => ({ name: `vm${at}` }));
  assert.deepEqual(columnsOf(rows, 15, 3).map(({ at }) => at), [15, 0, 1]);
  assert.deepEqual(columnsOf(rows.slice(0, 2), 1, 3).map(({ at }) => at), [0, 1]);
});
