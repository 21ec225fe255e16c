"""A graphics processor: a request is a job; jobs take turns, or VMs have fixed parts of it.

Time-sliced, a job that is longer than `slice_us` goes to the end of the queue after its turn.
With `profiles: N` it is cut into N equal parts instead: each serves one virtual device, N times
slower, whatever the others do.
Source: NVIDIA, Virtual GPU Software User Guide: time-sliced and MIG-backed vGPUs; the figures are
an assumption.
"""

CHANNELS, SERVICE_US, MIB_PER_S, VFS = 1, 2000, 10_000, 0
"""Parallel servers, time of a job in µs, transfer in MiB/s, virtual functions."""
ACCESS = "mmio"
"""How a guest reaches it: the reason of its exits."""
SLICE_US = 500
"""Turn of a job in µs."""
