// The one clock of both runs: a slider, steps, and a play that goes on as fast as both can follow.
import { $, el, icon, mark, write } from "../elements.js";
import { choose, chosenNumber } from "../layout.js";
import { count, say } from "../scales.js";
import { lastOf, lookBoth, ready, settled, tickOf } from "./sides.js";

const PACE_MS = 120; // eight steps a second at most
let sides, slider, output;
let playing = false;
let wish = null; // the tick both are to show
let steppedAt = 0;
let opened = false;

/** Wire slider, buttons and keys. */
export function mountClock(theSides) {
  sides = theSides;
  slider = $("#both-clock");
  output = $("#both-tick");
  slider.addEventListener("input", () => go(Number(slider.value)));
  $("#both-play").onclick = toggle;
  $("#both-back").onclick = () => go(now() - step());
  $("#both-step").onclick = () => go(now() + step());
  const acts = { " ": toggle, ",": () => go(now() - step()), ".": () => go(now() + step()) };
  addEventListener("keydown", (event) => {
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button, a, select, summary, input:not([type=range])")) return;
    event.preventDefault();
    act();
  });
}

const step = () => Number($("#both-ticks").value);
const end = () => Math.max(1, ...sides.map(lastOf));
const now = () => wish ?? tickOf(sides);

/** Have both show a tick. */
export function go(tick) {
  wish = Math.max(0, Math.min(end(), Math.round(tick)));
  lookBoth(sides, wish);
  choose({ tick: wish });
  show();
}

function toggle() {
  playing = !playing;
  const button = $("#both-play");
  button.replaceChildren(icon(playing ? "pause" : "play"));
  mark(button, "aria-label", playing ? gettext("Pause both") : gettext("Play both"));
  if (playing && now() >= end()) go(0);
  if (playing) forward();
}

/** Stand still: one of them cannot follow. */
export function stop() {
  if (playing) toggle();
}

/** One more step, when both show the last one and some time has passed. */
function forward() {
  if (!playing) return;
  const wait = steppedAt + PACE_MS - performance.now();
  if (wait > 0 || !settled(sides)) return void setTimeout(forward, Math.max(20, wait));
  steppedAt = performance.now();
  if (now() >= end()) return toggle();
  go(now() + step());
  setTimeout(forward, PACE_MS);
}

/** Refresh the slider; the first time both are there, they go to the address's tick or to the end of the shorter. */
export function drawClock() {
  if (!ready(sides)) return;
  if (!opened) {
    opened = true;
    return go(chosenNumber("tick", Math.min(...sides.map(lastOf))));
  }
  show();
}

function show() {
  mark(slider, "max", end());
  const tick = now();
  if (Number(slider.value) !== tick) slider.value = String(tick);
  mark(slider, "aria-valuetext", say(gettext("tick %(n)s of %(m)s"), { n: count(tick), m: count(end()) }));
  write(output, count(tick));
}

/** Marks below the slider: where the runs part, and where they first differ. */
export function markClock(ticks) {
  const share = (tick) => `${(100 * Math.min(tick, end())) / end()}%`;
  $(".both-marks").replaceChildren(
    ...ticks.filter(({ tick }) => tick !== null && tick !== undefined).map(({ tick, kind }) => {
      const line = el("i", { class: kind });
      line.style.left = share(tick);
      return line;
    }),
  );
}
