"""Conditions, against the result object at each tick; and the loop that seeks them."""

import functools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.running import built
from tests.engine.strategies import scenarios
from vms.engine.conditions import OPERATORS, Watch, keys_of, parse
from vms.engine.errors import EngineError
from vms.engine.metrics import result
from vms.engine.seek import Stop, seek
from vms.engine.tables import EVENTS
from vms.engine.tick import advance

pytestmark = pytest.mark.interpreted

LAB = {
    "name": "Two of a kind",
    "host": {
        "pcpus": 2,
        "frames": 24,
        "scheduler": {"policy": "stride", "time_slice": 4},
        "swap": {"device": "disk0"},
        "devices": [{"name": "disk0", "kind": "disk", "service_us": 150}],
    },
    "vms": [
        {
            "name": name,
            "pages": 20,
            "vcpus": vcpus,
            "devices": [{"name": "vda", "backend": "disk0"}],
            "workload": {
                "repeat": 4,
                "steps": [
                    {"compute": 7},
                    {"touch": {"pattern": "uniform", "refs": 30, "write": 0.5}},
                    {"io": {"device": "vda", "requests": 2}},
                    {"sleep": 3},
                ],
            },
        }
        for name, vcpus in (("web", 1), ("db", 2))
    ],
}


def numbers(place, path=""):
    """Yield the path of every number, or null, of a result object."""
    if isinstance(place, bool | str):
        return
    if not isinstance(place, dict | list):
        yield path
        return
    for key in keys_of(place):
        entry = place["runnable"] if key == "steal" else None
        if isinstance(place, list):
            entry = next(each for each in place if each["name"] == key)
        elif key != "steal":
            entry = place[key]
        yield from numbers(entry, f"{path}.{key}" if path else key)


PATHS = [
    path
    for path in (*numbers(result(built(LAB))), "vms.web.stolen_by.db", "vms.db.stolen_by.(idle)")
    if not path.startswith("laws")
]


def test_every_number_of_the_result_has_a_path():
    assert len(PATHS) > 70
    assert {"ticks", "host.frames.free", "vms.db.io.vda.p99_us", "vms.web.steal"} <= set(PATHS)
    assert {"devices.disk0.mean_queue", "host.replacement.evictions"} <= set(PATHS)


@functools.cache
def results():
    """The result object at each tick of LAB, from 0 to its end."""
    machine = built(LAB)
    found = [result(machine)]
    while advance(machine, 1):
        machine.drain()
        found.append(result(machine))
    found.append(result(machine))  # it ends without one tick more
    return found


def finds(text):
    """Return the first tick at which the result object fulfils `text`."""
    condition = parse(text)
    return next((each["ticks"] for each in results() if condition.holds(each)), None)


def sought(machine, stop, ticks):
    """Return the tick at which `stop` is reached, None where it is not within `ticks`."""
    found = False
    while not found and machine.now < ticks:
        before, events = machine.now, int(machine.state.host[0].events_read)
        _, found = seek(machine, ticks - machine.now, stop)
        machine.drain()
        if machine.now == before and int(machine.state.host[0].events_read) == events:
            break
    while machine.in_tick:
        advance(machine, 1)
        machine.drain()
    return machine.now if found else None


@pytest.mark.compiled
def test_a_machine_has_at_each_tick_the_values_that_its_result_has():
    machine = built(LAB)
    watches = [Watch(parse(f"{path} {sign} 3"), machine) for path in PATHS for sign in OPERATORS]
    for whole in results()[::5]:
        for watch in watches:
            assert watch.holds() == watch.condition.holds(whole), watch.condition.text
        advance(machine, 5)
        machine.drain()


@pytest.mark.compiled
@pytest.mark.parametrize("path", PATHS)
def test_it_stops_at_the_first_tick_at_which_the_value_is_that_of_later(path):
    machine = built(LAB)
    advance(machine, 150)
    machine.drain()
    later = Watch(parse(f"{path} == 0"), machine).value() or 0
    for sign in (">=", "<", "==", "!="):
        text = f"{path} {sign} {later:.6f}"
        machine = built(LAB)
        watch = Watch(parse(text), machine)
        at = machine.now if watch.holds() else sought(machine, Stop(None, watch), 900)
        assert at == finds(text), text


@pytest.mark.parametrize(
    "text",
    [
        "vms.web.steal > 1 %",
        "vms[1].run >= 30 %",
        "vms.db.hits < 90 %",
        "vms.db.resident > 50 %",
        "vms.db.stolen_by.web >= 20 %",
        "host.busy < 90 %",
        "host.idle > 12.5 %",
        "host.utilisation < 80 %",
        "host.utilisation >= 0.91",
        "host.frames.free <= 5 %",
        "host.frames.used == 24",
        "devices.disk0.utilisation > 30 %",
        "host.jain_fairness < 95 %",
        "vms.web.finish > 0",
        "vms.db.io.vda.p99_us >= 400",
        "vms.db.major_faults != 0",
    ],
)
def test_parts_of_a_whole_are_found_at_the_same_tick(text):
    if "resident" in text:
        with pytest.raises(EngineError, match="not a part of a whole"):
            Watch(parse(text), built(LAB))
        return
    machine = built(LAB)
    watch = Watch(parse(text), machine)
    at = machine.now if watch.holds() else sought(machine, Stop(None, watch), 900)
    assert at == finds(text)
    assert at is not None


@pytest.mark.compiled
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), raw=scenarios())
def test_any_condition_on_any_machine_is_found_where_a_naive_search_finds_it(data, raw):
    machine, naive = built(raw), built(raw)
    paths = [path for path in numbers(result(machine)) if not path.startswith("laws")]
    path = data.draw(st.sampled_from(paths))
    sign = data.draw(st.sampled_from(list(OPERATORS)))
    number = data.draw(st.integers(0, 60) | st.sampled_from([0.5, 0.25, 0.9]))
    watch = Watch(parse(f"{path} {sign} {number}"), machine)
    expected = None
    for _ in range(80):
        if watch.condition.holds(result(naive)):
            expected = naive.now
            break
        advance(naive, 1)
        naive.drain()
    at = machine.now if watch.holds() else sought(machine, Stop(None, watch), 79)
    assert (at if at is None or at < 80 else None) == expected


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["", *EVENTS])
def test_it_stops_right_after_the_first_event_of_a_kind(kind):
    plain, expected = built(LAB), None
    while plain.now < 300 and expected is None and advance(plain, 1):
        kinds = [EVENTS[row["kind"]] for row in plain.drain()]
        if kind in kinds or (not kind and kinds):
            expected = plain.now
    assert sought(built(LAB), Stop(kind), 300) == expected


def test_seeking_leaves_the_machine_as_advancing_does():
    plain, machine = built(LAB), built(LAB)
    while plain.now < 170:
        advance(plain, 170 - plain.now)
        plain.drain()
    sought(machine, Stop(None, Watch(parse("ticks >= 170"), machine)), 400)
    assert (machine.now, machine.event_hash) == (170, plain.event_hash)


def test_after_a_command_that_made_the_tables_anew_it_looks_at_the_new_ones():
    from vms.engine.commands import parse as command

    machine = built(LAB)
    watch = Watch(parse("vms.web.run >= 40"), machine)
    more = {"name": "late", "workload": {"repeat": "forever", "steps": [{"compute": 5}]}}
    command({"type": "add_vm", "vm": more}).apply(machine)
    sought(machine, Stop(None, watch), 400)
    values = {vm["name"]: vm["run"] for vm in result(machine)["vms"]}
    assert values["web"] == 40


# --- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vms.web.majr_faults > 1", "did you mean vms.web.major_faults?"),
        ("vm.wbe.steal > 1", "did you mean vms.web.steal?"),
        ("host.replacment.evictions == 0", "did you mean host.replacement.evictions?"),
        ("vms.web.io.vdb.p99_us > 1", "did you mean vms.web.io.vda.p99_us?"),
        ("vms[2].steal > 1", "vms[2]: no such value, there are web, db"),
        ("vms.zzz.steal > 1", "vms.zzz: no such value, there are web, db"),
        ("vms.web.stolen_by.nobody > 1", "no such value"),
        ("ticks.late > 1", "ticks.late: no such value, ticks has no parts"),
        ("vms.web > 1", "vms.web is not a number"),
        ("vms.web.kind == 1", "vms.web.kind is not a number"),
        ("laws.stolen_sum == 0", "laws.stolen_sum is not a number"),
        ("ticks > 5 %", "ticks is not a part of a whole: leave the % out"),
        ("vms.web.slices > 5 %", "is not a part of a whole"),
    ],
)
def test_what_a_machine_has_not_is_refused_with_the_nearest_it_has(text, sentence):
    with pytest.raises(EngineError, match=re.escape(sentence)):
        Watch(parse(text), built(LAB))


@pytest.mark.parametrize(
    "text",
    ["", "vms.web.steal", "vms.web.steal > ", "> 5", "ticks => 5", "ticks > many", "ticks > 5 ms",
     "ticks > 0x10", "ticks > 1 2", "x" * 300 + " > 1", "ticks > 1e5", "ticks = 5"],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_an_example(text):
    with pytest.raises(EngineError, match=r"like vms\.web\.major_faults > 100") as refusal:
        parse(text)
    assert refusal.value.field == "condition"


def test_a_path_that_is_none_is_refused():
    with pytest.raises(EngineError, match="a path must be keys"):
        parse("vms..web > 5")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ticks>5", "ticks > 5"),
        (" vms[0].io.vda.p99_us   >=  500 ", "vms[0].io.vda.p99_us >= 500"),
        ("vms.my vm.steal<5%", "vms.my vm.steal < 5 %"),
        ("host.utilisation == 0.25", "host.utilisation == 0.25"),
        ("ticks != -1", "ticks != -1"),
    ],
)
def test_a_condition_is_shown_as_one_writes_it(text, shown):
    assert parse(text).text == shown
    assert parse(parse(text).text) == parse(text)


def test_a_value_that_is_null_fulfils_nothing():
    whole = result(built(LAB))
    assert not any(parse(f"vms.web.finish {sign} 0").holds(whole) for sign in OPERATORS)


def test_a_part_of_nothing_fulfils_nothing():
    whole = result(built(LAB))
    assert not any(parse(f"vms.web.hits {sign} 0 %").holds(whole) for sign in OPERATORS)


def test_one_tenth_is_one_tenth():
    assert parse("host.utilisation == 0.1").holds({"host": {"utilisation": 0.1}})
    assert parse("host.utilisation == 10 %").holds({"host": {"utilisation": 0.1}})
    assert not parse("host.utilisation > 0.1").holds({"host": {"utilisation": 0.1}})
