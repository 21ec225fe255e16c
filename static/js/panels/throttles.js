// What each VM may ask of devices in a second, edited while it runs: requests, MiB, their bursts, and its
// weight in fair queues. A refusal stands beside the field it names.
import { limitsShown, usualBurst, usualBurstKib } from "../devices.js";
import { $, badge, el, keep, mark, write } from "../elements.js";
import { chosenNumber } from "../layout.js";
import { compact, count, say } from "../scales.js";

const MOST = 48; // VMs with a form each; the chosen one's comes first
const NAMES = {
  iops: () => [gettext("requests/s"), gettext("Requests a second, 0 or nothing: no limit")],
  burst: () => [gettext("burst"), gettext("Requests that may come at once; nothing: a tenth of a second’s")],
  mib_per_s: () => [gettext("MiB/s"), gettext("MiB a second, 0 or nothing: no limit")],
  burst_kib: () => [gettext("burst, KiB"), gettext("KiB that may come at once; nothing: a tenth of a second’s")],
  io_weight: () => [gettext("weight"), gettext("Its weight where devices serve fairly; 100 is the usual one")],
};
let element, model, socket, schemas;

/** Wire the list. */
export function mount(theElement, theModel, theSocket) {
  [element, socket] = [theElement, theSocket];
  schemas = JSON.parse($("#command-schemas")?.textContent ?? "{}");
}

/** Refresh the forms; nothing under the hands of who is typing. */
export function draw(theModel) {
  model = theModel;
  const { vms } = model.meta;
  const chosen = chosenNumber("vm", -1);
  const rows = vms.map((_, row) => row).sort((a, b) => (b === chosen) - (a === chosen) || a - b).slice(0, MOST);
  keep($(".limits", element), rows, make, refresh);
  const more = $(".limits-more", element);
  more.hidden = vms.length <= rows.length;
  write(more, say(gettext("and %(n)s more: choose a VM in the tree to have it here"), { n: count(vms.length - rows.length) }));
  $(".limits-none", element).hidden = vms.length > 0;
}

function make() {
  const forms = [form("set_throttle", ["iops", "burst", "mib_per_s", "burst_kib"])];
  if (schemas.set_io_weight) forms.push(form("set_io_weight", ["io_weight"]));
  return el("li", {}, el("h3"), forms, el("p", { class: "limits-held" }));
}

let made = 0;
function form(command, names) {
  const may = Boolean(socket.may?.steer);
  const fields = names.map((name) => {
    const { minimum = 0, maximum } = schemas[command]?.properties?.[name] ?? {};
    const id = `limit-${++made}`;
    const [word, hint] = NAMES[name]();
    const input = el("input", { type: "number", name, id, min: minimum, max: maximum, disabled: !may, title: hint, "data-empty": "omit", "aria-describedby": `${id}-said` });
    return el("div", { class: "limit" }, el("label", { for: id }, word), input, el("span", { class: "refusal", id: `${id}-said`, "data-error-for": name, "aria-live": "polite" }));
  });
  return el("form", { "data-command": command, "data-on": "change", novalidate: true }, el("input", { type: "hidden", name: "vm" }), fields, el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
}

function refresh(item, row) {
  const vm = model.meta.vms[row];
  const [head, limits, weight] = item.children;
  const key = `${row}|${vm.name}|${model.meta.vms.length}`;
  if (item.dataset.key !== key) {
    item.dataset.key = key;
    head.replaceChildren(badge(model, row, true), vm.name);
    for (const said of item.querySelectorAll(".refusal")) said.textContent = "";
    for (const input of item.querySelectorAll("input:not([type=hidden])")) {
      mark(input, "aria-label", say(gettext("%(vm)s: %(what)s"), { vm: vm.name, what: NAMES[input.name]()[1] }));
      input.removeAttribute("data-was");
    }
    for (const each of item.querySelectorAll("form")) each.elements.vm.value = vm.name;
  }
  const shown = limitsShown(vm.throttle);
  for (const [name, text] of Object.entries(shown)) fill(limits.elements[name], text);
  const { iops = 0, mib_per_s: mib = 0 } = vm.throttle ?? {};
  const none = gettext("none");
  mark(limits.elements.iops, "placeholder", none);
  mark(limits.elements.mib_per_s, "placeholder", none);
  mark(limits.elements.burst, "placeholder", iops ? String(usualBurst(iops)) : "–");
  mark(limits.elements.burst_kib, "placeholder", mib ? String(usualBurstKib(mib)) : "–");
  if (weight.elements) fill(weight.elements.io_weight, String(vm.io_weight ?? 100));
  write(item.lastChild, held(row));
}

/** What its throttle held until now. */
function held(row) {
  let n = 0;
  model.meta.vdevices.forEach(({ vm }, at) => (n += vm === row ? (model.vdevice.helds?.[at] ?? 0) : 0));
  return n ? say(ngettext("%(n)s request was held", "%(n)s requests were held", n), { n: compact(n) }) : "";
}

function fill(input, text) {
  if (document.activeElement === input || input.getAttribute("aria-invalid") === "true" || input.dataset.was === text) return;
  input.dataset.was = text;
  input.value = text;
}
