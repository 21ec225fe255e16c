"""Queues, throttles and switches against a slow twin and against formulas."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest

from tests.engine.plain.queues import SECOND, Call, Queue, Throttle
from tests.engine.plain.random_numbers import bits
from tests.engine.running import built, engine_run, run
from vms.engine import laws
from vms.engine.checkpoint import load, save
from vms.engine.commands import parse
from vms.engine.errors import EngineError
from vms.engine.metrics import result

Raw = dict[str, Any]
TICK_NS = 20_000
READ_NS, WRITE_NS = 500_000_000, 5_000_000_000


def host(device: Raw, vms: list[Raw], **more: Any) -> Raw:
    devices = [{"name": "d", "kind": "disk"} | device]
    given = {"costs": "none", "pcpus": 2, "devices": devices} | more
    return {"name": "queues", "tick_us": TICK_NS // 1000, "host": given, "vms": vms}


def guest(name: str, io: Raw, **more: Any) -> Raw:
    virtual = {"name": "v", "backend": "d"} | more.pop("device", {})
    steps = more.pop("steps", [{"io": {"device": "v"} | io}])
    return {"name": name, "devices": [virtual], "workload": {"steps": steps}} | more


def drawn(seed: int) -> tuple[Raw, list[Call], Queue, dict[int, Throttle]]:
    """Return VMs that make requests at fixed times, and the same for the twin."""
    draw = random.Random(seed)
    discipline = draw.choice(["fifo", "fair", "deadline"])
    turn = draw.choice([0, 0, 70])
    poll = draw.choice([0, 0, 125])
    parts = 0
    if discipline == "fifo" and not turn and draw.random() < 0.4:
        parts = 3
    device: Raw = {
        "queue": discipline,
        "channels": draw.randint(1, 3),
        "service_us": draw.choice([0, 50, 130, 333]),
        "mib_per_s": draw.choice([20, 500]),
    }
    device |= {"slice_us": turn} if not parts else {"profiles": parts}
    device |= {"poll_us": poll}
    vms, calls, throttles = [], [], {}
    weights = tuple(draw.choice([100, 100, 33, 250, 10_000]) for _ in range(3))
    for vm in range(3):
        every, start = draw.choice([17, 60, 100, 211]), draw.randint(0, 9)
        n, kib, op = draw.randint(1, 30), draw.randint(1, 40), draw.choice(["read", "write"])
        deadline = draw.choice([0, 100, 3000])
        io = {"requests": n, "kib": kib, "op": op, "every_us": every}
        more: Raw = {"start_at": start, "device": {"deadline_us": deadline}}
        more["io_weight"] = weights[vm]
        if draw.random() < 0.5:
            throttle: Raw = {
                "iops": draw.choice([0, 3000, 20000]),
                "burst": draw.randint(1, 5),
                "mib_per_s": draw.choice([0, 7, 300]),
                "burst_kib": draw.choice([1, 30, 200]),
            }
            more["throttle"] = throttle
            throttles[vm] = Throttle(**throttle)
        vms.append(guest(f"g{vm}", io, **more))
        own = deadline * 1000 or (WRITE_NS if op == "write" else READ_NS)
        first = start * TICK_NS
        calls += [Call(first + i * every * 1000, 0, vm, kib, own) for i in range(n)]
    calls.sort(key=lambda call: (vms[call.vm]["start_at"], call.vm))
    for number, call in enumerate(calls):
        call.number = number
    twin = Queue(
        device["channels"],
        device["service_us"] * 1000,
        device["mib_per_s"],
        *(discipline, turn * 1000, poll * 1000 or 1, parts, weights),
    )
    return host(device, vms, pcpus=3), calls, twin, throttles


@pytest.mark.interpreted
@pytest.mark.parametrize("seed", range(3))
def test_disciplines_turns_profiles_and_throttles_as_in_the_plain_twin(seed: int) -> None:
    for k in range(5):
        raw, calls, twin, throttles = drawn(100 * seed + k)
        machine, events = engine_run(raw, 40_000)
        found = sorted((e.tick, e.a, e.b) for e in events if e.kind == "io")
        served = twin.run(calls, throttles)
        assert found == sorted((-(-c.done // TICK_NS), c.vm, c.done - c.at) for c in served)
        held = sorted((e.a, e.b) for e in events if e.kind == "held")
        assert held == sorted((c.vm, c.released - c.at) for c in served if c.released > c.at)
        assert machine.ended
        assert all(laws.check(machine).values())


@pytest.mark.interpreted
def test_chunks_and_looks_at_every_tick_change_nothing() -> None:
    for seed in range(5):
        raw, *_ = drawn(seed)
        whole, events = engine_run(raw, 300)
        cut, in_pieces = engine_run(raw, 300, [1, 7, 30, 2, 55])
        stepped = built(raw)
        stepped.state.host["cap"] = 1
        run(stepped, 100)
        stepped = load(save(stepped))
        run(stepped, 200)
        assert events == in_pieces
        assert whole.event_hash == cut.event_hash == stepped.event_hash
        assert result(whole) == result(cut) == result(stepped)


def test_a_throttle_is_not_exceeded_over_any_window() -> None:
    """Served without a queue, the k-th request goes when the k-th is complete, less its service."""
    limits: Raw = {"iops": 2000, "burst": 4, "mib_per_s": 40, "burst_kib": 90}
    io = {"requests": 300, "kib": 25, "every_us": 90, "arrivals": "poisson"}
    device = {"channels": 1024, "service_us": 10, "mib_per_s": 1_000_000}
    for seed in range(3):
        raw = host(device, [guest("g", io, throttle=limits)]) | {"seed": seed}
        machine, events = engine_run(raw, 50_000)
        held = [e for e in events if e.kind == "held"]
        assert len(held) > 50
        calls = sorted(arrivals(seed, 300, 90_000))
        twin = Throttle(**limits)
        went = [twin.release(at, 25) for at in calls]
        assert [ns for ns in (a - b for a, b in zip(went, calls, strict=True)) if ns] == [
            e.b for e in held
        ]
        for i in range(len(went)):
            for j in range(i, len(went)):
                time = went[j] - went[i]
                assert (j - i + 1) <= limits["burst"] + limits["iops"] * time / SECOND + 1e-6
                kib = 25 * (j - i + 1)
                assert kib <= limits["burst_kib"] + 40 * 1024 * time / SECOND + 1e-6
        assert machine.ended


def arrivals(seed: int, n: int, mean_ns: int) -> list[int]:
    """Return when a vCPU that begins at tick 0 makes n requests of a Poisson process."""
    times, at = [], 0
    for i in range(n):
        at += plain_exponential(bits(seed, 5_000_000, i) >> 32, mean_ns)
        times.append(at)
    return times


def test_exponential_numbers_are_those_of_the_logarithm() -> None:
    sleeps = host({}, [guest("g", {"requests": 400, "every_us": 1000, "arrivals": "poisson"})])
    machine, events = engine_run(sleeps, 10**6)
    assert machine.ended
    assert len([e for e in events if e.kind == "io"]) == 400
    for uniform in (0, 1, 12345, 1 << 31, (1 << 32) - 1):
        exact = -np.log((uniform + 1) / 2**32) * 1e9
        assert plain_exponential(uniform, 10**9) == pytest.approx(exact, abs=200)


def plain_exponential(uniform: int, mean: int) -> int:
    """Return what docs/model.md says: a binary logarithm of 24 bits, found by squaring."""
    whole = (uniform + 1).bit_length() - 1
    m, bits_found = ((uniform + 1) << 30) >> whole, whole
    for _ in range(24):
        m = m * m >> 30
        bits_found = bits_found << 1 | (m >= 1 << 31)
        m >>= m >= 1 << 31
    return ((32 * 2**24 - bits_found) * round(np.log(2) * 2**30) >> 30) * mean >> 24


T_99 = {12: 3.106}  # Student's t, 11 degrees of freedom, two-sided 99 %


@pytest.mark.compiled
@pytest.mark.parametrize(("service", "waits"), [("constant", 0.5), ("exponential", 1.0)])
def test_mean_waits_are_those_of_pollaczek_and_khinchine(service: str, waits: float) -> None:
    """M/D/1 waits ρS / 2(1 − ρ), M/M/1 twice that: within the 99 % interval over seeds."""
    service_us, every_us, n = 100, 150, 20_000
    device = {"service_us": service_us, "mib_per_s": 1_000_000, "service": service}
    io = {"requests": n, "kib": 1, "every_us": every_us, "arrivals": "poisson"}
    means = []
    for seed in range(12):
        machine = built(host(device, [guest("g", io)]) | {"seed": seed})
        while not machine.ended:
            run(machine, 10**6)
        found = result(machine)
        assert found["laws"]["little"]
        assert found["laws"]["utilisation_bounded"]
        assert found["devices"][0]["utilisation"] == pytest.approx(2 / 3, rel=0.05)
        means.append(found["vms"][0]["io"]["v"]["mean_us"] - found["devices"][0]["busy"] / n)
    rho = service_us / every_us
    expected = waits * rho * service_us / (1 - rho)
    error = T_99[len(means)] * np.std(means, ddof=1) / len(means) ** 0.5
    assert abs(np.mean(means) - expected) < error, (np.mean(means), expected, error)


@pytest.mark.interpreted
def test_a_fair_queue_serves_the_small_vm_beside_the_large() -> None:
    many = guest("many", {"requests": 400})
    few = guest("few", {}, workload={"repeat": 20, "steps": [{"io": {"device": "v"}}]})
    late = {}
    for queue in ("fifo", "fair"):
        machine, _ = engine_run(host({"queue": queue}, [many, few]), 6000)
        late[queue] = result(machine)["vms"][1]["finish"]
        assert all(laws.check(machine).values())
    assert late["fair"] * 5 < late["fifo"]


@pytest.mark.interpreted
def test_a_fair_queue_serves_by_weight_and_by_the_weight_set_meanwhile() -> None:
    """Who always has requests there gets service by weight, to within a request of each VM."""
    weights = [100, 200, 700]
    vms = [
        guest(f"g{n}", {"requests": 300, "kib": 4}, io_weight=weight)
        for n, weight in enumerate(weights)
    ]
    machine = built(host({"queue": "fair"}, vms))
    run(machine, 1_500)
    before = served(machine)
    total = sum(before)
    for had, weight in zip(before, weights, strict=True):
        assert abs(had - total * weight / 1000) <= 3
    parse({"type": "set_io_weight", "vm": "g0", "io_weight": 700}).apply(machine)
    with pytest.raises(EngineError, match=r"io_weight must be 1\.\.10000, got 0"):
        parse({"type": "set_io_weight", "vm": "g0", "io_weight": 0})
    run(machine, 1_500)
    more = [now - had for now, had in zip(served(machine), before, strict=True)]
    assert abs(more[0] - more[2]) <= 3
    assert machine.state.device["queued"][0] > 0
    assert all(laws.check(machine).values())


def served(machine: Any) -> list[int]:
    """Return the requests of each VM that are complete."""
    found: list[int] = machine.state.vdevice["requests"].tolist()
    return found


@pytest.mark.interpreted
def test_a_discipline_set_while_requests_wait_loses_none() -> None:
    vms = [guest(f"g{n}", {"requests": 30}) for n in range(3)]
    machine = built(host({"queue": "fifo"}, vms))
    for queue in ("fair", "deadline", "fifo", "fair"):
        run(machine, 60)
        parse({"type": "set_queue", "device": "d", "queue": queue}).apply(machine)
        assert all(laws.check(machine).values())
    run(machine, 5000)
    assert machine.ended
    assert result(machine)["devices"][0]["requests"] == 90


def joined(**more: Any) -> Raw:
    """Return two VMs at a switch: one sends five packets, the other waits for them."""
    switch = {"name": "br", "kind": "switch", "mib_per_s": 100, "delay_us": 300}
    sends: Raw = {"send": {"device": "eth", "to": "b", "packets": 5, "kib": 2}}
    ends: Raw = {"a": [sends], "b": [{"receive": {"device": "eth", "packets": 5}}, {"compute": 1}]}
    vms = [
        {
            "name": name,
            "devices": [{"name": "eth", "backend": "br"}],
            "workload": {"steps": steps},
        }
        for name, steps in ends.items()
    ]
    given = {"costs": "none", "pcpus": 2, "devices": [switch | more]}
    return {"name": "net", "tick_us": 20, "host": given, "vms": vms}


@pytest.mark.interpreted
def test_packets_take_the_bandwidth_of_their_switch_and_its_delay() -> None:
    """2 KiB at 100 MiB/s: 19.531 µs a packet, one after the other, and 300 µs on the way."""
    machine, events = engine_run(joined(), 100)
    assert machine.ended
    packets = [e.b for e in events if e.kind == "packet"]
    assert packets == [19_531 * n + 300_000 for n in range(1, 6)]
    found = result(machine)
    assert found["vms"][0]["finish"] == 5  # 97.7 µs
    assert found["vms"][1]["finish"] == 21  # 397.7 µs, and a tick of computing
    assert found["vms"][1]["io"]["eth"]["packets"] == {"received": 5, "dropped": 0, "waiting": 0}
    assert found["vms"][1]["io"]["eth"]["interrupts"]["injected"] == 1
    assert all(found["laws"].values())


@pytest.mark.interpreted
def test_packets_beyond_the_ring_and_for_a_vm_that_is_off_are_lost() -> None:
    raw = joined(ring=2)
    raw["vms"][1]["workload"]["steps"].insert(0, {"compute": 50})
    machine, events = engine_run(raw, 400)
    assert [e.kind for e in events if e.kind in ("packet", "drop")] == ["packet"] * 2 + ["drop"] * 3
    assert machine.stalled
    machine = built(joined())
    parse({"type": "stop_vm", "vm": "b"}).apply(machine)
    run(machine, 100)
    assert result(machine)["devices"][0]["dropped"] == 5


def in_pods(to: str, **switch: Any) -> Raw:
    """Return two pods at one switch: `left` of a sender and a receiver, `right` of a receiver."""
    receive: list[Raw] = [{"receive": {"device": "eth", "packets": 3}}, {"compute": 1}]
    work: dict[str, tuple[str, list[Raw]]] = {
        "sender": ("left", [{"send": {"device": "eth", "to": to, "packets": 3, "kib": 6}}]),
        "idle": ("left", [{"compute": 1}]),
        "near": ("left", receive),
        "far": ("right", receive),
    }
    vms = [
        {
            "name": name,
            "kind": "container",
            "cgroup": group,
            "devices": [{"name": "eth", "backend": "br"}],
            "workload": {"steps": steps},
        }
        for name, (group, steps) in work.items()
    ]
    bridge = {"name": "br", "kind": "switch", "mib_per_s": 100, "delay_us": 300} | switch
    pods = [{"name": name, "pod": True} for name in ("left", "right")]
    host = {"pcpus": 4, "devices": [bridge], "cgroups": pods}
    return {"name": "pods", "tick_us": 20, "host": host, "vms": vms}


@pytest.mark.interpreted
def test_packets_within_a_pod_never_leave_it_and_those_between_pods_take_the_switch() -> None:
    """6 KiB are two pages to copy, 600 ns each; at the switch 58.594 us and 300 us on the way."""
    for to, name, times, at_switch in (
        ("near", "near", [1_200] * 3, 0),
        ("left", "near", [1_200] * 3, 0),  # who listens at the pod's port
        ("far", "far", [58_593 * n + 300_000 for n in (1, 2, 3)], 3),
        ("right", "far", [58_593 * n + 300_000 for n in (1, 2, 3)], 3),
    ):
        machine, events = engine_run(in_pods(to), 200)
        found = result(machine)
        assert [e.b for e in events if e.kind == "packet"] == times
        assert found["devices"][0]["requests"] == at_switch
        vms = {vm["name"]: vm["io"]["eth"] for vm in found["vms"]}
        assert vms[name]["packets"]["received"] == 3
        assert vms["sender"]["packets"].get("inside", 0) == 3 - at_switch
        assert vms["sender"]["requests"] == at_switch
        assert found["vms"][0]["finish"] is not None
        assert all(found["laws"].values())


@pytest.mark.interpreted
def test_containers_of_a_pod_share_one_ring() -> None:
    raw = in_pods("idle", ring=2)
    raw["vms"].insert(0, copy.deepcopy(raw["vms"][0]) | {"name": "other"})
    raw["vms"][0]["workload"]["steps"][0]["send"] |= {"to": "near", "packets": 1}
    raw["vms"][3]["workload"]["steps"].insert(0, {"compute": 90})
    machine, events = engine_run(raw, 60)
    assert [e.kind for e in events if e.kind in ("packet", "drop")] == ["packet"] * 2 + ["drop"] * 2
    parted = copy.deepcopy(raw)
    parted["vms"][2]["cgroup"] = "right"  # `idle` has a port of its own now
    machine, events = engine_run(parted, 60)
    assert "drop" in [e.kind for e in events]
    assert machine.state.device["dropped"][0] == 1


def test_a_packet_to_who_is_not_at_the_switch_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match="must be one of left, right, sender, idle, near, far, "):
        built(in_pods("nobody"))


@pytest.mark.interpreted
def test_a_device_unplugged_refuses_and_one_mapped_elsewhere_goes_on_there() -> None:
    disks = [{"name": "d"}, {"name": "e"}, {"name": "tty", "kind": "console"}]
    steps = [{"io": {"device": "v", "requests": 20}}]
    vm: Raw = {"name": "g", "devices": [{"name": "v", "backend": "d"}]}
    vm |= {"workload": {"repeat": 4, "steps": steps}}
    machine = built({"name": "x", "host": {"costs": "none", "devices": disks}, "vms": [vm]})
    run(machine, 5)
    in_flight = int(machine.state.vdevice["in_flight"][0])
    assert in_flight > 0
    plug = {"type": "map_device", "vm": "g", "device": "v"}
    with pytest.raises(EngineError, match="backend must be one of d, e, got tty"):
        parse(plug | {"backend": "tty"}).apply(machine)
    parse(plug | {"backend": "e"}).apply(machine)
    run(machine, 60)
    assert machine.state.device["requests"][:2].tolist()[0] == 20  # what was in flight ended there
    assert machine.state.device["requests"][1] > 0 or machine.state.device["in_service"][1] == 1
    parse({"type": "unmap_device", "vm": "g", "device": "v"}).apply(machine)
    with pytest.raises(EngineError, match="device must be plugged in, got v, which is not"):
        parse({"type": "unmap_device", "vm": "g", "device": "v"}).apply(machine)
    run(machine, 10_000)
    found = result(machine)
    assert machine.ended
    assert found["vms"][0]["io"]["v"]["refused"] == 40
    assert found["vms"][0]["io"]["v"]["requests"] == 40
    assert all(found["laws"].values())


def with_late(declared: bool) -> Raw:
    """Return a VM that uses all its disks in turn, one of which is plugged in later."""
    disks = [{"name": "d"}, {"name": "e", "service_us": 90}]
    devices: list[Raw] = [{"name": "v", "backend": "d"}]
    devices += [{"name": "w", "backend": "e", "mode": "vhost", "plugged": False}] * declared
    work: Raw = {"repeat": 40, "steps": [{"io": {"requests": 2}}, {"compute": 1}]}
    vm = {"name": "g", "devices": devices, "workload": work}
    return {"name": "x", "host": {"devices": disks}, "vms": [vm]}


@pytest.mark.interpreted
def test_a_device_that_was_not_declared_is_as_one_that_waited_for_being_plugged_in() -> None:
    found = []
    late = {"vm": "g", "backend": "e", "mode": "vhost"}
    plug: tuple[Raw, ...] = (
        {"type": "map_device", "device": "w", **late},
        {"type": "add_device", "name": "w", **late},
    )
    for declared, command in zip((True, False), plug, strict=True):
        machine = built(with_late(declared))
        run(machine, 50)
        parse(command).apply(machine)
        run(machine, 50)
        machine = load(save(machine))
        assert all(laws.check(machine).values())
        run(machine, 5_000)
        found.append((machine.event_hash, result(machine)))
        assert machine.ended
    assert found[0] == found[1]
    io = found[0][1]["vms"][0]["io"]
    assert io["w"]["requests"] > 30
    assert io["v"]["requests"] + io["w"]["requests"] == 80


@pytest.mark.interpreted
def test_a_device_is_added_only_where_there_is_room_and_a_name_for_it() -> None:
    raw = with_late(declared=False)
    raw["host"]["devices"][1] |= {"kind": "nic", "vfs": 1}
    raw["vms"].append({"name": "h", "workload": {"steps": [{"io": {"requests": 3}}]}})
    machine = built(raw)
    run(machine, 30)
    assert int(machine.state.vcpu["ended"][1]) == 1  # it has no device: an error, in a tick
    add: Raw = {"type": "add_device", "vm": "h", "name": "n", "backend": "e", "mode": "vf"}
    parse(add).apply(machine)
    before = save(machine)
    for wrong, words in (
        ({"name": "m"}, "e must have a free virtual function, got 1 of 1 used"),
        ({}, "name must be another name than n, got n"),
        ({"backend": "q"}, "backend must be one of d, e, got q"),
        ({"vm": "g", "name": "x", "backend": "d", "mode": "passthrough"}, "must have d alone"),
    ):
        with pytest.raises(EngineError, match=words):
            parse(add | wrong).apply(machine)
    assert save(machine) == before
    late: Raw = {"name": "late", "devices": [{"name": "v", "backend": "d"}]}
    late |= {"workload": {"steps": [{"io": {"device": "v"}}]}}
    parse({"type": "add_vm", "vm": late}).apply(machine)
    parse({"type": "clone_vm", "vm": "g", "name": "copy"}).apply(machine)
    parse({"type": "unmap_device", "vm": "h", "device": "n"}).apply(machine)
    assert machine.vdevice_names == ["v", "n", "v", "v"]
    run(load(save(machine)), 20_000)
    assert all(laws.check(machine).values())


@pytest.mark.interpreted
def test_a_device_is_passed_through_only_when_others_have_been_served() -> None:
    vms = [
        {
            "name": name,
            "devices": [{"name": "v", "backend": "d", "plugged": name == "a"}],
            "workload": {"steps": [{"io": {"device": "v", "requests": 9}}, {"compute": 9}]},
        }
        for name in "ab"
    ]
    machine = built(
        {"name": "x", "host": {"costs": "none", "devices": [{"name": "d"}]}, "vms": vms}
    )
    run(machine, 3)
    parse({"type": "unmap_device", "vm": "a", "device": "v"}).apply(machine)
    plug = parse(
        {"type": "map_device", "vm": "b", "device": "v", "backend": "d", "mode": "passthrough"}
    )
    with pytest.raises(EngineError, match="passthrough must wait until d has served others"):
        plug.apply(machine)
    run(machine, 25)
    plug.apply(machine)
    assert result(machine)["vms"][1]["io"]["v"]["refused"] == 9  # it came before it was plugged in


@pytest.mark.interpreted
def test_full_exits_count_halts_timers_and_requests_by_the_way_a_device_is_reached() -> None:
    devices = [{"name": "d", "access": "mmio"}, {"name": "t", "kind": "timer", "service_us": 50}]
    steps = [{"io": {"device": "v"}}, {"sleep": 2}, {"io": {"device": "t"}}]
    vm: Raw = {"name": "g", "workload": {"repeat": 3, "steps": steps}}
    vm["devices"] = [
        {"name": "v", "backend": "d", "mode": "vhost"},
        {"name": "t", "backend": "t", "mode": "emulated"},
    ]
    given = {"exits": "full", "posted_interrupts": False, "devices": devices}
    machine, events = engine_run({"name": "x", "host": given, "vms": [vm]}, 2000)
    found = result(machine)["vms"][0]["vm_exits"]
    # a kick and an interrupt each; 4 of each timer request and 1 of each sleep; 3 waits a round
    assert found == {
        "io": 0,
        "fault": 0,
        "timer": 3 * 4 + 3,
        "mmio": 3 * 2,
        "hypercall": 0,
        "interrupt": found["interrupt"],
        "halt": 9,
    }
    logged = sum(e.b for e in events if e.kind == "exit")
    assert logged == sum(found.values())
    assert all(laws.check(machine).values())


def on_gpu(**gpu: Any) -> tuple[list[Any], Any]:
    """Return when two VMs end, of one job of 2 ms at the GPU and of four, and the result."""
    device = {"kind": "gpu", "mib_per_s": 1_000_000, **gpu}
    vms = [guest(name, {"requests": n, "kib": 1}) for name, n in (("one", 1), ("four", 4))]
    machine, _ = engine_run(host(device, vms), 2_000)
    found = result(machine)
    assert all(found["laws"].values())
    return [vm["finish"] for vm in found["vms"]], found


@pytest.mark.interpreted
def test_a_gpu_is_shared_by_turns_or_cut_into_parts_that_keep_to_themselves() -> None:
    """Ticks of 20 us.  By turns of 500 us five jobs of 2 ms take turns; a part of two is half."""
    (one, four), found = on_gpu()
    assert (one, four) == (400, 500)  # the first of each round of five turns
    assert found["devices"][0]["turns"] == 5 * 3
    (one, four), found = on_gpu(profiles=2)
    assert (one, four) == (200, 800)  # 4 ms a job, whatever the other one does
    assert found["devices"][0]["profiles"] == {"total": 2, "used": 2}
    alone, _ = on_gpu(slice_us=0)
    assert alone == [100, 500]


@pytest.mark.interpreted
def test_reads_through_more_layers_take_longer() -> None:
    finish = []
    for overlays in (0, 4):
        disk = {"size_mib": 1, "used_mib": 1, "overlays": overlays}
        io = {"requests": 8, "kib": 128}
        machine, _ = engine_run(host({}, [guest("g", io, device=disk)], costs={}), 5000)
        found = result(machine)
        assert found["vms"][0]["storage"]["disks"]["v"]["chain"] == 1 + overlays
        assert all(found["laws"].values())
        finish.append(found["devices"][0]["busy"])
    assert finish[1] - finish[0] == 8 * 2 * 4 * 5.0  # 2 clusters, 4 layers, 5 µs a lookup
