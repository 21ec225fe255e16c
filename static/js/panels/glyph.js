// The shape of a page in the memory map, drawn on whatever context it is given.
import { colours } from "../colours.js";
import { PTE } from "../model.js";

const FLAGS_AT = 24; // flags stand above the frame number in an entry

/** A page's shape: faint = present, full = accessed, corner = dirty, hole = shared, × = swapped. */
export function glyph(g, pte, s, colour) {
  const { css } = colours();
  const line = Math.max(1, Math.round(s / 14));
  if (!(pte & (PTE.PRESENT | PTE.SWAPPED))) {
    g.fillStyle = s > 2 ? css["line-2"] : css.inset;
    g.fillRect(0, 0, s, s);
    if (s > 2) g.clearRect(line, line, s - 2 * line, s - 2 * line);
    return;
  }
  if (!(pte & PTE.PRESENT)) {
    g.fillStyle = s > 3 ? css.inset : css["text-3"];
    g.fillRect(0, 0, s, s);
    if (s > 3) cross(g, s, css["text-2"], line);
    return;
  }
  g.globalAlpha = pte & PTE.ACCESSED ? 1 : 0.6;
  g.fillStyle = colour;
  g.fillRect(0, 0, s, s);
  g.globalAlpha = 1;
  if (pte & PTE.SHARED) {
    g.fillStyle = css.surface;
    g.fillRect(s * 0.3, s * 0.3, Math.max(1, s * 0.4), Math.max(1, s * 0.4));
  }
  if (pte & PTE.DIRTY) corner(g, s, css.text);
}

function cross(g, s, ink, line) {
  const edge = s > 6 ? 2 : 1;
  g.strokeStyle = ink;
  g.lineWidth = line;
  g.beginPath();
  g.moveTo(edge, edge);
  g.lineTo(s - edge, s - edge);
  g.moveTo(s - edge, edge);
  g.lineTo(edge, s - edge);
  g.stroke();
}

function corner(g, s, ink) {
  g.fillStyle = ink;
  g.beginPath();
  g.moveTo(s, 0);
  g.lineTo(s, s * 0.6);
  g.lineTo(s * 0.4, 0);
  g.fill();
}

/**
 * The pages of a picture: every shape is written once, and used where a page has it.
 * @param {import("../pictures/recorder.js").Recorder} g
 * @param {number[][]} cells  [page, x, y, side]
 */
export function vectorGlyphs(g, cells, flagsOf, colour) {
  const names = new Map();
  for (const [i, x, y, side] of cells) {
    const flags = flagsOf(i);
    if (!names.has(flags)) names.set(flags, g.symbol((inner) => glyph(inner, flags << FLAGS_AT, side, colour)));
    g.use(names.get(flags), x, y);
  }
}
