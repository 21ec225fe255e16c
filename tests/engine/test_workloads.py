"""Workloads: alias tables, traces, next use, and the table of steps."""

import itertools
import struct
import time
from fractions import Fraction
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.examples import EXAMPLE, SMALLEST
from tests.engine.running import built, faults, run, to_the_end
from vms.engine import curves
from vms.engine.errors import EngineError
from vms.engine.scenario import Limits, Scenario, scenario_with
from vms.engine.workloads import formats, patterns, steps, traces
from vms.engine.workloads.recorded import RECORDED

pytestmark = pytest.mark.interpreted

BELADY = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]


# Alias tables


def slow_alias_table(mass):
    """Vose's method step by step, in exact integers: the plain twin of `alias_table`."""
    n, full = len(mass), sum(mass)
    kept = [m * n for m in mass]
    alias = list(range(n))
    large = [i for i in range(n) if kept[i] >= full]
    current = 0
    for small in range(len(large), n):
        lack = small
        while lack is not None:
            alias[lack] = large[current]
            kept[large[current]] -= full - kept[lack]
            lack = large[current] if kept[large[current]] < full else None
            current += lack is not None
    threshold = [
        2**32 - 1 if alias[i] == i else min(2**32 - 1, int(float(kept[i]) / float(full) * 2**32))
        for i in range(n)
    ]
    return threshold, alias


def shares(alias_p, alias_i):
    """The probability of each place, exactly."""
    n = len(alias_p)
    share = [Fraction(0)] * n
    for i in range(n):
        own = Fraction(int(alias_p[i]), 2**32) if alias_i[i] != i else Fraction(1)
        share[i] += own / n
        share[int(alias_i[i])] += (1 - own) / n
    return share


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 60), st.sampled_from([0.0, 0.5, 0.8, 1.0, 1.3, 2.0, 5.0, 10.0]))
def test_an_alias_table_equals_its_slow_twin(n, alpha):
    mass = patterns.masses(patterns.zipf_weights(n, alpha))
    alias_p, alias_i = patterns.alias_table(mass)
    slow_p, slow_i = slow_alias_table(mass.tolist())
    assert alias_i.tolist() == slow_i
    assert alias_p.tolist() == slow_p


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=40).filter(any))
def test_an_alias_table_gives_each_place_its_share(numbers):
    mass = np.array(sorted(numbers, reverse=True), dtype=np.int64)
    table = patterns.alias_table(mass)
    for share, m in zip(shares(*table), mass.tolist(), strict=True):
        assert abs(share - Fraction(m, int(mass.sum()))) < Fraction(len(mass), 2**31)


@pytest.mark.parametrize(
    ("pages", "alpha"), [(1, 1.0), (2, 1.0), (100, 1.0), (100, 0.0), (37, 1.2)]
)
def test_zipf_gives_rank_r_a_share_in_proportion_to_r_to_the_minus_alpha(pages, alpha):
    weights = np.arange(1, pages + 1) ** -alpha
    found = [float(share) for share in shares(*patterns.zipf_table(pages, alpha))]
    np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-6)


def test_thresholds_and_aliases_fit_their_types():
    alias_p, alias_i = patterns.zipf_table(1_000, 1.0)
    assert (alias_p.dtype, alias_i.dtype) == (np.int64, np.int32)
    assert alias_p.min() >= 0
    assert alias_p.max() < 2**32
    assert 0 <= alias_i.min() <= alias_i.max() < 1_000


def test_a_table_of_a_million_pages_is_built_well_under_a_second():
    started = time.process_time()
    patterns.zipf_table(1_000_000, 1.1)
    assert time.process_time() - started < 1.0


def test_weights_are_the_powers_they_should_be():
    for alpha in (0.3, 0.8, 1.0, 1.5, 10.0):
        expected = [float(Fraction(1)) * rank**-alpha for rank in range(1, 3_000)]
        np.testing.assert_allclose(patterns.zipf_weights(2_999, alpha), expected, rtol=1e-13)


# Traces


def next_use_by_scanning(pages):
    n = len(pages)
    return [next(d for d in range(1, n + 1) if pages[(i + d) % n] == pages[i]) for i in range(n)]


@given(st.lists(st.integers(0, 6), max_size=40))
def test_next_use_is_the_cyclic_distance_to_the_same_page(pages):
    references = np.array(pages, dtype=np.int32) << 1 | (np.arange(len(pages)) & 1).astype(np.int32)
    found = traces.next_use(references)
    assert found.dtype == np.int32
    assert found.tolist() == next_use_by_scanning(pages)


def test_next_use_of_beladys_string():
    found = traces.next_use(np.array(BELADY, dtype=np.int32) << 1)
    assert found.tolist() == [4, 4, 7, 7, 3, 3, 5, 5, 5, 5, 5, 7]


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_is_what_its_table_says(name):
    references = traces.recorded(name)
    assert references.dtype == np.int32
    assert len(references) == RECORDED[name].references
    assert int(references.max()) >> 1 == RECORDED[name].pages - 1
    assert 0 < int((references & 1).sum()) < len(references)
    assert not references.flags.writeable
    assert traces.recorded(name) is references
    assert len(traces.requests(name)) == RECORDED[name].requests


def test_what_a_program_read_and_wrote_at_an_offset_are_requests_at_their_instruction_count():
    """A slow twin: window by window, call by call."""
    folder = resources.files("vms.engine.workloads.recorded")
    with (folder / "sqlite.npz").open("rb") as file, np.load(file) as arrays:
        ends, starts, calls = (arrays[name].tolist() for name in ("icount", "off", "sys"))
    found = []
    for count, number, *rest in calls:
        if number not in (17, 18) or rest[-1] <= 0:
            continue
        window = next(w for w, end in enumerate(ends) if end >= count)
        begin = ends[window - 1] if window else 0
        share = Fraction(count - begin, ends[window] - begin)
        at = starts[window] + share * (starts[window + 1] - starts[window])
        size, offset = rest[-1], rest[3]
        first, last = offset // 1024, (offset + size - 1) // 1024
        found.append((int(at), int(number == 18), first, last - first + 1))
    assert [tuple(each) for each in traces.requests("sqlite")] == found


def test_a_recording_keeps_the_order_and_the_writes_of_its_windows():
    folder = resources.files("vms.engine.workloads.recorded")
    with (folder / "sqlite.npz").open("rb") as file, np.load(file) as arrays:
        pages, flags = arrays["page"], arrays["flag"]
    references = traces.recorded("sqlite")
    assert (references >> 1).tolist() == pages.tolist()
    assert (references & 1).tolist() == (flags >> 1 & 1).tolist()


@pytest.mark.parametrize(
    ("content", "pages"),
    [
        (b"1\n2\n3", [1, 2, 3]),
        (b"1\r\n2\r\n", [1, 2]),
        (b"0\n16777215\n\n\n", [0, 16_777_215]),
        (b"007\n", [7]),
    ],
)
def test_an_uploaded_list_has_one_page_a_line(content, pages):
    references = traces.uploaded("t.txt", content, 10)
    assert references.dtype == np.int32
    assert (references >> 1).tolist() == pages
    assert not (references & 1).any()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"1\nx\n2", "trace t.txt, line 2: must be a page number 0..16777215, got x"),
        (b"1\n-2\n", "trace t.txt, line 2: must be a page number 0..16777215, got -2"),
        (b"1 2", "trace t.txt, line 1: must be a page number 0..16777215, got 1 2"),
        (b"1\n\n2", 'trace t.txt, line 2: must be a page number 0..16777215, got ""'),
        (b"1\n16777216", "trace t.txt, line 2: must be a page number 0..16777215, got 16777216"),
        (b"1\n999999999", "trace t.txt, line 2: must be a page number 0..16777215, got 999999999"),
        (b"1.5", "trace t.txt, line 1: must be a page number 0..16777215, got 1.5"),
        (b"", "trace t.txt must have 1..10 references, got 0"),
        (b"1\n" * 11, "trace t.txt must have 1..10 references, got 11"),
        (b"\xff\x00", "trace t.txt, line 1: must be a page number 0..16777215, got"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(content, sentence):
    with pytest.raises(EngineError) as refusal:
        traces.uploaded("t.txt", content, 10)
    assert str(refusal.value).startswith(sentence)
    assert str(refusal.value).isprintable()


LACKEY = b"""==7== Lackey, an example Valgrind tool
I  04001f20,3
 L 1ffeffe7c8,8
 S 1ffeffeffc,8
 M 04001f28,4

==7== Counted 1 call
"""


def oracle(*ids):
    return b"".join(struct.pack("<IQIq", n, number, 512, -1) for n, number in enumerate(ids))


@pytest.mark.parametrize(
    ("content", "references"),
    [
        (LACKEY, [(0, 0), (1, 0), (1, 1), (2, 1), (0, 1)]),
        (LACKEY.replace(b"\n", b"\r\n"), [(0, 0), (1, 0), (1, 1), (2, 1), (0, 1)]),
        (oracle(2**63, 7, 7, 2**63, 1), [(0, 0), (1, 0), (1, 0), (0, 0), (2, 0)]),
        (b"version,time,op,size,lbn\n1,9,2a,512,42932745\n1,9,2a,512,7\n", [(0, 0), (1, 0)]),
        (b"time, obj-id, size\n1, a, 4\n2, b, 4\n3, a, 4\n", [(0, 0), (1, 0), (0, 0)]),
        (b"0,55,1\n1,56,1\n2,55,1", [(0, 0), (1, 0), (0, 0)]),
    ],
)
def test_traces_of_other_programs_number_what_they_name_as_it_occurs(content, references):
    found = traces.uploaded("t", content, 100)
    assert found.dtype == np.int32
    assert [(r >> 1, r & 1) for r in found.tolist()] == references


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (LACKEY + b" X 12,4\n", "line 8: must be I, L, S or M, a hexadecimal address"),
        (LACKEY + b" L 12\n", "line 8: must be I, L, S or M, a hexadecimal address"),
        (LACKEY + b" L 12,0\n", "line 8: must be I, L, S or M, a hexadecimal address"),
        (b"I  12,4\n" * 100_000 + b"I  zz,4", "line 100001: must be I, L, S or M"),
        (oracle(1, 2)[:-1], "trace t must have whole records of 24 bytes, got 47 bytes"),
        (b"time,size\n1,2\n", "line 1: must have a column obj_id, objid"),
        (b"time,obj_id\n1,2\n3\n", 'line 3: must name what is referenced in column 2, got "3"'),
        (b"1,2\n1,\n", "line 2: must name what is referenced in column 2, got 1,"),
        (b"1,2\n" * 101, "trace t must have 1..100 references, got 101"),
        (b"time,id\n", "trace t must have 1..100 references, got 0"),
    ],
)
def test_a_bad_trace_of_another_program_is_refused_with_its_line(content, sentence):
    with pytest.raises(EngineError) as refusal:
        traces.uploaded("t", content, 100)
    assert sentence in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_a_file_of_more_than_64_mib_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(formats, "MOST_BYTES", 10)
    with pytest.raises(EngineError, match=r"must have 1\.\.10 bytes, got 11"):
        traces.uploaded("t", b"1\n" * 5 + b"1", 100)


def test_reading_tells_how_far_it_is():
    seen = []
    content = b"I  12,4\n" * 300_000
    traces.uploaded("t", content, 10**6, lambda *at: seen.append(at))
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert seen[-1] == (len(content), len(content))


@pytest.mark.compiled
@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_misses_as_its_program_did_from_its_validity_limit_up(name):
    distances = traces.exact_distances(name)
    limit = RECORDED[name].valid_from
    if distances is None:
        assert (name, limit) == ("teachos", None)
        return
    program = curves.misses(distances)
    recording = curves.misses(curves.stack_histogram(traces.recorded(name) >> 1))
    assert len(program) == len(recording) == RECORDED[name].pages + 1
    error = np.abs(recording - program) / program
    assert error[limit:].max() <= 0.02 < error[limit - 1]


@pytest.mark.compiled
def test_a_simulated_program_misses_as_the_real_one_did():
    """In these sizes the programs missed so often; the recordings do so within 2 %."""
    for name, frames, program in (("sort", 128, 43_160), ("sqlite", 512, 1_478)):
        assert curves.misses(traces.exact_distances(name))[frames] == program
        ours = curves.misses(curves.stack_histogram(traces.recorded(name) >> 1))[frames]
        assert abs(ours - program) <= 0.02 * program
        step = {"trace": {"recorded": name, "refs_per_tick": 100_000}}
        raw = {
            "name": name,
            "host": {"frames": frames, "costs": "none", "replacement": {"policy": "lru"}},
            "vms": [{"name": "a", "pages": 1_132, "workload": {"steps": [step]}}],
        }
        assert faults(to_the_end(raw, "engine")["vms"][0]) == ours


@given(st.binary(max_size=30))
def test_any_bytes_are_references_or_an_engine_error(content):
    check_bytes(content)


@given(st.sampled_from([LACKEY, oracle(5, 6, 5), b"time,id\n1,2\n"]), st.data())
def test_a_damaged_trace_is_references_or_an_engine_error(content, data):
    cut = data.draw(st.integers(0, len(content)))
    check_bytes(content[:cut] + data.draw(st.binary(max_size=9)) + content[cut:])


def check_bytes(content):
    try:
        count = len(traces.uploaded("t", content, 100))
    except EngineError as error:
        count = len(str(error))
    assert count > 0


# Steps


def vm_with(*given, pages=128, **more):
    vm = {"name": "v", "pages": pages, "workload": {"steps": list(given)}, **more}
    return Scenario.parse({"name": "a", "host": {"devices": [{"name": "d"}]}, "vms": [vm]}).vms[0]


def test_the_example_compiles_to_a_row_a_step():
    web = Scenario.parse(EXAMPLE).expanded[0]
    compute, touch, io, sleep = steps.compile_workload(web)
    assert (compute.kind, compute.n) == (steps.COMPUTE, 5)
    assert (sleep.kind, sleep.n) == (steps.SLEEP, 20)
    assert (io.kind, io.n, io.kib, io.device, io.op) == (steps.IO, 1, 4, 0, 0)
    assert (touch.kind, touch.n, touch.refs_per_tick) == (steps.TOUCH, 400, 100)
    assert (touch.pattern, touch.first, touch.pages) == (patterns.ZIPF, 0, 100)
    assert (touch.write, touch.alpha) == (1_288_490_188, 1.0)
    assert steps.repetitions(web) == steps.FOREVER
    assert steps.repetitions(Scenario.parse(SMALLEST).vms[0]) == 1


def test_a_touch_step_covers_the_rest_of_the_pages_and_a_tenth_of_them_is_its_window():
    (record,) = steps.compile_workload(
        vm_with({"touch": {"pattern": "working_set", "first": 28, "refs": 1, "write": 1}})
    )
    assert (record.pages, record.window, record.move_every) == (100, 10, 1_000)
    assert record.write == 2**32


def test_a_write_to_the_second_device_says_so():
    devices = [{"name": "a", "backend": "d"}, {"name": "b", "backend": "d"}]
    (record,) = steps.compile_workload(
        vm_with({"io": {"device": "b", "op": "write", "requests": 3}}, devices=devices)
    )
    assert (record.device, record.op, record.n) == (1, 1, 3)


def test_a_listed_trace_reads():
    (record,) = steps.compile_workload(vm_with({"trace": {"pages": BELADY, "refs_per_tick": 1}}))
    assert (record.kind, record.n, record.refs_per_tick) == (steps.TRACE, 12, 1)
    assert record.trace.tolist() == [page << 1 for page in BELADY]


def test_a_recorded_trace_needs_a_vm_of_its_size():
    vm = vm_with({"trace": {"recorded": "gzip"}}, pages=255)
    (record,) = steps.compile_workload(vm)
    assert record.n == 335_634


def with_disk(name, device="vda", **more):
    disk = {"name": "vda", "backend": "d"} | more
    return vm_with({"trace": {"recorded": name, "device": device}}, pages=4_570, devices=[disk])


def test_a_recording_with_a_device_is_cut_where_its_requests_are():
    records = steps.compile_workload(with_disk("dbscan"))
    pieces = [row.trace for row in records if row.kind == steps.TRACE]
    assert np.array_equal(np.concatenate(pieces), traces.recorded("dbscan"))
    calls = [row for row in records if row.kind == steps.IO]
    assert len(calls) == RECORDED["dbscan"].requests
    assert {(row.n, row.device, row.op) for row in calls} == {(1, 0, 0)}
    assert len(records) <= 1 + 2 * len(calls)
    made = list(itertools.accumulate(0 if row.trace is None else row.n for row in records))
    before = [n for n, row in zip(made, records, strict=True) if row.kind == steps.IO]
    assert before == [call.at for call in traces.requests("dbscan")]


@pytest.mark.parametrize(
    ("vm", "sentence"),
    [
        (lambda: with_disk("gzip", "vdb"), "vms[0].workload.steps[0].trace.device must be one of"),
        (
            lambda: vm_with({"trace": {"pages": [1], "device": "vda"}}),
            "vms[0].workload.steps[0].trace.device must be left out unless the trace is a recorded",
        ),
    ],
)
def test_a_device_of_a_trace_is_one_of_the_vm_s_and_of_a_recording(vm, sentence):
    with pytest.raises(EngineError) as refusal:
        vm()
    assert sentence in str(refusal.value)


@pytest.mark.compiled
def test_the_requests_of_a_program_go_to_its_disk_where_its_file_says():
    step = {"trace": {"recorded": "sqlite", "device": "vda", "refs_per_tick": 100_000}}
    disk = {"name": "vda", "backend": "d", "size_mib": 1, "cluster_kib": 4}
    raw = {
        "name": "calls",
        "host": {"devices": [{"name": "d"}], "frames": 2_000},
        "vms": [{"name": "a", "pages": 1_095, "devices": [disk], "workload": {"steps": [step]}}],
    }
    machine = built(raw)
    run(machine, 1 << 40)
    calls = traces.requests("sqlite")
    assert machine.ended
    assert int(machine.state.vm["references"][0]) == RECORDED["sqlite"].references
    assert int(machine.state.vdevice["requests"][0]) == len(calls)
    assert int(machine.state.vdevice["kib"][0]) == sum(call.kib for call in calls)
    written = set()
    for call in calls:
        at = call.first_kib % (1_024 - call.kib + 1)
        written |= set(range(at // 4, (at + call.kib - 1) // 4 + 1)) if call.op else set()
    assert np.flatnonzero(machine.state.stamp).tolist() == sorted(written)


def test_a_trace_file_is_asked_for_by_name():
    vm = vm_with({"trace": {"file": "t.txt"}})
    (record,) = steps.compile_workload(vm, {"t.txt": b"5\n6\n"}.__getitem__)
    assert record.trace.tolist() == [10, 12]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (None, "must name a page trace that is there, got t.txt"),
        ({}.__getitem__, "must name a page trace that is there, got t.txt"),
        ({"t.txt": b"7\nx"}.__getitem__, "line 2: must be a page number 0..16777215, got x"),
        ({"t.txt": b"7\n128"}.__getitem__, "must stay within the VM's pages 0..127, got page 128"),
        ({"t.txt": b"7\n" * 5}.__getitem__, "must have 1..4 references, got 5"),
    ],
)
def test_a_trace_file_that_cannot_be_used_is_refused(files, sentence):
    vm = vm_with({"trace": {"file": "t.txt"}})
    with pytest.raises(EngineError) as refusal:
        steps.compile_workload(vm, files, "vms[0].workload", Limits(references=4))
    assert sentence in str(refusal.value)
    assert refusal.value.field.startswith("vms[0].workload.steps[0].trace")


def test_files_share_the_limit_on_references():
    vm = vm_with({"trace": {"file": "t"}}, {"trace": {"file": "t"}})
    with pytest.raises(EngineError, match=r"must have 1\.\.1 references, got 3"):
        steps.compile_workload(vm, lambda _name: b"1\n2\n3", limits=Limits(references=4))


def test_utilisation_becomes_compute_and_sleep():
    vm = vm_with({"trace": {"utilisation": [0, 100, 100, 30, 0, 0], "every": 10}})
    rows = [(steps.KINDS[row.kind], row.n) for row in steps.compile_workload(vm)]
    assert rows == [("sleep", 10), ("compute", 23), ("sleep", 27)]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.integers(1, 1_000))
def test_utilisation_keeps_the_time_exactly_and_the_load_to_a_tick(load, every):
    vm = vm_with({"trace": {"utilisation": load, "every": every}})
    records = steps.compile_workload(vm)
    assert sum(row.n for row in records) == every * len(load)
    busy = sum(row.n for row in records if row.kind == steps.COMPUTE)
    assert busy == sum(load) * every // 100
    kinds = [row.kind for row in records]
    assert all(a != b for a, b in itertools.pairwise(kinds))


def test_paths_lead_into_an_engine_error_for_every_unreadable_file():
    def broken(_name):
        raise OSError

    with pytest.raises(EngineError, match="must name a page trace that is there"):
        steps.compile_workload(vm_with({"trace": {"file": "t"}}), broken)


def test_steps_of_a_changed_scenario_follow_it():
    scenario = Scenario.parse(scenario_with(SMALLEST, "vms.b.workload.steps[0].compute", 9))
    assert [row.n for row in steps.compile_workload(scenario.vms[0])] == [9]
