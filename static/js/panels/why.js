// The card beside the queue: what a slice was, and what the policy looks at now, in its own terms.
// It tells what the machine sends and nothing else: a slice's past candidates are not recorded,
// so the keys are those of the run queue as it stands.
import { sizeOf } from "../colours.js";
import { $, badge, el, keep, mark, rebadge, write } from "../elements.js";
import { count, decimal, percent, say } from "../scales.js";
import { order } from "./queues.js";

const SHOWN = 5;
const PASS_UNIT = 2 ** 30;
let root, what, body, rule, title, head;

/** Per policy: the heading of its key, the key of a vCPU, and its rule in words. */
const POLICIES = {
  round_robin: {
    heading: () => gettext("Place"),
    key: (model, vcpu, k) => count(k + 1),
    rule: () => gettext("The head of the queue runs next. Who uses up the slice goes to the tail."),
  },
  fcfs: {
    heading: () => gettext("Place"),
    key: (model, vcpu, k) => count(k + 1),
    rule: () => gettext("The head of the queue runs next and stays until it blocks or ends."),
  },
  lottery: {
    heading: () => gettext("Chance"),
    key: (model, vcpu, k, total) => percent(model.vcpu.weight[vcpu] / total),
    rule: () => gettext("A ticket is drawn among those waiting. Tickets are the weight; the place in the queue means nothing."),
  },
  stride: {
    heading: () => gettext("Pass"),
    key: (model, vcpu) => decimal(model.vcpu.pass[vcpu] / PASS_UNIT),
    rule: () => gettext("The least pass runs next. A tick raises it by one over the weight; equal passes follow the tie rule of the scenario."),
  },
};

/** Why a slice ended, by the name the engine gives it. */
const ENDS = {
  "used up": () => gettext("then its slice was used up"),
  sleep: () => gettext("then it went to sleep"),
  io: () => gettext("then it waited for a device"),
  fault: () => gettext("then it waited for a page in swap"),
  end: () => gettext("then its workload ended"),
  crash: () => gettext("then its VM was stopped: a violation, or out of memory"),
  pause: () => gettext("then its VM was paused"),
  stop: () => gettext("then its VM was stopped"),
};

/** Wire the card. */
export function mount(element) {
  root = element;
  title = $("h3", element);
  what = $(".why-what", element);
  body = $("tbody", element);
  head = $(".why-key", element);
  rule = $(".why-rule", element);
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
  const waiting = order(model);
  if (picked) about(model, picked);
  else write(title, gettext("Who is next?"));
  what.hidden = !picked;
  candidates(model, waiting);
}

function about(model, slice) {
  const { name, vm } = model.meta.vcpus[slice.vcpu] ?? { name: "?", vm: 0 };
  const ran = slice.to - slice.from - slice.overhead;
  const lines = [
    say(gettext("ticks %(from)s–%(to)s"), { from: count(slice.from), to: count(slice.to) }),
    say(gettext("ran %(ran)s, overhead %(overhead)s"), { ran: count(ran), overhead: count(slice.overhead) }),
    ending(model, slice, ran, vm),
    standing(model, slice.vcpu),
  ].filter(Boolean);
  const key = `${name}|${slice.pcpu}|${lines.join("|")}`;
  if (what.dataset.key === key) return;
  what.dataset.key = key;
  write(title, gettext("The chosen slice"));
  const place = say(gettext("on pCPU %(n)s"), { n: slice.pcpu });
  what.replaceChildren(badge(model, vm), el("b", {}, name), ` ${place}`, ...lines.map((text) => el("span", {}, text)));
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
  const policy = POLICIES[name];
  const total = waiting.reduce((sum, v) => sum + model.vcpu.weight[v], 0) || 1;
  const key = policy?.key ?? ((m, vcpu, k) => count(k + 1));
  write(head, policy ? policy.heading() : gettext("Place"));
  write(rule, policy ? policy.rule() : "");
  keep(body, Array.from({ length: SHOWN }, (_, k) => waiting[k] ?? -1), row, (node, vcpu, k) => {
    mark(node, "class", vcpu < 0 ? (k ? "off" : "nobody") : k === 0 && name !== "lottery" ? "won" : null);
    const [who, weight, value] = node.children;
    if (vcpu < 0) {
      write(who.lastChild, k ? "" : gettext("Nobody waits."));
      return [weight, value].forEach((cell) => write(cell, ""));
    }
    rebadge(who.firstChild, model, model.meta.vcpus[vcpu]?.vm ?? 0);
    write(who.lastChild, model.meta.vcpus[vcpu]?.name ?? "?");
    write(weight, count(model.vcpu.weight[vcpu]));
    write(value, key(model, vcpu, k, total));
  });
}

const row = () => el("tr", {}, el("th", { scope: "row" }, el("i", { class: "badge", "aria-hidden": "true" }), el("span")), el("td"), el("td"));
