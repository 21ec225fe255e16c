"""Page replacement: which page leaves when no frame is free.  One file per policy."""

REPLACEMENTS: dict[str, str] = {
    "fifo": "the page that was brought in first",
    "lru": "the page unused for the longest time",
    "clock": "a hand clears reference bits until it finds a page whose bit is clear",
    "random": "any page",
    "opt": "the page whose next use lies furthest ahead (Belady; the whole trace must be known)",
    "mru": "the page used most recently",
    "second_chance": "the oldest page, but those used since go to the back of the queue",
    "gclock": "a clock of several bits: a hand counts down until it finds a page at zero",
    "nru": "any page of the lowest class of used and written",
    "aging": "the page with the lowest counter, into which reference bits are shifted",
    "lfu": "the page used least often since it was brought in",
    "wsclock": "a page out of its VM's working set, a clean one first",
    "sieve": "a hand goes from old to new pages and takes the first one not visited",
    "2q": "pages used once pass through a queue; those called back stay longer",
    "s3fifo": "a small queue sifts new pages, those used again go on to the main queue",
    "arc": "pages used once and more often share the frames as their ghosts advise",
    "lirs": "the page with the longest distance between its last two uses",
}
"""Name → summary, in the order of `host.replacement`: new ones at the end."""
