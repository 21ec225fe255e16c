// Why was it picked? The server plays the run again up to the tick and asks the policy there; the
// answer is a table of candidates with their keys in the policy's own terms.
import { $, badge, el, icon } from "../elements.js";
import { count, decimal, percent, say } from "../scales.js";

const SOON = 250; // ms: who steps through slices by keys is asked for the last one alone
const SHOWN = 12;
const KEPT = 64;

/** A number as its column shows it, or the policy's word. */
export const keyText = (value) => (typeof value !== "number" ? String(value) : Number.isInteger(value) ? count(value) : decimal(value));

/** What was decided, as one sentence. */
export function sentence({ picked, kept, preempted, candidates }) {
  if (kept) return say(gettext("%(name)s goes on."), { name: picked });
  if (!picked) return gettext("Nobody was picked: the pCPU stays idle.");
  const n = candidates.filter(({ allowed }) => allowed).length;
  const alone = candidates.length > n ? gettext("%(name)s was picked: of those who waited nobody else might run here.") : gettext("%(name)s was picked: nobody else waited.");
  const text = n < 2 ? say(alone, { name: picked }) : say(ngettext("%(name)s was picked among %(n)s.", "%(name)s was picked among %(n)s.", n), { name: picked, n: count(n) });
  return preempted ? `${text} ${say(gettext("It takes the pCPU of %(name)s."), { name: preempted })}` : text;
}

/** The candidates, the one that was picked marked by shape, weight and word. @returns {HTMLElement[]} */
export function candidatesTable(decision, model) {
  const { columns, candidates, picked, kept } = decision;
  if (!candidates.length) return [];
  const won = ({ vcpu }) => !kept && vcpu === picked;
  const shown = [...candidates.filter(won), ...candidates.filter((each) => !won(each))];
  const head = el("tr", {}, el("th", { scope: "col" }, gettext("Candidate")), columns.map(({ title, deciding }) => el("th", { scope: "col", class: deciding ? "deciding" : null }, title)));
  const rows = shown.slice(0, SHOWN).map((each) => row(each, columns, won(each), model));
  const parts = [el("div", { class: "why-scroll", tabindex: "0", role: "region", "aria-label": gettext("Candidates and their keys") }, el("table", { class: "candidates" }, el("thead", {}, head), el("tbody", {}, rows)))];
  const rest = (decision.more ?? 0) + candidates.length - SHOWN;
  if (rest > 0) parts.push(el("p", { class: "hint" }, say(gettext("and %(n)s more"), { n: count(rest) })));
  return parts;
}

function row({ vcpu, allowed, values }, columns, won, model) {
  const at = model.meta.vcpus.find(({ name }) => name === vcpu);
  const name = el("th", { scope: "row" }, at ? badge(model, at.vm) : null, el("div", {}, el("span", {}, vcpu), allowed ? null : el("small", {}, gettext("may not run here now"))));
  if (won) name.append(icon("ok"), el("span", { class: "sr" }, gettext("picked")));
  const cells = values.map((value, k) => el("td", { class: columns[k].deciding ? "deciding" : null }, keyText(value)));
  return el("tr", { class: won ? "won" : allowed ? null : "barred" }, name, cells);
}

/** The whole answer: sentence, table, rule, tie rule, what else the policy tells. */
export function answer(decision, model) {
  const facts = (decision.facts ?? []).map(([title, value]) => el("p", {}, `${title}: `, el("b", {}, keyText(value))));
  return [
    el("p", { class: "why-sentence" }, sentence(decision)),
    ...candidatesTable(decision, model),
    ...facts,
    el("p", { class: "why-rule" }, el("b", {}, `${decision.policy.replaceAll("_", " ")}: `), decision.rule, "."),
    ...(decision.tie ? [el("p", { class: "why-rule" }, el("b", {}, gettext("Tie: ")), decision.tie, ".")] : []),
  ];
}

/** Asks, waits, and shows the answer in `box`; one question at a time, the newest. */
export class Asker {
  constructor(box, url) {
    [this.box, this.url] = [box, url];
    this.known = new Map();
    this.key = null;
  }

  /** Show why `pcpu` did what it did at `tick` of `run`; the same question again does nothing. */
  ask(model, { run, tick, pcpu }) {
    const key = `${run}|${tick}|${pcpu}`;
    if (key === this.key) return;
    this.forget();
    this.key = key;
    const known = this.known.get(key);
    if (known) return this.show(known, model);
    this.timer = setTimeout(() => this.fetch(model, { run, tick, pcpu }), SOON);
  }

  /** Nothing is asked any more. */
  forget() {
    clearTimeout(this.timer);
    this.waiting?.abort();
    this.key = null;
    if (this.box.childElementCount) this.box.replaceChildren();
  }

  async fetch(model, question) {
    const key = this.key;
    const waiting = (this.waiting = new AbortController());
    this.say(gettext("Playing the run again up to this tick …"));
    try {
      for (;;) {
        const response = await fetch(`${this.url}?${new URLSearchParams(question)}`, { signal: waiting.signal, headers: { Accept: "application/json" } });
        const told = await response.json();
        if (this.key !== key) return;
        if (told.decision) return this.settle(key, told.decision, model);
        if (!response.ok || told.status !== "running") return this.refuse(told.message || gettext("This tick cannot be explained."));
        this.progress(told.done);
      }
    } catch (error) {
      if (error.name !== "AbortError" && this.key === key) this.refuse(gettext("The server did not answer. Try again."));
    }
  }

  settle(key, decision, model) {
    this.known.set(key, decision);
    if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
    this.show(decision, model);
  }

  show(decision, model) {
    this.box.removeAttribute("aria-busy");
    this.box.replaceChildren(...answer(decision, model));
  }

  say(words) {
    this.box.setAttribute("aria-busy", "true");
    this.box.replaceChildren(el("p", { class: "hint" }, words));
  }

  progress(done) {
    let bar = $("progress", this.box);
    if (!bar) this.box.append((bar = el("progress", { max: 1, "aria-label": gettext("Replay") })));
    bar.value = done;
    bar.textContent = percent(done);
  }

  refuse(words) {
    this.box.removeAttribute("aria-busy");
    this.box.replaceChildren(el("p", { class: "refusal" }, words));
  }
}
