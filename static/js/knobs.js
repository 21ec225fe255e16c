// A form for any command, from the schema the server states: what a fork may change.
import { el } from "./elements.js";

const LABELS = {
  vm: () => gettext("VM"), ticks: () => gettext("Ticks"), weight: () => gettext("Weight"), policy: () => gettext("Policy"), time_slice: () => gettext("Time slice"),
  scope: () => gettext("Victims"), device: () => gettext("Device"), mode: () => gettext("Mode"), name: () => gettext("Name"), description: () => gettext("Description"),
  memory: () => gettext("With memory"), linked: () => gettext("Linked"), snapshot: () => gettext("Snapshot"), every: () => gettext("Every"),
  backend: () => gettext("Physical device"), queue: () => gettext("Queue"), iops: () => gettext("Requests a second"), burst: () => gettext("Burst"), mib_per_s: () => gettext("MiB a second"), burst_kib: () => gettext("Burst, KiB"), preset: () => gettext("Preset"), threads: () => gettext("Threads"), busy_percent: () => gettext("Speed beside a busy thread"),
  io_weight: () => gettext("Weight"), cgroup: () => gettext("Cgroup"), quota_us: () => gettext("Quota"), period_us: () => gettext("Period"), pids: () => gettext("Processes"), deadline_us: () => gettext("Deadline"),
  full_every: () => gettext("Full each"), keep: () => gettext("Keep"), backup: () => gettext("Backup"), start: () => gettext("Start it"),
};

const VERBS = {
  set_time_slice: () => gettext("Time slice"), set_weight: () => gettext("Weight of a VM"), set_scheduler: () => gettext("Scheduler"), set_replacement: () => gettext("Page replacement"),
  set_pool: () => gettext("Pool of a VM"), plug_pcpu: () => gettext("Bring a pCPU online"), unplug_pcpu: () => gettext("Take a pCPU offline"), set_balloon: () => gettext("Balloon of a VM"),
  set_device_mode: () => gettext("Mode of a device"), map_device: () => gettext("Map a device"), unmap_device: () => gettext("Unplug a device"), set_queue: () => gettext("Queue of a device"), set_throttle: () => gettext("Throttle of a VM"), set_io_weight: () => gettext("Weight of a VM at fair devices"), add_device: () => gettext("Plug in a device"), set_cgroup: () => gettext("Limits of a cgroup"),
  set_costs: () => gettext("Costs"), set_smt: () => gettext("Threads of a core"), set_translation: () => gettext("Translation of pages"), set_overcommit: () => gettext("Overcommitted memory"), set_share: () => gettext("Shares of a VM"), start_vm: () => gettext("Start a VM"), pause_vm: () => gettext("Pause a VM"), resume_vm: () => gettext("Resume a VM"), stop_vm: () => gettext("Stop a VM"),
  take_snapshot: () => gettext("Take a snapshot"), revert_snapshot: () => gettext("Revert to a snapshot"), delete_snapshot: () => gettext("Delete a snapshot"), clone_vm: () => gettext("Clone a VM"),
  make_template: () => gettext("Make a template"), set_backup: () => gettext("Set the backup"), run_backup: () => gettext("Back up now"), lose_disk: () => gettext("Lose a disk"), restore_backup: () => gettext("Restore a backup"),
};

const readable = (name) => name.replaceAll("_", " ");
export const verbOf = (type) => VERBS[type]?.() ?? readable(type);

/**
 * The fields of a command's schema; null where one of them is too deep for a form.
 * @returns {{name: string, kind: string, optional: boolean, choices?: string[], low?: number, high?: number, unit?: string, initial: *}[]|null}
 */
export function fieldsOf(schema) {
  const required = new Set(schema.required ?? []);
  const fields = [];
  for (const [name, stated] of Object.entries(schema.properties ?? {})) {
    const options = stated.anyOf ?? [stated];
    const own = options.find((each) => each.type !== "null") ?? stated;
    const optional = options.some((each) => each.type === "null") || !required.has(name);
    const kind = kindOf(name, own);
    if (kind === null && optional) continue; // keys of policies: by default as they are
    if (kind === null) return null;
    fields.push({ name, kind, optional, choices: own.enum, low: own.minimum, high: own.maximum, unit: own["x-unit"], initial: stated.default ?? null });
  }
  return fields;
}

function kindOf(name, { type, enum: choices }) {
  if (choices) return "choice";
  if (type === "integer" || type === "number") return "number";
  if (type === "boolean") return "flag";
  if (type !== "string") return null;
  return name === "vm" || name === "device" ? name : "text";
}

/** The commands that fit into a form: [type, fields]. @param {Object<string, object>} schemas */
export const knobsOf = (schemas) => Object.entries(schemas).map(([type, schema]) => [type, fieldsOf(schema)]).filter(([, fields]) => fields !== null);

/** A labelled input for a field, named `prefix.name`. */
export function inputOf(field, model, prefix) {
  const name = `${prefix}.${field.name}`;
  const label = LABELS[field.name]?.() ?? readable(field.name);
  const said = el("span", { class: "refusal", "data-error-for": name, "aria-live": "polite" });
  if (field.kind === "flag") return el("label", { class: "tick-box" }, el("input", { type: "checkbox", name, checked: field.initial === true }), el("span", {}, label), said);
  return el("label", {}, field.unit && field.unit !== field.name ? `${label} (${field.unit})` : label, control(field, model, name), said);
}

function control({ kind, choices, low, high, optional, initial }, model, name) {
  const option = (value, words = readable(value)) => el("option", { value, selected: value === initial }, words);
  const none = optional ? [el("option", { value: "" }, "–")] : [];
  if (kind === "choice") return el("select", { name }, none, choices.map((each) => option(each)));
  if (kind === "vm") return el("select", { name }, optional ? [el("option", { value: "" }, gettext("the host"))] : [], model.meta.vms.map((vm) => option(vm.name, vm.name)));
  if (kind === "device") {
    const names = new Set([...model.meta.vdevices, ...model.meta.devices].map((each) => each.name));
    return el("select", { name }, none, [...names].map((each) => option(each, each)));
  }
  if (kind === "number") return el("input", { type: "number", name, min: low, max: high, required: !optional, value: initial ?? (optional ? "" : low) });
  return el("input", { name, required: !optional, maxlength: 500, autocomplete: "off", value: initial ?? "" });
}
