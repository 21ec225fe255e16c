"""Whatever is asked below /api/, the answer is one a program can read."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from django.test import AsyncClient, Client

from tests.api.conftest import Program
from tests.server import RunningServer
from vms.api import labs
from vms.models import Lab


def refused(answer: Any, status: int) -> str:
    """Return the sentence of a refusal, which must be one, with this status."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("application/json")
    told = json.loads(answer.content)
    assert set(told) == {"field", "message"}
    assert int(answer["Content-Length"]) == len(answer.content)
    return str(told["message"])


def test_what_is_not_there_is_told_in_json(mine: Program) -> None:
    assert refused(mine.get("/nothing"), 404) == "There is nothing at this address."
    assert refused(mine.get("/labs/none"), 404)
    assert refused(mine.get(f"/labs/{'0' * 8}-0000-4000-8000-{'0' * 12}"), 404) == (
        "There is no such lab, or it is not open to you."
    )


def test_a_page_that_is_not_there_is_a_page(client: Client, db: None) -> None:
    answer = client.get("/nothing")
    assert answer["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_taken_says_which_are(mine: Program) -> None:
    answer = mine.call("PUT", "/labs")
    assert answer["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert refused(answer, 405) == ("This address takes GET, HEAD, OPTIONS, POST, not PUT.")
    assert refused(mine.call("BREW", "/me"), 405)


def test_options_tells_what_an_address_takes_and_allows_no_other_site(lab: Lab) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "PUT"}
    answer = Program().call("OPTIONS", f"/labs/{lab.pk}", **asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_head_is_get_without_its_body(mine: Program, lab: Lab) -> None:
    head, get = (mine.call(method, f"/labs/{lab.pk}/vms") for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (200, b"")
    assert (head["ETag"], head["Content-Length"]) == (get["ETag"], str(len(get.content)))


def test_no_other_site_may_read_what_is_told(mine: Program, lab: Lab) -> None:
    answer = mine.get(f"/labs/{lab.pk}", Origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answer["Cache-Control"] == "private, no-cache"


def test_a_failure_of_ours_is_a_sentence_and_stands_in_the_log(
    mine: Program, lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(labs, "lab_shown", fail)
    assert refused(mine.get(f"/labs/{lab.pk}"), 500).startswith("The server failed over this")
    assert "a bug" in caplog.text


def test_a_host_that_is_not_ours_is_refused_in_json(mine: Program) -> None:
    assert refused(mine.get("/me", Host="evil.example"), 400)


def test_a_body_that_came_past_the_servers_guard_is_refused(mine: Program, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.VMLAB_BODY_BYTES = 100
    answer = mine.post("/labs", {"template": "x" * 200})
    assert "may hold at most 100 bytes" in refused(answer, 413)


def test_refusals_come_in_the_callers_language(mine: Program, lab: Lab) -> None:
    answer = mine.get("/me", **{"Accept-Language": "de, en;q=0.5"})
    assert answer.status_code == 200
    assert "Accept-Language" in answer["Vary"]


async def test_the_edge_is_the_same_on_the_loop(db: None) -> None:
    client: Any = AsyncClient(raise_request_exception=False)
    assert (await client.get("/api/nothing")).json()["field"] is None
    assert (await client.head("/api/openapi.json")).status_code == 200
    assert (await client.get("/api/me")).status_code == 401


# --- the document ---------------------------------------------------------------------------------


def test_the_document_is_openapi_3_1_and_names_every_body(client: Client, db: None) -> None:
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    text = json.dumps(document)
    assert "x-parts-of" not in text
    named = set(re.findall(r"#/components/schemas/([\w\[\]]+)", text))
    assert named <= set(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            writes = method in {"put", "patch"}
            assert not writes or "requestBody" in operation, (method, path)


def test_every_command_and_control_is_in_the_document(client: Client, db: None) -> None:
    from vms.engine.commands import COMMANDS
    from vms.live.controls import CONTROLS

    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    kinds = [
        schemas[each["$ref"].rpartition("/")[2]]["properties"]["type"]["const"]
        for each in schemas["Command"]["oneOf"]
    ]
    assert kinds == [*COMMANDS, *CONTROLS]


def test_the_page_of_the_api_names_every_address_and_loads_nothing(
    client: Client, db: None
) -> None:
    page = client.get("/api/")
    document = client.get("/api/openapi.json").json()
    text = page.content.decode()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    assert "default-src 'self'" in page["Content-Security-Policy"]


# --- on a real server -----------------------------------------------------------------------------


def ask(url: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, **options)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_body_that_is_too_long_is_refused_in_json_before_it_is_read(
    server: RunningServer,
) -> None:
    body = b"x" * (5 * 2**20 + 1)
    status, headers, content = ask(f"{server.url}/api/labs", data=body, method="POST")
    assert (status, headers["Content-Type"]) == (413, "application/json")
    assert json.loads(content)["message"].startswith("A request's body may hold at most")


def test_head_and_options_on_a_real_server(server: RunningServer) -> None:
    status, headers, content = ask(f"{server.url}/api/openapi.json", method="HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) > 1000
    status, headers, content = ask(f"{server.url}/api/me", method="OPTIONS")
    assert (status, headers["Allow"], content) == (204, "GET, HEAD, OPTIONS", b"")
