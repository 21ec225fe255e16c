"""The templates: each loads, runs for ever, and what its text claims is so."""

from functools import cache

import pytest

from vms import scenario_file
from vms.engine.commands import parse
from vms.engine.machine import build
from vms.engine.metrics import result
from vms.engine.scenario import Scenario, scenario_with
from vms.engine.tick import advance
from vms.scenarios import KEYS, read_head, templates


def run(machine, ticks):
    """Advance to tick `ticks`, past ends."""
    while machine.now < ticks and not machine.stalled:
        advance(machine, ticks - machine.now, past_end=True)
        machine.drain()
    return machine


def machine_of(key, changes=()):
    data = templates()[key].data()
    for path, value in changes:
        data = scenario_with(data, path, value)
    return build(Scenario.parse(data))


@cache
def outcome(key, ticks, *changes):
    """The result of a template after `ticks`, with (path, value) changes; kept between tests."""
    return result(run(machine_of(key, changes), ticks))


def command(machine, **arguments):
    parse(arguments).apply(machine)


def vm(found, name):
    return next(row for row in found["vms"] if row["name"] == name)


def total(found, key, names=None):
    return sum(row[key] for row in found["vms"] if names is None or row["name"] in names)


def test_there_are_the_eight_templates_of_the_list():
    titles = [template.title for template in templates().values()]
    assert titles == [
        "First steps",
        "Server consolidation",
        "Big data",
        "Virtual desktops",
        "Noisy neighbour",
        "Overcommit",
        "Belady's anomaly",
        "Real programs",
    ]


@pytest.mark.parametrize("key", KEYS)
def test_a_template_says_what_to_watch_and_what_to_try(key):
    template = templates()[key]
    assert len(template.about) > 50
    assert len(template.watch) >= 2
    assert len(template.try_) >= 2
    assert all(text.endswith(".") for text in (template.about, *template.watch, *template.try_))
    assert template.speed >= 1


@pytest.mark.parametrize("key", KEYS)
def test_a_template_goes_on_for_ever_with_few_vms_and_all_laws_holding(key):
    data = templates()[key].data()
    scenario = Scenario.parse(data)
    assert not scenario.ends
    assert len(scenario.expanded) <= 8
    assert all(len(one.name) <= 10 for one in scenario.expanded)
    assert scenario_file.parse(scenario_file.dump(scenario.dump())) == data
    found = outcome(key, 10_000)
    assert found["ticks"] == 10_000
    assert all(found["laws"].values())
    assert all(row["run"] > 0 for row in found["vms"])


def test_a_head_is_read_in_parts_and_lines_are_joined():
    head = "# One\n# two.\n#\n# Speed: 7   a second\n# Watch\n# - a\n#   b\n# Try\n# - c\n"
    assert read_head(f"{head}name: x\n# - d") == {
        "about": ["One", "two."],
        "speed": ["7"],
        "watch": ["a b"],
        "try": ["c"],
    }


# First steps


def test_first_steps_fills_the_map_and_then_evicts():
    found = outcome("first_steps", 20_000)
    walker = vm(found, "walker")
    assert found["host"]["frames"]["free"] == 0
    assert walker["minor_faults"] == 128
    assert walker["major_faults"] > 100
    assert vm(found, "reader")["preemptions"] == 0


def test_first_steps_slice_1_means_more_switches_more_overhead_and_less_work():
    usual = outcome("first_steps", 20_000)["host"]
    short = outcome("first_steps", 20_000, ("host.scheduler.time_slice", 1))["host"]
    assert short["switches"] > 4 * usual["switches"]
    assert short["overhead"] > 3 * usual["overhead"]
    assert short["busy"] < usual["busy"]


def test_first_steps_slice_100_starves_those_who_wait_often():
    usual = outcome("first_steps", 20_000)
    long = outcome("first_steps", 20_000, ("host.scheduler.time_slice", 100))
    assert long["host"]["overhead"] < usual["host"]["overhead"] / 3
    for name in ("walker", "reader"):
        assert vm(long, name)["run"] < vm(usual, name)["run"] / 2


def test_first_steps_paravirtual_needs_an_eighth_of_the_exits():
    emulated = vm(outcome("first_steps", 20_000), "reader")
    mode = ("vms.reader.devices.vda.mode", "paravirtual")
    paravirtual = vm(outcome("first_steps", 20_000, mode), "reader")
    per_request = [
        row["vm_exits"]["io"] / row["io"]["vda"]["requests"] for row in (emulated, paravirtual)
    ]
    assert per_request[1] == pytest.approx(per_request[0] / 8, rel=0.01)


def test_first_steps_gives_the_others_more_when_counter_pauses():
    usual = outcome("first_steps", 20_000)
    machine = run(machine_of("first_steps"), 0)
    command(machine, type="pause_vm", vm="counter")
    alone = result(run(machine, 20_000))
    for name in ("walker", "reader"):
        assert vm(alone, name)["run"] > 1.25 * vm(usual, name)["run"]


# Server consolidation

SERVERS = ("mail", "web", "files", "payroll", "reports", "test")


def test_server_consolidation_keeps_two_pcpus_busy_two_thirds_of_the_time():
    assert 0.6 < outcome("server_consolidation", 20_000)["host"]["utilisation"] < 0.75


def test_server_consolidation_each_server_used_a_tenth_to_four_tenths_of_a_machine():
    for one in templates()["server_consolidation"].data()["vms"]:
        load = next(s["trace"]["utilisation"] for s in one["workload"]["steps"] if "trace" in s)
        assert 10 <= sum(load) / len(load) <= 42


def test_server_consolidation_on_one_pcpu_steals_three_times_as_much_and_on_three_hardly_any():
    one, two, three = (
        outcome("server_consolidation", 20_000, ("host.pcpus", n)) for n in (1, 2, 3)
    )
    for name in SERVERS:
        assert vm(one, name)["runnable"] > 3 * vm(two, name)["runnable"]
        assert vm(three, name)["runnable"] < vm(two, name)["runnable"] / 7
    assert three["host"]["idle"] == pytest.approx(60_000 / 2, rel=0.05)


def test_server_consolidation_pausing_reports_lowers_the_steal_of_the_others():
    others = [name for name in SERVERS if name != "reports"]
    machine = run(machine_of("server_consolidation"), 0)
    command(machine, type="pause_vm", vm="reports")
    without = result(run(machine, 750))
    assert (
        total(without, "runnable", others)
        < total(outcome("server_consolidation", 750), "runnable", others) / 2
    )


# Big data


def test_big_data_the_database_runs_from_memory_until_the_scans_come():
    before = vm(outcome("big_data", 2_000), "database")
    after = vm(outcome("big_data", 20_000), "database")
    assert (before["minor_faults"], before["major_faults"]) == (768, 0)
    assert after["major_faults"] > 1_000
    work_before = before["run"] / 2_000
    work_after = (after["run"] - before["run"]) / 18_000
    assert work_after < work_before / 3


def test_big_data_no_policy_helps_under_a_global_scope():
    for policy in ("clock", "fifo", "random"):
        found = vm(outcome("big_data", 20_000, ("host.replacement.policy", policy)), "database")
        lru = vm(outcome("big_data", 20_000), "database")
        assert found["run"] == pytest.approx(lru["run"], rel=0.05)


def test_big_data_a_local_scope_set_in_time_keeps_the_database_fast():
    machine = run(machine_of("big_data"), 1_500)
    command(machine, type="set_replacement", policy="lru", scope="local")
    database = vm(result(run(machine, 20_000)), "database")
    assert database["major_faults"] == 0
    assert database["run"] > 19_500


def test_big_data_the_database_recovers_when_the_scans_pause():
    machine = run(machine_of("big_data"), 8_000)
    for scan in ("scan-1", "scan-2"):
        command(machine, type="pause_vm", vm=scan)
    run(machine, 14_000)
    before = vm(result(machine), "database")
    after = vm(result(run(machine, 16_000)), "database")
    assert after["run"] - before["run"] > 1_900
    assert before["resident"] > 700


# Virtual desktops


def longest_queue(machine, first, last):
    longest = 0
    for tick in range(first, last, 20):
        run(machine, tick)
        longest = max(longest, int(machine.state.device[0].queued))
    return longest


def booted_at(machine):
    """The tick by which every desktop has made its 96 boot requests."""
    while min(row.requests for row in machine.state.vdevice) < 96 and machine.now < 10_000:
        run(machine, machine.now + 10)
    return machine.now


def test_virtual_desktops_queue_in_the_storm_and_the_second_storm_is_milder():
    machine = machine_of("virtual_desktops")
    assert longest_queue(machine, 10, 1_000) >= 240
    assert longest_queue(machine, 1_000, 2_400) <= 250
    assert longest_queue(machine, 2_400, 8_000) < 240


def test_virtual_desktops_idle_in_the_storm():
    machine = machine_of("virtual_desktops")
    storm = booted_at(machine)
    assert result(machine)["host"]["utilisation"] < 0.25
    more = machine_of("virtual_desktops", [("host.devices.san.channels", 8)])
    assert booted_at(more) < storm / 3


def test_virtual_desktops_share_the_image_and_copy_what_they_write():
    found = outcome("virtual_desktops", 20_000)
    frames, private = found["host"]["frames"], 8 * 128 + total(found, "cow_breaks")
    assert frames["used"] == frames["shared"] + private  # an image page all have copied is freed
    assert 200 < frames["shared"] <= 256
    assert 0 < total(found, "cow_breaks") < 8 * 64
    assert found["host"]["replacement"]["evictions"] == 0
    data = templates()["virtual_desktops"].data()
    del data["vms"][0]["image"]
    alone = result(run(build(Scenario.parse(data)), 10_000))
    assert alone["host"]["replacement"]["evictions"] > 0


# Noisy neighbour

SHOPS = ("shop-1", "shop-2", "shop-3")


def requests_and_latency(found):
    requests = sum(vm(found, name)["io"]["vda"]["requests"] for name in SHOPS)
    time = sum(
        vm(found, name)["io"]["vda"]["requests"] * vm(found, name)["io"]["vda"]["mean_us"]
        for name in SHOPS
    )
    return requests, time


def test_noisy_neighbour_slows_the_shops_down():
    before, after = outcome("noisy_neighbour", 3_000), outcome("noisy_neighbour", 20_000)
    sold, waited = requests_and_latency(before)
    sold_after, waited_after = (
        a - b for a, b in zip(requests_and_latency(after), (sold, waited), strict=True)
    )
    assert waited / sold == pytest.approx(300, rel=0.15)
    assert total(before, "runnable", SHOPS) < 30
    assert waited_after / sold_after > 10 * waited / sold
    assert sold_after / 17_000 < sold / 3_000 / 3
    assert total(after, "runnable", SHOPS) > 5_000


def test_noisy_neighbour_is_not_cured_by_weights_but_by_shorter_slices():
    usual = outcome("noisy_neighbour", 20_000)
    light = outcome("noisy_neighbour", 20_000, ("vms.backup.weight", 16))
    short = outcome("noisy_neighbour", 20_000, ("host.scheduler.time_slice", 10))
    for name in SHOPS:
        assert vm(light, name)["run"] == vm(usual, name)["run"]
    assert total(short, "runnable", SHOPS) < total(usual, "runnable", SHOPS) / 2


def test_noisy_neighbour_paused_leaves_everything_as_before():
    machine = run(machine_of("noisy_neighbour"), 8_000)
    command(machine, type="pause_vm", vm="backup")
    run(machine, 9_000)
    first = requests_and_latency(result(machine))
    last = requests_and_latency(result(run(machine, 12_000)))
    sold, waited = (b - a for a, b in zip(first, last, strict=True))
    assert waited / sold == pytest.approx(300, rel=0.15)


# Overcommit


def test_overcommit_evicts_pages_that_were_written():
    host = outcome("overcommit", 20_000)["host"]
    assert host["frames"]["free"] == 0
    assert host["replacement"]["writebacks"] > 0.95 * host["replacement"]["evictions"] > 0


def test_overcommit_less_memory_means_less_work_and_enough_memory_a_third_more():
    less, usual, enough = (
        outcome("overcommit", 20_000, ("host.frames", n)) for n in (256, 512, 1_024)
    )
    assert total(less, "run") < total(usual, "run")
    assert less["devices"][0]["requests"] > usual["devices"][0]["requests"]
    assert enough["host"]["replacement"]["evictions"] == 0
    assert total(enough, "run") > total(usual, "run") * 4 / 3


def test_overcommit_two_guests_alone_stop_faulting():
    machine = run(machine_of("overcommit"), 5_000)
    for guest in ("guest-3", "guest-4"):
        command(machine, type="pause_vm", vm=guest)
    first = result(run(machine, 10_000))
    last = result(run(machine, 15_000))
    others = ("guest-1", "guest-2")
    assert total(last, "major_faults", others) == total(first, "major_faults", others)


# Belady's anomaly


def faults(policy, frames, ticks):
    changes = ("host.replacement.policy", policy), ("host.frames", frames)
    (row,) = outcome("belady", ticks, *changes)["vms"]
    return row["minor_faults"] + row["major_faults"]


@pytest.mark.parametrize(
    ("policy", "frames", "string", "every_round"),
    [("fifo", 3, 9, 13), ("fifo", 4, 10, 14), ("lru", 3, 10, 14), ("lru", 4, 8, 12)],
)
def test_belady_more_frames_more_faults_under_fifo_alone(policy, frames, string, every_round):
    assert faults(policy, frames, 12) == string
    assert faults(policy, frames, 32 * 10) == 10 * every_round


# Real programs


def test_real_programs_fifo_nearly_doubles_the_faults_of_a_small_memory():
    lru, fifo = (
        total(
            outcome(
                "real_programs", 20_000, ("host.frames", 256), ("host.replacement.policy", policy)
            ),
            "major_faults",
        )
        for policy in ("lru", "fifo")
    )
    assert 1.7 < fifo / lru < 2.3


def test_real_programs_clock_stays_within_a_tenth_of_lru():
    lru, clock = (
        total(outcome("real_programs", 20_000, ("host.replacement.policy", policy)), "major_faults")
        for policy in ("lru", "clock")
    )
    assert clock == pytest.approx(lru, rel=0.1)


def test_real_programs_more_memory_leaves_a_third_of_the_faults():
    usual = total(outcome("real_programs", 40_000), "major_faults")
    more = total(outcome("real_programs", 40_000, ("host.frames", 2_048)), "major_faults")
    assert more == pytest.approx(usual / 3, rel=0.2)


def test_real_programs_gzip_hardly_ever_misses():
    gzip = vm(outcome("real_programs", 20_000), "gzip")
    assert gzip["minor_faults"] + gzip["major_faults"] < gzip["references"] / 1_000
