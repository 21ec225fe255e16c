// A part of the page as SVG: boxes, borders and texts from where the browser laid them out; canvases
// and charts drawn anew into a recorder. What is seen is what is saved, without our style sheets.
import { colours } from "../colours.js";
import { metrics, page, resolve } from "./ink.js";
import { Recorder, escaped, tag } from "./recorder.js";
import { signs } from "./signs.js";

const SKIPPED = "details:not([open]) > :not(summary), .tools, .sr, .alt, dialog, script, noscript, .refusal, .tip, .first, .probe, [data-no-picture]";

/**
 * Write an element and what it holds.
 * @param {Element} root
 * @param {(node: Element) => {recorder: Recorder, scale: number}|null} drawer  what a canvas or chart drew
 * @returns {Recorder}
 */
export function written(root, drawer) {
  const g = new Recorder(page, colours().css.surface);
  const at = root.getBoundingClientRect();
  walk(root, { g, left: at.left, top: at.top, drawer, root });
  return g;
}

function walk(node, on) {
  if (node.matches(SKIPPED)) return;
  const style = getComputedStyle(node);
  if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return;
  if (style.display === "contents") return inside(node, style, on);
  const box = boxOf(node.getBoundingClientRect(), on);
  if (!box.w || !box.h) return;
  const { g } = on;
  if (Number(style.opacity) < 1) g.globalAlpha = Number(style.opacity);
  const drawn = on.drawer(node);
  if (drawn) placed(on, box, drawn);
  else if (node.namespaceURI.endsWith("svg")) drawing(node, box, style, on);
  else if (!signs(node, box, style, g)) element(node, box, style, on);
  g.globalAlpha = 1;
}

const boxOf = ({ left, top, width, height }, on) => ({ x: left - on.left, y: top - on.top, w: width, h: height });

function element(node, box, style, on) {
  ground(box, style, on.g);
  if (node.matches("input, select, textarea")) return control(node, box, style, on.g);
  const cut = node !== on.root && style.overflowX !== "visible";
  if (cut) clipTo(on.g, box);
  inside(node, style, on);
  if (cut) on.g.restore();
}

function clipTo(g, { x, y, w, h }) {
  g.save();
  g.beginPath();
  g.rect(x, y, w, h);
  g.clip();
}

function inside(node, style, on) {
  for (const child of node.childNodes) {
    if (child.nodeType === 1) walk(child, on);
    else if (child.nodeType === 3) text(child, style, on);
  }
}

/** What a canvas drew, at its place. */
function placed({ g }, box, { recorder, scale }) {
  clipTo(g, box);
  const move = `translate(${box.x.toFixed(2)} ${box.y.toFixed(2)})${scale === 1 ? "" : ` scale(${scale})`}`;
  g.append(tag("g", { transform: move }, recorder.body()), recorder.defs);
  g.restore();
}

/** Background and borders. */
function ground({ x, y, w, h }, style, g) {
  const radius = parseFloat(style.borderTopLeftRadius) || 0;
  const { alpha } = resolve(style.backgroundColor);
  if (alpha) {
    g.fillStyle = style.backgroundColor;
    g.beginPath();
    g.roundRect(x, y, w, h, style.borderTopLeftRadius.endsWith("%") ? w : radius);
    g.fill();
  }
  const sides = ["Top", "Right", "Bottom", "Left"].map((side) => ({ width: parseFloat(style[`border${side}Width`]), colour: style[`border${side}Color`], line: style[`border${side}Style`] }));
  const seen = sides.map((side) => side.width > 0 && side.line !== "none" && resolve(side.colour).alpha > 0);
  g.setLineDash(sides[0].line === "dashed" ? [4, 3] : sides[0].line === "dotted" ? [1, 2] : []);
  if (seen.every(Boolean)) {
    const half = sides[0].width / 2;
    Object.assign(g, { strokeStyle: sides[0].colour, lineWidth: sides[0].width });
    g.beginPath();
    g.roundRect(x + half, y + half, w - 2 * half, h - 2 * half, radius);
    g.stroke();
  } else {
    const edges = [[x, y, w, 0], [x + w, y, 0, h], [x, y + h, w, 0], [x, y, 0, h]];
    sides.forEach((side, k) => seen[k] && edge(g, edges[k], side));
  }
  g.setLineDash([]);
}

function edge(g, [x, y, w, h], { width, colour }) {
  Object.assign(g, { strokeStyle: colour, lineWidth: width });
  g.beginPath();
  g.moveTo(x, y);
  g.lineTo(x + w, y + h);
  g.stroke();
}

const fontText = (style) => `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;

/** The lines of a text node, each where it stands. */
function text(node, style, on) {
  if (!node.data.trim()) return;
  const range = document.createRange();
  range.selectNodeContents(node);
  const rects = range.getClientRects();
  if (rects.length === 1) {
    const words = node.data.replace(/\s+/g, " ").trim();
    const lead = /^\s/.test(node.data) ? rects[0].width - metrics(words, fontText(style)).width : 0;
    const { left, top, width, height } = rects[0];
    return line(fitting(words, node.parentElement, style), { left: left + Math.max(0, lead), top, width, height }, style, on);
  }
  for (const [words, rect] of lines(node, range)) line(words, rect, style, on);
}

/** A text that the page cuts off with dots is cut off so here. */
function fitting(words, parent, style) {
  if (style.textOverflow !== "ellipsis" || style.overflowX === "visible" || parent.scrollWidth <= parent.clientWidth) return words;
  let cut = words;
  while (cut.length > 1 && metrics(`${cut}…`, fontText(style)).width > parent.clientWidth) cut = cut.slice(0, -1);
  return `${cut.trimEnd()}…`;
}

/** A text that is broken: its characters gathered by the line they stand on. */
function lines(node, range) {
  const found = [];
  for (let k = 0; k < node.data.length; k++) {
    range.setStart(node, k);
    range.setEnd(node, k + 1);
    const rect = range.getClientRects()[0];
    if (!rect) continue;
    const last = found.at(-1);
    if (last && Math.abs(last[1].top - rect.top) < 2) {
      last[0] += node.data[k];
      last[1] = { left: last[1].left, top: last[1].top, width: rect.right - last[1].left, height: rect.height, right: rect.right };
    } else if (node.data[k].trim()) found.push([node.data[k], rect]);
  }
  return found.map(([words, rect]) => [words.replace(/\s+/g, " ").trimEnd(), rect]);
}

function line(words, rect, style, { g, left, top }) {
  if (!words || !rect.width) return;
  const font = fontText(style);
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = metrics(words, font);
  const y = rect.top - top + (rect.height - up - down) / 2 + up;
  Object.assign(g, { font, fillStyle: style.color, textAlign: "left", textBaseline: "alphabetic" });
  g.fillText(style.textTransform === "uppercase" ? words.toUpperCase() : words, rect.left - left, y);
}

/** What stands in a field, as it is seen. */
function control(node, { x, y, h }, style, g) {
  const words = node.tagName === "SELECT" ? node.selectedOptions[0]?.textContent : node.type === "checkbox" || node.type === "radio" ? "" : node.value || node.placeholder;
  if (!words) return;
  Object.assign(g, { font: fontText(style), fillStyle: style.color, textAlign: "left", textBaseline: "middle" });
  g.fillText(words.trim(), x + parseFloat(style.paddingLeft) + 1, y + h / 2);
}

/** An SVG of the page: its shapes with their computed colours; icons from the sprite. */
function drawing(node, box, style, { g }) {
  const use = node.querySelector("use");
  const symbol = use && document.querySelector(use.getAttribute("href"));
  const source = symbol ?? node;
  const view = (symbol ?? node).viewBox?.baseVal;
  const [across, down] = view?.width ? [box.w / view.width, box.h / view.height] : [1, 1];
  const least = Math.min(across, down);
  const scale = source.getAttribute("preserveAspectRatio") === "none" ? `${across} ${down}` : least;
  const shapes = [...source.querySelectorAll("path, circle, rect, line, text")].map((shape) => (shape.localName === "text" ? wordsText(shape) : shapeText(shape, symbol ? style : null)));
  if (shapes.length) g.put(tag("g", { transform: `translate(${box.x.toFixed(2)} ${box.y.toFixed(2)}) scale(${scale})` }, shapes.join("")));
}

/** A word in a drawing, with the ground it stands out from. */
function wordsText(node) {
  const { fill, stroke, strokeWidth, fontSize, fontFamily, fontWeight, textAnchor } = getComputedStyle(node);
  const edge = stroke === "none" ? {} : { stroke: resolve(stroke).hex, "stroke-width": parseFloat(strokeWidth), "paint-order": "stroke" };
  return tag("text", { x: node.getAttribute("x"), y: node.getAttribute("y"), "text-anchor": textAnchor, "font-size": parseFloat(fontSize), "font-family": fontFamily, "font-weight": fontWeight, fill: resolve(fill).hex, ...edge }, escaped(node.textContent));
}

const GEOMETRY = ["d", "cx", "cy", "r", "x", "y", "width", "height", "rx", "x1", "y1", "x2", "y2"];

function shapeText(shape, inherited) {
  const style = getComputedStyle(shape);
  const own = Object.fromEntries(GEOMETRY.filter((name) => shape.hasAttribute(name)).map((name) => [name, shape.getAttribute(name)]));
  const stroked = shape.classList.contains("stroke");
  // A symbol is not rendered where it is defined: its ink is that of the icon that uses it.
  const fill = inherited ? (stroked ? "none" : inherited.color) : style.fill;
  const stroke = inherited ? (stroked ? inherited.color : "none") : style.stroke;
  const ink = (colour) => (colour === "none" ? { hex: "none", alpha: 1 } : resolve(colour));
  const dash = style.strokeDasharray;
  return tag(shape.localName, {
    ...own, fill: ink(fill).hex, stroke: ink(stroke).hex, "stroke-width": ink(stroke).hex === "none" ? null : parseFloat(style.strokeWidth),
    "vector-effect": style.vectorEffect === "non-scaling-stroke" ? style.vectorEffect : null,
    "stroke-dasharray": !dash || dash === "none" ? null : dash.replaceAll("px", ""), "stroke-linecap": stroked ? "round" : null, "stroke-linejoin": stroked ? "round" : null,
  });
}

/** The whole document of a picture. */
export function documentOf(g, { width, height, title, about }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(title)}</title>`, `<desc>${escaped(about)}</desc>`,
    g.defs.length ? `<defs>${g.defs.join("")}</defs>` : "", g.body(), "</svg>",
  ].join("");
}
