// The time bar's arithmetic: ticks and places, marks and which of them is next or near.

/** Ticks from `first` to `last` over `width` pixels, `edge` of them left free on both sides. */
export function scaleOf(first, last, width, edge = 0) {
  const span = Math.max(1, last - first);
  const room = Math.max(1, width - 2 * edge);
  const clamp = (tick) => Math.max(first, Math.min(last, tick));
  return {
    first, last,
    x: (tick) => edge + ((clamp(tick) - first) / span) * room,
    tick: (x) => clamp(Math.round(first + ((x - edge) / room) * span)),
  };
}

/**
 * @typedef {object} Mark
 * @property {number} tick
 * @property {"journal"|"refused"|"checkpoint"|"fork"|"origin"|"note"} kind
 * @property {object} of   the journal entry, the run or the note it stands for
 */

/** Controls that say when the machine advances: they leave no mark, for they change nothing. */
export const QUIET = new Set(["play", "pause", "step", "next_event", "speed", "run_to", "reset", "switch", "undo", "redo", "fork", "name_run", "delete_run", "restore_run"]);

/** Everything the bar marks, in the order of ticks. @returns {Mark[]} */
export function marksOf({ journal = [], timebar = {}, runs = [], chat = [], state }) {
  const marks = (timebar.checkpoints ?? []).map((tick) => ({ tick, kind: "checkpoint", of: null }));
  for (const entry of journal) {
    if (QUIET.has(entry.command)) continue;
    marks.push({ tick: entry.tick, kind: entry.accepted === false ? "refused" : "journal", of: entry });
  }
  for (const note of chat) {
    if (note.tick !== null && note.kind === "note" && note.run === state.run) marks.push({ tick: note.tick, kind: "note", of: note });
  }
  for (const run of runs) {
    if (run.deleted || run.fork_tick === null || run.fork_tick === undefined) continue;
    if (run.parent === state.run) marks.push({ tick: run.fork_tick, kind: "fork", of: run });
    if (run.number === state.run) marks.push({ tick: run.fork_tick, kind: "origin", of: run });
  }
  return marks.sort((a, b) => a.tick - b.tick);
}

/** The first mark after (by 1) or before (by −1) a tick that is worth a stop; null for none. */
export function nextMark(marks, tick, by) {
  const stops = marks.filter((mark) => mark.kind !== "checkpoint");
  const found = by > 0 ? stops.find((mark) => mark.tick > tick) : stops.findLast((mark) => mark.tick < tick);
  return found ?? null;
}

/** Marks within `reach` pixels of a place, nearest first. */
export function near(marks, scale, x, reach) {
  const away = (mark) => Math.abs(scale.x(mark.tick) - x);
  return marks.filter((mark) => mark.tick >= scale.first && mark.tick <= scale.last && away(mark) <= reach).sort((a, b) => away(a) - away(b));
}

/** One mark per pixel and kind: a run may have ten thousand commands. @returns {Map<string, {x: number, n: number, mark: Mark}>} */
export function thinned(marks, scale) {
  const places = new Map();
  for (const mark of marks) {
    if (mark.tick < scale.first || mark.tick > scale.last) continue;
    const x = Math.round(scale.x(mark.tick));
    const key = `${mark.kind}|${x}`;
    const place = places.get(key);
    if (place) place.n++;
    else places.set(key, { x, n: 1, mark });
  }
  return places;
}
