// Undo, redo and their kin beside the time bar. Keys go by the model: a button is redrawn a frame
// after the sample that changed what it would do.
import { $, mark, write } from "../elements.js";
import { count, say } from "../scales.js";
import { runName } from "./marks.js";

const SAID_MS = 12_000;
let element, model, socket;
let timer = 0;

/** Wire undo and redo: buttons, Ctrl+Z, Ctrl+Shift+Z and Ctrl+Y. */
export function wireDeeds(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  $("#undo", element).onclick = () => turn("undo");
  $("#redo", element).onclick = () => turn("redo");
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.defaultPrevented || $("dialog[open]")) return;
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    turn(key === "y" || event.shiftKey ? "redo" : "undo");
  });
}

async function turn(type) {
  const sentence = model.timebar[`can_${type}`];
  if (!socket.may?.steer || sentence === null || sentence === undefined) return;
  const answer = await socket.send({ type });
  write($("#refusal"), answer.ok ? "" : answer.message);
  if (answer.ok) saySo(type === "undo" ? say(gettext("Undone: %(what)s"), { what: sentence }) : say(gettext("Done again: %(what)s"), { what: sentence }));
}

/** Tell in one line what was done; it goes by itself. */
export function saySo(words) {
  const said = $("#said");
  write(said, words);
  said.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (said.hidden = true), SAID_MS);
}

/** Refresh the buttons: what they would undo, which run this is, how many there are. */
export function deedsNow(theModel) {
  model = theModel;
  for (const type of ["undo", "redo"]) {
    const button = $(`#${type}`, element);
    const sentence = model.timebar[`can_${type}`] ?? null;
    button.disabled = !socket.may?.steer || sentence === null;
    const words = wordsFor(type, sentence);
    mark(button, "title", words);
    mark(button, "aria-label", words);
  }
  runsButton();
}

function wordsFor(type, sentence) {
  if (sentence === null) return type === "undo" ? gettext("Nothing to undo (Ctrl+Z)") : gettext("Nothing to redo (Ctrl+Shift+Z)");
  return type === "undo" ? say(gettext("Undo: %(what)s (Ctrl+Z)"), { what: sentence }) : say(gettext("Redo: %(what)s (Ctrl+Shift+Z)"), { what: sentence });
}

function runsButton() {
  const runs = model.runs.filter((run) => !run.deleted);
  const own = runs.find((run) => run.number === model.state.run);
  const button = $("[data-open=runs]", element);
  write($("span", button), own?.name || say(gettext("Run %(n)s"), { n: count(model.state.run || model.meta.run || 1) }));
  const words = say(ngettext("Runs of this lab: %(n)s", "Runs of this lab: %(n)s", runs.length), { n: count(runs.length) });
  mark(button, "title", own ? `${words} · ${runName(own)}` : words);
}
