"""Samples of a real machine, read by the Python twin of the browser's decoder."""

import struct
import zlib

import numpy as np
import pytest

from tests.live.doubles import busy_lab, first_steps
from vms.engine.commands import parse
from vms.engine.machine import build
from vms.engine.metrics import result
from vms.engine.scenario import Scenario
from vms.engine.tables import (
    EV_COMMAND,
    EV_END,
    EV_FAULT,
    EV_SLICE,
    RUN_STATES,
    SLICE_IO,
    TABLES,
)
from vms.engine.tick import advance
from vms.live.sampler import Sampler
from vms.live.wire import blocks, log, slices
from vms.live.wire.blocks import APPEND, REPLACE, UPDATE
from vms.live.wire.describe import describe
from vms.live.wire.encode import Encoder, HeatEncoder, PagesEncoder, frame_values, heat_of
from vms.live.wire.latency import PERCENTS
from vms.live.wire.picture import KEPT, Picture


class Lab:
    """A machine, its encoder, and a picture that is told of it through samples alone."""

    def __init__(self, data):
        self.machine = build(Scenario.parse(data))
        self.picture = Picture()
        self.encoder = Encoder(self.machine, self.picture)
        self.seen = Picture()

    def advance(self, ticks):
        while ticks:
            ticks -= advance(self.machine, ticks)
            self.encoder.collect(self.machine.drain())

    def sample(self, **documents):
        documents.setdefault("state", {"tick": self.machine.now})
        sample = self.encoder.sample(documents)
        if sample is not None:
            self.picture.apply(sample.body)
            self.seen.apply(zlib.decompress(sample.wire) if sample.compressed else sample.wire)
        return sample

    def column(self, table, name):
        """A column as the browser shows it: of those that grow, now added where they do."""
        values = self.seen.tables[table][name].copy()
        (column,) = [column for column in blocks.TABLES[table] if column.name == name]
        if column.grows is not None:
            values[self.seen.tables[table]["state"] == column.grows] += self.machine.now
        return values


@pytest.fixture(params=[first_steps(), busy_lab()], ids=["first steps", "busy"])
def lab(request):
    return Lab(request.param)


@pytest.fixture
def busy():
    return Lab(busy_lab())


def test_latency_percentiles_are_those_of_the_result(busy):
    for _ in range(3):
        busy.advance(900)
        busy.sample()
    found = result(busy.machine)
    told = {name: busy.column("device", name) for name in PERCENTS}
    for row, device in enumerate(found["devices"]):
        for name, column in told.items():
            exact = device[f"{name}_us"]
            assert np.isnan(column[row]) if exact is None else column[row] == np.float32(exact)
    of_vms = [
        io[f"{name}_us"] for vm in found["vms"] for io in vm["io"].values() for name in ["p90"]
    ]
    assert [None if np.isnan(x) else x for x in busy.column("vdevice", "p90")] == [
        None if x is None else np.float32(x) for x in of_vms
    ]
    assert any(of_vms)


def test_a_throttle_is_told_as_it_was_set(busy):
    name = busy.machine.vm_names[0]
    for given in ({"iops": 700, "burst": 9, "mib_per_s": 3, "burst_kib": 77}, {"iops": 50}, {}):
        parse({"type": "set_throttle", "vm": name, **given}).apply(busy.machine)
        told = describe(busy.machine, "x")["vms"][0]["throttle"]
        filled = {"iops": 0, "burst": 0, "mib_per_s": 0, "burst_kib": 0} | given
        assert told == filled | ({"burst": 5} if given == {"iops": 50} else {})


@pytest.mark.parametrize("table", ["pcpu", "vcpu", "vm", "device", "vdevice"])
def test_every_column_is_the_machines_after_every_sample(lab, table):
    for _ in range(40):
        lab.sample()
        rows = len(lab.seen.tables[table][blocks.TABLES[table][0].name])
        for column in blocks.TABLES[table]:
            name = "pass_" if column.name == "pass" else column.name
            if name in PERCENTS:
                continue
            truth = getattr(lab.machine.state, table)[name][:rows]
            np.testing.assert_array_equal(lab.column(table, column.name), truth, column.name)
        lab.advance(7)


def test_the_map_is_the_machines_after_every_sample(lab):
    frames = np.arange(len(lab.machine.state.frame))
    for _ in range(60):
        lab.sample()
        np.testing.assert_array_equal(
            lab.seen.tables["frames"]["value"], frame_values(lab.machine, frames)
        )
        lab.advance(5)
    assert lab.seen.crc() == lab.picture.crc()
    assert len(set(lab.seen.tables["frames"]["value"] & 0xFFFF)) > 2


def test_the_queue_is_the_machines(lab):
    for _ in range(30):
        lab.sample()
        assert lab.seen.tables["queue"]["vcpu"].tolist() == lab.machine.queue()
        lab.advance(3)


def test_a_snapshot_makes_a_newcomers_picture_equal(busy):
    for _ in range(30):
        busy.advance(11)
        busy.sample()
    newcomer = Picture()
    newcomer.apply(busy.picture.snapshot())
    assert newcomer.documents == busy.seen.documents
    for table, columns in busy.seen.tables.items():
        for name, values in columns.items():
            np.testing.assert_array_equal(newcomer.tables[table][name], values, f"{table}.{name}")


def test_nothing_changed_is_no_sample(lab):
    lab.advance(20)
    assert lab.sample() is not None
    assert lab.sample() is None


def test_few_changed_rows_travel_alone():
    lab = Lab(busy_lab(vms=60, pcpus=1))
    lab.advance(2_000)
    first = lab.sample()
    lab.advance(1)
    second = lab.sample()
    vcpu = next(block for block in blocks.read(second.body) if block.table == "vcpu")
    assert vcpu.what == UPDATE
    assert 0 < vcpu.rows < 10
    assert len(second.body) < len(first.body) / 5


def test_a_change_of_most_frames_travels_as_the_whole_map(busy):
    busy.sample()
    busy.advance(300)
    sample = busy.sample()
    frames = next(block for block in blocks.read(sample.body) if block.table == "frames")
    assert frames.what == REPLACE


def test_documents_travel_only_when_they_differ(lab):
    lab.sample(people=[{"name": "alice"}])
    lab.advance(1)
    sample = lab.sample(people=[{"name": "alice"}])
    documents = [block.document for block in blocks.read(sample.body) if block.document]
    assert "people" not in documents[0]["set"]
    assert lab.seen.documents["people"] == [{"name": "alice"}]


def test_what_is_told_of_a_machine_is_sent_once_where_nothing_happens(busy):
    sampler = Sampler(busy.machine, "lab", lambda: 0.0)
    sampler.publish(sampler.make({}, [], [], resting=False), None)
    assert {"meta", "laws", "figures", "overcommit"} <= set(sampler.picture.documents)
    assert sampler.make({}, [], [], resting=False).lab is None


def test_journal_rows_are_added(lab):
    for sequence in range(3):
        sample = lab.encoder.sample({}, [{"sequence": sequence}])
        lab.picture.apply(sample.body)
    assert [row["sequence"] for row in lab.picture.journal] == [0, 1, 2]


def test_a_large_sample_is_compressed_and_means_the_same():
    lab = Lab(first_steps(host={"frames": 100_000}))
    sample = lab.sample()
    assert sample.compressed
    assert len(sample.wire) < len(sample.body) / 10
    assert lab.seen.crc() == lab.picture.crc()


def test_vms_that_are_added_get_rows_everywhere(busy):
    busy.advance(50)
    busy.sample()
    added = {**busy_lab()["vms"][0], "name": "late"}
    parse({"type": "add_vm", "vm": added}).apply(busy.machine)
    busy.sample()
    busy.advance(500)
    busy.sample()
    assert len(busy.seen.tables["vm"]["power"]) == 7
    assert busy.seen.tables["vm"]["references"][6] > 0
    assert busy.seen.tables["history"]["share"].shape[1] == 7


# --- blocks -------------------------------------------------------------------------------------


def test_columns_begin_at_multiples_of_eight_bytes():
    columns = {"tick": [1, 2, 3], "a": [0] * 3, "b": [0] * 3}
    body = blocks.block(
        "events", APPEND, columns | {"kind": [1] * 3, "pcpu": [0] * 3, "vcpu": [7] * 3}
    )
    (block,) = blocks.read(body)
    start = np.frombuffer(body, "u1").ctypes.data
    assert {(values.ctypes.data - start) % 8 for values in block.columns.values()} == {0}
    assert block.columns["vcpu"].tolist() == [7, 7, 7]


def test_the_schema_describes_every_column_that_is_sent():
    told = {table["name"]: [name for name, *_ in table["columns"]] for table in blocks.schema()}
    assert told == {name: [c.name for c in columns] for name, columns in blocks.TABLES.items()}


@pytest.mark.parametrize("cut", [1, 9, 17, 40])
def test_a_sample_that_is_cut_short_is_refused(cut):
    body = blocks.json_block({"set": {"state": {"tick": 1}}}) + blocks.block(
        "queue", REPLACE, {"vcpu": np.arange(20)}
    )
    with pytest.raises((ValueError, struct.error)):
        list(blocks.read(body[:-cut]))


# --- slices -------------------------------------------------------------------------------------


def slice_events(count, pcpus=4, ticks=10):
    rows = np.zeros(count, TABLES["event"])
    rows["kind"] = EV_SLICE
    rows["pcpu"] = np.arange(count) % pcpus
    rows["tick"] = np.arange(count) // pcpus * ticks
    rows["a"] = ticks
    rows["b"] = 1 << 3 | SLICE_IO
    rows["vcpu"] = np.arange(count) % 7
    return rows


def test_few_slices_are_sent_as_they_were(busy):
    expected = []
    busy.sample()
    for _ in range(50):
        advance(busy.machine, 10)
        events = busy.machine.drain()
        busy.encoder.collect(events)
        rows = events[events["kind"] == EV_SLICE]
        ends = rows["tick"] + rows["a"]
        expected += zip(rows["pcpu"], rows["tick"], ends, rows["vcpu"], rows["b"] >> 3, strict=True)
        busy.sample()
    got = [(p, *row) for p, lane in enumerate(busy.seen.slices(2)) for row in lane]
    assert sorted(got) == sorted(tuple(map(int, row)) for row in expected)
    assert busy.encoder.slices_from == 0


def test_a_slice_says_why_it_ended_and_a_bar_does_not():
    few = slices.slices_of(slice_events(10))
    assert set(few["why"]) == {SLICE_IO}
    many = slices.thinned(slices.slices_of(slice_events(20_000)), 4)
    assert set(many["why"][many["merged"] > 1]) == {slices.UNKNOWN}
    assert set(many["why"][many["merged"] == 1]) == {SLICE_IO}


@pytest.mark.compiled
def test_a_machine_flat_out_sends_what_a_screen_can_show():
    lab = Lab(
        first_steps(host={"pcpus": 2, "scheduler": {"policy": "round_robin", "time_slice": 1}})
    )
    lab.sample()
    lab.advance(30_000)
    sample = lab.sample()
    sent = lab.seen.tables["slices"]
    assert len(sent["from"]) <= slices.BUDGET + 2
    assert sent["merged"].sum() > 20_000
    assert len(sample.wire) < 100_000
    assert 15_000 < lab.encoder.slices_from < 30_000


def test_the_last_slices_stay_exact_and_it_is_said_since_when():
    lab = Lab(first_steps(host={"scheduler": {"policy": "round_robin", "time_slice": 1}}))
    lab.advance(10_000)
    lab.sample()
    sent = lab.seen.tables["slices"]
    exact = sent["from"] >= lab.encoder.slices_from
    assert exact.sum() >= slices.BUDGET // 2 - 1
    assert set(sent["merged"][exact]) == {1}
    lane = np.flatnonzero(exact)
    np.testing.assert_array_equal(sent["to"][lane][:-1], sent["from"][lane][1:])


def test_bars_stand_for_all_the_slices_they_replace():
    whole = slices.slices_of(slice_events(4_000))
    thin = slices.thinned(whole, 4)
    assert len(thin["from"]) <= slices.BUDGET + 4
    for column in ("merged", "busy", "overhead"):
        assert thin[column].sum() == whole[column].sum(), column


def test_bars_of_one_pcpu_do_not_overlap():
    thin = slices.thinned(slices.slices_of(slice_events(5_000)), 4)
    for pcpu in range(4):
        lane = thin["pcpu"] == pcpu
        begin, end = thin["from"][lane], thin["to"][lane]
        assert np.all(begin[1:] >= end[:-1])
        assert np.all(thin["busy"][lane] <= end - begin)


def test_a_bar_has_the_vcpu_of_its_longest_slice():
    events = slice_events(8_000, pcpus=1)
    events["a"] = np.where(events["vcpu"] == 3, 9, 2)
    thin = slices.thinned(slices.slices_of(events), 1)
    bars = thin["merged"] > 1
    assert bars.any()
    assert set(thin["vcpu"][bars]) == {3}


def test_millions_of_slices_are_estimated_from_some_of_them():
    whole = slices.slices_of(slice_events(1_000_000))
    assert len(whole["from"]) <= slices.LOOKED_AT + slices.BUDGET
    assert int(whole["merged"].sum()) == pytest.approx(1_000_000, rel=0.01)


@pytest.mark.parametrize("pcpus", [1, 64, 1024])
def test_every_pcpu_keeps_a_bar(pcpus):
    thin = slices.thinned(slices.slices_of(slice_events(8_000, pcpus=pcpus)), pcpus)
    assert set(thin["pcpu"]) == set(range(pcpus))


def test_a_picture_keeps_thousands_of_slices_and_says_since_when(busy):
    for events in np.array_split(slice_events(10_000, pcpus=2), 12):
        busy.encoder.collect(events)
        busy.sample()
    kept = busy.picture.tables["slices"]
    assert len(kept["from"]) == KEPT["slices"] >= 4_000
    newcomer = Picture()
    newcomer.apply(busy.picture.snapshot())
    assert newcomer.documents["state"]["slices_from"] == kept["to"][0] > 0


# --- events -------------------------------------------------------------------------------------


def events_of(*kinds):
    rows = np.zeros(len(kinds), TABLES["event"])
    rows["kind"] = kinds
    rows["tick"] = np.arange(len(kinds))
    return rows


def test_at_most_two_hundred_events_are_sent_and_the_others_counted():
    gathered = log.EventLog()
    for _ in range(5):
        gathered.add(events_of(*[EV_FAULT] * 1_000))
    sent, lost = gathered.take()
    assert (len(sent["tick"]), lost) == (200, 4_800)
    assert sent["tick"][-1] == 999


def test_a_rare_event_is_not_drowned_by_faults():
    gathered = log.EventLog()
    gathered.add(events_of(EV_END, *[EV_FAULT] * 5_000, EV_COMMAND, *[EV_FAULT] * 5_000))
    sent, _ = gathered.take()
    assert {EV_END, EV_COMMAND} <= set(sent["kind"])
    assert sorted(sent["tick"]) == sent["tick"].tolist()


def test_slices_are_no_events_of_the_log():
    gathered = log.EventLog()
    gathered.add(events_of(*[EV_SLICE] * 50))
    assert gathered.take() == (None, 0)


def test_the_log_begins_anew_after_it_was_taken():
    gathered = log.EventLog()
    gathered.add(events_of(*[EV_FAULT] * 300))
    gathered.take()
    gathered.add(events_of(EV_FAULT))
    sent, lost = gathered.take()
    assert (len(sent["tick"]), lost) == (1, 0)


def test_events_lost_are_told_to_the_viewers(busy):
    busy.sample()
    busy.advance(3_000)
    busy.sample()
    assert busy.seen.documents["state"]["events_lost"] > 0
    assert len(busy.seen.tables["events"]["tick"]) == 200


# --- charts -------------------------------------------------------------------------------------


def test_a_point_of_the_charts_adds_up_to_all_pcpus(busy):
    busy.sample()
    for _ in range(10):
        busy.advance(100)
        busy.sample()
    history = busy.seen.tables["history"]
    assert history["tick"].tolist() == [100.0 * n for n in range(1, 11)]
    whole = history["share"].sum(axis=1) / 2 + history["idle"] + history["overhead"]
    np.testing.assert_allclose(whole, 1, atol=0.001)
    assert history["io_p99"].max() >= history["io_p50"].min() >= 300


def test_single_slices_do_not_show_in_the_charts():
    lab = Lab(first_steps(host={"scheduler": {"policy": "round_robin", "time_slice": 30}}))
    lab.sample()
    for _ in range(40):
        lab.advance(15)
        lab.sample()
    share = lab.seen.tables["history"]["share"][20:]
    assert share.min() > 0.1
    assert share.max() < 0.7


def test_a_point_forgets_what_was_long_ago(busy):
    busy.sample()
    for _ in range(50):
        busy.advance(100)
        busy.sample()
    vcpu = busy.machine.state.vcpu
    before = vcpu["run"].sum()
    for _ in range(20):
        busy.advance(100)
        busy.sample()
    last = busy.seen.tables["history"]["share"][-1].sum()
    assert last == pytest.approx((vcpu["run"].sum() - before) / 2_000, abs=0.001)


def test_a_point_without_io_has_no_latency():
    lab = Lab(first_steps())
    lab.advance(10)
    lab.sample()
    assert np.isnan(lab.seen.tables["history"]["io_p50"][0])


def test_of_very_many_vms_the_others_share_a_line():
    lab = Lab(busy_lab(vms=80))
    lab.sample()
    lab.advance(2_000)
    lab.sample()
    history = lab.seen.tables["history"]
    assert history["share"].shape == (1, 64)
    assert history["share"][0, 63] > history["share"][0, :63].mean()


def test_charts_keep_the_last_points(monkeypatch):
    assert KEPT["history"] == 600
    monkeypatch.setitem(KEPT, "history", 30)
    lab = Lab(first_steps())
    for _ in range(50):
        lab.advance(1)
        lab.sample()
    assert lab.seen.tables["history"]["tick"].tolist() == list(range(21, 51))


# --- pages and heat -----------------------------------------------------------------------------


def test_the_pages_of_a_vm_are_its_page_table(busy):
    encoder, seen = PagesEncoder(3), Picture(("pages",))
    vm = busy.machine.state.vm[3]
    for _ in range(50):
        sample = encoder.sample(busy.machine)
        if sample is not None:
            encoder.picture.apply(sample.body)
            seen.apply(sample.body)
        table = busy.machine.state.pte[vm["first_page"] : vm["first_page"] + vm["pages"]]
        np.testing.assert_array_equal(seen.tables["pages"]["value"].view("i4"), table)
        busy.advance(13)
    assert seen.tables["pages"]["value"].any()


def test_pages_that_did_not_change_are_no_sample(busy):
    encoder = PagesEncoder(0)
    encoder.picture.apply(encoder.sample(busy.machine).body)
    assert encoder.sample(busy.machine) is None


def test_heat_falls_with_the_time_since_the_last_reference(busy):
    busy.advance(2_000)
    heat, frame = heat_of(busy.machine), busy.machine.state.frame
    used = frame["page"] >= 0
    assert heat[~used].sum() == 0
    order = np.argsort(frame["used"][used])
    assert np.all(np.diff(heat[used][order].astype(int)) >= 0)
    encoder = HeatEncoder()
    encoder.picture.apply(encoder.sample(busy.machine).body)
    np.testing.assert_array_equal(encoder.picture.tables["heat"]["value"], heat)
    assert encoder.sample(busy.machine) is None


def test_run_states_on_the_wire_are_the_engines():
    grows = {c.name: c.grows for c in blocks.TABLES["vcpu"] if c.grows is not None}
    assert grows == {name: RUN_STATES.index(name) for name in ("runnable", "blocked", "offline")}
