// A uPlot chart drawn into a recorder: a second chart with the same options, whose canvas hands
// out the recorder as its context for as long as it is made.
import { WrittenPath } from "./paths.js";

/**
 * @param {object} recorder
 * @param {(box: HTMLElement) => object} build  makes the chart in a box and returns it
 */
export async function recorded(recorder, build) {
  const { getContext } = HTMLCanvasElement.prototype;
  const { Path2D: Path } = window;
  const box = document.createElement("div");
  HTMLCanvasElement.prototype.getContext = () => recorder;
  window.Path2D = WrittenPath;
  try {
    const chart = build(box);
    await null; // uPlot draws in a microtask after it is made
    await null;
    chart.destroy();
  } finally {
    HTMLCanvasElement.prototype.getContext = getContext;
    window.Path2D = Path;
  }
}
