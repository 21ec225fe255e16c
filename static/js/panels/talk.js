// Talk: what members say, and notes pinned to ticks and objects. A note leads to what it is about.
import { ask } from "../commands.js";
import { $, $$, el, icon, write } from "../elements.js";
import { choose, chosenNumber } from "../layout.js";
import { colourFor, initials } from "../presence.js";
import { count, say } from "../scales.js";
import { panelTitle } from "./people.js";
import { objectAt as chosenSlice, showSlice } from "./timeline.js";

export const title = () => gettext("Talk");

const NEAR = 40;
/** With fewer remarks than the server begins with, there are none before. */
const FULL = 50;
let element, list, form, model, socket;
let kind = "all";
let about = []; // only what is about these objects
let older = []; // what was said before the page was told of anything
let oldest = false; // there is nothing before that
let editing = null;
let seen = 0;

/** Wire the list, its filter and the form. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  list = $(".talk", element);
  form = $("form", element);
  for (const radio of $$("[name=talk]", element)) radio.onchange = () => ((kind = radio.value), refresh());
  $("[data-all]", element).onclick = () => showAbout([]);
  $("[data-older]", element).onclick = fetchOlder;
  if (form) wireForm();
  document.addEventListener("talk", ({ detail }) => {
    choose({ max: null, tab: "log" });
    showAbout(detail.targets);
    element.scrollIntoView({ block: "nearest" });
  });
}

function showAbout(targets) {
  about = targets;
  refresh();
}

/** The page begins with the last of what was said; the rest comes when it is asked for. */
async function fetchOlder() {
  const first = Math.min(...[...older, ...model.chat].map(({ id }) => id));
  const answer = await fetch(`${socket.config.urls.lab_talk}?before=${first}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const { remarks } = await answer.json();
  oldest = !remarks.length;
  older = [...remarks, ...older];
  refresh();
}

function wireForm() {
  form.addEventListener("submit", send);
  form.elements.target.addEventListener("focus", targets);
  form.elements.target.addEventListener("pointerdown", targets);
  targets();
  form.elements.text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

/** What a note may be about: what this reader has chosen. */
function targets() {
  const select = form.elements.target;
  const had = select.value;
  const vm = model.meta.vms[chosenNumber("vm")]?.name;
  const found = [];
  const slice = chosenSlice();
  if (slice) found.push(slice);
  if (chosenNumber("frame") !== null) found.push(`frame:${chosenNumber("frame")}`);
  if (vm && chosenNumber("page") !== null) found.push(`page:${vm}/${chosenNumber("page")}`);
  if (vm) found.push(`vm:${vm}`);
  for (const { name } of model.meta.devices.slice(0, 20)) found.push(`device:${name}`);
  for (const panel of $$("main .panel")) found.push(`panel:${panel.dataset.panel}`);
  select.replaceChildren(el("option", { value: "" }, gettext("nothing in particular")), ...found.map((target) => el("option", { value: target }, targetWords(target))));
  select.value = found.includes(had) ? had : "";
}

/** An object as readers call it. */
export function targetWords(target) {
  const at = target.indexOf(":");
  const [sort, name] = [target.slice(0, at), target.slice(at + 1)];
  const slice = /^(\d+)@(\d+)$/.exec(name);
  const words = {
    vm: () => say(gettext("VM %(name)s"), { name }), frame: () => say(gettext("frame %(n)s"), { n: count(Number(name)) }),
    page: () => say(gettext("page %(page)s of %(vm)s"), { vm: name.split("/")[0], page: name.split("/")[1] }),
    device: () => say(gettext("device %(name)s"), { name }), vdevice: () => say(gettext("device %(name)s"), { name }),
    panel: () => say(gettext("panel %(name)s"), { name: panelTitle(name) || name }),
    slice: () => (slice ? say(gettext("slice on pCPU %(p)s from tick %(n)s"), { p: slice[1], n: count(Number(slice[2])) }) : target),
    vcpu: () => say(gettext("vCPU %(name)s"), { name }), pcpu: () => say(gettext("pCPU %(name)s"), { name }),
  };
  return (words[sort] ?? (() => target))();
}

async function send(event) {
  event.preventDefault();
  const { text, target, pin, all } = form.elements;
  if (!text.value.trim()) return;
  const tick = pin.checked ? model.state.tick : null;
  const said = all?.checked ? { type: "broadcast", text: text.value } : { type: "say", text: text.value, target: target.value, tick };
  const answer = await ask(socket, form, said);
  if (!answer.ok) return;
  if (all) all.checked = false;
  text.value = "";
  target.value = "";
  pin.checked = false;
  about = [];
  refresh();
  list.scrollTop = list.scrollHeight;
}

/** Refresh the list when something was said. */
export function draw(theModel, all) {
  model = theModel;
  if (form) write($(".pin-tick", form), say(gettext("at tick %(n)s"), { n: count(model.state.tick) }));
  if (all || model.changed.chat) refresh();
}

const KINDS = { all: () => true, chat: (remark) => remark.kind !== "note", note: (remark) => remark.kind === "note" };

function refresh() {
  const known = new Set(model.chat.map(({ id }) => id));
  const every = [...older.filter(({ id }) => !known.has(id)), ...model.chat];
  $("[data-older]", element).hidden = oldest || model.chat.length < FULL;
  const rows = every.filter(KINDS[kind]).filter((remark) => !about.length || about.includes(remark.target)).sort((a, b) => a.at - b.at || a.id - b.id);
  const down = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
  if (!editing || !list.contains(document.activeElement)) list.replaceChildren(...rows.map(line));
  const box = $(".about", element);
  box.hidden = !about.length;
  write($("span", box), about.length ? say(gettext("About %(what)s"), { what: about.map(targetWords).join(", ") }) : "");
  const none = $(".none", element);
  none.hidden = rows.length > 0;
  write(none, model.chat.length ? gettext("Nothing here. Choose All to see everything.") : gettext("Nobody has said anything yet. What is said here stays with the lab."));
  if (down || !seen) list.scrollTop = list.scrollHeight;
  hear();
}

/** For those who hear the page: what others said since. */
function hear() {
  const last = Math.max(0, ...model.chat.map(({ id }) => id));
  const news = model.chat.filter(({ id, by }) => seen && id > seen && by !== socket.me);
  if (news.length) write($(".heard", element), news.map(({ name, text }) => `${name}: ${text}`).join(" "));
  seen = last || seen || -1;
}

function line(remark) {
  const mine = remark.by === socket.me;
  const when = new Date(remark.at * 1000);
  const head = el("p", { class: "said-by" }, el("b", {}, remark.name), el("time", { datetime: when.toISOString(), title: when.toLocaleString() }, when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })), remark.kind === "broadcast" ? el("em", {}, gettext("to all")) : null, remark.edited ? el("em", {}, gettext("edited")) : null);
  const body = editing === remark.id ? editor(remark) : el("p", { class: "said-text" }, ...linked(remark.text));
  const verbs = el("div", { class: "said-verbs" });
  if (mine && socket.may?.talk) verbs.append(verb("edit", gettext("Edit"), () => ((editing = editing === remark.id ? null : remark.id), refresh())));
  if ((mine && socket.may?.talk) || socket.may?.lead) verbs.append(verb("cross", gettext("Delete"), () => act({ type: "delete_remark", remark: remark.id })));
  return el("li", { "data-kind": remark.kind, "data-remark": remark.id }, el("i", { class: "face", "data-person": colourFor(remark.by || remark.name), "aria-hidden": "true" }, initials(remark.name)), el("div", {}, head, body, pinsOf(remark)), verbs);
}

function verb(sign, words, onclick) {
  const node = el("button", { type: "button", class: "icon", "aria-label": words, title: words }, icon(sign));
  node.onclick = onclick;
  return node;
}

async function act(command) {
  const answer = await socket.send(command);
  write($("#refusal"), answer.ok ? "" : answer.message);
  return answer.ok;
}

function editor({ id, text }) {
  const area = el("textarea", { rows: 2, maxlength: 2000, "aria-label": gettext("Your words") });
  area.value = text;
  const save = el("button", { type: "button", class: "button slim" }, gettext("Save"));
  save.onclick = async () => {
    if (!(await act({ type: "edit_remark", remark: id, text: area.value }))) return;
    editing = null;
    document.activeElement?.blur();
    refresh();
  };
  return el("div", { class: "said-editor" }, area, save);
}

/** Where a note is pinned: buttons that lead there. */
function pinsOf(remark) {
  if (remark.kind !== "note") return null;
  const pins = el("p", { class: "said-pins" });
  if (remark.tick !== null) pins.append(chip("flag", say(gettext("tick %(n)s"), { n: count(remark.tick) }), () => goTick(remark)));
  if (remark.target) pins.append(chip("pin", targetWords(remark.target), () => goTo(remark)));
  return pins;
}

function chip(sign, words, onclick) {
  const node = el("button", { type: "button", class: "pin-chip" }, icon(sign), words);
  node.onclick = onclick;
  return node;
}

/** To the tick of a note, in the run it was written in. */
function goTick({ tick, run }) {
  if (run !== null && run !== model.state.run) return choose({ run, tick });
  socket.looker.look(tick);
}

/** To the object of a note, at its tick where it has one. */
function goTo(remark) {
  if (remark.tick !== null) goTick(remark);
  const at = remark.target.indexOf(":");
  const [sort, name] = [remark.target.slice(0, at), remark.target.slice(at + 1)];
  const vm = (wanted) => model.meta.vms.findIndex((each) => each.name === wanted);
  const places = {
    vm: () => [{ vm: vm(name) }, "memory"],
    frame: () => [{ frame: Number(name) }, "allocation"],
    page: () => [{ vm: vm(name.slice(0, name.lastIndexOf("/"))), page: Number(name.slice(name.lastIndexOf("/") + 1)) }, "memory"],
    device: () => [{}, "devices"], vdevice: () => [{}, "devices"],
    slice: () => [{}, "timeline"], vcpu: () => [{}, "timeline"], pcpu: () => [{}, "timeline"],
    panel: () => [{}, name],
  };
  const [changes, panel] = places[sort]?.() ?? [{}, ""];
  if (changes.vm !== undefined && changes.vm < 0) delete changes.vm;
  const shown = $$("main .panel").find((each) => each.dataset.panel === panel);
  choose({ ...changes, max: null, ...(shown ? { tab: shown.dataset.tab } : {}) });
  shown?.scrollIntoView({ block: "center" });
  const slice = /^(\d+)@(\d+)$/.exec(name);
  if (sort === "slice" && slice) showSlice(Number(slice[1]), Number(slice[2]));
}

/** Text with its addresses as links; nothing else of it is markup. */
export function linked(text) {
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(/https?:\/\/[^\s<>"']+/g)) {
    const address = found.replace(/[.,;:!?)\]]+$/, "");
    parts.push(text.slice(from, index), el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, address));
    from = index + address.length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}

