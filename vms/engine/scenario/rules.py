"""Tie rules: where published systems disagree, a scenario says which rule it follows."""

from __future__ import annotations

from typing import Annotated

from vms.engine.scenario.fields import Choice, Model, Quantity, WordOr


class Rules(Model):
    """Each tie rule by name; what is left out is as in the textbook."""

    arrival_at_expiry: Annotated[str, Choice("arrival", "expired")] = "arrival"
    """Who queues first when a vCPU arrives in the tick in which another's slice expires."""
    unused_slice: Annotated[str, Choice("given_up", "lost")] = "given_up"
    """The rest of the slice of a vCPU that ends or blocks early."""
    switch_cost_on: Annotated[str, Choice("different", "always", "never")] = "different"
    """When a dispatch is charged as a switch: different from the pCPU's last vCPU, or …"""
    reference_bit_on_load: Annotated[int, Quantity(0, 1)] = 1
    """clock: the reference bit of a page just loaded."""
    clock_hand: Annotated[str, Choice("hand", "random")] = "hand"
    """clock: where the search for a victim goes on (OSTEP's clock has no hand)."""
    opt_tie: Annotated[str, Choice("lowest_frame", "last_loaded")] = "lowest_frame"
    """opt: which of several pages that are never used again."""
    equal_keys: Annotated[str, Choice("scenario", "least_recent")] = "scenario"
    """Which of several with equal keys: first in the scenario, or least recently touched."""
    draws: Annotated[str, Choice("counter", "twister")] = "counter"
    """lottery: tickets drawn by counter, or by Python's generator as OSTEP's lottery.py does."""
    stay_at_expiry: Annotated[str, Choice("stays", "falls")] = "stays"
    """mlfq with `stay`: who blocks in the very tick in which its quantum is used up."""


DIALECTS = {
    "textbook": Rules(),
    "ostep": Rules(
        arrival_at_expiry="expired",
        switch_cost_on="never",
        clock_hand="random",
        opt_tie="last_loaded",
        draws="twister",
        stay_at_expiry="falls",
    ),
    "libcachesim": Rules(reference_bit_on_load=0, equal_keys="least_recent"),
}

Dialect = Annotated[Rules | str, WordOr(Rules, *DIALECTS)]


def resolved(dialect: Rules | str, scheduler: str) -> Rules:
    """The rules that hold under `scheduler` (OSTEP's lottery alone loses the unused rest)."""
    rules = dialect if isinstance(dialect, Rules) else DIALECTS[dialect]
    if dialect == "ostep" and scheduler == "lottery":
        return rules.model_copy(update={"unused_slice": "lost"})
    return rules
