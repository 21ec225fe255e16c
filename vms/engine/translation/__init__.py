"""From a guest's page to the host's frame: two tables one under the other, a TLB, huge pages.

The kernel reaches it through hooks (`host.py`): a machine without a `translation` pays nothing.
"""
