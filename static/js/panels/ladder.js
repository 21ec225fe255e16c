// Overcommitted memory: what each VM was promised and has, its balloon, what is in swap and who put
// it there, its estimated working set; KSM's counters, and who shares pages with whom.
import { $, badge, el, fillTable, icon, mark, write } from "../elements.js";
import { keyField, setKey } from "../keys.js";
import { chosenNumber, choose } from "../layout.js";
import { compact, count, percent, say } from "../scales.js";
import { arcs, contentBars, sharingTable, sharingWords } from "../sharing.js";

export const title = () => gettext("Overcommitted memory");
export const pace = 500;

let element, model, socket, declared;
let built = "";
let sharedKey = "";

/** Wire the panel: a row chooses its VM. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  declared = JSON.parse($("#policies")?.textContent ?? "{}").overcommit ?? {};
  $(".ladder-vms", element).addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-vm]");
    if (row && !event.target.closest("form")) choose({ vm: row.dataset.vm });
  });
}

/** Redraw when the document is new. */
export function draw(theModel) {
  model = theModel;
  const told = model.overcommit;
  if (!told) return;
  keys(told);
  const promised = model.meta.vms.reduce((sum, vm) => sum + vm.pages, 0);
  const ratio = promised / Math.max(1, model.meta.frames);
  write($("#ladder-sub"), say(gettext("%(pages)s pages promised of %(frames)s frames: %(ratio)s"), { pages: compact(promised), frames: compact(model.meta.frames), ratio: percent(ratio) }));
  $(".none", element).hidden = told.on;
  $(".ladder-on", element).hidden = !told.on;
  shared(told);
  if (!told.on) return;
  vms(told);
  ksm(told);
}

function keys(told) {
  const may = Boolean(socket.may?.steer);
  if (built !== `${may}`) {
    built = `${may}`;
    const form = $(".ladder-keys form", element);
    const fields = Object.entries(declared).map(([name, schema]) => keyField(name, schema, { model, may }));
    form.replaceChildren(...fields, el("span", { class: "refusal", "data-error-for": "keys", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  }
  for (const field of element.querySelectorAll(".ladder-keys [data-key]")) setKey(field, told.keys[field.dataset.key]);
}

/** One row a VM, made once, so that a number that is being typed stays. */
function vms({ vms: rows }) {
  const body = $(".ladder-vms tbody", element);
  if (body.children.length !== rows.length) body.replaceChildren(...rows.map((_, row) => vmRow(row)));
  rows.forEach((vm, row) => refresh(body.children[row], vm, row));
}

function vmRow(row) {
  const { name, kind } = model.meta.vms[row];
  const may = Boolean(socket.may?.steer) && kind !== "container";
  const pages = el("input", { type: "number", name: "pages", min: 0, max: model.meta.vms[row].pages - 1, required: true, disabled: !may, "aria-label": say(gettext("Balloon of %(name)s: pages its guest gives up"), { name }) });
  const form = el("form", { novalidate: true, "data-command": "set_balloon", "data-on": "change" }, el("input", { type: "hidden", name: "vm", value: name }), pages, el("span", { class: "is" }), el("span", { class: "refusal", "data-error-for": "pages", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  return el("tr", { "data-vm": row }, el("th", { scope: "row" }, badge(model, row, true), name), el("td", { class: "has" }, el("span"), el("meter", { min: 0, max: 1 })), el("td"), el("td", {}, form), el("td"), el("td"), el("td"), el("td", { class: "words" }));
}

function refresh(node, vm, row) {
  const [, has, set, balloon, swapped, guest, merged, trap] = node.children;
  const { pages } = model.meta.vms[row];
  const resident = model.vm.resident?.[row] ?? 0;
  mark(node, "class", row === chosenNumber("vm") ? "chosen" : null);
  has.lastChild.value = resident / Math.max(1, pages);
  write(has.firstChild, `${compact(resident)} / ${compact(pages)}`);
  write(set, vm.working_set === null ? "–" : compact(vm.working_set));
  const input = balloon.querySelector("[name=pages]");
  if (document.activeElement !== input && input.getAttribute("aria-invalid") !== "true") input.value = vm.balloon_target;
  write(balloon.querySelector(".is"), vm.balloon === vm.balloon_target ? "" : say(gettext("now %(n)s"), { n: count(vm.balloon) }));
  write(swapped, count(vm.swapped));
  write(guest, vm.guest_outs ? `${count(vm.guest_outs)} / ${count(vm.guest_ins)}` : "–");
  write(merged, count(vm.merged));
  trapSign(trap, vm.double_paging);
}

/** Double paging: a guest wrote a page to its swap that the host had to read in for it first. */
function trapSign(cell, times) {
  const words = times ? say(ngettext("double paging: %(n)s time", "double paging: %(n)s times", times), { n: count(times) }) : "";
  if (cell.textContent === words) return;
  cell.replaceChildren(...(times ? [icon("bad"), words] : []));
}

const KSM = [
  ["pages_shared", () => gettext("frames shared")], ["pages_sharing", () => gettext("pages saved")], ["pages_unshared", () => gettext("unique")], ["pages_volatile", () => gettext("changing too fast")],
  ["full_scans", () => gettext("full scans")], ["broken", () => gettext("copies at a write")],
];

function ksm({ ksm: counters, sharing }) {
  const list = $(".ksm-counters", element);
  if (list.children.length !== KSM.length) list.replaceChildren(...KSM.map(([name, words]) => el("div", { title: name }, el("dt", {}, words()), el("dd"))));
  KSM.forEach(([name], k) => write(list.children[k].lastChild, count(counters[name] ?? 0)));
  $(".none-merged", element).hidden = sharing.vms.length > 0;
}

/** Who shares with whom: as arcs, by content, in words and as a table. */
function shared({ sharing = { vms: [], pages: [] }, contents = [] }) {
  const key = JSON.stringify([sharing, contents]);
  if (key === sharedKey) return;
  sharedKey = key;
  $(".shared", element).hidden = !sharing.vms.length && !contents.length;
  $(".arcs", element).replaceChildren(...arcs(sharing, model));
  $(".contents", element).hidden = !contents.length;
  $(".contents ol", element).replaceChildren(...contentBars(contents, model));
  write($(".shared-words", element), sharingWords(sharing, contents, model));
  $(".sharing", element).replaceChildren(...sharingTable(sharing, model));
}

/** The text alternative. */
export function table(body) {
  const rows = (model.overcommit?.vms ?? []).map((vm, row) => [model.meta.vms[row].name, count(model.vm.resident?.[row] ?? 0), count(vm.balloon), count(vm.swapped), count(vm.merged)]);
  fillTable(body, rows.length ? rows : [[gettext("Nothing is overcommitted here."), "", "", "", ""]]);
}
