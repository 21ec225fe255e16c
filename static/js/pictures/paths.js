// Paths as SVG writes them, built by the calls a canvas understands.

/** A number with at most two decimals: pictures are read by people, and by slow networks. */
export const short = (n) => String(Math.round(n * 100) / 100);

/** A path that is written down instead of drawn; stands in for Path2D too. */
export class WrittenPath {
  /** @param {WrittenPath|((x: number, y: number) => number[])} [from]  a path to copy, or what moves each point */
  constructor(from = (x, y) => [x, y]) {
    this.map = from instanceof WrittenPath ? from.map : from;
    this.parts = from instanceof WrittenPath ? [...from.parts] : [];
  }

  get d() {
    return this.parts.join("");
  }

  to(letter, ...points) {
    const out = [];
    for (let k = 0; k < points.length; k += 2) out.push(...this.map(points[k], points[k + 1]));
    this.parts.push(letter + out.map(short).join(" "));
  }

  moveTo(x, y) {
    this.to("M", x, y);
  }
  lineTo(x, y) {
    this.to(this.parts.length ? "L" : "M", x, y);
  }
  bezierCurveTo(...points) {
    this.to("C", ...points);
  }
  quadraticCurveTo(...points) {
    this.to("Q", ...points);
  }
  closePath() {
    if (this.parts.length) this.parts.push("Z");
  }

  rect(x, y, w, h) {
    this.to("M", x, y);
    this.to("L", x + w, y, x + w, y + h, x, y + h);
    this.parts.push("Z");
  }

  roundRect(x, y, w, h, radius = 0) {
    const most = Math.min(Math.abs(w), Math.abs(h)) / 2;
    const r = Math.min(Array.isArray(radius) ? radius[0] : radius, most);
    if (!(r > 0)) return this.rect(x, y, w, h);
    const k = 0.4477 * r; // where a cubic follows a quarter of a circle
    this.to("M", x + r, y);
    this.to("L", x + w - r, y);
    this.to("C", x + w - k, y, x + w, y + k, x + w, y + r);
    this.to("L", x + w, y + h - r);
    this.to("C", x + w, y + h - k, x + w - k, y + h, x + w - r, y + h);
    this.to("L", x + r, y + h);
    this.to("C", x + k, y + h, x, y + h - k, x, y + h - r);
    this.to("L", x, y + r);
    this.to("C", x, y + k, x + k, y, x + r, y);
    this.parts.push("Z");
  }

  /** An arc as cubics of at most a quarter of a circle each. */
  arc(x, y, r, from, to, back = false) {
    const whole = 2 * Math.PI;
    let sweep = to - from;
    if (Math.abs(sweep) >= whole) sweep = back ? -whole : whole;
    else if (back) sweep = -(((from - to) % whole) + whole) % whole;
    else sweep = ((sweep % whole) + whole) % whole;
    const n = Math.max(1, Math.ceil(Math.abs(sweep) / (Math.PI / 2)));
    const step = sweep / n;
    const k = (4 / 3) * Math.tan(step / 4) * r;
    const at = (a) => [x + r * Math.cos(a), y + r * Math.sin(a)];
    this.to(this.parts.length && !this.parts.at(-1).startsWith("Z") ? "L" : "M", ...at(from));
    for (let i = 0; i < n; i++) {
      const [a, b] = [from + i * step, from + (i + 1) * step];
      const [[ax, ay], [bx, by]] = [at(a), at(b)];
      this.to("C", ax - k * Math.sin(a), ay + k * Math.cos(a), bx + k * Math.sin(b), by - k * Math.cos(b), bx, by);
    }
  }

  addPath(other) {
    this.parts.push(...other.parts);
  }
}

/**
 * The rectangles of equal colour in a picture of pixels: columns first, then equal neighbours as one.
 * @param {Uint32Array} pixels  RGBA, little-endian
 * @returns {Map<number, number[][]>} colour → [x, y, w, h]
 */
export function rectangles(pixels, w, h) {
  const found = new Map();
  let before = new Map(); // "y|height|colour" → rectangle that ends at the column before
  for (let x = 0; x < w; x++) {
    const now = new Map();
    for (let y = 0; y < h; ) {
      const colour = pixels[y * w + x];
      let end = y + 1;
      while (end < h && pixels[end * w + x] === colour) end++;
      if (colour >>> 24) {
        const key = `${y}|${end - y}|${colour}`;
        const same = before.get(key);
        if (same) same[2]++;
        const rectangle = same ?? [x, y, 1, end - y];
        now.set(key, rectangle);
        if (!same) {
          if (!found.has(colour)) found.set(colour, []);
          found.get(colour).push(rectangle);
        }
      }
      y = end;
    }
    before = now;
  }
  return found;
}
