// Where did my time go? Each VM's time and the host's as a stacked bar; of the chosen one every way by
// itself, VM exits by reason with how many there were and what they cost.
import { $, $$, badge, el, fillTable, keep, mark, svg, write } from "../elements.js";
import { choose, chosen, chosenNumber } from "../layout.js";
import { count, duration, fine, say } from "../scales.js";
import * as costs from "./costs.js";
import { groupWord, isOverhead, lessThan, partsOf, totalOf, wayWord, wayWords } from "../spending.js";

export const title = () => gettext("Where did my time go?");
export const pace = 500;

const LATELY = 6; // figures kept, a second apart: what came between the first and the last is lately
const HOST = -1;
let element, model;
let marks = []; // {tick, rows, host, vms, exits} of the last figures
let since = "all";
let only = false;
let row = null; // the bar whose ways are shown; none: that of the chosen VM

/** Wire the choices; a bar is pressed for its ways. */
export function mount(theElement, theModel, socket) {
  [element, model] = [theElement, theModel];
  costs.mount($(".costs", element), socket);
  $(".costs", element).addEventListener("toggle", () => model.version && draw(model));
  since = chosen("since", "all");
  for (const radio of $$("[name=spent-since]", element)) {
    radio.checked = radio.value === since;
    radio.onchange = () => {
      since = radio.value;
      choose({ since: since === "all" ? null : since });
      show();
    };
  }
  const box = $("[name=spent-only]", element);
  box.onchange = () => {
    only = box.checked;
    show();
  };
  $(".spent-bars", element).addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    row = Number(button.dataset.row);
    if (row >= 0) choose({ vm: row });
    show();
  });
}

/** Redraw when the figures are new, or another VM was chosen. */
export function draw(theModel) {
  model = theModel;
  const { figures } = model;
  costs.draw(model);
  if (!figures?.ledger) return;
  if (figures.tick !== marks.at(-1)?.tick) remember(figures);
  show();
}

function remember(figures) {
  if (figures.tick < (marks.at(-1)?.tick ?? 0)) marks = []; // another tick is looked at, or it began again
  const exits = Object.fromEntries(Object.entries(model.vm).filter(([name]) => name.startsWith("exit_")).map(([name, values]) => [name.slice(5), [...values]]));
  marks = [...marks, { tick: figures.tick, rows: figures.rows, ...figures.ledger, exits }].slice(-LATELY);
}

/** The bars to draw: {row, spent} of the host and of each VM told of. */
function bars() {
  const now = marks.at(-1);
  const before = since === "now" && marks.length > 1 ? marks[0] : null;
  const of = (vm) => (before ? before.vms[before.rows.indexOf(vm)] ?? {} : {});
  const host = { row: HOST, spent: lessThan(now.host, before?.host ?? {}) };
  return [host, ...now.rows.map((vm, k) => ({ row: vm, spent: lessThan(now.vms[k], of(vm)) }))];
}

function show() {
  if (!marks.length) return;
  const drawn = bars();
  const any = totalOf(drawn[0].spent) > 0;
  $(".none", element).hidden = any;
  $(".spent", element).hidden = !any;
  if (!any) return;
  const { groups } = marks.at(-1);
  keep($(".spent-bars", element), drawn, makeBar, (node, bar) => refresh(node, bar, groups));
  const wanted = row === HOST ? HOST : chosenNumber("vm", 0);
  const of = drawn.find((bar) => bar.row === wanted) ?? drawn[0];
  for (const button of $$(".spent-bars button", element)) mark(button, "aria-pressed", String(Number(button.dataset.row) === of.row));
  ways(of);
  legend(drawn, groups);
  const share = overheadShare(drawn[0].spent);
  write($("#spent-sub"), say(gettext("overhead %(n)s of the host’s time"), { n: fine(share) }));
}

const overheadShare = (spent) => {
  const all = totalOf(spent);
  return all ? Object.entries(spent).reduce((sum, [way, ns]) => sum + (isOverhead(way) ? ns : 0), 0) / all : 0;
};

const makeBar = () => el("li", {}, el("button", { type: "button" }, el("span", { class: "who" }), svg("svg", { preserveAspectRatio: "none", viewBox: "0 0 1000 1", "aria-hidden": "true" }), el("b")));

function refresh(node, { row: own, spent }, groups) {
  const [who, bar, share] = node.firstChild.children;
  const name = own === HOST ? gettext("Host") : model.meta.vms[own]?.name ?? "?";
  if (who.dataset.key !== `${own}|${name}`) {
    who.dataset.key = `${own}|${name}`;
    who.replaceChildren(...(own === HOST ? [name] : [badge(model, own, true), name]));
    mark(node.firstChild, "data-row", own);
  }
  const parts = partsOf(spent, groups, only);
  const all = parts.reduce((sum, { ns }) => sum + ns, 0) || 1;
  let x = 0;
  keep(bar, parts, () => svg("rect", { height: 1 }, svg("title")), (rect, { group, ns }) => {
    const width = (1000 * ns) / all;
    mark(rect, "x", x.toFixed(2));
    mark(rect, "width", width.toFixed(2));
    mark(rect, "data-part", group);
    write(rect.firstChild, `${groupWord(group)}: ${fine(ns / all)}, ${duration(ns)}`);
    x += width;
  });
  write(share, fine(overheadShare(spent)));
  mark(node.firstChild, "aria-label", say(gettext("%(name)s: %(n)s overhead; %(parts)s"), { name, n: fine(overheadShare(spent)), parts: parts.map(({ group, ns }) => `${groupWord(group)} ${fine(ns / all)}`).join(", ") }));
}

/** Every way of one bar by itself, those that took most first. */
function ways({ row: own, spent }) {
  const all = totalOf(spent) || 1;
  const name = own === HOST ? gettext("the host") : model.meta.vms[own]?.name ?? "?";
  write($("#h-ways"), say(gettext("Ways of %(name)s"), { name }));
  const rows = Object.entries(spent).filter(([, ns]) => ns > 0).sort((a, b) => b[1] - a[1]);
  const body = $(".spent-ways tbody", element);
  keep(body, rows, () => el("tr", {}, el("th", { scope: "row" }, el("b"), el("small")), el("td"), el("td"), el("td"), el("td")), (tr, [way, ns]) => {
    const [head, share, time, exits, rate] = tr.children;
    mark(tr, "class", isOverhead(way) ? "overhead" : null);
    write(head.firstChild, wayWord(way));
    write(head.lastChild, wayWords(way));
    write(share, fine(ns / all));
    write(time, duration(ns));
    const [n, per] = exitsOf(way, own);
    write(exits, n === null ? "" : count(n));
    write(rate, n === null ? "" : count(per));
  });
}

/** Exits of a reason, and how many a simulated second: of a VM, or of all for the host. */
function exitsOf(way, own) {
  if (!way.startsWith("exit ")) return [null, 0];
  const now = marks.at(-1);
  const before = since === "now" && marks.length > 1 ? marks[0] : null;
  const sum = (exits) => {
    const values = exits?.[way.slice(5)] ?? [];
    return own === HOST ? values.reduce((a, b) => a + b, 0) : (values[own] ?? 0);
  };
  const n = sum(now.exits) - (before ? sum(before.exits) : 0);
  const seconds = ((now.tick - (before?.tick ?? 0)) * model.meta.tick_us) / 1e6;
  return [n, seconds > 0 ? Math.round(n / seconds) : 0];
}

let legendKey = "";
function legend(drawn, groups) {
  const there = Object.keys(groups).filter((group) => drawn.some(({ spent }) => partsOf(spent, groups, only).some((part) => part.group === group)));
  if (legendKey === `${there}`) return;
  legendKey = `${there}`;
  $(".spent-legend", element).replaceChildren(...there.map((group) => el("li", {}, svg("svg", { class: "sw-part", viewBox: "0 0 14 10", "aria-hidden": "true" }, svg("rect", { width: 14, height: 10, "data-part": group })), groupWord(group))));
}

/** The text alternative: the parts of every bar. */
export function table(body) {
  const rows = marks.length ? bars().map(({ row: own, spent }) => {
    const all = totalOf(spent) || 1;
    const share = (...names) => fine(partsOf(spent, marks.at(-1).groups, false).filter(({ group }) => names.includes(group)).reduce((sum, { ns }) => sum + ns, 0) / all);
    return [own === HOST ? gettext("Host") : model.meta.vms[own]?.name ?? "?", share("guest"), fine(overheadShare(spent)), share("exits"), share("waiting", "blocked"), share("idle", "offline")];
  }) : [];
  fillTable(body, rows.length ? rows : [[gettext("No sample yet."), "", "", "", "", ""]]);
}
