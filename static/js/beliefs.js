// What somebody may believe who answered wrongly: the rule under which the answer would be right.

/** @param {string} belief  a rule of vms/live/room/picks_ahead.py or memory_ahead.py */
export function beliefWords(belief) {
  const words = {
    keeps: gettext("who runs goes on until it is done"), fcfs: gettext("who waits longest runs: first come, first served"),
    priority: gettext("the highest weight always runs"), fair: gettext("who has run least so far runs"),
    listed: gettext("VMs take turns in the order of the list"), lifo: gettext("who came last runs first"),
    lru: gettext("the page unused for longest goes (LRU)"), fifo: gettext("the page that came in first goes (FIFO)"),
    mru: gettext("the page used last goes (MRU)"), last_in: gettext("the page that came in last goes"),
    clean: gettext("a clean page goes before a written one"), lowest: gettext("the lowest frame is taken"),
    touched: gettext("the page had been used before"), stays: gettext("what is in memory stays there"),
    first_use: gettext("the page is used for the first time"), no_swap: gettext("a page that comes back was never away"),
    evicted: gettext("the page had been evicted"), every_fault_reads: gettext("every fault reads the swap device"),
  };
  return words[belief] ?? belief;
}
