"""A lab at rest, as its scenario describes it: the picture before tick 0."""

from __future__ import annotations

from typing import Any

from vms.engine.scenario import Scenario
from vms.picture.shown import ROWS, Picture, badges, flag_words, shown_vm

CELLS = 64


def at_rest(scenario: Scenario) -> Picture:
    """Return the picture of a lab that has not started: every VM offline, every frame free."""
    host, vms = scenario.host, scenario.expanded
    letters = badges([vm.name for vm in vms])
    backends = [device.name for device in host.devices]
    return {
        "tick": 0,
        "pcpus": host.pcpus,
        "frames": host.frames,
        "page_kib": host.page_kib,
        "seed": scenario.seed,
        "scheduler": host.scheduler.policy,
        "time_slice": host.scheduler.time_slice,
        "replacement": host.replacement.policy,
        "scope": host.replacement.scope,
        "busy": [0] * host.pcpus,
        "queue": [],
        "waiting": 0,
        "vms": [
            shown_vm(
                row,
                vm.name,
                letters[row],
                kind=vm.kind,
                vcpus=vm.vcpus,
                state="offline",
                weight=vm.weight,
                pages=vm.pages,
                resident=0,
                run=0,
                steal=0,
                faults=0,
                exits=[0, 0, 0, 0],
            )
            for row, vm in enumerate(vms[:ROWS])
        ],
        "more_vms": max(0, len(vms) - ROWS),
        "owners": [{"name": None, "frames": host.frames}],
        "map": {"width": CELLS, "height": CELLS, "cells": []},
        "memory": _pages_at_rest(scenario),
        "devices": [
            {"name": d.name, "kind": d.kind, "queued": 0, "in_service": 0, "requests": 0}
            for d in host.devices
        ],
        "vdevices": [
            {
                "vm": shown_vm(row, vm.name, letters[row]),
                "name": d.name,
                "mode": d.mode,
                "device": d.backend if d.backend in backends else "",
                "requests": 0,
                "in_flight": 0,
            }
            for row, vm in enumerate(vms)
            for d in vm.devices
        ][:ROWS],
    }


def _pages_at_rest(scenario: Scenario) -> dict[str, Any]:
    vm = scenario.expanded[0]
    run = {"first": 0, "last": vm.pages - 1, "span": vm.pages, "words": flag_words(0)}
    return {"vm": vm.name, "pages": vm.pages, "resident": 0, "swapped": 0, "runs": [run]}
