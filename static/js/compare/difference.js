// The first event in which two runs differ: looked for by the server, told in words.
import { deedWords } from "../deeds.js";
import { $, el, fillTable } from "../elements.js";
import { count, percent, say } from "../scales.js";

const POLL_MS = 700;

/**
 * Ask until it is found.
 * @param {string} url
 * @param {(found: object) => void} told  called with every answer
 */
export async function findDifference(url, told) {
  const body = $(".difference-body");
  for (;;) {
    const answer = await ask(url);
    if (answer === null) return body.replaceChildren(el("p", { class: "refusal" }, gettext("The server could not compare them. Reload the page to try again.")));
    told(answer);
    if (answer.status !== "running") return;
    await new Promise((go) => setTimeout(go, POLL_MS));
  }
}

async function ask(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** Stop looking. */
export function cancelDifference(url) {
  return fetch(url, { method: "POST", body: new URLSearchParams({ cancel: "1" }), headers: { "X-CSRFToken": $("#csrf input").value } });
}

/** Tell what was found, or how far the search has come. */
export function tell(answer, { go, cancel }) {
  const body = $(".difference-body");
  if (answer.status === "running") return running(body, answer, cancel);
  if (answer.status === "failed" || answer.status === "cancelled") return body.replaceChildren(el("p", { class: "note" }, answer.message || gettext("The search was cancelled.")));
  if (!answer.difference) return body.replaceChildren(el("p", { class: "lead" }, say(gettext("None: up to tick %(n)s, as far as both have got, they are the same, event by event."), { n: count(answer.until ?? answer.same_until) })), deeds(answer));
  const { tick, words = {}, state = {} } = answer.difference;
  const button = el("button", { type: "button", class: "button primary" }, say(gettext("Go to tick %(n)s"), { n: count(tick) }));
  button.onclick = () => go(tick);
  body.replaceChildren(...[
    el("p", { class: "lead" }, el("b", {}, say(gettext("They are the same up to tick %(n)s. There:"), { n: count(tick) })), " ", button),
    el("div", { class: "sides" }, side("A", words.a), side("B", words.b)),
    reasons(state),
    deeds(answer),
    ...states(state),
  ].filter(Boolean));
}

/** What of the state is not the same at that tick, of at most `most` fields: [whose, field, a, b]. */
export function unlike(state, most = 4) {
  const found = [];
  for (const [whose, { a, b } = {}] of Object.entries(state)) {
    for (const field of Object.keys(a ?? {})) if (b && a[field] !== b[field]) found.push([a.name ?? (whose === "page" ? say(gettext("page %(n)s of %(vm)s"), { n: a.page, vm: a.vm }) : whose), field, a[field], b[field]]);
  }
  return found.slice(0, most);
}

/** Why, as far as the state tells: what was already different when it happened. */
function reasons(state) {
  const parts = unlike(state).map(([whose, field, a, b]) => say(gettext("%(field)s of %(whose)s is %(a)s in A and %(b)s in B"), { whose, field: field.replaceAll("_", " "), a: shown(a), b: shown(b) }));
  return parts.length ? el("p", {}, `${gettext("Already different at that tick:")} ${parts.join("; ")}.`) : null;
}

const side = (letter, words) => el("div", {}, el("span", { class: "side-sign" }, letter), el("p", {}, words || gettext("nothing of the kind happens")));

function running(body, { done }, cancel) {
  const bar = el("progress", { max: 1, value: done, "aria-label": gettext("Search for the first difference") });
  const button = el("button", { type: "button", class: "button" }, gettext("Cancel"));
  button.onclick = cancel;
  body.replaceChildren(el("p", {}, bar, " ", percent(done ?? 0)), button);
}

/** What each was asked after they parted: most often the reason. */
function deeds({ commands = {}, common }) {
  const lines = ["a", "b"].flatMap((name) => (commands[name] ?? []).slice(0, 6).map((entry) => el("li", {}, el("span", { class: "side-sign" }, name.toUpperCase()), ` ${say(gettext("tick %(n)s: %(who)s %(what)s"), { n: count(entry.tick), who: entry.user, what: deedWords(entry.command, entry.arguments) })}`)));
  if (common?.alike === false) return el("p", { class: "note" }, gettext("They begin with different scenarios: a run before and one after an edit of the lab."));
  const intro = common ? say(gettext("They share their past up to tick %(n)s. Since then they were asked:"), { n: count(common.tick) }) : gettext("Since then they were asked:");
  if (!lines.length) return el("p", { class: "note" }, common ? say(gettext("They share their past up to tick %(n)s; since then nothing was asked of either."), { n: count(common.tick) }) : "");
  return el("div", {}, el("p", { class: "note" }, intro), el("ul", { class: "deeds" }, lines));
}

/** The state of whom it concerns, side by side. */
function states(state) {
  return Object.entries(state).filter(([, pair]) => pair?.a || pair?.b).map(([what, { a, b }]) => {
    const keys = [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])];
    const body = el("tbody");
    fillTable(body, keys.map((key) => [key.replaceAll("_", " "), shown(a?.[key]), shown(b?.[key])]));
    return el("details", {}, el("summary", {}, what === "vcpu" ? gettext("State of that vCPU") : what === "page" ? gettext("State of that page") : say(gettext("State of %(vcpu)s"), { vcpu: what })), el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, gettext("Field")), el("th", { scope: "col" }, "A"), el("th", { scope: "col" }, "B"))), body));
  });
}

const shown = (value) => (typeof value === "boolean" ? (value ? gettext("yes") : gettext("no")) : typeof value === "number" ? count(value) : value === null || value === undefined ? "–" : String(value));

/** Every figure of the result that differs, as the server counts it. */
export async function drawAllFigures(body, url, tick) {
  const answer = await ask(`${url}&tick=${tick}`);
  const rows = (answer?.figures?.rows ?? []).filter((row) => row.a !== row.b).slice(0, 500);
  const number = (value) => (typeof value === "number" ? (Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(6)))) : shown(value));
  fillTable(body, rows.length ? rows.map((row) => [row.path, number(row.a), number(row.b), number(row.difference)]) : [[gettext("None differs at this tick."), "", "", ""]]);
}
