// The card beside the queue: of a chosen slice what it was and why its vCPU was picked, by a replay
// (decision.js); without one who waits, in the order of the queue, and the rule of the policy.
import { sizeOf } from "../colours.js";
import { $, badge, el, keep, mark, rebadge, write } from "../elements.js";
import { count, decimal, percent, say } from "../scales.js";
import { Asker } from "./decision.js";
import { order } from "./queues.js";

const SHOWN = 5;
const PASS_UNIT = 2 ** 30;
let root, what, queue, body, rule, title, head, asker, rules;

const place = { heading: () => gettext("Place"), key: (model, vcpu, k) => count(k + 1) };
/** Policies whose keys are sent with every sample: the heading of the key, and the key of a vCPU. */
const POLICIES = {
  lottery: { heading: () => gettext("Chance"), key: (model, vcpu, k, total) => percent(model.vcpu.weight[vcpu] / total) },
  stride: { heading: () => gettext("Pass"), key: (model, vcpu) => decimal(model.vcpu.pass[vcpu] / PASS_UNIT) },
};
const IN_ORDER = new Set(["round_robin", "fcfs", "stride"]); // the first row is who runs next

/** Why a slice ended, by the name the engine gives it. */
const ENDS = {
  "used up": () => gettext("then its slice was used up"),
  sleep: () => gettext("then it went to sleep"),
  io: () => gettext("then it waited for a device"),
  fault: () => gettext("then it waited for a page in swap"),
  end: () => gettext("then its workload ended"),
  crash: () => gettext("then its VM was stopped: a violation, or out of memory"),
  preempted: () => gettext("then another vCPU took its pCPU"),
  pause: () => gettext("then its VM was paused"),
  stop: () => gettext("then its VM was stopped"),
};

/** Wire the card. */
export function mount(element) {
  root = element;
  title = $("h3", element);
  what = $(".why-what", element);
  queue = $(".why-queue", element);
  body = $("tbody", queue);
  head = $(".why-key", queue);
  rule = $(".why-rule", queue);
  const page = JSON.parse($("#lab-config")?.textContent ?? "{}");
  rules = JSON.parse($("#policies")?.textContent ?? "{}").rules ?? {};
  asker = new Asker($(".why-answer", element), page.urls?.lab_why);
}

/** One line for a slice: the hover plate and the card's heading. */
export function line(model, slice, pcpu) {
  const name = model.meta.vcpus[slice.vcpu]?.name ?? "";
  const ran = slice.to - slice.from - slice.overhead;
  const text = say(gettext("%(name)s on pCPU %(pcpu)s · ticks %(from)s–%(to)s · ran %(ran)s"), {
    name, pcpu, from: count(slice.from), to: count(slice.to), ran: count(ran),
  });
  return slice.overhead ? `${text} · ${say(gettext("overhead %(n)s"), { n: count(slice.overhead) })}` : text;
}

/** Show the picked slice (or how to pick one) and the queue's keys. */
export function draw(model, picked) {
  if (!sizeOf(root)[1]) return;
  if (picked) about(model, picked);
  else write(title, gettext("Who is next?"));
  what.hidden = !picked;
  queue.hidden = Boolean(picked);
  if (!picked) {
    asker.forget();
    return candidates(model, order(model));
  }
  if (picked.merged > 1) return asker.forget();
  asker.ask(model, { run: model.state.run, tick: picked.from, pcpu: picked.pcpu });
}

function about(model, slice) {
  const { name, vm } = model.meta.vcpus[slice.vcpu] ?? { name: "?", vm: 0 };
  const ran = slice.to - slice.from - slice.overhead;
  const facts = say(gettext("ticks %(from)s–%(to)s · ran %(ran)s, overhead %(overhead)s"), { from: count(slice.from), to: count(slice.to), ran: count(ran), overhead: count(slice.overhead) });
  const lines = [facts, [ending(model, slice, ran, vm), standing(model, slice.vcpu)].filter(Boolean).join(" · ")];
  const key = `${name}|${slice.pcpu}|${lines.join("|")}`;
  if (what.dataset.key === key) return;
  what.dataset.key = key;
  write(title, gettext("Why was it picked?"));
  const where = say(gettext("on pCPU %(n)s"), { n: slice.pcpu });
  what.replaceChildren(badge(model, vm), el("b", {}, name), ` ${where}`, ...lines.map((text) => el("span", {}, text)));
}

/** Why it ended, as far as what was sent can tell. */
function ending(model, slice, ran, vm) {
  if (slice.running) return gettext("still running");
  if (slice.merged > 1) {
    return say(gettext("stands for %(n)s slices: the machine runs faster than slices can be sent"), { n: count(slice.merged) });
  }
  const words = ENDS[slice.why]?.();
  if (words) return words;
  const { policy, time_slice: hosts } = model.meta.scheduler ?? {};
  const own = model.meta.vms[vm]?.time_slice || hosts;
  return policy !== "fcfs" && ran >= own ? ENDS["used up"]() : "";
}

/** Where the vCPU is now. */
function standing(model, vcpu) {
  const state = model.vcpu.state?.[vcpu];
  if (model.vcpu.ended?.[vcpu]) return gettext("now: its workload has ended");
  if (state === 0) return say(gettext("now: running on pCPU %(n)s"), { n: model.vcpu.pcpu[vcpu] });
  if (state === 1) {
    const place = model.queue.indexOf(vcpu);
    return place < 0 ? gettext("now: runnable") : say(gettext("now: place %(n)s of %(all)s in the queue"), { n: place + 1, all: model.queue.length });
  }
  if (state === 2) return gettext("now: blocked");
  return gettext("now: offline");
}

function candidates(model, waiting) {
  const name = model.meta.scheduler?.policy;
  const policy = POLICIES[name] ?? place;
  const total = waiting.reduce((sum, v) => sum + model.vcpu.weight[v], 0) || 1;
  write(head, policy.heading());
  write(rule, rules[name] ?? "");
  keep(body, Array.from({ length: SHOWN }, (_, k) => waiting[k] ?? -1), row, (node, vcpu, k) => {
    mark(node, "class", vcpu < 0 ? (k ? "off" : "nobody") : k === 0 && IN_ORDER.has(name) ? "won" : null);
    const [who, weight, value] = node.children;
    if (vcpu < 0) {
      write(who.lastChild, k ? "" : gettext("Nobody waits."));
      return [weight, value].forEach((cell) => write(cell, ""));
    }
    rebadge(who.firstChild, model, model.meta.vcpus[vcpu]?.vm ?? 0);
    write(who.lastChild, model.meta.vcpus[vcpu]?.name ?? "?");
    write(weight, count(model.vcpu.weight[vcpu]));
    write(value, policy.key(model, vcpu, k, total));
  });
}

const row = () => el("tr", {}, el("th", { scope: "row" }, el("i", { class: "badge", "aria-hidden": "true" }), el("span")), el("td"), el("td"));
