// The prediction round: what comes next? Everybody answers for themselves; at the reveal all see
// what the run decides, why, and what was answered.
import { ask, clear } from "../commands.js";
import { openElement } from "../dialogs.js";
import { $, $$, el, mark, write } from "../elements.js";
import { count, say } from "../scales.js";
import { beliefWords } from "../beliefs.js";

export const title = () => gettext("Prediction");

let box, dialog, model, socket;
let shown = null; // id and state of the round that stands here
let mine = null;
let hidden = null;

/** Wire the strip, and the dialog of those who may ask. */
export function mount(element, theModel, theSocket) {
  [box, model, socket] = [element, theModel, theSocket];
  for (const button of $$("[data-round]", box)) button.onclick = () => act(button.dataset.round);
  dialog = document.getElementById("ask-round");
  if (dialog) wireDialog();
}

function wireDialog() {
  const form = $("form", dialog);
  for (const button of $$("[data-open=ask-round]")) button.onclick = () => open(form, button);
  form.addEventListener("change", () => parts(form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { kind, pcpu, vm, text } = form.elements;
    const number = (value) => (value === "" ? null : Number(value));
    const command = { type: "open_round", kind: kind.value, text: text.value };
    if (kind.value === "vcpu") command.pcpu = number(pcpu.value);
    else command.vm = vm.value || null;
    if ((await ask(socket, form, command)).ok) dialog.close();
  });
}

function open(form, button) {
  clear(form);
  const any = (words) => el("option", { value: "" }, words);
  form.elements.pcpu.replaceChildren(any(gettext("whichever decides first")), ...Array.from({ length: Math.min(64, model.meta.pcpus) }, (_, p) => el("option", { value: p }, `pCPU ${p}`)));
  form.elements.vm.replaceChildren(any(gettext("whichever comes first")), ...model.meta.vms.slice(0, 200).map(({ name }) => el("option", { value: name }, name)));
  parts(form);
  openElement(dialog, button);
}

function parts(form) {
  for (const part of $$("[data-kind]", form)) part.hidden = !part.dataset.kind.split(" ").includes(form.elements.kind.value);
}

async function act(type) {
  if (type === "hide") {
    hidden = shown;
    box.hidden = true;
    return;
  }
  const answer = await socket.send({ type });
  write($(":scope > .refusal", box), answer.ok ? "" : answer.message);
}

/** Refresh when the round is another one, or further on. */
export function draw(theModel, all) {
  model = theModel;
  const { round } = model;
  if (!all && !model.changed.round && !model.changed.people) return;
  const key = round ? `${round.id}|${round.state}` : null;
  if (key !== shown) begin(round, key);
  box.hidden = !round || hidden === key;
  if (round && !box.hidden) counts(round);
}

function begin(round, key) {
  const before = shown?.split("|")[0];
  shown = key;
  if (!round) return;
  if (before !== String(round.id)) {
    mine = null;
    hidden = null;
    recall(round.id);
  }
  write($("#h-round"), questionWords(round));
  write($(".round-own", box), round.question.text ?? "");
  const revealed = round.state === "revealed";
  write($(".round-sub", box), say(gettext("Run %(run)s, tick %(n)s. Asked by %(name)s."), { run: round.run ?? "", n: count(round.tick), name: round.by }));
  $(".round-options", box).hidden = revealed;
  $(".round-result", box).hidden = !revealed;
  for (const button of $$("[data-round]", box)) button.hidden = !VERBS[round.state].includes(button.dataset.round) || (button.dataset.round === "hide" && Boolean(socket.may?.lead));
  if (revealed) result(round);
  else options(round);
}

const VERBS = { open: ["close_round", "reveal_round", "cancel_round"], closed: ["reveal_round", "cancel_round"], revealed: ["end_round", "hide"], cancelled: [] };

/** What I answered before the page was loaded. */
async function recall(round) {
  if (!socket.may?.talk) return;
  const answer = await socket.send({ type: "my_vote", round });
  if (!answer.ok || !answer.choice || model.round?.id !== round) return;
  mine = answer.choice;
  if (model.round.state === "revealed") result(model.round);
  else options(model.round);
}

/** The question in the reader's words. */
export function questionWords({ kind, question }) {
  const policy = (question.policy ?? "").replaceAll("_", " ");
  if (kind === "vcpu") return say(gettext("Which vCPU does pCPU %(pcpu)s run next, under %(policy)s?"), { pcpu: question.pcpu, policy });
  if (kind === "page") return say(gettext("A frame is needed and none is free: which page goes, under %(policy)s?"), { policy });
  if (question.page === null || question.page === undefined) return say(gettext("The next memory reference of %(vcpu)s: hit or fault?"), question);
  return say(gettext("%(vcpu)s next refers to its page %(page)s: hit or fault?"), { vcpu: question.vcpu, page: count(question.page) });
}

/** An option in the reader's words. */
export function optionWords(kind, id) {
  if (kind === "fault") return { hit: gettext("hit: the page is in memory"), minor: gettext("minor fault: used for the first time"), major: gettext("major fault: it is in swap") }[id] ?? id;
  if (kind === "page") return say(gettext("page %(page)s of %(vm)s"), { vm: id.slice(0, id.lastIndexOf("/")), page: id.slice(id.lastIndexOf("/") + 1) });
  return id;
}

function options(round) {
  const may = round.state === "open" && Boolean(socket.may?.talk);
  const rows = round.options.map(({ id }) => {
    const input = el("input", { type: "radio", name: "round-choice", value: id, autocomplete: "off", disabled: !may });
    input.checked = mine === id;
    input.onchange = () => vote(round.id, id);
    return el("label", {}, input, optionWords(round.kind, id));
  });
  $(".round-list", box).replaceChildren(...rows);
}

async function vote(round, choice) {
  const answer = await socket.send({ type: "vote", round, choice });
  write($(":scope > .refusal", box), answer.ok ? "" : answer.message);
  if (answer.ok) mine = choice;
  for (const input of $$("[name=round-choice]", box)) input.checked = input.value === mine;
  counts(model.round);
}

function counts(round) {
  if (!round) return;
  const votes = say(ngettext("%(n)s answer", "%(n)s answers", round.votes), { n: count(round.votes) });
  const own = mine === null ? (round.state === "open" && socket.may?.talk ? gettext("You have not answered.") : "") : say(gettext("Your answer: %(what)s."), { what: optionWords(round.kind, mine) });
  const closed = round.state === "closed" ? gettext("No more answers are taken.") : "";
  write($(".round-count", box), [own, `${votes}.`, closed].filter(Boolean).join(" "));
}

// --- the reveal -----------------------------------------------------------------------------------

function result(round) {
  const { reasons, truth } = round;
  const most = Math.max(1, ...Object.values(round.counts));
  const columns = reasons.columns ?? [];
  const head = [gettext("Answer"), gettext("Answers"), ...columns.map(({ title: words }) => gettext(words)), gettext("What one may think")];
  $(".round-bars thead", box).replaceChildren(el("tr", {}, ...head.map((words) => el("th", { scope: "col" }, words))));
  $(".round-bars tbody", box).replaceChildren(...round.options.map((option) => bar(round, option, truth, most)));
  write($(".round-rule", box), reasonWords(round));
  counts(round);
}

function bar(round, { id, rules, facts }, truth, most) {
  const n = round.counts[id] ?? 0;
  const fill = el("i", { class: "round-fill" });
  fill.style.setProperty("--part", `${(100 * n) / most}%`);
  const signs = [id === truth ? el("span", { class: "good" }, gettext("✓ right")) : null, id === mine ? el("span", { class: "pill" }, gettext("yours")) : null];
  const cells = (facts ?? []).map((value) => el("td", {}, factWords(value)));
  const missing = (round.reasons.columns ?? []).length - cells.length;
  for (let k = 0; k < missing; k++) cells.push(el("td", {}, "–"));
  return el("tr", { class: id === truth ? "won" : null }, el("th", { scope: "row" }, optionWords(round.kind, id), ...signs), el("td", { class: "round-bar" }, fill, el("b", {}, count(n))), ...cells, el("td", { class: "words" }, rules?.length ? beliefWords(rules[0]) : ""));
}

const factWords = (value) => (typeof value === "number" ? (Number.isInteger(value) ? count(value) : value.toFixed(2)) : { yes: gettext("yes"), no: gettext("no") }[value] ?? value);

/** Why it is so, in a sentence or two. */
function reasonWords({ kind, reasons }) {
  const policy = (reasons.policy ?? "").replaceAll("_", " ");
  if (kind === "fault") {
    const was = { resident: gettext("The page was in memory."), "in swap": gettext("The page had been evicted and was in swap."), "never used": gettext("The page had never been used.") };
    return `${say(gettext("At tick %(n)s:"), { n: count(reasons.tick) })} ${was[reasons.was] ?? ""}`;
  }
  const parts = [say(gettext("At tick %(n)s, %(policy)s: %(rule)s."), { n: count(reasons.tick), policy, rule: reasons.rule ?? reasons.summary ?? "" })];
  if (reasons.tie) parts.push(`${reasons.tie}.`);
  return parts.join(" ");
}
