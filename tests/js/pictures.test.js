// Pictures: what is drawn on a canvas, written as SVG.
import assert from "node:assert/strict";
import test from "node:test";

import { WrittenPath, rectangles } from "../../static/js/pictures/paths.js";
import { Recorder, escaped, fontOf, rgb } from "../../static/js/pictures/recorder.js";

const PAGE = {
  colour: (css) => ({ hex: css === "half" ? "#808080" : css, alpha: css === "half" ? 0.5 : 1 }),
  width: (text) => 7 * text.length,
  pixels: (image) => image,
  dataUrl: () => "data:image/png;base64,",
  vector: () => null,
};
const recorder = () => new Recorder(PAGE, "#ffffff");

test("text stays text, at its place, and cannot break out of it", () => {
  const g = recorder();
  g.font = "600 12px Inter, sans-serif";
  g.fillStyle = "#111111";
  g.textBaseline = "middle";
  g.textAlign = "right";
  g.fillText('<script>"&', 10, 20);
  assert.equal(g.body(), '<text x="10" y="24.2" font-family="Inter, sans-serif" font-size="12" font-weight="600" text-anchor="end" fill="#111111">&lt;script&gt;&quot;&amp;</text>');
});

test("characters that XML forbids are left out", () => {
  assert.equal(escaped("a\u0000b\u001fc\n"), "abc\n");
});

test("paths are moved by the transform in force when they are built", () => {
  const g = recorder();
  g.setTransform(2, 0, 0, 2, 10, 0);
  g.beginPath();
  g.moveTo(1, 1);
  g.lineTo(2, 3);
  g.strokeStyle = "#ff0000";
  g.setLineDash([3, 1]);
  g.stroke();
  assert.equal(g.body(), '<path d="M12 2L14 6" fill="none" stroke="#ff0000" stroke-width="2" stroke-dasharray="6 2"/>');
});

test("rectangles of one colour are one element, and opacity is kept", () => {
  const g = recorder();
  g.fillStyle = "half";
  g.fillRect(0, 0, 1, 1);
  g.fillRect(2, 0, 1, 1);
  g.fillStyle = "#000000";
  g.fillRect(4, 0, 1, 1);
  assert.equal((g.body().match(/<path/g) ?? []).length, 2);
  assert.match(g.body(), /fill="#808080" fill-opacity="0.5"/);
});

test("what is clipped stands in a group with its clip, and clips within clips cut both", () => {
  const g = recorder();
  g.save();
  g.beginPath();
  g.rect(0, 0, 9, 9);
  g.clip();
  g.beginPath();
  g.rect(0, 0, 3, 3);
  g.clip();
  g.fillRect(0, 0, 5, 5);
  g.restore();
  g.fillRect(0, 0, 5, 5);
  assert.match(g.body(), /^<g clip-path="url\(#pc1\)"><path [^>]*\/><\/g><path [^>]*\/>$/);
  assert.match(g.defs[1], /id="pc1" clip-path="url\(#pc0\)"/);
});

test("save and restore bring back style and transform", () => {
  const g = recorder();
  g.fillStyle = "#123456";
  g.save();
  g.fillStyle = "#000000";
  g.translate(5, 5);
  g.restore();
  assert.equal(g.fillStyle, "#123456");
  assert.deepEqual(g.point(1, 1), [1, 1]);
});

test("a whole circle is closed by four quarters", () => {
  const path = new WrittenPath();
  path.arc(0, 0, 10, 0, 2 * Math.PI);
  assert.equal(path.parts.filter((part) => part.startsWith("C")).length, 4);
  assert.match(path.parts.at(-1), / 10 0$/);
});

test("a path that is copied is its own", () => {
  const path = new WrittenPath();
  path.rect(0, 0, 1, 1);
  const copy = new WrittenPath(path);
  copy.lineTo(5, 5);
  assert.notEqual(copy.d, path.d);
});

test("pixels become the rectangles they are made of", () => {
  const [r, b] = [0xff0000ff, 0xffff0000];
  const found = rectangles(Uint32Array.from([r, r, b, r, r, 0]), 3, 2);
  assert.deepEqual(found.get(r), [[0, 0, 2, 2]]);
  assert.deepEqual(found.get(b), [[2, 0, 1, 1]]);
  assert.equal(found.has(0), false);
});

test("every pixel of a random picture is covered once by its colour", () => {
  const [w, h] = [23, 17];
  const pixels = Uint32Array.from({ length: w * h }, (_, k) => 0xff000000 + ((k * 7919) % 5));
  const seen = new Uint32Array(w * h);
  for (const [colour, list] of rectangles(pixels, w, h)) {
    for (const [x, y, rw, rh] of list) for (let v = y; v < y + rh; v++) for (let u = x; u < x + rw; u++) {
      assert.equal(seen[v * w + u], 0);
      seen[v * w + u] = colour;
    }
  }
  assert.deepEqual(seen, pixels);
});

test("an image is drawn as vectors, but as a bitmap where patches would be too many", () => {
  const g = recorder();
  g.drawImage({ width: 2, height: 1, pixels: Uint32Array.from([0xff0000ff, 0xff00ff00]) }, 10, 0, 20, 10);
  assert.match(g.body(), /M10 0L20 0 20 10 10 10Z/);
  const fine = recorder();
  const pixels = Uint32Array.from({ length: 300 * 300 }, (_, k) => 0xff000000 + k);
  fine.drawImage({ width: 300, height: 300, pixels }, 0, 0);
  assert.match(fine.body(), /^<image /);
});

test("a pattern is defined once, however often it fills", () => {
  const g = recorder();
  const tile = { width: 2, height: 2, pixels: Uint32Array.from([0xff0000ff, 0, 0, 0xff0000ff]) };
  g.fillStyle = g.createPattern(tile);
  g.fillRect(0, 0, 5, 5);
  g.fillStyle = g.createPattern(tile);
  g.fillRect(9, 9, 5, 5);
  assert.equal(g.defs.filter((text) => text.startsWith("<pattern")).length, 1);
  assert.match(g.body(), /fill="url\(#pt0\)"/);
});

test("fonts and colours are read as canvas writes them", () => {
  assert.deepEqual(fontOf("600 11px system-ui, sans-serif"), { size: 11, family: "system-ui, sans-serif", weight: "600" });
  assert.deepEqual(fontOf("12.5px/1.4 Inter"), { size: 12.5, family: "Inter", weight: null });
  assert.equal(rgb(0xff332211), "#112233");
});
