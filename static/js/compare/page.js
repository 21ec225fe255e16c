// The compare screen: two runs on one clock.
import { refreshPalette } from "../colours.js";
import { $, $$, write } from "../elements.js";
import { say } from "../scales.js";
import { drawClock, go, markClock, mountClock, stop } from "./clock.js";
import { cancelDifference, drawAllFigures, findDifference, tell } from "./difference.js";
import { drawHost, drawVms } from "./figures.js";
import { drawBoth, mountLanes } from "./lanes.js";
import { drawMaps, mountMaps } from "./maps.js";
import { openSides, ready, tickOf } from "./sides.js";

const FIGURES_PACE = 200;
const config = JSON.parse($("#compare-config").textContent);
let found = null;
let figuresAt = 0;
let asked = 0;

/** Draw soon, once for everything that asked. */
function redraw() {
  if (!asked) asked = requestAnimationFrame(() => ((asked = 0), draw()));
}

function draw() {
  drawClock();
  if (!ready(sides)) return;
  drawBoth(sides, found?.difference?.tick ?? null);
  drawMaps(sides);
  const wait = figuresAt + FIGURES_PACE - performance.now();
  if (wait > 0) return void setTimeout(redraw, wait);
  figuresAt = performance.now();
  const models = sides.map((side) => side.model);
  drawHost($("#host-figures tbody"), models);
  drawVms($("#vm-figures"), models);
  $$("[data-side-name]").forEach((place, k) => write(place, nameOf(sides[k])));
}

function nameOf({ run, model }) {
  const own = model.runs.find((each) => each.number === run);
  return own?.name ? say(gettext("run %(n)s “%(name)s”"), { n: run, name: own.name }) : say(gettext("run %(n)s"), { n: run });
}

const problems = new Map();
function changed(run, status, reason) {
  if (status === "open") problems.delete(run);
  else problems.set(run, say(gettext("Run %(n)s: %(why)s"), { n: run, why: reason || gettext("connecting …") }));
  write($(".compare-state"), [...problems.values()].join(" · "));
}

function refused(message) {
  write($("#refusal"), message);
  stop();
}

const sides = openSides(config, { draw: redraw, refused, changed });
mountClock(sides);
mountLanes(redraw);
mountMaps(redraw);
findDifference(config.difference_url, (answer) => {
  found = answer;
  tell(answer, { go, cancel: () => cancelDifference(config.difference_url) });
  markClock([{ tick: answer.common?.tick, kind: "forked" }, { tick: answer.difference?.tick, kind: "differs" }]);
  redraw();
});
/** Each part can be saved as a picture, drawn anew as vectors. */
function wirePictures() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-picture]");
    if (!button || !ready(sides)) return;
    button.closest("details").open = false;
    const { pictureOf, savePng, saveSvg } = await import("../pictures/save.js");
    const { meta } = sides[0].model;
    const both = { meta, state: { run: `${sides[0].run}, ${sides[1].run}`, tick: tickOf(sides) } };
    const picture = await pictureOf(button.closest("section"), { draw }, both);
    redraw();
    await (button.dataset.picture === "png" ? savePng(picture) : saveSvg(picture));
  });
}

wirePictures();
const details = $(".all-figures");
details.addEventListener("toggle", () => details.open && drawAllFigures($("tbody", details), config.difference_url, tickOf(sides)));
function stale() {
  refreshPalette();
  redraw();
}
new MutationObserver(stale).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", stale);
addEventListener("resize", redraw);
window.compare = { sides, go };
