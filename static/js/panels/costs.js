// What the host's work costs: presets, and each cost with its default, what was found, and its source.
import { ask } from "../commands.js";
import { $, $$, el, mark, write } from "../elements.js";
import { keyField, setKey } from "../keys.js";
import { say } from "../scales.js";

let box, socket, declared, select;
let built = "";

const PRESETS = {
  default: () => gettext("as by default"), none: () => gettext("nothing costs anything"), bare_metal: () => gettext("bare metal"), kvm_2012: () => gettext("KVM 2012"),
  kvm_today: () => gettext("KVM today"), nested: () => gettext("nested: a hypervisor in a VM"),
};

/** Wire the choice of a preset. */
export function mount(element, theSocket) {
  [box, socket] = [element, theSocket];
  declared = JSON.parse($("#policies")?.textContent ?? "{}").costs ?? { keys: {}, presets: {}, sources: {} };
  select = $("[name=preset]", box);
  const defaults = Object.fromEntries(Object.entries(declared.keys).map(([name, schema]) => [name, schema.default]));
  declared.presets = { default: defaults, ...declared.presets };
  select.onchange = async () => {
    if (!select.value) return;
    const answer = await ask(socket, select, { type: "set_costs", keys: declared.presets[select.value] });
    write($(".controls-row .refusal", box), answer.ok ? "" : answer.message);
  };
  box.addEventListener("toggle", () => (built = ""));
}

/** The preset that is in force: its name, or "" where single costs differ from all of them. */
export function presetOf(costs, presets) {
  const same = ([, values]) => Object.entries(costs).every(([name, value]) => values[name] === value);
  return Object.entries(presets).find(same)?.[0] ?? "";
}

/** Show what is in force. */
export function draw(model) {
  if (!box.open || !model.meta.costs) return;
  const { costs } = model.meta;
  const may = Boolean(socket.may?.steer);
  if (built !== `${may}`) make(model, costs, (built = `${may}`) === "true");
  const preset = presetOf(costs, declared.presets);
  if (document.activeElement !== select && select.value !== preset) select.value = preset;
  for (const field of $$("[data-key]", box)) {
    const name = field.dataset.key;
    setKey(field, costs[name]);
    const source = declared.sources[preset]?.[name] ?? declared.keys[name].source;
    write($(".cost-source", field), say(gettext("Source: %(source)s"), { source }));
  }
}

function make(model, costs, may) {
  const options = Object.keys(declared.presets).map((name) => el("option", { value: name }, PRESETS[name]?.() ?? name));
  select.replaceChildren(el("option", { value: "" }, gettext("of your own")), ...options);
  mark(select, "disabled", !may);
  const fields = Object.entries(declared.keys).filter(([name]) => name in costs).map(([name, schema]) => {
    const field = keyField(name, labelled(schema), { model, may });
    field.append(el("small", { class: "cost-source" }));
    return el("form", { class: "keys-form", novalidate: true, "data-command": "set_costs", "data-on": "change" }, field, el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  });
  $(".cost-keys", box).replaceChildren(...fields);
}

/** A cost's sentence with what was found in practice. */
const labelled = (schema) => ({ ...schema, description: schema.seen ? say(gettext("%(what)s (found: %(seen)s)"), { what: schema.description, seen: schema.seen.replace("..", "–") }) : schema.description });
