// The bar: the clock's controls, tick and pace, the connection, and who is here.
import { $, el, icon, mark, write } from "../elements.js";
import { liveOf } from "../model.js";
import { compact, count, say } from "../scales.js";

export const title = () => gettext("Clock");

/** So long is believed what was asked and not answered by a sample. */
const ANSWER_MS = 2000;
let model, socket;
let sliceOf = {};

/** Wire the bar; run controls carry data-command and are sent by commands.js. */
export function mount(element, theModel, theSocket) {
  [model, socket] = [theModel, theSocket];
  sliceOf = { scheduler: $("#scheduler-policy"), slice: $("#time-slice"), replacement: $("#replacement-policy"), scope: $("#replacement-scope") };
  socket.onstatus = connection;
  socket.onproblem = (message) => write($("#refusal"), message);
  wireSpeed();
  wireSteps();
  connection(socket.status);
}

/** While the past is looked at, the step buttons step through it; they ask nothing of the run. */
function wireSteps() {
  for (const [id, unit] of [["step", "tick"], ["next", "event"]]) {
    $(`#${id}`).addEventListener("click", (event) => {
      if (!model.state.past) return;
      event.preventDefault();
      document.dispatchEvent(new CustomEvent("look", { detail: { unit, by: 1 } }));
    });
  }
}

/** Refresh what follows the machine. */
export function draw(theModel, all) {
  model = theModel;
  const { state, meta, changed } = model;
  write($("#tick"), count(state.tick));
  playButton(liveOf(model), state.past);
  pace({ ...state, status: liveOf(model).status });
  speedShown();
  if (all || changed.meta) policies(meta);
}

function playButton(live, past) {
  const { status } = live;
  const button = $("#play");
  const playing = status === "playing";
  const over = status === "ended" || status === "stalled" || status === "crashed";
  if (button.dataset.command !== (playing ? "pause" : "play")) {
    button.dataset.command = playing ? "pause" : "play";
    button.replaceChildren(icon(playing ? "pause" : "play"));
  }
  const steer = Boolean(socket.may?.steer);
  button.disabled = !steer || status === "crashed";
  for (const each of [$("#step"), $("#next")]) each.disabled = past ? false : !steer || over;
  transportWords(live, past, playing);
}

/** What each button of the clock does now: on the run, or only on what I see. */
function transportWords(live, past, playing) {
  const play = playing ? gettext("Pause") : gettext("Play");
  const at = past ? ` ${say(gettext("the run at tick %(n)s"), { n: count(live.tick) })}` : "";
  mark($("#play"), "aria-label", play + at);
  mark($("#play"), "title", past ? play + at : gettext("Play or pause (space)"));
  const words = past
    ? [gettext("Look one tick later"), gettext("Look at the next event")]
    : [gettext("Step one tick"), gettext("Step to the next event")];
  const keys = [".", "→"];
  ["#step", "#next"].forEach((id, k) => {
    mark($(id), "aria-label", words[k]);
    mark($(id), "title", `${words[k]} (${keys[k]})`);
  });
}

/** So many samples a second a lab is sent that there is room for. */
const FULL_PER_S = 20;
const seldom = (state) => say(ngettext("%(n)s picture a second", "%(n)s pictures a second", state.per_s), { n: count(state.per_s) });

/** One line on how the run is doing: behind, ended, in time. */
function pace(state) {
  const place = $("#pace");
  const words = {
    paused: () => gettext("paused"), ended: () => gettext("every workload has ended"),
    stalled: () => gettext("nothing can happen any more"), crashed: () => state.message || gettext("the run broke off"),
    playing: () => {
      if (!state.speed) return say(gettext("%(n)s ticks/s"), { n: compact(Math.round(state.rate ?? 0)) });
      if (state.behind_ms >= 100) return say(gettext("behind by %(n)s ms"), { n: compact(Math.round(state.behind_ms)) });
      return gettext("on time");
    },
  };
  const kind = state.status === "playing" ? (state.speed && state.behind_ms >= 100 ? "blocked" : "running") : state.status === "crashed" ? "crashed" : state.status === "paused" ? "paused" : "ended";
  mark($(".dot", place), "data-state", kind);
  const said = (words[state.status] ?? (() => state.status))();
  write($("span", place), state.status === "playing" && state.per_s < FULL_PER_S ? `${said} · ${seldom(state)}` : said);
  place.classList.toggle("seldom", state.status === "playing" && state.per_s < FULL_PER_S);
  mark(place, "title", state.per_s < FULL_PER_S ? gettext("The server has no room for more: the run itself goes on as it should.") : null);
}

/** The speed this page asked for last, while no sample that came since tells another. */
let asked = null;

/** The speed as it is, or will be as soon as the machine says what was asked of it. */
export function speedNow() {
  if (asked !== null && (model.state.speed === asked.speed || performance.now() > asked.until)) asked = null;
  return asked?.speed ?? model.state.speed ?? 0;
}

function wireSpeed() {
  const select = $("#speed");
  select.form.addEventListener("submit", () => (asked = { speed: Number(select.value), until: performance.now() + ANSWER_MS }));
  select.form.addEventListener("answered", ({ detail }) => detail.ok || (asked = null));
}

function speedShown() {
  const select = $("#speed");
  const speed = speedNow();
  if (document.activeElement === select && select.matches(":open")) return;
  const text = String(speed);
  if (select.value === text) return;
  if (![...select.options].some((option) => option.value === text)) select.append(el("option", { value: text }, say(gettext("%(n)s ticks/s"), { n: count(speed) })));
  select.value = text;
}

/** Scheduler, slice, replacement and scope as they are now; not under the hands of who is typing. */
function policies(meta) {
  const wanted = { scheduler: meta.scheduler?.policy, slice: meta.scheduler?.time_slice, replacement: meta.replacement?.policy, scope: meta.replacement?.scope };
  for (const [name, value] of Object.entries(wanted)) {
    const control = sliceOf[name];
    if (!control || value === undefined || (document.activeElement === control && control.tagName === "INPUT")) continue;
    control.value = String(value);
  }
  const parts = [meta.run ? say(gettext("Run %(n)s"), { n: count(meta.run) }) : "", say(gettext("seed %(n)s"), { n: meta.seed }), (meta.scheduler?.policy ?? "").replaceAll("_", " ")];
  write($("#run-line"), parts.filter(Boolean).join(" · "));
}

/** Say when the picture is not live; silence is the good state. */
function connection(status, reason = "") {
  const box = $("#connection");
  const words = {
    connecting: gettext("Connecting to the lab …"), closed: gettext("Connection lost. What you see is the last sample; trying again …"),
    refused: gettext("This lab is closed to you, or gone. Reload the page to find out."),
  };
  box.hidden = status === "open";
  mark(document.body, "data-connection", status);
  write($("span", box), (status === "refused" && reason) || (words[status] ?? ""));
}
