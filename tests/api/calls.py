"""Calls made from the API's own document, against a real server; every answer is checked.

Some are as the document says, some break it on purpose. None may fail the server, and each
answer must be one that the document names, of the shape that it names.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.people import SMALL
from tests.server import RunningServer
from vms.export import layout

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
)
FEW = {
    "VMLAB_API_PER_SECOND": "100000",
    "VMLAB_API_AT_ONCE": "100000",
    "VMLAB_MAX_PAGES": "20000",
    "VMLAB_MAX_FRAMES": "20000",
    "VMLAB_MAX_VCPUS": "64",
    "LOG_LEVEL": "ERROR",
}
"""What a server is started with that is to be called so: small labs, no limit to calls."""
MADE = """
from django.contrib.auth.models import User
from vms import tokens
from vms.permissions import SCOPES
user = User.objects.create_user({name!r})
print(tokens.make(user, "test", list(SCOPES), None)[1])
"""


@schemathesis.serializer(layout.MIME, "application/zip")
def as_bytes(_context: Any, value: Any) -> bytes:
    """Return what is sent as a file: hardly ever one."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


class Calls:
    """A program that calls every operation of the document, in every way."""

    def __init__(self, server: RunningServer, name: str = "storm") -> None:
        self.server = server
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token_on(server, name)}"
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.document = requests.get(f"{server.url}/api/openapi.json", timeout=60).json()
        self.schema = schemathesis.openapi.from_dict(self.document)
        self.checks = CHECKS.get_by_names(CHECKED)
        self.lab = self.new_lab()

    @property
    def count(self) -> int:
        """How many calls were made."""
        return self.statuses.total()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a call of our own."""
        return self.session.request(method, f"{self.server.url}/api{path}", json=body, timeout=60)

    def new_lab(self) -> str:
        """Make a lab with a run that has a past."""
        made = self.ask("POST", "/labs", {"scenario": SMALL})
        assert made.status_code == 201, made.text
        lab = str(made.json()["id"])
        step = {"type": "step", "ticks": 50}
        done = self.ask("POST", f"/labs/{lab}/runs/current/commands?wait=20", step)
        assert done.status_code == 200, done.text
        return lab

    def storm(self, examples: int) -> None:
        """Call every operation so many times, about half of them as they should be."""
        for result in self.schema.get_all_operations():
            operation: Any = result.ok()  # type: ignore[union-attr]
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for known in (True, False):
                    self.prepare()
                    self._call(operation, mode, known, max(1, examples // 4))

    def prepare(self) -> None:
        """Bring the lab back to what it was, whatever was done to it."""
        put = self.ask("PUT", f"/labs/{self.lab}/scenario", SMALL)
        if put.status_code == 404:
            self.lab = self.new_lab()
        else:
            self.ask("POST", f"/labs/{self.lab}/runs/current/commands", {"type": "reset"})

    def _call(self, operation: Any, mode: GenerationMode, known: bool, examples: int) -> None:
        names = {"lab_id": self.lab, "run": "current", "name": "web-1", "device": "disk0"}
        if "/devices/" in operation.path:
            names["name"] = "disk0"
        wanted = {each: value for each, value in names.items() if f"{{{each}}}" in operation.path}
        try:
            cases = operation.as_strategy(mode, path_parameters=wanted if known else None)
        except Exception:
            return

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, revised=booleans())
        def called(case: Any, revised: bool) -> None:
            if not revised:  # else most edits would be refused for their revision
                case.query.pop("revision", None)
            answer = case.call(base_url=self.server.url, session=self.session, timeout=60)
            self.statuses[operation.label, answer.status_code] += 1
            case.validate_response(answer, checks=self.checks)

        called()


def token_on(server: RunningServer, name: str) -> str:
    """Make an account on a server; return a token of it that is good for everything."""
    return server.shell(MADE.format(name=name)).strip().splitlines()[-1]
