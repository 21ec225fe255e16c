"""Page replacement: which page leaves when no frame is free.  One file per policy."""

REPLACEMENTS: dict[str, str] = {
    "fifo": "the page that was brought in first",
    "lru": "the page unused for the longest time",
    "clock": "a hand clears reference bits until it finds a page whose bit is clear",
    "random": "any page",
    "opt": "the page whose next use lies furthest ahead (Belady; the whole trace must be known)",
}
"""Name → summary, in the order of `host.replacement`."""
