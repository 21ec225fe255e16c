"""Prediction rounds in words: what was asked, and what a wrong answer may come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _


def question_of(kind: str, question: Mapping[str, Any]) -> str:
    """Return what was asked, in the reader's language."""
    policy = str(question.get("policy", "")).replace("_", " ")
    if kind == "vcpu":
        words = _("Which vCPU does pCPU %(pcpu)s run next, under %(policy)s?")
        return words % {"pcpu": question.get("pcpu"), "policy": policy}
    if kind == "page":
        return _("Which page goes, under %(policy)s?") % {"policy": policy}
    if question.get("page") is None:
        return _("The next memory reference of %(vcpu)s: hit or fault?") % {
            "vcpu": question.get("vcpu")
        }
    return _("%(vcpu)s next refers to its page %(page)s: hit or fault?") % {
        "vcpu": question.get("vcpu"),
        "page": question["page"],
    }


def belief_name(belief: str) -> str:
    """Return the rule under which a wrong answer would be right, as a thought."""
    words = {
        "": _("nothing we know of"),
        "keeps": _("who runs goes on until it is done"),
        "fcfs": _("who waits longest runs: first come, first served"),
        "priority": _("the highest weight always runs"),
        "fair": _("who has run least so far runs"),
        "listed": _("VMs take turns in the order of the list"),
        "lifo": _("who came last runs first"),
        "lru": _("the page unused for longest goes (LRU)"),
        "fifo": _("the page that came in first goes (FIFO)"),
        "mru": _("the page used last goes (MRU)"),
        "last_in": _("the page that came in last goes"),
        "clean": _("a clean page goes before a written one"),
        "lowest": _("the lowest frame is taken"),
        "touched": _("the page had been used before"),
        "stays": _("what is in memory stays there"),
        "first_use": _("the page is used for the first time"),
        "no_swap": _("a page that comes back was never away"),
        "evicted": _("the page had been evicted"),
        "every_fault_reads": _("every fault reads the swap device"),
    }
    return words.get(belief, belief)
