// A walk as elements: which entries are read for what, in the order hardware reads them, its sentence
// at each step, and where it ends. Pure functions of the server's answer.
import { el, icon } from "./elements.js";
import { count, say } from "./scales.js";

/** The walk gathered by what each run of entries is read for: the host's entries, then the guest's. */
export function rowsOf({ steps }) {
  const rows = [];
  let row = null;
  steps.forEach((step, k) => {
    const begins = !row || row.guest || row.of !== step.of_page;
    if (step.table === "host" && begins) rows.push((row = { of: step.of_page, why: step.for, host: [], guest: null }));
    if (step.table === "host") row.host.push({ step, number: k + 1 });
    else if (row) row.guest = { step, number: k + 1 };
  });
  return rows;
}

/** Bits of a last entry, by the letter a page table is drawn with: [letter, set, word]. */
export function bitsOf(step) {
  const bits = [];
  if ("present" in step) bits.push(["P", step.present, gettext("present")], ["W", step.writable, gettext("writable")]);
  bits.push(["A", step.accessed, gettext("accessed")], ["D", step.dirty, gettext("dirty")]);
  if (step.shared) bits.push(["S", true, gettext("shared, a write copies it")]);
  if (step.huge) bits.push(["H", true, gettext("huge page")]);
  return bits;
}

const NAMES = { nested: () => gettext("nested table"), shadow: () => gettext("shadow table"), native: () => gettext("page table") };
const tableName = ({ mode }) => NAMES[mode]?.() ?? mode;

/** What happens at step `at`: 0 the TLB, null the whole of it. */
export function sentence(told, at) {
  if (at === 0) return tlbWords(told);
  if (at === null) return whole(told);
  const step = told.steps[at - 1];
  return step.table === "guest" ? guestWords(step) : hostWords(step, told);
}

function tlbWords({ tlb, page, simulated, by }) {
  if (simulated === false) return gettext("No TLB is simulated here: suppose that it misses.");
  const asker = by && by.pcpu >= 0 ? tlb.filter(({ pcpu }) => pcpu === by.pcpu) : tlb;
  const hits = asker.filter(({ hit }) => hit).map(({ pcpu }) => count(pcpu));
  if (hits.length) return say(gettext("The TLB of pCPU %(n)s has page %(page)s: there no entry below is read."), { n: hits.join(", "), page: count(page) });
  return say(gettext("No TLB that is asked has page %(page)s: hardware walks the tables."), { page: count(page) });
}

function whole({ references, vm, page, by, mode, in_shadow: shadowed }) {
  const values = { n: count(references), vm, page: count(page), name: by?.name ?? "" };
  const first = by
    ? by.write ? say(gettext("%(name)s wrote page %(page)s last: a TLB miss costs %(n)s references to memory."), values) : say(gettext("%(name)s read page %(page)s last: a TLB miss costs %(n)s references to memory."), values)
    : say(gettext("Page %(page)s of %(vm)s: a TLB miss costs %(n)s references to memory."), values);
  if (mode === "shadow") return `${first} ${shadowed ? gettext("The shadow table has the page.") : gettext("The shadow table has not got the page: the host is asked first, an exit.")}`;
  return first;
}

function hostWords(step, told) {
  const values = { table: tableName(told), level: step.level, index: step.index, page: count(step.of_page) };
  const reads = step.for === "data"
    ? say(gettext("Reads entry %(index)s at level %(level)s of the %(table)s, for page %(page)s itself."), values)
    : say(gettext("Reads entry %(index)s at level %(level)s of the %(table)s, for page %(page)s, which holds a table of the guest."), values);
  return step.leaf ? `${reads} ${leafWords(step)}` : reads;
}

function leafWords(step) {
  if (step.for !== "data") return gettext("It is there: now the guest’s entry can be read.");
  if (step.swapped) return gettext("The page is in swap: a major fault of the host.");
  if (!step.present) return gettext("There is no frame yet: a fault of the host.");
  return say(gettext("It names frame %(n)s. Set: %(bits)s."), { n: count(step.frame), bits: setBits(step) });
}

const setBits = (step) => bitsOf(step).filter(([, on]) => on).map(([, , word]) => word).join(", ") || gettext("none");

function guestWords(step) {
  const values = { level: step.level, index: step.index, page: count(step.page), bits: setBits(step) };
  if (step.encrypted) return say(gettext("The processor reads entry %(index)s at level %(level)s of the guest’s tables; the host cannot: the VM is encrypted."), values);
  if (!step.leaf) return say(gettext("Reads entry %(index)s at level %(level)s of the guest’s tables: the next one is its page %(page)s."), values);
  return say(gettext("Reads entry %(index)s at level %(level)s, the guest’s last: it names its page %(page)s. Set: %(bits)s."), values);
}

/** One chip for each pCPU: whether its TLB has the page. */
export function tlbOf({ tlb, by, simulated }) {
  if (simulated === false || !tlb.length) return [el("li", {}, gettext("no TLB simulated"))];
  return tlb.slice(0, 64).map(({ pcpu, hit, huge }) => {
    const word = hit ? (huge ? gettext("hit, by a huge entry") : gettext("hit")) : gettext("miss");
    const name = say(gettext("TLB of pCPU %(n)s"), { n: pcpu });
    return el("li", { class: [hit ? "hit" : "", by?.pcpu === pcpu ? "own" : ""].join(" ").trim() || null }, icon(hit ? "ok" : "minus"), `${name}: `, el("b", {}, word));
  });
}

/** The tables read, a row for each of the guest's entries: `upto` have been read, the last one now. */
export function tableOf(told, upto, stepping) {
  const rows = rowsOf(told);
  const levels = Math.max(0, ...rows.map(({ host }) => host.length));
  const guests = rows.some(({ guest }) => guest);
  const name = tableName(told);
  const heads = Array.from({ length: levels }, (_, k) => el("th", { scope: "col" }, `L${rows[0].host[0].step.level - k}`));
  const top = el("tr", {}, el("td"), el("th", { scope: "colgroup", colspan: levels }, name), guests ? el("th", { scope: "col", rowspan: 2 }, gettext("guest’s table")) : null);
  const now = stepping ? upto : -1;
  const body = rows.map((row) => {
    const cells = row.host.map((each) => cellOf(each, upto, now));
    while (cells.length < levels) cells.push(el("td", { class: "gone", title: gettext("a huge page: no further level") }));
    if (guests) cells.push(row.guest ? cellOf(row.guest, upto, now) : el("td", { class: "end" }, gettext("data")));
    return el("tr", {}, el("th", { scope: "row" }, rowName(row)), cells);
  });
  return [el("thead", {}, top, el("tr", {}, el("td"), heads)), el("tbody", {}, body)];
}

function rowName({ guest, of }) {
  if (guest) return say(gettext("for guest L%(level)s"), { level: guest.step.level });
  return say(gettext("for page %(n)s"), { n: count(of) });
}

function cellOf({ step, number }, upto, now) {
  const state = number === now ? "now" : number <= upto ? "done" : "ahead";
  const parts = [el("small", {}, count(number)), el("code", {}, `[${step.index}]`)];
  if (step.leaf && (step.table === "guest" || step.for === "data")) {
    const bits = bitsOf(step).map(([letter, on, word]) => el(on ? "b" : "s", { title: on ? word : say(gettext("not %(word)s"), { word }) }, letter));
    parts.push(el("span", { class: "bits" }, bits));
  }
  return el("td", { class: `${state} ${step.table}`, "aria-current": number === now ? "step" : null }, parts);
}

/** Where it begins and ends: virtual page, guest-physical page, frame; what is not known yet is a dash. */
export function ends(told, upto) {
  const { page, frame, steps, mode, guest, host, by } = told;
  const leaf = steps.findIndex((step) => step.table === "guest" && step.leaf) + 1;
  const swapped = host.swapped ? gettext("in swap") : gettext("no frame yet");
  const found = frame === null ? swapped : say(gettext("frame %(n)s"), { n: count(frame) });
  const pair = (name, words, known) => el("div", { class: known ? null : "ahead" }, el("dt", {}, name), el("dd", {}, known ? words : "–"));
  const virtual = say(gettext("page %(n)s"), { n: count(page) });
  const items = [pair(mode === "native" ? "VA" : "GVA", virtual, true)];
  if (mode === "nested") items.push(pair("GPA", virtual, upto >= leaf));
  items.push(pair(mode === "native" ? "PA" : "HPA", found, upto >= steps.length));
  const set = [guest.accessed ? "A" : "", guest.dirty ? "D" : ""].join("") || "–";
  if (mode !== "native") items.push(pair(gettext("guest’s bits"), set, upto >= leaf));
  items.push(pair(mode === "native" ? gettext("bits") : gettext("host’s bits"), [host.accessed ? "A" : "", host.dirty ? "D" : ""].join("") || "–", upto >= steps.length));
  if (by) items.push(pair(gettext("access"), by.write ? gettext("a write") : gettext("a read"), true));
  return items;
}
