"""Cgroups: a tree of groups of VMs and containers with weights, quotas and limits of memory."""
