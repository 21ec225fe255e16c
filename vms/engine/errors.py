"""The one error of the engine: an English sentence kept as template and values.

A user may read every sentence in their own language, so an `EngineError` carries the template
(what a translation is looked up by) and the values apart; `vms.words` puts them together again.
"""

from __future__ import annotations

from collections.abc import Mapping

VALUE_LENGTH = 60
SENTENCE_LENGTH = 400
# Lists of what is allowed are ours, not the user's, and are useless when cut.
_WHOLE = frozenset({"allowed", "field"})


class EngineError(ValueError):
    """A refusal: what, what is allowed, what was given.

    `template` is a `str.format` text over `values` and `{field}`, the path of what is wrong
    (`vms[1].weight`, or the name of a command's field); `str()` is the English sentence.
    It is a ValueError so that a pydantic validator may raise it.
    """

    def __init__(self, template: str, field: str | None = None, **values: object) -> None:
        super().__init__(template)
        self.template = template
        self.field = field
        self.values = {
            name: value if isinstance(value, int | float) else one_line(str(value), name)
            for name, value in values.items()
        }

    def __str__(self) -> str:
        return fill(self.template, self.field, self.values)


def one_line(text: str, name: str = "") -> str:
    """`text` without control characters; cut to 60 unless it lists what is allowed."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "�" for c in text[:SENTENCE_LENGTH])
    return text if name in _WHOLE else cut(text, VALUE_LENGTH)


def cut(text: str, length: int) -> str:
    """`text`, its end replaced by an ellipsis where it is longer than `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def fill(template: str, field: str | None, values: Mapping[str, object]) -> str:
    """The sentence of `template`, at most 400 characters."""
    return cut(template.format(**{"field": field or "", **values}), SENTENCE_LENGTH)


def shown(value: object) -> str:
    """How a given value stands in a sentence: as one would write it in a scenario, kept short.

    >>> shown(-3), shown("3"), shown("jail"), shown(None), shown([1, 2])
    ('-3', '"3"', 'jail', 'null', 'a list')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() < 200 else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    return type(value).__name__


def _shown_text(text: str) -> str:
    """Text plainly, in quotes where it would be taken for something else."""
    plain = one_line(text)
    looks_otherwise = plain.lower() in {"", "null", "true", "false"} or plain != plain.strip()
    return f'"{plain}"' if looks_otherwise or _is_number(plain) else plain


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
