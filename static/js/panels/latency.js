// Queues and latencies: of each physical device who waits, who is served, how long requests take; of each
// virtual one the same as its VM feels it, with what a throttle held.
import { latencyOf, modeWord, queueForm, refreshQueue, sortOf, utilisation } from "../devices.js";
import { $, badge, el, keep, write } from "../elements.js";
import { chosenNumber } from "../layout.js";
import { compact, count, duration, percent, say } from "../scales.js";

const MOST = 96; // virtual devices told of at once; the chosen VM's come first
let element, model, may;

/** Wire both tables. */
export function mount(theElement, theModel, socket) {
  element = theElement;
  may = (socket.may?.steer ?? false) && "set_queue" in JSON.parse($("#command-schemas")?.textContent ?? "{}");
}

/** Refresh both tables. */
export function draw(theModel) {
  model = theModel;
  const { devices, vdevices } = model.meta;
  keep($(".queue-devices tbody", element), devices, makeDevice, refreshDevice);
  const chosen = chosenNumber("vm", -1);
  const rows = vdevices.map((_, row) => row).sort((a, b) => (vdevices[b].vm === chosen) - (vdevices[a].vm === chosen) || a - b).slice(0, MOST);
  keep($(".queue-vdevices tbody", element), rows, makeVirtual, refreshVirtual);
  $(".queue-vdevices", element).hidden = !rows.length;
  const more = $(".queue-more", element);
  more.hidden = vdevices.length <= rows.length;
  write(more, say(gettext("and %(n)s more: choose a VM in the tree to see its devices"), { n: count(vdevices.length - rows.length) }));
}

const line = (cells) => el("tr", {}, el("th", { scope: "row" }), Array.from({ length: cells - 1 }, () => el("td")));

function makeVirtual() {
  const tr = line(9);
  tr.children[6].className = "word";
  return tr;
}

function makeDevice() {
  const tr = line(10);
  tr.firstChild.append(el("b"), " ", el("small"));
  tr.children[8].append(queueForm(may));
  tr.children[8].className = "word";
  return tr;
}

function refreshDevice(tr, device, row) {
  const of = (column) => model.device[column]?.[row];
  const [head, ...cells] = tr.children;
  write(head.firstChild, device.name);
  write(head.lastChild, sortOf(device.kind));
  refreshQueue(cells[7].firstChild, device);
  const served = of("in_service") ?? 0;
  const words = [compact(of("queued") ?? 0), `${count(served)} / ${count(device.channels)}`, latencyOf(of("p50")), latencyOf(of("p90")), latencyOf(of("p99")), percent(utilisation(model, row)), compact(of("requests") ?? 0)];
  words.forEach((text, k) => write(cells[k], text));
  write(cells[8], device.kind === "switch" ? count(of("dropped") ?? 0) : "–");
}

function refreshVirtual(tr, row) {
  const { vm, name, mode, unplugged } = model.meta.vdevices[row];
  const of = (column) => model.vdevice[column]?.[row];
  const [head, ...cells] = tr.children;
  const who = model.meta.vms[vm]?.name ?? "";
  const key = `${row}|${who}|${name}|${model.meta.vms.length}`;
  if (head.dataset.key !== key) {
    head.dataset.key = key;
    head.replaceChildren(badge(model, vm, true), el("b", {}, who), ` ${name}`);
  }
  const held = of("helds") ?? 0;
  const words = [
    count(of("in_flight") ?? 0),
    latencyOf(of("p50")),
    latencyOf(of("p90")),
    latencyOf(of("p99")),
    compact(of("requests") ?? 0),
    unplugged ? gettext("unplugged") : modeWord(mode),
    held ? say(gettext("%(n)s, %(time)s each"), { n: compact(held), time: duration((of("held_ns") ?? 0) / held) }) : "–",
    of("refused") ? compact(of("refused")) : "–",
  ];
  words.forEach((text, k) => write(cells[k], text));
}
