"""The API: its routers, its document, and the addresses below /api/."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.errors import AuthenticationError, ValidationErrorContext
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from vms.api import exports, history, labs, lessons, machines, runs
from vms.api.door import Session, Token, on_nobody
from vms.api.openapi import Document
from vms.api.refusals import HANDLERS
from vms.engine import VERSION
from vms.engine.scenario.sentences import sentence

ABOUT = """Labs, their machines at rest, their runs, commands and results, for programs.

Every refusal is `{"field": …, "message": …}`: the sentence that a page would show, and the path
of what is wrong. Edits at rest take effect at the next reset of the lab's run, as in the browser.
"""


class LabAPI(NinjaAPI):
    """Ninja's, with our document and our sentences."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._documents: dict[str, OpenAPISchema] = {}

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the name of the function: each is there once."""
        return operation.view_func.__name__

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: Any = None
    ) -> OpenAPISchema:
        """Return the document: made once, since everybody may ask for it, as often as they like."""
        prefix = self.get_root_path({}) if path_prefix is None else path_prefix
        if prefix not in self._documents:
            self._documents[prefix] = Document(self, prefix)
        return self._documents[prefix]

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> Any:
        """Return the first thing that is wrong in an address, as the schema's own sentence."""
        return sentence(error_contexts[0].pydantic_validation_error)


api = LabAPI(
    title="VM Lab",
    version=VERSION,
    description=ABOUT,
    urls_namespace="api",
    docs_url=None,
    auth=[Token(), Session()],
)
for kind, handler in HANDLERS.items():
    api.add_exception_handler(kind, handler)
api.add_exception_handler(AuthenticationError, on_nobody)
for part in (labs, machines, runs, history, exports, lessons):
    api.add_router("", part.router)

urls = api.urls
