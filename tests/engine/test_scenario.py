"""A good scenario: defaults, names, limits, and that nothing is lost on the way out and in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.examples import EXAMPLE, SMALLEST
from vms.engine.errors import EngineError
from vms.engine.scenario import COSTS, LIMITS, Limits, Scenario, scenario_with


def smallest(path, value):
    return scenario_with(SMALLEST, path, value)


def test_the_documented_example_is_accepted_and_dumped_as_it_was_given():
    scenario = Scenario.parse(EXAMPLE)
    assert scenario.dump() == EXAMPLE
    assert Scenario.parse(scenario.dump()) == scenario


def test_count_makes_numbered_names_and_one_keeps_the_name():
    names = [vm.name for vm in Scenario.parse(EXAMPLE).expanded]
    assert names == ["web-1", "web-2", "batch", "replay"]
    alone = Scenario.parse(smallest("vms[0].count", 1))
    assert [vm.name for vm in alone.expanded] == ["b"]


def test_copies_share_one_workload():
    first, second, *_ = Scenario.parse(EXAMPLE).expanded
    assert first.workload is second.workload


def test_everything_but_names_and_a_workload_has_the_documented_default():
    scenario = Scenario.parse(SMALLEST)
    host, vm = scenario.host, scenario.vms[0]
    assert (scenario.seed, scenario.tick_us, scenario.dialect) == (1, 100, "textbook")
    assert (host.pcpus, host.frames, host.page_kib) == (1, 4096, 4)
    assert (host.scheduler.policy, host.scheduler.time_slice) == ("round_robin", 30)
    assert (host.replacement.policy, host.replacement.scope) == ("clock", "global")
    assert host.ideal_store
    assert host.posted_interrupts
    assert not host.account_page_tables
    assert (vm.kind, vm.vcpus, vm.pages, vm.weight) == ("vm", 1, 256, 256)
    assert (vm.start_at, vm.cap, vm.time_slice, vm.boot) == (0, 0, None, False)
    assert vm.workload.repeat == 1
    assert scenario.dump() == SMALLEST


def test_touch_and_io_have_the_documented_defaults():
    data = smallest("vms[0].devices", [{"name": "vda", "backend": "d"}])
    data = scenario_with(data, "host.devices", [{"name": "d"}])
    steps = [{"touch": {"refs": 7}}, {"io": {"device": "vda"}}]
    touch, io = (
        Scenario.parse(scenario_with(data, "vms[0].workload.steps", steps)).vms[0].workload.steps
    )
    assert (touch.touch.refs_per_tick, touch.touch.write, touch.touch.alpha) == (100, 0.0, 1.0)
    assert (io.io.requests, io.io.kib, io.io.op) == (1, 4, "read")


@pytest.mark.parametrize(
    ("kind", "channels", "service_us", "mib_per_s"),
    [("disk", 1, 250, 500), ("nic", 4, 20, 1000), ("console", 1, 100, 1)],
)
def test_a_device_has_the_defaults_of_its_kind(kind, channels, service_us, mib_per_s):
    given = {"name": "d", "kind": kind}
    scenario = Scenario.parse(smallest("host.devices", [given]))
    device = scenario.host.devices[0]
    assert (device.channels, device.service_us, device.mib_per_s, device.vfs) == (
        channels,
        service_us,
        mib_per_s,
        0,
    )
    assert scenario.dump()["host"]["devices"] == [given]


def test_swap_left_out_null_and_named_are_three_things():
    ideal = Scenario.parse(SMALLEST)
    none = Scenario.parse(smallest("host.swap", None))
    named = scenario_with(smallest("host.devices", [{"name": "d"}]), "host.swap", {"device": "d"})
    disk = Scenario.parse(named)
    assert (ideal.host.ideal_store, ideal.host.swap) == (True, None)
    assert (none.host.ideal_store, none.host.swap) == (False, None)
    assert (disk.host.ideal_store, disk.host.swap.device) == (False, "d")
    for scenario in (ideal, none, disk):
        assert Scenario.parse(scenario.dump()) == scenario
        assert Scenario.parse(scenario.dump()).host.ideal_store == scenario.host.ideal_store


def test_costs_none_charges_nothing_and_stays_none():
    scenario = Scenario.parse(smallest("host.costs", "none"))
    assert set(scenario.host.costs.model_dump().values()) == {0}
    assert scenario.dump()["host"]["costs"] == "none"
    assert scenario.start_ticks("vm") == 0


def test_costs_default_to_the_table_of_sources():
    costs = Scenario.parse(SMALLEST).host.costs
    assert {cost.name: cost.default for cost in COSTS} == costs.model_dump()
    assert (costs.vm_exit_ns, costs.context_switch_ns, costs.cache_refill_ns) == (700, 2000, 20000)
    assert (costs.minor_fault_ns, costs.cow_ns, costs.page_copy_ns) == (2500, 3000, 600)
    assert (costs.syscall_ns, costs.device_model_ns) == (80, 5000)
    assert all(cost.source and cost.what for cost in COSTS)
    assert {cost.unit for cost in COSTS} == {"ns", "ms", "mib", "percent"}


def test_start_times_are_whole_ticks_rounded_up():
    scenario = Scenario.parse(smallest("tick_us", 30_000))
    assert [scenario.start_ticks(kind) for kind in ("vm", "microvm", "container")] == [667, 5, 7]


@pytest.mark.parametrize(
    ("dialect", "scheduler", "changed"),
    [
        ("textbook", "round_robin", {}),
        (
            "ostep",
            "round_robin",
            {
                "arrival_at_expiry": "expired",
                "switch_cost_on": "never",
                "clock_hand": "random",
                "opt_tie": "last_loaded",
                "draws": "twister",
                "stay_at_expiry": "falls",
            },
        ),
        (
            "ostep",
            "lottery",
            {
                "arrival_at_expiry": "expired",
                "unused_slice": "lost",
                "switch_cost_on": "never",
                "clock_hand": "random",
                "opt_tie": "last_loaded",
                "draws": "twister",
                "stay_at_expiry": "falls",
            },
        ),
        ("libcachesim", "stride", {"reference_bit_on_load": 0, "equal_keys": "least_recent"}),
        ({"switch_cost_on": "always"}, "fcfs", {"switch_cost_on": "always"}),
    ],
)
def test_a_dialect_changes_only_the_rules_it_names(dialect, scheduler, changed):
    textbook = Scenario.parse(SMALLEST).rules().model_dump()
    scenario = Scenario.parse(smallest("dialect", dialect))
    assert scenario.rules(scheduler).model_dump() == textbook | changed
    assert Scenario.parse(scenario.dump()) == scenario


def test_a_scenario_ends_when_every_workload_does():
    assert Scenario.parse(SMALLEST).ends
    assert not Scenario.parse(EXAMPLE).ends


LIMIT_CASES = [
    ("tick_us", 1, 100_000),
    ("host.pcpus", 1, 1_024),
    ("host.frames", 1, 16_777_216),
    ("host.scheduler.time_slice", 1, 100_000),
    ("vms[0].count", 1, 4_096),
    ("vms[0].vcpus", 1, 256),
    ("vms[0].pages", 1, 16_777_216),
    ("vms[0].time_slice", 1, 100_000),
    ("vms[0].weight", 1, 262_144),
    ("vms[0].workload.steps[0].compute", 1, 10**12),
    ("vms[0].start_at", 0, 10**12),
    ("seed", 0, 2**63 - 1),
]


@pytest.mark.parametrize(("path", "low", "high"), LIMIT_CASES)
def test_limits_hold_at_below_and_above(path, low, high):
    for value in (low, high):
        Scenario.parse(smallest(path, value))
    for value in (low - 1, high + 1):
        with pytest.raises(EngineError) as refusal:
            Scenario.parse(smallest(path, value))
        assert refusal.value.field == path
        assert str(refusal.value).startswith(f"{path} must be {low}..{high}")
        assert str(refusal.value).endswith(f", got {value}")


@pytest.mark.parametrize("value", [1.0, 1.5, "1", True, None, [1], {}, float("nan"), 10**4000])
@pytest.mark.parametrize(("path", "low", "high"), LIMIT_CASES)
def test_a_quantity_is_a_whole_number_and_nothing_else(path, low, high, value):
    with pytest.raises(EngineError, match=rf"must be {low}\.\.{high}") as refusal:
        Scenario.parse(smallest(path, value))
    assert refusal.value.field == path
    assert len(str(refusal.value)) <= 400


def test_together_limits_hold_at_and_above():
    many = [{**SMALLEST["vms"][0], "name": f"v{i}", "vcpus": 256, "count": 64} for i in range(4)]
    Scenario.parse({"name": "a", "vms": many})
    one_more = [*many, {**SMALLEST["vms"][0], "name": "last"}]
    with pytest.raises(EngineError, match=r"vms together must have 1\.\.65536 vCPUs, got 65537"):
        Scenario.parse({"name": "a", "vms": one_more})
    with pytest.raises(EngineError, match=r"1\.\.67108864 pages, got 83886080"):
        Scenario.parse(scenario_with(smallest("vms[0].count", 5), "vms[0].pages", 16_777_216))
    with pytest.raises(EngineError, match=r"1\.\.10000 steps, got 10001"):
        Scenario.parse(smallest("vms[0].workload.steps", [{"compute": 1}] * 10_001))
    Scenario.parse(smallest("vms[0].workload.steps", [{"compute": 1}] * 10_000))
    load = [{"trace": {"utilisation": [50] * 9_999, "every": 10}}, {"compute": 1}, {"compute": 1}]
    with pytest.raises(EngineError, match=r"1\.\.10000 steps, got 10001"):
        Scenario.parse(smallest("vms[0].workload.steps", load))
    with pytest.raises(EngineError, match=r"1\.\.4096 VMs, got 4097"):
        Scenario.parse(
            {
                "name": "a",
                "vms": [
                    {**SMALLEST["vms"][0], "count": 4096},
                    {**SMALLEST["vms"][0], "name": "c"},
                ],
            }
        )


def test_trace_references_are_limited_together():
    data = smallest("vms[0].pages", 4_096)
    traces = [{"trace": {"recorded": "python"}}] * 70
    with pytest.raises(EngineError, match=r"1\.\.100000000 trace references, got 100650410"):
        Scenario.parse(scenario_with(data, "vms[0].workload.steps", traces))


def test_a_server_may_lower_limits_and_not_raise_them():
    limits = Limits(frames=100, vms=2, pages=500, total_pages=300, pcpus=10**9)
    Scenario.parse(smallest("host.frames", 100), limits)
    with pytest.raises(EngineError, match=r"host.frames must be 1\.\.100 frames, got 101"):
        Scenario.parse(smallest("host.frames", 101), limits)
    with pytest.raises(EngineError, match=r"vms together must have 1\.\.300 pages, got 512"):
        Scenario.parse(smallest("vms[0].count", 2), limits)
    assert limits.pcpus == LIMITS.pcpus


def test_the_schema_says_limits_units_defaults_and_sources():
    schema = Scenario.model_json_schema()
    frames = schema["$defs"]["Host"]["properties"]["frames"]
    assert (frames["minimum"], frames["maximum"], frames["default"]) == (1, 16_777_216, 4_096)
    assert frames["x-unit"] == "frames"
    assert schema["$defs"]["Costs"]["properties"]["vm_exit_ns"]["x-source"]
    assert schema["required"] == ["name", "vms"]
    assert schema["additionalProperties"] is False
    policies = schema["$defs"]["Scheduler"]["properties"]["policy"]["enum"]
    assert policies[:4] == ["round_robin", "fcfs", "lottery", "stride"]


names = st.text(min_size=1, max_size=64)


@given(names)
def test_a_name_is_accepted_exactly_when_the_rule_says_so(name):
    allowed = name.isprintable() and not set(name) & set("/.[]") and name.strip() != ""
    data = smallest("vms[0].name", name)
    if allowed:
        assert Scenario.parse(data).expanded[0].name == name
    else:
        with pytest.raises(EngineError, match=r"1\.\.64 printable characters"):
            Scenario.parse(data)
