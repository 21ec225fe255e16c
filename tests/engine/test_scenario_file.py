"""Scenario files: text to data and back; every failure is one sentence with its line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.examples import EXAMPLE, SMALLEST
from vms import scenario_file
from vms.engine.errors import EngineError
from vms.engine.scenario import Limits, Scenario

YAML = """\
# a comment
name: On call          # text, though YAML 1.1 would say true to `on`
vms:
  - name: on
    start_at: 010
    pages: 64
    workload:
      steps:
        - compute: 3
        - touch: {pattern: zipf, refs: 4, write: .5, alpha: 1e0}
"""


def test_yaml_means_what_it_says():
    data = scenario_file.parse(YAML)
    vm = data["vms"][0]
    assert (vm["name"], vm["start_at"]) == ("on", 10)
    assert vm["workload"]["steps"][1]["touch"] == {
        "pattern": "zipf",
        "refs": 4,
        "write": 0.5,
        "alpha": 1.0,
    }
    Scenario.parse(data)


@pytest.mark.parametrize("text", [json.dumps(EXAMPLE), "  \n" + json.dumps(EXAMPLE, indent=2)])
def test_json_is_read_by_the_same_loader(text):
    assert scenario_file.parse(text) == EXAMPLE
    assert scenario_file.parse(text.encode()) == EXAMPLE
    assert scenario_file.parse(b"\xef\xbb\xbf" + text.encode()) == EXAMPLE


@pytest.mark.parametrize("data", [EXAMPLE, SMALLEST])
def test_what_is_dumped_is_read_back(data):
    assert scenario_file.parse(scenario_file.dump(data)) == data


@pytest.mark.parametrize("data", [{"name": "base", "pages": 96}, {"x": None}, {"y": "{"}])
def test_a_mapping_without_depth_is_not_taken_for_json(data):
    assert scenario_file.parse(scenario_file.dump(data)) == data


def test_a_dump_is_pleasant_to_read():
    text = scenario_file.dump(EXAMPLE)
    assert "scheduler: {policy: round_robin, time_slice: 30}" in text
    assert "- {name: vda, backend: disk0, mode: paravirtual}" in text
    assert "&" not in text


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
    | st.sampled_from(["010", "1e3", "on", "~", "null", "2026-01-01", "1_0", ".5", "+1", "0x1F"])
    | st.integers()
    | st.floats(allow_nan=False)
    | st.none()
    | st.booleans()
)
def test_any_scalar_survives_a_dump(value):
    data = {"name": value, "vms": [value, [value], {"x": value}]}
    assert scenario_file.parse(scenario_file.dump(data)) == data


BAD = [
    ("name: a\nname: b", "line 2: key name is given twice"),
    ("vms:\n- {a: 1,\n   a: 2}", "line 3: key a is given twice"),
    ("a: &x 1", "line 1: anchors are not allowed in a scenario"),
    ("b: 1\na: *x", "line 2: aliases are not allowed in a scenario"),
    ("!!python/object/apply:os.system [ls]", "line 1: tags are not allowed in a scenario"),
    ("a: !!int 3", "line 1: tags are not allowed in a scenario"),
    ("a: 1\n---\nb: 2", "line 2: a scenario file must be one document, got a second"),
    ("a: 1\nb\0: 2", "line 2: a NUL character"),
    ("a: \x07", "line 1: a character that YAML does not allow"),
    ("? [1]\n: 2", "line 1: keys must be text"),
    ("- " * 51 + "1", "line 1: nested more than 50 deep"),
    ("[" * 51 + "]" * 51, "line 1: nested more than 50 deep"),
    ("{\n" * 100_000, "line 51: nested more than 50 deep"),
    ("{a: 1}", "line 1: not JSON, expecting property name enclosed in double quotes"),
    ('{"a":\n' * 100_000, "line 51: nested more than 50 deep"),
    ("a: [1", "line 1: not YAML, "),
    ("a:\n\t- 1", "line 2: not YAML, found character that cannot start any token"),
    ("a: b: c", "line 1: not YAML, mapping values are not allowed in this context"),
    ('{"a": 1', "line 1: not JSON, expecting ',' delimiter"),
    ('{"a": 1}}', "line 1: not JSON, extra data"),
    ('{"a": 1,\n "b": 2,\n "a": 3}', "line 3: key a is given twice"),
    ('{"a": NaN}', "NaN is no number of JSON"),
    ("", "a scenario must be a mapping, got null"),
    ("# only a comment", "a scenario must be a mapping, got null"),
    ("just text", "a scenario must be a mapping, got just text"),
    ("[1, 2]", "a scenario must be a mapping, got a list"),
    ("- 1", "a scenario must be a mapping, got a list"),
    (b"a: \xff\xfe", "line 1: a byte that is not UTF-8"),
    (b"a: 1\n\xc3", "line 2: a byte that is not UTF-8"),
    ("a: \ud800", "line 1: a byte that is not UTF-8"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(EngineError) as refusal:
        scenario_file.parse(text)
    assert str(refusal.value).startswith(sentence)
    assert len(str(refusal.value)) <= 400
    assert str(refusal.value).isprintable()


def test_fifty_levels_are_allowed():
    assert scenario_file.parse("a: " + "[" * 49 + "]" * 49)
    assert scenario_file.parse('{"a": ' + "[" * 49 + "]" * 49 + "}")


def test_sizes_are_limited_at_and_above():
    limits = Limits(json_bytes=40, yaml_bytes=20)
    assert scenario_file.parse("a: 1" + " " * 16, limits) == {"a": 1}
    assert scenario_file.parse('{"a": 1}' + " " * 32, limits) == {"a": 1}
    for text, high in (("a: 1" + " " * 17, 20), ('{"a": 1}' + " " * 33, 40), (b"{" * 41, 40)):
        with pytest.raises(EngineError, match=f"at most {high} bytes, got {len(text)}"):
            scenario_file.parse(text, limits)


def test_bytes_are_counted_not_characters():
    with pytest.raises(EngineError, match="at most 20 bytes, got 23"):
        scenario_file.parse("a: " + "é" * 10, Limits(yaml_bytes=20))


@pytest.mark.parametrize("digits", ["9" * 5_000, "1" * 1_001])
def test_a_number_of_thousands_of_digits_is_no_number(digits):
    for text in (f"a: {digits}", f'{{"a": {digits}}}'):
        assert scenario_file.parse(text) == {"a": digits}


def test_a_file_is_read_from_disk_or_refused(tmp_path):
    path = tmp_path / "lab.yaml"
    path.write_text(YAML)
    assert scenario_file.read(path) == scenario_file.parse(YAML)
    with pytest.raises(EngineError, match=r"none\.yaml cannot be read: No such file"):
        scenario_file.read(tmp_path / "none.yaml")
    with pytest.raises(EngineError, match="cannot be read: Is a directory"):
        scenario_file.read(tmp_path)
    with pytest.raises(EngineError, match=f"at most 10 bytes, got {len(YAML)}"):
        scenario_file.read(path, Limits(json_bytes=10))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("name", 2),
        ("vms[0].start_at", 5),
        ("vms[0].workload.steps[1].touch.alpha", 10),
        ("vms[0].workload.steps[1].touch.window", 10),
        ("vms[0].colour", 4),
        ("host.frames", None),
        ("", None),
    ],
)
def test_the_line_of_a_path_is_known(path, line):
    assert scenario_file.line_of(YAML, path) == line


def test_the_line_of_a_path_is_unknown_where_the_text_cannot_be_read():
    assert scenario_file.line_of("a: [", "a") is None
    assert scenario_file.line_of("a: &x 1", "a") is None
    assert scenario_file.line_of("a: " + "1" * 5_000_000, "a") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30", 30),
        (" null ", None),
        ("true", True),
        ("1.5", 1.5),
        (".inf", float("inf")),
        ("stride", "stride"),
        ("a: b", "a: b"),
        ('"30"', "30"),
        ("{device: disk0}", {"device": "disk0"}),
        ("[1, 2]", [1, 2]),
        ("", None),
    ],
)
def test_one_value_typed_alone_means_what_it_would_in_a_file(text, value):
    assert scenario_file.value(text) == value


@pytest.mark.parametrize("text", ["{a: ", "[1", "{a: &x 1}", '"\0"', "[" * 60])
def test_one_value_typed_alone_may_be_refused(text):
    with pytest.raises(EngineError):
        scenario_file.value(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet="a:-[]{}\"',&*!?|>#% \n\t01", max_size=40))
def test_any_text_is_data_or_an_engine_error(text):
    try:
        data = scenario_file.parse(text)
    except EngineError as error:
        data = str(error)
    assert isinstance(data, dict) or 0 < len(data) <= 400


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_data_or_an_engine_error(content):
    try:
        data = scenario_file.parse(content)
    except EngineError as error:
        data = str(error)
    assert isinstance(data, dict) or 0 < len(data) <= 400
