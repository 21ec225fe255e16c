// Snapshots, clones, template and backup of one VM. What is asked goes by data-command forms as
// everywhere; what is shown is the model's: nothing here is true before the machine says so.
import { openElement } from "../dialogs.js";
import { $, $$, el, mark, write } from "../elements.js";
import { choose, chosenNumber } from "../layout.js";
import { percent, say, size } from "../scales.js";
import { backup } from "./backup.js";
import { disks, snapshotTree } from "./snaptree.js";

export const title = () => gettext("Snapshots and backup");

const PARTS = ["snapshots", "clones", "backup"];
let dialog, model, socket;
let row = 0;
let drawnKey = "";

/** Wire the dialog, its parts and the buttons that open it. */
export function mount(element, theModel, theSocket) {
  [dialog, model, socket] = [element, theModel, theSocket];
  for (const button of $$("[data-open=snapshots]")) button.onclick = () => open(button);
  part("vm").onchange = () => choose({ vm: part("vm").value });
  for (const radio of $$("[name=storage-part]", dialog)) radio.onchange = () => show(radio.value);
  dialog.addEventListener("answered", ({ target, detail }) => {
    const name = target.elements?.name;
    if (detail.ok && name?.value) name.value = "";
    if (target.tagName === "BUTTON") write($("#storage-refusal"), detail.ok ? "" : detail.message);
  });
}

const part = (name) => $(`[data-storage="${name}"]`, dialog);

function open(button) {
  drawnKey = "";
  for (const said of $$(".refusal", dialog)) said.textContent = "";
  fill();
  openElement(dialog, button);
}

function show(name) {
  for (const each of PARTS) $(`[data-part="${each}"]`, dialog).hidden = each !== name;
}

/** Follow the machine while the dialog is open. */
export function draw(theModel) {
  model = theModel;
  if (dialog.open) fill();
}

function fill() {
  row = Math.min(chosenNumber("vm", 0), model.meta.vms.length - 1);
  const vm = model.meta.vms[row];
  if (!vm) return dialog.close();
  jobs(vm);
  // Ticks pass with every sample; what a VM has on its disks does not.
  const key = `${row}|${model.meta.vms.length}|${JSON.stringify([vm.name, vm.template, vm.locked, vm.disks, vm.snapshots, vm.backup, vm.loss])}`;
  if (key === drawnKey) return;
  drawnKey = key;
  choices(vm);
  disks(part("disks"), vm, model);
  snapshotTree(part("tree"), vm, { model, steer: Boolean(socket.may?.steer) });
  part("none").hidden = Boolean(vm.snapshots?.length);
  cloning(vm);
  backup(dialog, vm, model);
  part("lost").hidden = !vm.disks?.some((disk) => disk.lost);
  write($("span", part("lost")), gettext("A disk of this VM is lost. Restore it from a backup; its snapshots went with the disk."));
}

function choices(vm) {
  const select = part("vm");
  if (select.options.length !== model.meta.vms.length) select.replaceChildren(...model.meta.vms.map((each, k) => el("option", { value: k }, each.name)));
  select.value = String(row);
  for (const input of $$("input[type=hidden][name=vm]", dialog)) input.value = vm.name;
  options($("[data-command=clone_vm] [name=snapshot]", dialog), [["", gettext("as it is now")], ...(vm.snapshots ?? []).map((each) => [each.name, each.name])]);
}

/** Put options into a select and keep what was chosen, if it is still there. */
export function options(select, pairs) {
  const was = select.value;
  select.replaceChildren(...pairs.map(([value, words]) => el("option", { value }, words)));
  if (pairs.some(([value]) => String(value) === was)) select.value = was;
}

function cloning(vm) {
  const form = $("[data-command=clone_vm]", dialog);
  const name = form.elements.name;
  const taken = new Set(model.meta.vms.map((each) => each.name));
  if (!name.value || taken.has(name.value)) {
    let n = 2;
    while (taken.has(`${vm.name}-${n}`)) n++;
    name.value = `${vm.name}-${n}`;
  }
  const button = $("[data-command=make_template] button", dialog);
  button.disabled = !socket.may?.steer || Boolean(vm.template);
  write(button, vm.template ? gettext("It is a template") : gettext("Make it a template"));
}

/** What is being copied, merged or restored, and how far it has come. */
function jobs(vm) {
  const job = (model.jobs ?? []).find((each) => each.vm === vm.name);
  const note = part("locked");
  note.hidden = !job && !vm.locked;
  if (note.hidden) return;
  write($("b", note), jobWord(job?.kind ?? vm.locked));
  const done = job?.kib ? job.done_kib / job.kib : null;
  const bar = $("progress", note);
  mark(bar, "aria-label", jobWord(job?.kind ?? vm.locked));
  if (done === null) bar.removeAttribute("value");
  else mark(bar, "value", done);
  write($("span", note), job ? say(gettext("%(done)s of %(all)s · %(share)s"), { done: size(job.done_kib), all: size(job.kib), share: percent(done ?? 0) }) : "");
}

function jobWord(kind) {
  const words = {
    save: gettext("The memory is being saved"), merge: gettext("A snapshot is being merged"), clone: gettext("The disks are being copied"),
    backup: gettext("A backup is being written"), prune: gettext("An old restore point is being merged"), restore: gettext("The disk is being restored"),
  };
  return words[kind] ?? String(kind ?? "");
}
