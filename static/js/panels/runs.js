// The tree of the lab's runs: names, origin, where each branched off; go over to one, name it,
// compare two, delete one and have it back. Names and notes are people's words: text, never markup.
import { ask, formArguments } from "../commands.js";
import { openElement } from "../dialogs.js";
import { $, $$, dot, el, icon, svg, write } from "../elements.js";
import { leaving, lineage } from "../lineage.js";
import { liveOf } from "../model.js";
import { count, say } from "../scales.js";
import { runName } from "./marks.js";

export const title = () => gettext("Runs");

let dialog, model, socket;
let chosen = new Set();
/** Number of the run that is being named. */
let naming = null;

/** Wire the drawer and the button that opens it. */
export function mount(element, theModel, theSocket) {
  [dialog, model, socket] = [element, theModel, theSocket];
  for (const button of $$("[data-open=runs]")) button.onclick = () => open(button);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

/** Redraw when the tree has changed, and not under the hands of who names a run. */
export function draw(theModel, all) {
  model = theModel;
  if (dialog.open && (all || model.changed.runs)) fill();
}

function open(button) {
  naming = null;
  const own = model.runs.find((run) => run.number === model.state.run);
  if (own && chosen.size === 0) chosen = new Set([own.parent, own.number].filter((n) => n && !model.runs.find((r) => r.number === n)?.deleted));
  fill();
  openElement(dialog, button);
}

function fill() {
  const lines = lineage(model.runs.filter((run) => !run.deleted));
  const most = Math.max(1, ...lines.map(({ run }) => tickOf(run)));
  if (!$("input[type=text]:focus", dialog)) $(".run-tree", dialog).replaceChildren(...lines.map((line, k) => row(line, lines, k, most)));
  const gone = model.runs.filter((run) => run.deleted);
  const box = $(".deleted-runs", dialog);
  box.hidden = !gone.length;
  write($("summary", box), say(ngettext("%(n)s deleted run", "%(n)s deleted runs", gone.length), { n: count(gone.length) }));
  $(".run-tree", box).replaceChildren(...gone.map(deletedRow));
  chosen = new Set([...chosen].filter((number) => lines.some(({ run }) => run.number === number)));
  compareLink();
}

const tickOf = (run) => (run.number === model.state.run ? liveOf(model).tick : run.tick);

function row(line, lines, index, most) {
  const { run, depth } = line;
  const name = runName(run);
  const box = el("input", { type: "checkbox", "aria-label": say(gettext("Choose %(run)s for comparing"), { run: name }) });
  box.checked = chosen.has(run.number);
  box.onchange = () => choose(run.number, box.checked);
  const head = el("div", { class: "run-words" }, el("b", {}, run.name || say(gettext("Run %(n)s"), { n: run.number })), run.name ? el("span", { class: "pill" }, count(run.number)) : null, run.current ? el("span", { class: "pill now" }, gettext("the lab’s run")) : null, el("span", { class: "origin" }, originWords(run)), run.note ? el("span", { class: "run-note" }, run.note) : null);
  const state = el("span", { class: "state" }, dot(run.status === "playing" ? "running" : run.status === "crashed" ? "crashed" : "paused", run.status), say(gettext("tick %(n)s"), { n: count(tickOf(run)) }));
  const item = el("li", { "data-run": run.number, "data-depth": Math.min(depth, 6), "aria-current": run.current ? "true" : null }, box, branch(line, lines, index, most), head, state, verbs(run, name));
  if (naming === run.number) item.append(nameForm(run));
  return item;
}

function originWords({ origin, parent, fork_tick: tick }) {
  const values = { run: parent, n: count(tick ?? 0) };
  const words = {
    start: gettext("the first run"), reset: gettext("after a reset"), import: gettext("brought in from a file"),
    fork: gettext("forked from run %(run)s at tick %(n)s"), undo: gettext("made by undo: run %(run)s as it was at tick %(n)s"),
  };
  return say(words[origin] ?? origin, values);
}

/** The run as a line over its ticks, with the branches that leave it and those that pass by. */
function branch({ run, parent, passing }, lines, index, most) {
  const x = (tick) => 3 + (94 * tick) / most;
  const from = parent >= 0 ? (run.fork_tick ?? 0) : 0;
  const path = (d, name) => svg("path", { d, class: name });
  const parts = [path(`M${x(from)} 20H${Math.max(x(from) + 1, x(tickOf(run)))}`, run.current ? "own now" : "own")];
  if (parent >= 0) parts.unshift(path(`M${x(from)} 0V20`, "link"));
  for (const tick of passing) parts.unshift(path(`M${x(tick)} 0V40`, "link"));
  for (const tick of leaving(lines, index)) parts.push(path(`M${x(tick)} 20V40`, "link"));
  return svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true", class: "branch" }, ...parts);
}

function verbs(run, name) {
  const steer = Boolean(socket.may?.steer);
  const button = (sign, words, act, off = false) => {
    const node = el("button", { type: "button", class: "icon", "aria-label": words, title: words, disabled: !steer || off }, icon(sign));
    node.onclick = act;
    return node;
  };
  return el("div", { class: "run-verbs" },
    button("go", say(gettext("Make %(run)s the lab’s run"), { run: name }), () => send({ type: "switch", run: run.number }), run.current),
    button("edit", say(gettext("Name %(run)s"), { run: name }), () => ((naming = naming === run.number ? null : run.number), fill(), $("form input", dialog)?.focus())),
    button("cross", run.current ? gettext("The lab’s run is not deleted: go over to another first") : say(gettext("Delete %(run)s; it can be restored"), { run: name }), () => send({ type: "delete_run", run: run.number }), run.current));
}

function nameForm(run) {
  const form = el("form", { class: "name-run", novalidate: true },
    el("label", {}, gettext("Name"), el("input", { type: "text", name: "name", maxlength: 64, value: run.name, autocomplete: "off" }), el("span", { class: "refusal", "data-error-for": "name", "aria-live": "polite" })),
    el("label", {}, gettext("Note"), el("input", { type: "text", name: "note", maxlength: 2000, value: run.note ?? "", autocomplete: "off" }), el("span", { class: "refusal", "data-error-for": "note", "aria-live": "polite" })),
    el("button", { class: "button primary" }, gettext("Save")), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const { name, note } = formArguments(form);
    const answer = await ask(socket, form, { type: "name_run", run: run.number, name: name ?? "", note: note ?? "" });
    if (!answer.ok) return;
    naming = null;
    document.activeElement?.blur();
    fill();
  };
  return form;
}

function deletedRow(run) {
  const button = el("button", { type: "button", class: "button slim", disabled: !socket.may?.steer }, gettext("Restore"));
  button.onclick = () => send({ type: "restore_run", run: run.number });
  return el("li", { "data-run": run.number }, el("div", { class: "run-words" }, el("b", {}, runName(run)), el("span", { class: "origin" }, originWords(run))), button);
}

async function send(command) {
  const answer = await socket.send(command);
  write($(":scope > .refusal", dialog), answer.ok ? "" : answer.message);
}

function choose(number, on) {
  if (on) chosen.add(number);
  else chosen.delete(number);
  if (chosen.size > 2) chosen.delete([...chosen][0]);
  for (const item of $$(".run-tree > li", dialog)) {
    const box = $("input[type=checkbox]", item);
    if (box) box.checked = chosen.has(Number(item.dataset.run));
  }
  compareLink();
}

/** Two runs make a comparison; a link without an address is none. */
function compareLink() {
  const link = $("[data-compare-link]", dialog);
  const [a, b] = [...chosen].sort((x, y) => x - y);
  link.hidden = model.runs.filter((run) => !run.deleted).length < 2;
  if (chosen.size === 2) link.href = `${dialog.dataset.compare}?a=${a}&b=${b}`;
  else link.removeAttribute("href");
  link.setAttribute("aria-disabled", String(chosen.size !== 2));
}
