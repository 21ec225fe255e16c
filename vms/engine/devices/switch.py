"""A virtual switch: it joins VMs, by `send` and `receive`.

A packet takes its KiB / mib_per_s of the switch, and is `delay_us` on the way after that.
Source: assumption; 10 Gbit/s, and what a software switch of the same host adds.
"""

CHANNELS, SERVICE_US, MIB_PER_S, VFS = 1, 0, 1250, 0
"""Parallel servers, time of a packet in µs, transfer in MiB/s, virtual functions."""
DELAY_US = 10
"""Time on the way in µs."""
