// The run queue beside the lanes: who waits, in the order the policy will take them.
import { sizeOf } from "../colours.js";
import { el, keep, mark, rebadge, write } from "../elements.js";
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

/**
 * Refresh the chips. As many as there is room for stay on the page, unseen where nobody waits: to
 * add and remove them with every sample would cost more than all the rest of the timeline.
 */
export function draw(theModel) {
  model = theModel;
  const [, height] = sizeOf(list.parentElement);
  if (!height) return;
  const room = Math.max(3, Math.min(MOST, Math.floor((height - 40) / 20)));
  const waiting = order(model);
  const shown = Math.min(waiting.length, waiting.length > room ? room - 1 : room);
  keep(list, Array.from({ length: Math.max(room, shown) }, (_, k) => (k < shown ? waiting[k] : -1)), make, fill);
  empty.hidden = waiting.length > 0;
  more.hidden = waiting.length <= shown;
  write(more, say(gettext("and %(n)s more"), { n: count(waiting.length - shown) }));
}

const make = () => el("li", {}, el("button", { type: "button", class: "chip" }, el("i", { class: "badge small", "aria-hidden": "true" }), el("span")));

function fill(item, vcpu) {
  mark(item, "class", vcpu < 0 ? "off" : null);
  if (vcpu < 0) return;
  const button = item.firstChild;
  mark(button, "data-vcpu", vcpu);
  const { vm, name } = model.meta.vcpus[vcpu] ?? { vm: 0, name: "?" };
  rebadge(button.firstChild, model, vm);
  write(button.lastChild, name);
}
