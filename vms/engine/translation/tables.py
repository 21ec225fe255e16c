"""From a scenario to the tables of translation; and turning it on or off in a machine that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vms.engine.scenario import Scenario
from vms.engine.scenario.translation import FORMATS, Translation
from vms.engine.state import State, new_table
from vms.engine.tables import NESTED, NO_TRANSLATION, SHADOW, TRANSLATES

if TYPE_CHECKING:
    from vms.engine.machine import Machine

TABLES = ("tlb", "region", "bits")
FIELDS = ("translation", "guest_levels", "host_levels", "tlb_sets", "tlb_ways", "tlb_tagged")


def host_fields(keys: Translation | None) -> dict[str, int]:
    """Return the fields of the host's row."""
    if keys is None:
        return dict.fromkeys(FIELDS, NO_TRANSLATION) | {"huge_span": 1}
    return {
        "translation": NESTED if keys.mode == "nested" else SHADOW,
        "guest_levels": FORMATS[keys.guest],
        "host_levels": FORMATS[keys.host],
        "tlb_sets": keys.tlb_entries // keys.tlb_ways,
        "tlb_ways": keys.tlb_ways,
        "tlb_tagged": int(keys.vmid),
        "huge_span": keys.huge_span,
        "guest_huge": int(keys.guest_huge),
        "host_huge": int(keys.host_huge),
    }


def first_regions(scenario: Scenario, span: int) -> list[int]:
    """Return the first region of each VM, and how many there are together."""
    found = [0]
    for vm in scenario.expanded:
        found.append(found[-1] + -(-vm.pages // span))
    return found


def translation_tables(scenario: Scenario, keys: Translation | None) -> dict[str, np.ndarray]:
    """Return the tables before the first tick: one row each where nothing is translated."""
    entries = regions = pages = 1
    if keys:
        entries = scenario.host.pcpus * keys.tlb_entries
        regions = first_regions(scenario, keys.huge_span)[-1]
        pages = sum(map(scenario.page_rows, scenario.expanded))
    tables = {
        "tlb": new_table("tlb", entries),
        "region": new_table("region", regions),
        "bits": new_table("bits", pages),
    }
    tables["tlb"]["epoch"] = -1
    tables["region"]["base"] = -1
    return tables


def turn(machine: Machine, keys: Translation | None) -> None:
    """Translate by these keys from now on, or no longer: TLBs are empty, nothing is huge yet."""
    scenario = machine.scenario
    host = scenario.host.model_copy(update={"translation": keys})
    host.model_fields_set.add("translation")
    machine.scenario = scenario = scenario.model_copy(update={"host": host})
    state = machine.state
    machine.state = state = State(**{**state.arrays(), **translation_tables(scenario, keys)})
    for name, value in host_fields(keys).items():
        state.host[name] = value
    watch = int(state.host[0].watch) & ~TRANSLATES
    state.host["watch"] = watch | (TRANSLATES if keys else 0)
    state.pcpu["tlb_vm"] = -1
    state.vm["first_region"] = first_regions(scenario, keys.huge_span if keys else 1)[:-1]
    machine.use_policies()
