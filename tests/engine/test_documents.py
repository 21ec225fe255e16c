"""The documents say what the schema and the registries say."""

import re
from pathlib import Path

import pytest

from vms import scenario_file
from vms.engine.commands import COMMANDS
from vms.engine.devices import DEVICES
from vms.engine.replacement import REPLACEMENTS
from vms.engine.scenario import COSTS, Scenario
from vms.engine.scenario.costs import PRESETS
from vms.engine.scenario.rules import DIALECTS, Rules
from vms.engine.scenario.vm import MODES
from vms.engine.schedulers import SCHEDULERS
from vms.engine.workloads.recorded import RECORDED
from vms.live.controls import CONTROLS

DOCS = Path(__file__).parents[2] / "docs"
REGISTRIES = {
    "schedulers": SCHEDULERS,
    "replacement": REPLACEMENTS,
    "devices": [*DEVICES, *MODES],
    "commands": [*COMMANDS, *CONTROLS],
}


def cost_rows():
    return [
        f"| `{cost.name}` | {cost.default:,} | {cost.seen.replace('..', '–')} | {cost.what} "
        f"| {cost.source} |"
        for cost in COSTS
    ]


def preset_rows():
    defaults = {cost.name: cost.default for cost in COSTS}
    return [
        f"| `{preset}` | `{name}` | {value:,} | {defaults[name]:,} | {source} |"
        for preset, given in PRESETS.items()
        for name, (value, source) in given.items()
    ]


def test_the_table_of_presets_is_the_engines():
    text = (DOCS / "scenario.md").read_text()
    (table,) = re.findall(r"<!-- presets -->\n(.*?)<!-- /presets -->", text, re.DOTALL)
    assert table.splitlines() == preset_rows()


@pytest.mark.parametrize("document", REGISTRIES)
def test_every_entry_has_its_heading_and_no_heading_is_left_over(document):
    headings = re.findall(r"^## (\w+)$", (DOCS / f"{document}.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(REGISTRIES[document])


@pytest.mark.parametrize("document", ["schedulers", "replacement", "devices"])
def test_every_entry_names_its_source(document):
    text = (DOCS / f"{document}.md").read_text()
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert "Source: " in section


def test_the_documented_scenario_is_accepted():
    text = (DOCS / "scenario.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    scenario = Scenario.parse(scenario_file.parse(example))
    assert [vm.name for vm in scenario.expanded] == ["web-1", "web-2", "batch", "replay"]


def test_the_table_of_costs_is_the_engines():
    text = (DOCS / "scenario.md").read_text()
    (table,) = re.findall(r"<!-- costs -->\n(.*?)<!-- /costs -->", text, re.DOTALL)
    assert table.splitlines() == cost_rows()


def test_the_tables_of_keys_have_the_schemas_defaults_and_limits():
    text = (DOCS / "scenario.md").read_text()
    schema = Scenario.model_json_schema()
    definitions = {**schema["$defs"], "Scenario": schema}
    checked = 0
    for name in ("Scenario", "Host", "VM"):
        for key, field in definitions[name]["properties"].items():
            row = re.search(rf"^\| `{key}` \| (.*?) \| (.*?) \|", text, re.MULTILINE)
            if field.get("type") != "integer" or row is None:
                continue
            default, allowed = row.groups()
            assert default == {None: "the host's"}.get(field["default"], str(field["default"]))
            high = {2**63 - 1: "2⁶³−1", 10**12: "10¹²"}.get(field["maximum"], field["maximum"])
            assert allowed.split()[0] == f"{field['minimum']}..{high}"
            checked += 1
    assert checked >= 10


def test_the_table_of_dialects_has_every_rule_with_its_words():
    text = (DOCS / "scenario.md").read_text()
    for rule in Rules.model_fields:
        (row,) = re.findall(rf"^\| `{rule}`.*$", text, re.MULTILINE)
        for dialect in DIALECTS.values():
            assert str(getattr(dialect, rule)) in row


def test_every_recording_is_named():
    text = (DOCS / "scenario.md").read_text()
    assert all(re.search(rf"\b{name}\b", text) for name in RECORDED)
