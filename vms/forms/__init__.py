"""Forms. What a scenario allows is said by its schema; here its sentences find their fields."""

from vms.forms.audit import AuditForm
from vms.forms.check import attach
from vms.forms.device import DeviceForm
from vms.forms.host import LabForm
from vms.forms.members import BanForm, GuestForm, InvitationForm, MemberForm, RoleForm
from vms.forms.new import LabFileForm, ScenarioTextForm, TraceFileForm
from vms.forms.notes import NotesForm
from vms.forms.vm import VMEditor

__all__ = [
    "AuditForm",
    "BanForm",
    "DeviceForm",
    "GuestForm",
    "InvitationForm",
    "LabFileForm",
    "LabForm",
    "MemberForm",
    "NotesForm",
    "RoleForm",
    "ScenarioTextForm",
    "TraceFileForm",
    "VMEditor",
    "attach",
]
