"""A lab with one of everything in it, and somebody in every role of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from tests.people import SMALL
from tests.security.addresses import Address
from tests.security.table import MEMBERS, WHO
from vms import revisions, tokens, trash
from vms.founding import found
from vms.models import (
    Assignment,
    Ban,
    Device,
    Guest,
    Invitation,
    Lab,
    Membership,
    Submission,
    TraceFile,
)
from vms.permissions import Visitor
from vms.views.joining import token_of

PASSWORD = "correct horse battery"
BACKEND = "django.contrib.auth.backends.ModelBackend"
MAY_DIFFER = {
    "django_session",
    "vms_auditentry",
    "vms_audithead",
    "vms_tries",
    "django_admin_log",
}
"""Tables in which even a refusal may leave something: that there was one."""

# What an address of a lab names beside it: one that is there, in that lab.
WITHIN: dict[str, Callable[[Lab], Any]] = {
    "lab_id": lambda lab: lab.pk,
    "vm_id": lambda lab: lab.vms.get(name="batch").pk,
    "device_id": lambda lab: lab.devices.get(name="spare").pk,
    "file_id": lambda lab: lab.files.get().pk,
    "member_id": lambda lab: lab.membership_set.get(user__username__startswith="bystander").pk,
    "invitation_id": lambda lab: lab.invitations.get().pk,
    "ban_id": lambda lab: lab.ban_set.get().pk,
    "number": lambda lab: 1,
    "assignment_id": lambda lab: lab.assignments.get().pk,
    "submission_id": lambda lab: lab.assignments.get().submissions.get().pk,
    "format": lambda lab: "jsonl",
}
# What other addresses name.
ELSEWHERE: dict[str, Callable[[World], Any]] = {
    "token": lambda world: token_of(world.lab.invitations.get()),
    "token_id": lambda world: world.users["owner"].tokens.get().pk,
    "template": lambda world: "belady",
    "app_label": lambda world: "vms",
    "content_type_id": lambda world: ContentType.objects.get_for_model(Lab).pk,
    "id": lambda world: world.users["stranger"].pk,
    "url": lambda world: "nowhere",
    "key": lambda world: "set-password",
    "uidb36": lambda world: "1",
}


@dataclass
class World:
    """What the matrix is tried on."""

    users: dict[str, Any]
    lab: Lab
    thrown: Lab
    cookies: dict[str, str] = field(default_factory=dict)
    named: Guest | None = None

    def client(self, who: str, **options: Any) -> Client:
        """Return a browser of somebody's, as it is after they signed in."""
        client = Client(raise_request_exception=False, **options)
        if who in self.cookies:
            client.cookies["sessionid"] = self.cookies[who]
        return client

    def path(self, address: Address) -> str:
        """Return an address with things that are there."""
        values: dict[str, Any] = {}
        lab = self.thrown if address.name in {"vms:lab_restore", "vms:lab_purge"} else self.lab
        for name in address.arguments:
            if name == "object_id":
                values[name] = self.row(address.name) or 1
            elif name in WITHIN:
                values[name] = WITHIN[name](lab)
            else:
                values[name] = ELSEWHERE[name](self)
        return address.filled(values)

    def row(self, name: str) -> Any:
        """Return the key of a row of the model that a page of the admin site is about, or None."""
        label = re.search(r"(vms|auth|account)[_/]([a-z]+)", name)
        if label is None:
            return self.lab.pk
        model: Any = apps.get_model(label[1], label[2])
        row = model.objects.order_by("pk").first()
        return None if row is None else row.pk

    def lacks(self, address: Address) -> bool:
        """Tell whether there is no row of what an address is about."""
        return "object_id" in address.arguments and self.row(address.name) is None


def make() -> World:
    """Make everybody, and the owner's lab with all of them in it."""
    users = {
        who: get_user_model().objects.create_user(
            who, f"{who}@lab.test", PASSWORD, is_staff=who in {"staff", "superuser"}
        )
        for who in WHO
        if who not in {"anonymous", "guest", "named"}
    }
    users["superuser"].is_superuser = True
    users["superuser"].save()
    thrown = found(owner=users["owner"], document=SMALL)
    world = World(users, furnished(users["owner"]), thrown)
    for lab in (world.lab, thrown):
        for role in MEMBERS:
            Membership.objects.create(lab=lab, user=users[role], role=role)
    trash.throw(thrown)
    tokens.make(users["owner"], "a token", ["read"], None)
    for who, user in users.items():
        client = Client()
        client.force_login(user, BACKEND)
        world.cookies[who] = client.cookies["sessionid"].value
    client = Client()
    assert client.post("/demo/", headers={"host": "localhost"}).status_code == 302
    world.cookies["guest"] = client.cookies["sessionid"].value
    world.cookies["named"] = joined(world.lab)
    world.named = Membership.objects.get(lab=world.lab, guest__isnull=False).guest
    return world


def joined(lab: Lab) -> str:
    """Join a lab without an account, by its code and under a name; return the session's cookie."""
    client = Client(HTTP_HOST="localhost")  # a served world knows no "testserver"
    found = client.post("/join/", {"code": lab.invitations.get().code})
    answer = client.post(found.headers["Location"], {"name": "Nadia"})
    assert answer.headers["Location"] == f"/labs/{lab.pk}/", answer.content
    return client.cookies["sessionid"].value


def furnished(owner: Any) -> Lab:
    """Return a lab of `owner` with one of everything that an address may name."""
    lab = found(owner=owner, document=SMALL)
    with revisions.edit(lab, Visitor(owner)):
        Device.objects.create(lab=lab, name="spare", position=9, kind="disk")
    TraceFile.objects.create(lab=lab, name="t", content=b"1", size=1)
    Invitation.objects.create(lab=lab, role="driver", made_by=owner)
    bystander = get_user_model().objects.create_user(f"bystander {lab.pk}")
    Membership.objects.create(lab=lab, user=bystander, role="observer")
    outcast = get_user_model().objects.create_user(f"outcast {lab.pk}")
    Ban.objects.create(lab=lab, user=outcast, name=outcast.username)
    task = Assignment.objects.create(lab=lab, title="A task", open=True)
    Submission.objects.create(assignment=task, user=bystander, name="bystander", status="graded")
    return lab


def fingerprint(but: set[str] | None = None) -> str:
    """Return a digest of all rows but those that may differ, and those of some tables."""
    digest, left_out = hashlib.sha256(), MAY_DIFFER | (but or set())
    with connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names()) - left_out):
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
            digest.update(f"{table}{cursor.fetchall()}".encode())
    return digest.hexdigest()
