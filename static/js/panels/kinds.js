// Container or VM? What each VM of the lab costs and gives beside the others: a column each, with start,
// throughput, time by cause, memory, how many would fit, and what keeps it apart. Also a CSV.
import { $, badge, el, keep, mark, write } from "../elements.js";
import { cellOf, columnsOf, sections } from "../kinds.js";
import { chosenNumber } from "../layout.js";
import { count, say } from "../scales.js";
import { kindWord } from "../verdicts.js";
import { harmsOf } from "./isolation.js";

export const title = () => gettext("Container or VM?");
export const pace = 1000;

const EVERY = 3000; // ms between two questions while the machine moves on
const MANY = 12; // columns shown at once: the chosen VM's first
let element, model, url, told;
let askedAt = -EVERY;
let askedTick = -1;

/** Wire the panel: figures are asked for while it is in sight, and only then. */
export function mount(theElement, theModel) {
  [element, model] = [theElement, theModel];
  url = JSON.parse($("#lab-config")?.textContent ?? "{}").urls?.lab_kinds_data;
}

/** Ask again where the machine has moved on; the chosen VM comes first. */
export function draw(theModel) {
  model = theModel;
  const now = performance.now();
  if (!model.state.past && url && now - askedAt > EVERY && model.state.tick !== askedTick) ask(now);
  if (told) show();
}

async function ask(now) {
  [askedAt, askedTick] = [now, model.state.tick];
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (!answer.rows) return fail(answer.message);
    told = answer;
    show();
  } catch {
    fail();
  }
}

function fail(words) {
  if (told) return; // what is there stays: it says of which tick it is
  write($(".none", element), words ?? gettext("The server did not answer. Try again."));
}

function show() {
  const { tick } = told;
  const rows = told.rows.map((row) => ({ ...row, harms: harmsOf(row.kind) ?? row.harms }));
  const any = rows.length > 0;
  $(".none", element).hidden = any;
  $(".kinds-scroll", element).hidden = !any;
  if (!any) return write($(".none", element), gettext("This lab has no VM. Add one with + in the tree: a VM, a microVM or a container."));
  write($("#kinds-sub"), say(gettext("at tick %(n)s"), { n: count(tick) }));
  const shown = columnsOf(rows, chosenNumber("vm", 0), MANY);
  head(shown);
  body(shown);
  const more = $(".kinds-more", element);
  more.hidden = rows.length <= shown.length;
  write(more, say(gettext("and %(n)s more VMs in the CSV; the one chosen in the tree stands first"), { n: count(rows.length - shown.length) }));
}

function head(shown) {
  const line = $("thead", element);
  const key = shown.map(({ at, row }) => `${at}|${row.name}`).join();
  if (line.dataset.key === key) return;
  line.dataset.key = key;
  const cells = shown.map(({ at, row }) => el("th", { scope: "col" }, badge(model, at, true), row.name, el("small", {}, kindWord(row.kind))));
  line.replaceChildren(el("tr", {}, el("td"), cells));
}

/** A line for each measure, with a bar where more of it is to be seen at a glance. */
function body(shown) {
  const lines = sections(shown.map(({ row }) => row)).flatMap(({ title: name, measures }) => [{ name }, ...measures]);
  keep($("tbody", element), lines, () => el("tr"), (tr, line) => {
    const key = line.name ?? line.column;
    if (tr.dataset.key !== key || tr.children.length !== (line.name ? 1 : shown.length + 1)) {
      tr.dataset.key = key;
      mark(tr, "class", line.name ? "section" : null);
      tr.replaceChildren(line.name ? el("th", { scope: "colgroup", colspan: shown.length + 1 }, line.name) : el("th", { scope: "row" }, line.word, line.hint ? el("small", {}, line.hint) : null));
    }
    if (!line.name) shown.forEach(({ row }, k) => fill(tr.children[k + 1] ?? tr.appendChild(cell()), line, row));
  });
}

const cell = () => el("td", {}, el("span"), el("meter", { min: 0, max: 1, "aria-hidden": "true" }));

function fill(node, line, row) {
  const value = row[line.column];
  write(node.firstChild, cellOf(line, value));
  const meter = node.lastChild;
  meter.hidden = !line.bar;
  if (line.bar) meter.value = line.most > 0 ? Math.max(0, Number(value) || 0) / line.most : 0;
  mark(node, "class", line.bar && line.best === value && line.most > line.least ? "best" : null);
}
