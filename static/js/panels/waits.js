// Who waits for whom: steal by culprit as a table shaded by its shares, and how long vCPUs that
// wake up wait for a pCPU, as percentiles of each VM on one scale.
import { $, badge, el, fillTable, svg, write } from "../elements.js";
import { chosenNumber, choose } from "../layout.js";
import { compact, count, decimal, duration, percent, say } from "../scales.js";

export const title = () => gettext("Who waits for whom");
export const pace = 500;

const VICTIMS = 12;
const CULPRITS = 7;
let element, model;
let shown = -1;

/** Wire the panel: a row of the table chooses its VM. */
export function mount(theElement, theModel) {
  [element, model] = [theElement, theModel];
  element.addEventListener("click", (event) => {
    const row = event.target.closest("[data-vm]");
    if (row) choose({ vm: row.dataset.vm });
  });
}

/** Redraw when the figures are new. */
export function draw(theModel, all) {
  model = theModel;
  const { figures } = model;
  if (!figures || (!all && figures.tick === shown)) return;
  shown = figures.tick;
  write($("#waits-sub"), say(gettext("Jain’s index: by weight %(weight)s, by time %(time)s"), { weight: hundredths(figures.jain_by_weight), time: hundredths(figures.jain) }));
  const waiting = victims(figures);
  $(".none", element).hidden = waiting.length > 0;
  $(".waits", element).hidden = waiting.length === 0;
  if (!waiting.length) return;
  $(".steal-table", element).replaceChildren(...stealTable(figures, waiting, model));
  const awake = figures.rows.map((vm, k) => ({ vm, woken: figures.woken[k] })).filter(({ woken }) => woken[0] > 0);
  $(".wake", element).hidden = awake.length === 0;
  $(".wake-table", element).replaceChildren(...wakeTable(awake, model));
}

const hundredths = (value) => new Intl.NumberFormat(document.documentElement.lang || "en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);

function victims({ rows, steal, stolen }) {
  return rows.map((vm, k) => ({ vm, steal: steal[k], by: stolen[k] })).filter(({ steal: ticks }) => ticks > 0).sort((a, b) => b.steal - a.steal).slice(0, VICTIMS);
}

/** A culprit's name: a VM, or what is none. */
export function culpritName(model, culprit) {
  const vms = model.meta.vms.length;
  if (culprit === vms) return gettext("its cap");
  return culprit > vms ? gettext("idle pCPU") : model.meta.vms[culprit]?.name ?? "?";
}

/** The culprits with a column of their own, those who took most first. */
function columns(waiting) {
  const sums = new Map();
  for (const { by } of waiting) for (const [culprit, ticks] of by) sums.set(culprit, (sums.get(culprit) ?? 0) + ticks);
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, CULPRITS).map(([culprit]) => culprit);
}

const SHADES = [0.005, 0.1, 0.25, 0.5];
const shade = (share) => SHADES.filter((least) => share >= least).length;

/** Head and body of the table: a row for each VM that waited, a column for each that ran meanwhile. */
export function stealTable(figures, waiting, model) {
  const culprits = columns(waiting);
  const head = (culprit) => {
    const own = culprit < model.meta.vms.length;
    return el("th", { scope: "col", title: culpritName(model, culprit) }, own ? badge(model, culprit, true) : null, el("span", {}, culpritName(model, culprit)));
  };
  const rest = waiting.some(({ by }) => by.some(([culprit]) => !culprits.includes(culprit)));
  const heads = [el("th", { scope: "col" }, gettext("Waited")), el("th", { scope: "col" }, gettext("ticks")), ...culprits.map(head)];
  if (rest) heads.push(el("th", { scope: "col" }, gettext("others")));
  const row = ({ vm, steal, by }) => {
    const ticks = new Map(by);
    const cells = culprits.map((culprit) => cell((ticks.get(culprit) ?? 0) / steal, ticks.get(culprit) ?? 0));
    if (rest) {
      const left = by.reduce((sum, [culprit, n]) => sum + (culprits.includes(culprit) ? 0 : n), 0);
      cells.push(cell(left / steal, left));
    }
    const name = el("th", { scope: "row" }, badge(model, vm, true), model.meta.vms[vm]?.name ?? "?");
    return el("tr", { "data-vm": vm, class: vm === chosenNumber("vm") ? "chosen" : null }, name, el("td", {}, compact(steal)), cells);
  };
  return [el("thead", {}, el("tr", {}, heads)), el("tbody", {}, waiting.map(row))];
}

const cell = (share, ticks) => el("td", { "data-heat": shade(share) || null, title: say(gettext("%(n)s ticks"), { n: count(ticks) }) }, share >= 0.005 ? percent(share) : ticks ? "<1 %" : "–");

/** Wake-ups: counts, percentiles, and where they lie on a scale of powers of ten. */
export function wakeTable(awake, model) {
  const most = Math.max(1, ...awake.map(({ woken }) => woken[3] ?? 0));
  const decades = Math.max(1, Math.ceil(Math.log10(most + 1)));
  const place = (us) => Math.min(1, Math.log10((us ?? 0) + 1) / decades);
  const heads = [gettext("Woke"), gettext("times"), "p50", "p95", "p99"].map((text) => el("th", { scope: "col" }, text));
  heads.push(el("th", { scope: "col", class: "words" }, scaleWords(decades)));
  const row = ({ vm, woken: [n, p50, p95, p99] }) =>
    el("tr", { "data-vm": vm }, el("th", { scope: "row" }, badge(model, vm, true), model.meta.vms[vm]?.name ?? "?"), el("td", {}, compact(n)), [p50, p95, p99].map((us) => el("td", {}, us === null ? "–" : duration(us * 1000))),
      el("td", { class: "range" }, range(place(p50), place(p95), place(p99))));
  return [el("thead", {}, el("tr", {}, heads)), el("tbody", {}, awake.slice(0, VICTIMS * 2).map(row))];
}

const scaleWords = (decades) => say(gettext("0 – %(most)s, by tens"), { most: duration(10 ** decades * 1000) });

/** A line from the median (dot) to the 99th percentile (bar), the 95th a notch. */
function range(p50, p95, p99) {
  const x = (part) => decimal(4 + 92 * part).replace(",", ".");
  return svg("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d: "M4 6H96", class: "axis" }), svg("path", { d: `M${x(p50)} 6H${x(p99)}`, class: "span" }),
    svg("path", { d: `M${x(p95)} 4V8M${x(p99)} 2V10`, class: "notch" }), svg("path", { d: `M${x(p50)} 6h0`, class: "median" }));
}

/** The same figures as rows of text. */
export function table(body) {
  const rows = victims(model.figures ?? { rows: [], steal: [], stolen: [] }).map(({ vm, steal, by }) => [
    model.meta.vms[vm].name, count(steal), by.map(([culprit, ticks]) => `${culpritName(model, culprit)} ${count(ticks)}`).join(", "),
  ]);
  fillTable(body, rows.length ? rows : [[gettext("Nobody has waited yet."), "", ""]]);
}
