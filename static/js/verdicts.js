// What attackers try and what comes of it, in words: each means, each verdict, what stopped it, and
// the setting a trial was made under. The words of the wire are those of the engine's tables.
import { say } from "./scales.js";

/** Means → [what it is called, what was done]. */
const MEANS = {
  memory: () => [gettext("A page outside its memory"), gettext("It referenced a page that lies beyond the last page of its own memory.")],
  device: () => [gettext("A device that is not mapped"), gettext("It sent a request to a disk of the host that is not mapped to it.")],
  others_device: () => [gettext("Another VM’s device"), gettext("It sent a request to a virtual device that belongs to another VM.")],
  dma: () => [gettext("DMA outside its frames"), gettext("It told a device to write straight into a frame of memory that another VM has.")],
  shared_page: () => [gettext("Writing a shared page"), gettext("It wrote to a page of its own that others map, too: one of a common image.")],
  fork_bomb: () => [gettext("A fork bomb"), gettext("It started processes without end, so that none would be left for anybody else.")],
  dodge_ticks: () => [gettext("A thief that dodges the tick"), gettext("It ran 85 % of each period and slept at the moment when the scheduler looks who runs.")],
  ksm_probe: () => [gettext("A timing probe of merged pages"), gettext("It wrote to a page of its own and watched how long that took: a copy means that somebody else’s page holds the same.")],
  cache_noise: () => [gettext("A noisy neighbour in the caches"), gettext("It emptied the caches that all pCPUs share, over and over.")],
  nothing: () => [gettext("Nothing"), gettext("It tried nothing, for comparison.")],
  watch: () => [gettext("A thief’s balance"), gettext("At the end it was counted how much it had run beside its share.")],
};
/** The means that are tried, in their order. */
export const TRIED = Object.keys(MEANS).filter((means) => !["nothing", "watch"].includes(means));
/** What a means is called. */
export const meansWord = (means) => MEANS[means]?.()[0] ?? means.replaceAll("_", " ");
/** What was done, as a sentence. */
export const triedWords = (means) => MEANS[means]?.()[1] ?? "";

/** Verdict → [word, how bad: 0 kept out, 1 something came through, 2 harm, sentence]. */
const VERDICTS = {
  refused: () => [gettext("refused"), 0, gettext("refused by whoever must refuse it")],
  nothing: () => [gettext("nothing to be had"), 0, gettext("there was nothing to be had")],
  contained: () => [gettext("contained"), 0, gettext("it hurt nobody but the attacker")],
  copied: () => [gettext("copied"), 0, gettext("it got a copy of its own to write to")],
  learned: () => [gettext("learned"), 1, gettext("it knows now what another one’s memory holds")],
  slowed: () => [gettext("slowed others"), 2, gettext("others took longer because of it")],
  succeeded: () => [gettext("succeeded"), 2, gettext("it got what it must not have")],
};
export const verdictWord = (verdict) => VERDICTS[verdict]?.()[0] ?? verdict;
export const verdictWords = (verdict) => VERDICTS[verdict]?.()[2] ?? verdict;
/** 0: kept out, 1: something leaked, 2: others were harmed. */
export const harmOf = ({ verdict, harmed = [] }) => Math.max(VERDICTS[verdict]?.()[1] ?? 2, harmed.length ? 2 : 0);

const KINDS = { vm: () => gettext("VM"), microvm: () => gettext("microVM"), container: () => gettext("container") };
export const kindWord = (kind) => KINDS[kind]?.() ?? kind;

/** The settings of trials, in the reader's language. */
const SETTINGS = {
  "no device of its own, IOMMU off": () => gettext("no device of its own, IOMMU off"),
  "own device, IOMMU on": () => gettext("own device, IOMMU on"),
  "own device, IOMMU off": () => gettext("own device, IOMMU off"),
  "the same, victims encrypted": () => gettext("own device, IOMMU off, victims encrypted"),
  "page of an image": () => gettext("page of an image"),
  "no limit of its own": () => gettext("no limit of its own"),
  "pids: 100": () => gettext("its cgroup may have 100 processes"),
  credit: () => gettext("under credit"),
  "credit without BOOST": () => gettext("under credit without BOOST"),
  credit2: () => gettext("under credit2"),
  eevdf: () => gettext("under eevdf"),
  "KSM on": () => gettext("equal pages are merged (KSM)"),
  "KSM off": () => gettext("no pages are merged"),
  "victims encrypted": () => gettext("merged pages, victims encrypted"),
  "caches partitioned": () => gettext("each has its part of the caches"),
};
export const settingWord = (setting) => SETTINGS[setting]?.() ?? setting;

const kernelOf = (kind) => (kind === "container" ? gettext("the host’s kernel, by a system call’s trap") : gettext("the hypervisor, by a VM exit"));

/** What stopped it, where the engine names it. */
const STOPPERS = {
  page_table: (kind) => (kind === "container" ? gettext("Its page table, which the host’s kernel keeps, has no entry there: the access trapped.") : gettext("The nested page table, which the hypervisor keeps, has no entry there: the access trapped.")),
  assignment: () => gettext("No virtual device of its own leads there, so nobody passes the request on."),
  no_device: () => gettext("It has no device of its own (vf or passthrough) that it could tell to write."),
  iommu: () => gettext("The IOMMU has no entry for that frame: a device reaches the frames of its own VM only."),
  encryption: () => gettext("The victims’ memory is encrypted with a key that neither the host nor other VMs have."),
  write_protection: () => gettext("The entry of a shared page is write-protected: the write trapped, and it got a copy of its own."),
  process_limit: () => gettext("The limit of processes of its cgroup (pids) was reached."),
  own_kernel: () => gettext("It has a kernel of its own: that one ran out of processes, nobody else’s."),
  scheduler: () => gettext("The scheduler charges what was run, not who runs when it looks: there was nothing to dodge."),
  cache_partition: () => gettext("Each has a part of the caches to itself, which nobody else can empty."),
  not_shared: () => gettext("Its page is its own: nobody maps it but the attacker."),
  ksm_off: () => gettext("Pages are not merged, so a write never takes a copy that tells of others."),
};

/** Means and setting → the stopper, for engines that do not name it. */
function stopperOf(means, { verdict }, kind, setting) {
  if (!["refused", "nothing", "contained", "copied"].includes(verdict)) return "";
  if (means === "dma") return setting.includes("encrypted") ? "encryption" : setting.includes("IOMMU on") ? "iommu" : setting.startsWith("no device") ? "no_device" : "";
  if (means === "fork_bomb") return verdict === "refused" ? "process_limit" : kind === "container" ? "" : "own_kernel";
  if (means === "ksm_probe") return setting.includes("encrypted") ? "encryption" : setting.includes("off") ? "ksm_off" : "";
  return { memory: "page_table", device: "assignment", others_device: "assignment", shared_page: "write_protection", dodge_ticks: "scheduler", cache_noise: "cache_partition" }[means] ?? "";
}

/** Why it came through, where nothing stopped it. */
const OPEN = {
  dma: () => gettext("Nothing stands between a device and memory where there is no IOMMU: it writes wherever it is told."),
  fork_bomb: () => gettext("Containers share one kernel and its process numbers: none was left for others."),
  dodge_ticks: () => gettext("The scheduler charges whoever runs at its tick, and who wakes up is put first: it ran more than its share and paid nothing."),
  ksm_probe: () => gettext("Its page had been merged with an equal one of somebody else’s: the write took a copy, and copies take longer."),
  cache_noise: () => gettext("All pCPUs share the last caches, and nobody has a part of them to itself."),
};

/** What stopped an attempt, or why nothing did, as a sentence. */
export function stoppedWords(means, cell, kind, setting = "") {
  const name = cell.stopped_by || stopperOf(means, cell, kind, setting);
  if (STOPPERS[name]) return STOPPERS[name](kind);
  if (["refused", "nothing", "contained", "copied"].includes(cell.verdict)) return say(gettext("Stopped by %(who)s."), { who: kernelOf(kind) });
  return OPEN[means]?.() ?? "";
}

/** A cell in one line: refused; succeeded, harms VM, container. */
export function cellWords(cell) {
  const harmed = cell.harmed ?? [];
  return harmed.length ? say(gettext("%(verdict)s, harms %(kinds)s"), { verdict: verdictWord(cell.verdict), kinds: harmed.map(kindWord).join(", ") }) : verdictWord(cell.verdict);
}

/** The event of an attempt as the log tells it: `means` and `verdict` are rows of the engine's tables. */
export function attackWords(means, verdict) {
  return say(gettext("attack “%(means)s”: %(verdict)s"), { means: meansWord(means), verdict: verdictWords(verdict) });
}
