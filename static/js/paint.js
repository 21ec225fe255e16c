// One animation frame for all panels, after samples have come; then the acknowledgement.
//
// A hidden tab gets no animation frames, so it acknowledges nothing and the server goes quiet: what
// it missed comes as one snapshot when it is looked at again.
import { drawn } from "./model.js";

/**
 * Draw whenever something came, at most once per animation frame.
 * @param {import("./model.js").Model} model
 * @param {{onsample: () => void, acknowledge: () => void}} socket
 * @param {(model: import("./model.js").Model) => void} draw  draws what is dirty and in sight
 * @returns {() => void} stops it
 */
export function startPainting(model, socket, draw, { frame = requestAnimationFrame } = {}) {
  let asked = false;
  let stopped = false;

  function paint() {
    asked = false;
    if (stopped) return;
    try {
      if (model.changed.any && model.version) draw(model);
    } catch (error) {
      console.error(error); // a panel that fails must not stop the stream
    }
    drawn(model);
    socket.acknowledge();
  }

  socket.onsample = () => {
    if (asked) return;
    asked = true;
    frame(paint);
  };
  return () => (stopped = true);
}
