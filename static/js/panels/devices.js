// Devices: virtual ones on the left, physical ones on the right, the mapping between them; and the
// ledger of VM exits by reason.
import { ask } from "../commands.js";
import { $, badge, el, fillTable, keep, mark, svg, write } from "../elements.js";
import { colourOf } from "../colours.js";
import { chosenNumber, onChoice } from "../layout.js";
import { compact, count, duration, fine, percent, say } from "../scales.js";
import { reasonWord, totalOf } from "../spending.js";

import { dragged } from "./drag.js";

export const title = () => gettext("Devices");

export const pace = 200;
const MOST = 48; // virtual devices listed at once; the chosen VM's come first
const LEDGER = 5;
let modes = ["emulated", "paravirtual", "vf", "passthrough"];
let maps = false; // whether a virtual device can be mapped to another physical one
let element, model, list, physical, wires, line;
let steer = false;
let shown = [];
let layoutKey = "";
let busyBefore = null; // {tick, busy_ns, share}: utilisation since the last look
const peak = new Map();

/** Words for a mode. */
const modeWord = (mode) =>
  ({ emulated: gettext("emulated"), paravirtual: gettext("paravirtual"), vhost: "vhost", vf: gettext("VF"), passthrough: gettext("passthrough") })[mode] ?? mode;

/** Wire the lists; `socket.may` says whether modes can be changed. */
export function mount(theElement, theModel, socket) {
  [element, model] = [theElement, theModel];
  list = $(".virtual", element);
  physical = $(".physical", element);
  wires = $(".wires", element);
  line = socket;
  steer = socket.may?.steer ?? false;
  const schemas = JSON.parse($("#command-schemas")?.textContent ?? "{}");
  modes = schemas.set_device_mode?.properties?.mode?.enum ?? modes;
  maps = steer && "map_device" in schemas;
  dragged(element, { wires, list, physical, shown: () => shown, may: () => maps, map });
  $(".dev-map", element).addEventListener("scroll", drawWires, { passive: true });
  onChoice((changes) => "vm" in changes && (layoutKey = ""));
}

/** Refresh both lists, the wires between them and the ledger. */
export function draw(theModel, all) {
  model = theModel;
  const { devices, vdevices } = model.meta;
  const chosen = chosenNumber("vm", -1);
  const key = `${chosen}|${vdevices.length}|${devices.length}`;
  if (key !== layoutKey || model.changed.meta || all) {
    layoutKey = key;
    const rows = vdevices.map((_, row) => row);
    shown = rows.sort((a, b) => (vdevices[b].vm === chosen) - (vdevices[a].vm === chosen) || a - b).slice(0, MOST);
    all = true;
  }
  $(".virtual-head", element).hidden = !vdevices.length;
  $("p.none", element).hidden = devices.length > 0;
  $(".virtual-none", element).hidden = vdevices.length > 0 || !devices.length;
  keep(list, shown, makeVirtual, refreshVirtual);
  keep(physical, devices, makePhysical, refreshPhysical);
  $(".virtual-more", element).hidden = vdevices.length <= shown.length;
  write($(".virtual-more", element), say(gettext("and %(n)s more: choose a VM in the tree to see its devices"), { n: count(vdevices.length - shown.length) }));
  if (all) drawWires();
  subtitle();
  ledger();
}

function subtitle() {
  const flight = (model.vdevice.in_flight ?? []).reduce((sum, n) => sum + n, 0);
  const values = { virtual: count(model.meta.vdevices.length), physical: count(model.meta.devices.length), flight: count(flight) };
  write($("#dev-sub"), say(gettext("%(virtual)s virtual on %(physical)s physical · %(flight)s in flight"), values));
}

function makeVirtual() {
  const options = modes.map((mode) => el("option", { value: mode }, modeWord(mode)));
  const select = el("select", { name: "mode", class: "mode" }, options);
  const form = el("form", { "data-command": "set_device_mode", "data-on": "change", novalidate: true }, el("input", { type: "hidden", name: "vm" }), el("input", { type: "hidden", name: "device" }), select, el("span", { class: "refusal", "data-error-for": "mode", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  const figures = Object.entries(FIGURES).map(([name, words]) => el("span", { class: `n ${name}`, "data-label": words() }));
  return el("li", {}, el("span", { class: "named" }), ...figures, form);
}

/** The columns between name and mode; on a phone each carries its heading. */
const FIGURES = { flight: () => gettext("in flight"), requests: () => gettext("requests"), mean: () => gettext("mean") };

function refreshVirtual(item, row) {
  const { vm, name, mode, device, unplugged } = model.meta.vdevices[row];
  const vmName = model.meta.vms[vm]?.name ?? "";
  const key = `${row}|${vmName}|${name}|${mode}|${device}|${unplugged}|${model.meta.vms.length}`;
  if (item.dataset.key !== key) identify(item, key, { vm, name, mode, vmName, unplugged });
  const requests = model.vdevice.requests?.[row] ?? 0;
  const flight = model.vdevice.in_flight?.[row] ?? 0;
  const done = requests - flight;
  write(item.children[1], count(flight));
  write(item.children[2], compact(requests));
  write(item.children[3], done > 0 ? duration(model.vdevice.latency_ns[row] / done) : "–");
}

function identify(item, key, { vm, name, mode, vmName, unplugged }) {
  item.dataset.key = key;
  item.dataset.mode = mode;
  const state = unplugged ? el("em", {}, ` ${gettext("unplugged")}`) : null;
  item.querySelector(".named").replaceChildren(badge(model, vm), el("b", {}, vmName), ` ${name}`, ...(state ? [state] : []));
  const [vmInput, device] = item.querySelectorAll("input");
  vmInput.value = vmName;
  device.value = name;
  const select = item.querySelector("select");
  mark(select, "aria-label", say(gettext("Mode of %(device)s of %(vm)s"), { device: name, vm: vmName }));
  mark(select, "data-mode", mode);
  select.disabled = !steer;
  if (maps) places(select, vm, name);
  if (document.activeElement !== select) select.value = mode;
}

/** Below the modes: the other devices of its kind, which a line can be dragged to as well. */
function places(select, vm, name) {
  const row = model.meta.vdevices.findIndex((each) => each.vm === vm && each.name === name);
  const { device, unplugged } = model.meta.vdevices[row];
  const { devices } = model.meta;
  const others = devices.map((each, at) => [each, at]).filter(([each, at]) => (unplugged || at !== device) && each.kind === devices[device]?.kind);
  const options = others.map(([each, at]) => el("option", { value: `to:${at}` }, say(gettext("to %(name)s"), each)));
  if (!unplugged) options.push(el("option", { value: "unplug" }, gettext("unplug")));
  select.querySelector("optgroup")?.remove();
  select.append(el("optgroup", { label: gettext("map") }, options));
  select.onchange = (event) => {
    if (modes.includes(select.value)) return;
    event.stopPropagation(); // the form's own command is the mode
    const to = select.value;
    select.value = model.meta.vdevices[row].mode;
    map(row, to === "unplug" ? null : Number(to.slice(3)), select.form);
  };
}

/** Map a virtual device to another physical one; to none: unplug it. */
function map(row, device, form = null) {
  const { vm, name } = model.meta.vdevices[row];
  const target = { vm: model.meta.vms[vm].name, device: name };
  const command = device === null ? { type: "unmap_device", ...target } : { type: "map_device", ...target, backend: model.meta.devices[device].name };
  return ask(line, form ?? list.children[shown.indexOf(row)].querySelector("form"), command);
}

const kindWord = (kind) => ({ disk: gettext("disk"), nic: gettext("network"), console: gettext("console"), timer: gettext("timer"), gpu: gettext("GPU"), usb: gettext("USB"), char: gettext("character device"), switch: gettext("switch") })[kind] ?? kind;

const QUEUES = { fifo: () => gettext("first come"), fair: () => gettext("fair"), deadline: () => gettext("deadline") };

function makePhysical() {
  const queue = el("form", { "data-command": "set_queue", "data-on": "change", novalidate: true }, el("input", { type: "hidden", name: "device" }), el("select", { name: "queue", disabled: !maps }, Object.entries(QUEUES).map(([name, words]) => el("option", { value: name }, words()))), el("span", { class: "refusal", "data-error-for": "queue", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  return el("li", {}, el("span", {}, el("b"), " ", el("small")), el("small", { class: "used" }), el("meter", { min: 0, max: 1 }), el("small"), queue);
}

function refreshPhysical(item, device, row) {
  const queued = model.device.queued?.[row] ?? 0;
  const served = model.device.in_service?.[row] ?? 0;
  const [head, used, meter, state, form] = item.children;
  const queue = form.elements.queue;
  form.elements.device.value = device.name;
  mark(queue, "aria-label", say(gettext("Who is served next by %(name)s"), device));
  if (document.activeElement !== queue && device.queue) queue.value = device.queue;
  write(head.firstChild, device.name);
  write(head.lastChild, kindWord(device.kind));
  write(used, percent(utilisation(row)));
  const channels = say(ngettext("%(n)s channel", "%(n)s channels", device.channels), { n: count(device.channels) });
  const requests = say(gettext("%(n)s requests"), { n: count(model.device.requests?.[row] ?? 0) });
  mark(item, "title", `${device.name}: ${kindWord(device.kind)}, ${channels}, ${duration(device.service_us * 1000)}, ${requests}`);
  const most = Math.max(peak.get(row) ?? 8, queued, 2 * device.channels);
  peak.set(row, most);
  mark(meter, "max", most);
  mark(meter, "high", Math.max(1, most * 0.7));
  if (meter.value !== Math.min(queued, most)) meter.value = Math.min(queued, most);
  mark(meter, "aria-label", say(gettext("Queue of %(name)s"), { name: device.name }));
  const values = { queued: compact(queued), served: count(served), channels: count(device.channels) };
  write(state, say(gettext("%(queued)s queued · %(served)s of %(channels)s busy"), values));
}

/** Share of its channels' time a device was busy, over the last second or so of looking. */
function utilisation(row) {
  const now = performance.now();
  const { tick } = model.state;
  if (!busyBefore || tick < busyBefore.tick || busyBefore.share.length !== model.meta.devices.length) busyBefore = { now, tick: 0, busy: model.meta.devices.map(() => 0), share: model.meta.devices.map(() => 0) };
  const before = busyBefore;
  if ((row === 0 && now - before.now > 1000 && tick > before.tick) || before.tick === 0) {
    const span = (tick - before.tick) * model.meta.tick_us * 1000;
    const share = model.meta.devices.map((d, k) => (span ? Math.min(1, (model.device.busy_ns[k] - before.busy[k]) / (span * d.channels)) : 0));
    busyBefore = { now, tick, busy: [...(model.device.busy_ns ?? [])], share };
  }
  return Math.max(0, busyBefore.share[row] ?? 0);
}

/** Wires from each virtual device to its backend; the line's style is the mode. */
function drawWires() {
  const box = wires.getBoundingClientRect();
  if (!box.width) return;
  const middle = (node) => {
    const place = node.getBoundingClientRect();
    return place.top + place.height / 2 - box.top;
  };
  const fan = new Map();
  const ends = shown.map((row) => model.meta.vdevices[row].device);
  ends.forEach((device) => fan.set(device, (fan.get(device) ?? 0) + 1));
  const seen = new Map();
  const paths = [];
  shown.forEach((row, k) => {
    const { vm, device, mode, unplugged } = model.meta.vdevices[row];
    const target = physical.children[device];
    if (!target || unplugged) return;
    const n = seen.get(device) ?? 0;
    seen.set(device, n + 1);
    const all = fan.get(device);
    const spread = Math.min(7, (target.clientHeight - 8) / Math.max(1, all - 1));
    const a = middle(list.children[k]);
    const b = middle(target) + (n - (all - 1) / 2) * spread;
    const w = box.width;
    const colour = { "data-vm-colour": colourOf(vm), "data-mode": mode };
    paths.push(svg("path", { "data-row": row, d: `M0 ${a}C${w / 2} ${a} ${w / 2} ${b} ${w} ${b}`, ...colour }), svg("circle", { "data-row": row, cx: w - 2, cy: b, r: maps ? 5 : 2.5, ...colour }));
  });
  wires.replaceChildren(...paths);
}

/** Exits of all VMs, most first: a part for each reason of which there was one. */
function exits() {
  const reasons = (model.meta.exits ?? []).filter((reason, k) => k < 3 || model.vm[`exit_${reason}`]?.some((n) => n > 0));
  const columns = reasons.map((reason) => model.vm[`exit_${reason}`]);
  if (!columns[0]) return [[], []];
  const rows = model.meta.vms.map((vm, row) => ({ row, parts: columns.map((column) => column[row] ?? 0) }));
  for (const each of rows) each.sum = each.parts.reduce((a, b) => a + b, 0);
  return [reasons, rows.sort((a, b) => b.sum - a.sum || a.row - b.row)];
}

let ledgerAt = 0;
let heads = "";
let asked = null; // the number that was pressed: {row, reason}
let before = null; // exits a while ago, for how many a second there are
function ledger() {
  const now = performance.now();
  if (now - ledgerAt < 400 && !model.changed.meta) return;
  ledgerAt = now;
  const most = element.classList.contains("is-max") ? 100 : LEDGER;
  const [reasons, all] = exits();
  rates(reasons, now);
  if (heads !== `${reasons}`) head(reasons);
  const rows = all.slice(0, most);
  const top = Math.max(1, ...rows.flatMap(({ parts }) => parts));
  const body = $("tbody", $(".ledger", element));
  keep(body, rows, () => el("tr", {}, el("th", { scope: "row" })), (tr, { row, parts, sum }) => {
    while (tr.children.length < reasons.length + 2) tr.append(el("td"));
    const [name, ...cells] = tr.children;
    const words = model.meta.vms[row].name;
    if (name.dataset.key !== `${row}|${words}`) {
      name.dataset.key = `${row}|${words}`;
      name.replaceChildren(badge(model, row, true), words);
    }
    parts.forEach((n, k) => number(cells[k], row, reasons[k], n, top));
    write(cells.at(-1), sum ? count(sum) : "–");
  });
  cost();
}

function head(reasons) {
  heads = `${reasons}`;
  const names = [gettext("VM"), ...reasons.map(reasonWord), gettext("total")];
  $(".ledger thead", element).replaceChildren(el("tr", {}, names.map((name) => el("th", { scope: "col" }, name))));
  $(".ledger tbody", element).replaceChildren();
}

/** A number that tells what it cost when it is pressed. */
function number(cell, row, reason, n, top) {
  if (!cell.firstElementChild) cell.replaceChildren(el("button", { type: "button" }));
  const button = cell.firstElementChild;
  write(button, n ? count(n) : "–");
  button.disabled = !n;
  mark(cell, "data-heat", n ? Math.min(3, Math.ceil((3 * n) / top)) : null);
  mark(button, "aria-pressed", String(asked?.row === row && asked.reason === reason));
  button.onclick = () => {
    asked = asked?.row === row && asked.reason === reason ? null : { row, reason };
    ledgerAt = 0;
    ledger();
  };
}

/** Remember the counters every two seconds, so that a rate can be told of now. */
function rates(reasons, now) {
  const { tick } = model.state;
  if (before && tick >= before.tick && now - before.at < 2000) return;
  const kept = Object.fromEntries(reasons.map((reason) => [reason, [...model.vm[`exit_${reason}`]]]));
  before = { at: now, tick, kept, last: before && tick > before.tick ? before : null };
}

/** What the exits of a reason cost a VM: time, a share of its own, and how many a second there are. */
function cost() {
  const place = $(".exit-cost", element);
  if (!asked) return write(place, "");
  const { row, reason } = asked;
  const ledgers = model.figures?.ledger;
  const k = model.figures?.rows.indexOf(row) ?? -1;
  const spent = k >= 0 ? ledgers.vms[k] : null;
  const values = { vm: model.meta.vms[row]?.name ?? "?", reason: reasonWord(reason), n: count(model.vm[`exit_${reason}`]?.[row] ?? 0), rate: count(rate(row, reason)) };
  if (!spent) return write(place, say(gettext("%(vm)s, %(reason)s: %(n)s exits, %(rate)s a second now."), values));
  const ns = spent[`exit ${reason}`] ?? 0;
  write(place, say(gettext("%(vm)s, %(reason)s: %(n)s exits cost %(time)s, %(share)s of its time; %(rate)s a second now."), { ...values, time: duration(ns), share: fine(ns / (totalOf(spent) || 1)) }));
}

function rate(row, reason) {
  const last = before?.last ?? null;
  const seconds = last ? ((before.tick - last.tick) * model.meta.tick_us) / 1e6 : 0;
  return seconds > 0 ? Math.round(((before.kept[reason]?.[row] ?? 0) - (last.kept[reason]?.[row] ?? 0)) / seconds) : 0;
}

/** The text alternative: every mapping as a row. */
export function table(body) {
  const { vdevices, devices, vms } = model.meta;
  const rows = vdevices.slice(0, 400).map((v, row) => {
    const requests = model.vdevice.requests?.[row] ?? 0;
    return [`${vms[v.vm]?.name} ${v.name}`, devices[v.device]?.name ?? "", modeWord(v.mode), count(model.vdevice.in_flight?.[row] ?? 0), count(requests)];
  });
  fillTable(body, rows.length ? rows : [[gettext("No VM has a device."), "", "", "", ""]]);
}
