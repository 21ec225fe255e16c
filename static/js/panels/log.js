// Journal and events: who did what at which tick, and what the machine did; filter and search.
import { deedWords } from "../deeds.js";
import { reasonWord } from "../spending.js";
import { $, $$, el, write } from "../elements.js";
import { choose, chosen } from "../layout.js";
import { count, duration, say } from "../scales.js";
import { attackWords } from "../verdicts.js";

export const title = () => gettext("Journal and events");

const SHOWN = 100;
const PACE = 500; // ms between two redraws of the list
let element, list, find, model;
let kind = "all";
let drawnAt = -PACE;
let later = 0;
let stale = false;

/** Wire filter and search. */
export function mount(theElement, theModel) {
  [element, model] = [theElement, theModel];
  list = $(".log", element);
  find = $("[type=search]", element);
  kind = chosen("log", "all");
  for (const radio of $$("[name=log]", element)) {
    radio.checked = radio.value === kind;
    radio.onchange = () => {
      kind = radio.value;
      choose({ log: kind === "all" ? null : kind });
      refresh();
    };
  }
  find.oninput = refresh;
}

/** Redraw a few times a second at most, and not under the reader's pointer while it scrolls. */
export function draw(theModel, all) {
  model = theModel;
  if (all || model.changed.events || model.changed.journal || model.changed.meta) stale = true;
  if (!stale) return;
  const wait = PACE - (performance.now() - drawnAt);
  clearTimeout(later);
  if (wait > 0 && !all) later = setTimeout(refresh, wait);
  else refresh();
}

function refresh() {
  drawnAt = performance.now();
  stale = false;
  const rows = gather(find.value.trim().toLowerCase());
  list.replaceChildren(...rows.map(line));
  const none = $(".none", element);
  none.hidden = rows.length > 0;
  const empty = !model.events.length && !model.journal.length;
  write(none, empty ? gettext("Nothing has happened yet. Press play, or step with →.") : gettext("Nothing matches. Clear the filter to see everything."));
  const lost = model.eventsLost > 0 && kind !== "journal";
  const words = say(gettext("%(n)s more events happened than could be sent: slow the machine down to see each."), { n: count(model.eventsLost) });
  write($(".lost", element), lost ? words : "");
}

/** Newest first, at most SHOWN: commands and events merged by tick. */
function gather(text) {
  const rows = [];
  if (kind !== "event") for (const entry of model.journal) rows.push(journalRow(entry));
  if (kind !== "journal") for (const event of model.events) rows.push({ tick: event.tick, event });
  rows.sort((a, b) => b.tick - a.tick || (b.order ?? 0) - (a.order ?? 0));
  const found = [];
  for (const row of rows) {
    if (row.event) Object.assign(row, eventRow(row.event));
    if (text && !`${row.who} ${row.what} ${row.tick}`.toLowerCase().includes(text)) continue;
    found.push(row);
    if (found.length >= SHOWN) break;
  }
  return found;
}

function line({ tick, kind: sort, who, what, accepted }) {
  const parts = [el("time", {}, count(tick)), el("em", {}, sort === "journal" ? gettext("journal") : gettext("event")), el("p", {}, el("b", {}, who), ` ${what}`)];
  if (accepted === true) parts.push(el("small", { "data-ok": "accepted" }, gettext("accepted")));
  if (accepted === false) parts.push(el("small", { "data-ok": "refused" }, gettext("refused")));
  return el("li", { "data-kind": sort }, ...parts);
}

function journalRow({ sequence, tick, user, command, arguments: values = {}, accepted, sentence }) {
  const what = deedWords(command, values);
  return { tick, kind: "journal", who: user, what: accepted === false && sentence ? `${what}: ${sentence}` : what, accepted, order: sequence };
}

/** The VM and guest page of a row of the machine's page table: VMs stand one after the other. */
function pageOfRow(row) {
  let first = 0;
  for (const [vm, { pages }] of model.meta.vms.entries()) {
    if (row < first + pages) return [vm, row - first];
    first += pages;
  }
  return [-1, row];
}

/** What the machine did, as a sentence; a and b are explained in the engine's table of events. */
function eventRow({ kind: sort, tick, pcpu, vcpu, a, b, name }) {
  const vdevice = model.meta.vdevices[a];
  const device = model.meta.devices[vdevice?.device]?.name ?? "";
  const n = count(a);
  const [owner, page] = BY_ROW.includes(sort) ? pageOfRow(a) : [a, 0];
  const ofVm = ["start", "pause", "resume", "stop", "move", "balloon", "report", ...BY_ROW, ...STORAGE].includes(sort);
  const who = ofVm ? model.meta.vms[owner]?.name : name;
  const sentences = {
    slice: () => say(b ? gettext("ran on pCPU %(pcpu)s from %(from)s for %(n)s ticks, %(b)s of them overhead") : gettext("ran on pCPU %(pcpu)s from %(from)s for %(n)s ticks"), { pcpu, from: count(tick), n, b: count(b) }),
    fault: () => say(b ? gettext("major fault at page %(n)s: it is in swap") : gettext("minor fault at page %(n)s: first use"), { n }),
    balloon: () => say(ngettext("balloon at %(n)s page", "balloon at %(n)s pages", b), { n: count(b) }),
    guest_out: () => say(b ? gettext("guest swapped page %(page)s out") : gettext("guest gave page %(page)s up, unchanged"), { page: count(page) }),
    guest_in: () => say(b ? gettext("guest reads page %(n)s back from its swap") : gettext("guest uses page %(n)s again"), { n }),
    double_paging: () => say(gettext("double paging: guest swapped out page %(page)s, which the host had swapped"), { page: count(page) }),
    share: () => say(gettext("page %(page)s merged into frame %(b)s"), { page: count(page), b: count(b) }),
    report: () => say(ngettext("guest reported %(n)s free page", "guest reported %(n)s free pages", b), { n: count(b) }),
    evict: () => say(gettext("lost page %(page)s: frame %(b)s was taken"), { page: count(page), b: count(b) }),
    writeback: () => say(gettext("dirty page %(page)s is written back"), { page: count(page) }),
    cow: () => say(gettext("wrote to shared page %(n)s: it was copied"), { n }),
    exit: () => say(ngettext("made %(n)s VM exit: %(reason)s", "made %(n)s VM exits: %(reason)s", b), { n: count(b), reason: exitWord(a) }),
    io: () => say(a < 0 ? gettext("swap request done after %(time)s") : gettext("request of %(vdevice)s on %(device)s done after %(time)s"), { vdevice: vdevice?.name ?? "", device, time: duration(b) }),
    wake: () => gettext("woke up"), end: () => gettext("its workload ended"), start: () => gettext("started"),
    pause: () => gettext("paused"), resume: () => gettext("resumed"), stop: () => gettext("stopped"),
    violation: () => gettext("violation: it reached outside what it was given"),
    attack: () => attackWords(model.meta.attacks?.[0][a] ?? n, model.meta.attacks?.[1][b] ?? count(b)),
    oom: () => oomWord(model.meta.oom?.[b]), stalled: () => gettext("nothing can ever happen again"),
    command: () => say(gettext("command %(n)s of the journal took effect"), { n }),
    snapshot: () => say(gettext("snapshot %(n)s was taken"), { n: count(b) }), revert: () => gettext("went back to a snapshot"),
    clone: () => say(gettext("is a clone of %(vm)s"), { vm: model.meta.vms[b]?.name ?? "" }), merge: () => say(gettext("snapshot %(n)s is merged into the next one"), { n: count(b) }),
    backup: () => say(gettext("restore point %(n)s is begun"), { n: count(b) }), restore: () => say(gettext("is restored from restore point %(n)s"), { n: count(b) }),
    loss: () => say(gettext("lost its disk %(disk)s"), { disk: model.meta.vdevices[b]?.name ?? "" }), prune: () => say(gettext("restore point %(n)s is let go of"), { n: count(b) }),
    done: () => say(gettext("%(job)s is done"), { job: jobName(b) }),
    unplug: () => say(gettext("pCPU %(n)s went offline"), { n }), plug: () => say(gettext("pCPU %(n)s came to pool %(pool)s"), { n, pool: poolName(b) }),
    map: () => (b < 0 ? say(gettext("%(vdevice)s was unplugged"), { vdevice: vdevice?.name ?? "" }) : say(gettext("%(vdevice)s is mapped to %(device)s"), { vdevice: vdevice?.name ?? "", device: model.meta.devices[b]?.name ?? "" })),
    refused: () => say(ngettext("%(n)s request to %(vdevice)s was refused: it is unplugged", "%(n)s requests to %(vdevice)s were refused: it is unplugged", b), { n: count(b), vdevice: vdevice?.name ?? "" }),
    held: () => say(gettext("the throttle held a request of %(vdevice)s for %(time)s"), { vdevice: vdevice?.name ?? "", time: duration(b) }),
    packet: () => say(gettext("%(vdevice)s received a packet that was %(time)s on its way"), { vdevice: vdevice?.name ?? "", time: duration(b) }),
    drop: () => say(gettext("a packet to %(vdevice)s was dropped"), { vdevice: vdevice?.name ?? "" }),
    move: () => say(gettext("moved to pool %(pool)s"), { pool: poolName(b) }),
    spun: () => say(b ? gettext("spun for %(n)s ticks, %(b)s of them while the holder had no pCPU") : gettext("spun for %(n)s ticks"), { n, b: count(b) }),
  };
  return { tick, kind: "event", who: who || gettext("host"), what: (sentences[sort] ?? (() => sort))(), accepted: null };
}

/** Events whose `a` is a row of all pages, not a page of a VM. */
const BY_ROW = ["evict", "writeback", "guest_out", "double_paging", "share"];

/** Events of disks with contents; a is the row of their VM. */
const STORAGE = ["snapshot", "revert", "clone", "merge", "backup", "restore", "loss", "prune", "done"];
const poolName = (row) => model.meta.pools?.[row]?.name ?? count(row);
const jobName = (kind) => [gettext("saving the memory"), gettext("merging"), gettext("copying"), gettext("the backup"), gettext("letting go of a restore point"), gettext("the restore")][kind] ?? gettext("a job");

const oomWord = (what) => ({ kill: gettext("out of memory: its VM was ended"), pause: gettext("out of memory: its VM was paused"), refuse: gettext("out of memory: the page was refused") })[what] ?? gettext("out of memory");
const exitWord = (reason) => reasonWord(model.meta.exits?.[reason] ?? "");
