"""A machine that has got another VM, or a virtual device: its tables, a size larger.

A table behind a State is never replaced, so the tables are built anew from the larger scenario
and everything that has happened is copied into them.  VMs are appended, so rows keep their numbers.
"""

from __future__ import annotations

import numpy as np

from vms.engine.build import build_state, first_passes, policy_tables
from vms.engine.errors import EngineError
from vms.engine.machine import Machine
from vms.engine.overcommit.tables import TABLES as OVERCOMMITTED
from vms.engine.parts import compile_parts
from vms.engine.scenario import Scenario
from vms.engine.scheduling import find_usable
from vms.engine.state import State
from vms.engine.tables import (
    ARRIVAL,
    ATTACKED,
    DISK,
    INF,
    LATENCY_BUCKETS,
    OFFLINE,
    TRACKS_GUESTS,
    TRANSLATES,
)

KEPT: tuple[str, ...] = (
    *("pcpu", "vcpu", "vm", "device", "job", "frame", "pte", "mate", "image_frame"),
    *(
        "woken",
        "owed",
        "due",
        "paid",
        "spent",
        "cgroup",
        "group",
        "unit",
        "mask",
        "policy",
        "level",
        "entry",
        "twister",
    ),
)
"""Tables whose old rows are the first rows of the new ones; workloads are compiled anew."""
LISTS_KEPT = ("flist", "flink", "note", "glist", "ghost", "aim", "cohort")
"""Those of the replacement policy, of which this holds too but for the keys of image pages."""
SIZES = ("vcpus", "vms", "vdevices", "reader", "reader_first", "reader_n")
"""Fields of the host that come from the larger scenario."""


def grow(machine: Machine, scenario: Scenario) -> None:
    """Let `machine` go on with `scenario`: its own with more VMs or devices at the end."""
    old = machine.state
    new = build_state(scenario, compile_parts(scenario, machine.files))
    before = old.host[0]
    if machine.scenario.host.account_page_tables and len(new.vm) > len(old.vm):
        raise EngineError(
            "{field}: a host that accounts page tables takes no further VM while it runs", "vm"
        )
    if machine.replacement == "opt" and new.host[0].reader != before.reader:
        raise EngineError(
            "{field}: under opt one vCPU alone must make references, got another one", "vm"
        )
    new = State(**{**new.arrays(), **_lists(machine, new)})
    sizes = {name: int(new.host[0][name]) for name in SIZES}
    vms, now = int(before.vms), int(before.now)
    attacked = int(new.host[0].watch) & ATTACKED
    new.host[:] = old.host
    new.host["watch"] |= attacked
    for name, value in sizes.items():
        new.host[name] = value
    come = new.vcpu["waits_for"][int(before.vcpus) :] == ARRIVAL
    new.host["live"] = before.live + np.count_nonzero(come)
    for name in KEPT:
        getattr(new, name)[: len(getattr(old, name))] = getattr(old, name)
    _tell(old, new)
    n = int(before.vdevices)
    new.vdevice[:n] = old.vdevice[:n]
    n = int(before.changed_n)
    new.changed[:n] = old.changed[:n]
    if machine.replacement == "opt":
        for name in ("heap", "heap_pos", "heap_key", "heap_load"):
            getattr(new, name)[:] = getattr(old, name)
    _arrive(new, int(before.vcpus), vms, now)
    _move_queue(old, new)
    _move_requests(old, new)
    _move_events(old, new)
    _move_waits(old, new, vms, sizes["vms"])
    _move_latency(old, new)
    find_usable(new)
    new = State(**new.arrays() | _contents(old, new))
    machine.__init__(scenario, new, machine.files, machine.limits, machine.vault)  # type: ignore[misc]


def _tell(old: State, new: State) -> None:
    """Where somebody overcommits: what the new VMs' pages hold is known, if need be all others'."""
    if old.host[0].watch & TRACKS_GUESTS:
        for name in OVERCOMMITTED:
            getattr(new, name)[: len(getattr(old, name))] = getattr(old, name)
    if old.host[0].watch & TRANSLATES:
        for name in ("tlb", "region", "bits"):
            getattr(new, name)[: len(getattr(old, name))] = getattr(old, name)
    if len(new.guest) > 1 and len(old.guest) == 1:
        raise EngineError(
            "{field}: nobody overcommits memory on this host yet: set_overcommit comes first", "vm"
        )


def _contents(old: State, new: State) -> dict[str, np.ndarray]:
    """Return what is kept of disks and pages: all there was, then the disks of the new VMs."""
    layers = np.flatnonzero(old.layer["clusters"])
    fresh = np.flatnonzero(new.layer["vdevice"] >= int(old.host[0].vdevices))
    fresh = fresh[new.layer["clusters"][fresh] > 0]
    layer = np.concatenate((old.layer[layers], new.layer[fresh])).view(np.recarray)
    parts = [old.stamp[: int(old.layer["clusters"].sum())]]
    for row, k in enumerate(fresh, len(layers)):
        first, clusters = int(new.layer["first"][k]), int(new.layer["clusters"][k])
        stamps = new.stamp[first : first + clusters]
        used = np.count_nonzero(stamps)
        stamps[:used] = np.arange(used) + int(new.host[0].disk_writes) + 1
        new.host["disk_writes"] += used
        layer["first"][row] = sum(map(len, parts))
        parts.append(stamps)
        if new.layer["parent"][k] >= 0:  # an overlay: what it lies on is as far above
            layer["parent"][row] = row - (k - int(new.layer["parent"][k]))
        if layer["kind"][row] == DISK:
            new.vdevice["top"][int(layer["vdevice"][row])] = row
    new.dirty[: len(old.dirty)] = old.dirty
    found = {"saved": old.saved}
    if len(layer):
        found |= {"layer": layer, "stamp": np.concatenate(parts)}
    if old.host[0].tracks:
        rest = np.zeros(len(new.pte) - len(old.pte), old.content.dtype)
        found["content"] = np.concatenate((old.content, rest))
    return found


def _lists(machine: Machine, new: State) -> dict[str, np.ndarray]:
    """Return the policy's tables as they are, a size larger; keys of image pages move up."""
    old, vms = machine.state, len(new.vm)
    pages = len(new.pte) + len(new.image_frame)
    tables = policy_tables(machine.replacement, vms, len(new.frame), pages)
    first, further = len(old.pte), len(new.pte) - len(old.pte)

    def moved(keys: np.ndarray) -> np.ndarray:
        return np.where(keys >= first, keys + further, keys)

    for name in LISTS_KEPT:
        tables[name][: len(getattr(old, name))] = getattr(old, name)
    if len(old.ghost) == 1:
        return tables
    rows = len(old.glist)
    for column in ("head", "tail", "hand"):
        tables["glist"][column][:rows] = moved(old.glist[column])
    tables["note"]["key"] = moved(old.note["key"])
    empty = policy_tables(machine.replacement, vms, 1, pages)["ghost"]
    keys = moved(np.arange(len(old.ghost)))
    empty[keys] = old.ghost
    for column in ("prev", "next"):
        empty[column][keys] = moved(old.ghost[column])
    tables["ghost"] = empty
    return tables


def _arrive(new: State, vcpus: int, vms: int, now: int) -> None:
    """Let the new vCPUs arrive when they are due, at the earliest now."""
    new.vm["start_at"][vms:] = np.maximum(new.vm["start_at"][vms:], now)
    owners = new.vcpu["vm"][vcpus:]
    new.vcpu["wake_at"][vcpus:] = new.vm["start_at"][owners] + new.vm["boot_ticks"][owners]
    asleep = np.flatnonzero(new.vcpu["heap_pos"] >= 0)
    waits = new.vcpu[asleep]
    order = asleep[np.lexsort((asleep, waits["waits_for"], waits["wake_at"]))]
    new.sleepers[: len(order)] = order
    new.vcpu["heap_pos"][order] = np.arange(len(order))
    new.host["sleepers_n"] = len(order)
    new.vcpu["state"][vcpus:] = OFFLINE
    weights = new.vm["weight"][new.vcpu["vm"][vcpus:]]
    new.vcpu["weight"][vcpus:] = weights * new.host[0].finer
    new.vcpu["pass_"][vcpus:] = first_passes(new)[vcpus:]
    due = new.vm["next_backup"][vms:]
    new.vm["next_backup"][vms:] = np.where(due < INF, due + now, INF)
    new.host["backup_at"] = new.vm["next_backup"].min()


def _move_queue(old: State, new: State) -> None:
    host = old.host[0]
    places = (np.arange(int(host.queue_n)) + int(host.queue_head)) & (len(old.queue) - 1)
    new.queue[: len(places)] = old.queue[places]
    new.host["queue_head"] = 0


def _move_requests(old: State, new: State) -> None:
    """Copy the requests; the rows beyond them join the front of the free list."""
    n, more = len(old.request), len(new.request)
    new.request[:n] = old.request
    if more > n:
        new.request["next"][more - 1] = old.host[0].request_free
        new.host["request_free"] = n


def _move_events(old: State, new: State) -> None:
    numbers = np.arange(int(old.host[0].events_read), int(old.host[0].events))
    new.event[numbers & (len(new.event) - 1)] = old.event[numbers & (len(old.event) - 1)]


def _move_waits(old: State, new: State, vms: int, more: int) -> None:
    was = old.stolen[: vms * (vms + 2)].reshape(vms + 2, vms)
    now = new.stolen[: more * (more + 2)].reshape(more + 2, more)
    now[:vms, :vms] = was[:vms]
    now[more:, :vms] = was[vms:]
    culprit = old.pcpu["culprit"] // vms
    new.pcpu["culprit"] = np.where(culprit >= vms, culprit - vms + more, culprit) * more


def _move_latency(old: State, new: State) -> None:
    was = int(old.host[0].vdevices) * LATENCY_BUCKETS
    now = int(new.host[0].vdevices) * LATENCY_BUCKETS
    host_rows = int(old.host[0].devices) * LATENCY_BUCKETS
    new.sojourn[:] = old.sojourn
    _move_flows(old, new)
    new.latency[:was] = old.latency[:was]
    new.latency[now : now + host_rows] = old.latency[was : was + host_rows]


def _move_flows(old: State, new: State) -> None:
    """Copy what fair devices keep of each VM, and of the host, which comes last."""
    devices, vms, more = (int(old.host[0].devices), int(old.host[0].vms), int(new.host[0].vms))
    was = old.flow[: devices * (vms + 1)].reshape(devices, vms + 1)
    now = new.flow[: devices * (more + 1)].reshape(devices, more + 1)
    now[:, :vms] = was[:, :vms]
    now[:, more] = was[:, vms]
