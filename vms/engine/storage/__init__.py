"""What VMs store: disks with contents in layers, snapshots, restore points, and who copies them.

`disks` what a request does to clusters; `jobs` what the host copies; `host` the doors through which
the kernel comes here, compiled when a machine first needs them; `layers`, `vault`: as commands see
them; `summary`: as users do.
"""
