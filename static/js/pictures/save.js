// Saving a panel as a picture: SVG as it was written, PNG drawn from it.
import { $, $$ } from "../elements.js";
import { colours, standIn } from "../colours.js";
import { count, say } from "../scales.js";
import { page } from "./ink.js";
import { Recorder } from "./recorder.js";
import { documentOf, written } from "./walker.js";

const FOOT = 30; // room for the line that says which lab, run and tick this is
const EDGE = 8;
const DENSITY = 2; // device pixels per CSS pixel of a PNG

/**
 * What a panel draws by itself, drawn into recorders: its canvases, and its charts.
 * @returns {Promise<Map<Element, {recorder: Recorder, scale: number}>>}
 */
async function recordings(element, module, model) {
  const found = new Map();
  const make = () => new Recorder(page, colours().css.surface, `r${serial++}-`);
  const own = $$("canvas", element).filter((canvas) => !canvas.closest("[data-chart]") && canvas.checkVisibility());
  for (const canvas of own) {
    const recorder = make();
    standIn(canvas, recorder);
    found.set(canvas, { recorder, scale: 1 });
  }
  try {
    if (own.length) module.draw(model, true);
  } finally {
    for (const canvas of own) standIn(canvas, null);
  }
  const charts = await module.record?.(make);
  for (const [box, recorder] of charts ?? []) found.set(box, { recorder, scale: 1 / (window.uPlot?.pxRatio || window.devicePixelRatio || 1) });
  return found;
}

let serial = 0;

/**
 * A panel as an SVG document, with its title, legend, and which lab, run and tick it is of.
 * @param {Element} element
 * @param {{draw: Function, record?: Function}} module   the panel's
 * @param {import("../model.js").Model} model
 * @returns {Promise<{text: string, name: string, width: number, height: number}>}
 */
export async function pictureOf(element, module, model) {
  const drawn = await recordings(element, module, model);
  const { width, height } = element.getBoundingClientRect();
  const inner = written(element, (node) => drawn.get(node) ?? null);
  const size = { width: Math.ceil(width) + 2 * EDGE, height: Math.ceil(height) + FOOT + EDGE };
  const { css, font } = colours();
  const title = $("h2", element)?.textContent.trim() ?? "";
  const about = aboutWords(model);
  const whole = new Recorder(page, css.ground, "w");
  whole.fillStyle = css.ground;
  whole.fillRect(0, 0, size.width, size.height);
  whole.append(`<g transform="translate(${EDGE} ${EDGE})">${inner.body()}</g>`, inner.defs);
  Object.assign(whole, { font: `12px ${font}`, fillStyle: css["text-2"], textAlign: "left", textBaseline: "middle" });
  whole.fillText(about, EDGE + 4, size.height - FOOT / 2 + 1);
  return { text: documentOf(whole, { ...size, title: `${title} · ${about}`, about }), name: fileName(title, model), ...size };
}

/** Which lab, run and tick a picture is of. */
function aboutWords({ meta, state }) {
  const parts = [nameOf(meta), say(gettext("run %(n)s"), { n: state.run || meta.run || 1 }), say(gettext("tick %(n)s"), { n: count(state.tick) }), say(gettext("seed %(n)s"), { n: meta.seed })];
  return parts.filter(Boolean).join(" · ");
}

/** The lab's name: in the bar of its screen, else as the scenario has it. */
const nameOf = (meta) => $(".bar-name h1")?.textContent ?? meta.name ?? "lab";

const fileName = (title, { meta, state }) => `${nameOf(meta)} ${title} ${state.tick}`.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, " ").trim().slice(0, 120);

/** Hand a file to the reader. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function saveSvg({ text, name }) {
  download(new Blob(['<?xml version="1.0" encoding="UTF-8"?>\n', text], { type: "image/svg+xml" }), `${name}.svg`);
}

/** The same picture in pixels, twice as dense as the page. */
export async function savePng({ text, name, width, height }) {
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: width * DENSITY, height: height * DENSITY });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    download(blob, `${name}.png`);
  } finally {
    URL.revokeObjectURL(url);
  }
}
