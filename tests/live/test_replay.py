"""A replay is the run: same events, same state, at every moment, however either was cut up."""

import dataclasses
import random

import numpy as np
import pytest

from tests.engine import test_storm
from tests.engine.running import built
from tests.live.doubles import first_steps
from vms.engine.checkpoint import save
from vms.engine.errors import EngineError
from vms.engine.scenario import Scenario
from vms.engine.tables import PRESENT, WRITABLE
from vms.engine.tick import advance, come_between_ticks
from vms.live import replay
from vms.live.pagework import page_message
from vms.live.replay import Cancelled, DivergedError, Kept, Recording, apply_message


class Story:
    """A run as it was lived: commands at random ticks, in random chunks, seen at some moments."""

    def __init__(self, seed, commands=12):
        self.draw = random.Random(seed)
        self.raw = test_storm.scenario(self.draw)
        self.machine = built(self.raw)
        self.entries, self.events, self.kept = [], [], []
        self.moments = {}
        for number in range(commands):
            self.go(self.draw.choice([0, 1, 2, 17, 60]))
            self.ask(test_storm.command(self.draw, self.machine, number))
            if self.draw.random() < 0.4:
                self.kept.append(Kept(self.machine.now, self.sequence, 0.0, save(self.machine)))
        self.go(80)

    @property
    def sequence(self):
        return len(self.entries)

    def go(self, ticks):
        """Advance in chunks of any size; what an observer does in between counts for nothing."""
        end = self.machine.now + ticks
        while self.machine.now < end:
            done = advance(self.machine, self.draw.randint(1, end - self.machine.now))
            events = self.machine.drain()
            self.events.append(events)
            if self.draw.random() < 0.3:
                self.machine.changed_frames()
            if not done and not len(events):
                break
        self.note()

    def ask(self, message):
        come_between_ticks(self.machine)
        accepted, sequence = True, self.sequence + 1
        try:
            apply_message(self.machine, message, sequence)
        except EngineError:
            accepted = False
        entry = {"sequence": sequence, "tick": self.machine.now, "command": message}
        self.entries.append(entry | {"accepted": accepted})
        self.note()

    def note(self):
        if self.machine.ended or self.machine.stalled:
            return
        moment = self.machine.now, self.sequence
        self.moments[moment] = (replay.state_hash(self.machine), self.machine.event_hash)

    def recording(self, **changes):
        def checkpoints(tick, sequence):
            at = (tick, len(self.entries) if sequence is None else sequence)
            return (kept for kept in reversed(self.kept) if (kept.tick, kept.sequence) <= at)

        given = Recording(
            run_id=1,
            scenario=Scenario.parse(self.raw),
            entries=tuple(self.entries),
            tick=self.machine.now,
            over=self.machine.ended or self.machine.stalled,
            checkpoints=checkpoints,
        )
        return dataclasses.replace(given, **changes)


def hashes(machine):
    return replay.state_hash(machine), machine.event_hash


@pytest.mark.parametrize("seed", range(8))
def test_a_replay_from_the_scenario_is_the_run_at_every_moment(seed):
    story = Story(seed)
    bare = story.recording(checkpoints=replay.no_checkpoints)
    for (tick, sequence), expected in story.moments.items():
        machine = replay.machine_at(bare, tick, sequence)
        assert machine.now == tick
        assert hashes(machine) == expected


@pytest.mark.parametrize("seed", range(8, 16))
def test_a_replay_from_any_checkpoint_is_the_run_at_every_moment(seed):
    story = Story(seed)
    for (tick, sequence), expected in story.moments.items():
        assert hashes(replay.machine_at(story.recording(), tick, sequence)) == expected


@pytest.mark.parametrize("seed", range(16, 22))
def test_a_machine_goes_on_to_a_later_moment_as_if_it_had_begun_anew(seed):
    story = Story(seed)
    recording = story.recording(checkpoints=replay.no_checkpoints)
    machine, since = replay.machine_at(recording, 0, 0), 0
    for (tick, sequence), expected in story.moments.items():
        since = replay.go_on(machine, recording, tick, sequence, since=since)
        assert since == sequence
        assert hashes(machine) == expected


@pytest.mark.parametrize("seed", range(22, 26))
def test_a_replay_collects_every_event_of_the_run_in_order(seed):
    story, batches = Story(seed), []
    bare = story.recording(checkpoints=replay.no_checkpoints)
    machine = replay.machine_at(bare, story.machine.now, collect=batches.append)
    assert np.array_equal(np.concatenate(batches), np.concatenate(story.events))
    assert machine.event_hash == story.machine.event_hash


def test_without_a_sequence_all_that_was_asked_at_the_tick_counts():
    story = Story(5)
    recording, tried = story.recording(), 0
    for tick in {entry["tick"] for entry in story.entries}:
        last = replay.last_sequence(recording, tick)
        assert last == max(e["sequence"] for e in story.entries if e["tick"] == tick)
        if (tick, last) in story.moments:
            assert hashes(replay.machine_at(recording, tick)) == story.moments[tick, last]
            tried += 1
    assert tried > 2


def test_a_checkpoint_that_is_of_no_use_is_passed_over():
    story = Story(8)
    good = story.kept[0]
    broken = dataclasses.replace(story.kept[-1], state=b"VMLAB-2\n" + bytes(80))
    story.kept = [good, broken]
    last = next(reversed(story.moments))
    assert hashes(replay.machine_at(story.recording(), *last)) == story.moments[last]


def entry_of(sequence, tick, message, accepted=None):
    return {"sequence": sequence, "tick": tick, "command": message, "accepted": accepted}


def simple(*entries):
    return Recording(run_id=1, scenario=Scenario.parse(first_steps()), entries=entries)


def test_controls_and_refusals_are_passed_over():
    recording = simple(
        entry_of(1, 0, {"type": "play"}, True),
        entry_of(2, 4, {"type": "stop_vm", "vm": "one"}, False),
        entry_of(3, 9, {"type": "pause"}, True),
    )
    bare = replay.machine_at(simple(), 30)
    assert hashes(replay.machine_at(recording, 30)) == hashes(bare)


def test_of_what_was_written_before_a_kill_the_replay_finds_out_how_it_goes():
    heard = []
    recording = simple(
        entry_of(1, 3, {"type": "set_weight", "vm": "one", "weight": 5}),
        entry_of(2, 3, {"type": "stop_vm", "vm": "nobody"}),
        entry_of(3, 5, {"type": "set_weight", "vm": "two", "weight": 6}, True),
    )
    reached = replay.reach(
        recording, 9, outcome=lambda entry, refusal: heard.append((entry["sequence"], refusal))
    )
    assert [sequence for sequence, _ in heard] == [1, 2]
    assert heard[0][1] is None
    assert "nobody" in str(heard[1][1])
    assert (reached.machine.now, reached.sequence) == (9, 3)
    assert reached.seconds > 0


def test_a_journal_that_cannot_be_played_again_says_where():
    recording = simple(entry_of(1, 3, {"type": "stop_vm", "vm": "nobody"}, True))
    with pytest.raises(DivergedError, match=r"entry 1 .*stop_vm, tick 3.*nobody"):
        replay.machine_at(recording, 9)


def test_a_replay_nobody_wants_any_more_is_given_up():
    looks = iter([False, True])
    with pytest.raises(Cancelled):
        replay.machine_at(simple(), 1 << 40, cancelled=lambda: next(looks))


def test_a_replay_says_how_far_it_is():
    said = []
    replay.machine_at(simple(), 5000, progress=lambda done, ticks: said.append((done, ticks)))
    assert said[-1] == (5000, 5000)
    assert said == sorted(said)


def test_a_run_that_is_over_ends_before_the_tick_that_is_wanted():
    vms = [{"name": "a", "workload": {"steps": [{"compute": 7}]}}]
    recording = Recording(1, Scenario.parse({"name": "short", "vms": vms}))
    assert replay.machine_at(recording, 1000).now == 7


def test_pages_edited_at_rest_are_edited_again():
    machine = replay.machine_at(simple(), 40)
    table = machine.state.pte[:16].copy()
    free = int(np.flatnonzero(machine.state.frame["page"] < 0)[0])
    table[3], table[5:8] = 0, 0
    table[2] = free | PRESENT | WRITABLE
    message = page_message(machine, {0: table})
    recording = simple(entry_of(1, 40, message, True))
    again = replay.machine_at(recording, 40)
    assert np.array_equal(again.state.pte[:16], table)
    apply_message(machine, message, 1)
    assert hashes(again) == hashes(machine)


@pytest.mark.parametrize(
    "runs",
    [
        {"one": [[0, 17, 0, 0]]},
        {"one": [[-1, 1, 0, 0]]},
        {"one": [[0, 1, 1 << 40, 0]]},
        {"one": [[0, 1 << 70, 0, 0]]},
        {"one": [[0, 1, 0, 7]]},
        {"one": [[0, True, 0, 0]]},
        {"one": [["0", 1, 0, 0]]},
        {"one": [[0, 1]]},
        {"one": 5},
        {"nobody": []},
        [],
        None,
    ],
)
def test_pages_that_no_vm_can_have_are_refused_whatever_an_entry_says(runs):
    machine = replay.machine_at(simple(), 40)
    before = hashes(machine)
    with pytest.raises(EngineError):
        apply_message(machine, {"type": "edit_pages", "pages": 1, "runs": runs}, 1)
    assert hashes(machine) == before


def test_pages_of_which_only_the_number_is_known_are_not_guessed():
    recording = simple(entry_of(1, 40, {"type": "edit_pages", "pages": 3}, True))
    with pytest.raises(DivergedError, match="which pages"):
        replay.machine_at(recording, 41)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_command_after_the_end_comes_after_the_tick_in_which_it_was_seen(stopped):
    vms = [{"name": name, "workload": {"steps": [{"compute": 7}, {"sleep": 5}]}} for name in "ab"]
    story = Story(1, commands=0)
    story.raw = {"name": "ends", "vms": vms, "host": {"pcpus": 2}}
    story.machine, story.moments, story.events = built(story.raw), {}, []
    story.go(5)
    if stopped:
        story.ask({"type": "stop_vm", "vm": "b"})
    story.go(30)
    assert (story.machine.ended, story.machine.stalled) == (not stopped, stopped)
    at_rest = replay.machine_at(story.recording(), story.machine.now)
    assert hashes(at_rest) == hashes(story.machine)
    last = story.machine.now
    for _ in range(2):
        story.ask({"type": "start_vm", "vm": "b"})
    assert story.machine.now == last + 1
    recording = story.recording(tick=0, over=False)
    assert hashes(replay.machine_at(recording, last + 1)) == hashes(story.machine)
