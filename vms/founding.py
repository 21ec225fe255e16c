"""Founding labs: from a template or a document, for an account or a guest."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from vms import limits
from vms.engine.scenario import Scenario
from vms.live import store
from vms.models import Lab
from vms.scenarios import templates

LONGEST_NAME = 64


TooManyLabsError = limits.LimitError
"""An account has all the labs it may have, or all in them; the text is the sentence they read."""


def found(
    *,
    owner: User | None = None,
    template: str = "",
    document: Mapping[str, Any] | None = None,
    guest: uuid.UUID | None = None,
    guest_address: str = "",
    expires: datetime.datetime | None = None,
    plays: bool = False,
    public: bool = False,
) -> Lab:
    """Make a lab from `document`, or from the template of that name, and return it.

    Raises TooManyLabsError, or EngineError with the sentence of what the document breaks.
    """
    lab = Lab(
        owner=owner,
        guest=guest,
        guest_address=guest_address,
        expires=expires,
        plays=plays,
        public=public,
        template=template,
    )
    if template in templates():
        lab.speed = templates()[template].speed
    given = document if document is not None else templates()[template].data()
    scenario = Scenario.parse(given, limits=store.limits_for(lab))
    with transaction.atomic():
        if owner is not None:
            limits.refuse_more_labs(owner)
            limits.refuse_more(owner, len(scenario.expanded), scenario.host.frames)
        store.rows_from(lab, scenario)
        if owner is not None:
            _name_apart(lab, owner)
    return lab


def _name_apart(lab: Lab, owner: User) -> None:
    """Number the lab where its owner has one of the same name already."""
    others = Lab.objects.filter(owner_id=owner.pk, deleted=None).exclude(pk=lab.pk)
    taken = set(others.values_list("name", flat=True))
    base, number = lab.name, 2
    while lab.name in taken:
        lab.name = f"{base[: LONGEST_NAME - 5]} {number}"
        number += 1
    lab.save(update_fields=["name"])


def duplicate(lab: Lab, owner: User | None) -> Lab:
    """Make another lab of the same scenario for `owner`; members and runs stay behind."""
    document = store.scenario_of(lab)
    name = _("%(name)s copy") % {"name": document["name"][: LONGEST_NAME - 6]}
    files = sum(lab.files.values_list("size", flat=True))
    if owner is not None and files:
        limits.refuse_bytes_of(owner.pk, files)
    copy = found(owner=owner, document=document | {"name": name}, template=lab.template)
    for file in lab.files.all():
        file.pk, file.lab = None, copy
        file.save()
    return copy
