"""A VM in a form: its figures, its virtual devices, the steps of its workload; one editor.

The editor works without scripts: *add* and *remove* are buttons of the form that bring it back with
a line more or less and everything typed kept.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Any

from django import forms
from django.db import transaction
from django.http import QueryDict
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from vms.engine.errors import EngineError
from vms.forms.check import attach
from vms.forms.fields import Choice, Keys, Text, Value
from vms.forms.policies import vm_fields
from vms.forms.steps import StepForm, StepFormSet, initial_of
from vms.live.store import VM_KEYS, default_of, read_rows
from vms.models import Device, Lab, Mapping, VirtualMachine

JSON = dict[str, Any]


class VMForm(forms.Form):
    """The figures of a VM."""

    others = "more"

    name = Text(label=_("Name"), required=True)
    count = Value(label=_("How many"), default=1, help_text=_("More than one: name-1, name-2 …"))
    kind = Choice(label=_("Kind"), choices=VirtualMachine.Kind.choices)
    vcpus = Value(label=_("vCPUs"), default=1)
    pages = Value(label=_("Pages"), default=256)
    weight = Value(label=_("Weight"), default=256)
    time_slice = Value(label=_("Time slice, ticks"))
    start_at = Value(label=_("Starts at tick"), default=0)
    cap = Value(label=_("Cap, percent"), default=0, help_text=_("Of one pCPU; 0: none."))
    image_name = Text(label=_("Image"), help_text=_("VMs of one image share its pages."))
    image_pages = Value(label=_("Image pages"))
    workload_repeat = Value(
        label=_("Repeat"), default=1, help_text=_("A number of times, or forever.")
    )
    more = Keys(label=_("Other keys"), help_text=_("One per line, such as boot: true"))

    def __init__(self, *args: Any, new: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["time_slice"].widget.attrs["placeholder"] = gettext("the host’s")
        self.fields |= vm_fields()
        if not new:
            del self.fields["count"]

    @property
    def scheduling(self) -> list[forms.BoundField]:
        """The fields of what schedulers know of the VM."""
        return [self[name] for name in self.fields if name.startswith(SHARE)]

    @property
    def has_scheduling(self) -> bool:
        """Whether one of them is filled in, or refused."""
        return any(field.value() not in {None, ""} or field.errors for field in self.scheduling)


SHARE = "scheduler_"
"""How the names of fields of `vms[].scheduler` begin."""


def _share(given: MappingType[str, Any]) -> JSON:
    """Return the keys of schedulers that were typed, by their names in the scenario."""
    keys = {name: value for name, value in given.items() if name.startswith(SHARE)}
    return {name.removeprefix(SHARE): v for name, v in keys.items() if v is not None}


class MappingForm(forms.Form):
    """A virtual device."""

    name = Text(label=_("Name"), required=True)
    backend = Choice(label=_("Backend"))
    mode = Choice(label=pgettext_lazy("of a device", "Mode"), choices=Mapping.Mode.choices)

    def __init__(self, *args: Any, backends: list[Device] = [], **options: Any) -> None:  # noqa: B006
        super().__init__(*args, **options)
        self.fields["backend"].choices = [  # type: ignore[attr-defined]
            (device.name, device.name) for device in backends
        ]


MappingFormSet = forms.formset_factory(MappingForm, extra=0, max_num=64, absolute_max=64)


class VMEditor:
    """The forms of one VM, `vm` none for a new one; `data` what was posted.

    `form`, `devices` and `steps` are what the template shows. `asked` is true where a button
    only wanted a line more or less: nothing is checked then.
    """

    def __init__(
        self, lab: Lab, vm: VirtualMachine | None = None, data: QueryDict | None = None
    ) -> None:
        self.lab, self.new = lab, vm is None
        self.rows = read_rows(lab)
        self.vm = vm or VirtualMachine(lab=lab, position=_next_position(lab))
        initial, devices, steps = self._at_rest()
        change = _line_asked(data) if data is not None else None
        self.asked = change is not None
        if data is not None and change is not None:
            names = [*VMForm.base_fields, *vm_fields()]
            initial = {name: data.get(f"vm-{name}") for name in names}
            devices = _typed(data, "devices", MappingForm)
            steps = _typed(data, "steps", StepForm)
            change(devices if change.of == "devices" else steps)
            data = None
        options: JSON = {"form_kwargs": {"backends": self.rows.devices}}
        self.form = VMForm(data, initial=initial, prefix="vm", new=self.new)
        self.devices = MappingFormSet(data, initial=devices, prefix="devices", **options)
        self.steps = StepFormSet(data, initial=steps, prefix="steps")

    def _at_rest(self) -> tuple[JSON, list[JSON], list[JSON]]:
        """Return what the forms start with: the rows, or an example for a new VM."""
        vm = self.vm
        mappings = [] if self.new else list(vm.mappings.select_related("backend"))
        initial: JSON = {key: getattr(vm, key) for key in VM_KEYS if key != "image"}
        image = vm.image or {}
        workload = vm.workload or {"repeat": "forever", "steps": [{"compute": 10}]}
        share = vm.more.get("scheduler") or {}
        initial |= {f"{SHARE}{name}": value for name, value in share.items()}
        initial |= {
            "name": vm.name,
            "more": {key: value for key, value in vm.more.items() if key != "scheduler"},
            "image_name": image.get("name"),
            "image_pages": image.get("pages"),
            "workload_repeat": workload.get("repeat", 1),
        }
        devices = [
            {"name": mapping.name, "backend": mapping.backend.name, "mode": mapping.mode}
            for mapping in mappings
        ]
        return initial, devices, [initial_of(step) for step in workload["steps"]]

    def is_valid(self) -> bool:
        """Check each form, then the whole scenario as it would be; errors go to their fields."""
        forms_ = (self.form, self.devices, self.steps)
        if self.asked or not all([each.is_valid() for each in forms_]):  # noqa: C419 (check all)
            return False
        self._fill(self.form.cleaned_data)
        mappings = self._mappings()
        if mappings is None:
            return False
        self.mappings = mappings
        self.rows.put_vm(self.vm, mappings)
        try:
            self.scenario = self.rows.check()
        except EngineError as error:
            self._attach(error)
            return False
        return True

    def _fill(self, given: MappingType[str, Any]) -> None:
        vm = self.vm
        vm.name = given["name"]
        for key in VM_KEYS:
            if key != "image":
                setattr(vm, key, default_of(vm, key) if given[key] is None else given[key])
        image = {"name": given["image_name"], "pages": given["image_pages"]}
        image = {key: value for key, value in image.items() if value is not None}
        vm.image = image or None
        share = _share(given)
        vm.more = (given["more"] or {}) | ({"scheduler": share} if share else {})
        if given.get("count") not in {None, 1}:
            vm.more = vm.more | {"count": given["count"]}
        repeat = given["workload_repeat"]
        steps = [form.step() for form in self.steps.forms]
        vm.workload = ({"repeat": repeat} if repeat is not None else {}) | {"steps": steps}

    def _mappings(self) -> list[Mapping] | None:
        backends = {device.name: device for device in self.rows.devices}
        had = {} if self.new else {mapping.name: mapping for mapping in self.vm.mappings.all()}
        mappings = []
        for position, form in enumerate(self.devices.forms):
            given = form.cleaned_data
            backend = backends.get(given["backend"] or "")
            if backend is None:
                form.add_error("backend", gettext("The host has no device of this name."))
                return None
            mapping = Mapping(
                vm=self.vm,
                position=position,
                name=given["name"],
                backend=backend,
                mode=given["mode"] or Mapping.Mode.PARAVIRTUAL,
                more=had[given["name"]].more if given["name"] in had else {},
            )
            mappings.append(mapping)
        return mappings

    def _attach(self, error: EngineError) -> None:
        at = self.rows.path(self.vm)
        targets: list[tuple[str, forms.BaseForm]] = [(at, self.form)]
        targets += [(f"{at}.devices[{i}]", f) for i, f in enumerate(self.devices.forms)]
        targets += [(f"{at}.workload.steps[{i}]", f) for i, f in enumerate(self.steps.forms)]
        attach(error, targets, self.form)

    @transaction.atomic
    def save(self) -> list[VirtualMachine]:
        """Save the VM, or as many as were asked for, and mark the lab as changed."""
        count = self.vm.more.pop("count", 1) if self.new else 1
        vms = [self.vm]
        if count > 1:
            vms = [self._numbered(number) for number in range(1, count + 1)]
            VirtualMachine.objects.bulk_create(vms)
        else:
            self.vm.save()
            self.vm.mappings.all().delete()
        Mapping.objects.bulk_create(_copied(mapping, vm) for vm in vms for mapping in self.mappings)
        self.lab.save(update_fields=["updated"])
        return vms

    def _numbered(self, number: int) -> VirtualMachine:
        values = {key: getattr(self.vm, key) for key in (*VM_KEYS, "more", "workload")}
        return VirtualMachine(
            lab=self.lab,
            position=self.vm.position + number - 1,
            name=f"{self.vm.name}-{number}",
            **values,
        )


def _copied(mapping: Mapping, vm: VirtualMachine) -> Mapping:
    keys = ("position", "name", "backend", "mode", "more")
    return Mapping(vm=vm, **{key: getattr(mapping, key) for key in keys})


def _next_position(lab: Lab) -> int:
    last = lab.vms.order_by("-position").values_list("position", flat=True).first()
    return 0 if last is None else last + 1


class _Line:
    """A line to add to the devices or steps, or to take away or move up."""

    def __init__(self, verb: str, of: str, at: int) -> None:
        self.verb, self.of, self.at = verb, of, at

    def __call__(self, lines: list[JSON]) -> None:
        if self.verb == "add":
            lines.append({"kind": "compute"} if self.of == "steps" else {})
        elif 0 <= self.at < len(lines):
            line = lines.pop(self.at)
            if self.verb == "up":
                lines.insert(max(0, self.at - 1), line)


def _line_asked(data: QueryDict) -> _Line | None:
    """Read the button `line` = `add steps 0`, `remove devices 2`, `up steps 1`; none else."""
    words = data.get("line", "").split()
    if len(words) == 3 and words[1] in {"devices", "steps"} and words[2].isdigit():
        return _Line(words[0], words[1], int(words[2][:6]))
    return None


def _typed(data: QueryDict, prefix: str, form: type[forms.Form]) -> list[JSON]:
    """Return what was typed in the lines of a formset, unchecked."""
    total = data.get(f"{prefix}-TOTAL_FORMS", "0")
    count = min(int(total), 200) if total.isdigit() else 0
    return [
        {name: data.get(f"{prefix}-{at}-{name}") for name in form.base_fields}
        for at in range(count)
    ]


def copy_name(name: str, taken: set[str]) -> str:
    """Return the next free name after `name`: web-2 → web-3, batch → batch-2."""
    base, dash, number = name.rpartition("-")
    if not dash or not number.isdigit():
        base, number = name, "1"
    following = int(number[:6]) + 1
    while f"{base[:56]}-{following}" in taken:
        following += 1
    return f"{base[:56]}-{following}"


@transaction.atomic
def duplicate_vm(vm: VirtualMachine) -> VirtualMachine:
    """Make another VM like `vm`, after it in the lab. Raises EngineError where that's refused."""
    rows = read_rows(vm.lab)
    copy = VirtualMachine(
        lab=vm.lab,
        position=_next_position(vm.lab),
        name=copy_name(vm.name, {other.name for other, _mappings in rows.vms}),
        **{key: getattr(vm, key) for key in (*VM_KEYS, "more", "workload")},
    )
    mappings = [_copied(mapping, copy) for mapping in vm.mappings.all()]
    rows.put_vm(copy, mappings)
    rows.check()
    copy.save()
    Mapping.objects.bulk_create(_copied(mapping, copy) for mapping in mappings)
    vm.lab.save(update_fields=["updated"])
    return copy
