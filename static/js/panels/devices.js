// Devices: virtual ones on the left, physical ones on the right, the mapping between them; and the
// ledger of VM exits by reason.
import { $, badge, el, fillTable, keep, mark, svg, write } from "../elements.js";
import { colourOf } from "../colours.js";
import { chosenNumber, onChoice } from "../layout.js";
import { compact, count, duration, percent, say } from "../scales.js";

export const title = () => gettext("Devices");

export const pace = 200;
const MOST = 48; // virtual devices listed at once; the chosen VM's come first
const LEDGER = 5;
const MODES = ["emulated", "paravirtual", "vf", "passthrough"];
let element, model, list, physical, wires;
let steer = false;
let shown = [];
let layoutKey = "";
let busyBefore = null; // {tick, busy_ns, share}: utilisation since the last look
const peak = new Map();

/** Words for a mode. */
const modeWord = (mode) =>
  ({ emulated: gettext("emulated"), paravirtual: gettext("paravirtual"), vf: gettext("VF"), passthrough: gettext("passthrough") })[mode] ?? mode;

/** Wire the lists; `socket.may` says whether modes can be changed. */
export function mount(theElement, theModel, socket) {
  [element, model] = [theElement, theModel];
  list = $(".virtual", element);
  physical = $(".physical", element);
  wires = $(".wires", element);
  steer = socket.may?.steer ?? false;
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
  const options = MODES.map((mode) => el("option", { value: mode }, modeWord(mode)));
  const select = el("select", { name: "mode", class: "mode" }, options);
  const form = el("form", { "data-command": "set_device_mode", "data-on": "change", novalidate: true }, el("input", { type: "hidden", name: "vm" }), el("input", { type: "hidden", name: "device" }), select, el("span", { class: "refusal", "data-error-for": "mode", "aria-live": "polite" }));
  const figures = Object.entries(FIGURES).map(([name, words]) => el("span", { class: `n ${name}`, "data-label": words() }));
  return el("li", {}, el("span", { class: "named" }), ...figures, form);
}

/** The columns between name and mode; on a phone each carries its heading. */
const FIGURES = { flight: () => gettext("in flight"), requests: () => gettext("requests"), mean: () => gettext("mean") };

function refreshVirtual(item, row) {
  const { vm, name, mode } = model.meta.vdevices[row];
  const vmName = model.meta.vms[vm]?.name ?? "";
  const key = `${row}|${vmName}|${name}|${mode}|${model.meta.vms.length}`;
  if (item.dataset.key !== key) identify(item, key, { vm, name, mode, vmName });
  const requests = model.vdevice.requests?.[row] ?? 0;
  const flight = model.vdevice.in_flight?.[row] ?? 0;
  const done = requests - flight;
  write(item.children[1], count(flight));
  write(item.children[2], compact(requests));
  write(item.children[3], done > 0 ? duration(model.vdevice.latency_ns[row] / done) : "–");
}

function identify(item, key, { vm, name, mode, vmName }) {
  item.dataset.key = key;
  item.dataset.mode = mode;
  item.querySelector(".named").replaceChildren(badge(model, vm), el("b", {}, vmName), ` ${name}`);
  const [vmInput, device] = item.querySelectorAll("input");
  vmInput.value = vmName;
  device.value = name;
  const select = item.querySelector("select");
  mark(select, "aria-label", say(gettext("Mode of %(device)s of %(vm)s"), { device: name, vm: vmName }));
  mark(select, "data-mode", mode);
  select.disabled = !steer;
  if (document.activeElement !== select) select.value = mode;
}

const kindWord = (kind) => ({ disk: gettext("disk"), nic: gettext("network"), console: gettext("console") })[kind] ?? kind;

function makePhysical() {
  return el("li", {}, el("span", {}, el("b"), " ", el("small")), el("small", { class: "used" }), el("meter", { min: 0, max: 1 }), el("small"));
}

function refreshPhysical(item, device, row) {
  const queued = model.device.queued?.[row] ?? 0;
  const served = model.device.in_service?.[row] ?? 0;
  const [head, used, meter, state] = item.children;
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
    const { vm, device, mode } = model.meta.vdevices[row];
    const target = physical.children[device];
    if (!target) return;
    const n = seen.get(device) ?? 0;
    seen.set(device, n + 1);
    const all = fan.get(device);
    const spread = Math.min(7, (target.clientHeight - 8) / Math.max(1, all - 1));
    const a = middle(list.children[k]);
    const b = middle(target) + (n - (all - 1) / 2) * spread;
    const w = box.width;
    const colour = { "data-vm-colour": colourOf(vm), "data-mode": mode };
    paths.push(svg("path", { d: `M0 ${a}C${w / 2} ${a} ${w / 2} ${b} ${w} ${b}`, ...colour }), svg("circle", { cx: w - 2, cy: b, r: 2.5, ...colour }));
  });
  wires.replaceChildren(...paths);
}

/** Exits of all VMs, most first. */
function exits() {
  const { exit_io: io, exit_fault: fault, exit_timer: timer } = model.vm;
  if (!io) return [];
  return model.meta.vms
    .map((vm, row) => ({ row, parts: [io[row], fault[row], timer[row]], sum: io[row] + fault[row] + timer[row] }))
    .sort((a, b) => b.sum - a.sum || a.row - b.row);
}

let ledgerAt = 0;
function ledger() {
  const now = performance.now();
  if (now - ledgerAt < 400 && !model.changed.meta) return;
  ledgerAt = now;
  const most = element.classList.contains("is-max") ? 100 : LEDGER;
  const rows = exits().slice(0, most);
  const top = Math.max(1, ...rows.flatMap(({ parts }) => parts));
  const body = $("tbody", $(".ledger", element));
  keep(body, rows, () => el("tr", {}, el("th", { scope: "row" }), ...Array.from({ length: 4 }, () => el("td"))), (tr, { row, parts, sum }) => {
    const [head, ...cells] = tr.children;
    const name = model.meta.vms[row].name;
    if (head.dataset.key !== `${row}|${name}`) {
      head.dataset.key = `${row}|${name}`;
      head.replaceChildren(badge(model, row, true), name);
    }
    [...parts, sum].forEach((n, k) => {
      write(cells[k], n ? count(n) : "–");
      mark(cells[k], "data-heat", k < 3 && n ? Math.min(3, Math.ceil((3 * n) / top)) : null);
    });
  });
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
