"""The machine of a lab at rest: its host, devices, VMs, their virtual devices and pages.

Limits stand in the schema of the scenario and nowhere else; the columns only hold what it allows.
A column that is empty means what a key left out of the scenario means: the default of the schema.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from vms.engine.devices import DEVICES
from vms.models.lab import Lab

PAGE_FLAGS = ("present", "writable", "accessed", "dirty", "shared", "swapped")
PRESENT, WRITABLE, ACCESSED, DIRTY, SHARED, SWAPPED = (1 << bit for bit in range(6))


def device_choices() -> list[tuple[str, str]]:
    """List the device models; a callable, so that a new one needs no migration."""
    return [(name, name) for name in DEVICES]


class Host(models.Model):
    """The physical machine of a lab: pCPUs, frames, policies, costs, swap."""

    class Swap(models.TextChoices):
        """Where pages wait that were driven out of memory."""

        IDEAL = "ideal", _("an ideal store that takes no time")
        DEVICE = "device", _("a device")
        NONE = "none", _("none: out of memory stops the VM")

    lab = models.OneToOneField(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="host"
    )
    pcpus = models.PositiveIntegerField(_("pCPUs"), default=1)
    frames = models.PositiveIntegerField(_("frames"), default=4096)
    page_kib = models.PositiveIntegerField(_("KiB per page"), default=4)
    scheduler = models.JSONField(
        _("scheduler"), default=dict, blank=True, help_text=_("policy, time_slice and its keys")
    )
    replacement = models.JSONField(
        _("page replacement"), default=dict, blank=True, help_text=_("policy, scope and its keys")
    )
    costs = models.JSONField(
        _("costs"), null=True, blank=True, help_text=_("in nanoseconds, or none for no cost at all")
    )
    swap = models.CharField(_("swap"), max_length=10, choices=Swap, default=Swap.IDEAL)
    swap_device = models.ForeignKey(
        "Device",
        verbose_name=_("swap device"),
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
    )
    more = models.JSONField(_("other keys"), default=dict, blank=True)

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")

    def __str__(self) -> str:
        return f"{self.lab} · {self.pcpus} pCPUs · {self.frames} frames"


class Device(models.Model):
    """A physical device of a lab's host."""

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="devices"
    )
    position = models.PositiveIntegerField(_("position"), default=0)
    name = models.CharField(_("name"), max_length=64)
    kind = models.CharField(_("kind"), max_length=30, choices=device_choices, default="disk")
    channels = models.PositiveIntegerField(
        _("channels"), null=True, blank=True, help_text=_("Parallel servers; empty: the kind's.")
    )
    service_us = models.PositiveIntegerField(
        _("service time"),
        null=True,
        blank=True,
        help_text=_("Microseconds per request; empty: the kind's."),
    )
    mib_per_s = models.PositiveIntegerField(
        _("throughput"), null=True, blank=True, help_text=_("MiB per second; empty: the kind's.")
    )
    vfs = models.PositiveIntegerField(
        _("virtual functions"), null=True, blank=True, help_text=_("SR-IOV; empty: the kind's.")
    )
    more = models.JSONField(_("other keys"), default=dict, blank=True)

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name


class VirtualMachine(models.Model):
    """One VM of a lab; `count` of a scenario has become that many rows."""

    class Kind(models.TextChoices):
        """How it is isolated from the host."""

        VM = "vm", _("VM")
        CONTAINER = "container", _("container")
        MICROVM = "microvm", _("microVM")

    lab = models.ForeignKey(
        Lab, verbose_name=_("lab"), on_delete=models.CASCADE, related_name="vms"
    )
    position = models.PositiveIntegerField(_("position"), default=0)
    name = models.CharField(_("name"), max_length=64)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.VM)
    vcpus = models.PositiveIntegerField(_("vCPUs"), default=1)
    pages = models.PositiveIntegerField(
        _("pages"), default=256, help_text=_("Guest-physical pages.")
    )
    time_slice = models.PositiveIntegerField(
        _("time slice"), null=True, blank=True, help_text=_("In ticks; empty: the host's.")
    )
    weight = models.PositiveIntegerField(_("weight"), default=256)
    cap = models.PositiveIntegerField(
        _("cap"), default=0, help_text=_("Percent of one pCPU; 0: no cap.")
    )
    start_at = models.PositiveBigIntegerField(
        _("starts at"), default=0, help_text=_("The tick at which it is up.")
    )
    image = models.JSONField(
        _("image"), null=True, blank=True, help_text=_("name and pages, shared by all that use it")
    )
    workload = models.JSONField(_("workload"), default=dict)
    more = models.JSONField(
        _("other keys"),
        default=dict,
        blank=True,
        help_text=_("Keys of the scenario that have no field of their own, such as scheduler."),
    )

    class Meta:
        verbose_name = _("virtual machine")
        verbose_name_plural = _("virtual machines")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name


class Mapping(models.Model):
    """A virtual device of a VM: the physical device behind it and how it is reached."""

    class Mode(models.TextChoices):
        """How a request gets from the guest to the device."""

        EMULATED = "emulated", _("emulated")
        PARAVIRTUAL = "paravirtual", _("paravirtual")
        PASSTHROUGH = "passthrough", _("passthrough")
        VF = "vf", _("virtual function")
        VHOST = "vhost", _("vhost: paravirtual, served by the kernel")

    vm = models.ForeignKey(
        VirtualMachine,
        verbose_name=_("virtual machine"),
        on_delete=models.CASCADE,
        related_name="mappings",
    )
    position = models.PositiveIntegerField(_("position"), default=0)
    name = models.CharField(_("name"), max_length=64)
    backend = models.ForeignKey(
        Device, verbose_name=_("backend"), on_delete=models.RESTRICT, related_name="mappings"
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode, default=Mode.PARAVIRTUAL)
    more = models.JSONField(_("other keys"), default=dict, blank=True)

    class Meta:
        verbose_name = _("mapping")
        verbose_name_plural = _("mappings")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return f"{self.vm} {self.name} → {self.backend} ({self.get_mode_display()})"


class Page(models.Model):
    """A run of contiguous pages with equal flags, as the last run left them.

    Addresses count pages, not bytes: `virtual_address` is the first guest-physical page,
    `physical_address` the first frame of the host (none when swapped). The pages that follow up
    to `span` lie in the frames that follow.
    """

    vm = models.ForeignKey(
        VirtualMachine,
        verbose_name=_("virtual machine"),
        on_delete=models.CASCADE,
        related_name="page_runs",
        db_index=False,  # the constraint below has one that begins with it
    )
    virtual_address = models.PositiveIntegerField(
        _("virtual address"), help_text=_("The first guest-physical page of the run.")
    )
    physical_address = models.PositiveIntegerField(
        _("physical address"),
        null=True,
        blank=True,
        help_text=_("The frame of the first page; empty when swapped."),
    )
    span = models.PositiveIntegerField(_("span"), default=1, help_text=_("In pages."))
    flags = models.PositiveSmallIntegerField(_("flags"), default=PRESENT | WRITABLE)

    class Meta:
        verbose_name = _("page")
        verbose_name_plural = _("pages")
        ordering = ("vm", "virtual_address")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("vm", "virtual_address"),
                name="page_once",
                violation_error_message=_("This page of the VM has a row already."),
            ),
            models.CheckConstraint(condition=models.Q(span__gte=1), name="page_span_at_least_1"),
        ]

    def __str__(self) -> str:
        last = self.virtual_address + self.span - 1
        return f"{self.vm} {self.virtual_address}..{last}"

    @property
    def flag_names(self) -> list[str]:
        """The names of the flags that are set."""
        return [name for bit, name in enumerate(PAGE_FLAGS) if self.flags >> bit & 1]
