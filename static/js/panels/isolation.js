// The isolation matrix: who attacks by which means, as VM, microVM and container, tried for real when
// somebody asks for it; each verdict says when it is pressed what was tried and what stopped it.
import { $, $$, el, keep, mark, write } from "../elements.js";
import { choose, chosen } from "../layout.js";
import { count, say } from "../scales.js";
import { cellWords, harmOf, kindWord, meansWord, settingWord, stoppedWords, TRIED, triedWords, verdictWord, verdictWords } from "../verdicts.js";

export const title = () => gettext("Isolation matrix");
export const pace = 1000;

const SIGNS = ["✓", "◐", "✕"];
const BELOW = matchMedia("(max-width: 1023px)"); // where the explanation stands below the table
const POLL = 1000; // ms between two questions while it computes
let element, url;
let host = ""; // "": settings compared; "lab": as this lab's host is set
let told = {}; // what is known of each: {ready, done, of, rows}
let asking = 0; // the question under way; another one makes its answer void
let pressed = null; // {row, kind}: the cell that is explained

/** Wire the panel: attacks are tried when somebody presses the button. */
export function mount(theElement) {
  element = theElement;
  url = JSON.parse($("#lab-config")?.textContent ?? "{}").urls?.lab_isolation;
  host = chosen("isolation", "");
  for (const radio of $$("[name=isolation-host]", element)) {
    radio.checked = radio.value === host;
    radio.onchange = () => {
      host = radio.value;
      pressed = null;
      choose({ isolation: host || null });
      asking++; // an answer for the other one is not for this table
      show();
    };
  }
  $("[data-try]", element).onclick = begin;
  $(".isolation-means", element).replaceChildren(...TRIED.flatMap((means) => [el("dt", {}, meansWord(means)), el("dd", {}, triedWords(means))]));
  $("tbody", element).addEventListener("click", (event) => {
    const button = event.target.closest("button[data-kind]");
    if (button) press(Number(button.dataset.row), button.dataset.kind);
  });
  $("tbody", element).addEventListener("keydown", arrows);
  show();
}

/** Nothing of it comes with samples. */
export function draw() {}

function press(row, kind) {
  pressed = pressed?.row === row && pressed.kind === kind ? null : { row, kind };
  show();
  if (pressed && BELOW.matches) $(".isolation-why", element).scrollIntoView({ block: "nearest" });
}

/** Arrow keys go from cell to cell, as in any grid. */
function arrows(event) {
  const button = event.target.closest("button[data-kind]");
  const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  if (!button || (!across && !down)) return;
  event.preventDefault();
  event.stopPropagation(); // the page's own arrows are steps of the machine
  const cell = button.closest("td");
  const row = cell.parentElement.parentElement.children[[...cell.parentElement.parentElement.children].indexOf(cell.parentElement) + down];
  row?.children[cell.cellIndex + across]?.querySelector("button")?.focus();
}

/** Have them tried, and ask how far it is until all are. */
async function begin() {
  const mine = ++asking;
  const of = host;
  told[of] = { rows: [], done: 0, of: 0, busy: true };
  show();
  while (mine === asking) {
    const answer = await fetched(of);
    if (mine !== asking) break;
    told[of] = { ...told[of], ...answer, rows: answer.rows ?? told[of].rows, busy: !answer.ready && !answer.message };
    show();
    if (!told[of].busy) return;
    await new Promise((done) => setTimeout(done, POLL));
  }
  if (told[of].busy) told[of] = { ...told[of], busy: false };
}

async function fetched(of) {
  try {
    const response = await fetch(of ? `${url}?host=${of}` : url, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (answer.failed) return { ...answer, message: gettext("A trial could not be run. The server’s log says why.") };
    return response.ok ? answer : { message: answer.message ?? gettext("The server did not answer. Try again.") };
  } catch {
    return { message: gettext("The server did not answer. Try again.") };
  }
}

function show() {
  const { rows = [], done = 0, of = 0, busy = false, ready = false, message = "" } = told[host] ?? {};
  const button = $("[data-try]", element);
  const progress = $("progress", element);
  $(".isolation-start", element).classList.toggle("is-done", ready);
  button.disabled = busy;
  button.hidden = ready;
  progress.hidden = !busy;
  if (of) Object.assign(progress, { max: of, value: done });
  write($(".isolation-state", element), message || (busy ? (of ? say(gettext("%(done)s of %(of)s tried"), { done: count(done), of: count(of) }) : gettext("Trying …")) : ""));
  $(".isolation-body", element).hidden = !rows.length;
  $(".isolation-means", element).hidden = rows.length > 0;
  $(".isolation-legend", element).hidden = !rows.length;
  write($("#isolation-sub"), ready ? summary(rows) : "");
  matrix(rows);
  explain(rows);
}

/** How many trials of each kind harm others, in one line. */
function summary(rows) {
  const kinds = ["vm", "microvm", "container"].map((kind) => `${kindWord(kind)} ${count(rows.filter((row) => row[kind].harmed?.length).length)}`);
  return say(gettext("harm others, of %(of)s: %(kinds)s"), { of: count(rows.length), kinds: kinds.join(", ") });
}

function matrix(rows) {
  keep($("tbody", element), rows, makeRow, (tr, row, at) => {
    const [head, ...cells] = tr.children;
    write(head.firstChild, meansWord(row.means));
    write(head.lastChild, settingWord(row.setting));
    ["vm", "microvm", "container"].forEach((kind, k) => refresh(cells[k].firstChild, row, at, kind));
  });
}

const makeRow = () => el("tr", {}, el("th", { scope: "row" }, el("b"), el("small")), [0, 1, 2].map(() => el("td", {}, el("button", { type: "button" }, el("i", { class: "verdict", "aria-hidden": "true" }), el("span", {}, el("span"), el("small"))))));

function refresh(button, row, at, kind) {
  const cell = row[kind];
  const harm = harmOf(cell);
  const words = cellWords(cell);
  mark(button, "data-row", at);
  mark(button, "data-kind", kind);
  mark(button, "data-harm", harm);
  mark(button, "aria-pressed", String(pressed?.row === at && pressed.kind === kind));
  mark(button, "aria-label", say(gettext("%(means)s %(setting)s, by a %(kind)s: %(words)s"), { means: meansWord(row.means), setting: settingWord(row.setting), kind: kindWord(kind), words }));
  mark(button.firstChild, "data-harm", harm);
  write(button.firstChild, SIGNS[harm]);
  write(button.lastChild.firstChild, verdictWord(cell.verdict));
  write(button.lastChild.lastChild, cell.harmed?.length ? say(gettext("harms %(kinds)s"), { kinds: cell.harmed.map(kindWord).join(", ") }) : "");
}

/** What was tried by the cell that was pressed, what stopped it, and which event tells of it. */
function explain(rows) {
  const box = $(".isolation-why", element);
  const row = pressed && rows[pressed.row];
  if (!row) return box.replaceChildren(el("p", { class: "hint" }, gettext("Press a cell: what was tried, what stopped it, whom it harmed.")));
  const cell = row[pressed.kind];
  const facts = [
    [gettext("Tried"), triedWords(row.means)],
    [gettext("Verdict"), `${capital(verdictWords(cell.verdict))}.`],
    [harmOf(cell) ? gettext("Why") : gettext("What stopped it"), stoppedWords(row.means, cell, pressed.kind, row.setting)],
    [gettext("Others"), harmWords(cell)],
    [gettext("Event"), eventWords(row, cell)],
    ...(cell.laws?.length ? [[gettext("Broken laws"), cell.laws.join(", ")]] : []),
  ];
  const head = [meansWord(row.means), settingWord(row.setting), say(gettext("by a %(kind)s"), { kind: kindWord(pressed.kind) })].filter(Boolean).join(", ");
  box.replaceChildren(el("h3", {}, head), el("dl", {}, facts.filter(([, words]) => words).flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)])));
}

/** In how many of the trials an attacker of a kind harms others, as text; none where nobody tried. */
export function harmsOf(kind) {
  const { ready, rows } = told[""] ?? {};
  return ready ? say(gettext("%(n)s of %(of)s"), { n: count(rows.filter((row) => row[kind]?.harmed?.length).length), of: count(rows.length) }) : null;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Run with and without the attempt, whose state or time differed. */
function harmWords({ harmed = [] }) {
  if (!harmed.length) return gettext("Run with and without the attempt, every victim ends in the same state.");
  return say(gettext("Run with and without the attempt, these victims differ: %(kinds)s."), { kinds: harmed.map(kindWord).join(", ") });
}

function eventWords({ means }, { verdict, event, attempts }) {
  const what = say(gettext("“attack”, means %(means)s, verdict %(verdict)s"), { means, verdict });
  if (!event) return what;
  const at = say(gettext("%(what)s, at tick %(tick)s"), { what, tick: count(event.tick) });
  return attempts > 1 ? say(gettext("%(at)s; %(n)s such events"), { at, n: count(attempts) }) : at;
}
