"""A timer: a request programs it, and is complete when the time is over.

The exits of its requests are those of writes to its registers, counted as `timer`.
Source: assumption; a local APIC's one-shot timer, which any number of guests may have.
"""

CHANNELS, SERVICE_US, MIB_PER_S, VFS = 1024, 1000, 1_000_000, 0
"""Parallel servers, time of a request in µs, transfer in MiB/s, virtual functions."""
ACCESS = "timer"
"""How a guest reaches it: the reason of its exits."""
