// The table Container or VM?: its measures in their order, with unit, direction and words.
import { count, decimal, fine, say } from "./scales.js";

const percent = (value) => (value >= 10 ? `${decimal(value)} %` : fine(value / 100));
const rate = (value) => (value >= 100 ? count(value) : decimal(value));
const mib = (value) => say(gettext("%(n)s MiB"), { n: value >= 100 ? count(value) : decimal(value) });

/** Columns of the wire → [word, how its value is written, 1: more is better, -1: less is, 0: neither, hint]. */
const MEASURES = {
  start_ms: () => [gettext("start"), (value) => say(gettext("%(n)s ms"), { n: count(value) }), -1, ""],
  references_per_s: () => [gettext("memory references"), (value) => say(gettext("%(n)s /s"), { n: rate(value) }), 1, gettext("a second since it was up")],
  requests_per_s: () => [gettext("device requests"), (value) => say(gettext("%(n)s /s"), { n: rate(value) }), 1, gettext("a second since it was up")],
  guest_percent: () => [gettext("the workload itself"), percent, 1, ""],
  switch_percent: () => [gettext("switches"), percent, -1, ""],
  refill_percent: () => [gettext("cache refill"), percent, -1, ""],
  exits_percent: () => [gettext("VM exits"), percent, -1, ""],
  faults_percent: () => [gettext("faults"), percent, -1, ""],
  syscalls_percent: () => [gettext("system calls"), percent, -1, ""],
  devices_percent: () => [gettext("device models and copies"), percent, -1, ""],
  memory_percent: () => [gettext("memory work"), percent, -1, ""],
  kernel_mib: () => [gettext("kernel and VMM"), (value) => (value ? mib(value) : gettext("not counted")), -1, ""],
  own_mib: () => [gettext("its own frames"), mib, -1, ""],
  shared_mib: () => [gettext("shared with others"), mib, 0, ""],
  fits: () => [gettext("as many would fit"), count, 1, gettext("tried on this host’s memory, without swap")],
  refuses: () => [gettext("the next one lacks"), (value) => ({ kernel: gettext("its kernel"), pages: gettext("its pages") })[value] ?? value, 0, ""],
  left_mib: () => [gettext("left over then"), mib, 0, ""],
  isolation: () => [gettext("kept apart by"), (value) => ({ hardware: gettext("hardware"), kernel: gettext("the kernel") })[value] ?? value, 0, ""],
  harms: () => [gettext("attacks that harm others, of all tried"), (value) => value?.replace(" trials", "") ?? gettext("not tried yet"), 0, ""],
};

const SECTIONS = [
  [() => gettext("Start and throughput"), ["start_ms", "references_per_s", "requests_per_s"]],
  [() => gettext("Where its processor time goes"), ["guest_percent", "switch_percent", "refill_percent", "exits_percent", "faults_percent", "syscalls_percent", "devices_percent", "memory_percent"]],
  [() => gettext("Memory and density"), ["kernel_mib", "own_mib", "shared_mib", "fits", "refuses", "left_mib"]],
  [() => gettext("Isolation"), ["isolation", "harms"]],
];

/** Sections of the table with their measures: {column, word, hint, write, bar, best, most, least}. */
export function sections(rows) {
  return SECTIONS.map(([title, columns]) => ({ title: title(), measures: columns.filter((column) => rows.some((row) => column in row)).map((column) => measure(column, rows)) }));
}

function measure(column, rows) {
  const [word, write, direction, hint] = MEASURES[column]();
  const values = rows.map((row) => row[column]).filter((value) => typeof value === "number");
  const [most, least] = [Math.max(0, ...values), Math.min(...values)];
  return { column, word, write, hint, bar: direction !== 0 && values.length > 0, most, least, best: direction > 0 ? most : least };
}

/** A value as it is read, – where there is none. */
export const cellOf = ({ column, write }, value) => (value === undefined || (value === null && column !== "harms") ? "–" : write(value));

/** The rows that become columns, at most so many: the chosen VM's first where not all have room. */
export function columnsOf(rows, chosen, many) {
  const all = rows.map((row, at) => ({ row, at }));
  if (all.length <= many) return all;
  const first = all[chosen] ?? all[0];
  return [first, ...all.filter((each) => each !== first)].slice(0, many);
}
