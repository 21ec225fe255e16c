// The host's pCPUs as switches: which are online, which threads share a core, which pool each is in;
// and the pools with a scheduler of their own.
import { $$, el, mark, write } from "../elements.js";
import { keyField, setKey } from "../keys.js";
import { say } from "../scales.js";

let built = "";

/** Show the section in `box`: made anew when pools or pCPUs are others, else only refreshed. */
export function draw(box, model, may, schedulers) {
  const { pcpus, pools = [], threads = 1 } = model.meta;
  const there = model.pcpu.online !== undefined;
  box.hidden = !there;
  if (!there) return;
  const key = `${pcpus}|${threads}|${model.meta.busy_percent}|${may}|${pools.map(({ name }) => name)}`;
  if (key !== built || !box.childElementCount) {
    built = key;
    box.replaceChildren(...make(model, may, schedulers));
  }
  refresh(box, model, may);
}

function make(model, may, schedulers) {
  const { meta } = model;
  const { pcpus, pools = [], threads = 1, busy_percent: busy } = meta;
  const cores = Array.from({ length: Math.ceil(pcpus / threads) }, (_, core) =>
    el("span", { class: threads > 1 ? "core" : null, title: threads > 1 ? say(gettext("core %(n)s"), { n: core }) : null }, Array.from({ length: Math.min(threads, pcpus - core * threads) }, (_, thread) => cpu(core * threads + thread))));
  const words = threads > 1 ? say(gettext("Threads of one core stand together: beside a busy one a thread runs at %(n)s %. A press takes a pCPU offline, or back online."), { n: busy }) : gettext("A press takes a pCPU offline, or back online.");
  const forms = pools.length > 1 ? pools.map(({ name }) => poolForm(name, may, schedulers)) : [];
  return [el("h3", {}, gettext("pCPUs")), el("p", { class: "hint" }, words), el("div", { class: "pcpu-row" }, cores), smt(model, may), ...forms];
}

/** Threads of a core, and how fast one is beside a busy one: each is sent by itself. */
function smt(model, may) {
  const percent = { type: "integer", minimum: 1, maximum: 100, default: 65, "x-unit": gettext("percent"), description: gettext("speed of a thread while its sibling is busy") };
  const threads = { type: "integer", minimum: 1, maximum: 2, default: 1, description: gettext("threads of a core: two slow each other") };
  const form = (name, schema) => el("form", { class: "keys-form", novalidate: true, "data-command": "set_smt", "data-on": "change" }, keyField(name, schema, { model, may, prefix: "" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
  return el("div", { class: "smt" }, form("threads", threads), form("busy_percent", percent));
}

const cpu = (n) => el("button", { type: "button", class: "pcpu", "data-pcpu": n });

function poolForm(name, may, schedulers) {
  const options = Object.keys(schedulers).map((policy) => el("option", { value: policy }, policy.replaceAll("_", " ")));
  return el("form", { class: "pool", novalidate: true, "data-command": "set_scheduler", "data-on": "change" }, el("input", { type: "hidden", name: "pool", value: name }),
    el("label", { class: "field" }, el("span", {}, say(gettext("Pool %(name)s"), { name })), el("select", { name: "policy", disabled: !may }, options)), el("span", { class: "refusal", "data-error-for": "policy", "aria-live": "polite" }), el("span", { class: "refusal", "data-error-for": "", "aria-live": "polite" }));
}

function refresh(box, model, may) {
  const { pools = [] } = model.meta;
  for (const field of $$(".smt [data-key]", box)) setKey(field, model.meta[field.dataset.key]);
  for (const button of $$(".pcpu", box)) {
    const n = Number(button.dataset.pcpu);
    const online = model.pcpu.online[n] !== 0;
    const pool = pools[model.pcpu.pool?.[n]]?.name ?? "";
    const state = online ? gettext("online") : gettext("offline");
    mark(button, "data-command", online ? "unplug_pcpu" : "plug_pcpu");
    mark(button, "aria-pressed", String(online));
    mark(button, "aria-label", [say(gettext("pCPU %(n)s"), { n }), state, pool].filter(Boolean).join(", "));
    mark(button, "title", online ? gettext("Take it offline") : gettext("Bring it back online"));
    button.disabled = !may;
    write(button, pools.length > 1 ? `${n} ${pool}` : String(n));
  }
  for (const form of $$("form.pool", box)) {
    const select = form.elements.policy;
    const pool = pools.find(({ name }) => name === form.elements.pool.value);
    if (pool && document.activeElement !== select) select.value = pool.policy;
  }
}
