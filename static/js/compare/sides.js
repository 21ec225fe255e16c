// The two runs of the comparison: a model, a socket and a looker each, always at the same tick.
import { createLooker } from "../look.js";
import { createModel, liveOf } from "../model.js";
import { startPainting } from "../paint.js";
import { connect } from "../socket.js";

/**
 * @typedef {object} Side
 * @property {number} run
 * @property {import("../model.js").Model} model
 * @property {object} socket
 * @property {object} looker
 */

/** Open both; `draw()` is called whenever one of them has something new. @returns {Side[]} */
export function openSides(config, { draw, refused, changed }) {
  return config.sides.map((side) => {
    const model = createModel();
    const socket = connect(side, model);
    const looker = createLooker((command) => socket.send(command));
    looker.onrefusal = refused;
    socket.onproblem = refused;
    socket.onstatus = (status, reason) => {
      if (status === "closed") looker.forget();
      changed(side.run, status, reason);
    };
    startPainting(model, socket, () => {
      looker.seen(model.state);
      draw();
    });
    return { run: side.run, model, socket, looker };
  });
}

/** How far a run has got. */
export const lastOf = ({ model }) => Math.max(model.state.last ?? 0, liveOf(model).tick);
/** Has the first sample of both come? */
export const ready = (sides) => sides.every(({ model }) => model.version > 0);
/** Is nothing under way on either side? */
export const settled = (sides) => sides.every(({ looker }) => looker.wish === null && !looker.busy);

/** Have both show a tick, each as far as it has got. */
export function lookBoth(sides, tick) {
  for (const side of sides) {
    const own = Math.min(tick, lastOf(side));
    const { state } = side.model;
    if (side.looker.wish === own || (side.looker.wish === null && state.past && state.tick === own)) continue;
    side.looker.look(own);
  }
}

/** Ticks as they are on the one clock: the later of the two where one run is over. */
export const tickOf = (sides) => Math.max(...sides.map(({ looker, model }) => looker.at(model.state)));
