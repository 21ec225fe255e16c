// Charts over the last samples: CPU share (stacked), steal, faults, latency of I/O and of wake-ups,
// Jain's index. uPlot draws them (four live charts in 7.5 ms); they are redrawn four times a second, which is as fast as a reader
// reads and keeps them a small part of the page's time.
import { colourOf, colours, sizeOf, textureOf } from "../colours.js";
import { $, fillTable, write } from "../elements.js";
import { recorded } from "../pictures/charts.js";
import { compact, count, decimal, duration, niceTop, percent, say } from "../scales.js";
import { gathered, stackedData } from "../stretches.js";

export const title = () => gettext("Charts");

/** Milliseconds between two drawings: what comes sooner is drawn then, and not forgotten. */
export const pace = 250;
const MOST = 7; // VMs told apart in a chart; the others are summed up
/** Room for the axis on the left and the names on the right, in CSS pixels. */
const LEFT = () => 4.2 * colours().text;
const RIGHT = () => 5.1 * colours().text;
let element, model;
let history = null; // model.history, gathered into stretches of equal length
let charts = [];
let chosenRows = [];
let builtFor = "";

/** Wire the panel; the charts are built when their number of VMs is known. */
export function mount(theElement, theModel) {
  [element, model] = [theElement, theModel];
}

/** Redraw at most four times a second; `all` after a change of size or theme. */
export function draw(theModel, all) {
  model = theModel;
  if (!window.uPlot) return;
  const enough = model.history.tick.length > 0;
  if (enough) history = gathered(model.history);
  $(".none", element).hidden = enough;
  if (!enough) return clear();
  const rows = leaders();
  const key = `${rows}|${model.meta.vms.length}`;
  if (all || key !== builtFor) build(rows, key);
  for (const chart of charts) feed(chart);
  const span = history.tick.at(-1) - history.tick[0];
  write($("#charts-sub"), say(gettext("last %(n)s ticks"), { n: count(span) }));
}

/** The VMs told apart: those with most CPU share over the charts' span, in order of rows. */
function leaders() {
  const own = history.share.at(-1)?.length ?? 0;
  if (own <= MOST) return Array.from({ length: own }, (_, k) => k);
  const sums = new Float64Array(own);
  for (let i = 0; i < history.share.length; i++) history.share[i].forEach((v, k) => (sums[k] += v));
  const named = Math.min(own, model.meta.vms.length > 64 ? 63 : own);
  const rows = Array.from({ length: named }, (_, k) => k);
  const kept = (row) => sums[row] * (chosenRows.includes(row) ? 1.3 : 1); // no flicker between equals
  return rows.sort((a, b) => kept(b) - kept(a)).slice(0, MOST - 1).sort((a, b) => a - b);
}

/** Nothing is known yet, or no more: the run began again. */
function clear() {
  for (const { plot } of charts) plot.destroy();
  [charts, builtFor] = [[], ""];
}

function build(rows, key) {
  clear();
  builtFor = key;
  chosenRows = rows;
  charts = [...element.querySelectorAll("[data-chart]")].map((box) => {
    const kind = KINDS[box.dataset.chart];
    const chart = { kind, box, top: 1 };
    chart.plot = new window.uPlot(options(chart, kind.series(rows)), kind.data(history, rows), box);
    box.querySelector("canvas").setAttribute("aria-hidden", "true");
    return chart;
  });
}

function options(chart, series) {
  const { css, font, text } = colours();
  const axis = { stroke: css["text-3"], font: `${text}px ${font}`, ticks: { show: false }, gap: 4 };
  return {
    width: chart.box.clientWidth || 200,
    height: chart.box.clientHeight || 90,
    padding: [6, RIGHT(), 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { range: () => [0, chart.top] } },
    axes: [
      { ...axis, size: 20, grid: { show: false }, splits: (u) => [u.scales.x.min, u.scales.x.max], values: (u, splits) => splits.map(compact) },
      { ...axis, size: LEFT(), grid: { stroke: css.line, width: 1 }, splits: () => [0, chart.top / 2, chart.top], values: (u, splits) => splits.map((v) => chart.kind.unit(v, chart.top)) },
    ],
    series: [{}, ...series],
    bands: chart.kind.stacked ? series.slice(1).map((_, k) => ({ series: [k + 2, k + 1] })) : [],
    hooks: { draw: [(u) => ends(u, chart), (u) => commands(u)], setCursor: [(u) => point(u, chart)] },
  };
}

/** Name of each series at its right end, where there is room. */
function ends(u, chart) {
  const { css, font, text } = colours();
  const g = u.ctx;
  const d = window.devicePixelRatio || 1;
  g.save();
  g.font = `${text * d}px ${font}`;
  g.fillStyle = css["text-2"];
  g.textBaseline = "middle";
  g.textAlign = "left";
  let last = Infinity;
  const places = [];
  for (let k = 1; k < u.series.length; k++) {
    const value = u.data[k].at(-1);
    const below = chart.kind.stacked && k > 1 ? u.data[k - 1].at(-1) : chart.kind.stacked ? 0 : value;
    if (value === null || (chart.kind.stacked && value - below < chart.top * 0.03)) continue;
    places.push([u.valToPos((value + below) / 2, "y", true), u.series[k].label]);
  }
  for (const [y, label] of places.sort((a, b) => b[0] - a[0])) {
    if (last - y < (text + 1) * d) continue;
    last = y;
    g.fillText(fitText(g, label, (RIGHT() - 6) * d), u.bbox.left + u.bbox.width + 5 * d, y);
  }
  g.restore();
}

function fitText(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 1 && g.measureText(`${cut}…`).width > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}

/** Accepted commands as dashed lines: what was changed when. */
function commands(u) {
  const { css } = colours();
  const g = u.ctx;
  g.save();
  g.strokeStyle = css.accent;
  g.lineWidth = window.devicePixelRatio || 1;
  g.setLineDash([3, 3]);
  const [min, max] = [u.scales.x.min, u.scales.x.max];
  const quiet = new Set(["play", "pause", "step", "next_event", "speed"]);
  for (const entry of model.journal) {
    if (!entry.accepted || quiet.has(entry.command) || entry.tick <= min || entry.tick >= max) continue;
    const x = u.valToPos(entry.tick, "x", true);
    g.beginPath();
    g.moveTo(x, u.bbox.top);
    g.lineTo(x, u.bbox.top + u.bbox.height);
    g.stroke();
  }
  g.restore();
}

/** The heading shows the values under the pointer, else the newest ones. */
function point(u, chart) {
  const at = u.cursor.idx ?? u.data[0].length - 1;
  const words = chart.kind.words(u, at);
  write($("b", chart.box.parentElement), words);
}

function feed(chart) {
  const { box, plot, kind } = chart;
  const [w, h] = sizeOf(box).map(Math.floor);
  if (!w || !h) return;
  if (plot.width !== w || plot.height !== h) plot.setSize({ width: w, height: h });
  const data = kind.data(history, chosenRows);
  let most = 0;
  if (!kind.top) for (const column of data.slice(1)) for (const v of column) if (v > most) most = v;
  chart.top = kind.top ?? niceTop(most || kind.least);
  plot.setData(data);
  point(plot, chart);
}

const vmName = (row) => model.meta.vms[row]?.name ?? "";
const DASHES = [[], [6, 3], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4], [4, 1], []];

/** Colour with the VM's texture on it, for uPlot's fill. */
function textured(u, row) {
  const { vm, tile } = colours();
  const both = new OffscreenCanvas(6, 6);
  const g = both.getContext("2d");
  g.fillStyle = vm[colourOf(row)];
  g.fillRect(0, 0, 6, 6);
  g.drawImage(tile[textureOf(row)], 0, 0);
  return u.ctx.createPattern(both, "repeat");
}

function stackedSeries(rows) {
  const { css } = colours();
  const others = model.meta.vms.length > rows.length;
  const own = rows.map((row) => {
    let fill = null;
    return { label: vmName(row), fill: (u) => (fill ??= textured(u, row)), stroke: css.surface, width: 1, points: { show: false } };
  });
  if (others) own.push({ label: gettext("others"), fill: css["st-1"], stroke: css.surface, width: 1, points: { show: false } });
  return [...own, { label: gettext("overhead"), fill: css.overhead, stroke: css.surface, width: 1, points: { show: false } }];
}

const lineSeries = (rows) =>
  rows.map((row) => ({ label: vmName(row), stroke: colours().vm[colourOf(row)], width: 1.75, dash: DASHES[textureOf(row)], points: { show: false } }));

/** Steal of the VMs that wait most. */
function stealRows(history, rows) {
  const sum = (row) => history.steal.reduce((total, values) => total + (values[row] ?? 0), 0);
  return [...rows].sort((a, b) => sum(b) - sum(a)).slice(0, 3).sort((a, b) => a - b);
}

let stealing = [];
const bars = (size) => (window.uPlot?.paths.bars ? window.uPlot.paths.bars({ size, gap: 0 }) : undefined);

const hundredths = (n) => (n === null || n === undefined ? "–" : n.toFixed(2));
const percentiles = () => [
  { label: "p50", stroke: colours().css.accent, width: 1.75, points: { show: false } },
  { label: "p99", stroke: colours().css["text-2"], width: 1.75, dash: [6, 3], points: { show: false } },
];

const KINDS = {
  share: {
    stacked: true,
    top: 1,
    series: stackedSeries,
    data: (samples, rows) => stackedData(samples, rows, model.meta),
    unit: (v, top) => (v === top ? percent(v) : String(Math.round(100 * v))),
    words(u, i) {
      const parts = u.series.slice(1).map((s, k) => [s.label, (u.data[k + 1][i] ?? 0) - (k ? (u.data[k][i] ?? 0) : 0)]);
      const [label, share] = parts.sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
      return `${label} ${percent(share)}`;
    },
  },
  steal: {
    least: 0.1,
    series: (rows) => lineSeries((stealing = stealRows(history, rows))),
    data: (history) => [history.tick, ...stealing.map((row) => history.steal.map((values) => values[row] ?? 0))],
    unit: (v, top) => (v === top ? percent(v) : String(Math.round(100 * v))),
    words(u, i) {
      const parts = u.series.slice(1).map((s, k) => [s.label, u.data[k + 1][i] ?? 0]);
      const most = parts.sort((a, b) => b[1] - a[1])[0];
      return most ? `${most[0]} ${percent(most[1])}` : "–";
    },
  },
  faults: {
    least: 2,
    series: () => [
      { label: gettext("minor"), stroke: colours().css["line-2"], fill: colours().css["line-2"], width: 0, paths: bars([0.9, 100]), points: { show: false } },
      { label: gettext("major"), stroke: colours().css.bad, fill: colours().css.bad, width: 0, paths: bars([0.9, 100]), points: { show: false } },
    ],
    data: (history) => [history.tick, history.minor, history.major],
    unit: (v) => (Number.isInteger(v) ? compact(v) : ""),
    words(u, i) {
      const [minor, major] = [u.data[1][i] ?? 0, u.data[2][i] ?? 0];
      if (!minor && !major) return gettext("none");
      return major >= minor ? say(gettext("%(n)s major"), { n: compact(Math.round(major)) }) : say(gettext("%(n)s minor"), { n: compact(Math.round(minor)) });
    },
  },
  io: {
    least: 10,
    series: () => percentiles(),
    data: (history) => [history.tick, history.io_p50, history.io_p99],
    unit: (v) => duration(v * 1000),
    words: (u, i) => `p99 ${duration((u.data[2][i] ?? NaN) * 1000)}`,
  },
  jain: {
    top: 1,
    series: () => [{ label: gettext("by weight"), stroke: colours().css.accent, width: 1.75, points: { show: false } }],
    data: (history) => [history.tick, history.jain],
    unit: (v) => (v === 0.5 ? decimal(v) : String(v)),
    words: (u, i) => say(gettext("Jain’s index %(n)s"), { n: hundredths(u.data[1][i]) }),
  },
  wake: {
    least: 10,
    series: () => percentiles(),
    data: (history) => [history.tick, history.wake_p50, history.wake_p99],
    unit: (v) => duration(v * 1000),
    words: (u, i) => `p99 ${duration((u.data[2][i] ?? NaN) * 1000)}`,
  },
};

/**
 * The charts as they are now, drawn again into recorders.
 * @returns {Promise<Map<Element, object>>} by the box each stands in
 */
export async function record(makeRecorder) {
  const found = new Map();
  for (const { kind, box, top, plot } of charts) {
    const recorder = makeRecorder();
    const copy = { kind, box, top };
    await recorded(recorder, (place) => new window.uPlot({ ...options(copy, kind.series(chosenRows)), width: plot.width, height: plot.height }, kind.data(history, chosenRows), place));
    found.set(box, recorder);
  }
  return found;
}

/** The text alternative: the newest samples as rows. */
export function table(body) {
  const rows = [];
  for (let i = (history?.tick.length ?? 0) - 1; i >= 0 && rows.length < 40; i -= 3) {
    const busy = history.share[i].reduce((a, b) => a + b, 0) / Math.max(1, model.meta.pcpus);
    const latency = history.io_p99[i];
    rows.push([count(history.tick[i]), percent(busy), compact(Math.round(history.minor[i])), compact(Math.round(history.major[i])), latency === null ? "–" : duration(latency * 1000)]);
  }
  fillTable(body, rows.length ? rows : [[gettext("No sample yet."), "", "", "", ""]]);
}

