// Goals: those of the assignment that this lab is a copy for, each met or not yet, and its value.
import { $, el, svg, write } from "../elements.js";
import { say } from "../scales.js";

export const title = () => gettext("Goals");

let list, sum;

/** Wire the strip; the server has drawn the goals' words already. */
export function mount(element) {
  list = $("ul", element);
  sum = $(".sum", element);
}

/** Redraw when a goal is met, or no longer, or its value is another. */
export function draw(model, all) {
  if (!list || (!all && !model.changed.goals)) return;
  if (list.children.length !== model.goals.length) list.replaceChildren(...model.goals.map(() => el("li", {}, sign(false), el("span"))));
  model.goals.forEach((goal, at) => row(list.children[at], goal));
  const met = model.goals.filter((goal) => goal.met);
  const points = (goals) => Math.round(100 * goals.reduce((total, goal) => total + goal.points, 0)) / 100;
  if (model.goals.length) write(sum, say(gettext("%(n)s of %(all)s points"), { n: points(met), all: points(model.goals) }));
}

function row(node, goal) {
  const met = String(goal.met);
  if (node.dataset.met !== met) {
    node.dataset.met = met;
    node.classList.toggle("is-met", goal.met);
    $("svg", node).replaceWith(sign(goal.met));
    const said = $(".sr", node) ?? node.appendChild(el("span", { class: "sr" }));
    write(said, goal.met ? gettext("met") : gettext("not met yet"));
  }
  write($("span", node), goal.text);
  node.title = goal.sentence || goal.condition;
  const value = $("output", node) ?? node.appendChild(el("output"));
  write(value, valueOf(goal));
}

function valueOf({ value, condition, broken }) {
  if (broken?.length) return broken.join(", ");
  if (value === null || value === undefined) return "";
  const number = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return condition.trimEnd().endsWith("%") ? `${number} %` : number.toLocaleString();
}

const sign = (met) =>
  svg("svg", { "aria-hidden": "true", viewBox: "0 0 16 16" }, met
    ? svg("path", { d: "M3 8.5l3.2 3.2L13 4.8", "stroke-width": 2 })
    : svg("circle", { cx: 8, cy: 8, r: 6, "stroke-width": 1.5 }));
