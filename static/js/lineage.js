// The tree of a lab's runs as lines: which run stands where, and which branches pass by.

/**
 * @typedef {object} Line
 * @property {object} run
 * @property {number} depth
 * @property {number} parent    index of its parent's line, −1 for none
 * @property {number[]} passing   ticks at which branches of others pass this line
 */

/** Runs in the order of their branches, every child below its parent. @returns {Line[]} */
export function lineage(runs) {
  const known = new Map(runs.map((run) => [run.number, run]));
  const children = new Map();
  for (const run of runs) {
    const key = known.has(run.parent) && run.parent !== run.number ? run.parent : null;
    if (!children.has(key)) children.set(key, []);
    children.get(key).push(run);
  }
  const lines = [];
  const seen = new Set();
  const put = (run, depth, parent) => {
    if (seen.has(run.number)) return;
    seen.add(run.number);
    const index = lines.push({ run, depth, parent, passing: [] }) - 1;
    for (const child of (children.get(run.number) ?? []).sort((a, b) => a.number - b.number)) put(child, depth + 1, index);
  };
  for (const run of (children.get(null) ?? []).sort((a, b) => a.number - b.number)) put(run, 0, -1);
  for (const run of runs) put(run, 0, -1); // a ring of parents, which no server should send
  lines.forEach((line, index) => {
    for (let k = line.parent + 1; line.parent >= 0 && k < index; k++) lines[k].passing.push(line.run.fork_tick ?? 0);
  });
  return lines;
}

/** Ticks at which children leave this line. */
export const leaving = (lines, index) => lines.filter((line) => line.parent === index).map((line) => line.run.fork_tick ?? 0);
