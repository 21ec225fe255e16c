// Laws: what must hold in every run, each with its formula, ✓ or ✕ and the tick where it broke.
import { $, el, icon, write } from "../elements.js";
import { count, say } from "../scales.js";

export const title = () => gettext("Laws");

let element, words;

/** Wire the panel; the laws' words come with the page, from the engine's own list. */
export function mount(theElement) {
  element = theElement;
  words = JSON.parse($("#law-words")?.textContent ?? "{}");
}

/** Redraw when a law changed. */
export function draw(model, all) {
  if (!all && !model.changed.laws) return;
  const entries = Object.entries(model.laws).sort(([, a], [, b]) => a.holds - b.holds);
  const holding = entries.filter(([, law]) => law.holds).length;
  const broken = entries.length - holding;
  $("#laws-sub").replaceChildren(
    el("b", { class: "good" }, say(ngettext("%(n)s holds", "%(n)s hold", holding), { n: count(holding) })),
    ...(broken ? [" · ", el("b", { class: "bad" }, say(gettext("%(n)s broken"), { n: count(broken) }))] : []),
  );
  $(".laws", element).replaceChildren(...entries.map(row));
  const none = $(".none", element);
  none.hidden = entries.length > 0;
  write(none, gettext("The laws are checked with the first step. Press play."));
}

function row([name, { holds, broken_at: at, value, bound }]) {
  const { title: head, formula, unit } = words[name] ?? { title: name.replaceAll("_", " "), formula: "" };
  const sign = holds ? gettext("holds") : gettext("broken");
  const parts = [icon(holds ? "ok" : "cross"), el("div", {}, el("b", {}, head, el("span", { class: "sr" }, `: ${sign}`)), el("span", {}, formula))];
  if (value !== undefined) parts.push(el("em", { class: holds ? null : "bad" }, measured(value, bound, unit)));
  else if (!holds) parts.push(el("em", { class: "bad" }, at === null ? gettext("broken") : say(gettext("tick %(n)s"), { n: count(at) })));
  return el("li", { class: holds ? null : "broken" }, ...parts);
}

/** What was measured, and the bound it should stay within. */
function measured(value, bound, unit) {
  const sign = value <= bound ? "≤" : ">";
  return say(gettext("%(value)s %(sign)s %(bound)s %(unit)s"), { value: round(value), sign, bound: round(bound), unit: unit ?? "" });
}

const digits = new Intl.NumberFormat(document.documentElement.lang || "en", { maximumSignificantDigits: 3 });
const round = (number) => digits.format(number);
