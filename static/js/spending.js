// Ways that time went: their words, which of them are overhead, and the parts of a bar.
const NOT_OVERHEAD = new Set(["guest", "runnable", "blocked", "idle", "offline"]);

/** Whether a way is neither the workload's, nor waiting, nor rest. */
export const isOverhead = (way) => !NOT_OVERHEAD.has(way);

const GROUPS = {
  guest: () => gettext("guest"), switch: () => gettext("switches"), refill: () => gettext("cache refill"), exits: () => gettext("VM exits"), faults: () => gettext("faults"),
  syscalls: () => gettext("system calls"), devices: () => gettext("devices"), memory: () => gettext("memory work"), waiting: () => gettext("waiting for a pCPU"),
  blocked: () => gettext("blocked"), idle: () => gettext("idle"), offline: () => gettext("offline"),
};
export const groupWord = (group) => GROUPS[group]?.() ?? group;

/** What a way is called, and what it is: [word, sentence]. */
const WAYS = {
  guest: () => [gettext("guest"), gettext("the workload itself")],
  switch: () => [gettext("switch"), gettext("of a pCPU to another vCPU")],
  refill: () => [gettext("refill"), gettext("of caches and TLB after a switch")],
  migration: () => [gettext("migration"), gettext("another core’s own cache is cold")],
  "exit io": () => [gettext("exit: I/O"), gettext("the guest touches an emulated device")],
  "exit mmio": () => [gettext("exit: MMIO"), gettext("the guest touches a device’s registers in memory")],
  "exit fault": () => [gettext("exit: fault"), gettext("an EPT violation")],
  "exit timer": () => [gettext("exit: timer"), gettext("the timer ends a slice")],
  "exit hypercall": () => [gettext("exit: hypercall"), gettext("the guest kicks a queue")],
  "exit interrupt": () => [gettext("exit: interrupt"), gettext("the guest can take an interrupt now")],
  "exit halt": () => [gettext("exit: halt"), gettext("the guest has nothing to do")],
  "fault minor": () => [gettext("minor fault"), gettext("a first use, beside its exit")],
  "fault major": () => [gettext("major fault"), gettext("a container’s system call to read the page in")],
  "fault cow": () => [gettext("copy on write"), gettext("a page that was shared is copied")],
  "fault shadow": () => [gettext("shadow fault"), gettext("an entry of the shadow table, with its exit")],
  walk: () => [gettext("walks"), gettext("through page tables, after a TLB miss")],
  syscall: () => [gettext("system calls"), gettext("of containers, instead of exits")],
  model: () => [gettext("device model"), gettext("an emulated device’s program")],
  copy: () => [gettext("copies"), gettext("of data between guest and host")],
  encryption: () => [gettext("encryption"), gettext("of memory that the host cannot read")],
  noise: () => [gettext("noise"), gettext("caches that a neighbour emptied")],
  fork: () => [gettext("forks"), gettext("of processes")],
  reclaim: () => [gettext("reclaim"), gettext("of pages within a cgroup")],
  ksm: () => [gettext("KSM"), gettext("pages looked at, to be merged")],
  balloon: () => [gettext("balloon"), gettext("pages moved, or reported free")],
  runnable: () => [gettext("waiting for a pCPU"), gettext("runnable, and others ran")],
  blocked: () => [gettext("blocked"), gettext("waits for a device or swap, or sleeps")],
  idle: () => [gettext("idle"), gettext("nobody wanted the pCPU")],
  offline: () => [gettext("offline"), gettext("not started, paused, ended, or unplugged")],
};
export const wayWord = (way) => WAYS[way]?.()[0] ?? way;
export const wayWords = (way) => WAYS[way]?.()[1] ?? "";

/** All of a bar's time. */
export const totalOf = (spent) => Object.values(spent).reduce((sum, ns) => sum + ns, 0);

/** What was spent since `before`. */
export function lessThan(now, before) {
  return Object.fromEntries(Object.entries(now).map(([way, ns]) => [way, Math.max(0, ns - (before[way] ?? 0))]));
}

/** The parts of a bar, in their order, without those of no length; `only` overhead, if wanted. */
export function partsOf(spent, groups, only) {
  return Object.entries(groups)
    .filter(([, ways]) => !only || ways.some(isOverhead))
    .map(([group, ways]) => ({ group, ns: ways.reduce((sum, way) => sum + (spent[way] ?? 0), 0) }))
    .filter(({ ns }) => ns > 0);
}

const REASONS = {
  io: () => gettext("I/O"), fault: () => gettext("page fault"), timer: () => gettext("timer"), mmio: () => gettext("MMIO"), hypercall: () => gettext("hypercall"),
  interrupt: () => gettext("interrupt window"), halt: () => gettext("halt"),
};
/** A reason of VM exits. */
export const reasonWord = (reason) => REASONS[reason]?.() ?? reason;
