// Reading a miss-ratio curve between the sizes it was counted at.

/** The misses in so many frames: between two sizes on the line between them. @param {number[]} frames @param {number[]} misses */
export function missesAt(frames, misses, size) {
  if (!frames.length) return 0;
  if (size >= frames.at(-1)) return misses.at(-1);
  let k = frames.findIndex((each) => each > size);
  if (k <= 0) return misses[0];
  const part = (size - frames[k - 1]) / (frames[k] - frames[k - 1]);
  return misses[k - 1] + part * (misses[k] - misses[k - 1]);
}

/** The faults of a VM's next references when it has `by` frames more than now. */
export const faultsAt = (curve, by) => Math.round(missesAt(curve.frames, curve.next, Math.max(0, curve.resident + by)));

/** Sums of what is predicted. @param {{before: number, after: number}[]} rows */
export const together = (rows) => rows.reduce((sum, { before, after }) => ({ before: sum.before + before, after: sum.after + after }), { before: 0, after: 0 });
