"""One translation of a lab's machine step by step, as data: what the walk theatre plays."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vms import alive
from vms.engine.errors import EngineError
from vms.permissions import WATCH, Access, lab_view
from vms.views.runs import whole
from vms.words import sentence

JSON = dict[str, Any]


@require_safe
@never_cache
@lab_view(WATCH)
def lab_walk(request: HttpRequest, access: Access) -> JsonResponse:
    """Tell a walk: `?vm=ROW&page=N` or `&vcpu=V` (the page it referenced last), `[&tick=T&run=N]`.

    Without a tick of the live run as it is; of another tick on a machine played up to it.
    """
    given = request.GET
    try:
        number = {name: whole(given[name], name) for name in given if name in _NUMBERS}
        if "vm" not in number and "vcpu" not in number:
            raise EngineError("{field} is missing", "vm")
        told = _read(access, number)
    except EngineError as error:
        return JsonResponse({"message": sentence(error), "field": error.field}, status=422)
    if told is None:
        message = _("The lab is at rest: open it to see how it translates.")
        return JsonResponse({"message": message})
    return JsonResponse(told)


_NUMBERS = {"vm", "page", "vcpu", "tick", "run"}


def _read(access: Access, number: dict[str, int]) -> JSON | None:
    def told(machine: Any) -> JSON:
        return walk_of(machine, number.get("vm"), number.get("page"), number.get("vcpu"))

    if "tick" in number:
        return alive.read_at(access.lab.pk, number.get("run"), number["tick"], told)
    return alive.read(access.lab.pk, told)


def walk_of(machine: Any, vm: int | None, page: int | None, vcpu: int | None) -> JSON:
    """Return a walk of a machine at rest with what made it: `by` names the vCPU and its access.

    Raises EngineError where there is no such VM, vCPU or page, or the vCPU has referenced none.
    """
    from vms.engine.translation import summary  # noqa: PLC0415  (imported where it is read)
    from vms.engine.translation.walk import walk  # noqa: PLC0415

    by = None
    if vcpu is not None:
        by, vm, page = _last(machine, vcpu)
    vms = len(machine.vm_names)
    if vm is None or not 0 <= vm < vms:
        raise EngineError("{field} must be 0..{high}, got {given}", "vm", high=vms - 1, given=vm)
    told = walk(machine, vm, page or 0)
    keys = machine.scenario.host.translation
    return told | {
        "tick": machine.now,
        "row": vm,
        "by": by,
        "keys": None if keys is None else keys.model_dump(mode="json"),
        "counters": summary.of_vm(machine, vm) | summary.of_host(machine),
    }


def _last(machine: Any, vcpu: int) -> tuple[JSON, int, int]:
    """Return the vCPU and how it referenced a page last, the row of its VM, and the page."""
    from vms.engine.foresight import references  # noqa: PLC0415  (wakes Numba)

    vcpus = len(machine.vcpu_names)
    if not 0 <= vcpu < vcpus:
        raise EngineError(
            "{field} must be 0..{high}, got {given}", "vcpu", high=vcpus - 1, given=vcpu
        )
    name, row = machine.vcpu_names[vcpu], machine.state.vcpu[vcpu]
    made = references(machine, vcpu, -1, 1)
    if not len(made):
        raise EngineError("{name} has not referenced any page yet", "vcpu", name=name)
    page, write = divmod(int(made[0]), 2)
    by = {"vcpu": vcpu, "name": name, "write": bool(write), "pcpu": int(row.pcpu)}
    return by, int(row.vm), page
