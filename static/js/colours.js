// Which colour, texture and letters stand for a VM, and the tokens of tokens.css as numbers a
// canvas can use. Colour is never the only sign: every VM has letters and a texture as well.
const TOKENS = [
  "text", "text-2", "text-3", "line", "line-2", "surface", "inset", "hover", "accent", "good", "warn", "bad",
  "overhead", "st-1", "st-2", "st-3", "heat-0", "heat-1", "texture", "ground",
];
/** Colours and textures before both come again. */
export const COLOURS = 8;

/** Row of a VM → its colour, 0–7. */
export const colourOf = (row) => row % COLOURS;
/** Row of a VM → its texture: its colour's own for the first eight, then shifted by one. */
export const textureOf = (row) => (row + Math.floor(row / COLOURS)) % COLOURS;

const seen = new WeakMap();

/** Letters (short, no two VMs alike) and colour of a VM. */
export function badgeOf(model, row) {
  const vms = model.meta?.vms ?? [];
  let letters = seen.get(vms);
  if (!letters) seen.set(vms, (letters = chooseLetters(vms.map((vm) => vm.name))));
  return { letters: letters[row] ?? "?", colour: colourOf(row) };
}

/** First letter; with the name's number where several share it; else two letters, or the row in base 36. */
export function chooseLetters(names) {
  const first = names.map((name) => [...name][0]?.toUpperCase() ?? "?");
  const sharing = new Map();
  first.forEach((letter) => sharing.set(letter, (sharing.get(letter) ?? 0) + 1));
  const taken = new Set(first.filter((letter) => sharing.get(letter) === 1));
  return names.map((name, row) => {
    if (sharing.get(first[row]) === 1) return first[row];
    const number = /(\d+)$/.exec(name)?.[1] ?? "";
    const tries = [
      number.length && number.length < 3 ? first[row] + number : null,
      [...name].slice(0, 2).join(""),
      row.toString(36),
    ];
    const letters = tries.find((text) => text && !taken.has(text)) ?? `${row.toString(36)}'`;
    taken.add(letters);
    return letters;
  });
}

let palette = null;
let probe = null;
let pixel = null;

/** A CSS colour as one little-endian RGBA number, as ImageData holds it. */
function packed(css) {
  pixel ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = css;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
  return ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Read the tokens again: after the theme changed. */
export function refreshPalette() {
  palette = null;
}

/**
 * The tokens as colours: `css` by name, `vm`/`ink` of the eight VMs, `texture` tiles, `number`
 * (name → RGBA) and `mix(a, b, share)` of two RGBA numbers.
 */
export function colours() {
  if (palette) return palette;
  probe ??= document.body.appendChild(Object.assign(document.createElement("i"), { className: "probe" }));
  // A custom property that holds light-dark() is a colour only where it is used.
  const css = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const eight = (name) => Array.from({ length: COLOURS }, (_, k) => css(`${name}-${k}`));
  const named = Object.fromEntries(TOKENS.map((name) => [name, css(name)]));
  palette = { css: named, vm: eight("vm"), ink: eight("vm-ink"), font: getComputedStyle(document.body).fontFamily };
  palette.text = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--f-xs")) || 11;
  palette.number = Object.fromEntries(TOKENS.map((name) => [name, packed(named[name])]));
  palette.vmNumber = palette.vm.map(packed);
  palette.tile = Array.from({ length: COLOURS }, (_, kind) => textureTile(kind, named.texture));
  palette.mask = palette.tile.map(textureMask);
  palette.patterns = new WeakMap();
  return palette;
}

/** Mix two RGBA numbers: `share` of the second. */
export function mix(a, b, share) {
  const part = (shift) => Math.round(((a >>> shift) & 255) * (1 - share) + ((b >>> shift) & 255) * share);
  return ((255 << 24) | (part(16) << 16) | (part(8) << 8) | part(0)) >>> 0;
}

/** Side of a texture tile in pixels. */
export const TILE = 6;

/** Draw one of eight textures: plain / \\ — | · + ×. */
export function drawTexture(g, kind, ink) {
  g.strokeStyle = g.fillStyle = ink;
  g.lineWidth = 1.2;
  const lines = (...points) => {
    for (let k = 0; k < points.length; k += 4) {
      g.beginPath();
      g.moveTo(points[k], points[k + 1]);
      g.lineTo(points[k + 2], points[k + 3]);
      g.stroke();
    }
  };
  const draw = [
    () => {},
    () => lines(-1, 7, 7, -1, -1, 1, 1, -1, 5, 7, 7, 5),
    () => lines(-1, -1, 7, 7, 5, -1, 7, 1, -1, 5, 1, 7),
    () => lines(0, 3, 6, 3),
    () => lines(3, 0, 3, 6),
    () => g.fillRect(2, 2, 2, 2),
    () => lines(0, 3, 6, 3, 3, 0, 3, 6),
    () => lines(-1, 7, 7, -1, -1, -1, 7, 7),
  ];
  draw[kind]();
}

function textureTile(kind, ink) {
  const tile = new OffscreenCanvas(TILE, TILE);
  drawTexture(tile.getContext("2d"), kind, ink);
  return tile;
}

/** Which texture a tile holds; −1 where it is none of ours. */
export const tileKind = (tile) => colours().tile.indexOf(tile);

/** The opacity of a texture's ink per pixel, 0–255. */
function textureMask(tile) {
  const data = tile.getContext("2d").getImageData(0, 0, TILE, TILE).data;
  return Uint8Array.from({ length: TILE * TILE }, (_, k) => data[4 * k + 3]);
}

/** A texture as a canvas pattern, made once per canvas. */
export function pattern(g, kind) {
  const { patterns, tile } = colours();
  let own = patterns.get(g);
  if (!own) patterns.set(g, (own = []));
  return (own[kind] ??= g.createPattern(tile[kind], "repeat"));
}

const sizes = new WeakMap();
const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) sizes.set(target, [contentRect.width, contentRect.height]);
});

/** Size of an element in CSS pixels, known without asking for a layout once it is watched. */
export function sizeOf(element) {
  let size = sizes.get(element);
  if (!size) {
    sizes.set(element, (size = [element.clientWidth, element.clientHeight]));
    watcher.observe(element);
  }
  return size;
}

const standIns = new Map();

/** Have what is drawn on a canvas go to another context (a recorder), until that is null again. */
export function standIn(canvas, context) {
  if (context) standIns.set(canvas, context);
  else standIns.delete(canvas);
}

/**
 * Size a canvas to its box in device pixels and clear it; drawing is then in CSS pixels.
 * Returns {g, w, h, d}; w or h is 0 while the box is hidden.
 */
export function fit(canvas) {
  const [w, h] = sizeOf(canvas);
  const instead = standIns.get(canvas);
  const d = instead ? 1 : Math.min(window.devicePixelRatio || 1, 3);
  if (!instead) {
    const width = Math.round(w * d);
    const height = Math.round(h * d);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }
  const g = instead ?? canvas.getContext("2d");
  g.setTransform(d, 0, 0, d, 0, 0);
  g.clearRect(0, 0, w, h);
  g.font = `${colours().text}px ${colours().font}`;
  g.textBaseline = "middle";
  return { g, w, h, d };
}
