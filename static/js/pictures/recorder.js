// A 2D context that writes SVG instead of drawing: a panel's own drawing code draws into it, so
// that a picture of a panel is the panel. Text stays text, colours are resolved, nothing is a bitmap
// but a map with more patches than a reader could tell apart.
import { WrittenPath, rectangles, short } from "./paths.js";

const MOST_PATCHES = 60_000;
const IDENTITY = [1, 0, 0, 1, 0, 0];

export const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "");

/** An element's text from its name and attributes; those that are null are left out. */
export function tag(name, values, inner = null) {
  const written = Object.entries(values).filter(([, value]) => value !== null && value !== undefined).map(([key, value]) => ` ${key}="${escaped(typeof value === "number" ? short(value) : value)}"`);
  return inner === null ? `<${name}${written.join("")}/>` : `<${name}${written.join("")}>${inner}</${name}>`;
}

/**
 * What a recorder needs of the page it records on.
 * @typedef {object} Page
 * @property {(css: string) => {hex: string, alpha: number}} colour   a CSS colour, resolved
 * @property {(text: string, font: string) => number} width           of a text in pixels
 * @property {(image: object) => {width: number, height: number, pixels: Uint32Array}} pixels
 * @property {(image: object) => string} dataUrl                      for what is too fine for patches
 * @property {(image: object) => ((g: Recorder) => void)|null} vector  how a tile was drawn, where known
 */

export class Recorder {
  /** @param {Page} page  @param {string} paper  the ground that clearing leaves */
  constructor(page, paper = "#ffffff", prefix = "p") {
    Object.assign(this, { page, paper, prefix, out: [], defs: [], patterns: new Map(), clips: 0, recording: true });
    this.stack = [];
    this.state = {
      fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, font: "10px sans-serif", textAlign: "start", textBaseline: "alphabetic",
      dash: [], matrix: IDENTITY, clip: null, lineCap: "butt", lineJoin: "miter", imageSmoothingEnabled: true, lineDashOffset: 0, miterLimit: 10,
    };
    this.beginPath();
  }

  save() {
    this.stack.push({ ...this.state });
  }
  restore() {
    this.state = this.stack.pop() ?? this.state;
  }

  // --- transforms
  transform(a, b, c, d, e, f) {
    const [A, B, C, D, E, F] = this.state.matrix;
    this.state.matrix = [A * a + C * b, B * a + D * b, A * c + C * d, B * c + D * d, A * e + C * f + E, B * e + D * f + F];
  }
  setTransform(a = 1, b = 0, c = 0, d = 1, e = 0, f = 0) {
    this.state.matrix = [a, b, c, d, e, f];
  }
  resetTransform() {
    this.setTransform();
  }
  translate(x, y) {
    this.transform(1, 0, 0, 1, x, y);
  }
  scale(x, y) {
    this.transform(x, 0, 0, y, 0, 0);
  }
  rotate(angle) {
    this.transform(Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), 0, 0);
  }
  point(x, y) {
    const [a, b, c, d, e, f] = this.state.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }
  get zoom() {
    const [a, b, c, d] = this.state.matrix;
    return Math.sqrt(Math.abs(a * d - b * c));
  }

  // --- paths
  beginPath() {
    this.path = new WrittenPath((x, y) => this.point(x, y));
  }
  fill(path) {
    this.shape(path, { ...this.paint("fill", this.state.fillStyle) });
  }
  stroke(path) {
    const { dash, lineWidth, strokeStyle, lineCap } = this.state;
    const own = path instanceof WrittenPath ? 1 : this.zoom;
    this.shape(path, {
      fill: "none", ...this.paint("stroke", strokeStyle), "stroke-width": lineWidth * own,
      "stroke-dasharray": dash.length ? dash.map((n) => short(n * own)).join(" ") : null, "stroke-linecap": lineCap === "butt" ? null : lineCap,
    });
  }
  shape(path, values) {
    const written = path instanceof WrittenPath ? path : this.path;
    if (written.d) this.put(tag("path", { d: written.d, ...this.placed(path), ...values }));
  }
  /** A Path2D was written without the transform in force: it goes with it. */
  placed(path) {
    const moved = path instanceof WrittenPath && this.state.matrix.some((n, k) => n !== IDENTITY[k]);
    return { transform: moved ? `matrix(${this.state.matrix.map(short).join(" ")})` : null };
  }
  clip(path) {
    const id = `${this.prefix}c${this.clips++}`;
    const written = path instanceof WrittenPath ? path : this.path;
    this.defs.push(tag("clipPath", { id, "clip-path": this.state.clip ? `url(#${this.state.clip})` : null }, tag("path", { d: written.d || "M0 0", ...this.placed(path) })));
    this.state.clip = id;
  }

  // --- rectangles
  fillRect(x, y, w, h) {
    const path = new WrittenPath((px, py) => this.point(px, py));
    path.rect(x, y, w, h);
    const values = this.paint("fill", this.state.fillStyle);
    const key = `${JSON.stringify(values)}|${this.state.clip}`;
    const last = this.out.at(-1);
    if (last?.key === key) last.d += path.d; // neighbours of one colour are one element
    else this.out.push({ key, clip: this.state.clip, d: path.d, values });
  }
  strokeRect(x, y, w, h) {
    const path = this.path;
    this.beginPath();
    this.path.rect(x, y, w, h);
    this.stroke();
    this.path = path;
  }
  clearRect(x, y, w, h) {
    if (!this.out.length) return;
    const { fillStyle, globalAlpha } = this.state;
    Object.assign(this.state, { fillStyle: this.paper, globalAlpha: 1 });
    this.fillRect(x, y, w, h);
    Object.assign(this.state, { fillStyle, globalAlpha });
  }

  // --- text
  measureText(text) {
    return { width: this.page.width(text, this.state.font) };
  }
  fillText(text, x, y) {
    if (!String(text).trim()) return;
    const { font, textAlign, textBaseline, matrix } = this.state;
    const { size, family, weight } = fontOf(font);
    const drop = { middle: 0.35, top: 0.8, hanging: 0.8, bottom: -0.2, ideographic: -0.2 }[textBaseline] ?? 0;
    const anchor = { center: "middle", right: "end", end: "end" }[textAlign] ?? null;
    const upright = matrix[1] === 0 && matrix[2] === 0;
    const [px, py] = upright ? this.point(x, y + drop * size) : [x, y + drop * size];
    this.put(tag("text", {
      x: px, y: py, "font-family": family, "font-size": size * (upright ? this.zoom : 1), "font-weight": weight, "text-anchor": anchor,
      transform: upright ? null : `matrix(${matrix.map(short).join(" ")})`, ...this.paint("fill", this.state.fillStyle),
    }, escaped(text)));
  }

  // --- images and patterns
  createPattern(image) {
    return { pattern: image };
  }
  /** An image becomes rectangles of equal colour: what was drawn by pixels is vector again. */
  drawImage(image, ...place) {
    const { width, height, pixels } = this.page.pixels(image);
    const [sx, sy, sw, sh, dx, dy, dw, dh] = place.length === 8 ? place : [0, 0, width, height, place[0], place[1], place[2] ?? width, place[3] ?? height];
    const patches = rectangles(pixels, width, height);
    const all = [...patches.values()].reduce((sum, list) => sum + list.length, 0);
    this.save();
    this.beginPath();
    this.path.rect(dx, dy, dw, dh);
    if (sx || sy || sw < width || sh < height) this.clip();
    this.translate(dx - (sx * dw) / sw, dy - (sy * dh) / sh);
    this.scale(dw / sw, dh / sh);
    if (all > MOST_PATCHES) this.bitmap(image, width, height);
    else for (const [colour, list] of patches) this.patches(colour, list);
    this.restore();
  }
  patches(colour, list) {
    this.state.fillStyle = rgb(colour);
    const alpha = (colour >>> 24) / 255;
    this.state.globalAlpha *= alpha;
    for (const [x, y, w, h] of list) this.fillRect(x, y, w, h);
    this.state.globalAlpha /= alpha;
  }
  bitmap(image, width, height) {
    this.put(tag("image", { width, height, href: this.page.dataUrl(image), transform: `matrix(${this.state.matrix.map(short).join(" ")})`, "image-rendering": "pixelated", preserveAspectRatio: "none" }));
  }

  // --- colours
  paint(kind, style) {
    if (style?.pattern) return { [kind]: `url(#${this.patternOf(style.pattern)})`, [`${kind}-opacity`]: this.state.globalAlpha === 1 ? null : this.state.globalAlpha };
    const { hex, alpha } = this.page.colour(String(style));
    const opacity = alpha * this.state.globalAlpha;
    return { [kind]: hex, [`${kind}-opacity`]: opacity >= 0.999 ? null : opacity };
  }
  patternOf(image) {
    if (this.patterns.has(image)) return this.patterns.get(image);
    const id = `${this.prefix}t${this.patterns.size}`;
    this.patterns.set(image, id);
    const inner = new Recorder(this.page, this.paper, `${id}-`);
    const drawn = this.page.vector(image);
    if (drawn) drawn(inner);
    else inner.drawImage(image, 0, 0);
    const { width, height } = image;
    this.defs.push(...inner.defs, tag("pattern", { id, width, height, patternUnits: "userSpaceOnUse" }, inner.body()));
    return id;
  }

  /** Write a shape once, for use in many places; returns its name. */
  symbol(draw) {
    const id = `${this.prefix}s${this.clips++}`;
    const inner = new Recorder(this.page, this.paper, `${id}-`);
    draw(inner);
    this.defs.push(...inner.defs, tag("g", { id }, inner.body()));
    return id;
  }
  use(id, x, y) {
    const [a, b, c, d, e, f] = this.state.matrix;
    const [px, py] = this.point(x, y);
    const plain = a === 1 && d === 1 && !b && !c;
    this.put(tag("use", plain ? { href: `#${id}`, x: px, y: py } : { href: `#${id}`, transform: `matrix(${[a, b, c, d, a * x + c * y + e, b * x + d * y + f].map(short).join(" ")})` }));
  }

  // --- the result
  put(text) {
    this.out.push({ text, clip: this.state.clip });
  }
  /** Put elements that are written already (a picture within this one). */
  append(text, defs = []) {
    this.defs.push(...defs);
    this.put(text);
  }
  body() {
    let text = "";
    let open = null;
    for (const part of this.out) {
      if (part.clip !== open) {
        if (open) text += "</g>";
        if (part.clip) text += `<g clip-path="url(#${part.clip})">`;
        open = part.clip;
      }
      text += part.text ?? tag("path", { d: part.d, ...part.values });
    }
    return open ? `${text}</g>` : text;
  }
  setLineDash(dash) {
    this.state.dash = [...dash];
  }
}

for (const name of ["moveTo", "lineTo", "rect", "roundRect", "arc", "closePath", "bezierCurveTo", "quadraticCurveTo"]) {
  Recorder.prototype[name] = function (...values) {
    this.path[name](...values);
  };
}
for (const name of ["fillStyle", "strokeStyle", "lineWidth", "globalAlpha", "font", "textAlign", "textBaseline", "lineCap", "lineJoin", "imageSmoothingEnabled", "lineDashOffset", "miterLimit"]) {
  Object.defineProperty(Recorder.prototype, name, {
    get() {
      return this.state[name];
    },
    set(value) {
      this.state[name] = value;
    },
  });
}

/** Size, family and weight of a canvas's font text: `600 12px Inter, sans-serif`. */
export function fontOf(font) {
  const [, before, size, family] = /^(.*?)([\d.]+)px(?:\/\S+)?\s+(.*)$/.exec(font) ?? ["", "", "10", "", "sans-serif"];
  return { size: Number(size), family: family || "sans-serif", weight: /\b(bold|[5-9]00)\b/.exec(before)?.[1] ?? null };
}

/** An RGBA number as #rrggbb. */
export const rgb = (colour) => `#${[colour & 255, (colour >>> 8) & 255, (colour >>> 16) & 255].map((n) => n.toString(16).padStart(2, "0")).join("")}`;
