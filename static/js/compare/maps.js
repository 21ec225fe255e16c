// The allocation maps of both runs, by owner or by what differs between them.
import { differenceBrush, makeBrush, vectorFrames } from "../brushes.js";
import { CellMap } from "../cells.js";
import { $, $$, mark, write } from "../elements.js";
import { count, say } from "../scales.js";

let maps = [];
let mode = "owner";

/** Wire both canvases and the choice between owners and differences. */
export function mountMaps(redraw) {
  maps = $$("[data-map]").map((canvas) => new CellMap(canvas, { tile: 8, tileGap: 2, onView: redraw }));
  for (const radio of $$("[name=maps]")) {
    radio.onchange = () => {
      mode = radio.value;
      redraw();
    };
  }
}

/** How many frames of two hosts are not alike. */
export function differing(a, b) {
  let n = Math.abs(a.length - b.length);
  for (let f = 0; f < Math.min(a.length, b.length); f++) if (a[f] !== b[f]) n++;
  return n;
}

/** Draw both. */
export function drawMaps(sides) {
  const [a, b] = sides.map((side) => side.model);
  const n = differing(a.frames, b.frames);
  const values = { n: count(n), all: count(Math.max(a.frames.length, b.frames.length)) };
  write($("#maps-words"), n ? say(gettext("%(n)s of %(all)s frames differ"), values) : gettext("frame by frame the same"));
  maps.forEach((map, side) => drawOne(map, sides[side].model, sides[1 - side].model, values));
}

function drawOne(map, model, other, values) {
  if (!model.frames.length) return;
  map.resize(model.frames.length);
  if (!map.at) return;
  const brush = mode === "owner" ? makeBrush(model, "owner") : differenceBrush(model, other);
  map.vector = (g, cells) => vectorFrames(g, cells, brush);
  map.clear();
  if (map.at.cell === 1) map.writeAll(brush.number);
  else for (let f = 0; f < map.n; f++) map.writeTexture(f, brush.table(f));
  map.flush();
  map.show();
  mark(map.canvas, "aria-label", say(gettext("Allocation map: %(n)s of %(all)s frames differ from the other run’s"), values));
}
