// Time: looking at other ticks, marks, the tree of runs, forms of forks, links.
import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = { documentElement: { lang: "en" }, querySelector: () => null };
globalThis.window = globalThis;
globalThis.ResizeObserver = class {};
globalThis.location = { hash: "", href: "http://lab.example/labs/1/" };
globalThis.addEventListener = () => {};
globalThis.history = { replaceState() {} };
globalThis.gettext = (text) => text;
globalThis.ngettext = (one, many, n) => (n === 1 ? one : many);
globalThis.interpolate = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => String(values[name]));
const { createLooker } = await import("../../static/js/look.js");
const { marksOf, near, nextMark, scaleOf, thinned } = await import("../../static/js/timescale.js");
const { lineage, leaving } = await import("../../static/js/lineage.js");
const { fieldsOf, knobsOf } = await import("../../static/js/knobs.js");
const { forkOf } = await import("../../static/js/panels/fork.js");
const { deedWords, entryWords } = await import("../../static/js/deeds.js");
const { linkTo, ofRun } = await import("../../static/js/permalink.js");
const { createModel, liveOf } = await import("../../static/js/model.js");

/** A looker whose answers and clock the test holds in its hands. */
function looking() {
  const sent = [];
  const timers = [];
  const clock = { now: 0 };
  const looker = createLooker((command) => new Promise((answer) => sent.push({ command, answer })), { now: () => clock.now, later: (act, ms) => timers.push({ act, ms, due: clock.now + ms }) });
  async function answer(values) {
    sent.at(-1).answer({ ok: true, ...values });
    await new Promise((done) => setImmediate(done));
  }
  return { looker, sent, timers, clock, answer };
}

test("of many looks while one is under way the newest wins", async () => {
  const { looker, sent, timers, clock, answer } = looking();
  for (const tick of [5, 6, 7, 8]) looker.look(tick);
  assert.deepEqual(sent.map(({ command }) => command), [{ type: "look", tick: 5 }]);
  assert.equal(looker.wish, 8);
  clock.now = 20;
  await answer({ tick: 5 });
  assert.equal(sent.length, 1, "the next one waits for its tenth of a second");
  assert.equal(timers[0].ms, 80);
  clock.now = 100;
  timers[0].act();
  assert.deepEqual(sent[1].command, { type: "look", tick: 8 });
});

test("at most ten looks are sent a second, however quickly they are answered", async () => {
  const { looker, sent, timers, clock, answer } = looking();
  for (let tick = 0; clock.now < 1000; clock.now += 10) {
    looker.look(tick++);
    for (const timer of timers.splice(0)) {
      if (timer.due > clock.now) timers.push(timer);
      else timer.act();
    }
    if (sent.length) await answer({ tick });
  }
  assert.ok(sent.length >= 9 && sent.length <= 11, String(sent.length));
});

test("a wish is one until a sample shows it, so that the knob does not jump back", async () => {
  const { looker, answer } = looking();
  looker.look(40);
  await answer({ tick: 40 });
  looker.seen({ tick: 90, past: false });
  assert.equal(looker.at({ tick: 90 }), 40);
  looker.seen({ tick: 40, past: true });
  assert.equal(looker.wish, null);
});

test("a wish that was granted and never shown is given up after a while", async () => {
  const { looker, clock, answer } = looking();
  looker.look(40);
  await answer({ tick: 40 });
  clock.now += 2001;
  looker.seen({ tick: 90, past: false });
  assert.equal(looker.wish, null);
});

test("a refused look says why and changes nothing", async () => {
  const { looker, answer } = looking();
  let said = "";
  looker.onrefusal = (message) => (said = message);
  looker.look(40);
  await answer({ ok: false, message: "too many look at the past" });
  assert.equal(said, "too many look at the past");
  assert.equal(looker.wish, null);
});

test("steps by events add up while one is under way", async () => {
  const { looker, sent, timers, answer } = looking();
  looker.byEvents(-1);
  looker.byEvents(-1);
  looker.byEvents(-1);
  await answer({ tick: 3 });
  timers.splice(0).forEach(({ act }) => act());
  assert.deepEqual(sent.map(({ command }) => command.by), [-1, -2]);
});

test("back to live forgets what was on its way", async () => {
  const { looker, sent, timers, answer } = looking();
  looker.look(1);
  looker.look(2);
  looker.live();
  await answer({ tick: 1 });
  timers.splice(0).forEach(({ act }) => act());
  assert.deepEqual(sent.map(({ command }) => command.type), ["look", "live"]);
  await answer({});
  looker.seen({ tick: 9, past: false });
  assert.equal(looker.wish, null);
});

test("every tick has a place and is found at it, as far as pixels go", () => {
  const scale = scaleOf(0, 500, 1018, 9);
  for (let tick = 0; tick <= 500; tick += 7) assert.equal(scale.tick(scale.x(tick)), tick);
  assert.equal(scale.tick(-50), 0);
  assert.equal(scale.tick(5000), 500);
  const long = scaleOf(0, 1e7, 1018, 9);
  assert.ok(Math.abs(long.tick(long.x(123456)) - 123456) <= 1);
});

const MODEL = {
  state: { run: 2 },
  timebar: { checkpoints: [0, 100] },
  runs: [
    { number: 1, parent: null, fork_tick: null }, { number: 2, parent: 1, fork_tick: 50 }, { number: 3, parent: 2, fork_tick: 80 },
    { number: 4, parent: 1, fork_tick: 20 }, { number: 5, parent: 2, fork_tick: 90, deleted: true },
  ],
  journal: [
    { sequence: 1, tick: 10, user: "a", command: "play", accepted: true }, { sequence: 2, tick: 70, user: "a", command: "set_weight", arguments: { vm: "web", weight: 3 }, accepted: true },
    { sequence: 3, tick: 70, user: "b", command: "set_time_slice", arguments: { ticks: 0 }, accepted: false, sentence: "no" },
  ],
};

test("marks are what was asked, checkpoints, own forks and where the run itself began", () => {
  assert.deepEqual(marksOf(MODEL).map(({ tick, kind }) => `${kind} ${tick}`), ["checkpoint 0", "origin 50", "journal 70", "refused 70", "fork 80", "checkpoint 100"]);
});

test("Page keys go from mark to mark and pass checkpoints by", () => {
  const marks = marksOf(MODEL);
  assert.equal(nextMark(marks, 0, 1).tick, 50);
  assert.equal(nextMark(marks, 70, 1).tick, 80);
  assert.equal(nextMark(marks, 80, 1), null);
  assert.equal(nextMark(marks, 80, -1).tick, 70);
  assert.equal(nextMark(marks, 50, -1), null);
});

test("marks answer a pointer that is near, nearest first", () => {
  const scale = scaleOf(0, 100, 100);
  assert.deepEqual(near(marksOf(MODEL), scale, 72, 5).map(({ tick }) => tick), [70, 70]);
  assert.deepEqual(near(marksOf(MODEL), scale, 30, 5), []);
});

test("ten thousand marks are one per pixel and kind", () => {
  const journal = Array.from({ length: 10_000 }, (_, tick) => ({ tick, user: "a", command: "set_weight", accepted: true }));
  const places = thinned(marksOf({ journal, state: { run: 1 } }), scaleOf(0, 10_000, 300));
  assert.ok(places.size <= 301);
  assert.equal([...places.values()].reduce((sum, { n }) => sum + n, 0), 10_000);
});

test("the run itself is found whatever tick is shown", () => {
  const model = createModel();
  Object.assign(model.state, { tick: 9, status: "paused" });
  assert.deepEqual(liveOf(model), { tick: 9, status: "paused" });
  Object.assign(model.state, { past: true, live: { tick: 70, status: "playing" } });
  assert.deepEqual(liveOf(model), { tick: 70, status: "playing" });
});

test("runs stand below their parents, and branches pass the lines between", () => {
  const lines = lineage([{ number: 3, parent: 1, fork_tick: 9 }, { number: 1, parent: null }, { number: 2, parent: 1, fork_tick: 5 }, { number: 4, parent: 2, fork_tick: 7 }]);
  assert.deepEqual(lines.map(({ run, depth, parent }) => [run.number, depth, parent]), [[1, 0, -1], [2, 1, 0], [4, 2, 1], [3, 1, 0]]);
  assert.deepEqual(lines.map(({ passing }) => passing), [[], [9], [9], []]);
  assert.deepEqual(leaving(lines, 0), [5, 9]);
});

test("a run whose parent is deleted, or its own child, is still shown", () => {
  assert.equal(lineage([{ number: 2, parent: 1, fork_tick: 4 }]).length, 1);
  assert.equal(lineage([{ number: 1, parent: 2 }, { number: 2, parent: 1 }]).length, 2);
});

const SCHEMAS = {
  set_time_slice: { properties: { vm: { anyOf: [{ type: "string" }, { type: "null" }], default: null }, ticks: { type: "integer", minimum: 1, maximum: 9, "x-unit": "ticks" } }, required: ["ticks"] },
  add_vm: { properties: { vm: { type: "object" } }, required: ["vm"] },
  set_scheduler: { properties: { policy: { type: "string", enum: ["stride", "fcfs"] } }, required: ["policy"] },
};

test("a command's schema becomes fields; one that is too deep for a form is not offered", () => {
  assert.deepEqual(knobsOf(SCHEMAS).map(([type]) => type), ["set_time_slice", "set_scheduler"]);
  const [vm, ticks] = fieldsOf(SCHEMAS.set_time_slice);
  assert.deepEqual([vm.kind, vm.optional, ticks.kind, ticks.optional, ticks.unit], ["vm", true, "number", false, "ticks"]);
  assert.deepEqual(fieldsOf(SCHEMAS.set_scheduler)[0].choices, ["stride", "fcfs"]);
});

test("a fork's form says null where nothing was given, and runs on to where the parent is", () => {
  const values = { tick: 40, name: null, until: true, switch: false, command: { type: null } };
  assert.deepEqual(forkOf(values, { past: true }, 90), { type: "fork", tick: 40, name: "", sequence: null, until: 90, switch: false, command: null });
  const live = forkOf({ ...values, tick: 90, until: false, command: { type: "set_weight", vm: "a" } }, { past: false }, 90);
  assert.deepEqual([live.tick, live.until, live.command], [null, null, { type: "set_weight", vm: "a" }]);
});

test("what was done is told as a sentence, also what nobody here has heard of", () => {
  assert.equal(entryWords({ user: "bob", command: "set_weight", arguments: { vm: "web", weight: 7 }, accepted: true }), "bob set the weight of web to 7");
  assert.equal(entryWords({ user: "bob", command: "stop_vm", arguments: { vm: "web" }, accepted: false, sentence: "it is off" }), "bob stopped web (refused: it is off)");
  assert.equal(deedWords("run_to", { condition: "vms.web.steal > 5 %" }), "ran until vms.web.steal > 5 %");
  assert.equal(deedWords("paint_it_black", {}), "paint it black");
});

test("a link names the tick and the run, and keeps the layout", () => {
  const link = new URL(linkTo("http://lab.example/labs/1/#max=memory&tick=3", { tick: 77, run: 4 }));
  assert.deepEqual(Object.fromEntries(new URLSearchParams(link.hash.slice(1))), { max: "memory", tick: "77", run: "4" });
});

test("a page of a run asks for that run's socket, at first and when it comes back", () => {
  const config = { socket: "/ws/lab/1/?ticket=x", ticket_url: "/labs/1/ticket/" };
  assert.deepEqual(ofRun(config, null), config);
  assert.deepEqual(ofRun(config, 3), { socket: "/ws/lab/1/?ticket=x&run=3", ticket_url: "/labs/1/ticket/?run=3" });
});
