// The tree of cgroups: each group's share, quota and limit of memory, edited while the machine runs; and
// how much of the limit its members have.
import { $$, el, mark, write } from "../elements.js";
import { keyField, setKey } from "../keys.js";
import { compact, count, percent, say } from "../scales.js";

const KEYS = ["weight", "quota_us", "period_us", "memory", "pids"];
const WORDS = {
  weight: () => gettext("share of its parent’s, beside its siblings"),
  quota_us: () => gettext("processor time in each period, of all in it together; 0: no limit"),
  period_us: () => gettext("the period of its quota"),
  memory: () => gettext("pages in memory of all in it; at the limit it gives up its own; 0: no limit"),
  pids: () => gettext("processes of all containers in it; 0: no limit"),
};
let built = "";

/** Show the section in `box`: made anew when there are other groups, else only refreshed. */
export function draw(box, model, may, schema) {
  const groups = model.meta.cgroups ?? [];
  box.hidden = !groups.length;
  if (!groups.length) return;
  const key = JSON.stringify([may, groups.map(({ name, parent }) => [name, parent])]);
  if (key !== built || !box.childElementCount) {
    built = key;
    box.replaceChildren(el("h3", {}, gettext("Cgroups")), el("p", { class: "hint" }, gettext("A group has a share, a quota and a limit of memory together for all who are in it, groups included.")), el("ul", { class: "cgroups" }, groups.map((group) => make(group, groups, model, may, schema))));
  }
  [...box.lastChild.children].forEach((item, row) => refresh(item, groups[row], row, model));
}

const depthOf = ({ parent }, groups) => (parent ? 1 + depthOf(groups.find(({ name }) => name === parent) ?? {}, groups) : 0);

function make(group, groups, model, may, schema) {
  const fields = KEYS.filter((name) => name in group && (!schema || name in (schema.properties ?? {}))).map((name) => {
    const own = plain(schema?.properties?.[name]);
    const field = keyField(name, { type: "integer", ...own, default: null, description: WORDS[name]() }, { model, may: may && Boolean(schema), prefix: "" });
    return el("form", { class: "keys-form", novalidate: true, "data-command": "set_cgroup", "data-on": "change" }, el("input", { type: "hidden", name: "cgroup", value: group.name }), field, el("span", { class: "refusal", "data-error-for": "cgroup", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  });
  return el("li", { "data-depth": Math.min(4, depthOf(group, groups)) }, el("h4", {}, group.name, " ", el("small")), el("div", { class: "cgroup-keys" }, fields));
}

/** A schema that may also be null, without the null. */
const plain = ({ anyOf, ...schema } = {}) => ({ ...schema, ...anyOf?.find(({ type }) => type !== "null") });

/** Whether the group `at` is `row`, or in it. */
const within = (at, row, groups) => at === row || (at >= 0 && within(groups.findIndex(({ name }) => name === groups[at].parent), row, groups));

function refresh(item, group, row, model) {
  for (const field of $$("[data-key]", item)) setKey(field, group[field.dataset.key]);
  const inside = model.meta.vms.map((vm, at) => at).filter((at) => within(model.meta.vms[at].cgroup, row, model.meta.cgroups));
  const members = inside.map((at) => model.meta.vms[at].name);
  const parts = [group.pod ? gettext("pod") : "", members.length > 6 ? say(gettext("%(n)s members"), { n: count(members.length) }) : members.join(", ")];
  const resident = inside.reduce((sum, at) => sum + (model.vm.resident?.[at] ?? 0), 0);
  parts.push(group.memory ? say(gettext("%(n)s of %(of)s pages, %(share)s"), { n: compact(resident), of: compact(group.memory), share: percent(resident / group.memory) }) : say(gettext("%(n)s pages"), { n: compact(resident) }));
  write(item.querySelector("small"), parts.filter(Boolean).join(" · "));
  mark(item, "data-full", String(Boolean(group.memory && resident >= group.memory)));
}
