"""The schema's sentences, put beside the fields they speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django import forms

from vms.engine.errors import EngineError
from vms.words import sentence

_INDEX = re.compile(r"\[\d+\]")


def attach(
    error: EngineError,
    targets: Iterable[tuple[str, forms.BaseForm]],
    otherwise: forms.BaseForm,
) -> None:
    """Put the sentence of `error` on the field of the form that its path leads to.

    `targets` are forms with the path of what they edit (`vms[1].devices[0]`); the longest that
    begins the error's path is the one meant. The rest of the path is the field, its dots and
    dashes written `_` (`touch.pages` → `touch_pages`), or the longest beginning of it that is one,
    or the field for keys without one of their own (`others` of the form). Where no form fits the
    sentence stands above `otherwise`. A name given twice belongs to whoever is being edited.
    """
    path, targets = error.field or "", list(targets)
    fitting = [(prefix, form) for prefix, form in targets if _begins(prefix, path)]
    if not fitting and "holder" in error.values:
        path = f"{error.values['holder']}.name"
        fitting = [(prefix, form) for prefix, form in targets if _begins(prefix, path)]
    if not fitting:
        otherwise.add_error(None, sentence(error))
        return
    prefix, form = max(fitting, key=lambda pair: len(pair[0]))
    rest = _INDEX.sub("", path[len(prefix) :]).strip(".").split(".")
    for length in range(len(rest), 0, -1):
        name = "_".join(rest[:length])
        if name in form.fields:
            form.add_error(name, sentence(error))
            return
    others = getattr(form, "others", None) if len(rest) == 1 and rest[0] else None
    form.add_error(others, sentence(error))


def _begins(prefix: str, path: str) -> bool:
    return path == prefix or not prefix or path.startswith((f"{prefix}.", f"{prefix}["))
