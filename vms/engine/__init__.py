"""The engine: a host of virtual machines, simulated tick by tick; knows nothing of the web."""

VERSION = "0.2.0"
"""Same scenario, seed and version: same event hash.  Grows with every change of a result."""
