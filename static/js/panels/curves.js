// Miss-ratio curves: how often each VM faults in every size of memory, under LRU and at best (OPT),
// with what it has now; and what moving frames from one VM to another would do, before it is done.
import { colourOf } from "../colours.js";
import { $, badge, el, fillTable, mark, svg, write } from "../elements.js";
import { chosenNumber, choose } from "../layout.js";
import { compact, count, percent, say } from "../scales.js";
import { faultsAt, missesAt, together } from "../misses.js";

export const title = () => gettext("Miss-ratio curves");
export const pace = 400;

const EVERY = 3000; // ms between two questions while the machine moves on
const [W, H, LEFT, BOTTOM] = [240, 120, 34, 16];
let element, model, url, told;
let askedAt = -EVERY;
let askedTick = -1;
let move; // the form of the slider
let moved = null; // what was moved, and the counters then: {rows: [{vm, faults, references, predicted, coming}]}
let socket;

/** Wire the panel: curves are asked for while it is in sight, and only then. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  url = JSON.parse($("#lab-config")?.textContent ?? "{}").urls?.lab_curves;
  move = $(".move", element);
  move.addEventListener("input", predict);
  move.addEventListener("submit", take);
  $(".curve-list", element).addEventListener("click", (event) => {
    const figure = event.target.closest("[data-vm]");
    if (figure) choose({ vm: figure.dataset.vm });
  });
}

/** Ask again where the machine has moved on; mark what each VM has now. */
export function draw(theModel) {
  model = theModel;
  const now = performance.now();
  if (!model.state.past && url && now - askedAt > EVERY && model.state.tick !== askedTick) ask(now);
  if (told) present();
  if (moved) confirm();
}

async function ask(now) {
  [askedAt, askedTick] = [now, model.state.tick];
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (!answer.vms) return say_(answer.message ?? gettext("There are no curves."));
    told = answer;
    show();
  } catch {
    say_(gettext("The server did not answer. Try again."));
  }
}

function say_(words) {
  const none = $(".none", element);
  none.hidden = false;
  write(none, words);
}

function show() {
  const { vms } = told;
  $(".none", element).hidden = vms.length > 0;
  $(".curves", element).hidden = !vms.length;
  if (!vms.length) return say_(gettext("No VM of this lab references memory."));
  write($("#curves-sub"), say(gettext("of %(n)s references around tick %(tick)s"), { n: compact(Math.max(...vms.map((vm) => vm.made + vm.coming))), tick: count(told.tick) }));
  $(".curve-list", element).replaceChildren(...vms.map(figure));
  choices();
  predict();
}

/** What is known of how far a recording can be trusted, as a light with its sentence. */
function trust(curve) {
  return curve.recorded.map(({ name, valid_from: from }) => {
    const ok = from !== null && curve.resident >= from;
    const words = from === null
      ? say(gettext("%(name)s: nobody counted how true this recording is."), { name })
      : ok ? say(gettext("%(name)s: in %(n)s frames or more the recording’s faults are within 2 % of the program’s."), { name, n: count(from) })
        : say(gettext("%(name)s: below %(n)s frames the recording cannot tell: what the program does within 10,000 instructions was not recorded."), { name, n: count(from) });
    return el("p", { class: `light ${ok ? "on" : "off"}` }, el("i", { "aria-hidden": "true" }), el("b", {}, ok ? gettext("valid") : gettext("not valid")), " ", words);
  });
}

function figure(curve) {
  const vm = model.meta.vms[curve.vm];
  const all = curve.made + curve.coming;
  const lru = percent(missesAt(curve.frames, curve.lru, curve.resident) / all);
  const words = say(gettext("%(vm)s: with its %(n)s frames LRU misses %(lru)s of the references; its %(pages)s pages would fit all"), { vm: vm.name, n: count(curve.resident), lru, pages: count(curve.distinct) });
  return el("figure", { "data-vm": curve.vm, "data-vm-colour": colourOf(curve.vm), tabindex: "0" },
    el("figcaption", {}, badge(model, curve.vm, true), el("b", {}, vm.name), el("span", { class: "now" }, say(gettext("%(n)s frames for %(all)s pages"), { n: count(curve.resident), all: count(curve.distinct) }))),
    drawing(curve, all, words), ...trust(curve));
}

/** The curve as a picture: LRU solid, OPT dashed, a bar where the VM is now, hatched where a recording cannot tell. */
function drawing(curve, all, words) {
  const widest = Math.max(1, curve.distinct, curve.resident);
  const x = (frames) => LEFT + (frames / widest) * (W - LEFT - 4);
  const y = (misses) => 4 + (1 - misses / all) * (H - BOTTOM - 8);
  const path = (frames, misses) => frames.map((n, k) => `${k ? "L" : "M"}${x(n).toFixed(1)} ${y(misses[k]).toFixed(1)}`).join("");
  const from = Math.max(0, ...curve.recorded.map(({ valid_from: least }) => least ?? 0));
  const nodes = [
    svg("title", {}, words),
    svg("path", { class: "grid", d: `M${LEFT} ${y(all)}H${W - 4}M${LEFT} ${y(all / 2)}H${W - 4}M${LEFT} ${y(0)}H${W - 4}` }),
    text(LEFT - 4, y(all) + 4, "100 %", "end"), text(LEFT - 4, y(0), "0", "end"), text(LEFT, H - 2, "0", "start"), text(W - 4, H - 2, compact(widest), "end"),
  ];
  if (from) nodes.push(svg("rect", { class: "unknown", x: LEFT, y: y(all), width: Math.max(0, Math.min(x(from), W - 4) - LEFT), height: y(0) - y(all) }));
  nodes.push(
    svg("path", { class: "opt", d: path(curve.opt_frames, curve.opt) }),
    svg("path", { class: "lru", d: path(curve.frames, curve.lru) }),
    svg("path", { class: "here", d: `M${x(curve.resident).toFixed(1)} ${y(all)}V${y(0)}` }),
    svg("circle", { class: "here", cx: x(curve.resident).toFixed(1), cy: y(missesAt(curve.frames, curve.lru, curve.resident)).toFixed(1), r: 3.5 }),
  );
  return svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": words }, ...nodes);
}

const text = (x, y, words, anchor) => svg("text", { x, y, "text-anchor": anchor }, document.createTextNode(words));

// --- moving frames -------------------------------------------------------------------------------

const curveOf = (vm) => told.vms.find((curve) => curve.vm === Number(vm));

function choices() {
  for (const select of [move.elements.from, move.elements.to]) {
    const was = select.value;
    select.replaceChildren(...told.vms.map(({ vm }) => el("option", { value: vm }, model.meta.vms[vm].name)));
    if (curveOf(was)) select.value = was;
  }
  if (move.elements.from.value === move.elements.to.value && told.vms.length > 1) {
    const first = chosenNumber("vm", told.vms[0].vm);
    move.elements.to.value = curveOf(first) ? first : told.vms[0].vm;
    move.elements.from.value = told.vms.find(({ vm }) => vm !== Number(move.elements.to.value)).vm;
  }
  move.hidden = told.vms.length < 2;
}

/** The faults of the references to come, as they are and with so many frames moved. */
function predict() {
  if (!told || told.vms.length < 2) return;
  const [from, to] = [curveOf(move.elements.from.value), curveOf(move.elements.to.value)];
  const slider = move.elements.frames;
  const same = from === to;
  slider.max = same ? 0 : from.resident;
  const frames = Math.min(Number(slider.value), Number(slider.max));
  move.elements.take.disabled = !socket.may?.steer || same || !frames;
  write($("output", move), say(ngettext("%(n)s frame", "%(n)s frames", frames), { n: count(frames) }));
  const body = $("tbody", move);
  if (same) return fillTable(body, [[gettext("Choose two different VMs."), "", "", ""]]);
  const rows = [[from, -frames], [to, frames]].map(([curve, by]) => ({ curve, before: faultsAt(curve, 0), after: faultsAt(curve, by), by }));
  const sum = together(rows);
  fillTable(body, [
    ...rows.map(({ curve, before, after, by }) => [model.meta.vms[curve.vm].name, `${count(curve.resident)} → ${count(curve.resident + by)}`, `${count(before)} → ${count(after)}`, signed(after - before)]),
    [gettext("together"), "", `${count(sum.before)} → ${count(sum.after)}`, signed(sum.after - sum.before)],
  ]);
  const [row] = [...body.rows].slice(-1);
  mark(row, "class", sum.after < sum.before ? "better" : sum.after > sum.before ? "worse" : null);
  write($(".predicted", move), say(gettext("Faults under LRU in the next %(n)s references of each, counted ahead: their workloads make the same ones whatever they get."), { n: count(Math.min(from.coming, to.coming)) }));
}

/** Take the frames by a balloon: its guest gives them up, the other VM finds them free. */
async function take(event) {
  event.preventDefault();
  const [from, to] = [curveOf(move.elements.from.value), curveOf(move.elements.to.value)];
  const frames = Number(move.elements.frames.value);
  const said = $(".refusal", move);
  write(said, "");
  if (from === to || !frames) return;
  const rows = [[from, -frames], [to, frames]].map(([curve, by]) => ({ vm: curve.vm, predicted: faultsAt(curve, by), coming: curve.coming, ...counters(curve.vm) }));
  const target = (vm) => model.overcommit?.vms?.[vm]?.balloon_target ?? 0;
  const orders = [[to.vm, Math.max(0, target(to.vm) - frames)], [from.vm, target(from.vm) + frames]].filter(([vm, pages]) => pages !== target(vm));
  for (const [vm, pages] of orders) {
    const answer = await socket.send({ type: "set_balloon", vm: model.meta.vms[vm].name, pages });
    if (!answer.ok) return write(said, answer.message);
  }
  moved = { rows };
  confirm();
}

const counters = (vm) => ({ faults: (model.vm.minor_faults?.[vm] ?? 0) + (model.vm.major_faults?.[vm] ?? 0), references: model.vm.references?.[vm] ?? 0 });

/** What the engine has counted since, beside what was predicted for as many references. */
function confirm() {
  const words = moved.rows.map(({ vm, predicted, coming, faults, references }) => {
    const now = counters(vm);
    const made = now.references - references;
    const due = Math.round((predicted * Math.min(made, coming)) / Math.max(1, coming));
    return say(gettext("%(vm)s: %(n)s faults in %(made)s references, predicted %(due)s"), { vm: model.meta.vms[vm]?.name ?? "?", n: count(now.faults - faults), made: count(made), due: count(due) });
  });
  write($(".measured", move), say(gettext("Since then: %(words)s."), { words: words.join("; ") }));
}

const signed = (n) => (n > 0 ? `+${count(n)}` : n < 0 ? `−${count(-n)}` : "0");

/** The mark of what a VM has moves with every sample, not only with new curves. */
function present() {
  for (const figure of $(".curve-list", element).children) {
    const resident = model.vm.resident?.[Number(figure.dataset.vm)];
    const curve = curveOf(figure.dataset.vm);
    if (resident === undefined || !curve) continue;
    write($(".now", figure), say(gettext("%(n)s frames for %(all)s pages"), { n: count(resident), all: count(curve.distinct) }));
    mark(figure, "class", Number(figure.dataset.vm) === chosenNumber("vm") ? "chosen" : null);
  }
}

/** The text alternative: each VM's misses at tenths of its pages. */
export function table(body) {
  const rows = (told?.vms ?? []).flatMap((curve) =>
    [0.1, 0.25, 0.5, 0.75, 1].map((part) => {
      const frames = Math.round(part * curve.distinct);
      const all = curve.made + curve.coming;
      return [model.meta.vms[curve.vm].name, count(frames), percent(missesAt(curve.frames, curve.lru, frames) / all), percent(missesAt(curve.opt_frames, curve.opt, frames) / all)];
    }));
  fillTable(body, rows.length ? rows : [[gettext("No curve yet."), "", "", ""]]);
}
