// Undo, redo and their kin beside the time bar. Keys go by the model: a button is redrawn a frame
// after the sample that changed what it would do.
import { $, mark, write } from "../elements.js";
import { entryWords } from "../deeds.js";
import { count, say } from "../scales.js";
import { QUIET } from "../timescale.js";
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
  const sentence = whatOf(type);
  if (!socket.may?.steer || sentence === null) return;
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
    const sentence = whatOf(type);
    button.disabled = !socket.may?.steer || sentence === null;
    const words = wordsFor(type, sentence);
    mark(button, "title", words);
    mark(button, "aria-label", words);
  }
  runsButton();
}

/** What undo or redo would do, in words; null where there is nothing to do. */
function whatOf(type) {
  const stated = model.timebar[`can_${type}`] ?? null;
  if (stated === null) return null;
  if (type === "redo") {
    const run = model.runs.find((each) => `#${each.number}` === stated);
    return run ? say(gettext("back to %(run)s"), { run: runName(run) }) : stated;
  }
  if (stated.startsWith("reset")) return gettext("the reset");
  const last = model.journal.findLast((entry) => entry.accepted !== false && !QUIET.has(entry.command));
  return last ? entryWords(last) : stated;
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
