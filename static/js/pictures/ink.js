// What a recorder needs of the page it records on: colours resolved, texts measured, pixels read.
import { tileKind, drawTexture, colours } from "../colours.js";

let probe = null;
let ruler = null;
const resolved = new Map();
const widths = new Map();

/** Any CSS colour (var, light-dark, oklab …) as #rrggbb and opacity. */
export function resolve(css) {
  const known = resolved.get(css);
  if (known) return known;
  probe ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = "#000";
  probe.fillStyle = css;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
  const hex = `#${[r, g, b].map((n) => n.toString(16).padStart(2, "0")).join("")}`;
  if (resolved.size > 2000) resolved.clear();
  resolved.set(css, { hex, alpha: a / 255 });
  return resolved.get(css);
}

/** Metrics of a text in a font, as canvas measures it. */
export function metrics(text, font) {
  ruler ??= new OffscreenCanvas(1, 1).getContext("2d");
  ruler.font = font;
  return ruler.measureText(text);
}

function width(text, font) {
  const key = `${font}|${text}`;
  if (widths.size > 5000) widths.clear();
  if (!widths.has(key)) widths.set(key, metrics(text, font).width);
  return widths.get(key);
}

function pixels(image) {
  const { width: w, height: h } = image;
  const copy = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true });
  copy.drawImage(image, 0, 0);
  const { data } = copy.getImageData(0, 0, w, h);
  return { width: w, height: h, pixels: new Uint32Array(data.buffer) };
}

function dataUrl(image) {
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** How a texture's tile was drawn, so that it is drawn again as lines. */
function vector(image) {
  const kind = tileKind(image);
  return kind < 0 ? null : (g) => drawTexture(g, kind, colours().css.texture);
}

/** @type {import("./recorder.js").Page} */
export const page = { colour: resolve, width, pixels, dataUrl, vector };
