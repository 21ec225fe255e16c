"""The panels of the lab screen: their order, titles and tabs.

A panel is three files of one name: `templates/vms/panels/NAME.html` (works without JavaScript),
`static/js/panels/NAME.js` (title, mount, draw) and its lines in `static/css/panels.css`; and one
entry here. On a small screen the panels of one tab are shown together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


def command_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of every command, its description in the reader's language.

    The fork dialog makes its forms from them.
    """
    from vms.engine.commands import COMMANDS  # noqa: PLC0415  (importing it wakes Numba)

    schemas = {name: kind.model_json_schema() for name, kind in COMMANDS.items()}
    return {
        name: {**schema, "description": gettext(schema.get("description", ""))}
        for name, schema in schemas.items()
    }


@dataclass(frozen=True)
class Tab:
    """A group of panels on a small screen."""

    name: str
    title: Promise
    icon: str


@dataclass(frozen=True)
class Panel:
    """One panel; `columns` head the table behind its canvas, none where it has no canvas."""

    name: str
    title: Promise
    tab: str
    columns: tuple[Promise, ...] = ()

    @property
    def template(self) -> str:
        """Where its first picture is drawn."""
        return f"vms/panels/{self.name}.html"


TABS = (
    Tab("vms", _("VMs"), "vms"),
    Tab("cpu", _("CPU"), "cpu"),
    Tab("mem", _("Memory"), "mem"),
    Tab("dev", _("Devices"), "dev"),
    Tab("charts", _("Charts"), "chart"),
    Tab("log", _("Log"), "log"),
)

PANELS = (
    Panel(
        "timeline",
        _("CPU timeline"),
        "cpu",
        (_("pCPU"), _("vCPU"), _("from tick"), _("to tick"), _("overhead")),
    ),
    Panel("knobs", _("Policies"), "cpu"),
    Panel(
        "allocation",
        _("Allocation map"),
        "mem",
        (_("Owner"), _("frames"), _("dirty"), _("shared"), _("accessed")),
    ),
    Panel(
        "devices",
        _("Devices"),
        "dev",
        (_("Virtual device"), _("backend"), _("mode"), _("in flight"), _("requests")),
    ),
    Panel("memory", _("Memory map"), "mem", (_("Pages"), _("how many"), _("state"))),
    Panel(
        "charts",
        _("Charts"),
        "charts",
        (_("Tick"), _("pCPUs used"), _("minor faults"), _("major faults"), _("I/O p99")),
    ),
    Panel(
        "waits",
        _("Who waits for whom"),
        "charts",
        (_("VM"), _("waited, ticks"), _("while these ran")),
    ),
    Panel(
        "curves",
        _("Miss-ratio curves"),
        "mem",
        (_("VM"), _("frames"), _("LRU misses"), _("OPT misses")),
    ),
    Panel(
        "ladder",
        _("Overcommitted memory"),
        "mem",
        (_("VM"), _("resident"), _("balloon"), _("swapped"), _("merged")),
    ),
    Panel("walk", _("Walk theatre"), "mem"),
    Panel(
        "faults",
        _("Fault timeline"),
        "mem",
        (_("VM"), _("minor"), _("major"), _("copy on write"), _("guest’s own swap")),
    ),
    Panel(
        "spent",
        _("Where did my time go?"),
        "charts",
        (_("VM"), _("guest"), _("overhead"), _("VM exits"), _("waiting"), _("idle")),
    ),
    Panel("isolation", _("Isolation matrix"), "dev"),
    Panel("kinds", _("Container or VM?"), "dev"),
    Panel("laws", _("Laws"), "charts"),
    Panel("log", _("Journal and events"), "log"),
    Panel("talk", _("Talk"), "log"),
)
