"""A bad scenario: one sentence naming the path, what is allowed and what was given."""

import copy
import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.engine.examples import EXAMPLE, SMALLEST
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario, scenario_with
from vms.engine.scenario.sentences import sentence

STEPS = "compute, touch, io, sleep, trace, free, spin, attack, replay, send, receive"
STEP = "vms[0].workload.steps[0]"
VDA = {"name": "vda", "backend": "disk0"}

# change of the example: path, value → the whole sentence
SENTENCES = [
    ("host.scheduler.time_slice", -3, "host.scheduler.time_slice must be 1..100000 ticks, got -3"),
    ("vms[1].wieght", 1, "vms[1].wieght: unknown key, did you mean weight?"),
    ("vms.web.pages", 0, "vms[0].pages must be 1..16777216 pages, got 0"),
    ("host.frames", 10**9, "host.frames must be 1..16777216 frames, got 1000000000"),
    ("vms[1].name", "replay", "vms[2].name must be unique, got replay, the name of vms[1]"),
    ("vms[1].name", "web-2", "vms[1].name must be unique, got web-2, the name of vms[0]"),
    (
        "host.devices[1].name",
        "disk0",
        "host.devices[1].name must be unique, got disk0, the name of host.devices[0]",
    ),
    (
        "vms[0].devices",
        [VDA, VDA],
        "vms[0].devices[1].name must be unique, got vda, the name of vms[0].devices[0]",
    ),
    (
        "vms[0].devices[0].backend",
        "disk7",
        "vms[0].devices[0].backend must be one of disk0, nic0, got disk7",
    ),
    (
        "vms[0].devices[0].mode",
        "passthrough",
        "vms[0].devices[0].backend must be mapped once, as disk0 is passed through, got 2 mappings",
    ),
    (
        "vms[1].devices",
        [{"name": "sda", "backend": "disk0", "mode": "passthrough"}],
        "vms[1].devices[0].backend must be mapped once, as disk0 is passed through, got 3 mappings",
    ),
    (
        "vms[0].devices[0].mode",
        "vf",
        "vms[0].devices[0].mode vf must be used by 0..0 devices, the virtual functions of disk0,"
        " got 2",
    ),
    (
        "vms[0].devices[0].mode",
        "virtio",
        "vms[0].devices[0].mode must be one of emulated, paravirtual, passthrough, vf, vhost,"
        " got virtio",
    ),
    ("host.swap.device", "disk9", "host.swap.device must be one of disk0, nic0, got disk9"),
    (
        "host.swap",
        "none",
        "host.swap must be a mapping with a device, or null for none, got none",
    ),
    (
        "host.costs",
        "free",
        "host.costs must be none, bare_metal, kvm_2012, kvm_today, nested or a mapping, got free",
    ),
    (
        "host.costs",
        None,
        "host.costs must be none, bare_metal, kvm_2012, kvm_today, nested or a mapping, got null",
    ),
    ("host.costs.vm_exit_ns", -1, "host.costs.vm_exit_ns must be 0..1000000000 ns, got -1"),
    (
        "host.scheduler.policy",
        "credit7",
        "host.scheduler.policy must be one of round_robin, fcfs, lottery, stride, sjf, srtf",
    ),
    (
        "host.replacement.policy",
        "opt",
        "host.replacement.policy opt must know every reference in advance: only trace steps may"
        " reference memory, got a touch step in web",
    ),
    (
        "host.account_page_tables",
        "yes",
        "host.account_page_tables must be true or false, got yes",
    ),
    ("host.posted_interrupts", "no", "host.posted_interrupts must be true or false, got no"),
    (
        "dialect",
        "xv6",
        "dialect must be textbook, ostep, libcachesim or a mapping, got xv6",
    ),
    (
        "dialect",
        {"opt_tie": "first"},
        "dialect.opt_tie must be one of lowest_frame, last_loaded, got first",
    ),
    ("seed", -1, "seed must be 0..9223372036854775807, got -1"),
    ("name", "a/b", "name must be 1..64 printable characters without / . [ ], got a/b"),
    ("name", "x" * 65, "name must be 1..64 printable characters without / . [ ], got " + "x" * 59),
    ("name", 7, "name must be 1..64 printable characters without / . [ ], got 7"),
    ("vms", [], "vms must have at least one entry, got none"),
    ("vms", {}, "vms must be a list, got a mapping"),
    ("vms[0]", 3, "vms[0] must be a mapping, got 3"),
    ("vms[0].kind", "jail", "vms[0].kind must be one of vm, container, microvm, got jail"),
    ("vms[0].vcpus", "2", 'vms[0].vcpus must be 1..256 vCPUs, got "2"'),
    ("vms[0].start_at", 1.5, "vms[0].start_at must be 0..1000000000000 ticks, got 1.5"),
    ("vms[0].cap", -1, "vms[0].cap must be 0..25600 percent, got -1"),
    ("vms[0].workload", {}, "vms[0].workload.steps is required"),
    ("vms[0].workload.steps", [], "vms[0].workload.steps must have at least one entry, got none"),
    (
        "vms[0].workload.repeat",
        0,
        "vms[0].workload.repeat must be forever or 1..1000000000000 times, got 0",
    ),
    (
        STEP,
        {"compute": 1, "sleep": 2},
        f"{STEP} must have exactly one of {STEPS}, got compute, sleep",
    ),
    (STEP, {}, f"{STEP} must have exactly one of {STEPS}, got none"),
    (STEP, {"comput": 1}, f"{STEP}.comput: unknown key, did you mean compute?"),
    (STEP, {"compute": 0}, f"{STEP}.compute must be 1..1000000000000 ticks, got 0"),
    (
        STEP,
        {"touch": None},
        f"{STEP} must have exactly one of {STEPS}, got touch",
    ),
    (
        STEP,
        {"touch": {"pages": 129, "refs": 1}},
        f"{STEP}.touch must stay within the VM's pages 0..127, got page 128",
    ),
    (
        STEP,
        {"touch": {"first": 100, "pages": 29, "refs": 1}},
        f"{STEP}.touch must stay within the VM's pages 0..127, got page 128",
    ),
    (
        STEP,
        {"touch": {"first": 128, "refs": 1}},
        f"{STEP}.touch must stay within the VM's pages 0..127, got page 128",
    ),
    (STEP, {"touch": {"pages": 5}}, f"{STEP}.touch.refs is required"),
    (
        STEP,
        {"touch": {"refs": 1, "write": 1.1}},
        f"{STEP}.touch.write must be a number 0..1, got 1.1",
    ),
    (
        STEP,
        {"touch": {"refs": 1, "refs_per_tick": 100_001}},
        f"{STEP}.touch.refs_per_tick must be 1..100000 references, got 100001",
    ),
    (
        STEP,
        {"touch": {"pattern": "working_set", "refs": 1, "pages": 5, "window": 6}},
        f"{STEP}.touch.window must be 1..5 pages, those the step touches, got 6",
    ),
    (
        STEP,
        {"io": {"device": "vdb"}},
        f"{STEP}.io.device must be one of vda, got vdb",
    ),
    (
        "vms[1].workload.steps[0]",
        {"io": {"device": "vda"}},
        "vms[1].workload.steps[0].io.device must name a device of the VM, which has none, got vda",
    ),
    (
        STEP,
        {"trace": {"pages": [0, 127, 128]}},
        f"{STEP}.trace.pages[2] must stay within the VM's pages 0..127, got page 128",
    ),
    (
        STEP,
        {"trace": {"pages": [0, -1]}},
        f"{STEP}.trace.pages[1] must be 0..16777215, got -1",
    ),
    (
        STEP,
        {"trace": {"pages": []}},
        f"{STEP}.trace.pages must be a list of 1..100000000 references, got 0",
    ),
    (
        STEP,
        {"trace": {"recorded": "sqlite"}},
        f"{STEP}.trace.recorded must stay within the VM's pages 0..127, got page 1094",
    ),
    (
        STEP,
        {"trace": {"file": "../secret"}},
        f"{STEP}.trace.file must be 1..100 letters, digits, dots, dashes or underscores,"
        " the first a letter or digit, got ../secret",
    ),
    (
        STEP,
        {"trace": {"utilisation": [1]}},
        f"{STEP}.trace.every is required",
    ),
    (
        STEP,
        {"trace": {"pages": [1], "every": 3}},
        f"{STEP}.trace.utilisation is required",
    ),
    (
        STEP,
        {"trace": {"utilisation": [101], "every": 3}},
        f"{STEP}.trace.utilisation[0] must be 0..100, got 101",
    ),
    (
        STEP,
        {"trace": {"pages": [1], "file": "a"}},
        f"{STEP}.trace must have exactly one of pages, file, recorded, utilisation,"
        " got pages, file",
    ),
    (
        "vms[0].image",
        {"name": "base", "pages": 129},
        "vms[0].image.pages must be 1..128 pages, the VM's own, got 129",
    ),
    ("vms[0].boot", 1, "vms[0].boot must be true or false, got 1"),
    ("vms[0].scheduler", {"color": 1}, "vms[0].scheduler.color: unknown key"),
]


@pytest.mark.parametrize(("path", "value", "expected"), SENTENCES)
def test_a_bad_scenario_is_refused_in_one_sentence(path, value, expected):
    data = scenario_with(EXAMPLE, path, value)
    before = copy.deepcopy(data)
    with pytest.raises(EngineError) as refusal:
        Scenario.parse(data)
    assert str(refusal.value).startswith(expected)
    assert refusal.value.field is not None
    assert str(refusal.value).startswith(refusal.value.field)
    assert data == before


@pytest.mark.parametrize("data", [None, 3, "x", [], [{}], True])
def test_what_is_no_mapping_is_no_scenario(data):
    with pytest.raises(EngineError, match="a scenario must be a mapping, got"):
        Scenario.parse(data)


@pytest.mark.parametrize("missing", ["name", "vms"])
def test_a_missing_key_is_named(missing):
    data = {key: value for key, value in SMALLEST.items() if key != missing}
    with pytest.raises(EngineError, match=f"^{missing} is required$"):
        Scenario.parse(data)


def test_a_misspelt_key_is_reported_rather_than_the_key_it_left_missing():
    with pytest.raises(EngineError, match=r"^naem: unknown key, did you mean name"):
        Scenario.parse({"naem": "x", "vms": SMALLEST["vms"]})


def test_a_passthrough_device_cannot_be_the_swap_device():
    data = scenario_with(EXAMPLE, "vms[0].count", 1)
    data = scenario_with(data, "vms[0].devices[0].mode", "passthrough")
    with pytest.raises(EngineError, match="must not be the swap device when it is passed through"):
        Scenario.parse(data)
    Scenario.parse(scenario_with(data, "host.swap", None))


def test_virtual_functions_may_be_used_up_and_no_further():
    data = scenario_with(EXAMPLE, "vms[0].devices[0]", {**VDA, "backend": "nic0", "mode": "vf"})
    Scenario.parse(data)
    with pytest.raises(EngineError, match=r"0\.\.2 devices, the virtual functions of nic0, got 3"):
        Scenario.parse(scenario_with(data, "vms[0].count", 3))


def test_opt_needs_exactly_one_vcpu_that_references_memory_and_only_by_traces():
    trace = {"name": "t", "workload": {"steps": [{"trace": {"pages": [1, 2]}}, {"compute": 1}]}}
    load = {
        "name": "u",
        "workload": {"steps": [{"trace": {"utilisation": [50], "every": 10}}, {"sleep": 1}]},
    }
    data = {"name": "a", "host": {"replacement": {"policy": "opt"}}, "vms": [trace, load]}
    Scenario.parse(data)
    for path, value, number in (
        ("vms[0].vcpus", 2, 2),
        ("vms[0].count", 3, 3),
        ("vms[0].workload.steps", [{"compute": 1}], 0),
    ):
        with pytest.raises(EngineError, match=f"opt must have exactly one vCPU .* got {number}"):
            Scenario.parse(scenario_with(data, path, value))


def test_an_image_has_one_size():
    vm = {**SMALLEST["vms"][0], "image": {"name": "base", "pages": 10}}
    other = {**vm, "name": "c", "image": {"name": "base", "pages": 11}}
    with pytest.raises(EngineError, match=r"vms\[1\].image.pages must be 10, .* base, got 11"):
        Scenario.parse({"name": "a", "vms": [vm, other]})


def test_names_stay_within_64_characters_after_count():
    data = scenario_with(SMALLEST, "vms[0].name", "n" * 63)
    Scenario.parse(data)
    with pytest.raises(EngineError, match="at most 64 characters after count"):
        Scenario.parse(scenario_with(data, "vms[0].count", 2))


def test_too_many_devices_are_counted():
    devices = [{"name": f"d{i}"} for i in range(257)]
    Scenario.parse(scenario_with(SMALLEST, "host.devices", devices[:256]))
    with pytest.raises(EngineError, match=r"host\.devices must have at most 256 entries"):
        Scenario.parse(scenario_with(SMALLEST, "host.devices", devices))


def test_given_values_are_cut_and_stay_on_one_line():
    with pytest.raises(EngineError) as refusal:
        Scenario.parse(scenario_with(SMALLEST, "vms[0].kind", "a\nb\x1b[31m" + "c" * 500))
    text = str(refusal.value)
    assert text.isprintable()
    assert len(text) < 160
    long_key = {**SMALLEST, "k" * 5_000: 1}
    with pytest.raises(EngineError) as refusal:
        Scenario.parse(long_key)
    assert len(str(refusal.value)) <= 400


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["none", "forever", "opt", "disk0", "vda", "passthrough", "vf", "trace"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "pages", "trace", "touch", "policy", "device", "steps", "x"])
            | st.text(max_size=4)
            | st.integers(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
PATHS = sorted({path for path, _value, _sentence in SENTENCES})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATHS), junk)
def test_junk_anywhere_raises_nothing_but_an_engine_error(path, value):
    refusal = ""
    try:
        scenario = Scenario.parse(scenario_with(EXAMPLE, path, value))
    except EngineError as error:
        refusal = str(error)
    if refusal:
        assert len(refusal) <= 400
        assert refusal.isprintable()
    else:
        assert Scenario.parse(scenario.dump()) == scenario


@settings(max_examples=200, deadline=None)
@given(junk)
def test_junk_alone_raises_nothing_but_an_engine_error(data):
    with pytest.raises(EngineError):
        Scenario.parse(data)


def test_a_refusal_keeps_nothing_alive_of_who_asked() -> None:
    class Asker:
        """Somebody in whose call it was refused."""

    def ask() -> weakref.ref[Asker]:
        asker = Asker()
        kept = []
        try:
            Scenario.model_validate({"name": "n", "seed": -1, "vms": []})
        except ValidationError as errors:
            kept.append(errors)
        assert sentence(kept[0]).field == "seed"
        return weakref.ref(asker)

    seen = ask()
    gc.collect()
    assert seen() is None
