// What somebody asked of a run, as a sentence: for the log, the time bar and the undo button.
import { count, say } from "./scales.js";

/** @type {Object<string, (values: object) => string>} */
const DEEDS = {
  play: () => gettext("let the machine run"),
  pause: () => gettext("paused the machine"),
  reset: () => gettext("reset the run"),
  step: () => gettext("stepped %(ticks)s ticks"),
  next_event: () => gettext("stepped to the next event"),
  speed: (v) => (v.ticks_per_s === 0 ? gettext("set the speed to flat out") : gettext("set the speed to %(ticks)s ticks/s")),
  run_to: (v) => goalWords(v),
  undo: () => gettext("undid the last command"),
  redo: () => gettext("did again what was undone"),
  switch: () => gettext("went over to run %(run)s"),
  fork: () => gettext("forked the run"),
  name_run: () => gettext("named run %(run)s “%(name)s”"),
  delete_run: () => gettext("deleted run %(run)s"),
  restore_run: () => gettext("restored run %(run)s"),
  set_time_slice: (v) => (v.vm ? gettext("set the time slice of %(vm)s to %(ticks)s ticks") : gettext("set the host's time slice to %(ticks)s ticks")),
  set_weight: () => gettext("set the weight of %(vm)s to %(weight)s"),
  set_scheduler: (v) => (some(v.keys) ? gettext("set the scheduler to %(policy)s: %(keys)s") : gettext("set the scheduler to %(policy)s")),
  set_share: () => gettext("set for %(vm)s: %(keys)s"),
  set_pool: () => gettext("moved %(vm)s to pool %(pool)s"),
  plug_pcpu: () => gettext("brought pCPU %(pcpu)s online"),
  unplug_pcpu: () => gettext("took pCPU %(pcpu)s offline"),
  set_replacement: (v) => (some(v.keys) ? gettext("set the page replacement to %(policy)s: %(keys)s") : gettext("set the page replacement to %(policy)s")),
  set_overcommit: () => gettext("set for overcommitted memory: %(keys)s"),
  set_balloon: () => gettext("set the balloon of %(vm)s to %(pages)s pages"),
  set_device_mode: () => gettext("set %(device)s of %(vm)s to %(mode)s"),
  map_device: (v) => (v.mode ? gettext("mapped %(device)s of %(vm)s to %(backend)s, %(mode)s") : gettext("mapped %(device)s of %(vm)s to %(backend)s")),
  unmap_device: () => gettext("unplugged %(device)s of %(vm)s"),
  set_queue: () => gettext("set the queue of %(device)s to %(queue)s"),
  set_throttle: (v) => limitWords(v),
  set_io_weight: () => gettext("set the weight of %(vm)s at fair devices to %(io_weight)s"),
  add_device: (v) => (v.mode ? gettext("plugged %(name)s on %(backend)s into %(vm)s, %(mode)s") : gettext("plugged %(name)s on %(backend)s into %(vm)s")),
  set_cgroup: () => gettext("set for the cgroup %(cgroup)s: %(keys)s"),
  set_translation: (v) => (v.keys ? gettext("set the translation of pages") : gettext("let translation cost nothing")),
  set_costs: (v) => (v.preset ? (some(v.keys) ? gettext("set the costs to %(preset)s with %(keys)s") : gettext("set the costs to %(preset)s")) : gettext("set costs: %(keys)s")),
  set_smt: () => gettext("set threads of a core to %(threads)s"),
  add_vm: () => gettext("added the VM %(name)s"),
  start_vm: () => gettext("started %(vm)s"),
  pause_vm: () => gettext("paused %(vm)s"),
  resume_vm: () => gettext("resumed %(vm)s"),
  stop_vm: () => gettext("stopped %(vm)s"),
  take_snapshot: (v) => (v.memory ? gettext("took the snapshot %(name)s of %(vm)s with its memory") : gettext("took the snapshot %(name)s of %(vm)s")),
  revert_snapshot: () => gettext("took %(vm)s back to the snapshot %(snapshot)s"),
  delete_snapshot: () => gettext("deleted the snapshot %(snapshot)s of %(vm)s"),
  clone_vm: (v) => (v.linked ? gettext("cloned %(vm)s as %(name)s, linked to its disks") : gettext("cloned %(vm)s as %(name)s")),
  make_template: () => gettext("made %(vm)s a template"),
  set_backup: () => gettext("set the backup of %(vm)s"),
  run_backup: () => gettext("backed up %(vm)s"),
  lose_disk: () => gettext("had %(vm)s lose a disk"),
  restore_backup: () => gettext("restored %(vm)s from its backup"),
};

const some = (keys) => Boolean(keys) && Object.keys(keys).length > 0;
/** Keys and their values in one line. */
const keyWords = (keys) => (keys && typeof keys === "object" ? Object.entries(keys).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ") : "");

/** What is given of a command's fields, but those that say whom it is for. */
const keysBut = (values, names) => Object.fromEntries(Object.entries(values).filter(([name, value]) => !names.includes(name) && value !== null));

function limitWords({ iops, mib_per_s: mib }) {
  if (iops && mib) return gettext("limited %(vm)s to %(iops)s requests/s and %(mib_per_s)s MiB/s");
  if (iops) return gettext("limited %(vm)s to %(iops)s requests/s");
  return mib ? gettext("limited %(vm)s to %(mib_per_s)s MiB/s") : gettext("took the limits of %(vm)s away");
}

function goalWords({ tick, event }) {
  if (tick !== undefined && tick !== null) return gettext("ran to tick %(tick)s");
  return event ? gettext("ran to the next event of the kind %(event)s") : gettext("ran until %(condition)s");
}

/** The sentence of a command; its own name where it is one nobody told us of. */
export function deedWords(command, values = {}) {
  const template = DEEDS[command]?.(values);
  if (!template) return command.replaceAll("_", " ");
  const ticks = values.ticks ?? values.ticks_per_s;
  const name = typeof values.vm === "object" ? (values.vm?.name ?? "") : (values.name ?? "");
  const keys = command === "set_cgroup" ? keysBut(values, ["cgroup", "type"]) : values.keys;
  const tick = typeof values.tick === "number" ? count(values.tick) : values.tick;
  return say(template, { ...values, ticks, name, tick, keys: keyWords(keys) });
}

/** “alice set the weight of web to 512”, with the refusal where it was one. */
export function entryWords({ user, command, arguments: values = {}, accepted, sentence }) {
  const did = `${user} ${deedWords(command, values)}`;
  return accepted === false ? say(gettext("%(did)s (refused: %(why)s)"), { did, why: sentence }) : did;
}
