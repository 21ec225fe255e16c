// The time bar: every tick of the run on one line. Drag it, or use the keys, to look at any of them
// while the run goes on; marks tell who did what, where checkpoints lie and where runs branch off.
import { $, el, mark, write } from "../elements.js";
import { chosenNumber, choose, onChoice } from "../layout.js";
import { createLooker } from "../look.js";
import { liveOf } from "../model.js";
import { count, percent, say } from "../scales.js";
import { marksOf, near, nextMark, scaleOf } from "../timescale.js";
import { deedsNow, saySo, wireDeeds } from "./deedbar.js";
import { eventWord } from "./runto.js";
import { EDGE, drawTrack } from "./track.js";
import { markWords, runName } from "./marks.js";

export const title = () => gettext("Time");

const REACH = 5; // pixels within which a mark answers the pointer
const LIVE_END = 7; // pixels at the right end that mean the run itself
const READ_MS = 1000;
let readAt = 0;
let element, track, canvas, tip, model, socket, looker;
let marks = [];
let scale = null;
let dragging = false;
/** The tick the address asks for, until it has been looked at once. */
let asked = null;

/** Wire the bar, the step-back buttons, the notes below it and the verbs beside it. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  track = $(".track", element);
  canvas = $("canvas", track);
  tip = $(".tip", track);
  looker = socket.looker = createLooker((command) => socket.send(command));
  looker.onrefusal = (message) => write($("#refusal"), message);
  looker.onwish = () => model.version && draw(model);
  asked = chosenNumber("tick");
  onChoice((changes) => {
    const tick = chosenNumber("tick");
    if ("tick" in changes && tick !== null && tick !== looker.at(model.state)) looker.look(tick);
  });
  reconnects();
  pointer();
  track.addEventListener("keydown", key);
  $("[data-look=event]", element).onclick = () => eventsBy(-1);
  $("[data-look=tick]", element).onclick = () => ticksBy(-1);
  $("[data-look=live]", element).onclick = () => looker.live();
  $("[data-look=current]", element).onclick = () => location.assign(location.pathname);
  $("[data-look=cancel]", element).onclick = () => socket.send({ type: "pause" });
  document.addEventListener("look", ({ detail }) => lookBy(detail));
  wireDeeds(element, model, socket);
}

/** After a lost connection the server shows the run itself: ask for the tick again. */
function reconnects() {
  const told = socket.onstatus;
  socket.onstatus = (status, reason) => {
    told(status, reason);
    if (status === "closed" && asked === null) asked = model.state.past ? model.state.tick : null;
    if (status === "closed") looker.forget();
  };
}

/** Refresh the line, its reading, the notes and the verbs. */
export function draw(theModel, all) {
  model = theModel;
  if (asked !== null && socket.status === "open") {
    looker.look(asked);
    asked = null;
  }
  looker.seen(model.state);
  if (all || model.changed.journal || model.changed.timebar || model.changed.runs || model.changed.chat || !scale) marks = marksOf(model);
  const { state } = model;
  const last = lastTick();
  scale = scaleOf(state.first ?? 0, last, track.clientWidth, EDGE);
  const seen = looker.at(state);
  drawTrack(canvas, { model, marks, scale, seen, back: isBack() });
  reading(seen, last);
  notes(seen);
  deedsNow(model);
  remember();
}

const lastTick = () => Math.max(model.state.last ?? 0, liveOf(model).tick);
/** Is, or will, another tick than the run's own be shown? */
const isBack = () => (looker.wish === null ? Boolean(model.state.past) : looker.wish !== "live");

/** What a reader hears of the slider; while the run plays not more than once a second. */
function reading(seen, last) {
  const back = isBack();
  const now = performance.now();
  if (!back && model.state.status === "playing" && now - readAt < READ_MS) return;
  readAt = now;
  mark(track, "aria-valuemin", model.state.first ?? 0);
  mark(track, "aria-valuemax", last);
  mark(track, "aria-valuenow", back ? seen : last);
  const here = marks.filter((each) => each.tick === seen && each.kind !== "checkpoint");
  const words = back ? say(gettext("tick %(n)s of %(m)s, in the past"), { n: count(seen), m: count(last) }) : say(gettext("tick %(m)s, live"), { m: count(last) });
  mark(track, "aria-valuetext", [words, ...(back ? here.slice(0, 3).map(markWords) : [])].join("; "));
}

/** What stands below the bar while the past is shown, or while the run makes for a goal. */
function notes(seen) {
  const { state } = model;
  const live = liveOf(model);
  const past = $(".past-note", element);
  past.hidden = !isBack();
  document.body.classList.toggle("looks-back", isBack());
  if (!past.hidden) {
    const going = live.status === "playing" ? gettext("and goes on") : gettext("and rests");
    const seeking = looker.wish === null ? null : state.seeking;
    const words = seeking ? gettext("Going to tick %(n)s … %(share)s") : gettext("You look at tick %(n)s");
    write($("b", past), say(words, { n: count(seen), share: percent(seeking?.done ?? 0) }));
    write($("span", past), say(gettext("The run itself is at %(m)s %(going)s; controls act on it there, not on what you see."), { m: count(live.tick), going }));
  }
  otherRun();
  reached(state.reached);
  const notice = model.meta.notice ?? "";
  $(".old-note", element).hidden = !notice;
  write($(".old-note span", element), notice);
  const goal = $(".goal-note", element);
  goal.hidden = !state.goal;
  if (!state.goal) return;
  const { done } = state.goal;
  write($("b", goal), say(gettext("Running to %(goal)s"), { goal: goalName(state.goal) }));
  const bar = $("progress", goal);
  if (done === null || done === undefined) bar.removeAttribute("value");
  else mark(bar, "value", done);
  write($("span", goal), done === null || done === undefined ? "" : percent(done));
  $("button", goal).hidden = !socket.may?.steer;
}

const goalName = ({ kind, text }) => (kind === "tick" ? say(gettext("tick %(n)s"), { n: count(Number(text)) }) : kind === "event" ? eventWord(text) : text);

let told;
/** Say once that a goal was reached, or that the run was over before. */
function reached(now) {
  const key = JSON.stringify(now ?? null);
  if (told !== undefined && told !== key && now) {
    const words = now.reached ? gettext("Reached at tick %(n)s: %(goal)s.") : gettext("The run was over at tick %(n)s, before %(goal)s.");
    saySo(say(words, { n: count(now.tick), goal: goalName(now) }));
  }
  told = key;
}

/** A link may lead to another run than the lab's own: say so. */
function otherRun() {
  const note = $(".other-note", element);
  const own = model.runs.find((run) => run.number === model.state.run);
  note.hidden = !own || own.current;
  if (note.hidden) return;
  const current = model.runs.find((run) => run.current);
  write($("span", note), say(gettext("You are in %(run)s; the lab’s own is %(current)s."), { run: runName(own), current: current ? runName(current) : "–" }));
}

/** The address says which tick of which run is seen: a link shows what I see. */
function remember() {
  if (looker.wish !== null || dragging || asked !== null) return;
  const { past, tick, run } = model.state;
  const other = model.runs.some((each) => each.number === run && !each.current);
  choose({ tick: past ? tick : null, run: past || other ? run : null });
  if (!past && !other) socket.config = socket.following ?? socket.config; // whatever becomes the lab's run is followed
}

function ticksBy(by) {
  const from = looker.wish === "live" || !isBack() ? lastTick() : looker.at(model.state);
  const to = Math.max(model.state.first ?? 0, from + by);
  if (to >= lastTick()) looker.live();
  else looker.look(to);
}

function eventsBy(by) {
  if (by < 0 || isBack()) looker.byEvents(by);
}

function lookBy({ unit, by }) {
  if (unit === "event") eventsBy(by);
  else ticksBy(by);
}

function toMark(by) {
  const found = nextMark(marks, isBack() ? looker.at(model.state) : lastTick(), by);
  if (found) looker.look(found.tick);
  else if (by > 0) looker.live();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !model.version) return;
  const by = event.shiftKey ? eventsBy : ticksBy;
  const acts = {
    ArrowLeft: () => by(-1), ArrowDown: () => by(-1), ArrowRight: () => by(1), ArrowUp: () => by(1),
    PageUp: () => toMark(1), PageDown: () => toMark(-1),
    Home: () => looker.look(model.state.first ?? 0), End: () => looker.live(), Escape: () => looker.live(),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

function pointer() {
  const place = (event) => event.clientX - track.getBoundingClientRect().left;
  track.addEventListener("pointerdown", (event) => {
    if (event.button || !model.version || !lastTick()) return;
    track.setPointerCapture(event.pointerId);
    dragging = true;
    go(place(event), true);
  });
  track.addEventListener("pointermove", (event) => {
    if (!model.version || !scale) return;
    if (dragging) go(place(event), false);
    tell(place(event));
  });
  const end = () => {
    dragging = false;
    if (model.version) draw(model);
  };
  track.addEventListener("pointerup", end);
  track.addEventListener("pointercancel", end);
  track.addEventListener("pointerleave", () => (tip.hidden = true));
}

/** Look at the tick of a place; the right end is the run itself, a pressed mark its own tick. */
function go(x, pressed) {
  const found = pressed ? near(marks, scale, x, REACH).find((each) => each.kind !== "checkpoint") : null;
  if (x > track.clientWidth - EDGE - LIVE_END && !found) {
    if (isBack()) looker.live();
    return;
  }
  const tick = found?.tick ?? scale.tick(x);
  if (tick !== looker.wish) looker.look(tick);
}

/** The plate over the pointer: its tick, and what happened there. */
function tell(x) {
  const found = near(marks, scale, x, REACH).slice(0, 4);
  const lines = [el("b", {}, say(gettext("tick %(n)s"), { n: count(found[0]?.tick ?? scale.tick(x)) }))];
  for (const each of found) lines.push(el("span", {}, markWords(each)));
  tip.replaceChildren(...lines);
  tip.hidden = false;
  const most = track.clientWidth - tip.offsetWidth;
  tip.style.transform = `translateX(${Math.max(0, Math.min(most, x - tip.offsetWidth / 2))}px)`;
}
