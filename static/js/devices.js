// Devices in words and figures, for the views of their panel: kinds, modes, queues, latencies.
import { el, mark } from "./elements.js";
import { duration, say } from "./scales.js";

/** Words for a mode. */
export const modeWord = (mode) =>
  ({ emulated: gettext("emulated"), paravirtual: gettext("paravirtual"), vhost: "vhost", vf: gettext("VF"), passthrough: gettext("passthrough") })[mode] ?? mode;

/** Words for the kind of a physical device. */
export const sortOf = (kind) =>
  ({ disk: gettext("disk"), nic: gettext("network"), console: gettext("console"), timer: gettext("timer"), gpu: gettext("GPU"), usb: gettext("USB"), char: gettext("character device"), switch: gettext("switch") })[kind] ?? kind;

const QUEUES = { fifo: () => gettext("first come"), fair: () => gettext("fair per VM"), deadline: () => gettext("deadline") };

/** A form that says who is served next, and where its refusal stands. */
export function queueForm(may) {
  const said = (name) => el("span", { class: "refusal", "data-error-for": name, "aria-live": "polite" });
  const options = Object.entries(QUEUES).map(([name, words]) => el("option", { value: name }, words()));
  return el("form", { "data-command": "set_queue", "data-on": "change", novalidate: true }, el("input", { type: "hidden", name: "device" }), el("select", { name: "queue", disabled: !may }, options), said("queue"), said(""));
}

/** Show the queue in force, never under the hands of who is choosing. */
export function refreshQueue(form, device) {
  const { queue } = form.elements;
  form.elements.device.value = device.name;
  mark(queue, "aria-label", say(gettext("Who is served next by %(name)s"), device));
  if (document.activeElement !== queue && device.queue) queue.value = device.queue;
}

/** A latency in µs as it is read; – where no request is complete. */
export const latencyOf = (us) => (us === undefined || us === null || Number.isNaN(us) ? "–" : duration(Math.round(us * 1000)));

/** What a burst is where none is named: a tenth of a second's, at least one request. */
export const usualBurst = (iops) => Math.max(1, Math.floor(iops / 10));
export const usualBurstKib = (mib) => Math.floor((mib * 1024) / 10);

/** The values of a VM's form of limits: what holds by itself is left empty, for its placeholder to say. */
export function limitsShown({ iops = 0, burst = 0, mib_per_s: mib = 0, burst_kib: kib = 0 } = {}) {
  const own = (value, usual, limit) => (!limit || !value || value === usual ? "" : String(value));
  return { iops: iops ? String(iops) : "", burst: own(burst, usualBurst(iops), iops), mib_per_s: mib ? String(mib) : "", burst_kib: own(kib, usualBurstKib(mib), mib) };
}

let busyBefore = null; // {now, tick, busy, share}: as of the last look
/** Share of its channels' time a device was busy, over the last second or so of looking. */
export function utilisation(model, row) {
  const now = performance.now();
  const { tick } = model.state;
  if (!busyBefore || tick < busyBefore.tick || busyBefore.share.length !== model.meta.devices.length) busyBefore = { now, tick: 0, busy: model.meta.devices.map(() => 0), share: model.meta.devices.map(() => 0) };
  const before = busyBefore;
  if ((row === 0 && now - before.now > 1000 && tick > before.tick) || before.tick === 0) {
    const span = (tick - before.tick) * model.meta.tick_us * 1000;
    const share = model.meta.devices.map((d, k) => (span ? Math.min(1, (model.device.busy_ns[k] - before.busy[k]) / (span * d.channels)) : 0));
    busyBefore = { now, tick, busy: [...(model.device.busy_ns ?? [])], share };
  }
  return Math.max(0, busyBefore.share[row] ?? 0);
}

