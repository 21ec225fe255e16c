"""Edits at rest: in one transaction with the right to make them, and with their revision."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from vms import revisions
from vms.api.door import enter
from vms.api.refusals import Refused
from vms.models import Lab
from vms.permissions import EDIT


@contextmanager
def editing(request: HttpRequest, lab_id: uuid.UUID, revision: int | None = None) -> Iterator[Lab]:
    """Let an edit be made to a lab; `revision` is the one the caller has seen, if they say so.

    Raises what `enter` raises, and Refused (409) where the lab has another revision by now.
    """
    with transaction.atomic():
        access = enter(request, lab_id, EDIT)
        lab = access.lab
        if revision is not None and revision != lab.revision:
            words = _("The lab has revision %(now)d by now, not %(given)d: read it again.")
            words = words % {"now": lab.revision, "given": revision}
            raise Refused(HTTPStatus.CONFLICT, words, "revision")
        with revisions.edit(lab, access.visitor):
            yield lab
