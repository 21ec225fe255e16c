"""Uploads of page traces: formats, limits, an error that names the line, how far the reading is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from vms import uploads
from vms.engine.workloads import formats
from vms.models import Lab, TraceFile

pytestmark = pytest.mark.django_db

LACKEY = b"==7== Lackey\nI  04010000,3\n S 1ffe0010,8\n L 1ffe1000,4\n M 1ffe0010,4\n"
CSV = b"time,obj_id,size\n1,a,4096\n2,b,4096\n3,a,4096\n"


def sent(client: Client, lab: Lab, content: bytes, name: str = "t.trace") -> Any:
    """Upload a file as the page's script does."""
    return client.post(
        reverse("vms:file_add", args=[lab.pk]),
        {"file": SimpleUploadedFile(name, content)},
        headers={"accept": "application/json"},
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"0\n1\n0\n", "3 references to pages 0..1."),
        (LACKEY, "4 references to pages 0..2."),
        (CSV, "3 references to pages 0..1."),
    ],
)
def test_a_trace_is_read_by_what_is_in_it(
    lab: Lab, alice: Any, as_: Callable[[Any], Client], content: bytes, found: str
) -> None:
    answer = sent(as_(alice), lab, content)
    assert (answer.status_code, answer.json()) == (
        200,
        {"ok": True, "message": f"t.trace: {found}"},
    )
    assert bytes(TraceFile.objects.get(lab=lab).content) == content


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"0\nseven\n", "trace t.trace, line 2: must be a page number 0..16777215, got seven"),
        (b"I  04010000,3\nstore 5\n", "trace t.trace, line 2: must be I, L, S or M"),
        (b"when,what\n1,2\n", "trace t.trace, line 1: must have a column obj_id"),
        (b"\0" * 25, "trace t.trace must have whole records of 24 bytes, got 25 bytes"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_nothing_is_kept(
    lab: Lab, alice: Any, as_: Callable[[Any], Client], content: bytes, sentence: str
) -> None:
    answer = sent(as_(alice), lab, content)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(sentence)
    assert not TraceFile.objects.filter(lab=lab).exists()


def test_a_file_that_is_too_long_is_not_read(
    lab: Lab, alice: Any, as_: Callable[[Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "MOST_BYTES", 8)
    answer = sent(as_(alice), lab, b"1\n" * 8)
    assert answer.json()["message"] == "trace t.trace must have 1..8 bytes, got 16"


def test_how_far_the_reading_is_concerns_who_reads(
    lab: Lab, alice: Any, bob: Any, as_: Callable[[Any], Client]
) -> None:
    url = reverse("vms:file_progress", args=[lab.pk])
    note = uploads.note(f"{lab.pk}:u{alice.pk}")
    note(30, 120)
    assert as_(alice).get(url).json() == {"done": 0.25}
    uploads.forget(f"{lab.pk}:u{alice.pk}")
    assert as_(alice).get(url).json() == {"done": None}
    assert as_(bob).get(url).status_code == 404
