"""Uploads that are small and want to be large: refused before they are, in a moment."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zstandard
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from vms import scenario_file
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.models import Lab

MIB = 1 << 20
MOST_S = 5.0
"""On a busy machine; the bombs would take minutes, or all memory."""
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(b + 1)}: &{chr(b + 1)} [{', '.join(f'*{chr(b)}' for _ in range(9))}]\n"
    for b in range(ord("a"), ord("k"))
)
MERGES = "k0: &k0 {a: 1}\n" + "".join(
    f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}]}}\n" for n in range(1, 30)
)
TEXTS = {
    "aliases of aliases": LAUGHS,
    "brackets in brackets": "[" * 200_000,
    "a merge of merges": "".join(
        f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}]}}\n" if n else "k0: &k0 {a: 1}\n"
        for n in range(30)
    ),
    "a number of a million digits": f"seed: {'9' * MIB}",
    "a million keys": "{" + ", ".join(f"k{n}: 1" for n in range(100_000)) + "}",
}


@contextmanager
def modest(most_bytes: int = 64 * MIB) -> Iterator[None]:
    """Assert that what is done takes little time and little memory."""
    tracemalloc.start()
    began = time.perf_counter()
    yield
    took, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < MOST_S, took
    assert peak < most_bytes, peak


def read(text: str) -> Scenario:
    """Return the scenario that a text is, as every way in reads it."""
    return Scenario.parse(scenario_file.parse(text))


@pytest.mark.parametrize("name", TEXTS)
def test_a_scenario_that_would_grow_is_refused_in_words(name: str) -> None:
    with modest(), pytest.raises(EngineError) as refused:
        read(TEXTS[name])
    assert len(str(refused.value)) < 1_000


def zipped(**members: bytes) -> bytes:
    """Return a zip; its entries are as small as zip makes them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return packed.getvalue()


def lying(content: bytes) -> bytes:
    """Return a zip whose entry says that it is short."""
    packed = bytearray(zipped(manifest_json=content))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = packed.index(mark) + at
        packed[place : place + 4] = (100).to_bytes(4, "little")
    return bytes(packed)


FILES: dict[str, Callable[[], bytes]] = {
    "zeros in a zip": lambda: zipped(manifest_json=bytes(270 * MIB)),
    "an entry that says it is short": lambda: lying(bytes(270 * MIB)),
    "a zip of thousands of entries": lambda: zipped(**{f"e{n}": b"" for n in range(5_000)}),
    "zeros in zlib": lambda: zlib.compress(bytes(200 * MIB), 9),
    "zeros in gzip": lambda: gzip.compress(bytes(200 * MIB), 9),
    "zeros in zstandard": lambda: zstandard.compress(bytes(270 * MIB)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_labs_file_that_would_grow_is_refused_in_words(
    name: str, db: None, settings: Any, django_user_model: Any
) -> None:
    content = FILES[name]()
    client = Client()
    client.force_login(
        django_user_model.objects.create(username="mallory"),
        "django.contrib.auth.backends.ModelBackend",
    )
    client.post("/labs/import/", {"file": SimpleUploadedFile("x.vmlab", b"no file")})  # imports
    with modest(len(content) * 4 + 64 * MIB):
        answer = client.post("/labs/import/", {"file": SimpleUploadedFile("x.vmlab", content)})
    assert answer.status_code == 422, answer.status_code
    assert not Lab.objects.exists()
