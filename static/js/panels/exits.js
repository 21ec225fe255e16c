// VM exits by VM and reason, live: how many there were and, of one that is pressed, what it cost in
// percent of the VM's time.
import { $, badge, el, keep, mark, write } from "../elements.js";
import { count, duration, fine, say } from "../scales.js";
import { reasonWord, totalOf } from "../spending.js";

const LEDGER = 5; // VMs told of below the map; in a view of its own and maximised all of them
const MOST = 200;
let element, model;

/** Wire the table within the devices' panel. */
export function mount(theElement) {
  element = theElement;
}

/** Refresh the table; `whole` tells of all VMs, not of those with most exits alone. */
export function draw(theModel, whole) {
  model = theModel;
  ledger(whole ? MOST : LEDGER);
}

/** Exits of all VMs, most first: a part for each reason of which there was one. */
function exits() {
  const reasons = (model.meta.exits ?? []).filter((reason, k) => k < 3 || model.vm[`exit_${reason}`]?.some((n) => n > 0));
  const columns = reasons.map((reason) => model.vm[`exit_${reason}`]);
  if (!columns[0]) return [[], []];
  const rows = model.meta.vms.map((vm, row) => ({ row, parts: columns.map((column) => column[row] ?? 0) }));
  for (const each of rows) each.sum = each.parts.reduce((a, b) => a + b, 0);
  return [reasons, rows.sort((a, b) => b.sum - a.sum || a.row - b.row)];
}

let ledgerAt = 0;
let ledgerMost = LEDGER;
let heads = "";
let asked = null; // the number that was pressed: {row, reason}
let before = null; // exits a while ago, for how many a second there are
function ledger(most) {
  const now = performance.now();
  if (now - ledgerAt < 400 && !model.changed.meta && most === ledgerMost) return;
  [ledgerAt, ledgerMost] = [now, most];
  const [reasons, all] = exits();
  rates(reasons, now);
  if (heads !== `${reasons}`) head(reasons);
  const rows = all.slice(0, most);
  const top = Math.max(1, ...rows.flatMap(({ parts }) => parts));
  const body = $("tbody", $(".ledger", element));
  keep(body, rows, () => el("tr", {}, el("th", { scope: "row" })), (tr, { row, parts, sum }) => {
    while (tr.children.length < reasons.length + 2) tr.append(el("td"));
    const [name, ...cells] = tr.children;
    const words = model.meta.vms[row].name;
    if (name.dataset.key !== `${row}|${words}`) {
      name.dataset.key = `${row}|${words}`;
      name.replaceChildren(badge(model, row, true), words);
    }
    parts.forEach((n, k) => number(cells[k], row, reasons[k], n, top));
    write(cells.at(-1), sum ? count(sum) : "–");
  });
  cost();
}

function head(reasons) {
  heads = `${reasons}`;
  const names = [gettext("VM"), ...reasons.map(reasonWord), gettext("total")];
  $(".ledger thead", element).replaceChildren(el("tr", {}, names.map((name) => el("th", { scope: "col" }, name))));
  $(".ledger tbody", element).replaceChildren();
}

/** A number that tells what it cost when it is pressed. */
function number(cell, row, reason, n, top) {
  if (!cell.firstElementChild) cell.replaceChildren(el("button", { type: "button" }));
  const button = cell.firstElementChild;
  write(button, n ? count(n) : "–");
  button.disabled = !n;
  mark(cell, "data-heat", n ? Math.min(3, Math.ceil((3 * n) / top)) : null);
  mark(button, "aria-pressed", String(asked?.row === row && asked.reason === reason));
  button.onclick = () => {
    asked = asked?.row === row && asked.reason === reason ? null : { row, reason };
    ledgerAt = 0;
    ledger(ledgerMost);
  };
}

/** Remember the counters every two seconds, so that a rate can be told of now. */
function rates(reasons, now) {
  const { tick } = model.state;
  if (before && tick >= before.tick && now - before.at < 2000) return;
  const kept = Object.fromEntries(reasons.map((reason) => [reason, [...model.vm[`exit_${reason}`]]]));
  before = { at: now, tick, kept, last: before && tick > before.tick ? before : null };
}

/** What the exits of a reason cost a VM: time, a share of its own, and how many a second there are. */
function cost() {
  const place = $(".exit-cost", element);
  if (!asked) return write(place, "");
  const { row, reason } = asked;
  const ledgers = model.figures?.ledger;
  const k = model.figures?.rows.indexOf(row) ?? -1;
  const spent = k >= 0 ? ledgers.vms[k] : null;
  const values = { vm: model.meta.vms[row]?.name ?? "?", reason: reasonWord(reason), n: count(model.vm[`exit_${reason}`]?.[row] ?? 0), rate: count(rate(row, reason)) };
  if (!spent) return write(place, say(gettext("%(vm)s, %(reason)s: %(n)s exits, %(rate)s a second now."), values));
  const ns = spent[`exit ${reason}`] ?? 0;
  write(place, say(gettext("%(vm)s, %(reason)s: %(n)s exits cost %(time)s, %(share)s of its time; %(rate)s a second now."), { ...values, time: duration(ns), share: fine(ns / (totalOf(spent) || 1)) }));
}

function rate(row, reason) {
  const last = before?.last ?? null;
  const seconds = last ? ((before.tick - last.tick) * model.meta.tick_us) / 1e6 : 0;
  return seconds > 0 ? Math.round(((before.kept[reason]?.[row] ?? 0) - (last.kept[reason]?.[row] ?? 0)) / seconds) : 0;
}
