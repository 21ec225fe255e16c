// Draws the lanes of the CPU timeline: one per pCPU, slices coloured by VM, overhead and idle told
// apart. Where slices are narrower than a few pixels a pixel column shows the shares of its ticks
// instead (measured: 64 lanes × 2,000 slices in 3 ms, against 276 ms slice by slice).
import { badgeOf, colourOf, colours, pattern, textureOf } from "../colours.js";
import { compact, count, firstAbove, niceStep } from "../scales.js";
import { columns } from "./columns.js";

export const AXIS = 22; // CSS pixels below the lanes
const NARROW = 3; // CSS pixels of a mean slice below which columns are drawn
const LEGIBLE = 38; // CSS pixels of a whole slice, at the automatic scale
const TOO_FAST = 50; // slices a second on one pCPU
const LEAST_LANE = 2.5;
const THICK = 84; // a bar is never higher, however few the lanes

/**
 * Geometry of the lanes: {left, w, h, from, to, px, lane, lanes, top}.
 * `wish` = {px or null for automatic, end or null for now, top: first lane in sight}.
 */
export function geometry(model, w, h, left, wish) {
  const lanes = Math.max(1, model.meta.pcpus);
  const room = h - AXIS;
  const lane = Math.max(LEAST_LANE, Math.min(Math.max(104, room / 4), room / lanes));
  const px = wish.px ?? automatic(model, w - left);
  const to = wish.end ?? model.state.tick;
  const shown = Math.min(lanes, Math.ceil(room / lane));
  const top = Math.max(0, Math.min(wish.top, lanes - Math.floor(room / lane)));
  return { left, w, h, px, to, from: to - (w - left) / px, lane, lanes, shown, top };
}

/**
 * Pixels per tick: some fourteen slices across, wide enough for their names. Where slices come
 * faster than anybody can follow, some six seconds across instead.
 */
function automatic(model, width) {
  const { state, meta } = model;
  const slice = Math.min(100, Math.max(1, meta.scheduler?.time_slice ?? 30));
  let px = Math.min(18, Math.max(LEGIBLE / slice, width / (14 * slice)));
  const rate = state.status === "playing" ? state.rate || state.speed || 0 : 0;
  if (rate > TOO_FAST * slice) px = Math.min(px, width / (6 * rate));
  const firsts = model.slices.filter((ring) => ring.length > 20).map((ring) => ring[0].from);
  const known = state.tick - (firsts.length ? Math.max(...firsts) : 0); // by every busy lane
  px = Math.max(px, width / Math.max(60, known), 1e-5);
  return 2 ** (Math.ceil(Math.log2(px) * 2 - 0.01) / 2); // steps, so that the picture does not breathe
}

/** Tick at a place across the canvas. */
export const tickAt = (at, x) => at.to - (at.w - x) / at.px;
/** Place of a tick across the canvas. */
export const placeAt = (at, tick) => at.w - (at.to - tick) * at.px;
/** Lane at a height, or −1. */
export function laneAt(at, y) {
  const lane = Math.floor(y / at.lane) + at.top;
  return y < at.h - AXIS && lane < at.lanes ? lane : -1;
}

/** The slice under way on a pCPU, or null while it idles. */
export function current(model, p) {
  const vcpu = model.pcpu.vcpu?.[p] ?? -1;
  if (vcpu < 0) return null;
  return { from: model.pcpu.slice_at[p], to: model.state.tick, vcpu, overhead: model.pcpu.slice_overhead[p], merged: 1, running: true };
}

/** Slices of a pCPU that touch [from, to], the one under way included, oldest first. */
export function slicesIn(model, p, from, to) {
  const ring = model.slices[p] ?? [];
  const found = [];
  for (let k = firstAbove(ring, from, (s) => s.to); k < ring.length && ring[k].from <= to; k++) found.push(ring[k]);
  const now = current(model, p);
  if (now && now.to > from && now.from <= to) found.push(now);
  return found;
}

/** Draw everything; `picked` is the chosen slice or null. */
export function drawLanes(g, at, model, picked, d) {
  const lanes = [];
  let slices = 0;
  let ticks = 0;
  let merged = false;
  for (let p = at.top; p < Math.min(at.lanes, at.top + at.shown); p++) {
    const seen = slicesIn(model, p, at.from, at.to);
    lanes.push(seen);
    slices += seen.length;
    for (const s of seen) {
      ticks += Math.min(s.to, at.to) - Math.max(s.from, at.from);
      merged ||= s.merged > 1;
    }
  }
  const narrow = merged || (slices > 0 && (ticks * at.px) / slices < NARROW);
  axis(g, at, model);
  g.save();
  g.beginPath();
  g.rect(at.left, 0, at.w - at.left, at.h - AXIS);
  g.clip();
  if (narrow || at.lane < 9) columns(g, at, lanes, { rows: model.meta.vcpus, inset: insetOf(at), high: at.h - AXIS, d });
  else lanes.forEach((seen, k) => sliceBySlice(g, at, model, seen, k * at.lane));
  outline(g, at, picked);
  commands(g, at, model);
  g.restore();
  labels(g, at, model);
  if (at.shown < at.lanes) scrollMark(g, at);
  return { narrow };
}

const xOf = (at, tick) => at.w - (at.to - tick) * at.px;
const insetOf = (at) => (at.lane >= 26 ? Math.max(5, (at.lane - Math.max(THICK, 0.8 * at.lane)) / 2) : at.lane >= 14 ? 2 : 0.5);

function axis(g, at, model) {
  const { css } = colours();
  const step = Math.max(1, niceStep(84 / at.px));
  const word = at.to >= 1e7 || at.w < 420 ? compact : count;
  g.textAlign = "center";
  for (let t = Math.ceil(at.from / step) * step; t <= at.to; t += step) {
    const x = xOf(at, t);
    if (x < at.left || t < 0) continue;
    g.fillStyle = css.line;
    g.fillRect(Math.round(x), 0, 1, at.h - AXIS + 4);
    if (x < at.left + 20 || x > at.w - 58) continue;
    g.fillStyle = css["text-3"];
    g.fillText(word(t || 0), x, at.h - 8);
  }
  g.textAlign = "right";
  g.fillStyle = css["text-2"];
  g.fillText(at.to >= model.state.tick && !model.state.past ? gettext("now") : count(Math.round(at.to)), at.w - 1, at.h - 8);
  g.textAlign = "left";
}

function labels(g, at, model) {
  const { css, font, text } = colours();
  const every = Math.max(1, Math.ceil(13 / at.lane));
  for (let k = 0; k < at.shown; k++) {
    const p = at.top + k;
    if (p >= at.lanes || p % every) continue;
    const y = Math.max(7, k * at.lane + at.lane / 2);
    const whole = model.pcpu.busy ? model.pcpu.busy[p] + model.pcpu.idle[p] + model.pcpu.overhead[p] : 0;
    const off = model.pcpu.online?.[p] === 0;
    const busy = off ? gettext("offline") : whole ? `${Math.round((100 * model.pcpu.busy[p]) / whole)} %` : "";
    const two = at.lane >= 30;
    g.fillStyle = css.text;
    g.font = `600 ${at.left > 50 ? text + 1 : text}px ${font}`;
    g.fillText(model.laneNames?.[p] ?? (at.lane >= 14 ? `pCPU ${p}` : `${p}`), 0, two ? y - 0.7 * text : y);
    g.font = `${text}px ${font}`;
    g.fillStyle = css["text-3"];
    if (two) g.fillText(busy, 0, y + 0.75 * text);
  }
}

/** Where these lanes stand among all: Page up and down, or Shift and the wheel, show the others. */
function scrollMark(g, at) {
  const high = at.h - AXIS;
  g.fillStyle = colours().css["line-2"];
  g.fillRect(at.left - 5, (at.top / at.lanes) * high, 3, Math.max(8, (at.shown / at.lanes) * high));
}

function sliceBySlice(g, at, model, seen, y) {
  const inset = insetOf(at);
  const top = y + inset;
  const high = at.lane - 2 * inset;
  let last = Math.max(at.from, model.slicesFrom, 0);
  for (const s of seen) {
    idle(g, at, last, s.from, top + high / 2);
    last = Math.max(last, s.to);
    oneSlice(g, at, model, s, top, high);
  }
  idle(g, at, last, Math.min(at.to, model.state.tick), top + high / 2);
}

/** A dashed line: this pCPU had nothing to run. */
function idle(g, at, from, to, y) {
  const a = Math.max(xOf(at, from), at.left);
  const b = xOf(at, to);
  if (b - a < 2) return;
  g.fillStyle = colours().css["line-2"];
  for (let x = a + 1; x < b - 2; x += 5) g.fillRect(x, y, 2.5, 1);
}

function box(g, x, y, w, h) {
  g.beginPath();
  if (w > 6 && h > 8) g.roundRect(x, y, w, h, 3);
  else g.rect(x, y, w, h);
  g.fill();
}

function oneSlice(g, at, model, s, y, h) {
  const { css, vm } = colours();
  const a = Math.max(xOf(at, s.from), at.left - 8);
  const b = Math.min(xOf(at, s.to), at.w + 8);
  const seam = b - a > 3 ? 1 : 0;
  const paid = Math.max(a, Math.min(b, xOf(at, s.from + s.overhead)));
  if (paid - a > 0.5) {
    g.fillStyle = css.overhead;
    box(g, a, y, paid - a - (paid < b ? 0 : seam), h);
  }
  if (b - paid < 0.3) return;
  const start = paid > a ? Math.min(paid + seam * 0.5, b) : a;
  const row = model.meta.vcpus[s.vcpu]?.vm ?? 0;
  g.fillStyle = vm[colourOf(row)];
  box(g, start, y, b - start - seam, h);
  if (textureOf(row) && h > 5) {
    g.fillStyle = pattern(g, textureOf(row));
    g.fill();
  }
  if (b - start > 16 && h >= 13) plate(g, at, model, s, row, Math.max(start, at.left) + 2, b, y + h / 2);
}

const widths = new Map();
function widthOf(g, text) {
  let width = widths.get(text);
  if (width === undefined) {
    if (widths.size > 5000) widths.clear();
    widths.set(text, (width = g.measureText(text).width));
  }
  return width;
}

/** The name on a plain plate, clear of the texture; the badge's letters where it is too long. */
function plate(g, at, model, s, row, x, end, y) {
  const { vm, ink, text } = colours();
  const name = model.meta.vcpus[s.vcpu]?.name ?? "";
  for (const label of [name, badgeOf(model, row).letters]) {
    const width = widthOf(g, label) + 6;
    if (x + width >= end - 1) continue;
    g.fillStyle = vm[colourOf(row)];
    g.fillRect(x, y - 0.65 * text, width, 1.3 * text);
    g.fillStyle = ink[colourOf(row)];
    g.fillText(label, x + 3, y + 0.5);
    return;
  }
}

function outline(g, at, picked) {
  if (!picked || picked.pcpu < at.top || picked.pcpu >= at.top + at.shown) return;
  const { css } = colours();
  const inset = insetOf(at);
  const a = Math.max(xOf(at, picked.from), at.left - 6);
  const b = xOf(at, picked.to);
  if (b < at.left || a > at.w) return;
  const place = [a - 0.5, (picked.pcpu - at.top) * at.lane + inset - 0.5, Math.max(3, b - a), at.lane - 2 * inset + 1, 4];
  g.beginPath();
  g.roundRect(...place);
  g.strokeStyle = css.surface;
  g.lineWidth = 4;
  g.stroke();
  g.strokeStyle = css.text;
  g.lineWidth = 2;
  g.stroke();
}

/** Accepted commands of the journal, at the tick they were applied. */
function commands(g, at, model) {
  const { css } = colours();
  g.strokeStyle = g.fillStyle = css.accent;
  g.lineWidth = 1.5;
  let last = -9;
  for (const entry of model.journal) {
    if (!entry.accepted || entry.tick < at.from || entry.tick > at.to) continue;
    const x = Math.round(xOf(at, entry.tick));
    if (x === last) continue;
    last = x;
    g.setLineDash([3, 3]);
    g.beginPath();
    g.moveTo(x, 0);
    g.lineTo(x, at.h - AXIS);
    g.stroke();
    g.setLineDash([]);
    g.beginPath();
    g.moveTo(x - 5, 0);
    g.lineTo(x, 7);
    g.lineTo(x + 5, 0);
    g.fill();
  }
}
