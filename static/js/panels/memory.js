// The memory map of one VM: its page table, one cell per guest page, flags as shapes; the page
// under the cursor in full. How hardware finds its frame is the walk theatre's: walk.js.
import { CellMap, EDGE } from "../cells.js";
import { colourOf, colours } from "../colours.js";
import { $, el, fillTable, placeIn, write } from "../elements.js";
import { choose, chosenNumber, onChoice } from "../layout.js";
import { PTE } from "../model.js";
import { count, say } from "../scales.js";
import { glyph, vectorGlyphs } from "./glyph.js";

export const title = () => gettext("Memory map");

const FLAGS_AT = 24; // flags stand above the frame number in an entry
let map, model, socket, element, select;
let vm = 0;
let page = null;
let sprites = null;
let finding = null; // frame whose page is looked for once the page table has come
let known = 0;

/** Wire the canvas and the choice of VM. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  const canvas = $("canvas", element);
  select = $("select", element);
  map = new CellMap(canvas, { tile: 1, tileGap: 0, onView: show });
  map.vector = (g, cells) => vectorGlyphs(g, cells, (i) => flagsOf(model.pages.pte[i]), colours().vm[colourOf(vm)]);
  vm = chosenNumber("vm", 0);
  page = chosenNumber("page");
  socket.watch(vm);
  select.onchange = () => choose({ vm: select.value, page: null });
  canvas.addEventListener("click", (event) => !map.dragged && go(map.pick(event)));
  canvas.addEventListener("keydown", key);
  $('[data-zoom="in"]', element).onclick = () => map.zoomBy(1.6);
  $('[data-zoom="out"]', element).onclick = () => map.zoomBy(1 / 1.6);
  onChoice(listen);
}

function listen(changes) {
  if ("find" in changes && changes.find !== null) finding = Number(changes.find);
  if ("page" in changes) page = chosenNumber("page");
  if ("vm" in changes && chosenNumber("vm", 0) !== vm) {
    vm = chosenNumber("vm", 0);
    if (!("page" in changes)) page = null;
    sprites = null;
    map.n = 0;
    socket.watch(vm);
  }
  find();
  show();
}

/** Write the changed pages and show them; `all` after a change of size or theme. */
export function draw(theModel, all) {
  model = theModel;
  choices();
  const table = model.pages?.vm === vm ? model.pages.pte : null;
  $(".waiting", element).hidden = Boolean(table?.length);
  if (!table?.length) return write($(".waiting", element), waitingWords());
  if (all) sprites = null;
  const fresh = map.resize(table.length);
  const { pages } = model.changed;
  find();
  if (!map.at) return;
  const everything = fresh || !sprites || pages === true;
  if (!sprites) sprites = makeSprites();
  if (everything) writeAll(table);
  else for (const list of pages) writeSome(list, table);
  if (everything || pages.length) map.flush();
  show();
  summary(table);
}

/** A frame is followed to its page although this panel is out of sight. */
export function unseen(theModel) {
  model = theModel;
  find();
}

function waitingWords() {
  if (!model.meta.vms.length) return gettext("This lab has no VM yet. Add one with + above the tree.");
  return gettext("The page table is on its way.");
}

function choices() {
  const { vms } = model.meta;
  if (known === vms.length && select.value === String(vm)) return;
  if (known !== vms.length) {
    select.replaceChildren(...vms.map((each, row) => el("option", { value: row }, each.name)));
    known = vms.length;
  }
  if (vm >= vms.length && vms.length) choose({ vm: 0 });
  select.value = String(vm);
}

const flagsOf = (pte) => (pte >>> FLAGS_AT) & 0x3f;

/** One sprite per combination of flags, drawn once at the size of a cell. */
function makeSprites() {
  const side = map.at.cell - map.at.gap;
  const soft = map.at.cell > 1 && !map.at.gap; // the last row and column paler, instead of a gap
  const colour = colours().vm[colourOf(vm)];
  const canvas = new OffscreenCanvas(side, side);
  const g = canvas.getContext("2d", { willReadFrequently: true });
  return Array.from({ length: 64 }, (_, flags) => {
    g.clearRect(0, 0, side, side);
    glyph(g, flags << FLAGS_AT, soft ? side - 1 : side, colour);
    if (soft) softEdge(g, side);
    return new Uint32Array(g.getImageData(0, 0, side, side).data.buffer.slice(0));
  });
}

/** Repeat the last row and column at half strength. */
function softEdge(g, side) {
  g.globalAlpha = EDGE;
  const last = side - 1;
  g.drawImage(g.canvas, last - 1, 0, 1, last, last, 0, 1, last);
  g.drawImage(g.canvas, 0, last - 1, side, 1, 0, last, side, 1);
  g.globalAlpha = 1;
}

function writeAll(table) {
  map.clear();
  if (map.at.cell === 1) return map.writeAll((i) => sprites[flagsOf(table[i])][0]);
  for (let i = 0; i < table.length; i++) map.writeSprite(i, sprites[flagsOf(table[i])]);
}

function writeSome(list, table) {
  if (map.at.cell === 1) return map.writeSome(list, (i) => sprites[flagsOf(table[i])][0]);
  for (let k = 0; k < list.length; k++) if (list[k] < table.length) map.writeSprite(list[k], sprites[flagsOf(table[list[k]])]);
}

function show() {
  if (!map.at || model?.pages?.vm !== vm) return;
  map.show([page ?? -1]);
  readOut();
}

/** Look for the page that a chosen frame holds. */
function find() {
  if (finding === null || model?.pages?.vm !== vm) return;
  // The VM has a page in this frame: a table without any has not come yet.
  if (!model.pages.pte.some((pte) => pte & PTE.PRESENT)) return;
  const frame = finding;
  finding = null;
  const found = model.pages.pte.findIndex((pte) => pte & PTE.PRESENT && (pte & PTE.FRAME) === frame);
  choose({ find: null, page: found < 0 ? null : found });
  if (found >= 0) map.reveal(found);
}

/** Where an object stands, in pixels of the panel; null where it is not in sight. */
export function spot(target) {
  const found = /^page:(.+)\/(\d+)$/.exec(target);
  if (!found || model.meta.vms[vm]?.name !== found[1]) return null;
  return placeIn(element, $("canvas", element), map.spot(Number(found[2])));
}

/** The object under a pointer. */
export function objectAt(event) {
  const at = event.target.tagName === "CANVAS" ? map.pick(event) : -1;
  return at < 0 ? "" : `page:${model.meta.vms[vm]?.name}/${at}`;
}

/** Choose a page; its frame is outlined in the allocation map. */
function go(next) {
  if (next < 0 || model?.pages?.vm !== vm) return;
  page = next;
  const pte = model.pages.pte[next];
  choose({ page: next, vm, frame: pte & PTE.PRESENT ? pte & PTE.FRAME : null });
  map.reveal(next);
  show();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || map.key(event)) return;
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  event.stopPropagation();
  go(map.step(page ?? -1, event.key));
}

function summary(table) {
  let resident = 0;
  let swapped = 0;
  for (let i = 0; i < table.length; i++) {
    if (table[i] & PTE.PRESENT) resident++;
    else if (table[i] & PTE.SWAPPED) swapped++;
  }
  const values = { all: count(table.length), resident: count(resident), swapped: count(swapped) };
  write($("#mem-sub"), say(gettext("%(all)s pages · resident %(resident)s · swapped %(swapped)s"), values));
}

/** Flags of an entry in words. */
function words(pte) {
  if (!(pte & PTE.PRESENT)) return pte & PTE.SWAPPED ? [gettext("swapped: the next reference is a major fault")] : [gettext("never used: the first reference is a minor fault")];
  const found = [gettext("present")];
  if (pte & PTE.WRITABLE) found.push(gettext("writable"));
  if (pte & PTE.ACCESSED) found.push(gettext("accessed"));
  if (pte & PTE.DIRTY) found.push(gettext("dirty"));
  if (pte & PTE.SHARED) found.push(gettext("shared, a write copies it"));
  return found;
}

function readOut() {
  const read = $(".read", element);
  const pte = page !== null && page < model.pages.pte.length ? model.pages.pte[page] : null;
  const key = `${vm}|${page}|${pte}`;
  if (read.dataset.key === key) return;
  read.dataset.key = key;
  if (pte === null) return write(read, gettext("Click a page to see its entry and its frame."));
  const hex = `0x${(pte >>> 0).toString(16).padStart(8, "0")}`;
  const parts = [el("span", {}, gettext("Page"), el("b", {}, count(page)))];
  if (pte & PTE.PRESENT) parts.push(el("span", {}, gettext("frame"), el("b", {}, count(pte & PTE.FRAME))));
  parts.push(el("span", { class: "words" }, words(pte).join(", ")), el("span", {}, gettext("entry"), el("code", {}, hex)));
  read.replaceChildren(...parts);
}

/** The text alternative: runs of pages with equal flags. */
export function table(body) {
  const rows = [];
  const pte = model.pages?.vm === vm ? model.pages.pte : new Uint32Array(0);
  for (let from = 0; from < pte.length && rows.length < 300; ) {
    let to = from + 1;
    while (to < pte.length && flagsOf(pte[to]) === flagsOf(pte[from])) to++;
    rows.push([to - from === 1 ? count(from) : `${count(from)}–${count(to - 1)}`, count(to - from), words(pte[from]).join(", ")]);
    from = to;
  }
  fillTable(body, rows);
}
