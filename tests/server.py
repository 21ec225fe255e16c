"""A real server in a process of its own, as tests start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_S = 240  # on a cold machine the engine is compiled first
STOP_S = 30


class RunningServer:
    """``manage.py serve --prepare`` on a free port, with its own database and secret key.

    `command` may name another script of the project that prints its address. `url` is that
    address without a slash at the end, `port` its port, `log` all that was printed.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = ("manage.py", "serve", "--prepare"),
    ) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "VMLAB_VAR": str(folder),
            "VMLAB_KERNELS": os.environ.get("VMLAB_KERNELS", str(ROOT / "var" / "kernels")),
            "PORT": "0",
            "PYTHONWARNINGS": "error",
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        }
        self.log = ""
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ready.wait(START_S)
        found = re.search(r"http://[^/]*:(\d+)/", self.log)
        if found is None:
            self.stop()
            raise AssertionError(f"the server did not start:\n{self.log}")
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log += line
            if "http://" in line:
                self._ready.set()
        self._ready.set()  # it ended

    def manage(self, *arguments: str) -> str:
        """Run another command on this server's database, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """Run Python code with this server's models, and return what it printed."""
        return self.manage("shell", "--verbosity", "0", "-c", code)

    def memory_kib(self, line: str = "VmRSS") -> int:
        """Return the memory that is resident now, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{line}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    def peak_kib(self) -> int:
        """Return the most memory that was resident, in KiB, since the last `forget_peak`."""
        return self.memory_kib("VmHWM")

    def forget_peak(self) -> None:
        """Measure the peak of memory from now on."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self) -> int:
        """Ask the server to stop as a service manager does, and return its return code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join()  # the pipe ends with the process
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code
