"""The API's own page: every address, told from the same document that programs read."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from vms.api.site import api

METHODS = ("get", "post", "put", "patch", "delete")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """List what the API does. A plain page: no script, nothing from elsewhere."""
    context = {"groups": groups(api.get_openapi_schema()), "version": api.version}
    return render(request, "api/docs.html", context)


def groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations of `document` by their tag, in its order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                for tag in operation.get("tags", [""]):
                    found.setdefault(tag, []).append(_line(path, method, operation))
    return found


def _line(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "about": operation.get("description", "").strip(),
        "scope": operation.get("x-scope", ""),
        "query": [each for each in operation["parameters"] if each["in"] == "query"],
        "body": ", ".join(content),
        "schema": _named(content.get("application/json", {}).get("schema", {})),
        "statuses": sorted(map(str, operation["responses"])),
    }


def _named(schema: dict[str, Any]) -> str:
    """Return the name of a component that is a body's schema, empty where it has none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]
