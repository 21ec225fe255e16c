"""The page's scripts under Node, fed with bytes that the Python encoder made."""

import base64
import json
import os
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.live.doubles import busy_lab
from vms.engine.commands import parse
from vms.engine.machine import build
from vms.engine.scenario import Scenario
from vms.engine.tick import advance
from vms.live.hub import DELTA, SNAPSHOT, message
from vms.live.wire import blocks
from vms.live.wire.describe import describe
from vms.live.wire.encode import Encoder, HeatEncoder, PagesEncoder
from vms.live.wire.picture import Picture

HERE = Path(__file__).parent
NODE = shutil.which("node")


class Recorder:
    """A lab that is played, and what its viewers are sent."""

    def __init__(self):
        self.machine = build(Scenario.parse(busy_lab()))
        self.picture = Picture()
        self.encoder = Encoder(self.machine, self.picture)
        self.pages, self.heat = PagesEncoder(2), HeatEncoder()
        self.versions = {0: 0, 1: 0, 18: 0}
        self.sent = []

    def advance(self, ticks):
        while ticks:
            ticks -= advance(self.machine, ticks)
            self.encoder.collect(self.machine.drain())

    def samples(self):
        state = {"tick": self.machine.now, "status": "playing", "speed": 100}
        documents = {"state": state, "people": [{"name": "alice"}], "laws": {"a": {"holds": True}}}
        documents["meta"] = describe(self.machine, "lab")
        journal = [{"sequence": self.machine.now}]
        yield 0, self.picture, self.encoder.sample(documents, journal)
        yield 1, self.heat.picture, self.heat.sample(self.machine)
        yield 18, self.pages.picture, self.pages.sample(self.machine)

    def begin(self):
        for topic, picture, sample in self.samples():
            picture.apply(sample.body)
            self.send(message(SNAPSHOT, topic, 0, 0, picture.snapshot()))

    def go_on(self):
        for topic, picture, sample in self.samples():
            if sample is not None:
                picture.apply(sample.body)
                base, self.versions[topic] = self.versions[topic], self.versions[topic] + 1
                to, packed = self.versions[topic], sample.compressed
                self.send(message(DELTA, topic, base, to, sample.wire, compressed=packed))

    def send(self, data):
        self.sent.append(base64.b64encode(data).decode())


def recorded():
    """Play a lab, and return what its viewers were sent and what they should then see."""
    lab = Recorder()
    lab.begin()
    for n in range(60):
        if n == 30:
            late = {**busy_lab()["vms"][0], "name": "late"}
            parse({"type": "add_vm", "vm": late}).apply(lab.machine)
        lab.advance(17)
        lab.go_on()
    whole = zlib.compress(lab.picture.snapshot(), 1)
    snapshot = message(SNAPSHOT, 0, 0, lab.versions[0], whole, compressed=True)
    return {
        "messages": lab.sent,
        "snapshot": base64.b64encode(snapshot).decode(),
        "expected": expected(lab.machine, lab.picture, lab.pages, lab.heat),
    }


def expected(machine, picture, pages, heat):
    """What the page should show, read from the machine itself where it can be."""
    tables = {}
    for table in ("pcpu", "vcpu", "vm", "device", "vdevice"):
        names = getattr(machine, f"{table}_names", machine.state.pcpu)
        rows = getattr(machine.state, table)[: len(names)]
        named = {c.name: "pass_" if c.name == "pass" else c.name for c in blocks.TABLES[table]}
        tables[table] = {  # percentiles are worked out for the wire: no column holds them
            name: rows[field].astype(float).tolist()
            for name, field in named.items()
            if field in (rows.dtype.names or ())
        }
    history = picture.tables["history"]
    return {
        "tick": machine.now,
        "tables": tables,
        "queue": machine.queue(),
        "crc": picture.crc(),
        "frames": picture.tables["frames"]["value"].tolist(),
        "pages": pages.picture.tables["pages"]["value"].tolist(),
        "heat": heat.picture.tables["heat"]["value"].tolist(),
        "slices": [
            [list(entry) for entry in lane] for lane in picture.slices(len(machine.state.pcpu))
        ],
        "events": len(picture.tables["events"]["tick"]),
        "lastEvent": [float(picture.tables["events"][k][-1]) for k in ("tick", "a", "b")],
        "historyTicks": history["tick"].tolist(),
        "lastShare": np.asarray(history["share"][-1], float).tolist(),
        "journal": len(picture.journal),
        "names": machine.vm_names,
    }


@pytest.mark.skipif(NODE is None, reason="Node.js is not here: the page's scripts are not tested")
def test_the_pages_scripts(tmp_path):
    fixture = tmp_path / "recorded.json"
    fixture.write_text(json.dumps(recorded()))
    done = subprocess.run(
        [NODE, "--test", *sorted(map(str, HERE.glob("*.test.js")))],
        env=os.environ | {"RECORDED": str(fixture)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
