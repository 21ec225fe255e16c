// Go to: a tick (a past one is looked at, a later one is run to), an event, or a condition.
import { ask, clear, refuse } from "../commands.js";
import { openElement } from "../dialogs.js";
import { $, $$, el, mark, write } from "../elements.js";
import { liveOf } from "../model.js";
import { count, say } from "../scales.js";

export const title = () => gettext("Go to");

let dialog, form, model, socket;

/** Wire the dialog and the button that opens it. */
export function mount(element, theModel, theSocket) {
  [dialog, model, socket] = [element, theModel, theSocket];
  form = $("form", dialog);
  for (const button of $$("[data-open=runto]")) button.onclick = () => open(button);
  form.addEventListener("change", ways);
  form.addEventListener("input", ways);
  form.addEventListener("submit", send);
}

/** Only a run that goes on changes what the button says. */
export function draw(theModel) {
  model = theModel;
  if (dialog.open) ways();
}

const last = () => Math.max(model.state.last ?? 0, liveOf(model).tick);
const way = () => form.elements.way.value;
const tickAsked = () => (/^\d+$/.test(form.elements.tick.value.trim()) ? Number(form.elements.tick.value) : null);

function open(button) {
  clear(form);
  const kinds = (model.meta.events ?? []).filter((kind) => kind !== "command").map((kind) => el("option", { value: kind }, eventWord(kind)));
  if (form.elements.event.length !== kinds.length) form.elements.event.replaceChildren(...kinds);
  $(".examples", form).replaceChildren(...examples().map(example));
  if (!form.elements.tick.value) form.elements.tick.value = last() + 1000;
  ways();
  openElement(dialog, button);
  (way() === "tick" ? form.elements.tick : form.elements[way()]).focus();
}

/** Show the fields of the way that is chosen, and say what the button would do. */
function ways() {
  for (const part of $$("[data-way]", form)) part.hidden = part.dataset.way !== way();
  const looks = way() === "tick" && tickAsked() !== null && tickAsked() <= last();
  const button = $(".primary", form);
  write(button, looks ? gettext("Look at it") : gettext("Run to it"));
  const note = looks ? gettext("It has been run: you look at it, the run itself goes on. It is at tick %(n)s.") : gettext("Later than the run, which is at tick %(n)s: it plays up to there and pauses.");
  write($("#runto-tick-note"), say(note, { n: count(last()) }));
  button.disabled = !looks && !socket.may?.steer;
  mark(button, "title", button.disabled ? gettext("only instructors and drivers steer") : null);
}

async function send(event) {
  event.preventDefault();
  clear(form);
  const kind = way();
  const tick = tickAsked();
  if (kind === "tick" && tick !== null && tick <= last()) {
    dialog.close();
    return socket.looker.look(tick);
  }
  const value = kind === "tick" ? (tick ?? form.elements.tick.value) : form.elements[kind].value.trim();
  if (value === "") return refuse(form, kind, gettext("Say what to go to: this is empty."));
  const answer = await ask(socket, form, { type: "run_to", [kind]: value });
  if (answer.ok) dialog.close();
}

/** Conditions about VMs that are here. */
function examples() {
  const vm = model.meta.vms.find((each) => each.pages)?.name ?? "web";
  const found = [`vms.${vm}.major_faults > 100`, `vms.${vm}.steal >= 5 %`, "host.replacement.evictions > 0"];
  const { name, vm: owner } = model.meta.vdevices[0] ?? {};
  if (name) found.push(`vms.${model.meta.vms[owner]?.name}.io.${name}.p99_us >= 500`);
  return found;
}

function example(text) {
  const button = el("button", { type: "button", class: "example" }, text);
  button.onclick = () => {
    form.elements.condition.value = text;
    form.elements.condition.focus();
  };
  return el("li", {}, button);
}

/** A kind of event as readers call it. */
export function eventWord(kind) {
  const words = {
    slice: gettext("a slice ends"), fault: gettext("a page fault"), evict: gettext("a page is evicted"), writeback: gettext("a dirty page is written back"),
    cow: gettext("a shared page is copied"), io: gettext("an I/O request is done"), exit: gettext("a VM exit for I/O"), end: gettext("a workload ends"),
    start: gettext("a VM starts"), pause: gettext("a VM is paused"), resume: gettext("a VM is resumed"), stop: gettext("a VM is stopped"),
    violation: gettext("a violation"), oom: gettext("out of memory"), stalled: gettext("nothing can happen any more"),
    snapshot: gettext("a snapshot is taken"), revert: gettext("a VM goes back to a snapshot"), clone: gettext("a VM is cloned"), merge: gettext("a snapshot is merged"),
    backup: gettext("a backup"), restore: gettext("a restore"), loss: gettext("a disk is lost"), prune: gettext("an old backup is dropped"), done: gettext("a storage job is done"),
    unplug: gettext("a pCPU goes offline"), plug: gettext("a pCPU comes back"), move: gettext("a VM changes its pool"), spun: gettext("a lock is taken after spinning"),
  };
  return words[kind] ?? kind.replaceAll("_", " ");
}
