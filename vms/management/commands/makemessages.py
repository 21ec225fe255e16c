"""`makemessages` that also finds the engine's sentences, which know nothing of gettext."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Django's own, with the engine's words as keywords: templates, units, laws."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--keyword=EngineError:1",
        "--keyword=_refuse:1",
        "--keyword=Quantity:3",
        "--keyword=Numbers:3",
        "--keyword=law:1",
        "--keyword=law:2",
    ]
