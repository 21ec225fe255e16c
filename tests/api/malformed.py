"""Messages no browser would send: each breaks something else, and a seed gives them again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from vms.engine.commands import COMMANDS
from vms.live.controls import CONTROLS
from vms.live.wishes import WISHES

KINDS = (*COMMANDS, *CONTROLS, *WISHES)
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    -(2**64),
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    -0.0,
    "",
    " ",
    "web-1",
    "\0",
    "\ud800",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢\u202e",
    "x" * 5000,
    "../../etc/passwd",
    "__class__",
    "{0.__class__}",
    "%s%n",
    [],
    {},
    [[[[[[[[]]]]]]]],
    {"type": "play"},
    ["web-1"] * 50,
    {"": {"": {"": ""}}},
)
"""Values for fields: hardly any is one that its field takes."""
HARMLESS = frozenset({"reset", "fork", "undo", "redo", "switch", "add_vm", "clone_vm"})
"""What might be done by chance and leaves something behind: sent only with fields that are odd."""


def messages(seed: int) -> Iterator[str | bytes]:
    """Return messages without end; text is sent as text, bytes as bytes."""
    rng = random.Random(seed)
    while True:
        yield rng.choice(MAKERS)(rng)


def valid(kind: str, rng: random.Random) -> dict[str, Any]:
    """Return a message of a kind, with its fields; odd values in them."""
    model = {**COMMANDS, **CONTROLS, **WISHES}[kind]
    message: dict[str, Any] = {"type": kind, "id": rng.choice((1, *ODD))}
    for name in model.model_fields:
        if kind in HARMLESS or rng.random() < 0.9:
            message[name] = rng.choice(ODD)
    if kind in HARMLESS:
        message["odd"] = 1
    return message


def odd_fields(rng: random.Random) -> str:
    """Return a message of a known kind."""
    return written(valid(rng.choice(KINDS), rng))


def odd_kind(rng: random.Random) -> str:
    """Return a message of no kind that is known."""
    kind = rng.choice((*ODD, "PLAY", "play ", "reset\0", "drop_table", "again" * 9))
    return written({"type": kind, rng.choice(("id", "vm", "ticks", "", "odd")): rng.choice(ODD)})


def unknown_field(rng: random.Random) -> str:
    """Return a message with a field that its kind does not have."""
    message = valid(rng.choice(KINDS), rng)
    message[rng.choice(("tikcs", "self", "model_config", "__init__", "", "a" * 3000))] = 1
    return written(message)


def cut(rng: random.Random) -> str:
    """Return a message that ends too early."""
    text = written(valid(rng.choice(KINDS), rng))
    return text[: rng.randrange(len(text))]


def scrambled(rng: random.Random) -> str:
    """Return a message in which letters were exchanged."""
    letters = list(written(valid(rng.choice(KINDS), rng))[:2000])
    for _ in range(rng.randrange(1, 6)):
        letters[rng.randrange(len(letters))] = chr(rng.randrange(1, 0x2FF))
    return "".join(letters)


def no_object(rng: random.Random) -> str:
    """Return JSON that is no object."""
    return written(rng.choice([each for each in ODD if not isinstance(each, dict)]))


def nested(rng: random.Random) -> str:
    """Return brackets in brackets."""
    depth = rng.choice((51, 1000, 20_000))
    one, other = rng.choice((("[", "]"), ('{"a":', "}")))
    return '{"type":"add_vm","vm":' + one * depth + rng.choice(("", "1" + other * depth + "}"))


def noise(rng: random.Random) -> str:
    """Return letters by chance."""
    return "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0xD800)))) for _ in range(40))


def too_long(rng: random.Random) -> str:
    """Return a message beyond the limit; rarely, as it takes its time."""
    if rng.random() < 0.95:
        return noise(rng)
    return '{"type":"play","odd":"' + rng.choice("xé") * rng.choice((65_530, 70_000)) + '"}'


def binary(rng: random.Random) -> bytes:
    """Return bytes: four of them would be an acknowledgement, of what was never sent."""
    return rng.randbytes(rng.choice((0, 1, 3, 4, 5, 64)))


def written(message: Any) -> str:
    """Return JSON; with NaN and lone surrogates, as a careless program writes it."""
    return json.dumps(message)


MAKERS: tuple[Callable[[random.Random], str | bytes], ...] = (
    odd_fields,
    odd_fields,
    odd_fields,
    odd_kind,
    unknown_field,
    cut,
    scrambled,
    no_object,
    nested,
    noise,
    too_long,
    binary,
)

FRAMES: tuple[bytes, ...] = (
    b"\x81\x05hello",  # not masked
    b"\xc1\x85\0\0\0\0hello",  # a reserved bit
    b"\x83\x80\0\0\0\0",  # a reserved opcode
    b"\x81\x82\0\0\0\0\xc3\x28",  # text that is not UTF-8
    b"\x80\x81\0\0\0\0x",  # goes on with what never began
    b"\x89\xfe\x00\x80\0\0\0\0" + b"x" * 128,  # a ping that is too long
    b"\x09\x80\0\0\0\0",  # a ping in parts
    b"\x88\x81\0\0\0\0x",  # a close with half a code
    b"\x88\x82\0\0\0\0\x00\x01",  # a close with a code that cannot be
    b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x",  # nine exabytes to come
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",  # a length below zero
    b"\x01\x81\0\0\0\0x" * 2,  # begins twice
    b"\xff" * 64,
    b"\0" * 64,
)
"""Frames that break the protocol itself, masked with nothing but zeros."""
