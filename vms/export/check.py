"""A lab's file from anywhere, opened without trust.

Nothing is unpacked to disk, and no name of a member is ever a path.  What the zip says of itself is
checked before it is read, and what is read is held against the manifest: so a file that would
unpack to too much is refused by its directory, and one that lies about it when it has unpacked to
what it said.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, NoReturn

import orjson
from django.conf import settings

from vms.engine.errors import EngineError, shown
from vms.export import layout

JSON = dict[str, Any]
_END = struct.Struct("<4s4H2LH")
_END_MARK, _LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x07"
_LONGEST_COMMENT = 0xFFFF
_DIRECTORY_ENTRY = 400
"""Bytes in the directory for one member, more than any allowed name needs."""
_PACKING = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SMALL = 4 << 20
"""Bytes of a manifest, a scenario, notes and the like: what is read whole."""
LONGEST_LINE = 4 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


def _refuse(template: str, **values: Any) -> NoReturn:
    raise EngineError(template, **values)


@dataclass(frozen=True)
class Member:
    """What the manifest says of a member."""

    size: int
    digest: str


class LabFile:
    """A lab's file that is laid out as it should be; its members are checked as they are read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        most = settings.VMLAB_IMPORT_BYTES
        if size > most:
            raise EngineError(
                "a lab's file must be at most {high} bytes, got {given}", high=most, given=size
            )
        _check_end(file, size)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN:
            _refuse("not a lab's file: its directory cannot be read")
        self._infos = _checked(self._zip.infolist())
        self.manifest = self._manifest()
        self.members = self._members()

    def _manifest(self) -> JSON:
        if layout.MANIFEST not in self._infos:
            _refuse("not a lab's file: it has no {name}", name=layout.MANIFEST)
        document = parsed(self._content(layout.MANIFEST, SMALL), layout.MANIFEST)
        if document.get("format") != layout.FORMAT:
            _refuse("not a lab's file: its manifest names another format")
        version = document.get("version")
        if type(version) is not int or not 1 <= version <= layout.VERSION:
            _refuse(
                "a lab's file must be of version 1..{high}, got {given}: a newer VM Lab reads it",
                high=layout.VERSION,
                given=shown(version),
            )
        return document

    def _members(self) -> dict[str, Member]:
        """Return what the manifest names, which must be what there is, of the sizes it says."""
        given = self.manifest.get("members")
        if not isinstance(given, dict) or set(given) != set(self._infos) - {layout.MANIFEST}:
            _refuse("not a lab's file: its manifest names other members than it has")
        found = {}
        for name, member in given.items():
            size = member.get("bytes") if isinstance(member, dict) else None
            digest = member.get("sha256") if isinstance(member, dict) else None
            if size != self._infos[name].file_size or not isinstance(digest, str):
                _refuse("not a lab's file: {name} is not as long as its manifest says", name=name)
            found[name] = Member(size, digest)
        return found

    def read(self, name: str, most: int = SMALL) -> bytes:
        """Return a member. Raises EngineError where it is too long, or not what was hashed."""
        self._refuse_missing(name)
        content = self._content(name, most)
        if hashlib.sha256(content).hexdigest() != self.members[name].digest:
            _wrong_hash(name)
        return content

    def document(self, name: str, most: int = SMALL) -> JSON:
        """Return a member that is a JSON object."""
        return parsed(self.read(name, most), name)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a member; the last of them only when the hash of all is right."""
        self._refuse_missing(name)
        digest, last = hashlib.sha256(), b""
        for line in self._lines(name):
            digest.update(line)
            if last:
                yield last
            last = line
        if digest.hexdigest() != self.members[name].digest:
            _wrong_hash(name)
        if last:
            yield last

    def _lines(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(self._infos[name]) as member:
                while line := member.readline(LONGEST_LINE + 1):
                    if len(line) > LONGEST_LINE:
                        _refuse(
                            "not a lab's file: {name} has a line of more than {n} bytes",
                            name=name,
                            n=LONGEST_LINE,
                        )
                    yield line
        except EngineError:
            raise
        except _BROKEN:
            _unreadable(name)

    def _refuse_missing(self, name: str) -> None:
        if name not in self.members:
            _refuse("not a lab's file: it has no {name}", name=name)

    def _content(self, name: str, most: int) -> bytes:
        info = self._infos[name]
        if info.file_size > most:
            _refuse("not a lab's file: {name} must be at most {high} bytes", name=name, high=most)
        try:
            with self._zip.open(info) as member:
                content = member.read(info.file_size + 1)
        except _BROKEN:
            _unreadable(name)
        if len(content) != info.file_size:
            _unreadable(name)
        return content


def _check_end(file: IO[bytes], size: int) -> None:
    """Refuse by the last bytes of a zip what would be too much to read its directory.

    Source: APPNOTE 4.3.16, end of central directory record.
    """
    file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END.size:
        _refuse("not a lab's file: it is no zip")
    if _LOCATOR_MARK in tail[max(0, at - 20) : at]:
        _refuse("not a lab's file: its directory is of the kind for more than 4 GiB")
    _mark, _disk, _first, _here, members, directory, _start, _comment = _END.unpack_from(tail, at)
    most = settings.VMLAB_IMPORT_FILES
    if members > most or directory > most * _DIRECTORY_ENTRY:
        _refuse("not a lab's file: it must have at most {high} members, got more", high=most)
    file.seek(0)


def _checked(infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name: only those that a lab's file has, and not too much of them."""
    found: dict[str, zipfile.ZipInfo] = {}
    unpacked = 0
    for info in infos:
        name = info.orig_filename
        if not layout.allowed(name) or info.filename != name:
            _refuse(
                "not a lab's file: a member must be called as the parts of a lab are, got {name}",
                name=_said(name),
            )
        if name in found:
            _refuse("not a lab's file: it has {name} twice", name=name)
        if info.flag_bits & 0x1 or info.compress_type not in _PACKING:
            _refuse("not a lab's file: {name} is packed in a way that is not read here", name=name)
        found[name] = info
        unpacked += info.file_size
    most = settings.VMLAB_IMPORT_UNPACKED_BYTES
    if unpacked > most:
        raise EngineError(
            "a lab's file must unpack to at most {high} bytes, got {given}",
            high=most,
            given=unpacked,
        )
    return found


def _said(name: str) -> str:
    """Return a hostile name as it may stand in a sentence."""
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return plain if len(plain) <= 60 else f"{plain[:60]}…"


def parsed(content: bytes, name: str) -> JSON:
    """Return the JSON object that a member, or a line of it, is."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        _refuse("not a lab's file: {name} is not JSON", name=name)
    if not isinstance(document, dict):
        _refuse("not a lab's file: {name} is no mapping", name=name)
    return document


def _unreadable(name: str) -> NoReturn:
    _refuse("not a lab's file: {name} cannot be unpacked", name=name)


def _wrong_hash(name: str) -> NoReturn:
    _refuse("not a lab's file: {name} is not what its manifest has the hash of", name=name)
