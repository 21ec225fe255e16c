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


def recorded():
    """Play a lab, and return what its viewers were sent and what they should then see."""
    machine = build(Scenario.parse(busy_lab()))
    picture = Picture()
    encoder, pages, heat = Encoder(machine, picture), PagesEncoder(2), HeatEncoder()
    streams = [(0, encoder, picture), (1, heat, heat.picture), (18, pages, pages.picture)]
    versions, sent = {0: 0, 1: 0, 18: 0}, []

    def sample(each):
        if each is not encoder:
            return each.sample(machine)
        state = {"tick": machine.now, "status": "playing", "speed": 100}
        documents = {"state": state, "people": [{"name": "alice"}], "laws": {"a": {"holds": True}}}
        documents["meta"] = describe(machine, "lab")
        return encoder.sample(documents, [{"sequence": machine.now}])

    def publish(begin=False):
        for topic, each, picture in streams:
            made = sample(each)
            if made is not None:
                picture.apply(made.body)
            if begin:
                data = message(SNAPSHOT, topic, 0, versions[topic], picture.snapshot())
            elif made is not None:
                base, versions[topic] = versions[topic], versions[topic] + 1
                data = message(
                    DELTA, topic, base, versions[topic], made.wire, compressed=made.compressed
                )
            else:
                continue
            sent.append(base64.b64encode(data).decode())

    publish(begin=True)
    for n in range(60):
        if n == 30:
            late = {**busy_lab()["vms"][0], "name": "late"}
            parse({"type": "add_vm", "vm": late}).apply(machine)
        left = 17
        while left:
            left -= advance(machine, left)
            encoder.collect(machine.drain())
        publish()
    whole = zlib.compress(picture.snapshot(), 1)
    snapshot = message(SNAPSHOT, 0, 0, versions[0], whole, compressed=True)
    return {
        "messages": sent,
        "snapshot": base64.b64encode(snapshot).decode(),
        "expected": expected(machine, picture, pages, heat),
    }


def expected(machine, picture, pages, heat):
    """What the page should show, read from the machine itself where it can be."""
    tables = {}
    for table in ("pcpu", "vcpu", "vm", "device", "vdevice"):
        names = getattr(machine, f"{table}_names", machine.state.pcpu)
        rows = getattr(machine.state, table)[: len(names)]
        tables[table] = {
            c.name: rows["pass_" if c.name == "pass" else c.name].astype(float).tolist()
            for c in blocks.TABLES[table]
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
