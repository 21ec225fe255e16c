// Every key of the policies in force while the machine runs: the scheduler's, those of the chosen
// VM, the page replacement's. The controls are made from what the policies themselves declare.
import { $, badge, el, mark, write } from "../elements.js";
import { keyField, labelOf, reads, setKey } from "../keys.js";
import { choose, chosen, chosenNumber, onChoice } from "../layout.js";
import { count, say } from "../scales.js";
import * as cgroups from "./cgroups.js";
import * as pcpus from "./pcpus.js";

export const title = () => gettext("Policies");
export const pace = 200;

let element, model, socket, declared, schemas;
const built = { host: "", pools: "", vm: "", replacement: "" };

/** Wire the panel: it is folded until somebody opens it, and the link remembers. */
export function mount(theElement, theModel, theSocket) {
  [element, model, socket] = [theElement, theModel, theSocket];
  declared = JSON.parse($("#policies")?.textContent ?? "{}");
  schemas = JSON.parse($("#command-schemas")?.textContent ?? "{}");
  const fold = $("[data-fold]", element);
  const show = () => {
    const open = chosen("knobs") === "1";
    element.classList.toggle("is-folded", !open);
    mark(fold, "aria-expanded", String(open));
    $(".knobs", element).hidden = !open;
    draw(model, true);
  };
  fold.onclick = () => choose({ knobs: chosen("knobs") === "1" ? null : 1 });
  onChoice((changes) => ("knobs" in changes || "vm" in changes) && show());
  show();
}

/** Make the controls of the policies in force, and show the values in force. */
export function draw(theModel, all) {
  model = theModel;
  if (!model.version) return;
  const { scheduler, replacement } = model.meta;
  if (all || model.changed.meta) summary(scheduler, replacement);
  const slice = document.getElementById("time-slice")?.form;
  if (slice && declared.slices) slice.hidden = !declared.slices[scheduler.policy];
  if ($(".knobs", element).hidden) return;
  atHome();
  pcpus.draw($('[data-knobs="pcpus"]', element), model, may(), declared.labels?.scheduler ?? {});
  cgroups.draw($('[data-knobs="cgroups"]', element), model, may(), schemas.set_cgroup);
  host(scheduler);
  pools();
  ofVm(scheduler);
  memory(replacement);
}

/** The policies in force and their keys, in one line: what a folded panel tells. */
function summary({ policy, keys = {}, time_slice: slice }, replacement) {
  const parts = Object.entries(keys).filter(([, value]) => !Array.isArray(value)).map(([name, value]) => [labelOf(name), shown(value), declared.host?.[policy]?.[name]?.["x-unit"]].filter(Boolean).join(" "));
  if (declared.slices?.[policy]) parts.unshift(say(gettext("slice %(n)s"), { n: slice }));
  write($("#knobs-sub"), [policy.replaceAll("_", " "), ...parts].join(" · ") + ` · ${replacement.policy.replaceAll("_", " ")}`);
}

const shown = (value) => (value === true ? gettext("yes") : value === false ? gettext("no") : typeof value === "number" ? count(value) : String(value));

/** Where the scenario follows OSTEP's rules: the command that gives the same numbers at home. */
function atHome() {
  const command = model.meta.at_home;
  const line = $(".at-home", element);
  line.hidden = !command;
  if (command) write($("code", line), command);
}

/** Make a section anew when what it is about has changed; tells whether it did. */
function renew(name, key, make) {
  if (built[name] === key) return;
  built[name] = key;
  const box = $(`[data-knobs="${name}"]`, element);
  box.replaceChildren(...make());
}

const may = () => Boolean(socket.may?.steer);
const context = () => ({ model, may: may() });

function form(command, hidden, fields) {
  const inputs = Object.entries(hidden).map(([name, value]) => el("input", { type: "hidden", name, value }));
  const over = [...Object.keys(hidden), "keys", ""].map((name) => el("span", { class: "refusal", "data-error-for": name, "aria-live": "polite" }));
  return el("form", { class: "keys-form", novalidate: true, "data-command": command, "data-on": "change" }, inputs, fields, over);
}

const none = (words) => el("p", { class: "hint" }, words);

function host({ policy, keys = {}, time_slice: slice }) {
  const known = declared.host?.[policy] ?? {};
  renew("host", `${policy}|${model.meta.pcpus}|${model.meta.vms.length}|${may()}`, () => {
    const fields = Object.entries(known).map(([name, schema]) => keyField(name, schema, context()));
    const slices = declared.slices?.[policy] ? [form("set_time_slice", {}, [keyField("ticks", sliceSchema(), { ...context(), prefix: "" })])] : [];
    return [
      el("h3", {}, gettext("Scheduler: "), policy.replaceAll("_", " ")),
      none(declared.labels?.scheduler?.[policy] ?? ""),
      ...slices,
      fields.length ? form("set_scheduler", { policy }, fields) : none(slices.length ? "" : gettext("This policy has no keys of the host.")),
    ];
  });
  fill("host", { ...keys, ticks: slice });
}

/** The keys of the other pools' schedulers: each pool has a policy of its own. */
function pools() {
  const others = (model.meta.pools ?? []).slice(1);
  const box = $('[data-knobs="pools"]', element);
  box.hidden = !others.length;
  if (!others.length) return;
  renew("pools", `${others.map(({ name, policy }) => `${name} ${policy}`)}|${may()}`, () => others.map((pool) => {
    const known = Object.entries(declared.host?.[pool.policy] ?? {}).filter(([name]) => name in (pool.keys ?? {}));
    const slice = declared.slices?.[pool.policy] ? [keyField("time_slice", sliceSchema(), { ...context(), prefix: "" })] : [];
    const fields = known.map(([name, schema]) => keyField(name, schema, context()));
    const own = [...slice, ...fields].map((field) => form("set_scheduler", { policy: pool.policy, pool: pool.name }, [field]));
    return el("div", { "data-pool": pool.name }, el("h3", {}, say(gettext("Pool %(name)s: "), pool), pool.policy.replaceAll("_", " ")), ...(own.length ? own : [none(gettext("This policy has no keys of the host."))]));
  }));
  for (const pool of others) {
    const fields = element.querySelectorAll(`[data-pool="${CSS.escape(pool.name)}"] [data-key]`);
    for (const field of fields) setKey(field, field.dataset.key === "time_slice" ? pool.time_slice : pool.keys?.[field.dataset.key]);
  }
}

const sliceSchema = () => ({ type: "integer", minimum: 1, maximum: 100_000, "x-unit": gettext("ticks"), default: 30, description: gettext("time slice: ticks a vCPU may run before it is preempted") });

/** Each key of a VM is sent by itself: what is left out stays as it is. */
function ofVm({ policy }) {
  const row = Math.min(chosenNumber("vm", 0), model.meta.vms.length - 1);
  const vm = model.meta.vms[row];
  policy = model.meta.pools?.[vm?.pool]?.policy ?? policy; // that of its own pool
  if (!vm) return renew("vm", "none", () => [el("h3", {}, gettext("VM")), none(gettext("This lab has no VM yet."))]);
  renew("vm", `${policy}|${vm.name}|${model.meta.pcpus}|${model.meta.pools?.length}|${may()}`, () => {
    const known = Object.entries(declared.vm ?? {}).filter(([, schema]) => reads(policy, schema));
    const weight = form("set_weight", { vm: vm.name }, [keyField("weight", weightSchema(), { ...context(), prefix: "" })]);
    const pools = model.meta.pools ?? [];
    const pool = pools.length > 1 ? [form("set_pool", { vm: vm.name }, [keyField("pool", { enum: pools.map(({ name }) => name), description: gettext("pool of pCPUs it runs in, under that pool’s scheduler") }, { ...context(), prefix: "" })])] : [];
    const others = known.map(([name, schema]) => form("set_share", { vm: vm.name }, [keyField(name, schema, context())]));
    return [el("h3", {}, gettext("VM: "), badge(model, row), vm.name), none(gettext("Choose another one in the tree.")), weight, ...pool, ...others];
  });
  fill("vm", { weight: vm.weight, pool: model.meta.pools?.[vm.pool]?.name, ...vm.keys });
}

const weightSchema = () => ({ type: "integer", minimum: 1, maximum: 262_144, default: 256, description: gettext("share of the processor, tickets under lottery") });

function memory({ policy, scope, keys = {} }) {
  renew("replacement", `${policy}|${scope}|${may()}`, () => {
    const known = Object.entries(declared.replacement ?? {}).filter(([name, schema]) => name in keys && reads(policy, schema));
    const fields = known.map(([name, schema]) => keyField(name, schema, context()));
    return [
      el("h3", {}, gettext("Page replacement: "), policy.replaceAll("_", " ")),
      none(declared.labels?.replacement?.[policy] ?? ""),
      fields.length ? form("set_replacement", { policy, scope }, fields) : none(gettext("This policy has no keys.")),
    ];
  });
  fill("replacement", keys);
}

function fill(name, values) {
  for (const field of element.querySelectorAll(`[data-knobs="${name}"] [data-key]`)) {
    if (field.dataset.key in values) setKey(field, values[field.dataset.key]);
  }
}
