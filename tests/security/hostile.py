"""A lab in which every name, note and text that a person may enter tries to run a script.

`make()` prints, as JSON, whose session may see all of it and the address of every page there is; a
server's own shell runs it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.apps import apps
from django.db.models import Field
from django.utils import timezone

from tests.security import world as worlds
from tests.security.addresses import addresses, row_of
from vms.models import JournalEntry, Lab, Remark, Run

ATTACK = '"><img src=x onerror=canary=1>'
"""It ends an attribute that it is put into, and has no character that a VM's name may not have."""
LONG = (
    f"{ATTACK}<script>canary=1</script><svg onload=canary=1>[link](javascript:canary=1) "
    "</textarea></title></script><style>*{display:none}</style>{{ 7*7 }}"
)
# What people enter, by the rows it is kept in.
ENTERED = {
    "auth.user": ("first_name", "last_name"),
    "vms.lab": ("name", "notes"),
    "vms.virtualmachine": ("name",),
    "vms.device": ("name",),
    "vms.run": ("name", "note", "message"),
    "vms.journalentry": ("name", "sentence"),
    "vms.revision": ("name", "what", "notes"),
    "vms.token": ("name",),
    "vms.guest": ("name",),
    "vms.ban": ("name", "reason"),
    "vms.invitation": ("label",),
    "vms.remark": ("name", "text"),
    "vms.assignment": ("title", "text"),
    "vms.submission": ("name", "feedback_text", "feedback_by", "error"),
    "vms.auditentry": ("name", "what", "sentence"),
}
LEFT_OUT = re.compile(r"account_logout|admin:(logout|admin/.*|.*_(history|delete|add|done))|jsi18n")
"""What ends the visit, leads elsewhere, is no page, or shows what others of its kind show, too."""


def make() -> None:
    """Make it all, and print where to look."""
    world = worlds.make()
    boss = world.users["superuser"]
    Lab.objects.filter(pk=world.lab.pk).update(owner=boss)
    pages = [
        world.path(address)
        for address in addresses()
        if row_of(address.name)[0] is not None and not LEFT_OUT.fullmatch(address.name)
    ]
    run = Run.objects.create(lab=world.lab, number=1, scenario={}, seed=1)
    JournalEntry.objects.create(
        run=run, sequence=1, tick=0, command={"type": LONG}, at=timezone.now()
    )
    for number in range(3):
        remark = {"text": "x", "name": "x", "target": "panel:timeline"}
        Remark.objects.create(lab=world.lab, tick=number, **remark)
    for label, fields in ENTERED.items():
        spoil(apps.get_model(label), fields)
    for user in world.users.values():  # a name of an account takes no such letters, but a row does
        type(user).objects.filter(pk=user.pk).update(username=f"{user.pk}{ATTACK}")
    told = {"key": world.cookies["superuser"], "pages": pages, "lab": f"/labs/{world.lab.pk}/"}
    print(json.dumps(told))  # noqa: T201


def spoil(model: Any, fields: tuple[str, ...]) -> None:
    """Write something hostile into these fields of all rows."""
    for number, row in enumerate(model._default_manager.all()):
        for name in fields:
            field: Field[Any, Any] = model._meta.get_field(name)
            text = f"{number}{ATTACK if (field.max_length or 999) <= 150 else LONG}"
            model._default_manager.filter(pk=row.pk).update(**{name: text})
