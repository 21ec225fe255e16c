// The walk theatre: one translation entry by entry, in the order hardware reads them: TLB, the guest's
// tables, and the nested table for each of them. The server reads it off the machine of the tick shown.
import { $, $$, el, mark, write } from "../elements.js";
import { ask as command } from "../commands.js";
import { keyField, setKey } from "../keys.js";
import { choose, chosen, chosenNumber, onChoice } from "../layout.js";
import { count, duration, percent, say } from "../scales.js";
import { ends, sentence, tableOf, tlbOf } from "../walking.js";

export const title = () => gettext("Walk theatre");
export const pace = 250;

const EVERY = 1500; // ms between two looks at a machine that plays
const BEAT = 700; // ms of a step, when it is played
let element, model, socket, url, declared;
let what = "page"; // or v3: what vCPU 3 referenced last
let told = null;
let at = null; // step that is shown: 0 the TLB, null all of them
let asked = { key: "", at: -EVERY, moment: "" };
let timer = 0;
let later = 0;
let built = "";

/** Wire the steps, the choice of what is walked to, and the keys of translation. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  url = JSON.parse($("#lab-config")?.textContent ?? "{}").urls?.lab_walk;
  declared = JSON.parse($("#policies")?.textContent ?? "{}").translation ?? {};
  $("[name=what]", element).onchange = ({ target }) => choose({ walk: target.value === "page" ? null : target.value });
  $("[name=page]", element).onchange = ({ target }) => choose({ walk: null, page: target.value || null });
  what = chosen("walk", "page");
  onChoice((changes) => {
    if ("walk" in changes) what = changes.walk ?? "page";
    if ("page" in changes && changes.page !== null && !("walk" in changes)) what = "page";
  });
  for (const button of $$("[data-walk]", element)) button.onclick = () => VERBS[button.dataset.walk]();
  $(".theatre", element).addEventListener("keydown", key);
  $("[data-translate]", element).onclick = ({ target }) => turn(target);
}

const last = () => told.steps.length;
const VERBS = {
  first: () => go(0),
  back: () => go((at ?? last()) - 1),
  on: () => go(at === null || at >= last() ? 0 : at + 1),
  play: () => (timer ? stop() : play()),
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { ArrowRight: () => go((at ?? 0) + 1), ArrowLeft: VERBS.back, Home: VERBS.first, End: () => go(last()), p: VERBS.play, " ": VERBS.play }[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

/** Show step `next`; whoever takes a step stops the play. */
function go(next, playing = false) {
  if (!told) return;
  if (!playing) stop();
  at = Math.max(0, Math.min(last(), next));
  show();
}

function play() {
  if (!told) return;
  go(at === null || at >= last() ? 0 : at, true);
  timer = setInterval(() => (at >= last() ? stop() : go(at + 1, true)), BEAT);
  mark($("[data-walk=play]", element), "aria-pressed", "true");
}

function stop() {
  clearInterval(timer);
  timer = 0;
  mark($("[data-walk=play]", element), "aria-pressed", "false");
}

/** Ask again where page, VM or tick are others. */
export function draw(theModel) {
  model = theModel;
  choices();
  const question = wanted();
  if (!question) return;
  const now = performance.now();
  const { past } = model.state;
  const moment = `${model.state.tick}|${model.journal.length}`; // a command may change it without a tick
  const same = question.key === asked.key;
  if (same && (past || moment === asked.moment)) return;
  clearTimeout(later);
  if (same && now - asked.at < EVERY) return void (later = setTimeout(() => draw(model), EVERY - (now - asked.at)));
  if (!same) at = null;
  asked = { key: question.key, at: now, moment };
  fetchWalk(question);
}

/** What is asked for: of the live run as it is, of another tick as it was. */
function wanted() {
  const { tick, past, run } = model.state;
  const vm = chosenNumber("vm", 0);
  const page = chosenNumber("page");
  if (what === "page" && (page === null || !model.meta.vms[vm])) return null;
  const of = what === "page" ? { vm, page } : { vcpu: what.slice(1) };
  const when = past || chosen("run") !== null ? { tick, run } : {};
  return { key: JSON.stringify([of, when]), values: { ...of, ...when } };
}

async function fetchWalk({ key: own, values }) {
  const waiting = setTimeout(() => mark(element, "aria-busy", "true"), 300);
  try {
    const response = await fetch(`${url}?${new URLSearchParams(values)}`, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (asked.key !== own) return;
    if (!answer.steps) return refuse(answer.message ?? gettext("There is no walk."));
    told = answer;
    show();
  } catch {
    if (asked.key === own) refuse(gettext("The server did not answer. Try again."));
  } finally {
    clearTimeout(waiting);
    mark(element, "aria-busy", null);
  }
}

function refuse(words) {
  told = null;
  stop();
  $(".theatre", element).hidden = true;
  const none = $(".none", element);
  none.hidden = false;
  write(none, words);
}

/** The vCPUs of the chosen VM, whose last references can be walked to. */
function choices() {
  const select = $("[name=what]", element);
  const vm = model.meta.vms[chosenNumber("vm", 0)];
  const vcpus = vm?.vcpus ?? [];
  const names = vcpus.map((v) => model.meta.vcpus[v]?.name ?? "");
  if (select.dataset.key !== `${names}`) {
    select.dataset.key = `${names}`;
    const rows = vcpus.map((v, k) => el("option", { value: `v${v}` }, say(gettext("the last reference of %(name)s"), { name: names[k] })));
    select.replaceChildren(el("option", { value: "page" }, gettext("the chosen page")), ...rows);
  }
  if (what !== "page" && !vcpus.includes(Number(what.slice(1)))) what = "page";
  select.value = what;
  const page = $("[name=page]", element);
  page.max = Math.max(0, (vm?.pages ?? 1) - 1);
  if (document.activeElement !== page && what === "page") page.value = chosenNumber("page") ?? "";
}

function show() {
  $(".none", element).hidden = true;
  $(".theatre", element).hidden = false;
  const n = at ?? last();
  write($("#walk-sub"), subtitle());
  write($(".walk-at", element), at === 0 ? gettext("TLB") : say(gettext("entry %(n)s of %(all)s"), { n: count(n), all: count(last()) }));
  write($("#walk-say"), sentence(told, at));
  $(".walk-tlb", element).replaceChildren(...tlbOf(told));
  mark($(".walk-tlb", element), "class", at === 0 ? "walk-tlb now" : "walk-tlb");
  $(".walk-table", element).replaceChildren(...tableOf(told, n, at !== null));
  $(".walk-ends", element).replaceChildren(...ends(told, n));
  $(".now", element)?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  if (what !== "page") $("[name=page]", element).value = told.page;
  translation();
}

function subtitle() {
  const { tlb_hits: hits, tlb_misses: misses } = told.counters;
  const rate = hits + misses ? ` · ${say(gettext("TLB hits %(n)s"), { n: percent(hits / (hits + misses)) })}` : "";
  return say(gettext("%(vm)s, tick %(tick)s: %(n)s references, %(cost)s"), { vm: told.vm, tick: count(told.tick), n: count(told.references), cost: duration(told.cost_ns) }) + rate;
}

// --- the keys of translation ----------------------------------------------------------------------

function translation() {
  const may = Boolean(socket.may?.steer);
  const on = told.keys !== null;
  const form = $(".walk-keys form", element);
  if (built !== `${may}`) {
    built = `${may}`;
    const fields = Object.entries(declared).map(([name, schema]) => keyField(name, schema, { model, may }));
    form.replaceChildren(...fields, el("span", { class: "refusal", "data-error-for": "keys", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  }
  form.hidden = !on;
  const { walk_references: references, shadow_exits: exits, promotions, splits } = told.counters;
  const words = on
    ? say(gettext("%(vm)s so far: %(references)s entries read by walks, %(exits)s exits for the shadow table, %(promotions)s regions made huge, %(splits)s split."), { vm: told.vm, references: count(references), exits: count(exits), promotions: count(promotions), splits: count(splits) })
    : gettext("Translation costs nothing here: what is drawn is what such a walk would read. Switch it on, and its time is charged to the vCPUs.");
  write($(".walk-on", element), words);
  const button = $("[data-translate]", element);
  button.disabled = !may;
  write(button, on ? gettext("Let translation cost nothing") : gettext("Simulate translation"));
  if (on) for (const field of $$("[data-key]", form)) setKey(field, told.keys[field.dataset.key]);
}

async function turn(button) {
  const answer = await command(socket, button, { type: "set_translation", keys: told?.keys ? null : {} });
  write(button.nextElementSibling, answer.ok ? "" : answer.message);
}
