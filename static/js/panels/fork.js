// Fork here: a run that leaves this one at a tick, with one thing changed, and is then run on.
import { ask, clear, formArguments } from "../commands.js";
import { openElement } from "../dialogs.js";
import { $, $$, el, write } from "../elements.js";
import { inputOf, knobsOf, verbOf } from "../knobs.js";
import { liveOf } from "../model.js";
import { count, say } from "../scales.js";
import { saySo } from "./deedbar.js";

export const title = () => gettext("Fork the run");

let dialog, form, model, socket, knobs, schemas, compare;

/** Wire the dialog; the commands' schemas come with the page. */
export function mount(element, theModel, theSocket) {
  [dialog, model, socket] = [element, theModel, theSocket];
  form = $("form", dialog);
  const stated = $("#command-schemas");
  schemas = stated ? JSON.parse(stated.textContent) : {};
  knobs = new Map(knobsOf(schemas));
  compare = $("[data-panel=runs]")?.dataset.compare ?? "";
  const choice = form.elements["command.type"];
  choice.append(el("option", { value: "" }, gettext("nothing: only branch off")), ...[...knobs.keys()].map((type) => el("option", { value: type }, verbOf(type))));
  choice.onchange = knob;
  for (const button of $$("[data-open=fork]")) button.onclick = () => open(button);
  form.addEventListener("submit", send);
  form.addEventListener("input", until);
}

/** The tick to run on to follows the run. */
export function draw(theModel) {
  model = theModel;
  if (dialog.open) until();
}

const last = () => Math.max(model.state.last ?? 0, liveOf(model).tick);

function open(button) {
  clear(form);
  $(".made", form).hidden = true;
  form.elements.tick.value = socket.looker.at(model.state);
  knob();
  until();
  openElement(dialog, button);
  form.elements.name.focus();
}

/** The fields of what is changed. */
function knob() {
  const type = form.elements["command.type"].value;
  const fields = knobs.get(type) ?? [];
  $(".knob-fields", form).replaceChildren(...fields.map((field) => inputOf(field, model, "command")));
  write($(".knob .note", form), schemas[type]?.description ?? "");
}

function until() {
  write($("[name=until] + span", form), say(gettext("Run it on at once to tick %(n)s, where this run is"), { n: count(last()) }));
}

/** The message of the form: what is left empty is null, the boxes become a tick and a flag. */
export function forkOf(values, state, lastTick) {
  const { command, ...rest } = values;
  const atEnd = !state.past && Number(values.tick) >= lastTick;
  return {
    type: "fork", ...rest, name: values.name ?? "", sequence: null,
    tick: values.tick === null || atEnd ? null : values.tick,
    command: command?.type ? command : null,
    until: values.until ? lastTick : null,
  };
}

async function send(event) {
  event.preventDefault();
  const answer = await ask(socket, form, forkOf(formArguments(form), model.state, last()));
  if (!answer.ok) return;
  const link = el("a", { href: `${compare}?a=${model.state.run}&b=${answer.run}`, class: "button" }, say(gettext("Compare it with run %(n)s"), { n: model.state.run }));
  const made = $(".made", form);
  made.replaceChildren(el("b", {}, say(gettext("Run %(n)s is made."), { n: answer.run })), " ", link);
  made.hidden = false;
  form.elements.name.value = "";
  saySo(say(gettext("Run %(n)s was forked."), { n: answer.run }));
}
