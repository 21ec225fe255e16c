// Who is here: faces in the bar, and behind them each with where they look, to follow or to hand
// the wheel to.
import { $, el, icon, keep, mark, write } from "../elements.js";
import { closesOutside, colourFor, initials } from "../presence.js";
import { count, say } from "../scales.js";

export const title = () => gettext("People");

const FACES = 4;
const SHOWN = 60;
let box, model, socket, find;
let wished = null; // how to drive, chosen here: {mode, answered} until the room says so

/** Wire the popover. */
export function mount(element, theModel, theSocket) {
  [box, model, socket] = [element, theModel, theSocket];
  find = $("[type=search]", box);
  find.oninput = () => draw(model, true);
  closesOutside(box);
  box.addEventListener("toggle", () => draw(model, true));
  const share = $("[name=share-pointer]", box);
  share.checked = Boolean(socket.presence.shares);
  share.onchange = () => socket.presence.share(share.checked);
  for (const radio of box.querySelectorAll("[name=driving]")) radio.onchange = () => drive(radio.value);
  const gather = $("[data-gather]", box);
  if (gather) gather.onclick = () => ask({ type: "follow_me" });
}

async function ask(command) {
  const answer = await socket.send(command);
  write($(":scope .refusal", box), answer.ok ? "" : answer.message);
  draw(model, true);
  return answer;
}

/** What was clicked stays on the screen, marked as on its way, until the room has it or refuses. */
async function drive(mode) {
  const own = (wished = { mode, answered: false });
  driving();
  const answer = await ask({ type: "set_driving", mode });
  if (wished !== own) return;
  own.answered = true;
  if (!answer.ok) wished = null;
  driving();
}

function driving() {
  if (wished?.mode === model.driving.mode) wished = null;
  for (const radio of box.querySelectorAll("[name=driving]")) {
    radio.checked = radio.value === (wished ?? model.driving).mode;
    mark(radio.closest("fieldset"), "aria-busy", wished ? "true" : null);
  }
}

/** Refresh faces, and the list while it is open. */
export function draw(theModel, all) {
  model = theModel;
  const { changed } = model;
  if (!all && !changed.people && !changed.driving) return;
  faces(model.people);
  if (changed.driving && wished?.answered) wished = null; // somebody chose otherwise meanwhile
  driving();
  if (box.open) list();
}

const roleWord = (role) => ({
  instructor: gettext("instructor"), driver: gettext("driver"), observer: gettext("observer"),
  auditor: gettext("auditor"), muted: gettext("muted"), visitor: gettext("visitor"),
})[role] ?? role;

/** Faces of who is here; the one who drives is marked, and named. */
function faces(people) {
  const driver = people.find((person) => person.driver);
  $("#driver").hidden = !driver || model.driving.mode === "token";
  write($("#driver b"), driver?.name ?? "");
  const sorted = [...people].sort((a, b) => Boolean(b.driver) - Boolean(a.driver) || a.name.localeCompare(b.name));
  const shown = sorted.slice(0, people.length > FACES ? FACES - 1 : FACES);
  const items = shown.map((person) => {
    const words = `${person.name}, ${roleWord(person.role)}`;
    return el("i", { class: person.driver ? "face drives" : "face", title: words, "data-person": colourFor(person.id) }, initials(person.name));
  });
  if (people.length > shown.length) {
    const more = people.length - shown.length;
    const words = say(ngettext("%(n)s more", "%(n)s more", more), { n: count(more) });
    items.push(el("i", { class: "face", title: words }, `+${count(more)}`));
  }
  const here = say(gettext("Members present: %(n)s"), { n: count(people.length) });
  $("#people").replaceChildren(...items);
  mark($("summary", box), "title", here);
  mark($("summary", box), "aria-label", here);
}

function list() {
  const text = find.value.trim().toLowerCase();
  find.hidden = model.people.length < 8;
  const people = model.people.filter(({ name }) => name.toLowerCase().includes(text)).sort((a, b) => Boolean(b.driver) - Boolean(a.driver) || a.name.localeCompare(b.name));
  keep($(".who-list", box), people.slice(0, SHOWN), row, fill);
  const more = people.length - SHOWN;
  write($(".who-more", box), more > 0 ? say(gettext("and %(n)s more: search for a name"), { n: count(more) }) : "");
}

function row() {
  const act = (name, sign) => el("button", { type: "button", class: "icon", "data-act": name }, icon(sign));
  return el("li", {}, el("i", { class: "face", "aria-hidden": "true" }), el("div", {}, el("b"), el("span", { class: "role" }), el("span", { class: "where" })), el("div", { class: "who-verbs" }, act("follow", "eye"), act("give", "wheel")));
}

function fill(node, person) {
  const me = person.id === socket.me;
  const [face, words, verbs] = node.children;
  mark(face, "data-person", colourFor(person.id));
  write(face, initials(person.name));
  write(words.children[0], me ? say(gettext("%(name)s (you)"), { name: person.name }) : person.name);
  const roles = [roleWord(person.role), person.driver ? gettext("drives") : "", person.pointer ? gettext("shares the pointer") : ""];
  write(words.children[1], roles.filter(Boolean).join(" · "));
  write(words.children[2], whereWords(person));
  const [follow, give] = verbs.children;
  const following = socket.presence.leader?.id === person.id;
  follow.hidden = me;
  verb(follow, following ? say(gettext("Stop following %(name)s"), person) : say(gettext("Follow %(name)s"), person), () => socket.presence.follow(following ? null : person.id));
  mark(follow, "aria-pressed", String(following));
  give.hidden = me || person.driver || !mayGive() || !["instructor", "driver"].includes(person.role);
  verb(give, say(gettext("Give the wheel to %(name)s"), person), () => ask({ type: "grant_wheel", who: person.id }));
}

function verb(button, words, act) {
  mark(button, "aria-label", words);
  mark(button, "title", words);
  button.onclick = act;
}

const mayGive = () => model.driving.mode === "token" && (socket.may?.lead || model.driving.holder?.id === socket.me);

/** Panel and tick that somebody looks at, and whom they follow. */
export function whereWords(person) {
  const leader = model.people.find(({ id }) => id === person.following);
  const panel = panelTitle(person.max || person.panel);
  const parts = [panel, person.tick === null ? gettext("live") : say(gettext("tick %(n)s"), { n: count(person.tick) })];
  if (person.run !== null) parts.push(say(gettext("run %(number)s"), { number: person.run }));
  if (leader) parts.push(say(gettext("follows %(name)s"), leader));
  return parts.filter(Boolean).join(" · ");
}

/** What a panel is called on this page. */
export function panelTitle(name) {
  return document.getElementById(`h-${name}`)?.textContent ?? { tree: gettext("VMs"), timebar: gettext("Time") }[name] ?? "";
}
