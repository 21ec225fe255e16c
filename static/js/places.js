// Where the cells of a map stand: pure geometry, in pixels of the map's buffer.
const LARGEST = 28;

/**
 * Where `n` cells go in a box of w × h device pixels.
 * `tile` 8 keeps an extent together in squares of 8 × 8, `tile` 1 runs in rows.
 * Returns {cell, gap, tile, tileGap, cols (tiles per row), rows, width, height, scale}.
 */
export function arrange(n, w, h, tile, tileGap) {
  const tiles = Math.max(1, Math.ceil(n / (tile * tile)));
  const width = Math.max(w, 1);
  const height = Math.max(h, 1);
  for (let cell = LARGEST; cell > 2; cell--) {
    const between = cell > 4 ? tileGap : Math.min(tileGap, 1);
    const side = cell * tile + between;
    const cols = Math.min(tiles, Math.floor((width + between) / side));
    if (!cols) continue;
    const rows = Math.ceil(tiles / cols);
    if (rows * side - between > height) continue;
    return shape(cell, tile === 1 ? cols : Math.ceil(tiles / rows), rows, tile, between, 1);
  }
  const cols = Math.max(1, Math.ceil(Math.sqrt((tiles * width) / height)));
  const rows = Math.ceil(tiles / cols);
  return shape(1, cols, rows, tile, 0, Math.min(width / (cols * tile), height / (rows * tile)));
}

function shape(cell, cols, rows, tile, tileGap, scale) {
  const side = cell * tile + tileGap;
  const gap = cell > 5 ? 1 : 0; // in smaller cells the edge is a paler pixel: see EDGE
  return { cell, gap, tile, tileGap, side, cols, rows, width: cols * side - tileGap, height: rows * side - tileGap, scale };
}

/**
 * The same cells along a Hilbert curve: neighbours in number stay neighbours on the map. `slot[i]` is
 * the place of cell i in rows, `cell[slot]` the way back. Of the square that holds the map, what
 * lies outside is passed over. @returns {{slot: Uint32Array, cell: Int32Array}}
 */
export function hilbert(cols, rows, n) {
  let side = 1;
  while (side < cols || side < rows) side *= 2;
  const slot = new Uint32Array(n);
  const cell = new Int32Array(cols * rows).fill(-1);
  let i = 0;
  for (let d = 0; i < n; d++) {
    const [x, y] = onCurve(side, d);
    if (x >= cols || y >= rows) continue;
    slot[i] = y * cols + x;
    cell[slot[i]] = i++;
  }
  return { slot, cell };
}

/** The point at distance `d` along the Hilbert curve that fills a square, a power of two wide. */
function onCurve(side, d) {
  let [x, y] = [0, 0];
  for (let part = 1; part < side; part *= 2) {
    const right = (d >> 1) & 1;
    const up = (d ^ right) & 1;
    if (!up) {
      if (right) [x, y] = [part - 1 - x, part - 1 - y];
      [x, y] = [y, x];
    }
    x += part * right;
    y += part * up;
    d = Math.floor(d / 4);
  }
  return [x, y];
}

/** Top left corner of cell `i` in the buffer. */
export function placeOf(at, i) {
  const { tile, side, cell, cols } = at;
  if (at.curve) i = at.curve.slot[i];
  if (tile === 1) return [(i % cols) * side, Math.floor(i / cols) * side];
  const t = Math.floor(i / (tile * tile));
  const inside = i % (tile * tile);
  return [(t % cols) * side + (inside % tile) * cell, Math.floor(t / cols) * side + Math.floor(inside / tile) * cell];
}

/** Cell at a place in the buffer, or −1. */
export function cellAt(at, x, y, n) {
  const { tile, side, cell, cols } = at;
  if (x < 0 || y < 0 || x >= at.width || y >= at.height) return -1;
  const column = Math.floor(x / side);
  if (at.curve) return column < cols ? (at.curve.cell[Math.floor(y / side) * cols + column] ?? -1) : -1;
  const part = (v) => Math.min(tile - 1, Math.floor((v % side) / cell));
  const i = (Math.floor(y / side) * cols + column) * tile * tile + (tile === 1 ? 0 : part(y) * tile + part(x));
  return column < cols && i < n ? i : -1;
}
