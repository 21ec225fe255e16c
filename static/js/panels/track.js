// Draws the line of the time bar: what was run, where one looks, and the marks on it.
import { colours, fit } from "../colours.js";
import { compact, count, niceStep } from "../scales.js";
import { thinned } from "../timescale.js";

/** Pixels left free at both ends, so that the knob is whole there. */
export const EDGE = 9;
const MIDDLE = 14; // height of the line in CSS pixels
const THICK = 6;
const KNOB = 7;

/** Draw everything; `seen` is the tick that is, or will be, shown; `back` whether it is a past one. */
export function drawTrack(canvas, { model, marks, scale, seen, back }) {
  const { g, w, h } = fit(canvas);
  if (!w || !h) return;
  const { css } = colours();
  const [from, to] = [scale.x(scale.first), scale.x(scale.last)];
  const at = back ? scale.x(seen) : to;
  bar(g, EDGE, w - EDGE, css.inset, css["line-2"]);
  if (scale.last > scale.first) bar(g, from, at, css.accent);
  axis(g, scale, w, h);
  goal(g, model.state.goal, scale, css);
  for (const place of thinned(marks, scale).values()) SIGNS[place.mark.kind](g, place.x, css);
  if (back) end(g, to, css);
  knob(g, at, back ? css.warn : css.accent, css, back);
}

function bar(g, from, to, fill, line = null) {
  g.beginPath();
  g.roundRect(from, MIDDLE - THICK / 2, Math.max(THICK, to - from), THICK, THICK / 2);
  g.fillStyle = fill;
  g.fill();
  if (!line) return;
  g.strokeStyle = line;
  g.lineWidth = 1;
  g.stroke();
}

function axis(g, scale, w, h) {
  const { css } = colours();
  const step = Math.max(1, niceStep((scale.last - scale.first) / Math.max(1, w / 110)));
  const word = scale.last >= 1e7 || w < 420 ? compact : count;
  g.textAlign = "center";
  for (let tick = Math.ceil(scale.first / step) * step; tick <= scale.last; tick += step) {
    const x = scale.x(tick);
    g.fillStyle = css["line-2"];
    g.fillRect(Math.round(x), MIDDLE + THICK / 2 + 1, 1, 3);
    g.fillStyle = css["text-3"];
    const half = g.measureText(word(tick)).width / 2;
    g.fillText(word(tick), Math.min(w - half, Math.max(half, x)), h - 6);
  }
}

/** Where the run makes for: a flag beyond what has been run stands at the right end. */
function goal(g, goal, scale, css) {
  if (!goal) return;
  const x = scale.x(goal.to ?? scale.last);
  g.fillStyle = css.good;
  g.fillRect(x - 1, 0, 2, MIDDLE);
  g.fillRect(x - 9, 0, 8, 6);
}

/** The run itself, while another tick is looked at: a ring at the right end. */
function end(g, x, css) {
  g.beginPath();
  g.arc(x, MIDDLE, 5, 0, 2 * Math.PI);
  g.fillStyle = css.surface;
  g.fill();
  g.strokeStyle = css.accent;
  g.lineWidth = 2;
  g.stroke();
}

function knob(g, x, fill, css, back) {
  if (back) {
    g.fillStyle = fill;
    g.fillRect(x - 1, 0, 2, 2 * MIDDLE);
  }
  g.beginPath();
  g.arc(x, MIDDLE, KNOB, 0, 2 * Math.PI);
  g.fillStyle = fill;
  g.fill();
  g.strokeStyle = css.surface;
  g.lineWidth = 2;
  g.stroke();
}

/** A command is a triangle as on the CPU timeline; a refused one is hollow. */
function triangle(g, x, css, filled) {
  g.beginPath();
  g.moveTo(x - 4, 1);
  g.lineTo(x, 8);
  g.lineTo(x + 4, 1);
  g.closePath();
  g.fillStyle = g.strokeStyle = filled ? css.accent : css.bad;
  g.lineWidth = 1.25;
  if (filled) g.fill();
  else g.stroke();
}

/** A branch: a line that leaves the bar, with a bud at its end. */
function branch(g, x, css, down) {
  g.strokeStyle = g.fillStyle = css["st-3"];
  g.lineWidth = 1.75;
  g.beginPath();
  g.moveTo(x, MIDDLE);
  g.lineTo(x + (down ? -5 : 5), 4);
  g.stroke();
  g.beginPath();
  g.arc(x + (down ? -5 : 5), 4, 3, 0, 2 * Math.PI);
  g.fill();
}

const SIGNS = {
  checkpoint(g, x, css) {
    g.fillStyle = css["text-2"];
    g.beginPath();
    g.arc(x, MIDDLE + THICK / 2 + 4, 2, 0, 2 * Math.PI);
    g.fill();
  },
  journal: (g, x, css) => triangle(g, x, css, true),
  refused: (g, x, css) => triangle(g, x, css, false),
  fork: (g, x, css) => branch(g, x, css, false),
  origin: (g, x, css) => branch(g, x, css, true),
  note: (g, x, css) => note(g, x, css),
};

/** A note: a leaf below the line, with a corner turned down. */
function note(g, x, css) {
  g.beginPath();
  g.moveTo(x - 4, MIDDLE + 4);
  g.lineTo(x + 4, MIDDLE + 4);
  g.lineTo(x + 4, MIDDLE + 9);
  g.lineTo(x + 1, MIDDLE + 12);
  g.lineTo(x - 4, MIDDLE + 12);
  g.closePath();
  g.fillStyle = css.warn;
  g.fill();
  g.strokeStyle = css.surface;
  g.lineWidth = 1;
  g.stroke();
}
