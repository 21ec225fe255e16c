"""The isolation matrix: every means of attack, by a VM, a microVM and a container, really tried.

Each trial is a small scenario with an attacker and three victims, one of each kind, run twice: with
the attempt, and with the attacker doing something harmless in its stead.  What the event says is
the verdict; whose state differs between the two runs was harmed.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vms.engine import breakdown, laws
from vms.engine.scenario import Scenario
from vms.engine.scenario.host import Host
from vms.engine.scenario.schema import plain
from vms.engine.tables import A_NOTHING, EV_ATTACK, FRAME, STOPPERS, VERDICTS

if TYPE_CHECKING:
    from vms.engine.machine import Machine

JSON = dict[str, Any]
KINDS = ("vm", "microvm", "container")
PAGES, TICKS = 16, 400
LATE = 200
"""Tick at which victims of a trial start that are not there from the beginning."""


@dataclass(frozen=True)
class Trial:
    """One means under one setting; `before` and `instead` are steps of the attacker."""

    attack: Mapping[str, Any]
    setting: str = ""
    host: Mapping[str, Any] = field(default_factory=dict)
    attacker: Mapping[str, Any] = field(default_factory=dict)
    victim: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Mapping[str, Any], ...] = ()
    instead: Mapping[str, Any] = field(default_factory=lambda: {"attack": {"means": "nothing"}})
    ticks: int = TICKS
    shares_pcpu: bool = False
    """Whether all run on one pCPU: else each has its own, and harm to time is the attack's."""
    of_time: bool = False
    """Whether harm is to have run less; else any difference of state is."""


VF = {"devices": [{"name": "eth0", "backend": "nic0", "mode": "vf"}]}
OS = {"contents": [{"name": "os", "pages": 4}]}
WARM = ({"touch": {"refs": 4, "pages": 4}}, {"sleep": 150})
KSM = {"overcommit": {"ksm_scan": 100, "ksm_every": 10}, "costs": {"ksm_page_ns": 0}}
DODGE = {"means": "dodge_ticks", "ticks": 1_000}
SOON = ({"sleep": 30},)


def thief(setting: str, policy: Mapping[str, Any]) -> Trial:
    """Return the trial of a thief under a scheduler."""
    return Trial(
        DODGE,
        setting,
        {"scheduler": policy},
        instead={"compute": 1_000},
        ticks=10_000,
        shares_pcpu=True,
        of_time=True,
    )


TRIALS: dict[str, Trial] = {
    "memory": Trial({"means": "memory", "page": 3}),
    "device": Trial({"means": "device", "device": "disk0"}),
    "others_device": Trial({"means": "others_device"}),
    "dma": Trial(
        {"means": "dma"}, "no device of its own, IOMMU off", {"iommu": False}, before=SOON
    ),
    "dma_iommu": Trial({"means": "dma"}, "own device, IOMMU on", attacker=VF, before=SOON),
    "dma_no_iommu": Trial(
        {"means": "dma"}, "own device, IOMMU off", {"iommu": False}, VF, before=SOON
    ),
    "dma_encrypted": Trial(
        {"means": "dma"},
        "the same, victims encrypted",
        {"iommu": False},
        VF,
        {"encrypted": True},
        SOON,
    ),
    "shared_page": Trial(
        {"means": "shared_page", "page": 1},
        "page of an image",
        attacker={"image": {"name": "base", "pages": 4}},
        victim={"image": {"name": "base", "pages": 4}},
        before=({"touch": {"refs": 4, "pages": 4}},),
    ),
    "fork_bomb": Trial(
        {"means": "fork_bomb", "processes": 50_000},
        "no limit of its own",
        victim={"start_at": LATE},
    ),
    "fork_bomb_limited": Trial(
        {"means": "fork_bomb", "processes": 50_000},
        "pids: 100",
        attacker={"pids": 100},
        victim={"start_at": LATE},
    ),
    "dodge_credit": thief("credit", {"policy": "credit"}),
    "dodge_credit_no_boost": thief("credit without BOOST", {"policy": "credit", "boost": False}),
    "dodge_credit2": thief("credit2", {"policy": "credit2"}),
    "dodge_eevdf": thief("eevdf", {"policy": "eevdf"}),
    "ksm_probe": Trial({"means": "ksm_probe"}, "KSM on", KSM, OS, OS, WARM),
    "ksm_probe_off": Trial({"means": "ksm_probe"}, "KSM off", {"overcommit": {}}, OS, OS, WARM),
    "ksm_probe_encrypted": Trial(
        {"means": "ksm_probe"}, "victims encrypted", KSM, OS, {**OS, "encrypted": True}, WARM
    ),
    "cache_noise": Trial(
        {"means": "cache_noise", "ticks": 300}, instead={"compute": 300}, of_time=True
    ),
    "cache_noise_partitioned": Trial(
        {"means": "cache_noise", "ticks": 300},
        "caches partitioned",
        {"cache_partitioned": True},
        instead={"compute": 300},
        of_time=True,
    ),
}
"""Name → trial, in the order of the matrix."""


NEVER_TRIED: JSON = {"verdict": A_NOTHING, "tick": None, "by": ""}
OF_A_HOST = ("iommu", "cache_partitioned", "pids_max", "on_violation")
"""Keys of a host that decide what comes of an attempt, beside its scheduler and its KSM."""
MEANS = (
    *("memory", "device", "others_device", "dma_no_iommu", "shared_page", "fork_bomb"),
    *("dodge_credit", "ksm_probe", "cache_noise"),
)
"""The trials that are made under a lab's own host: each means once."""


def of_host(host: Host) -> JSON:
    """Return what a trial takes over of a lab's host, for `trials_under`."""
    scheduler = plain(host.scheduler)
    named = [key for key in scheduler if key in ("schedule", "time_slice")]
    found: JSON = {key: getattr(host, key) for key in OF_A_HOST}
    found["scheduler"] = {key: scheduler[key] for key in scheduler if key not in named}
    if host.overcommit is not None and host.overcommit.ksm_scan:
        keys = ("ksm_scan", "ksm_every")
        found["overcommit"] = {key: getattr(host.overcommit, key) for key in keys}
    return found


def trials_under(host: Mapping[str, Any]) -> dict[str, Trial]:
    """Return each means once, under what `of_host` returned."""
    found = {}
    for name in MEANS:
        trial = TRIALS[name]
        rest = {key: value for key, value in trial.host.items() if key == "costs"}
        merges: JSON = {"overcommit": {}} if trial.attack["means"] == "ksm_probe" else {}
        found[name] = replace(trial, setting="", host={**merges, **rest, **host})
    return found


def scenario(trial: Trial, kind: str, attacks: bool) -> JSON:
    """Return the scenario of a trial by an attacker of a kind; it does something else unless so."""
    last = {"attack": trial.attack} if attacks else trial.instead
    attacker = {**trial.attacker}
    if kind != "container":
        attacker.pop("pids", None)
    steps = [*trial.before, last]
    if not trial.shares_pcpu:
        steps.append({"compute": 2})
    vms = [machine("attacker", kind, 0, trial, attacker, steps)]
    if trial.shares_pcpu:
        vms[0]["start_at"] = 11
    vms += [
        machine(f"victim {each}", each, row, trial, **victim(trial, each))
        for row, each in enumerate(KINDS, 1)
    ]
    return {
        "name": "isolation",
        "host": {
            "pcpus": 1 if trial.shares_pcpu else 4,
            "frames": 8 * PAGES,
            "devices": [
                {"name": "disk0", "kind": "disk"},
                *({"name": f"disk of {kind}", "kind": "disk"} for kind in KINDS),
                {"name": "nic0", "kind": "nic", "vfs": 4},
            ],
            **trial.host,
        },
        "vms": vms,
    }


def victim(trial: Trial, kind: str) -> JSON:
    """Return what a victim of a kind is and does; a container has nothing that is encrypted."""
    keys = {
        "devices": [{"name": "vda", "backend": f"disk of {kind}"}],
        **trial.victim,
    }
    if keys.get("encrypted") and kind == "container":
        keys.pop("encrypted")
        keys.pop("contents", None)
    if trial.shares_pcpu:
        return {"keys": keys, "steps": [{"compute": 100}]}
    steps = [
        {"touch": {"refs": 40, "refs_per_tick": 2, "write": 0.0}},
        {"compute": 20},
        {"io": {"device": "vda"}},
    ]
    return {"keys": keys, "steps": steps}


def machine(
    name: str, kind: str, row: int, trial: Trial, keys: Mapping[str, Any], steps: list[Any]
) -> JSON:
    """Return a VM of a trial's scenario, on a pCPU of its own unless all share one."""
    pinned = {} if trial.shares_pcpu else {"scheduler": {"pcpus": [row]}}
    repeat = 1 if name == "attacker" and not trial.of_time else "forever"
    work = {"workload": {"repeat": repeat, "steps": copy.deepcopy(steps)}}
    return {
        "name": name,
        "kind": kind,
        "pages": PAGES,
        **pinned,
        **copy.deepcopy(dict(keys)),
        **work,
    }


def played(raw: JSON, ticks: int) -> tuple[Machine, list[JSON]]:
    """Return the machine after so many ticks, and its attempts: verdict, tick, what stopped it."""
    from vms.engine.machine import build  # noqa: PLC0415  (wakes Numba)
    from vms.engine.tick import advance  # noqa: PLC0415

    found = build(Scenario.parse(raw))
    tried: list[JSON] = []
    while found.now < ticks and (advance(found, ticks - found.now) or not found.stalled):
        events = found.drain()
        by = STOPPERS[int(found.state.vm[0].stopped_by)]
        tried += [
            {"verdict": int(event["b"]), "tick": int(event["tick"]), "by": by}
            for event in events[events["kind"] == EV_ATTACK]
        ]
    return found, tried


def state_of(machine: Machine, row: int) -> str:
    """Return a hash of what a VM has and where it is.

    Left out are the frames its pages are in: the host's affair.
    """
    state, vm = machine.state, machine.state.vm[row]
    own = slice(int(vm.first_page), int(vm.first_page + vm.pages))
    vcpus = state.vcpu[int(vm.first_vcpu) : int(vm.first_vcpu + vm.vcpus)]
    parts = [vm.tobytes(), vcpus.view(np.ndarray).tobytes(), (state.pte[own] & ~FRAME).tobytes()]
    parts.append(breakdown.spent(machine)[row].tobytes())
    if len(state.shows) > 1:
        parts.append(state.shows[own].tobytes())
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def harmed(trial: Trial, after: Machine, without: Machine) -> list[str]:
    """Return the kinds of the victims that the attempt harmed."""
    kinds = []
    for row, kind in enumerate(KINDS, 1):
        if trial.of_time:
            ran = [int(each.state.vcpu["run"][row]) for each in (after, without)]
            if 100 * ran[0] < 95 * ran[1]:
                kinds.append(kind)
        elif state_of(after, row) != state_of(without, row):
            kinds.append(kind)
    return kinds


def try_out(trial: Trial, kind: str) -> JSON:
    """Return what came of a trial by an attacker of a kind.

    verdict: of its worst attempt, at `tick` (none: it never got a pCPU); stopped_by: what kept it
    from doing more (STOPPERS); attempts; harmed: kinds; laws: those broken.
    """
    after, tried = played(scenario(trial, kind, True), trial.ticks)
    without, _ = played(scenario(trial, kind, False), trial.ticks)
    # verdicts are in the order of their harm
    worst = max(tried, key=lambda each: each["verdict"], default=NEVER_TRIED)
    return {
        "verdict": VERDICTS[worst["verdict"]],
        "stopped_by": worst["by"],
        "event": {"tick": worst["tick"], "verdict": worst["verdict"]},
        "attempts": len(tried),
        "harmed": harmed(trial, after, without),
        "laws": [law for law, holds in laws.check(after).items() if not holds],
    }


def matrix(trials: Mapping[str, Trial] = TRIALS) -> list[JSON]:
    """Return the isolation matrix, a row for each trial."""
    return [row_of(name, trial) for name, trial in trials.items()]


def row_of(name: str, trial: Trial) -> JSON:
    """Return a row of the matrix: name, means, setting, and what came of it by each kind."""
    row = {"name": name, "means": trial.attack["means"], "setting": trial.setting}
    return row | {kind: try_out(trial, kind) for kind in KINDS}


def words(cell: Mapping[str, Any]) -> str:
    """Return what a cell of the matrix says: the verdict, and whom it harmed."""
    verdict: str = cell["verdict"]
    return f"{verdict}; harms {', '.join(cell['harmed'])}" if cell["harmed"] else verdict


def lines(rows: list[JSON]) -> Iterator[str]:
    """Yield the matrix as the rows of a Markdown table."""
    for row in rows:
        cells = " | ".join(words(row[kind]) for kind in KINDS)
        yield f"| {row['means']} | {row['setting']} | {cells} |"
