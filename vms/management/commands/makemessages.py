"""`makemessages` that also finds what the engine and the templates of labs say.

The engine knows nothing of gettext: its sentences are the first argument of EngineError, units the
third of Quantity, and so on.  Other texts are data: comments of YAML files, laws, registries.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.commands import makemessages

from vms.engine.devices import DEVICES
from vms.engine.explain import FIRST, GOES_ON, QUEUE, TIES
from vms.engine.laws import LAWS, MEASURES
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario.costs import COSTS, PRESETS
from vms.engine.scenario.keys import host_keys, vm_keys
from vms.engine.scenario.overcommit import Overcommit
from vms.engine.scenario.translation import Translation
from vms.engine.schedulers import SCHEDULERS
from vms.engine.scheduling import module
from vms.scenarios import templates

TEXTS = Path(__file__).parents[2] / "scenarios" / "texts.py"


class Command(makemessages.Command):
    """Django's own, with more keywords, and the texts that are data."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--keyword=EngineError:1",
        "--keyword=_refuse:1",
        "--keyword=Quantity:3",
        "--keyword=Numbers:3",
    ]

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the texts that are data where xgettext finds them, for as long as it looks."""
        TEXTS.write_text("".join(f"gettext_noop({text!r})\n" for text in texts()))
        try:
            super().handle(*args, **options)
        finally:
            TEXTS.unlink()


def texts() -> Iterator[str]:
    """Yield what users read and no call names: of templates, laws, costs and registries."""
    for template in templates().values():
        yield from (template.title, template.about, *template.watch, *template.try_)
    for law in LAWS.values():
        yield from (law.title, law.formula)
    for measure in MEASURES.values():
        yield from (measure.title, measure.formula, measure.unit)
    for cost in COSTS:
        yield from (cost.what, cost.source)
    for preset in PRESETS.values():
        yield from (source for _value, source in preset.values())
    for kind in (Overcommit, Translation):
        stated = kind.model_json_schema()["properties"].values()
        yield from (" ".join(key.get("description", "").split()) for key in stated)
    for registry in (SCHEDULERS, REPLACEMENTS, DEVICES):
        yield from registry.values()
    yield from schedulers()


def schedulers() -> Iterator[str]:
    """Yield what schedulers say of their keys and of their decisions."""
    for key in vm_keys().values():
        yield key.what
    for policy in SCHEDULERS:
        found = module(policy)
        yield from (key.what for key in host_keys(policy).values())
        yield getattr(found, "RULE", QUEUE)
        for name in ("SHOWN", "FACTS"):
            yield from (title for title, *_ in getattr(found, name, ()))
    yield from (QUEUE, GOES_ON, FIRST, *TIES.values())
