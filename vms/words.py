"""The engine's sentences in the reader's language.

The engine speaks English in templates and knows no Django; here the template is looked up and
filled again.  `makemessages` finds the templates: see vms/management/commands/makemessages.py.
"""

from __future__ import annotations

from django.utils.translation import gettext

from vms.engine.errors import EngineError, fill

_WORDS = frozenset({"unit"})
"""Values that are words of ours, and translated too."""


def sentence(error: EngineError) -> str:
    """Return the error's sentence in the active language."""
    values = {
        name: gettext(str(value)) if name in _WORDS else value
        for name, value in error.values.items()
    }
    try:
        return fill(gettext(error.template), error.field, values)
    except (KeyError, IndexError, ValueError):  # a catalogue's mistake must not hide the refusal
        return str(error)
