"""What a lab is when it rests: the rows from which a run starts and to which it returns."""

from vms.models.assignment import Assignment, Submission
from vms.models.audit import AuditEntry, AuditHead
from vms.models.lab import Lab, TraceFile
from vms.models.machine import Device, Host, Mapping, Page, VirtualMachine
from vms.models.people import Ban, Guest, Invitation, Membership, Role
from vms.models.remark import Remark
from vms.models.revision import Revision
from vms.models.round import Round, Vote
from vms.models.run import Checkpoint, JournalEntry, Run
from vms.models.token import Token

__all__ = [
    "Assignment",
    "AuditEntry",
    "AuditHead",
    "Ban",
    "Checkpoint",
    "Device",
    "Guest",
    "Host",
    "Invitation",
    "JournalEntry",
    "Lab",
    "Mapping",
    "Membership",
    "Page",
    "Remark",
    "Revision",
    "Role",
    "Round",
    "Run",
    "Submission",
    "Token",
    "TraceFile",
    "VirtualMachine",
    "Vote",
]
