// A line of the devices' panel is dragged by its end, or from its name, to another physical device. Who
// has no pointer chooses the same beside the mode.
import { svg } from "../elements.js";

/**
 * Let lines be dragged.
 * @param {Element} element  the panel
 * @param {{wires: Element, list: Element, physical: Element, shown: () => number[], may: () => boolean, map: (row: number, device: number) => void}} on
 */
export function dragged(element, on) {
  let held = null; // {row, path}
  element.addEventListener("pointerdown", (event) => {
    const row = rowUnder(event, on);
    if (row < 0 || !on.may() || event.button) return;
    event.preventDefault();
    held = { row, path: on.wires.appendChild(svg("path", { class: "drawn" })) };
    element.setPointerCapture(event.pointerId);
    element.classList.add("drags");
  });
  element.addEventListener("pointermove", (event) => {
    if (!held) return;
    draw(held, event, on);
    const at = deviceUnder(event, on);
    [...on.physical.children].forEach((item, device) => item.classList.toggle("target", device === at));
  });
  const end = (event) => {
    if (!held) return;
    const { row, path } = held;
    held = null;
    path.remove();
    element.classList.remove("drags");
    for (const item of on.physical.children) item.classList.remove("target");
    const device = event.type === "pointerup" ? deviceUnder(event, on) : -1;
    if (device >= 0) on.map(row, device);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  document.addEventListener("keydown", (event) => event.key === "Escape" && held && end(event));
}

/** The virtual device whose line or name is under the pointer; −1 for none. */
function rowUnder(event, { list, shown }) {
  const wire = event.target.closest?.("[data-row]");
  if (wire?.ownerSVGElement) return Number(wire.dataset.row);
  if (event.pointerType === "touch") return -1; // a finger on a name scrolls
  const named = event.target.closest?.(".named");
  return named && list.contains(named) ? (shown()[[...list.children].indexOf(named.closest("li"))] ?? -1) : -1;
}

function deviceUnder({ clientX: x, clientY: y }, { physical }) {
  return [...physical.children].findIndex((item) => {
    const box = item.getBoundingClientRect();
    return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
  });
}

/** A line from the device's name to the pointer. */
function draw({ row, path }, event, { wires, list, shown }) {
  const box = wires.getBoundingClientRect();
  const from = list.children[shown().indexOf(row)]?.getBoundingClientRect();
  if (!from) return;
  path.setAttribute("d", `M0 ${from.top + from.height / 2 - box.top}L${event.clientX - box.left} ${event.clientY - box.top}`);
}
