// The timetable of arinc653 as a list of lines: which vCPU, for how long; in their order.
import { $, $$, el, icon } from "./elements.js";
import { say } from "./scales.js";

const LENGTH = 10_000; // µs of a line that is added

/** A group with its lines; what it sends is a list of {vm, vcpu, us}. `show(entries)` fills it. */
export function timetable(name, model) {
  const value = el("input", { type: "hidden", name, "data-type": "json", "data-empty": "omit" });
  const lines = el("ol");
  const add = el("button", { type: "button", class: "link" }, gettext("Add an entry"));
  const group = el("div", { class: "timetable", role: "group" }, lines, add, value);
  const changed = () => {
    value.value = JSON.stringify($$("li", lines).map(entryOf));
    lines.querySelector("select, input")?.dispatchEvent(new Event("change", { bubbles: true }));
  };
  add.onclick = () => {
    lines.append(line({ vm: model.meta.vms[0]?.name ?? null, vcpu: 0, us: LENGTH }, model, changed));
    changed();
  };
  lines.addEventListener("change", () => (value.value = JSON.stringify($$("li", lines).map(entryOf))));
  group.show = (entries) => {
    lines.replaceChildren(...entries.map((entry) => line(entry, model, changed)));
    value.value = entries.length ? JSON.stringify(entries) : "";
  };
  return group;
}

function entryOf(item) {
  const [who, us] = [$("select", item).value, $("input", item).value];
  const length = us.trim() === "" ? null : Number(us);
  if (!who) return { vm: null, us: length };
  const cut = who.lastIndexOf("/");
  return { vm: who.slice(0, cut), vcpu: Number(who.slice(cut + 1)), us: length };
}

function line({ vm, vcpu = 0, us }, model, changed) {
  const names = model.meta.vcpus.map((each) => `${model.meta.vms[each.vm].name}/${each.number}`);
  const options = names.map((name) => el("option", { value: name, selected: name === `${vm}/${vcpu}` }, name));
  const who = el("select", { "aria-label": gettext("vCPU") }, el("option", { value: "", selected: vm === null }, gettext("idle")), options);
  const length = el("input", { type: "number", min: 1, max: 10_000_000, value: us, "aria-label": gettext("for how many µs") });
  const away = el("button", { type: "button", class: "icon", "aria-label": say(gettext("Remove %(name)s"), { name: vm === null ? gettext("idle") : `${vm}/${vcpu}` }) }, icon("cross"));
  const item = el("li", {}, who, length, el("span", { class: "unit" }, "µs"), away);
  away.onclick = () => {
    item.remove();
    changed();
  };
  return item;
}
