"""Who gets in where: written by hand, one line per address, API operation and socket message.

This is what the project promises, not what its code happens to do: nothing here is derived from
`vms/permissions.py`, which is compared with it. An address, operation or message without a line
fails the tests beside this file, and so does a line without one.

To add an address: its name in PAGES, with the rights that reading it and posting to it take (None:
that method is not taken). An API operation: a line in CALLS. A socket message: its kind in
MESSAGES, and an example of it in tests/live/test_consumer.py. Something that an address names by a
number or a name (`<int:thing_id>`): a real one in `world.py`, so that others' can be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.people import SMALL

WHO = (
    "anonymous",  # nobody
    "guest",  # who tries the demo, in a lab of their own
    "named",  # who joined by a code as a driver, without an account, under a name
    "stranger",  # an account that is no member
    "observer",
    "auditor",
    "driver",
    "instructor",
    "owner",
    "staff",  # may enter the admin site, and nothing within it
    "superuser",
)
MEMBERS = ("observer", "auditor", "driver", "instructor")

IN, LOGIN, HIDDEN, REFUSED, ASIDE = "in", "login", "hidden", "refused", "aside"
"""Served; sent to the login; told that there is nothing (404); told who may (403); sent elsewhere,
without anything done."""


def _outcomes(letters: str) -> dict[str, str]:
    words = {word[0]: word for word in (IN, LOGIN, HIDDEN, REFUSED, ASIDE)}
    return dict(zip(WHO, map(words.__getitem__, letters.split()), strict=True))


# What each right means for everybody, in the order of WHO. In a lab strangers learn nothing.
RIGHTS: dict[str, dict[str, str]] = {
    #         anon guest named | stranger observer auditor driver instructor owner | staff super
    "anybody": _outcomes("       i i i  i i i i i i  i i"),
    "account": _outcomes("       l l l  i i i i i i  i i"),
    "signed out": _outcomes("    i i i  a a a a a a  a a"),
    "watch": _outcomes("         l l i  h i i i i i  h i"),
    "talk": _outcomes("          l l i  h i r i i i  h i"),
    "steer": _outcomes("         l l i  h r r i i i  h i"),
    "edit": _outcomes("          l l i  h r r i i i  h i"),
    "invite": _outcomes("        l l r  h r r r i i  h i"),
    "lead": _outcomes("          l l r  h r r r i i  h i"),
    "lead or hidden": _outcomes("l l h  h h h h i i  h i"),  # what others handed in
    "audit": _outcomes("         l l r  h r i r i i  h i"),
    "own": _outcomes("           l l r  h r r r r i  h i"),
    "trash": _outcomes("         l l l  h h h h h i  h i"),  # nobody else is told what lies there
    "its own": _outcomes(
        "       l l l  h h h h h i  h h"
    ),  # of the owner's account: not even superusers
    "admin": _outcomes("         l l l  l l l l l l  i i"),
    "admin login": _outcomes("   l l l  r r r r r r  i i"),
    "model": _outcomes("         l l l  l l l l l l  r i"),
    "models": _outcomes("        l l l  l l l l l l  h i"),
    "closed": _outcomes("        l l l  l l l l l l  r r"),
    "no model": _outcomes("      l l l  l l l l l l  h h"),
    "a right key": _outcomes("   h h h  h h h h h h  h h"),  # which nobody has
    "a begun login": _outcomes(" l l l  a a a a a a  a a"),
}
IN_A_LAB = {"watch", "talk", "steer", "edit", "invite", "lead", "audit", "own", "trash"}
"""Rights that members have of a lab: a POST by whoever is none finds nothing there."""

Row = tuple[str | None, str | None]
"""The rights that GET and POST take; None where the method is not taken."""

READ_ONLY = (  # what the admin site shows and nobody writes there
    "assignment",
    "auditentry",
    "ban",
    "checkpoint",
    "guest",
    "journalentry",
    "remark",
    "revision",
    "round",
    "run",
    "submission",
    "token",
)
PAGES: dict[str, Row] = {
    # --- lessons ------------------------------------------------------------------------------
    "vms:assignments": ("watch", None),
    "vms:assignment": ("watch", None),
    "vms:assignment_new": ("lead", "lead"),
    "vms:assignment_edit": ("lead", "lead"),
    "vms:assignment_delete": (None, "lead"),
    "vms:assignment_begin": (None, "talk"),
    "vms:assignment_hand_out": (None, "lead"),
    "vms:goal_check": (None, "lead"),
    "vms:results": ("lead", None),
    "vms:results_csv": ("lead", None),
    "vms:submission": ("lead or hidden", None),
    "vms:submission_state": ("lead or hidden", None),
    "vms:submission_file": ("lead or hidden", None),
    "vms:submission_feedback": (None, "lead"),
    "vms:submission_grade": (None, "lead"),
    "vms:copy_get": (None, "talk"),
    "vms:copy_changes": ("watch", None),
    "vms:copy_task": ("watch", None),
    "vms:copy_start_over": (None, "steer"),
    "vms:copy_hand_in": (None, "steer"),
    "vms:copies_make": (None, "lead"),
    "vms:wall": ("lead", None),
    "vms:wall_state": ("lead", None),
    "vms:wall_message": (None, "lead"),
    "vms:wall_broadcast": (None, "lead"),
    # --- the site -----------------------------------------------------------------------------
    "vms:start": ("anybody", None),
    "vms:healthz": ("anybody", None),
    "vms:demo": (None, "anybody"),
    "vms:shot": ("anybody", None),
    "vms:join": ("anybody", "anybody"),
    "vms:accept_invitation": ("anybody", "anybody"),
    "vms:claim": ("account", "account"),
    "vms:limits": ("account", None),
    "vms:tokens": ("account", "account"),
    "vms:token_revoke": (None, "its own"),
    "vms:new_lab": ("account", "account"),
    "vms:import_lab": (None, "account"),
    "vms:trash": ("account", None),
    "vms:lab_restore": (None, "trash"),
    "vms:lab_purge": (None, "trash"),
    "set_language": ("anybody", "anybody"),
    "jsi18n": ("anybody", None),
    "api_docs": ("anybody", None),
    "api:openapi-json": ("anybody", "anybody"),
    "api:api-root": ("anybody", None),
    # --- a lab --------------------------------------------------------------------------------
    "vms:lab": ("watch", None),
    "vms:lab_ticket": ("watch", None),
    "vms:lab_why": ("watch", None),
    "vms:lab_talk": ("watch", None),
    "vms:lab_rounds": ("lead", None),
    "vms:lab_curves": ("watch", None),
    "vms:lab_kinds": ("watch", None),
    "vms:lab_kinds_data": ("watch", None),
    "vms:lab_isolation": ("watch", None),
    "vms:lab_walk": ("watch", None),
    "vms:lab_scenario": ("watch", None),
    "vms:lab_result": ("watch", None),
    "vms:lab_export": ("watch", None),
    "vms:lab_file": ("watch", None),
    "vms:lab_events": ("watch", None),
    "vms:lab_notes": ("watch", "edit"),
    "vms:lab_history": ("edit", None),
    "vms:lab_revision": ("edit", None),
    "vms:lab_undo": (None, "edit"),
    "vms:lab_redo": (None, "edit"),
    "vms:lab_revert": (None, "edit"),
    "vms:lab_compare": ("watch", None),
    "vms:runs_tree": ("watch", None),
    "vms:runs_compare": ("watch", "watch"),
    "vms:lab_reset": (None, "steer"),
    "vms:lab_duplicate": (None, "watch"),
    "vms:lab_delete": ("own", "own"),
    "vms:lab_edit": ("edit", "edit"),
    "vms:vm_add": ("edit", "edit"),
    "vms:vm_edit": ("edit", "edit"),
    "vms:vm_duplicate": (None, "edit"),
    "vms:vm_delete": ("edit", "edit"),
    "vms:device_add": ("edit", "edit"),
    "vms:device_edit": ("edit", "edit"),
    "vms:device_duplicate": (None, "edit"),
    "vms:device_delete": ("edit", "edit"),
    "vms:file_add": (None, "edit"),
    "vms:file_progress": ("edit", None),
    "vms:file_delete": (None, "edit"),
    "vms:lab_members": ("watch", "invite"),
    "vms:member_role": (None, "invite"),
    "vms:member_remove": (None, "invite"),
    "vms:member_mute": (None, "invite"),
    "vms:member_ban": (None, "invite"),
    "vms:member_unban": (None, "invite"),
    "vms:lab_audit": ("audit", None),
    "vms:lab_audit_file": ("audit", None),
    "vms:lab_invite": (None, "invite"),
    "vms:invitation_show": ("invite", None),
    "vms:invitation_qr": ("invite", None),
    "vms:invitation_rotate": (None, "invite"),
    "vms:invitation_revoke": (None, "invite"),
    # --- accounts -----------------------------------------------------------------------------
    "account_login": ("signed out", "signed out"),
    "account_signup": ("signed out", "signed out"),
    "account_logout": ("anybody", "anybody"),
    "account_inactive": ("anybody", None),
    "account_reauthenticate": ("account", "account"),
    "account_email": ("account", "account"),
    "account_email_verification_sent": ("anybody", None),
    "account_confirm_email": ("anybody", "a right key"),
    "account_change_password": ("account", "account"),
    "account_set_password": ("account", "account"),
    "account_reset_password": ("anybody", "anybody"),
    "account_reset_password_done": ("anybody", None),
    "account_reset_password_from_key": ("anybody", "anybody"),
    "account_reset_password_from_key_done": ("anybody", None),
    "account_confirm_login_code": ("a begun login", "a begun login"),
    # --- the admin site: a line may stand for the same page of many models --------------------
    "admin:index": ("admin", "admin"),
    "admin:login": ("admin login", "admin login"),
    "admin:logout": (None, "anybody"),
    "admin:password_change": ("admin", "admin"),
    "admin:password_change_done": ("admin", None),
    "admin:jsi18n": ("admin", None),
    "admin:autocomplete": ("closed", None),  # it wants a field of a model
    "admin:view_on_site": ("admin", "admin"),  # to the lab's own page, which has a door
    "admin:app_list": ("models", "models"),
    "admin:admin/(?P<url>*": ("no model", "no model"),
    "admin:admin/*": ("admin", "admin"),  # to the page of the row, which has a door
    "admin:*": ("model", "model"),
    "admin:*_change": ("model", "model"),
    **{f"admin:vms_{model}_add": ("closed", "closed") for model in ("tracefile", *READ_ONLY)},
    **{f"admin:vms_{model}_change": ("model", "closed") for model in READ_ONLY},
    **{f"admin:vms_{model}_delete": ("closed", "closed") for model in ("auditentry", "guest")},
}


@dataclass(frozen=True)
class Call:
    """What an API operation takes: the scope of a token, the right in the lab (none: no lab)."""

    scope: str | None
    right: str | None
    body: Any = None


READS = Call("read", "watch")
VM = {"name": "more", "workload": {"steps": [{"compute": 1}]}}
CALLS: dict[tuple[str, str], Call] = {
    ("GET", "/me"): Call(None, None),
    ("GET", "/templates"): Call(None, None),
    ("GET", "/labs"): Call("read", None),
    ("POST", "/labs"): Call("edit", None, {"template": "belady"}),
    ("GET", "/trash"): Call("read", None),
    ("GET", "/labs/{lab_id}"): READS,
    ("PATCH", "/labs/{lab_id}"): Call("edit", "edit", {"seed": 5}),
    ("DELETE", "/labs/{lab_id}"): Call("edit", "own"),
    ("POST", "/labs/{lab_id}/duplicate"): Call("edit", "watch"),
    ("POST", "/labs/{lab_id}/restore"): Call("edit", "trash"),
    ("GET", "/labs/{lab_id}/scenario"): READS,
    ("PUT", "/labs/{lab_id}/scenario"): Call("edit", "edit", SMALL),
    ("GET", "/labs/{lab_id}/revisions"): Call("edit", "edit"),
    ("POST", "/labs/{lab_id}/undo"): Call("edit", "edit"),
    ("POST", "/labs/{lab_id}/redo"): Call("edit", "edit"),
    ("POST", "/labs/{lab_id}/revisions/{number}/revert"): Call("edit", "edit"),
    ("GET", "/labs/{lab_id}/host"): READS,
    ("PUT", "/labs/{lab_id}/host"): Call("edit", "edit", {"pcpus": 2}),
    ("PATCH", "/labs/{lab_id}/host"): Call("edit", "edit", {"pcpus": 3}),
    ("GET", "/labs/{lab_id}/vms"): READS,
    ("POST", "/labs/{lab_id}/vms"): Call("edit", "edit", VM),
    ("GET", "/labs/{lab_id}/vms/{name}"): READS,
    ("PUT", "/labs/{lab_id}/vms/{name}"): Call("edit", "edit", VM | {"name": "web-1"}),
    ("PATCH", "/labs/{lab_id}/vms/{name}"): Call("edit", "edit", {"weight": 5}),
    ("DELETE", "/labs/{lab_id}/vms/{name}"): Call("edit", "edit"),
    ("GET", "/labs/{lab_id}/devices"): READS,
    ("POST", "/labs/{lab_id}/devices"): Call("edit", "edit", {"name": "more"}),
    ("GET", "/labs/{lab_id}/devices/{name}"): READS,
    ("PUT", "/labs/{lab_id}/devices/{name}"): Call("edit", "edit", {"name": "web-1"}),
    ("PATCH", "/labs/{lab_id}/devices/{name}"): Call("edit", "edit", {"channels": 5}),
    ("DELETE", "/labs/{lab_id}/devices/{name}"): Call("edit", "edit"),
    ("GET", "/labs/{lab_id}/compare"): READS,
    ("GET", "/labs/{lab_id}/runs"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/scenario"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/journal"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/state"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/result"): READS,
    ("GET", "/labs/{lab_id}/runs/{run}/events"): READS,
    ("POST", "/labs/{lab_id}/runs/{run}/commands"): Call("steer", "steer", {"type": "pause"}),
    ("GET", "/labs/{lab_id}/export"): READS,
    ("GET", "/labs/{lab_id}/assignments"): READS,
    ("GET", "/labs/{lab_id}/assignments/{assignment_id}/results"): Call("read", "lead"),
    ("GET", "/labs/{lab_id}/submissions/{submission_id}"): Call("read", "lead or hidden"),
    ("GET", "/labs/{lab_id}/submissions/{submission_id}/file"): Call("read", "lead or hidden"),
    ("POST", "/labs/{lab_id}/submissions"): Call("steer", "steer"),
    ("POST", "/labs/import/"): Call("edit", None),
}

# What each kind of message on a lab's socket takes of whoever sends it.
MESSAGES: dict[str, tuple[str, ...]] = {
    "watch": (
        "watch",
        "want",
        "again",
        "check",
        "look",
        "look_by",
        "live",
        "at",
        "point",
        "follow",
        "my_vote",
    ),
    "steer": (
        "set_time_slice",
        "set_weight",
        "set_scheduler",
        "set_share",
        "set_pool",
        "plug_pcpu",
        "unplug_pcpu",
        "set_smt",
        "set_cgroup",
        "set_costs",
        "set_replacement",
        "set_overcommit",
        "set_balloon",
        "set_translation",
        "set_device_mode",
        "map_device",
        "unmap_device",
        "add_device",
        "set_queue",
        "set_io_weight",
        "set_throttle",
        "add_vm",
        "start_vm",
        "pause_vm",
        "resume_vm",
        "stop_vm",
        "take_snapshot",
        "revert_snapshot",
        "delete_snapshot",
        "clone_vm",
        "make_template",
        "set_backup",
        "run_backup",
        "lose_disk",
        "restore_backup",
        "play",
        "pause",
        "step",
        "next_event",
        "speed",
        "reset",
        "run_to",
        "fork",
        "undo",
        "redo",
        "switch",
        "name_run",
        "delete_run",
        "restore_run",
        "take_wheel",
        "ask_wheel",
        "release_wheel",
        "grant_wheel",
        "deny_wheel",
    ),
    "talk": ("say", "edit_remark", "delete_remark", "vote"),
    "lead": (
        "follow_me",
        "broadcast",
        "take_back",
        "set_driving",
        "open_round",
        "close_round",
        "reveal_round",
        "cancel_round",
        "end_round",
    ),
}
SOCKETS = ("ws/lab/<uuid:lab>/",)
"""Every address at which there are sockets; each is entered by everybody in test_sockets.py."""
