// What the lab screen computes without a page: where cells go, which letters stand for a VM, axes.
import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = { documentElement: { lang: "en" } };
globalThis.window = globalThis;
globalThis.ResizeObserver = class {};
const { arrange, cellAt, hilbert, placeOf } = await import("../../static/js/places.js");
const { chooseLetters, colourOf, textureOf } = await import("../../static/js/colours.js");
const { duration, firstAbove, niceStep, niceTop, size } = await import("../../static/js/scales.js");

const BOXES = [[518, 164], [474, 260], [328, 316], [1400, 700]];

for (const tile of [1, 8]) {
  for (const n of [1, 7, 64, 96, 1000, 4096, 65536, 1 << 20]) {
    test(`${n} cells in tiles of ${tile} fit every box, and each is found where it is`, () => {
      for (const [w, h] of BOXES) {
        const at = arrange(n, w, h, tile, 2);
        assert.ok(at.width * at.scale <= w + 1 && at.height * at.scale <= h + 1, `${w} × ${h}`);
        for (let i = 0; i < n; i += Math.max(1, Math.floor(n / 500))) {
          const [x, y] = placeOf(at, i);
          assert.equal(cellAt(at, x, y, n), i);
          assert.equal(cellAt(at, x + at.cell - 1, y + at.cell - 1, n), i);
        }
      }
    });
  }
}

test("a place beyond the last cell is no cell", () => {
  const at = arrange(10, 100, 100, 1, 0);
  assert.equal(cellAt(at, at.width - 1, at.height + 5, 10), -1);
  assert.equal(cellAt(at, -1, 0, 10), -1);
});

test("letters are the first one, with the name's number where several share it", () => {
  assert.deepEqual(chooseLetters(["web", "db"]), ["W", "D"]);
  assert.deepEqual(chooseLetters(["web-1", "web-2", "batch"]), ["W1", "W2", "B"]);
  assert.deepEqual(chooseLetters(["shop", "search"]), ["sh", "se"]);
});

test("no two VMs have the same letters", () => {
  const names = Array.from({ length: 1000 }, (_, k) => `vm-${k}`);
  assert.equal(new Set(chooseLetters(names)).size, names.length);
});

test("VMs of one colour differ in texture, as far as there are textures", () => {
  const pairs = Array.from({ length: 64 }, (_, row) => `${colourOf(row)}/${textureOf(row)}`);
  assert.equal(new Set(pairs).size, 64);
});

test("axes have round numbers", () => {
  assert.deepEqual([1, 3, 7, 30].map(niceStep), [1, 5, 10, 50]);
  for (const value of [0.02, 0.9, 1, 1.1, 17, 99, 101, 12345]) {
    assert.ok(niceTop(value) >= value * 0.999 && niceTop(value) <= value * 1.7, String(value));
  }
});

test("quantities carry their unit", () => {
  assert.deepEqual([0, 250, 2500, 25e3, 8e6, 3e9].map(duration), ["0", "250 ns", "2.5 µs", "25 µs", "8.0 ms", "3.0 s"]);
  assert.deepEqual([64, 16384, 1 << 20].map(size), ["64 KiB", "16 MiB", "1 GiB"]);
  assert.equal(duration(NaN), "–");
});

test("firstAbove finds the first entry whose key exceeds the value", () => {
  const list = [1, 3, 3, 7].map((to) => ({ to }));
  assert.deepEqual([0, 1, 3, 7].map((v) => firstAbove(list, v, (s) => s.to)), [0, 1, 3, 4]);
});

test("along a Hilbert curve every cell has one place, and neighbours in number are neighbours on the map", () => {
  for (const [n, w, h] of [[64, 300, 300], [100, 470, 250], [4096, 900, 500], [5000, 200, 300]]) {
    const at = arrange(n, w, h, 1, 0);
    at.curve = hilbert(at.cols, at.rows, n);
    const seen = new Set();
    for (let i = 0; i < n; i++) {
      const [x, y] = placeOf(at, i);
      assert.equal(cellAt(at, x, y, n), i);
      seen.add(`${x},${y}`);
    }
    assert.equal(seen.size, n);
  }
  const { slot } = hilbert(8, 8, 64);
  for (let i = 1; i < 64; i++) {
    const far = Math.abs((slot[i] % 8) - (slot[i - 1] % 8)) + Math.abs((slot[i] >> 3) - (slot[i - 1] >> 3));
    assert.equal(far, 1);
  }
});

test("a curve is read between the sizes it was counted at, and frames that move change two of them", async () => {
  const { faultsAt, missesAt, together } = await import("../../static/js/misses.js");
  assert.equal(missesAt([0, 10, 20], [100, 40, 10], 15), 25);
  assert.equal(missesAt([0, 10, 20], [100, 40, 10], 99), 10);
  assert.equal(missesAt([], [], 5), 0);
  const curve = { frames: [0, 10, 20], next: [50, 20, 4], resident: 10 };
  assert.deepEqual([faultsAt(curve, 0), faultsAt(curve, -5), faultsAt(curve, -50)], [20, 35, 50]);
  assert.deepEqual(together([{ before: 20, after: 35 }, { before: 9, after: 1 }]), { before: 29, after: 36 });
});
