"""What a lab is when it rests: the rows from which a run starts and to which it returns."""

from vms.models.lab import Invitation, Lab, Membership, Role, TraceFile
from vms.models.machine import Device, Host, Mapping, Page, VirtualMachine
from vms.models.run import Checkpoint, JournalEntry, Run

__all__ = [
    "Checkpoint",
    "Device",
    "Host",
    "Invitation",
    "JournalEntry",
    "Lab",
    "Mapping",
    "Membership",
    "Page",
    "Role",
    "Run",
    "TraceFile",
    "VirtualMachine",
]
