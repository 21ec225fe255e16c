// How a frame of the host looks: by owner, by state, by heat, by who shares it; and what differs between two hosts.
import { EDGE } from "./cells.js";
import { TILE, colourOf, colours, mix, pattern, textureOf } from "./colours.js";
import { FRAME } from "./model.js";
import { rgb } from "./pictures/recorder.js";

/** Strength of a texture on a frame. */
const STRENGTH = 0.6;

/**
 * @typedef {object} Brush
 * @property {(f: number) => number} number   one colour, RGBA
 * @property {(f: number) => number} kind     its texture
 * @property {(f: number) => {core: Uint32Array, edge: number}} table   both, TILE × TILE
 * @property {Uint32Array} [lut]              colour by owner, where that is all
 */

/** @param {"owner"|"state"|"heat"|"sharing"} by @returns {Brush} */
export function makeBrush(model, by) {
  return { owner: ownerBrush, state: stateBrush, heat: heatBrush, sharing: sharingBrush }[by](model);
}

/** The tables of a brush from its colours and textures, made when they are first asked for. */
function brushOf(number, kind, lut) {
  const { number: ink, mask } = colours();
  const tables = new Map();
  const table = (f) => {
    const [colour, texture] = [number(f), kind(f)];
    const key = colour * 8 + texture;
    if (!tables.has(key)) {
      const core = Uint32Array.from({ length: TILE * TILE }, (_, k) => mix(colour, ink.texture, (mask[texture][k] * STRENGTH) / 255));
      tables.set(key, { core, edge: mix(colour, ink.surface, EDGE) });
    }
    return tables.get(key);
  };
  return { number, kind, table, lut };
}

function ownerBrush({ frames, meta }) {
  const { number, vmNumber } = colours();
  const lut = Uint32Array.from([number.inset, ...meta.vms.map((_, row) => shade(vmNumber[colourOf(row)], row, number))]);
  const plain = Uint32Array.from([number.inset, ...meta.vms.map((_, row) => vmNumber[colourOf(row)])]);
  const owner = (f) => frames[f] & FRAME.OWNER;
  const brush = brushOf((f) => plain[owner(f)], (f) => (owner(f) ? textureOf(owner(f) - 1) : 0));
  return { ...brush, lut, number: (f) => lut[owner(f)] };
}

/** Where a frame is one pixel there is no room for texture: later rounds of colours are paler. */
function shade(colour, row, number) {
  const round = Math.floor(row / 8) % 4;
  return round ? mix(colour, round % 2 ? number.surface : number.text, 0.18 * round) : colour;
}

/** 0 free, 1 resident, 2 dirty, 3 shared. */
export function stateOf(word) {
  if (!(word & FRAME.OWNER)) return 0;
  return word & FRAME.SHARED ? 3 : word & FRAME.DIRTY ? 2 : 1;
}

function stateBrush({ frames }) {
  const { number } = colours();
  const fills = [number.inset, number["st-1"], number["st-2"], number["st-3"]];
  const kinds = [0, 0, 1, 5];
  return brushOf((f) => fills[stateOf(frames[f])], (f) => kinds[stateOf(frames[f])]);
}

/** 0 free, 1 of one VM alone, 2 the same but read only, 3 shared: a write copies it. */
export function sharingOf(word) {
  if (!(word & FRAME.OWNER)) return 0;
  return word & FRAME.SHARED ? 3 : word & FRAME.WRITABLE ? 1 : 2;
}

function sharingBrush({ frames }) {
  const { number } = colours();
  const fills = [number.inset, number["st-1"], number["st-2"], number["st-3"]];
  const kinds = [0, 0, 1, 5];
  return brushOf((f) => fills[sharingOf(frames[f])], (f) => kinds[sharingOf(frames[f])]);
}

function heatBrush({ frames, heat }) {
  const { number } = colours();
  const ramp = Uint32Array.from({ length: 256 }, (_, k) => mix(number["heat-0"], number["heat-1"], k / 255));
  const level = (f) => (heat ? heat[f] : 0);
  return brushOf((f) => (frames[f] & FRAME.OWNER ? ramp[level(f)] : number.inset), () => 0);
}

/** Frames that are alike in both are pale; the others keep their owner's colour. */
export function differenceBrush(model, other) {
  const { number } = colours();
  const own = ownerBrush(model);
  const alike = (f) => model.frames[f] === other.frames[f];
  return brushOf((f) => (alike(f) ? number.inset : own.number(f)), (f) => (alike(f) ? 0 : own.kind(f)));
}

/** Frames into a recorder: those of one colour together, then their textures. */
export function vectorFrames(g, cells, brush) {
  const groups = new Map();
  for (const cell of cells) {
    const key = brush.number(cell[0]) * 8 + brush.kind(cell[0]);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(cell);
  }
  for (const group of groups.values()) {
    const [first] = group[0];
    const fill = (style) => {
      g.fillStyle = style;
      for (const [, x, y, side] of group) g.fillRect(x, y, side, side);
    };
    fill(rgb(brush.number(first)));
    if (!brush.kind(first)) continue;
    g.globalAlpha = STRENGTH;
    fill(pattern(g, brush.kind(first)));
    g.globalAlpha = 1;
  }
}
