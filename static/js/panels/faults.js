// The fault timeline: each VM's page faults over time, by kind, stacked: on the clock of the charts, or
// on that of the CPU timeline above, so that a burst of faults stands below the slices it broke.
import { colourOf, colours, fit } from "../colours.js";
import { $, $$, badge, el, fillTable, write } from "../elements.js";
import { choose, chosen, chosenNumber } from "../layout.js";
import { compact, count, say } from "../scales.js";
import { binned, FAULTS } from "../stretches.js";
import { clock } from "./timeline.js";

export const title = () => gettext("Fault timeline");
export const pace = 250;

const AXIS = 18; // CSS pixels below the lanes
const LEAST_LANE = 22;
const COLUMN = 4; // CSS pixels of a column
let element, model, canvas;
let shown = new Set(FAULTS);
let span = "all";
let at = null; // {from, to, left, w, lane, n, rows, counts} of the picture
let here = null; // {row, column} under the read-out

const WORDS = {
  vm_major: (n) => say(gettext("%(n)s major"), { n }), vm_guest: (n) => say(gettext("%(n)s from the guest’s swap"), { n }),
  vm_cow: (n) => say(gettext("%(n)s copies on write"), { n }), vm_minor: (n) => say(gettext("%(n)s minor"), { n }),
};

/** Wire the choice of kinds and of the clock, the pointer and the keys. */
export function mount(theElement, theModel) {
  [element, model] = [theElement, theModel];
  canvas = $("canvas", element);
  for (const box of $$(".kinds input", element)) {
    box.onchange = () => {
      shown = new Set($$(".kinds input:checked", element).map(({ name }) => name));
      redraw();
    };
  }
  span = chosen("faults", "all");
  for (const radio of $$("[name=faults-span]", element)) {
    radio.checked = radio.value === span;
    radio.onchange = () => {
      span = radio.value;
      choose({ faults: span === "all" ? null : span });
      redraw();
    };
  }
  canvas.addEventListener("pointermove", (event) => point(event.offsetX, event.offsetY));
  canvas.addEventListener("click", (event) => {
    point(event.offsetX, event.offsetY);
    if (here) choose({ vm: at.rows[here.row] });
  });
  canvas.addEventListener("keydown", key);
}

const redraw = () => model.version && draw(model, true);

/** Redraw: columns, lanes, axis, and the read-out. */
export function draw(theModel) {
  model = theModel;
  const { history, meta } = model;
  const enough = history.tick.length > 0 && meta.vms.length > 0;
  $(".none", element).hidden = enough;
  $(".faults-fill", element).hidden = !enough;
  if (!enough) return write($("#faults-read"), "");
  const rows = lanesOf();
  canvas.style.height = `max(100%, ${rows.length * LEAST_LANE + AXIS}px)`;
  const { g, w, h } = fit(canvas);
  if (!w || !h) return;
  at = geometry(rows, w, h);
  lanes(g);
  axis(g, h);
  readOut();
}

/** VMs with a line of their own, in order; those beyond the wire's lines share the last. */
function lanesOf() {
  const lines = model.history.vm_minor.at(-1)?.length ?? 0;
  return Array.from({ length: Math.min(lines, model.meta.vms.length) }, (_, row) => row);
}

function geometry(rows, w, h) {
  const left = Math.min(120, Math.max(56, w / 5));
  const { tick } = model.history;
  const wide = clock();
  const [from, to] = span === "timeline" && wide ? [Math.max(0, wide.from), wide.to] : [tick.length > 1 ? tick[0] : 0, tick.at(-1)];
  const n = Math.max(1, Math.floor((w - left) / COLUMN));
  return { from, to, left, w, n, rows, lane: (h - AXIS) / Math.max(1, rows.length), counts: binned(model.history, rows.length, from, Math.max(to, from + 1), n) };
}

const inColumn = (row, column) => FAULTS.reduce((sum, kind) => sum + (shown.has(kind) ? at.counts[kind][row][column] : 0), 0);

function tallest() {
  let most = 0;
  at.rows.forEach((row) => {
    for (let column = 0; column < at.n; column++) most = Math.max(most, inColumn(row, column));
  });
  return most;
}

function lanes(g) {
  const { css, vm } = colours();
  const most = (at.most = tallest());
  const width = (at.w - at.left) / at.n;
  const chosenRow = chosenNumber("vm");
  at.rows.forEach((row) => {
    const bottom = (row + 1) * at.lane - 2;
    g.fillStyle = css.line;
    g.fillRect(at.left, bottom, at.w - at.left, 1);
    g.fillStyle = vm[colourOf(row)];
    g.fillRect(0, row * at.lane + 3, 3, at.lane - 6);
    g.fillStyle = row === chosenRow ? css.text : css["text-2"];
    g.textAlign = "left";
    g.fillText(clipped(g, model.meta.vms[row].name, at.left - 14), 8, bottom - at.lane / 2 + 2);
    for (let column = 0; column < at.n; column++) stack(g, css, row, column, bottom, width, most);
  });
  if (here) outline(g, css, width);
}

/** One column of a lane: its kinds on top of each other, the dearest at the bottom. */
function stack(g, css, row, column, bottom, width, most) {
  let y = bottom;
  for (const kind of FAULTS) {
    const n = shown.has(kind) ? at.counts[kind][row][column] : 0;
    if (n <= 0) continue;
    const height = Math.max(1, (n / most) * (at.lane - 5));
    g.fillStyle = css[COLOURS[kind]];
    g.fillRect(at.left + column * width, y - height, Math.max(1, width - 1), height);
    y -= height;
  }
}

const COLOURS = { vm_major: "bad", vm_guest: "warn", vm_cow: "st-3", vm_minor: "line-2" };

function outline(g, css, width) {
  g.strokeStyle = css.text;
  g.strokeRect(at.left + here.column * width - 1.5, here.row * at.lane + 1.5, width + 2, at.lane - 3);
}

function clipped(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 1 && g.measureText(`${cut}…`).width > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}

function axis(g, h) {
  g.fillStyle = colours().css["text-3"];
  g.textAlign = "left";
  g.fillText(count(Math.round(at.from)), at.left, h - AXIS / 2);
  g.textAlign = "right";
  g.fillText(count(Math.round(at.to)), at.w, h - AXIS / 2);
}

function point(x, y) {
  if (!at || x < at.left) return;
  const row = Math.floor(y / at.lane);
  if (row < 0 || row >= at.rows.length) return;
  here = { row, column: Math.min(at.n - 1, Math.floor(((x - at.left) / (at.w - at.left)) * at.n)) };
  redraw();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !at) return;
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  const { row, column } = here ?? { row: 0, column: at.n };
  here = { row: Math.max(0, Math.min(at.rows.length - 1, row + move[0])), column: Math.max(0, Math.min(at.n - 1, column + move[1])) };
  redraw();
}

/** What a column stands for, in words. */
function readOut() {
  const read = $("#faults-read");
  if (!here || here.row >= at.rows.length || here.column >= at.n) {
    here = null;
    return write(read, summary());
  }
  const width = (at.to - at.from) / at.n;
  const from = at.from + here.column * width;
  const kinds = FAULTS.filter((kind) => shown.has(kind)).map((kind) => [kind, at.counts[kind][here.row][here.column]]).filter(([, n]) => n > 0.005);
  const words = kinds.map(([kind, n]) => WORDS[kind](n < 10 ? String(Math.round(10 * n) / 10) : count(n))).join(", ") || gettext("no fault");
  const text = say(gettext("ticks %(from)s–%(to)s: %(words)s"), { from: count(Math.floor(from)), to: count(Math.ceil(from + width)), words });
  read.replaceChildren(el("span", {}, badge(model, here.row, true), model.meta.vms[here.row].name), el("span", { class: "words" }, text));
}

function summary() {
  const sum = (kind) => at.counts[kind].reduce((total, row) => total + row.reduce((a, b) => a + b, 0), 0);
  const total = FAULTS.reduce((all, kind) => all + (shown.has(kind) ? sum(kind) : 0), 0);
  return say(gettext("%(n)s faults in %(ticks)s ticks, %(most)s in the highest column. Point at a column to read it."), { n: compact(Math.round(total)), ticks: count(Math.round(at.to - at.from)), most: compact(Math.ceil(at.most)) });
}

/** The text alternative: each VM's faults in the ticks shown. */
export function table(body) {
  const sum = (kind, row) => count(Math.round(at.counts[kind][row].reduce((a, b) => a + b, 0)));
  const rows = (at?.rows ?? []).map((row) => [model.meta.vms[row].name, ...["vm_minor", "vm_major", "vm_cow", "vm_guest"].map((kind) => sum(kind, row))]);
  fillTable(body, rows.length ? rows : [[gettext("No sample yet."), "", "", "", ""]]);
}
