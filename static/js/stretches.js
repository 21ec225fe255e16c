// The samples of the charts, gathered into stretches of equal length.
import { niceStep } from "./scales.js";

const POINTS = 60;
const ROWS = ["share", "steal"];
const VALUES = ["minor", "major", "overhead", "idle", "io_p50", "io_p99", "wake_p50", "wake_p99", "jain"];

/**
 * The samples as means over stretches of equal length: a sample of ten ticks shows who ran in them,
 * not a share. Sample i stands for the ticks since sample i − 1. Stretches begin at multiples of
 * their length, so that they do not shimmer; the last one waits until it is whole.
 */
export function gathered(samples) {
  const { tick } = samples;
  const last = tick.at(-1);
  const length = Math.max(1, niceStep((last - tick[0]) / POINTS));
  const out = { tick: [], ...Object.fromEntries([...ROWS, ...VALUES].map((name) => [name, []])) };
  let i = 1;
  for (let from = Math.ceil(tick[0] / length) * length; from + length <= last; from += length) {
    const parts = []; // [sample, ticks of it in this stretch]
    while (tick[i] <= from) i++;
    for (let k = i; k < tick.length && tick[k - 1] < from + length; k++) {
      parts.push([k, Math.min(tick[k], from + length) - Math.max(tick[k - 1], from)]);
    }
    out.tick.push(from + length);
    for (const name of ROWS) out[name].push(meanRow(samples[name], parts));
    for (const name of VALUES) out[name].push(mean(samples[name], parts));
  }
  return out.tick.length > 1 ? out : plain(samples);
}

/** Few samples as they are, level from where the first one began: the newest, or the only one, is shown at once. */
function plain(samples) {
  const { tick } = samples;
  const before = Math.max(0, tick[0] - (tick.length > 1 ? tick[1] - tick[0] : 1));
  const level = (column) => [column[0], ...column].map((value) => (Number.isNaN(value) ? null : value));
  return { tick: [before, ...tick], ...Object.fromEntries([...ROWS, ...VALUES].map((name) => [name, level(samples[name])])) };
}

/** Mean of a column where it has numbers; null where it has none. */
function mean(column, parts) {
  let total = 0;
  let weight = 0;
  for (const [k, ticks] of parts) {
    const value = column[k];
    if (value === null || Number.isNaN(value)) continue;
    total += ticks * value;
    weight += ticks;
  }
  return weight ? total / weight : null;
}

function meanRow(rows, parts) {
  const out = new Float64Array(rows[parts.at(-1)[0]].length);
  const sum = parts.reduce((total, [, ticks]) => total + ticks, 0) || 1;
  for (const [k, ticks] of parts) for (let vm = 0; vm < rows[k].length; vm++) out[vm] += (ticks * rows[k][vm]) / sum;
  return out;
}

/** Cumulated shares of the whole host: [ticks, vm, vm + vm, …, + others, + overhead]. */
export function stackedData(history, rows, meta) {
  const pcpus = Math.max(1, meta.pcpus);
  const n = history.tick.length;
  const others = meta.vms.length > rows.length;
  const columns = Array.from({ length: rows.length + (others ? 2 : 1) }, () => new Array(n));
  for (let i = 0; i < n; i++) {
    const share = history.share[i];
    let sum = 0;
    rows.forEach((row, k) => (columns[k][i] = sum += (share[row] ?? 0) / pcpus));
    if (others) {
      let all = 0;
      for (let k = 0; k < share.length; k++) all += share[k];
      columns[rows.length][i] = sum = all / pcpus;
    }
    columns.at(-1)[i] = Math.min(1, sum + (history.overhead[i] ?? 0));
  }
  return [history.tick, ...columns];
}

/** Kinds of faults in the charts' columns, in the order they are stacked. */
export const FAULTS = ["vm_major", "vm_guest", "vm_cow", "vm_minor"];

/**
 * Faults of each VM by kind in `n` columns of equal length between two ticks: {kind: [vm][column]}.
 * A sample's faults are spread evenly over its ticks: when within them they came was not sent.
 */
export function binned(history, vms, from, to, n) {
  const out = Object.fromEntries(FAULTS.map((kind) => [kind, Array.from({ length: vms }, () => new Float64Array(n))]));
  const { tick } = history;
  const width = (to - from) / n;
  for (let i = 0; i < tick.length && width > 0; i++) {
    const began = i ? tick[i - 1] : 0;
    const [first, last] = [Math.max(began, from), Math.min(tick[i], to)];
    if (last <= first) continue;
    const spread = (column) => Math.min(tick[i], from + (column + 1) * width, last) - Math.max(began, from + column * width, first);
    for (let column = Math.floor((first - from) / width); column < n && from + column * width < last; column++) {
      const part = spread(column) / (tick[i] - began);
      if (part <= 0) continue;
      for (const kind of FAULTS) for (let vm = 0; vm < vms; vm++) out[kind][vm][column] += part * (history[kind][i]?.[vm] ?? 0);
    }
  }
  return out;
}
