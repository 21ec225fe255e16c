// Devices: virtual ones on the left, physical ones on the right, the mapping between them; queues with
// their latencies; what each VM may ask for; VM exits by reason. A view of the panel each.
import { ask } from "../commands.js";
import { $, $$, badge, el, fillTable, keep, mark, svg, write } from "../elements.js";
import { colourOf } from "../colours.js";
import { modeWord, queueForm, refreshQueue, sortOf, utilisation } from "../devices.js";
import { choose, chosen as chosenView, chosenNumber, onChoice } from "../layout.js";
import { compact, count, duration, percent, say } from "../scales.js";
import { dragged } from "./drag.js";
import * as exits from "./exits.js";
import * as latency from "./latency.js";
import * as plug from "./plug.js";
import * as throttles from "./throttles.js";

export const title = () => gettext("Devices");

export const pace = 200;
const MOST = 48; // virtual devices listed at once; the chosen VM's come first
let modes = ["emulated", "paravirtual", "vf", "passthrough"];
let maps = false; // whether a virtual device can be mapped to another physical one
let element, model, list, physical, wires, line;
let steer = false;
let shown = [];
let layoutKey = "";
let view = "map";
const peak = new Map();

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
  for (const part of [exits, latency, plug, throttles]) part.mount(element, theModel, socket);
  wireViews();
}

/** Views of the panel: which one is in the link. */
function wireViews() {
  const show = () => {
    view = chosenView("devices", "map");
    for (const radio of $$("[name=devices-view]", element)) radio.checked = radio.value === view;
    mark(element, "data-view", view);
    if (model.version) draw(model, true);
  };
  for (const radio of $$("[name=devices-view]", element)) radio.onchange = () => choose({ devices: radio.value === "map" ? null : radio.value });
  onChoice((changes) => "devices" in changes && show());
  show();
}

/** Refresh the view that is shown. */
export function draw(theModel, all) {
  model = theModel;
  subtitle();
  const { devices } = model.meta;
  $("p.none", element).hidden = devices.length > 0 || view === "exits";
  if (view === "map") map_(all);
  else if (view === "queues") latency.draw(model, all);
  else if (view === "limits") throttles.draw(model, all);
  if (view === "map" || view === "exits") exits.draw(model, view === "exits" || element.classList.contains("is-max"));
}

/** Both lists and the wires between them. */
function map_(all) {
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
  $(".virtual-none", element).hidden = vdevices.length > 0 || !devices.length;
  keep(list, shown, makeVirtual, refreshVirtual);
  keep(physical, devices, makePhysical, refreshPhysical);
  $(".virtual-more", element).hidden = vdevices.length <= shown.length;
  write($(".virtual-more", element), say(gettext("and %(n)s more: choose a VM in the tree to see its devices"), { n: count(vdevices.length - shown.length) }));
  plug.draw(model);
  if (all) drawWires();
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

function makePhysical() {
  return el("li", {}, el("span", {}, el("b"), " ", el("small")), el("small", { class: "used" }), el("meter", { min: 0, max: 1 }), el("small"), queueForm(maps));
}

function refreshPhysical(item, device, row) {
  const queued = model.device.queued?.[row] ?? 0;
  const served = model.device.in_service?.[row] ?? 0;
  const [head, used, meter, state, form] = item.children;
  refreshQueue(form, device);
  write(head.firstChild, device.name);
  write(head.lastChild, sortOf(device.kind));
  write(used, percent(utilisation(model, row)));
  const channels = say(ngettext("%(n)s channel", "%(n)s channels", device.channels), { n: count(device.channels) });
  const requests = say(gettext("%(n)s requests"), { n: count(model.device.requests?.[row] ?? 0) });
  mark(item, "title", `${device.name}: ${sortOf(device.kind)}, ${channels}, ${duration(device.service_us * 1000)}, ${requests}`);
  const most = Math.max(peak.get(row) ?? 8, queued, 2 * device.channels);
  peak.set(row, most);
  mark(meter, "max", most);
  mark(meter, "high", Math.max(1, most * 0.7));
  if (meter.value !== Math.min(queued, most)) meter.value = Math.min(queued, most);
  mark(meter, "aria-label", say(gettext("Queue of %(name)s"), { name: device.name }));
  const values = { queued: compact(queued), served: count(served), channels: count(device.channels) };
  write(state, say(gettext("%(queued)s queued · %(served)s of %(channels)s busy"), values));
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

/** The text alternative: every mapping as a row. */
export function table(body) {
  const { vdevices, devices, vms } = model.meta;
  const rows = vdevices.slice(0, 400).map((v, row) => {
    const requests = model.vdevice.requests?.[row] ?? 0;
    return [`${vms[v.vm]?.name} ${v.name}`, devices[v.device]?.name ?? "", modeWord(v.mode), count(model.vdevice.in_flight?.[row] ?? 0), count(requests)];
  });
  fillTable(body, rows.length ? rows : [[gettext("No VM has a device."), "", "", "", ""]]);
}
