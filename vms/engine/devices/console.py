"""A serial console.

Source of the figures: the default costs of the scenario format (docs/scenario.md).
"""

CHANNELS, SERVICE_US, MIB_PER_S, VFS = 1, 100, 1, 0
"""Parallel servers, time of a request in µs, transfer in MiB/s, virtual functions."""
