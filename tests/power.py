"""Cut the power of a server's disk: a file system that can lose all that was not synced.

An ext4 file system in a file is shut down without flushing its log, as the tests of file systems
do it (`godown -f` of xfstests): from that moment every access fails, and what the program had
written but not made safe is gone when the file system is mounted again.  Then the server is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kills import Harness

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
BUSY_S = 20
SIZE = 256 << 20  # bytes of the file system; sparse


class Disk:
    """A file system at `folder` whose power can be cut."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder

    def mount(self) -> None:
        """Mount it; its log is replayed, as after a cut."""
        subprocess.run(
            ["mount", "-o", "loop", str(self.image), str(self.folder)],
            check=True,
            capture_output=True,
        )

    def cut(self) -> None:
        """Lose everything that is not on the disk yet; every access fails from now on."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Take it away as soon as nobody has a file of it open any more."""
        end = time.monotonic() + BUSY_S
        while (done := self._unmounted()).returncode and time.monotonic() < end:
            time.sleep(0.05)
        done.check_returncode()

    def _unmounted(self) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["umount", str(self.folder)], check=False, capture_output=True)


@contextlib.contextmanager
def disk_in(folder: Path) -> Iterator[Disk | None]:
    """Make and mount such a disk in `folder`; none where this account may not."""
    disk = Disk(folder / "disk.img", folder / "disk")
    disk.folder.mkdir()
    try:
        with disk.image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", str(disk.image)], check=True, capture_output=True)
        disk.mount()
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield disk
    finally:
        disk.unmount()


class PowerCuts(Harness):
    """The kills' harness, on a disk whose power is cut first."""

    def __init__(self, disk: Disk, seed: int = 1) -> None:
        self.disk = disk
        self.lost: list[bool] = []
        """Of each cut, whether a file that was written just before and not synced is gone."""
        super().__init__(disk.folder, seed)

    def end(self) -> None:
        """Cut the power, end the server that goes on without a disk, and bring the disk back."""
        unsafe = self.disk.folder / f"unsafe-{len(self.lost)}"
        unsafe.write_text("written, not synced")
        self.disk.cut()
        super().end()
        self.disk.unmount()
        self.disk.mount()
        self.lost.append(not unsafe.exists())
