"""The templates: each loads, runs for ever, and what its text claims is so."""

from functools import cache

import pytest

from vms import scenario_file
from vms.engine.commands import parse
from vms.engine.machine import build
from vms.engine.metrics import result
from vms.engine.scenario import Scenario, scenario_with
from vms.engine.storage import summary
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


def test_there_are_the_templates_of_the_list():
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
        "Backup and restore",
        "Theft of service",
        "Flattened by an idle heavyweight",
        "The Dhall set",
        "Lock-holder preemption",
        "SMT siblings",
        "Container or VM?",
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
    before = vm(outcome("big_data", 1_000), "database")
    after = vm(outcome("big_data", 20_000), "database")
    assert (before["minor_faults"], before["major_faults"]) == (768, 0)
    assert after["major_faults"] > 1_000
    work_before = before["run"] / 1_000
    work_after = (after["run"] - before["run"]) / 19_000
    assert work_after < work_before / 3


def test_big_data_no_policy_helps_under_a_global_scope():
    for policy in ("clock", "fifo", "random"):
        found = vm(outcome("big_data", 20_000, ("host.replacement.policy", policy)), "database")
        lru = vm(outcome("big_data", 20_000), "database")
        assert found["run"] == pytest.approx(lru["run"], rel=0.05)


def test_big_data_a_local_scope_set_in_time_keeps_the_database_fast():
    machine = run(machine_of("big_data"), 900)
    command(machine, type="set_replacement", policy="lru", scope="local")
    database = vm(result(run(machine, 20_000)), "database")
    assert database["major_faults"] == 0
    assert database["run"] > 19_250


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
    """The tick by which every desktop has made its 48 boot requests."""
    while min(row.requests for row in machine.state.vdevice) < 48 and machine.now < 10_000:
        run(machine, machine.now + 10)
    return machine.now


def test_virtual_desktops_each_storm_is_milder_than_the_one_before():
    machine = machine_of("virtual_desktops")
    storms = [longest_queue(machine, *when) for when in ((20, 900), (1_200, 2_200), (2_200, 3_400))]
    assert storms[0] > 100
    assert storms[0] > storms[1] > storms[2] > 0
    day = machine_of("virtual_desktops")
    assert longest_queue(day, 920, 1_340) < 60
    assert int(day.state.device[0].queued) == 0


def test_virtual_desktops_work_first_and_then_idle_in_the_storm():
    first = outcome("virtual_desktops", 60)["host"]
    assert first["idle"] == 0
    busy = outcome("virtual_desktops", 120)["host"]["busy"]
    storm = outcome("virtual_desktops", 600)["host"]["busy"] - busy
    assert storm / (480 * 4) == pytest.approx(0.25, abs=0.05)
    more = ("host.devices.san.channels", 8)
    third = booted_at(machine_of("virtual_desktops", [more]))
    assert third == pytest.approx(booted_at(machine_of("virtual_desktops")) / 3, rel=0.1)


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

QUIET = ("web", "db", "batch", "cache", "mail", "proxy", "shop")


def between(machine, ticks):
    """What the quiet ones had in the next `ticks`: work and steal a tick, ms a request to nvme0."""

    def read():
        found = result(machine)
        disks = [vm(found, name)["io"]["vda"] for name in ("web", "db", "shop")]
        return (
            total(found, "run", QUIET),
            total(found, "runnable", QUIET),
            sum(disk["requests"] for disk in disks),
            sum(disk["requests"] * (disk["mean_us"] or 0) for disk in disks) / 1_000,
            total(found, "major_faults", QUIET),
        )

    before = read()
    run(machine, machine.now + ticks)
    work, steal, requests, waited, major = (b - a for a, b in zip(before, read(), strict=True))
    return {"work": work, "steal": steal, "ms": waited / requests, "major": major}


def loud(*commands):
    """A lab at tick 2,000, with noisy, after `commands`."""
    machine = run(machine_of("noisy_neighbour"), 2_000)
    for arguments in commands:
        command(machine, **arguments)
    return machine


@cache
def quiet_and_loud():
    """Two thousand ticks without noisy, and the same two thousand with it."""
    alone = run(machine_of("noisy_neighbour", [("vms.noisy.start_at", 10**6)]), 2_000)
    return between(alone, 2_000), between(loud(), 2_000)


def test_noisy_neighbour_is_a_lab_to_look_at():
    scenario = Scenario.parse(templates()["noisy_neighbour"].data())
    modes = {device.mode for one in scenario.vms for device in one.devices}
    assert modes == {"emulated", "paravirtual", "vf", "passthrough"}
    assert {one.kind for one in scenario.vms} == {"vm", "container", "microvm"}
    host = outcome("noisy_neighbour", 2_000)["host"]
    assert host["frames"]["used"] == 4_096
    assert host["frames"]["shared"] > 150


def test_noisy_neighbour_all_is_well_until_tick_400():
    found = outcome("noisy_neighbour", 400)
    assert found["host"]["replacement"]["evictions"] == 0
    quiet, _loud = quiet_and_loud()
    assert quiet["ms"] == pytest.approx(0.2, abs=0.05)
    assert quiet["major"] == 0


def test_noisy_neighbour_takes_time_requests_and_pages_from_the_others():
    quiet, noise = quiet_and_loud()
    assert noise["steal"] > 2 * quiet["steal"]
    assert noise["ms"] > 2 * quiet["ms"]
    assert noise["work"] == pytest.approx(quiet["work"] * 2 / 3, rel=0.05)
    assert noise["major"] > 100
    found = result(loud())
    assert vm(found, "noisy")["run"] + vm(found, "noisy")["overhead"] > 1.4 * 1_600


def test_noisy_neighbour_with_an_equal_weight_steals_a_third_less_and_keeps_the_disk():
    _quiet, noise = quiet_and_loud()
    equal = between(loud({"type": "set_weight", "vm": "noisy", "weight": 256}), 2_000)
    assert equal["steal"] == pytest.approx(noise["steal"] * 2 / 3, rel=0.1)
    assert equal["ms"] > 0.9 * noise["ms"]


def test_noisy_neighbour_paravirtual_needs_one_exit_for_sixteen():
    def exits_per_request(*commands):
        machine = loud(*commands)
        first = vm(result(machine), "noisy")
        last = vm(result(run(machine, 4_000)), "noisy")
        requests = last["io"]["vda"]["requests"] - first["io"]["vda"]["requests"]
        return (last["vm_exits"]["io"] - first["vm_exits"]["io"]) / requests

    mode = {"type": "set_device_mode", "vm": "noisy", "device": "vda", "mode": "paravirtual"}
    assert exits_per_request(mode) == pytest.approx(exits_per_request() / 16, rel=0.1)


def test_noisy_neighbour_leaves_the_others_in_peace_when_the_scope_is_local():
    quiet, _noise = quiet_and_loud()
    machine = run(machine_of("noisy_neighbour"), 300)
    command(machine, type="set_replacement", policy="clock", scope="local")
    local = between(run(machine, 2_000), 2_000)
    assert local["steal"] < 1.3 * quiet["steal"]
    assert local["ms"] < 1.3 * quiet["ms"]
    assert vm(result(machine), "noisy")["run"] < 0.5 * 3_600


def test_noisy_neighbour_paused_leaves_everything_as_before():
    quiet, _noise = quiet_and_loud()
    machine = loud({"type": "pause_vm", "vm": "noisy"})
    after = between(run(machine, 2_500), 2_000)
    for key in ("work", "steal", "ms"):
        assert after[key] == pytest.approx(quiet[key], rel=0.15)


# Overcommit


def overcommitted(*changes):
    return outcome("overcommit", 20_000, *changes)


def memory(found, name, key):
    return vm(found, name)["memory"][key]


def test_overcommit_merges_what_is_equal_and_gives_back_what_is_free():
    machine = run(machine_of("overcommit"), 500)
    assert memory(result(machine), "batch", "reported") == 240
    for tick in (1_000, 2_000, 5_000, 10_000):
        found = result(run(machine, tick))
        assert found["host"]["overcommit"]["ksm"]["pages_sharing"] > 300
    assert all(found["laws"].values())


def test_overcommit_has_a_guest_that_swaps_and_pages_twice():
    found = overcommitted()
    assert memory(found, "database", "guest_outs") > 1_000
    assert memory(found, "database", "double_paging") > 0
    assert found["host"]["replacement"]["evictions"] > 0


def test_overcommit_without_ksm_swaps_and_does_little():
    usual, without = overcommitted(), overcommitted(("host.overcommit.ksm_scan", 0))
    evictions = [found["host"]["replacement"]["evictions"] for found in (usual, without)]
    assert evictions[1] > 6 * evictions[0]
    servers = ("web-1", "web-2")
    assert 4 * total(without, "references", servers) < total(usual, "references", servers)


def test_overcommit_without_its_balloon_the_database_does_twenty_times_as_much():
    usual, without = overcommitted(), overcommitted(("vms.database.balloon", 0))
    assert memory(without, "database", "guest_outs") == 0
    assert vm(without, "database")["references"] > 20 * vm(usual, "database")["references"]


def test_overcommit_with_balloons_by_use_the_database_gets_its_pages_back():
    found = overcommitted(("host.overcommit.balloon_auto", True))
    assert memory(found, "database", "balloon") == 0


def test_overcommit_without_reports_the_batch_job_does_less_than_a_third():
    usual, without = overcommitted(), overcommitted(("vms.batch.free_page_reporting", False))
    assert vm(without, "batch")["references"] < vm(usual, "batch")["references"] / 3


def test_overcommit_less_memory_pages_twice_and_enough_evicts_nothing():
    usual, less, enough = (
        overcommitted(*change)
        for change in ((), (("host.frames", 512),), (("host.frames", 1_280),))
    )
    twice = [memory(found, "database", "double_paging") for found in (usual, less)]
    assert twice[1] > 50 * twice[0]
    assert enough["host"]["replacement"]["evictions"] == 0


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


# Backup and restore


def shop_at(ticks):
    machine = run(machine_of("backup"), ticks)
    return machine, summary.points(machine, 0)


def test_backup_the_first_is_full_and_later_ones_are_small_and_quick():
    _, (first, second) = shop_at(5_000)
    assert (first["tick"], first["full"], second["full"]) == (2_000, True, False)
    assert 16 * 1_024 <= first["kib"] < 20 * 1_024
    took = [point["finished"] - point["tick"] for point in (first, second)]
    assert took[1] < took[0] / 4


def test_backup_makes_the_guests_wait_longer_for_their_disk():
    def mean_wait(machine, ticks):
        before = vm(result(machine), "search")["io"]["vda"]
        after = vm(result(run(machine, machine.now + ticks)), "search")["io"]["vda"]
        requests = after["requests"] - before["requests"]
        waited = after["mean_us"] * after["requests"] - before["mean_us"] * before["requests"]
        return waited / requests

    machine = run(machine_of("backup"), 500)
    quiet = mean_wait(machine, 1_400)
    run(machine, 2_000)
    assert mean_wait(machine, 1_400) > quiet * 1.03


def test_backup_three_restore_points_are_kept_and_the_oldest_is_full():
    for ticks, numbers in ((7_900, [1, 2, 3]), (9_900, [2, 3, 4]), (15_900, [5, 6, 7])):
        _, points = shop_at(ticks)
        assert [point["number"] for point in points] == numbers
        assert [point["full"] for point in points] == [True, False, False]


def drill(every, lost_at):
    machine = machine_of("backup", (("vms.shop.backup.every", every),))
    run(machine, lost_at)
    command(machine, type="take_snapshot", vm="shop", name="before", memory=False)
    command(machine, type="lose_disk", vm="shop", device="vda")
    assert machine.vault.of(0) == []
    run(machine, lost_at + 100)
    command(machine, type="restore_backup", vm="shop")
    run(machine, lost_at + 8_000)
    found = vm(result(machine), "shop")["storage"]
    assert found["disks"]["vda"]["used_kib"] > 16 * 1_024
    return found["rpo"], found["rto"]


def test_backup_the_drill_loses_at_most_the_interval_and_the_running_backup():
    rpo, rto = drill(2_000, 9_900)
    assert rpo == 1_900
    often, again = drill(200, 9_900)
    assert often <= 250
    assert again == pytest.approx(rto, rel=0.2)


def test_backup_a_linked_clone_takes_no_copying():
    machine = run(machine_of("backup"), 1_000)
    command(machine, type="clone_vm", vm="shop", name="copy", linked=True)
    assert summary.jobs(machine) == []
    command(machine, type="start_vm", vm="copy")
    run(machine, 3_000)
    (disk,) = summary.disks(machine, 2)
    assert disk["chain"] == 2
    assert 0 < disk["layers"][0]["kib"] < disk["layers"][1]["kib"]


# Theft of service

POLICY = "host.scheduler.policy"


def share(found, name):
    return vm(found, name)["run"] / total(found, "run")


def test_theft_the_thief_has_five_sixths_of_the_processor_for_half_of_the_weight():
    found = outcome("theft", 100_000)
    assert 0.83 < share(found, "thief") < 0.87
    assert 0.64 < found["host"]["jain_by_weight"] < 0.74


def test_theft_without_boost_or_under_another_policy_there_is_none():
    unboosted = outcome("theft", 100_000, ("host.scheduler.boost", False))
    assert 0.48 < share(unboosted, "thief") < 0.51
    for policy in ("credit2", "cfs", "eevdf", "stride"):
        assert share(outcome("theft", 100_000, (POLICY, policy)), "thief") < 0.51, policy


def test_theft_a_cap_does_not_hold_who_is_never_charged():
    assert share(outcome("theft", 100_000, ("vms.thief.cap", 40)), "thief") > 0.8


# Flattened by an idle heavyweight


def test_flattening_equal_shares_for_weights_one_to_eight():
    found = outcome("flattening", 100_000)
    assert abs(share(found, "light") - 0.5) < 0.01
    assert found["host"]["jain_by_weight"] < 0.6


def test_flattening_the_greatest_weight_of_all_decides():
    for weight, expected in ((512, 0.111), (2048, 0.167), (4096, 0.286)):
        found = outcome("flattening", 100_000, ("vms.giant.weight", weight))
        assert abs(share(found, "light") - expected) < 0.01
    for policy in ("credit", "stride", "eevdf"):
        found = outcome("flattening", 100_000, (POLICY, policy))
        assert abs(share(found, "light") - 1 / 9) < 0.01, policy


def test_flattening_ends_when_the_giant_is_stopped():
    machine = run(machine_of("flattening"), 50_000)
    before = result(machine)
    command(machine, type="stop_vm", vm="giant")
    after = result(run(machine, 150_000))
    got = [vm(after, name)["run"] - vm(before, name)["run"] for name in ("light", "heavy")]
    assert abs(got[0] / sum(got) - 1 / 9) < 0.01


# The Dhall set


def test_dhall_big_falls_short_in_160_of_1980_periods_with_two_fifths_of_the_time_idle():
    machine, before, short = machine_of("dhall"), 0, 0
    for period in range(1, 1_981):
        run(machine, 101 * period)
        ran = int(machine.state.vcpu["run"][2])
        short += ran - before < 99
        before = ran
    found = result(machine)
    assert short == 160
    assert round(found["host"]["idle"] / (2 * machine.now), 2) == 0.41


def test_dhall_partitioned_nobody_misses_anything():
    small, big = "vms[0].scheduler.pcpus", "vms[1].scheduler.pcpus"
    found = outcome("dhall", 200_000, (small, (0,)), (big, (1,)))
    assert vm(found, "big")["run"] >= (200_000 // 101) * 99
    assert total(found, "run", ("small-1", "small-2")) == 40_000


def test_dhall_one_pcpu_has_too_little_and_extratime_uses_what_is_idle():
    machine = machine_of("dhall")
    command(machine, type="unplug_pcpu", pcpu=1)
    found = result(run(machine, 100_000))
    assert found["host"]["offline"] == 100_000
    assert vm(found, "big")["run"] < 0.9 * 99 * (100_000 // 101)
    more = outcome("dhall", 200_000, ("vms[1].scheduler.extratime", True))
    assert vm(more, "big")["run"] > vm(outcome("dhall", 200_000), "big")["run"]


# Lock-holder preemption


def spin(found):
    return vm(found, "db")["spin"]


def test_lock_holder_a_tick_in_ten_is_burnt_for_nothing():
    found = outcome("lock_holder", 20_000)
    wasted = spin(found)["holder_preempted"] / vm(found, "db")["run"]
    assert 0.095 < wasted < 0.105


def test_lock_holder_gang_burns_nothing_for_nothing_and_leaves_a_pcpu_idle():
    usual, gang = (outcome("lock_holder", 20_000, *c) for c in ((), ((POLICY, "gang"),)))
    assert spin(gang)["holder_preempted"] == 0
    assert spin(gang)["acquired"] > 0.98 * spin(usual)["acquired"]
    assert 0.86 < vm(gang, "db")["run"] / vm(usual, "db")["run"] < 0.9
    assert usual["host"]["idle"] == 0
    assert gang["host"]["idle"] > 8_000


def test_lock_holder_relaxed_burns_as_much_until_the_skew_is_short():
    def relaxed(skew):
        keys = {"policy": "gang", "cosched": "relaxed", "skew_us": skew, "check_us": 100}
        return outcome(
            "lock_holder", 20_000, *((f"host.scheduler.{k}", v) for k, v in keys.items())
        )

    usual = outcome("lock_holder", 20_000)
    assert spin(relaxed(3_000))["holder_preempted"] > 0.9 * spin(usual)["holder_preempted"]
    assert spin(relaxed(100))["holder_preempted"] < 10
    assert relaxed(100)["host"]["overhead"] > 3 * usual["host"]["overhead"]


def test_lock_holder_longer_slices_burn_as_much_in_a_tenth_of_the_interruptions():
    longer = outcome("lock_holder", 20_000, ("host.scheduler.time_slice", 300))
    usual = outcome("lock_holder", 20_000)
    assert vm(longer, "db")["preemptions"] < 0.12 * vm(usual, "db")["preemptions"]
    assert 0.85 < spin(longer)["holder_preempted"] / spin(usual)["holder_preempted"] < 1.15


# SMT siblings


def test_smt_busy_siblings_lose_35_ticks_of_work_in_100():
    found = outcome("smt", 20_000)
    assert vm(found, "left")["slowed"] / vm(found, "left")["run"] == pytest.approx(0.35, abs=0.01)
    assert vm(found, "right")["slowed"] / vm(found, "right")["run"] == pytest.approx(0.35, abs=0.01)
    alone = vm(found, "alone")
    assert alone["slowed"] / alone["run"] == pytest.approx(0.35 * 0.6, abs=0.03)


def test_smt_left_loses_nothing_while_right_is_paused():
    machine = run(machine_of("smt"), 5_000)
    before = vm(result(machine), "left")["slowed"]
    command(machine, type="pause_vm", vm="right")
    assert vm(result(run(machine, 15_000)), "left")["slowed"] == before


def test_smt_right_on_pcpu_3_leaves_left_alone_or_shares_when_pcpu_1_goes():
    pinned = outcome("smt", 20_000, ("vms.right.scheduler.pcpus", (3,)))
    assert vm(pinned, "left")["slowed"] == 0
    assert vm(pinned, "alone")["slowed"] / vm(pinned, "alone")["run"] > 0.33
    machine = machine_of("smt")
    command(machine, type="unplug_pcpu", pcpu=1)
    found = result(run(machine, 20_000))
    assert vm(found, "left")["slowed"] == 0
    assert vm(found, "right")["wait"] > 1_000


def test_smt_with_one_thread_a_core_nobody_is_slowed():
    found = outcome("smt", 20_000, ("host.smt.threads", 1))
    assert all("slowed" not in row for row in found["vms"])
