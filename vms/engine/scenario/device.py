"""A physical device of a scenario's host: servers behind one queue, and who is served next."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

from pydantic import model_validator

from vms.engine.devices import DEVICES
from vms.engine.errors import EngineError
from vms.engine.scenario.fields import Choice, Model, Name, Quantity
from vms.engine.tables import ACCESS, DISCIPLINES
from vms.engine.tables import SERVICES as SERVICE_WORDS

OF_A_KIND: dict[str, Any] = {
    "channels": None,
    "service_us": None,
    "mib_per_s": None,
    "vfs": None,
    "access": "io",
    "slice_us": 0,
    "poll_us": 0,
    "delay_us": 0,
    "profiles": 0,
}
"""Keys whose defaults are those of the kind; None: its file has to say so."""
Discipline = Annotated[str, Choice(*DISCIPLINES)]


def device_defaults(kind: str) -> dict[str, Any]:
    """Return what a device of `kind` has by default: every key of OF_A_KIND."""
    model = import_module(f"vms.engine.devices.{kind}")
    return {name: getattr(model, name.upper(), default) for name, default in OF_A_KIND.items()}


DEVICE_DEFAULTS = {kind: tuple(device_defaults(kind).values())[:3] for kind in DEVICES}
"""kind → its channels, service_us and mib_per_s."""


class Device(Model):
    """A physical device: parallel servers behind one queue."""

    name: Name
    kind: Annotated[str, Choice(*DEVICES)] = "disk"
    channels: Annotated[int, Quantity(1, 1_024, "channels")] = 1
    """Requests served at the same time.  Default: disk 1, nic 4, console 1."""
    service_us: Annotated[int, Quantity(0, 10**7, "µs")] = 250
    """Time a request takes apart from its data.  Default: disk 250, nic 20, console 100."""
    mib_per_s: Annotated[int, Quantity(1, 10**6, "MiB/s")] = 500
    """Speed of data.  Default: disk 500, nic 1000, console 1."""
    vfs: Annotated[int, Quantity(0, 256, "virtual functions")] = 0
    """SR-IOV virtual functions; each serves one virtual device of mode vf."""
    queue: Discipline = "fifo"
    """Whose request is served next: the first that came; of the VM that had least; the one whose
    deadline is first."""
    service: Annotated[str, Choice(*SERVICE_WORDS)] = "constant"
    """Whether `service_us` is the time of every request, or the mean of an exponential one."""
    access: Annotated[str, Choice(*ACCESS)] = "io"
    """How guests reach it: the reason of its exits.  Default: gpu, usb mmio, timer timer."""
    slice_us: Annotated[int, Quantity(0, 10**7, "µs")] = 0
    """Turn of a request, after which another one's comes; 0: no turns.  Default: gpu 500."""
    poll_us: Annotated[int, Quantity(0, 10**6, "µs")] = 0
    """Requests begin at multiples of it; 0: at any time.  Default: usb 125."""
    delay_us: Annotated[int, Quantity(0, 10**7, "µs")] = 0
    """switch: how long a packet is on the way.  Default: 10."""
    profiles: Annotated[int, Quantity(0, 64, "profiles")] = 0
    """Equal parts, each with one virtual device and as many times slower; 0: it is one."""
    ring: Annotated[int, Quantity(1, 65_536, "packets")] = 256
    """switch: packets that wait for a receiver at the most; further ones are lost."""

    @model_validator(mode="after")
    def _defaults_of_kind(self) -> Any:
        for name, default in device_defaults(self.kind).items():
            if name not in self.model_fields_set:
                self.__dict__[name] = default  # still left out for dump()
        if self.profiles:
            self._check_profiles()
        return self

    def _check_profiles(self) -> None:
        for name, allowed in (("queue", "fifo"), ("slice_us", 0)):
            if name in self.model_fields_set and getattr(self, name) != allowed:
                raise EngineError(
                    "{field} must be {allowed} where a device has profiles, got {given}",
                    name,
                    allowed=allowed,
                    given=getattr(self, name),
                )
        self.__dict__["slice_us"] = 0

    @property
    def servers(self) -> int:
        """Requests served at the same time: one in each profile, where it has some."""
        return self.profiles or self.channels
