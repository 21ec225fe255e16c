"""Every page, shown with names and notes that try to run a script: nothing runs, all is text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import WAIT_MS, Visitor
from tests.server import RunningServer

LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
# What a text that was taken for markup leaves in a page, what ran, and what the policy stopped.
LOOK = """() => ({
  ran: typeof canary !== "undefined",
  markup: document.querySelectorAll('img[src="x"], svg[onload], a[href^="javascript:"]').length,
  stopped: window.violations,
  shown: (document.body?.innerText ?? "").includes("onerror=canary"),
})"""
SEEN_ON = 20
"""Pages that are bound to show one of the names at least."""


@pytest.mark.timeout(300)
def test_no_name_and_no_note_runs_in_any_page(
    start_server: Callable[..., RunningServer], browser: Browser
) -> None:
    server = start_server()  # of its own: every name in it becomes an attack
    made = server.shell("from tests.security import hostile; hostile.make()")
    told: dict[str, Any] = json.loads(made.strip().splitlines()[-1])
    context = browser.new_context(accept_downloads=False)
    context.set_default_timeout(WAIT_MS)
    context.add_cookies([{"name": "sessionid", "value": told["key"], "url": server.url}])
    context.add_init_script(LISTEN)
    page = context.new_page()
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    wrong, seen = [], 0
    for path in told["pages"]:
        try:
            page.goto(server.url + path, wait_until="domcontentloaded")
        except PlaywrightError as error:
            if "Download is starting" not in error.message:
                raise
            continue
        if path == told["lab"]:
            Visitor(page).live()
            page.evaluate(
                "for (const each of document.querySelectorAll('details')) each.open = true"
            )
        found = page.evaluate(LOOK)
        seen += found["shown"]
        if found["ran"] or found["markup"] or found["stopped"]:
            wrong.append((path, found))
    context.close()
    assert wrong == []
    assert dialogs == []
    assert seen >= SEEN_ON, seen
