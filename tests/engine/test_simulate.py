"""manage.py simulate and scenario_schema, as a user types them."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import ManagementUtility, call_command

from tests.engine.examples import EXAMPLE
from vms import scenario_file
from vms.management.commands import simulate

ROOT = Path(__file__).parents[2]

ROUND_ROBIN = {
    "name": "round robin",
    "host": {"scheduler": {"time_slice": 1}, "costs": "none"},
    "vms": [
        {"name": name, "workload": {"steps": [{"compute": length}]}}
        for name, length in (("a", 10), ("b", 5), ("c", 3))
    ],
}
STEPS = [{"compute": 7}, {"sleep": 3}]
ENDLESS = {"name": "x", "vms": [{"name": "v", "workload": {"repeat": "forever", "steps": STEPS}}]}
SWAPPING = {
    "name": "swapping",
    "host": {"frames": 3, "devices": [{"name": "ssd"}], "swap": {"device": "ssd"}},
    "vms": [
        {
            "name": "v",
            "pages": 8,
            "devices": [{"name": "vda", "backend": "ssd", "mode": "emulated"}],
            "workload": {
                "repeat": 3,
                "steps": [
                    {"touch": {"refs": 8, "refs_per_tick": 1, "write": 1}},
                    {"io": {"device": "vda"}},
                    {"compute": 40},
                ],
            },
        },
        {"name": "box", "kind": "container", "workload": {"steps": [{"compute": 50}]}},
    ],
}


@pytest.fixture
def scenario(tmp_path):
    """A function that writes a scenario to a file and returns its path."""

    def write(data, name="lab.yaml"):
        path = tmp_path / name
        path.write_text(scenario_file.dump(data) if name.endswith(".yaml") else json.dumps(data))
        return str(path)

    return write


@pytest.fixture
def typed(capsys):
    """A function that runs `manage.py simulate …` in this process: (status, stdout, stderr)."""

    def run(*arguments):
        status = 0
        try:
            ManagementUtility(["manage.py", "simulate", *arguments]).execute()
        except SystemExit as end:
            status = end.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def result(typed):
    """A function that runs `simulate … --json` and returns the object."""

    def run(*arguments):
        status, out, err = typed(*arguments, "--json")
        assert (status, err) == (0, "")
        assert out.count("\n") == 1
        return json.loads(out)

    return run


def test_round_robin_gives_the_textbooks_numbers(scenario, result):
    found = result(scenario(ROUND_ROBIN))
    assert [vm["response"] for vm in found["vms"]] == [0, 1, 2]
    assert [vm["turnaround"] for vm in found["vms"]] == [18, 13, 9]
    assert found["ticks"] == 18
    assert all(found["laws"].values())


@pytest.mark.parametrize(
    ("policy", "frames", "faults"),
    [("fifo", 3, 9), ("fifo", 4, 10), ("lru", 3, 10), ("lru", 4, 8), ("opt", 3, 7), ("opt", 4, 6)],
)
def test_beladys_string_faults_as_in_the_textbook(scenario, result, policy, frames, faults):
    pages = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
    workload = {"repeat": 1, "steps": [{"trace": {"pages": pages, "refs_per_tick": 1}}]}
    path = scenario({"name": "b", "vms": [{"name": "v", "workload": workload}]})
    found = result(
        path, "--set", f"host.replacement.policy={policy}", "--set", f"host.frames={frames}"
    )
    (vm,) = found["vms"]
    assert vm["minor_faults"] + vm["major_faults"] == faults


def test_the_object_has_the_documented_fields(scenario, result):
    found = result(scenario(EXAMPLE), "--ticks", "412")
    assert list(found) == [
        "name",
        "seed",
        "version",
        "ticks",
        "event_hash",
        "host",
        "vms",
        "devices",
        "laws",
    ]
    assert found["ticks"] == 412
    assert set(found["host"]) >= {
        "pcpus",
        "busy",
        "idle",
        "overhead",
        "switches",
        "utilisation",
        "jain_fairness",
        "frames",
        "replacement",
    }
    assert set(found["host"]["frames"]) == {"total", "used", "free", "shared", "balloon"}
    assert set(found["vms"][0]) == {
        "name",
        "kind",
        "arrival",
        "first_run",
        "finish",
        "response",
        "turnaround",
        "wait",
        "run",
        "overhead",
        "runnable",
        "blocked",
        "offline",
        "slices",
        "preemptions",
        "migrations",
        "references",
        "hits",
        "minor_faults",
        "major_faults",
        "cow_breaks",
        "resident",
        "vm_exits",
        "io",
        "stolen_by",
        "wake_up",
        "ledger",
    }
    assert set(found["vms"][0]["io"]["vda"]) == {
        *("requests", "kib", "mean_us", "p50_us", "p90_us", "p99_us", "in_flight"),
        *("exits", "interrupts", "model_us", "copied_kib", "copy_us"),
    }
    assert set(found["devices"][0]) == {
        "name",
        "requests",
        "busy",
        "utilisation",
        "mean_queue",
        "p50_us",
        "p90_us",
        "p99_us",
        *("queue", "queued", "in_service", "most_queued"),
    }
    assert found["vms"][0]["finish"] is None
    assert found["host"]["busy"] + found["host"]["idle"] + found["host"]["overhead"] == 2 * 412
    assert found["laws"]


def test_yaml_and_json_files_give_one_hash(scenario, result):
    assert result(scenario(ROUND_ROBIN)) == result(scenario(ROUND_ROBIN, "lab.json"))


def test_a_run_goes_on_to_its_ticks_when_all_has_ended(scenario, result):
    found = result(scenario(ROUND_ROBIN), "--ticks", "100")
    assert found["ticks"] == 100
    assert found["host"]["idle"] == 82
    assert [vm["turnaround"] for vm in found["vms"]] == [18, 13, 9]


def test_chunks_do_not_change_the_result(scenario, result, monkeypatch):
    whole = result(scenario(SWAPPING), "--ticks", "500")
    monkeypatch.setattr(simulate, "FIRST_CHUNK", 1)
    monkeypatch.setattr(simulate, "REFRESH_S", 0)
    assert result(scenario(SWAPPING), "--ticks", "500") == whole


def test_set_and_seed_change_the_scenario(scenario, result):
    path = scenario(ENDLESS)
    found = result(path, "--ticks", "9", "--seed", "7", "--set", "vms.v.vcpus=2", "name=y")
    assert (found["seed"], found["name"]) == (7, "y")
    assert found["vms"][0]["run"] + found["vms"][0]["runnable"] > 9


def test_a_file_may_stand_after_set(scenario, result):
    found = result("--ticks", "9", "--set", "seed=3", scenario(ENDLESS))
    assert found["seed"] == 3


def test_without_json_a_table_is_printed(scenario, typed):
    status, out, err = typed(scenario(SWAPPING))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("swapping: ")
    assert any(line.startswith("VM ") and "turnaround" in line for line in lines)
    assert any(line.startswith("ssd ") for line in lines)
    assert lines[-1] == "all laws hold"


def test_a_broken_law_is_said_loudly():
    outcome = {
        "name": "x",
        "ticks": 1,
        "seed": 1,
        "event_hash": "0",
        "host": {
            "pcpus": 1,
            "utilisation": 0.5,
            "switches": 1,
            "replacement": {"evictions": 0, "writebacks": 0},
        },
        "vms": [],
        "devices": [],
        "laws": {"runstates_sum": False, "frames_conserved": True},
    }
    assert simulate.report(outcome).endswith("BROKEN: runstates_sum")


REFUSALS = [
    (["{file}", "--set", "vms.v.wieght=1"], "vms[0].wieght: unknown key, did you mean weight?"),
    (
        ["{file}", "--set", "host.scheduler.time_slice=-3"],
        "host.scheduler.time_slice must be 1..100000 ticks, got -3",
    ),
    (["{file}", "--set", "host.swap=none"], "host.swap must be a mapping with a device, or null"),
    (["{file}"], "the scenario never ends: --ticks N must say when to stop"),
    (["{file}", "--ticks", "0"], "--ticks must be 1..1000000000000 ticks, got 0"),
    (["{file}", "--ticks", "1.5"], "--ticks must be 1..1000000000000 ticks, got 1.5"),
    (["{file}", "--ticks", "ten"], "--ticks must be 1..1000000000000 ticks, got ten"),
    (["{file}", "--ticks"], "argument --ticks: expected one argument"),
    (["{file}", "--ticks", "5", "--seed", "-1"], "seed must be 0..9223372036854775807, got -1"),
    (["{file}", "--ticks", "5", "--seed", "x"], "seed must be 0..9223372036854775807, got x"),
    (["{file}", "--set", "seed"], "--set must be PATH=VALUE, got seed"),
    (["{file}", "--ticks", "5", "--set", "x", "y=1"], "--set must be PATH=VALUE, got x"),
    (["{file}", "--ticks", "5", "--set", "a..b=1"], "a path must be keys with dots between"),
    (["{file}", "--ticks", "5", "--set", "seed={a: "], "line 1: not YAML"),
    (["{file}", "--ticks", "5", "--what"], "unrecognized arguments: --what"),
    (["{file}", "--ticks", "5", "--events", "log.txt"], "--events must end in .jsonl, .csv, "),
    (["{file}", "--ticks", "5", "--events", "/nowhere/log.json"], "log.json cannot be written: No"),
    (["missing.yaml"], "missing.yaml cannot be read: No such file or directory"),
    ([], "simulate needs a scenario: simulate FILE"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSALS)
def test_what_is_bad_is_one_line_on_stderr_and_status_2(scenario, typed, arguments, sentence):
    path = scenario(ENDLESS)
    status, out, err = typed(*(path if part == "{file}" else part for part in arguments))
    assert (status, out) == (2, "")
    assert err.startswith(sentence)
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert len(err) <= 401


def test_an_unreadable_file_is_one_line(tmp_path, typed):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"name: \xff")
    assert typed(str(path)) == (2, "", "line 1: a byte that is not UTF-8\n")


def test_a_page_trace_is_looked_for_beside_the_scenario(scenario, typed, result, tmp_path):
    step = {"trace": {"file": "pages.txt", "refs_per_tick": 1}}
    path = scenario({"name": "x", "vms": [{"name": "v", "workload": {"steps": [step]}}]})
    status, out, err = typed(path)
    assert (status, out) == (2, "")
    assert "trace.file must name a page trace that is there, got pages.txt" in err
    (tmp_path / "pages.txt").write_text("1\n2\n3\n1\n")
    (vm,) = result(path)["vms"]
    assert (vm["references"], vm["minor_faults"], vm["hits"]) == (4, 3, 1)
    (tmp_path / "pages.txt").write_text("1\n300\n")
    status, out, err = typed(path)
    assert (status, out) == (2, "")
    assert "must stay within the VM's pages 0..255, got page 300" in err


# Events


def test_events_are_written_as_lines_of_json(scenario, result, tmp_path):
    log = tmp_path / "log.jsonl"
    found = result(scenario(SWAPPING), "--events", str(log))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    of = {kind: [e for e in events if e["kind"] == kind] for kind in {e["kind"] for e in events}}
    v = found["vms"][0]
    assert sum(e["ticks"] for e in of["slice"] if e["vcpu"] == "v/0") == v["run"] + v["overhead"]
    assert all(set(e) >= {"t", "kind", "pcpu", "vcpu", "ticks"} for e in of["slice"])
    faults = [e["fault"] for e in of["fault"]]
    assert (faults.count("minor"), faults.count("major")) == (v["minor_faults"], v["major_faults"])
    assert len(of["evict"]) == found["host"]["replacement"]["evictions"] > 0
    assert set(of["evict"][0]) == {"t", "kind", "vm", "page", "frame"}
    assert of["evict"][0]["vm"] == "v"
    for reason, count in v["vm_exits"].items():
        exits = [e["count"] for e in of["exit"] if (e["vcpu"], e["reason"]) == ("v/0", reason)]
        assert sum(exits) == count
    assert not [e for e in of["exit"] if e["vcpu"] == "box/0"]
    done = [e for e in of["io"] if e.get("device") == "vda"]
    assert len(done) == v["io"]["vda"]["requests"]
    assert {e["vcpu"] for e in of["end"]} == {"v/0", "box/0"}


def test_events_are_written_for_perfettos_ui_as_chrome_trace(scenario, result, tmp_path):
    log = tmp_path / "log.json"
    found = result(scenario(ROUND_ROBIN), "--events", str(log))
    events = json.loads(log.read_text())
    slices = [e for e in events if e["ph"] == "X"]
    assert sum(e["dur"] for e in slices) == found["ticks"] * 100
    assert slices[0] == {
        "name": "a/0",
        "pid": 1,
        "tid": 0,
        "ts": 0,
        "ph": "X",
        "dur": 100,
        "args": {"why": "used up"},
    }
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert {"pCPUs", "pCPU 0", "vCPUs", "a/0", "b/0", "c/0"} <= names


def test_events_are_written_in_perfettos_own_format(scenario, result, tmp_path):
    perfetto = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    log = tmp_path / "log.perfetto-trace"
    found = result(scenario(SWAPPING), "--events", str(log))
    trace = perfetto.Trace()
    trace.ParseFromString(log.read_bytes())
    kinds = [p.track_event.type for p in trace.packet if p.HasField("track_event")]
    event = perfetto.TrackEvent
    assert kinds.count(event.TYPE_SLICE_BEGIN) == kinds.count(event.TYPE_SLICE_END) > 0
    begins = [
        (p.timestamp, p.track_event.name)
        for p in trace.packet
        if p.track_event.type == event.TYPE_SLICE_BEGIN
    ]
    assert min(begins) == (0, "v/0")
    evicted = [p for p in trace.packet if p.track_event.name == "evict"]
    assert len(evicted) == found["host"]["replacement"]["evictions"]


def test_the_log_of_fifty_thousand_slices_loses_none(scenario, result, tmp_path):
    data = {**ROUND_ROBIN, "vms": [{**vm, "count": 8} for vm in ROUND_ROBIN["vms"]]}
    for vm in data["vms"]:
        vm["workload"] = {"repeat": "forever", "steps": [{"compute": 1}]}
    log = tmp_path / "log.jsonl"
    found = result(scenario(data), "--ticks", "50000", "--events", str(log))
    with log.open() as lines:
        slices = sum('"slice"' in line for line in lines)
    assert slices + 1 == sum(vm["slices"] for vm in found["vms"])  # the last has not ended


def test_the_scenario_is_not_overwritten_by_its_events(scenario, typed):
    path = scenario(ROUND_ROBIN, "lab.json")
    status, _out, err = typed(path, "--events", path)
    assert status == 2
    assert err.startswith("--events must be another file than the scenario")
    assert json.loads(Path(path).read_text()) == ROUND_ROBIN


# Terminals, processes, schema


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self):
        return True


def test_a_bar_is_drawn_on_a_terminal_and_wiped(scenario, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(simulate, "REFRESH_S", 0)
    call_command("simulate", scenario(ENDLESS), ticks="5000")
    assert "[####" in terminal.getvalue()
    assert "tick 5,000" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    call_command("simulate", scenario(ROUND_ROBIN))
    assert "all laws hold" in capsys.readouterr().out


def test_the_schema_is_printed_as_json():
    out = io.StringIO()
    call_command("scenario_schema", stdout=out)
    schema = json.loads(out.getvalue())
    assert schema["title"] == "Scenario"
    assert "VM" in schema["$defs"]


def test_it_runs_in_a_process_of_its_own_without_a_database(scenario, tmp_path):
    run = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "simulate", scenario(ROUND_ROBIN), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=100,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["ticks"] == 18
    assert not list(tmp_path.glob("*.sqlite3"))
