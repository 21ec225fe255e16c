"""Every address of the site, as Django's resolver has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils.regex_helper import normalize

from tests.security.table import PAGES, Row
from vms.api.site import api


@dataclass(frozen=True)
class Address:
    """An address: its name (of one that has none, its pattern) and what it takes as arguments."""

    name: str
    template: str
    arguments: tuple[str, ...]

    def filled(self, values: dict[str, Any]) -> str:
        """Return the path with these arguments."""
        return "/" + self.template % {name: values[name] for name in self.arguments}


@cache
def addresses() -> tuple[Address, ...]:
    """Return every address but those of the API's operations, which are tried by themselves."""
    described = {f"api:{each['operationId']}" for each in operations().values()}
    every = _walk(get_resolver().url_patterns, "", "")
    return tuple(each for each in every if each.name not in described)


def operations() -> dict[tuple[str, str], Any]:
    """Return the operations that the API's document names, by method and path."""
    paths = api.get_openapi_schema(path_prefix="/api/")["paths"]
    return {
        (method.upper(), path.removeprefix("/api")): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def _walk(patterns: Any, prefix: str, space: str) -> Iterator[Address]:
    for each in patterns:
        route = str(each.pattern)
        if isinstance(each, URLResolver):
            inner = f"{space}{each.namespace}:" if each.namespace else space
            yield from _walk(each.url_patterns, prefix + route, inner)
        elif isinstance(each, URLPattern):
            yield _address(each, prefix, space)


def _address(pattern: URLPattern, prefix: str, space: str) -> Address:
    template, arguments = "", []
    for part in (prefix, str(pattern.pattern)):
        regex = pattern.pattern.regex.pattern if part != prefix else _regex_of(part)
        made, names = normalize(regex)[0]
        template += made
        arguments += names
    name = f"{space}{pattern.name or prefix + str(pattern.pattern)}"
    return Address(name, template, tuple(arguments))


def _regex_of(prefix: str) -> str:
    return RoutePattern(prefix).regex.pattern


def line_of(name: str) -> str | None:
    """Return the line of the table that an address goes by: its own, or one for many like it."""
    if name in PAGES:
        return name
    wild = [line for line in PAGES if "*" in line and fnmatchcase(name, line)]
    return max(wild, key=len, default=None)


def row_of(name: str) -> Row:
    """Return what an address takes."""
    line = line_of(name)
    assert line is not None, f"{name} has no line in tests/security/table.py"
    return PAGES[line]
