"""Memory that is promised twice: balloons, equal pages merged, guests that swap, estimates.

The kernel reaches all of it through hooks (`host.py`), so a machine without compiles nothing of it.
"""
