"""What holds for every page: it loads from this server alone, and obeys its own policy."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urlparse

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

STATIC = Path(__file__).resolve().parent.parent / "static"
LOADING = {"src", "srcset", "href", "action", "formaction", "data", "poster", "xlink:href"}
NAMESPACE = re.compile(r"http://www\.w3\.org/[\w./]*")
MOST = 80


class Page(HTMLParser):
    """The addresses a page loads or leads to, and what its own policy would refuse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.refused: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        for name, value in told.items():
            if name in LOADING:
                (self.links if tag == "a" else self.loads).append(value)
            if name == "style" or name.startswith("on"):
                self.refused.append(f"<{tag} {name}={value!r}>")
        kind = told.get("type", "")
        self._script = tag == "script" and "src" not in told and kind != "application/json"
        if tag == "style":
            self.refused.append("<style>")

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.refused.append(f"<script> {data.strip()[:60]}")
        self._script = False


def crawl(client: Client, first: str) -> dict[str, Page]:
    """Follow the links of each page within this site; return the pages by address."""
    pages: dict[str, Page] = {}
    waiting = [first]
    while waiting and len(pages) < MOST:
        path = waiting.pop(0)
        answer = client.get(path, follow=True)
        if path in pages or not answer.headers.get("Content-Type", "").startswith("text/html"):
            answer.close()  # perhaps a file that nobody reads
            continue
        assert answer.status_code == 200, f"{path} answers {answer.status_code}"
        pages[path] = Page(answer.content.decode())
        waiting += [link for link in map(inside, pages[path].links) if link and link not in pages]
    return pages


def inside(link: str) -> str:
    """Return a link's address if it stays on this site and only reads; else nothing."""
    path = urldefrag(link).url
    return path if path.startswith("/") and "logout" not in path else ""


def check(pages: dict[str, Page]) -> None:
    """Assert that nothing is loaded from elsewhere, and nothing is inline."""
    for path, page in pages.items():
        elsewhere = [url for url in page.loads if urlparse(url).netloc or urlparse(url).scheme]
        assert [url for url in elsewhere if not url.startswith("data:image/")] == [], path
        assert page.refused == [], path


@pytest.mark.django_db(transaction=True)
def test_a_visitors_pages_load_from_this_server_alone(client: Client) -> None:
    pages = crawl(client, "/")
    assert reverse("account_login") in pages
    check(pages)


@pytest.mark.django_db(transaction=True)
def test_a_guests_pages_load_from_this_server_alone(client: Client) -> None:
    lab = client.post(reverse("vms:demo"), follow=True)
    assert lab.status_code == 200
    pages = crawl(client, lab.redirect_chain[-1][0])
    assert len(pages) > 3
    check(pages)


@pytest.mark.django_db(transaction=True)
def test_the_admin_sites_pages_load_from_this_server_alone(client: Client) -> None:
    client.force_login(get_user_model().objects.create_superuser("alice", password="secret"))
    pages = crawl(client, reverse("admin:index"))
    assert len(pages) > 5
    check(pages)


@pytest.mark.parametrize("kind", ["js", "css", "svg"])
def test_no_static_file_names_another_server(kind: str) -> None:
    files = sorted(STATIC.rglob(f"*.{kind}"))
    assert files
    for file in files:
        text = NAMESPACE.sub("", file.read_text())
        assert re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}[^\s\"')]*", text) == [], file.name
