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

/** Top left corner of cell `i` in the buffer. */
export function placeOf(at, i) {
  const { tile, side, cell, cols } = at;
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
  const part = (v) => Math.min(tile - 1, Math.floor((v % side) / cell));
  const i = (Math.floor(y / side) * cols + column) * tile * tile + (tile === 1 ? 0 : part(y) * tile + part(x));
  return column < cols && i < n ? i : -1;
}
