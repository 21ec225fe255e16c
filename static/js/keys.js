// Controls for the keys that policies declare: a number, a flag, a word, a list, a set of pCPUs, a
// timetable; each with its unit, range and default, and a sentence that says what it is for.
import { $, $$, el, mark, write } from "./elements.js";
import { count, say } from "./scales.js";
import { timetable } from "./timetable.js";

const BOXES = 64; // pCPUs with a box each; of more their numbers are typed
let made = 0;

const NAMES = { pcpus: () => gettext("may run on"), prefers: () => gettext("prefers"), ticks: () => gettext("time slice") };
/** A key as it is read: underscores and its unit taken off. */
export const labelOf = (name) => NAMES[name]?.() ?? name.replace(/_(us|ms|ns|mib)$/, "").replaceAll("_", " ");

/** What a key may be, in words: 1..1,000 ms, by default 30. */
export function rangeOf({ type, minimum, maximum, default: otherwise, enum: words, items, "x-unit": unit = "" }) {
  if (type === "boolean" || words || unit === "pCPUs") return "";
  const low = minimum ?? items?.minimum;
  const high = maximum ?? items?.maximum;
  if (low === undefined) return "";
  const range = `${count(low)}–${count(high)}${unit ? ` ${unit}` : ""}`;
  return otherwise === null || otherwise === undefined ? range : say(gettext("%(range)s, by default %(value)s"), { range, value: count(otherwise) });
}

/**
 * A control for a key with its label, its words and the place of its refusal.
 * @param {string} name @param {object} schema @param {{model: object, prefix?: string, may?: boolean}} context
 */
export function keyField(name, schema, { model, prefix = "keys.", may = true }) {
  const id = `key-${++made}`;
  const full = `${prefix}${name}`;
  const words = el("small", { id: `${id}-words` }, [capital(schema.description), rangeOf(schema)].filter(Boolean).join(" · "));
  const said = el("span", { class: "refusal", id: `${id}-said`, "data-error-for": full, "aria-live": "polite" });
  const control = controlOf(full, schema, id, model);
  const input = control.matches("input, select") ? control : null;
  const unit = schema["x-unit"] && schema.type !== "array" ? el("span", { class: "unit" }, schema["x-unit"]) : null;
  if (input) attributesOf(input, id);
  for (const each of [control, ...$$("input, select, button", control)]) if (!may && "disabled" in each) each.disabled = true;
  const head = input ? el("label", { for: id }, labelOf(name)) : el("span", { class: "label", id: `${id}-label` }, labelOf(name));
  if (!input) attributes(control, id);
  return el("div", { class: `key kind-${kindOf(schema)}`, "data-key": name }, head, el("div", { class: "key-value" }, control, unit), words, said);
}

/** A sentence begins with a capital, but pCPU and vCPU keep their own. */
const capital = (text = "") => (/^[a-z](?![A-Z])/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

function attributesOf(input, id) {
  input.id = id;
  mark(input, "aria-describedby", `${id}-words ${id}-said`);
}

function attributes(group, id) {
  mark(group, "aria-labelledby", `${id}-label`);
  mark(group, "aria-describedby", `${id}-words`);
}

function kindOf({ type, enum: words, items, "x-unit": unit }) {
  if (words) return "choice";
  if (type === "boolean") return "flag";
  if (type !== "array") return "number";
  if (items.type === "object") return "timetable";
  return unit === "pCPUs" ? "cpus" : "list";
}

function controlOf(name, schema, id, model) {
  const kind = kindOf(schema);
  if (kind === "choice") return el("select", { name }, schema.enum.map((value) => el("option", { value }, value)));
  if (kind === "flag") return el("input", { type: "checkbox", name });
  if (kind === "number") return el("input", { type: "number", name, min: schema.minimum, max: schema.maximum, required: true });
  if (kind === "cpus") return cpuPicker(name, model);
  if (kind === "timetable") return timetable(name, model);
  return el("input", { name, "data-type": "list", "data-empty": "omit", autocomplete: "off", inputmode: "numeric", placeholder: "10, 20, 40" });
}

/** A box for each pCPU; all of them is the same as no pin. */
export function cpuPicker(name, model) {
  const n = model.meta.pcpus;
  if (n > BOXES) return el("input", { name, "data-type": "list", autocomplete: "off", placeholder: "0, 1, 2" });
  const value = el("input", { type: "hidden", name, "data-type": "list" });
  const boxes = Array.from({ length: n }, (_, p) =>
    el("label", { class: "cpu-box" }, el("input", { type: "checkbox", "data-cpu": p, "aria-label": say(gettext("pCPU %(n)s"), { n: p }) }), el("span", {}, String(p))));
  const group = el("div", { class: "cpus", role: "group" }, boxes, value);
  group.addEventListener("change", () => {
    value.value = $$("[data-cpu]", group).filter((box) => box.checked).map((box) => box.dataset.cpu).join(",");
  });
  return group;
}

/** Show the value in force; never under the hands of who is typing, nor what was refused. */
export function setKey(field, value) {
  const control = field.querySelector(".key-value").firstElementChild;
  if (field.contains(document.activeElement) || field.querySelector("[aria-invalid=true]")) return;
  const text = JSON.stringify(value ?? null);
  if (field.dataset.was === text) return;
  field.dataset.was = text;
  if (control.classList.contains("cpus")) return setCpus(control, value);
  if (control.classList.contains("timetable")) return control.show(value ?? []);
  if (control.type === "checkbox") control.checked = Boolean(value);
  else control.value = Array.isArray(value) ? value.join(", ") : (value ?? "");
}

function setCpus(group, value) {
  for (const box of $$("[data-cpu]", group)) box.checked = value === null || value === undefined || value.includes(Number(box.dataset.cpu));
  $("[type=hidden]", group).value = value?.join(",") ?? "";
}

/** Whether a policy reads a key that names its readers. */
export const reads = (policy, { policies }) => !policies || policies.includes(policy);

/** Write the sentence of a policy beside its choice. */
export const tell = (node, text) => write(node, text ?? "");
