// The CPU timeline: who ran where and when, with the run queue where the next slice comes from.
import { colours, fit } from "../colours.js";
import { $, badge, el, fillTable, mark, placeIn, write } from "../elements.js";
import { chosen, choose } from "../layout.js";
import { count, firstAbove, say } from "../scales.js";
import * as lanes from "./lanes.js";
import * as queues from "./queues.js";
import * as why from "./why.js";

export const title = () => gettext("CPU timeline");

const LEGEND = 10;
const BESIDE = 100; // ms between two looks at the queue: nobody reads faster
let besideAt = 0;
const view = { px: null, end: null, top: 0 };
let picked = null; // {pcpu, from, to, vcpu, overhead}
let at = null;
let canvas, tip, model, narrowNote, begin;

/** Wire the panel's canvas, keys and buttons. */
export function mount(element, theModel, socket) {
  model = theModel;
  canvas = $("canvas", element);
  tip = $(".tip", element);
  narrowNote = $(".narrow", element);
  begin = $(".begin", element);
  queues.mount($(".queues", element), model, pickVcpu);
  why.mount($(".why", element), model, socket);
  const verbs = { "zoom-in": () => zoom(1.6), "zoom-out": () => zoom(1 / 1.6), now: follow };
  for (const [name, act] of Object.entries(verbs)) $(`[data-time="${name}"]`, element).onclick = act;
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("keydown", key);
  pointer();
  const [px, end] = [Number(chosen("px")), Number(chosen("at"))];
  if (px > 0) view.px = px;
  if (end > 0) view.end = end;
}

/** Draw lanes, queue and card. */
export function draw(theModel, all) {
  model = theModel;
  const { g, w, h, d } = fit(canvas);
  if (!w || !h || !model.version) return;
  if (picked) refreshPicked();
  at = lanes.geometry(model, w, h, w < 420 ? 50 : 5.5 * colours().text, view);
  const { narrow } = lanes.drawLanes(g, at, model, picked, d);
  narrowNote.hidden = !narrow;
  if (begin) begin.hidden = model.state.tick > 0;
  if (model.changed.meta || legendOf !== model.meta.vms.length) legend();
  const now = performance.now();
  if (all || now - besideAt > BESIDE || model.state.status !== "playing") {
    besideAt = now;
    queues.draw(model);
    why.draw(model, picked);
  }
  const waiting = model.queue.length;
  write($("#time-sub"), say(ngettext("%(n)s vCPU waiting", "%(n)s vCPUs waiting", waiting), { n: count(waiting) }));
  mark($('[data-time="now"]'), "aria-pressed", view.end === null && view.px === null ? "true" : "false");
}

let legendOf = -1;
/** Badges of the first VMs; the parts no VM owns stand after them. */
function legend() {
  legendOf = model.meta.vms.length;
  const list = $("#vm-legend");
  const fixed = [...list.querySelectorAll(".fixed")];
  const items = model.meta.vms.slice(0, LEGEND).map((vm, row) => el("li", {}, badge(model, row, true), vm.name));
  if (legendOf > LEGEND) items.push(el("li", {}, say(gettext("and %(n)s more VMs"), { n: count(legendOf - LEGEND) })));
  list.replaceChildren(...items, ...fixed);
}

/** The picked slice grows while it runs, and becomes a row of the ring when it ends. */
function refreshPicked() {
  const now = lanes.current(model, picked.pcpu);
  if (now && now.from === picked.from && now.vcpu === picked.vcpu) return Object.assign(picked, now);
  if (!picked.running) return;
  const ring = model.slices[picked.pcpu] ?? [];
  const k = firstAbove(ring, picked.from, (s) => s.to);
  const ended = ring[k]?.from === picked.from ? ring[k] : null;
  if (ended) Object.assign(picked, ended, { running: false });
  else picked.running = false;
}

function redraw() {
  if (model) draw(model, true);
}

function remember() {
  choose({ px: view.px === null ? null : Number(view.px.toPrecision(4)), at: view.end === null ? null : Math.round(view.end) });
}

/** Follow "now" at the automatic scale. */
function follow() {
  Object.assign(view, { px: null, end: null });
  remember();
  redraw();
}

/** Zoom about a place across the canvas (its right end, "now", while following). */
function zoom(factor, x = null) {
  if (!at) return;
  const place = view.end === null || x === null ? at.w : x;
  const tick = lanes.tickAt(at, place);
  view.px = Math.min(60, Math.max(1e-5, at.px * factor));
  if (view.end !== null) view.end = Math.min(model.state.tick, tick + (at.w - place) / view.px);
  remember();
  redraw();
}

/** Pan by ticks; the right end sticks to "now" when it gets there. */
function pan(ticks) {
  if (!at) return;
  const end = (view.end ?? model.state.tick) + ticks;
  view.px ??= at.px;
  view.end = end >= model.state.tick ? null : Math.max(end, (at.w - at.left) / at.px / 4);
  remember();
  redraw();
}

function wheel(event) {
  if (!at) return;
  event.preventDefault();
  if (event.shiftKey && at.lanes > at.shown) scrollLanes(Math.sign(event.deltaY || event.deltaX) * 4);
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / at.px);
  else zoom(Math.exp(-event.deltaY / 400), event.offsetX);
}

function scrollLanes(by) {
  view.top = Math.max(0, Math.min(at.lanes - 1, view.top + by));
  redraw();
}

function pointer() {
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.clientX, y: event.clientY, end: view.end ?? model.state.tick, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held && event.buttons && at) {
      const dx = event.clientX - held.x;
      if (Math.abs(dx) > 4) held.moved = true;
      if (held.moved) {
        view.end = null;
        const ticks = held.end - dx / at.px - model.state.tick;
        tip.hidden = true;
        return pan(ticks);
      }
    }
    hover(event);
  });
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener("pointerup", (event) => {
    if (held && !held.moved) pickAt(lanes.laneAt(at, event.offsetY), lanes.tickAt(at, event.offsetX));
    held = null;
  });
  addEventListener("pointerup", () => (held = null));
}

function sliceAt(pcpu, tick) {
  if (!at || pcpu < 0 || tick < at.from) return null;
  return lanes.slicesIn(model, pcpu, tick, tick).find((s) => s.from <= tick && tick < s.to) ?? null;
}

/** Where a slice begins, in pixels of the panel; null where it is not in sight. */
export function spot(target) {
  const found = /^slice:(\d+)@(\d+)$/.exec(target);
  if (!found || !at) return null;
  const [lane, x] = [Number(found[1]) - at.top, lanes.placeAt(at, Number(found[2]))];
  if (lane < 0 || lane >= at.shown || x < at.left || x > at.w) return null;
  return placeIn(canvas.closest(".panel"), canvas, { x, y: (lane + 0.5) * at.lane });
}

/** The slice that is chosen, or the one under a pointer, as others find it. */
export function objectAt(event = null) {
  if (!event) return picked ? `slice:${picked.pcpu}@${picked.from}` : "";
  if (event.target !== canvas || !at) return "";
  const pcpu = lanes.laneAt(at, event.offsetY);
  const slice = sliceAt(pcpu, lanes.tickAt(at, event.offsetX));
  return slice ? `slice:${pcpu}@${slice.from}` : "";
}

/** Choose a slice that somebody tells of, and bring it into sight. */
export function showSlice(pcpu, from) {
  const slice = lanes.slicesIn(model, pcpu, -1, model.state.tick).find((each) => each.from === from);
  if (slice) show(pcpu, slice);
}

/** A small plate at the pointer; the card tells more on a click. */
function hover(event) {
  if (!at || event.pointerType === "touch") return;
  const pcpu = lanes.laneAt(at, event.offsetY);
  const tick = lanes.tickAt(at, event.offsetX);
  const slice = sliceAt(pcpu, tick);
  tip.hidden = !slice;
  if (!slice) return;
  write(tip, why.line(model, slice, pcpu));
  const x = Math.min(event.offsetX + 12, at.w - tip.offsetWidth - 4);
  tip.style.transform = `translate(${Math.max(0, x)}px, ${Math.max(0, event.offsetY - 30)}px)`;
}

function pickAt(pcpu, tick) {
  const slice = sliceAt(pcpu, tick);
  picked = slice ? { ...slice, pcpu } : null;
  if (slice) choose({ vm: model.meta.vcpus[slice.vcpu]?.vm });
  redraw();
}

/** Pick the newest slice of a vCPU (from the queue's chips). */
function pickVcpu(vcpu) {
  let best = null;
  for (let p = 0; p < model.meta.pcpus; p++) {
    for (const s of lanes.slicesIn(model, p, -1, model.state.tick)) {
      if (s.vcpu === vcpu && (!best || s.to > best.to)) best = { ...s, pcpu: p };
    }
  }
  picked = best;
  choose({ vm: model.meta.vcpus[vcpu]?.vm });
  redraw();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !at) return;
  const span = (at.w - at.left) / at.px;
  const acts = {
    w: () => zoom(1.4), s: () => zoom(1 / 1.4), "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4),
    a: () => pan(-span / 6), d: () => pan(span / 6), End: follow, 0: follow,
    PageUp: () => scrollLanes(-at.shown), PageDown: () => scrollLanes(at.shown),
    ArrowLeft: () => neighbour(-1), ArrowRight: () => neighbour(1), ArrowUp: () => other(-1), ArrowDown: () => other(1),
    Escape: () => ((picked = null), redraw()),
  };
  const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  if (event.key !== "Escape") event.stopPropagation();
  act();
}

/** The slice before or after the picked one on its pCPU; the newest where none is picked. */
function neighbour(by) {
  const pcpu = picked?.pcpu ?? 0;
  const row = lanes.slicesIn(model, pcpu, -1, model.state.tick);
  if (!row.length) return;
  const k = picked ? row.findIndex((s) => s.from === picked.from) + by : row.length - 1;
  show(pcpu, row[Math.max(0, Math.min(row.length - 1, k))]);
}

function other(by) {
  if (!picked) return neighbour(0);
  const pcpu = Math.max(0, Math.min(model.meta.pcpus - 1, picked.pcpu + by));
  const row = lanes.slicesIn(model, pcpu, -1, model.state.tick);
  if (!row.length) return;
  const k = firstAbove(row, picked.from, (s) => s.to);
  if (pcpu < at.top || pcpu >= at.top + at.shown) view.top = pcpu;
  show(pcpu, row[Math.min(k, row.length - 1)]);
}

/** Pick a slice and bring it into sight. */
function show(pcpu, slice) {
  picked = { ...slice, pcpu };
  const end = view.end ?? model.state.tick;
  const span = (at.w - at.left) / at.px;
  if (slice.from < end - span || slice.to > end) {
    view.px ??= at.px;
    view.end = Math.min(model.state.tick, slice.to + span / 3);
  }
  redraw();
}

/** The ticks in sight, for what is drawn on the same clock; null before anything is. */
export function clock() {
  if (!at) return null;
  const to = view.end ?? model.state.tick;
  return { from: to - (at.w - at.left) / at.px, to };
}

/** The text alternative: the newest slices of every pCPU as rows. */
export function table(body) {
  const rows = [];
  for (let p = 0; p < model.meta.pcpus && rows.length < 400; p++) {
    for (const s of lanes.slicesIn(model, p, -1, model.state.tick).slice(-6).reverse()) {
      rows.push([`pCPU ${p}`, model.meta.vcpus[s.vcpu]?.name ?? "", count(s.from), count(s.to), count(s.overhead)]);
    }
  }
  if (!rows.length) rows.push([gettext("Nothing has run yet."), "", "", "", ""]);
  fillTable(body, rows);
}

