// The run queue beside the lanes: who waits, in the order the policy will take them.
import { sizeOf } from "../colours.js";
import { badge, el, keep, write } from "../elements.js";
import { count, say } from "../scales.js";

const MOST = 24;
let list, more, empty, model, onPick;

/** Wire the column; `pick(vcpu)` is called for a chosen chip. */
export function mount(element, theModel, pick) {
  model = theModel;
  onPick = pick;
  list = element.querySelector("ol");
  more = element.querySelector(".more");
  empty = element.querySelector(".nobody");
  list.addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (chip) onPick(Number(chip.dataset.vcpu));
  });
}

/**
 * Waiting vCPUs, next first. Stride takes the least pass, so its queue is shown in that order;
 * the others are shown as they stand.
 */
export function order(theModel) {
  const rows = [...theModel.queue];
  if (theModel.meta.scheduler?.policy !== "stride") return rows;
  const pass = theModel.vcpu.pass;
  return pass ? rows.sort((a, b) => pass[a] - pass[b] || a - b) : rows;
}

/** Refresh the chips. */
export function draw(theModel) {
  model = theModel;
  const [, height] = sizeOf(list.parentElement);
  if (!height) return;
  const room = Math.max(3, Math.min(MOST, Math.floor((height - 40) / 20)));
  const waiting = order(model);
  const rows = waiting.slice(0, waiting.length > room ? room - 1 : room);
  keep(list, rows, () => el("li", {}, el("button", { type: "button", class: "chip" })), fill);
  empty.hidden = waiting.length > 0;
  more.hidden = waiting.length <= rows.length;
  write(more, say(gettext("and %(n)s more"), { n: count(waiting.length - rows.length) }));
}

function fill(item, vcpu) {
  const button = item.firstChild;
  if (button.dataset.vcpu === String(vcpu) && button.dataset.vms === String(model.meta.vms.length)) return;
  button.dataset.vcpu = vcpu;
  button.dataset.vms = model.meta.vms.length;
  const { vm, name } = model.meta.vcpus[vcpu] ?? { vm: 0, name: "?" };
  button.replaceChildren(badge(model, vm, true), el("span", {}, name));
}
