// Both timelines on one canvas, lane over lane: pCPU 0 of A, pCPU 0 of B, pCPU 1 of A, …
import { colours, fit } from "../colours.js";
import { $, badge, el } from "../elements.js";
import { drawLanes, geometry, slicesIn } from "../panels/lanes.js";
import { QUIET } from "../timescale.js";
import { tickOf } from "./sides.js";

const LANE = 28; // pixels of a lane, where there is room
const [LEAST, MOST] = [150, 560];
const view = { px: null, end: null, top: 0 };
let canvas, again;

/** Wire zoom. */
export function mountLanes(redraw) {
  canvas = $(".both-lanes canvas");
  again = redraw;
  $("[data-lanes=in]").onclick = () => zoom(1.6);
  $("[data-lanes=out]").onclick = () => zoom(1 / 1.6);
}

let at = null;
function zoom(factor) {
  if (!at) return;
  view.px = Math.min(60, Math.max(1e-5, at.px * factor));
  again();
}

/**
 * One picture of two machines, for the code that draws one: lanes alternate, VMs are matched by name.
 * @param {import("../model.js").Model[]} models
 * @param {boolean} short  whether the lanes' names must be
 */
export function merged(models, tick, short = false) {
  const vms = [...models[0].meta.vms];
  const rows = models.map((model) => model.meta.vms.map((vm) => rowOf(vms, vm)));
  const vcpus = [];
  const firsts = models.map((model, side) => {
    const first = vcpus.length;
    vcpus.push(...model.meta.vcpus.map((vcpu) => ({ ...vcpu, vm: rows[side][vcpu.vm] })));
    return first;
  });
  const pcpus = Math.max(...models.map((model) => model.meta.pcpus));
  const lanes = Array.from({ length: 2 * pcpus }, (_, lane) => ({ p: lane >> 1, side: lane & 1 }));
  return {
    meta: { ...models[0].meta, vms, vcpus, pcpus: lanes.length },
    state: { ...models[0].state, tick, status: "paused", past: true },
    slices: lanes.map(({ p, side }) => (p < models[side].meta.pcpus ? slicesIn(models[side], p, 0, tick).map((slice) => ({ ...slice, vcpu: slice.vcpu + firsts[side] })) : [])),
    slicesFrom: Math.max(...models.map((model) => model.slicesFrom)),
    pcpu: { vcpu: lanes.map(() => -1) },
    journal: models.flatMap((model) => model.journal.filter((entry) => !QUIET.has(entry.command))),
    laneNames: lanes.map(({ p, side }) => `${side ? "B" : "A"}${short ? " " : " · pCPU "}${p}`),
  };
}

function rowOf(vms, vm) {
  const known = vms.findIndex((each) => each.name === vm.name);
  return known >= 0 ? known : vms.push(vm) - 1;
}

/** Draw both, and where they first differ. */
export function drawBoth(sides, difference) {
  const models = sides.map((side) => side.model);
  const tick = tickOf(sides);
  const pcpus = Math.max(...models.map((model) => model.meta.pcpus));
  canvas.parentElement.style.height = `${Math.max(LEAST, Math.min(MOST, 2 * pcpus * LANE + 22))}px`;
  const { g, w, h, d } = fit(canvas);
  if (!w || !h) return;
  const narrow = w < 420;
  const whole = merged(models, tick, narrow);
  at = geometry(whole, w, h, narrow ? 30 : 7 * colours().text, view);
  drawLanes(g, at, whole, null, d);
  apart(g, at, whole.meta.pcpus);
  if (difference !== null) line(g, at, difference);
  legend(whole);
}

/** A hairline between the pairs of lanes. */
function apart(g, place, lanes) {
  g.fillStyle = colours().css.line;
  for (let lane = 2; lane < lanes; lane += 2) g.fillRect(0, Math.round(lane * place.lane), place.w, 1);
}

function line(g, place, tick) {
  const x = place.w - (place.to - tick) * place.px;
  if (x < place.left || x > place.w) return;
  g.strokeStyle = colours().css.bad;
  g.lineWidth = 2;
  g.setLineDash([5, 3]);
  g.beginPath();
  g.moveTo(x, 0);
  g.lineTo(x, place.h - 22);
  g.stroke();
  g.setLineDash([]);
}

let legendOf = "";
function legend(model) {
  const names = model.meta.vms.map((vm) => vm.name);
  if (legendOf === names.join("|")) return;
  legendOf = names.join("|");
  const overhead = el("li", {}, el("i", { class: "sw", "data-sw": "overhead" }), gettext("overhead, drawn first"));
  $("#both-legend").replaceChildren(...names.slice(0, 10).map((name, row) => el("li", {}, badge(model, row, true), name)), overhead);
}
