"""What samples are applied to: the server's picture of a run, and the twin of a browser's.

The machine is never read for a newcomer, since it may be in the middle of a tick in another thread:
a snapshot is made of the picture, which holds exactly what the viewers were told.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from vms.live.hub import COMPRESSED, HEADER, SNAPSHOT
from vms.live.wire import blocks
from vms.live.wire.blocks import APPEND, REPLACE, UPDATE, Block
from vms.live.wire.tail import Tail

KEPT = {"slices": 8192, "events": 500, "history": 600}
"""Rows kept of the tables that samples append to."""
JOURNAL_KEPT = 200

ON_LAB = tuple(name for name in blocks.TABLES if name not in {"pages", "heat"})
"""Tables of the bundle topic; pages and heat travel in topics of their own."""


class Picture:
    """Tables of columns and documents, as of the last sample that was applied.

    `documents` holds state, meta, laws and people; `journal` the last rows of the journal.
    """

    def __init__(self, tables: tuple[str, ...] = ON_LAB) -> None:
        self.names = tables
        self.clear()

    def clear(self) -> None:
        """Forget everything, as before a snapshot is applied."""
        self.documents: dict[str, Any] = {}
        self.journal: list[dict[str, Any]] = []
        self.tables = {name: blocks.empty(name) for name in self.names}
        self._tails = {name: Tail(KEPT[name]) for name in self.names if name in KEPT}

    def apply(self, body: bytes) -> None:
        """Change the picture by one sample."""
        for block in blocks.read(body):
            if block.document is not None:
                self._apply_document(block.document)
            elif block.what == REPLACE:
                self.tables[block.table] = {k: v.copy() for k, v in block.columns.items()}
            elif block.what == UPDATE:
                for name, values in block.columns.items():
                    self.tables[block.table][name][block.index] = values
            else:
                self._append(block)

    def snapshot(self) -> bytes:
        """Return a sample that makes an empty picture equal to this one."""
        document = {
            "schema": blocks.schema(),
            "set": self._documents(),
            "add": {"journal": self.journal},
        }
        parts = [blocks.json_block(document)]
        for name in self.names:
            what = APPEND if name in KEPT else REPLACE
            parts.append(blocks.block(name, what, self.tables[name]))
        return b"".join(parts)

    def _documents(self) -> dict[str, Any]:
        """Return the documents, `state` telling since when all slices are among those kept."""
        if "slices" not in self.tables or "state" not in self.documents:
            return self.documents
        to = self.tables["slices"]["to"]
        if len(to) < KEPT["slices"]:
            return self.documents
        state = self.documents["state"]
        since = max(state.get("slices_from", 0), float(to[0]))
        return {**self.documents, "state": {**state, "slices_from": since}}

    def crc(self) -> int:
        """Return the CRC-32 of the map: what tests compare on both sides."""
        return zlib.crc32(self.tables["frames"]["value"].tobytes())

    def slices(self, pcpus: int) -> list[list[tuple[int, int, int, int]]]:
        """Return (from, to, vcpu, overhead) of the slices kept, per pCPU, oldest first."""
        kept = self.tables["slices"]
        out: list[list[tuple[int, int, int, int]]] = [[] for _ in range(pcpus)]
        names = ("from", "to", "vcpu", "overhead")
        columns = [kept[name].astype(np.int64).tolist() for name in names]
        for pcpu, *row in zip(kept["pcpu"].tolist(), *columns, strict=True):
            out[pcpu].append((row[0], row[1], row[2], row[3]))
        return out

    def _apply_document(self, document: dict[str, Any]) -> None:
        self.documents.update(document.get("set", {}))
        self.journal += document.get("add", {}).get("journal", [])
        del self.journal[:-JOURNAL_KEPT]

    def _append(self, block: Block) -> None:
        """Add rows; a new set of columns takes the old one's place at once, as threads may read."""
        table = block.table
        self.tables[table] = self._tails[table].append(self.tables[table], block.columns)


class Receiver:
    """The receiving end of one topic, as static/js/wire.js has it."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.version: int | None = None
        self.snapshots = 0

    def receive(self, message: bytes) -> bool:
        """Apply a message of the topic; False where it is a delta onto another version."""
        kind, flags, _, base, version, length = HEADER.unpack_from(message)
        body = message[HEADER.size :]
        if len(body) != length:
            raise ValueError(f"a body of {length} bytes, but {len(body)} came")
        if kind != SNAPSHOT and base != self.version:
            return False
        if flags & COMPRESSED:
            body = zlib.decompress(body)
        if kind == SNAPSHOT:
            self.picture.clear()
            self.snapshots += 1
        self.picture.apply(body)
        self.version = version
        return True
