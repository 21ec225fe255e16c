// The allocation map: every page frame of the host, by owner, by state, by heat or by sharing.
import { makeBrush, sharingOf, stateOf, vectorFrames } from "../brushes.js";
import { CellMap } from "../cells.js";
import { $, $$, badge, el, fillTable, placeIn, write } from "../elements.js";
import { choose, chosen, chosenNumber, onChoice } from "../layout.js";
import { FRAME, PTE } from "../model.js";
import { count, percent, say } from "../scales.js";

export const title = () => gettext("Allocation map");

const LEGEND_VMS = 10;
const WAYS = ["owner", "state", "heat", "sharing"];
let by = "owner";
let map, model, socket, element;
let at = null; // frame under the read-out
let awaited = null; // frame that was to be followed before the frames had come
let brush = null;
let pageOf = null; // frame → page of the watched VM, made when it is first asked for
let counted = { at: -1e9, free: 0, states: [0, 0, 0, 0], version: -1 };
let legendKey = "";

/** Wire the canvas, the three ways of colouring and the read-out. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  const canvas = $("canvas", element);
  map = new CellMap(canvas, { tile: 8, tileGap: 2, onView: show });
  map.vector = (g, cells) => vectorFrames(g, cells, brush);
  by = WAYS.includes(chosen("by")) ? chosen("by") : "owner";
  for (const radio of $$("[name=by]", element)) {
    radio.checked = radio.value === by;
    radio.onchange = () => colourBy(radio.value);
  }
  const order = $("[name=order]", element);
  order.checked = chosen("order") === "hilbert";
  map.order = order.checked ? "hilbert" : "tiles";
  order.onchange = () => {
    choose({ order: order.checked ? "hilbert" : null });
    map.inOrder(order.checked ? "hilbert" : "tiles");
    if (model?.frames.length) draw(model, true);
  };
  socket.want({ heat: by === "heat" });
  at = chosenNumber("frame");
  canvas.addEventListener("pointermove", (event) => !event.buttons && point(map.pick(event)));
  canvas.addEventListener("click", (event) => !map.dragged && follow(map.pick(event)));
  canvas.addEventListener("keydown", key);
  $('[data-zoom="in"]', element).onclick = () => map.zoomBy(1.6);
  $('[data-zoom="out"]', element).onclick = () => map.zoomBy(1 / 1.6);
  onChoice((changes) => {
    if ("frame" in changes) {
      at = chosenNumber("frame");
      if (at !== null) map.reveal(at);
      show();
    }
  });
}

/** Write the changed cells and show them; `all` after a change of size, theme or colouring. */
export function draw(theModel, all) {
  model = theModel;
  if (!model.frames.length) return;
  const fresh = map.resize(model.frames.length);
  const { frames, pages, heat, meta } = model.changed;
  if (pages === true || pages.length || meta) pageOf = null;
  const everything = all || fresh || meta || frames === true || (by === "heat" && heat);
  if (everything || !brush) brush = makeBrush(model, by);
  if (everything) writeAll();
  else if (by !== "heat" && frames.length) for (const list of frames) writeSome(list);
  if (everything || frames.length) map.at && map.flush();
  if (awaited !== null) follow(awaited);
  show();
  legend();
}

function colourBy(way) {
  by = way;
  counted.version = -1;
  counted.at = -1e9;
  legendKey = "";
  choose({ by: way === "owner" ? null : way });
  socket.want({ heat: way === "heat" });
  if (model?.frames.length) draw(model, true);
}

function writeAll() {
  if (!map.at) return;
  map.clear();
  if (map.at.cell === 1 && brush.lut) return map.writeTable(model.frames, FRAME.OWNER, brush.lut);
  if (map.at.cell === 1) return map.writeAll(brush.number);
  for (let f = 0; f < map.n; f++) map.writeTexture(f, brush.table(f));
}

function writeSome(list) {
  if (!map.at) return;
  if (map.at.cell === 1) return map.writeSome(list, brush.number);
  for (let k = 0; k < list.length; k++) map.writeTexture(list[k], brush.table(list[k]));
}

function show() {
  if (!map.at || !model) return;
  map.show([at ?? -1]);
  readOut();
}

function point(frame) {
  if (frame < 0 || frame === at) return;
  at = frame;
  show();
}

/** Follow a frame to its page: its VM's page table is asked for, the memory map goes there. */
function follow(frame) {
  if (frame < 0) return;
  if (!model.frames.length) return void (awaited = frame);
  awaited = null;
  at = frame;
  const owner = (model.frames[frame] & FRAME.OWNER) - 1;
  choose({ frame, vm: owner < 0 ? chosen("vm") : owner, find: owner < 0 ? null : frame });
  show();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (map.key(event)) return;
  if (event.key === "Enter") return follow(at ?? 0);
  const next = event.key.startsWith("Arrow") ? map.step(at ?? -1, event.key) : -1;
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  event.stopPropagation();
  if (next < 0) return;
  point(next);
  map.reveal(next);
  show();
}

/** The page a frame holds, where the page table of its VM is here; else −1. */
function pageIn(frame, owner) {
  if (model.pages?.vm !== owner) return -1;
  if (!pageOf) {
    pageOf = new Map();
    model.pages.pte.forEach((pte, page) => {
      if (pte & PTE.PRESENT) pageOf.set(pte & PTE.FRAME, page);
    });
  }
  return pageOf.get(frame) ?? -1;
}

/** Where an object stands, in pixels of the panel; null where it is not in sight. */
export function spot(target) {
  const [kind, number] = target.split(":");
  return kind === "frame" ? placeIn(element, $("canvas", element), map.spot(Number(number))) : null;
}

/** The object under a pointer. */
export function objectAt(event) {
  const frame = event.target.tagName === "CANVAS" ? map.pick(event) : -1;
  return frame < 0 ? "" : `frame:${frame}`;
}

function readOut() {
  const read = $(".read", element);
  if (at === null || at >= model.frames.length) {
    write(read, gettext("Point at a frame; a click follows it to its page."));
    return;
  }
  const word = model.frames[at];
  const owner = (word & FRAME.OWNER) - 1;
  const page = owner < 0 ? -1 : pageIn(at, owner);
  const heat = by === "heat" && model.heat ? percent(model.heat[at] / 255) : "";
  const text = `${at}|${word}|${page}|${heat}|${model.meta.vms.length}`;
  if (read.dataset.key === text) return;
  read.dataset.key = text;
  const parts = [el("span", {}, gettext("Frame"), el("b", {}, count(at)))];
  if (owner < 0) parts.push(el("span", {}, gettext("free")));
  else {
    parts.push(el("span", {}, badge(model, owner), model.meta.vms[owner]?.name ?? ""));
    parts.push(el("span", {}, ...(page < 0 ? [gettext("click: follow to its page")] : [gettext("page"), el("b", {}, count(page))])));
    parts.push(el("span", { class: "words" }, words(word).join(", ")));
  }
  if (heat) parts.push(el("span", {}, say(gettext("heat %(n)s"), { n: heat })));
  read.replaceChildren(...parts);
}

function words(word) {
  const found = [];
  if (word & FRAME.SHARED) found.push(gettext("shared"));
  found.push(word & FRAME.DIRTY ? gettext("dirty") : gettext("clean"));
  if (word & FRAME.ACCESSED) found.push(gettext("accessed"));
  if (!(word & FRAME.WRITABLE)) found.push(gettext("read only"));
  return found;
}

/** Frames by state, counted at most twice a second. */
function countStates() {
  const now = performance.now();
  if (now - counted.at < 500 || counted.version === model.version) return counted.states;
  const states = [0, 0, 0, 0];
  const { frames } = model;
  const way = by === "sharing" ? sharingOf : stateOf;
  for (let f = 0; f < frames.length; f++) states[way(frames[f])]++;
  counted = { at: now, states, version: model.version };
  return states;
}

function legend() {
  const states = countStates();
  const list = $(".legend", element);
  const resident = model.vm.resident ?? [];
  const rows = model.meta.vms.map((_, row) => row).sort((a, b) => resident[b] - resident[a]);
  const key = by === "heat" ? by : `${by}|${states}|${by === "owner" ? rows.slice(0, LEGEND_VMS).map((r) => resident[r]) : ""}`;
  write($("#alloc-sub"), say(gettext("%(used)s of %(all)s used"), { used: count(model.frames.length - states[0]), all: count(model.frames.length) }));
  if (key === legendKey) return;
  legendKey = key;
  list.replaceChildren(...(by === "owner" ? byOwner(rows.sort((a, b) => a - b), resident, states) : by === "heat" ? byHeat() : byState(states)));
}

const swatch = (name, words, n) => el("li", {}, el("i", { class: "sw", "data-sw": name }), words, el("b", {}, count(n)));

function byOwner(rows, resident, states) {
  const most = [...rows].sort((a, b) => resident[b] - resident[a]).slice(0, LEGEND_VMS).sort((a, b) => a - b);
  const items = most.map((row) => el("li", {}, badge(model, row, true), model.meta.vms[row].name, el("b", {}, count(resident[row] ?? 0))));
  if (rows.length > most.length) items.push(el("li", {}, say(gettext("and %(n)s more VMs"), { n: count(rows.length - most.length) })));
  return [...items, swatch("free", gettext("free"), states[0])];
}

function byState(states) {
  const words = by === "sharing"
    ? [gettext("free"), gettext("one VM’s alone"), gettext("read only"), gettext("shared: a write copies it")]
    : [gettext("free"), gettext("clean"), gettext("dirty"), gettext("shared")];
  return words.map((word, k) => swatch(`s${k}`, word, states[k]));
}

function byHeat() {
  return [el("li", {}, gettext("long ago"), el("i", { class: "ramp" }), gettext("just referenced")), swatch("free", gettext("free"), countStates()[0])];
}

/** The text alternative: frames by owner and state. */
export function table(body) {
  const rows = new Map();
  for (const word of model.frames) {
    const owner = (word & FRAME.OWNER) - 1;
    const row = rows.get(owner) ?? [0, 0, 0, 0];
    row[0]++;
    if (word & FRAME.DIRTY) row[1]++;
    if (word & FRAME.SHARED) row[2]++;
    if (word & FRAME.ACCESSED) row[3]++;
    rows.set(owner, row);
  }
  const sorted = [...rows].sort(([a], [b]) => a - b).slice(0, 300);
  fillTable(body, sorted.map(([owner, row]) => [owner < 0 ? gettext("free") : model.meta.vms[owner]?.name ?? "", ...row.map(count)]));
}
