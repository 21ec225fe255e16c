// Small signs that style sheets draw with gradients and clips: swatches, dots, meters, page flags.
import { colours } from "../colours.js";
import { PTE } from "../model.js";
import { glyph } from "../panels/glyph.js";
import { tag } from "./recorder.js";
import { resolve } from "./ink.js";

const FLAGS = {
  "f-p": PTE.PRESENT, "f-a": PTE.PRESENT | PTE.ACCESSED, "f-d": PTE.PRESENT | PTE.ACCESSED | PTE.DIRTY,
  "f-s": PTE.PRESENT | PTE.ACCESSED | PTE.SHARED, "f-w": PTE.SWAPPED, "f-n": 0,
};

/** Draw a sign if the element is one. @returns {boolean} */
export function signs(node, box, style, g) {
  if (node.matches("canvas")) return true; // one that nobody draws is not seen
  const kind = Object.keys(SIGNS).find((selector) => node.matches(selector));
  if (kind) SIGNS[kind](node, box, style, g);
  return Boolean(kind);
}

function flag(node, { x, y, w }, style, g) {
  const name = Object.keys(FLAGS).find((each) => node.classList.contains(each));
  g.save();
  g.translate(x, y);
  glyph(g, FLAGS[name] ?? 0, w, colours().vm[0]);
  g.restore();
}

function swatch(node, { x, y, w, h }, style, g) {
  const { css } = colours();
  const name = node.dataset.sw;
  if (name === "idle") {
    g.fillStyle = css["text-3"];
    for (let at = x; at < x + w - 2; at += 4) g.fillRect(at, y, 2.5, 1);
    return;
  }
  g.fillStyle = { overhead: css.overhead, command: css.accent, s1: css["st-1"], s2: css["st-2"], s3: css["st-3"] }[name] ?? css.inset;
  g.beginPath();
  if (name === "command") {
    g.moveTo(x, y);
    g.lineTo(x + w, y);
    g.lineTo(x + w / 2, y + h);
    g.closePath();
  } else g.roundRect(x, y, w, h, 2);
  g.fill();
  if (name === "command") return;
  Object.assign(g, { strokeStyle: css["line-2"], lineWidth: 1 });
  g.stroke();
}

function ramp(node, { x, y, w, h }, style, g) {
  const { css } = colours();
  const id = `${g.prefix}r${g.clips++}`;
  const stop = (offset, colour) => tag("stop", { offset, "stop-color": resolve(colour).hex });
  g.append(tag("rect", { x, y, width: w, height: h, rx: 2, fill: `url(#${id})` }), [tag("linearGradient", { id }, stop(0, css["heat-0"]) + stop(1, css["heat-1"]))]);
}

function meter(node, { x, y, w, h }, style, g) {
  const { css } = colours();
  const share = Math.max(0, Math.min(1, node.value / (node.max || 1)));
  g.fillStyle = css.hover;
  g.fillRect(x, y, w, h);
  g.fillStyle = node.tagName === "METER" && node.value > node.high ? css.bad : css.accent;
  g.fillRect(x, y, w * share, h);
}

function dot(node, { x, y, w, h }, style, g) {
  Object.assign(g, { strokeStyle: style.borderTopColor, lineWidth: 2, fillStyle: style.backgroundColor });
  g.beginPath();
  if (node.dataset.state === "runnable" || node.dataset.state === "running") g.arc(x + w / 2, y + h / 2, w / 2 - 1, 0, 2 * Math.PI);
  else g.rect(x + 1, y + h / 2 - 1, w - 2, 2);
  g.fill();
  g.stroke();
}

const SIGNS = { ".flags .f": flag, ".sw": swatch, ".ramp": ramp, "meter, progress": meter, ".dot": dot };
