"""A character device at USB: its controller asks it every microframe whether there is anything.

So a request begins at the next multiple of 125 µs.
Source: Universal Serial Bus Specification 2.0, microframes of 125 µs; a bulk transfer seldom
passes 40 MB/s of its 480 Mbit/s.
"""

CHANNELS, SERVICE_US, MIB_PER_S, VFS = 1, 10, 40, 0
"""Parallel servers, time of a request in µs, transfer in MiB/s, virtual functions."""
ACCESS = "mmio"
"""How a guest reaches it: the reason of its exits."""
POLL_US = 125
"""Time between two looks at it in µs."""
