// What happens in the room, below the bar: who has the wheel and who asks for it, whom I follow,
// what instructors tell everybody. And, for readers who hear the page, who comes and goes.
import { $, el, mark, write } from "../elements.js";
import { whereWords } from "./people.js";
import { count, say } from "../scales.js";

export const title = () => gettext("Room");

const FRESH_S = 600;
const SAY_MS = 3000;
const FEW = 3;
let box, model, socket, wheel, follow, told;
let heard = new Set();
let asked = "";
let drives = false; // the wheel is to be taken: the wall's "Drive" asks for it by the address

/** Wire the lines. */
export function mount(element, theModel, theSocket) {
  [box, model, socket] = [element, theModel, theSocket];
  wheel = $(".wheel-note", box);
  follow = $(".follow-note", box);
  told = $(".told-note", box);
  drives = new URLSearchParams(location.search).has("drive") && Boolean(socket.may?.lead);
  $("[data-unfollow]", follow).onclick = () => socket.presence.follow(null);
  $("[data-heard]", told).onclick = () => {
    heard.add(Number(told.dataset.remark));
    announcement();
  };
}

/** Refresh what the room knows. */
export function draw(theModel, all) {
  model = theModel;
  const { changed } = model;
  if (drives && socket.status === "open") takeIt();
  if (all || changed.driving || changed.people) driving();
  if (all || changed.people) {
    socket.presence.keepUp();
    following();
    arrivals();
  }
  if (all || changed.chat) announcement();
  socket.presence.tell();
}

/**
 * Take the wheel, whoever has it. What the room said until now does not decide whether: a page begins
 * with a snapshot that may be some changes old. Where everybody drives the server refuses, and nothing
 * is the matter. A reload does not take it again.
 */
function takeIt() {
  drives = false;
  socket.send({ type: "take_back" });
  history.replaceState(null, "", `${location.pathname}${location.hash}`);
}

// --- the wheel ------------------------------------------------------------------------------------

function driving() {
  const { mode, holder, requests, grace } = model.driving;
  wheel.hidden = mode !== "token";
  document.body.dataset.driving = mode === "open" ? "open" : holder === null ? "free" : holder.id === socket.me ? "mine" : "other";
  if (wheel.hidden) return;
  const mine = holder?.id === socket.me;
  const words = holder === null ? gettext("Nobody drives.") : mine ? gettext("You drive.") : say(gettext("%(name)s drives."), holder);
  write($("b", wheel), words);
  write($("span", wheel), grace && !mine ? say(gettext("Away: the wheel is free in %(n)s s."), { n: count(grace) }) : "");
  verbs(mine, holder, requests);
  asking(mine, requests);
}

/** The buttons of whoever reads this: at most two. */
function verbs(mine, holder, requests) {
  const { steer, lead } = socket.may ?? {};
  const waits = requests.some(({ id }) => id === socket.me);
  const wanted = [];
  if (mine) wanted.push(["release_wheel", gettext("Let go of the wheel"), {}]);
  else if (steer && holder === null) wanted.push(["take_wheel", gettext("Take the wheel"), {}]);
  else if (steer && !lead) wanted.push(["ask_wheel", waits ? gettext("You asked: ask no more") : gettext("Ask for the wheel"), { wanted: !waits }]);
  if (lead && !mine && holder !== null) wanted.push(["take_back", gettext("Take the wheel back"), {}]);
  const key = JSON.stringify(wanted);
  const place = $(".wheel-verbs", wheel);
  if (place.dataset.key === key) return;
  const had = place.contains(document.activeElement);
  place.dataset.key = key;
  place.replaceChildren(...wanted.map(([type, words, more]) => button(words, { type, ...more })));
  if (had) $("button", place)?.focus();
}

/** Who asks for the wheel, told to those who decide. */
function asking(mine, requests) {
  const decides = mine || socket.may?.lead;
  const place = $(".wheel-asks", wheel);
  const key = JSON.stringify([decides, requests]);
  if (asked === key) return;
  asked = key;
  const shown = requests.slice(0, FEW).map((who) => {
    const line = [el("span", {}, say(gettext("%(name)s asks for the wheel."), who))];
    if (decides) line.push(button(gettext("Give the wheel"), { type: "grant_wheel", who: who.id }, say(gettext("Give the wheel to %(name)s"), who)), button(gettext("Not now"), { type: "deny_wheel", who: who.id }, say(gettext("Not now, %(name)s"), who)));
    return el("li", {}, ...line);
  });
  if (requests.length > FEW) shown.push(el("li", {}, say(gettext("%(n)s more ask for it."), { n: count(requests.length - FEW) })));
  place.replaceChildren(...shown);
}

function button(words, command, label = null) {
  const node = el("button", { type: "button", class: "button slim", "aria-label": label }, words);
  node.onclick = async () => {
    const answer = await socket.send(command);
    write($("#refusal"), answer.ok ? "" : answer.message);
  };
  return node;
}

// --- following ------------------------------------------------------------------------------------

function following() {
  const { leader } = socket.presence;
  follow.hidden = !leader;
  if (!leader) return;
  write($("b", follow), say(gettext("You follow %(name)s."), leader));
  write($("span", follow), whereWords(leader));
}

// --- announcements --------------------------------------------------------------------------------

function announcement() {
  const last = model.chat.findLast(({ kind, at, id }) => kind === "broadcast" && !heard.has(id) && Date.now() / 1000 - at < FRESH_S);
  told.hidden = !last;
  if (!last || Number(told.dataset.remark) === last.id) return;
  mark(told, "data-remark", last.id);
  write($("b", told), say(gettext("%(name)s to all:"), last));
  write($("span", told), last.text);
}

// --- who comes and goes, for those who hear the page ----------------------------------------------

let present = null;
let later = 0;

function arrivals() {
  clearTimeout(later);
  later = setTimeout(sayWho, SAY_MS);
}

function sayWho() {
  const now = new Map(model.people.map((person) => [person.id, person.name]));
  if (present) {
    const came = [...now].filter(([id]) => !present.has(id)).map(([, name]) => name);
    const left = [...present].filter(([id]) => !now.has(id)).map(([, name]) => name);
    write($(".who-said", box), [words(came, gettext("%(names)s came in."), gettext("%(n)s people came in.")), words(left, gettext("%(names)s left."), gettext("%(n)s people left."))].filter(Boolean).join(" "));
  }
  present = now;
}

function words(names, few, many) {
  if (!names.length) return "";
  return names.length > FEW ? say(many, { n: count(names.length) }) : say(few, { names: names.join(", ") });
}

