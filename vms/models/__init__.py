"""What a lab is when it rests: the rows from which a run starts and to which it returns."""

from vms.models.lab import Invitation, Lab, Membership, Role, TraceFile
from vms.models.machine import Device, Host, Mapping, Page, VirtualMachine
from vms.models.revision import Revision
from vms.models.run import Checkpoint, JournalEntry, Run
from vms.models.token import Token

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
    "Revision",
    "Role",
    "Run",
    "Token",
    "TraceFile",
    "VirtualMachine",
]
