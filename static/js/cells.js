// A map of many equal cells (frames, pages) on a canvas: geometry, pixel buffer, zoom and pick.
//
// Cells are written into one RGBA buffer in device pixels; a redraw is one putImageData of it and
// one drawImage, whatever changed (measured: 1,048,576 cells in under 8 ms, so no dirty
// rectangles). While the cells fit they have whole pixels, gaps and textures; beyond that a cell
// is a pixel and the picture is scaled.
import { TILE, colours, fit, sizeOf } from "./colours.js";
import { arrange, cellAt, hilbert, placeOf } from "./places.js";

const ZOOM_LIMIT = 64;
/** Share of the ground in the last row and column of a cell too small for a gap. */
export const EDGE = 0.5;

export class CellMap {
  /** `onView()` is called when zoom or place changed and the map wants to be shown again. */
  constructor(canvas, { tile, tileGap, onView }) {
    this.canvas = canvas;
    this.tile = tile;
    this.tileGap = tileGap;
    this.onView = onView;
    this.order = "tiles"; // or "hilbert"
    this.n = 0;
    this.at = null;
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    this.listen();
  }

  /** Fit `n` cells into the canvas. True when the buffer is new and every cell must be written. */
  resize(n) {
    const d = Math.min(window.devicePixelRatio || 1, 3);
    const [width, height] = sizeOf(this.canvas);
    const w = Math.round(width * d);
    const h = Math.round(height * d);
    if (!w || !h || !n) return false;
    if (this.at && this.n === n && this.w === w && this.h === h) return false;
    Object.assign(this, { n, w, h });
    const along = this.order === "hilbert";
    const at = (this.at = along ? arrange(n, w, h, 1, 0) : arrange(n, w, h, this.tile, this.tileGap));
    if (along) at.curve = hilbert(at.cols, at.rows, n);
    this.image = new ImageData(at.width, at.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.back = new OffscreenCanvas(at.width, at.height);
    this.backContext = this.back.getContext("2d", { alpha: true });
    this.clampView();
    return true;
  }

  /** Arrange the cells in another order: all must be written again. */
  inOrder(order) {
    if (this.order === order) return;
    this.order = order;
    this.at = null;
  }

  clear() {
    this.pixels?.fill(0);
  }

  /** Write cell `i` from TILE × TILE colours (a texture) and the colour of its edge. */
  writeTexture(i, { core, edge }) {
    const [x, y] = placeOf(this.at, i);
    const { cell, width } = this.at;
    const { pixels } = this;
    const side = cell - 1;
    const pale = cell > 5 ? 0 : edge;
    for (let v = 0; v < side; v++) {
      const row = (y + v) * width + x;
      const line = ((y + v) % TILE) * TILE;
      for (let u = 0; u < side; u++) pixels[row + u] = core[line + ((x + u) % TILE)];
      pixels[row + side] = pale;
    }
    pixels.fill(pale, (y + side) * width + x, (y + side) * width + x + cell);
  }

  /** Write cell `i` from a sprite of (cell − gap)² colours. */
  writeSprite(i, sprite) {
    const [x, y] = placeOf(this.at, i);
    const { cell, gap, width } = this.at;
    const side = cell - gap;
    for (let v = 0; v < side; v++) {
      const row = (y + v) * width + x;
      for (let u = 0; u < side; u++) this.pixels[row + u] = sprite[v * side + u];
    }
  }

  /** Write every cell as one pixel: `colour(i)` → RGBA. Only where a cell is one pixel. */
  writeAll(colour) {
    const { cols, rows, tile, width, curve } = this.at;
    const { pixels, n } = this;
    let i = 0;
    if (curve) for (; i < n; i++) pixels[curve.slot[i]] = colour(i);
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols && i < n; col++) {
        for (let v = 0; v < tile; v++) {
          let p = (row * tile + v) * width + col * tile;
          for (let u = 0; u < tile && i < n; u++) pixels[p++] = colour(i++);
        }
      }
    }
  }

  /** The same from a table: `lut[words[i] & mask]`. The quick way for a million cells. */
  writeTable(words, mask, lut) {
    const { cols, rows, tile, width, curve } = this.at;
    const { pixels, n } = this;
    let i = 0;
    if (curve) for (; i < n; i++) pixels[curve.slot[i]] = lut[words[i] & mask];
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols && i < n; col++) {
        for (let v = 0; v < tile; v++) {
          let p = (row * tile + v) * width + col * tile;
          const end = Math.min(tile, n - i);
          for (let u = 0; u < end; u++) pixels[p++] = lut[words[i++] & mask];
        }
      }
    }
  }

  /** Write the cells of a list as one pixel each. */
  writeSome(list, colour) {
    const { cols, tile, width, curve } = this.at;
    const { pixels } = this;
    if (curve) return list.forEach((i) => (pixels[curve.slot[i]] = colour(i)));
    const square = tile * tile;
    for (let k = 0; k < list.length; k++) {
      const i = list[k];
      const t = (i / square) | 0;
      const inside = i % square;
      const x = (t % cols) * tile + (inside % tile);
      const y = ((t / cols) | 0) * tile + ((inside / tile) | 0);
      pixels[y * width + x] = colour(i);
    }
  }

  /** Put the written cells where show() takes them from. */
  flush() {
    this.backContext.putImageData(this.image, 0, 0);
  }

  /** Draw the buffer as it is seen now, then the outlines of the cells in `marked`. */
  show(marked = []) {
    const { g, w, h, d } = fit(this.canvas);
    if (!w || !h || !this.at) return;
    if (g.recording) return this.record(g, w, h, marked);
    const scale = this.at.scale * this.zoom;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.imageSmoothingEnabled = scale < 3 && !Number.isInteger(scale); // uneven pixels would look like edges
    g.drawImage(this.back, -this.left * scale, -this.top * scale, this.at.width * scale, this.at.height * scale);
    if (scale * this.at.cell >= 6 && this.at.gap === 0) this.grid(g, scale);
    for (const i of marked) if (i >= 0 && i < this.n) this.outline(g, i, scale, d);
    g.setTransform(d, 0, 0, d, 0, 0);
  }

  /** The same into a recorder: cell by cell, as `vector(g, cells)` draws them; pixels where a cell is one. */
  record(g, w, h, marked) {
    const { at } = this;
    const scale = at.scale * this.zoom;
    const k = w / this.w;
    g.save();
    g.beginPath();
    g.rect(0, 0, w, h);
    g.clip();
    g.scale(k, k);
    g.save();
    g.scale(scale, scale);
    g.translate(-this.left, -this.top);
    if (at.cell === 1 || !this.vector) g.drawImage(this.back, 0, 0);
    else this.vector(g, this.inSight(scale));
    g.restore();
    for (const i of marked) if (i >= 0 && i < this.n) this.outline(g, i, scale, 1 / k);
    g.restore();
  }

  /** Cells that are seen at this zoom: [cell, x, y, side] in pixels of the buffer. */
  inSight(scale) {
    const side = this.at.cell - (this.at.cell > 5 ? 1 : this.at.gap);
    const [right, bottom] = [this.left + this.w / scale, this.top + this.h / scale];
    const found = [];
    for (let i = 0; i < this.n; i++) {
      const [x, y] = placeOf(this.at, i);
      if (x + side > this.left && y + side > this.top && x < right && y < bottom) found.push([i, x, y, side]);
    }
    return found;
  }

  /** Hairlines between cells that have become large by zooming. */
  grid(g, scale) {
    const step = this.at.cell * scale;
    g.fillStyle = colours().css.surface;
    const width = Math.min(this.w, (this.at.width - this.left) * scale);
    const height = Math.min(this.h, (this.at.height - this.top) * scale);
    for (let x = -((this.left * scale) % step); x < width; x += step) g.fillRect(Math.round(x), 0, 1, height);
    for (let y = -((this.top * scale) % step); y < height; y += step) g.fillRect(0, Math.round(y), width, 1);
  }

  outline(g, i, scale, d) {
    const [x, y] = placeOf(this.at, i);
    const side = Math.max((this.at.cell - this.at.gap) * scale, 5 * d);
    const half = ((this.at.cell - this.at.gap) * scale - side) / 2;
    const box = [(x - this.left) * scale + half - d, (y - this.top) * scale + half - d, side + 2 * d, side + 2 * d];
    const { css } = colours();
    g.lineWidth = 5 * d;
    g.strokeStyle = css.surface;
    g.strokeRect(...box);
    g.lineWidth = 2 * d;
    g.strokeStyle = css.text;
    g.strokeRect(...box);
  }

  /** Cell under a pointer event, or −1. */
  pick(event) {
    if (!this.at) return -1;
    const box = this.canvas.getBoundingClientRect();
    const d = this.w / box.width;
    const scale = this.at.scale * this.zoom;
    const x = ((event.clientX - box.left) * d) / scale + this.left;
    const y = ((event.clientY - box.top) * d) / scale + this.top;
    return cellAt(this.at, x, y, this.n);
  }

  /** Middle of cell `i` in CSS pixels of the canvas; null where it is not in sight. */
  spot(i) {
    if (!this.at || i < 0 || i >= this.n) return null;
    const scale = this.at.scale * this.zoom;
    const d = this.w / this.canvas.clientWidth;
    const half = (this.at.cell - this.at.gap) / 2;
    const [x, y] = placeOf(this.at, i).map((v, k) => ((v + half - (k ? this.top : this.left)) * scale) / d);
    return x < 0 || y < 0 || x > this.canvas.clientWidth || y > this.canvas.clientHeight ? null : { x, y };
  }

  /** The cell one step left, right, above or below `i`, by arrow key; −1 where there is none. */
  step(i, key) {
    if (!this.at || i < 0) return this.at ? 0 : -1;
    const [x, y] = placeOf(this.at, i);
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!move) return -1;
    const far = this.at.cell + this.at.tileGap;
    for (const reach of [this.at.cell, far]) {
      const next = cellAt(this.at, x + move[0] * reach, y + move[1] * reach, this.n);
      if (next >= 0 && next !== i) return next;
    }
    return -1;
  }

  /** Bring cell `i` into sight when zoomed. */
  reveal(i) {
    if (!this.at || this.zoom === 1) return;
    const [x, y] = placeOf(this.at, i);
    const scale = this.at.scale * this.zoom;
    const [w, h] = [this.w / scale, this.h / scale];
    if (x < this.left || x > this.left + w - this.at.cell) this.left = x - w / 2;
    if (y < this.top || y > this.top + h - this.at.cell) this.top = y - h / 2;
    this.clampView();
  }

  /** Zoom by `factor` about a point of the canvas in device pixels (its middle by default). */
  zoomBy(factor, x = this.w / 2, y = this.h / 2) {
    if (!this.at) return;
    const before = this.at.scale * this.zoom;
    this.zoom = Math.min(ZOOM_LIMIT, Math.max(1, this.zoom * factor));
    const after = this.at.scale * this.zoom;
    this.left += x / before - x / after;
    this.top += y / before - y / after;
    this.clampView();
    this.onView();
  }

  clampView() {
    const scale = this.at.scale * this.zoom;
    this.left = Math.max(0, Math.min(this.left, this.at.width - this.w / scale));
    this.top = Math.max(0, Math.min(this.top, this.at.height - this.h / scale));
    this.canvas.style.touchAction = this.zoom === 1 ? "pan-y" : "none";
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener(
      "wheel",
      (event) => {
        // At its smallest the map lets the page scroll on.
        if (!event.ctrlKey && this.zoom === 1 && event.deltaY > 0) return;
        event.preventDefault();
        const box = canvas.getBoundingClientRect();
        const d = this.w / box.width;
        this.zoomBy(Math.exp(-event.deltaY / 400), (event.clientX - box.left) * d, (event.clientY - box.top) * d);
      },
      { passive: false },
    );
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, y: event.clientY, left: this.left, top: this.top };
      this.dragged = false;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held || !event.buttons || this.zoom === 1) return;
      const scale = (this.at.scale * this.zoom * canvas.clientWidth) / this.w;
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (Math.abs(dx) + Math.abs(dy) > 4) this.dragged = true;
      this.left = held.left - dx / scale;
      this.top = held.top - dy / scale;
      this.clampView();
      this.onView();
    });
    addEventListener("pointerup", () => (held = null));
  }

  /** Keys every map has: + and − zoom, 0 shows all. True when the key was one of them. */
  key(event) {
    const factor = { "+": 1.6, "=": 1.6, "-": 1 / 1.6, _: 1 / 1.6 }[event.key];
    if (factor) this.zoomBy(factor);
    else if (event.key === "0") this.zoomBy(1e-9);
    else return false;
    event.preventDefault();
    return true;
  }
}
