"""What is decidable from a scenario as a whole, and refused before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from vms.engine.errors import EngineError
from vms.engine.scenario import groups, late, overcommitment
from vms.engine.scenario.device import Device
from vms.engine.scenario.fields import beyond, is_name, listed, no_such_device
from vms.engine.scenario.host import FIRST_POOL
from vms.engine.scenario.limits import Limits
from vms.engine.scenario.ports import receivers
from vms.engine.scenario.vm import VM
from vms.engine.scenario.workload import Io, Step, Touch, Trace
from vms.engine.workloads.recorded import RECORDED

if TYPE_CHECKING:
    from vms.engine.scenario.schema import Scenario


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def check(scenario: Scenario, limits: Limits) -> None:
    """Refuse what no single field can see.  Raises EngineError with the path."""
    totals(scenario.vms, limits)
    _names(scenario)
    backends(scenario)
    _targets(scenario)
    groups.check(scenario)
    for index, vm in enumerate(scenario.vms):
        check_vm(vm, f"vms[{index}]")
    _images(scenario.vms)
    packets(scenario)
    late.check(scenario)
    check_pools(scenario)
    _schedulers(scenario)
    _policies(scenario)
    overcommitment.check(scenario)


def totals(vms: Iterable[VM], limits: Limits) -> None:
    """Limits on what all VMs have together; steps and traces of a `count` are shared."""
    vms = tuple(vms)
    for unit, high, given in (
        ("VMs", limits.vms, sum(vm.count for vm in vms)),
        ("vCPUs", limits.total_vcpus, sum(vm.count * vm.vcpus for vm in vms)),
        ("pages", limits.total_pages, sum(vm.count * vm.pages for vm in vms)),
        ("steps", limits.steps, sum(map(_steps, vms))),
        ("clusters", limits.clusters, sum(vm.count * _clusters(vm) for vm in vms)),
        ("trace references", limits.references, sum(map(trace_references, vms))),
    ):
        if given > high:
            raise EngineError(
                "{field} together must have 1..{high} {unit}, got {given}",
                "vms",
                high=high,
                unit=unit,
                given=given,
            )


def _steps(vm: VM) -> int:
    traces = [step.trace for step in vm.workload.steps if step.trace]
    loads = (trace.utilisation for trace in traces)
    calls = (RECORDED[t.recorded].requests for t in traces if t.recorded and t.device)
    more = sum(len(load) - 1 for load in loads if load) + 2 * sum(calls)
    more += sum(step.attack.steps - 1 for step in vm.workload.steps if step.attack)
    return len(vm.workload.steps) + more


def _clusters(vm: VM) -> int:
    copies = vm.backup.keep + 2 if vm.backup else 1
    return sum(device.clusters * (copies + device.overlays) for device in vm.devices)


def trace_references(vm: VM) -> int:
    """References of a VM's traces as far as the scenario alone says (files are not open yet)."""
    traces = (step.trace for step in vm.workload.steps if step.trace)
    return sum(
        len(trace.pages or ()) + (RECORDED[trace.recorded].references if trace.recorded else 0)
        for trace in traces
    )


def _names(scenario: Scenario) -> None:
    unique(scenario.host.devices, "host.devices")
    seen: dict[str, int] = {}
    for index, entry in enumerate(scenario.vms):
        unique(entry.devices, f"vms[{index}].devices")
        for vm in entry.copies():
            field = f"vms[{index}].name"
            if vm.name in seen:
                raise _taken(field, vm.name, f"vms[{seen[vm.name]}]")
            if not is_name(vm.name):
                raise EngineError(
                    "{field} must be at most 64 characters after count, got {given}",
                    field,
                    given=vm.name,
                )
            seen[vm.name] = index


def unique(things: Iterable[_Named], path: str) -> None:
    """Refuse two things of one name in a list."""
    seen: dict[str, int] = {}
    for index, thing in enumerate(things):
        if thing.name in seen:
            raise _taken(f"{path}[{index}].name", thing.name, f"{path}[{seen[thing.name]}]")
        seen[thing.name] = index


def _taken(field: str, name: str, holder: str) -> EngineError:
    return EngineError(
        "{field} must be unique, got {given}, the name of {holder}",
        field,
        given=name,
        holder=holder,
    )


def backends(scenario: Scenario) -> None:
    """Refuse unknown backends, and more than a passthrough or vf device can serve."""
    host = scenario.host
    known = {device.name: device for device in host.devices}
    used: Counter[str] = Counter()
    swap = host.swap.device if host.swap else None
    if swap is not None and swap not in known:
        raise no_such_device("host.swap.device", swap, known)
    for index, vm in enumerate(scenario.vms):
        for number, device in enumerate(vm.devices):
            field = f"vms[{index}].devices[{number}]"
            if device.backend not in known:
                raise no_such_device(f"{field}.backend", device.backend, known)
            used[device.backend] += vm.count
            used[f"{device.backend}/{device.mode}"] += vm.count
    for index, vm in enumerate(scenario.vms):
        _check_backup(vm, f"vms[{index}].backup", known)
        for number, device in enumerate(vm.devices):
            field = f"vms[{index}].devices[{number}]"
            if device.size_mib and known[device.backend].kind != "disk":
                raise EngineError(
                    "{field} must be 0, as {backend} is no disk, got {given}",
                    f"{field}.size_mib",
                    backend=device.backend,
                    given=device.size_mib,
                )
            if device.mode == "passthrough":
                _exclusive(f"{field}.backend", device.backend, used, swap)
            _enough_parts(f"{field}.backend", known[device.backend], used[device.backend])
            if device.mode == "vf":
                vfs, given = known[device.backend].vfs, used[f"{device.backend}/vf"]
                _enough_vfs(f"{field}.mode", device.backend, vfs, given)


def _targets(scenario: Scenario) -> None:
    """Refuse attacks on devices that the host does not have."""
    known = [device.name for device in scenario.host.devices]
    for index, vm in enumerate(scenario.vms):
        for number, step in enumerate(vm.workload.steps):
            target = step.attack.device if step.attack else None
            if target is not None and target not in known:
                field = f"vms[{index}].workload.steps[{number}].attack.device"
                raise no_such_device(field, target, known)


def _check_backup(vm: VM, path: str, known: Iterable[str]) -> None:
    """Refuse a backup of nothing, and one to where the disk lies."""
    backends = {device.backend for device in vm.devices if device.size_mib}
    if vm.backup is None:
        return
    if not backends:
        raise EngineError(
            "{field}: a VM must have a disk with contents (size_mib) to be backed up, got none",
            path,
        )
    allowed = [name for name in known if name not in backends]
    if vm.backup.device not in allowed:
        raise EngineError(
            "{field} must be one of {allowed}, another device of the host than the disk lies"
            " on, got {given}",
            f"{path}.device",
            allowed=listed(allowed) or "none",
            given=vm.backup.device,
        )


def _exclusive(field: str, backend: str, used: Counter[str], swap: str | None) -> None:
    if used[backend] > 1:
        raise EngineError(
            "{field} must be mapped once, as {backend} is passed through, got {given} mappings",
            field,
            backend=backend,
            given=used[backend],
        )
    if swap == backend:
        raise EngineError(
            "{field} must not be the swap device when it is passed through, got {given}",
            field,
            given=backend,
        )


def _enough_vfs(field: str, backend: str, vfs: int, given: int) -> None:
    if given > vfs:
        raise EngineError(
            "{field} vf must be used by 0..{high} devices, the virtual functions of {backend},"
            " got {given}",
            field,
            high=vfs,
            backend=backend,
            given=given,
        )


def _enough_parts(field: str, device: Device, given: int) -> None:
    if device.profiles and given > device.profiles:
        raise EngineError(
            "{field} must have 1..{high} virtual devices, the profiles of {backend}, got {given}",
            field,
            high=device.profiles,
            backend=device.name,
            given=given,
        )


def packets(scenario: Scenario) -> None:
    """Refuse packets through what is no switch, or to a VM that is not at it."""
    kinds = {device.name: device.kind for device in scenario.host.devices}
    switches = {name: receivers(scenario, name) for name, kind in kinds.items() if kind == "switch"}
    for index, vm in enumerate(scenario.vms):
        for number, step in enumerate(vm.workload.steps):
            path = f"vms[{index}].workload.steps[{number}].{step.kind}"
            end = step.send or step.receive
            if end is None:
                continue
            backend = vm.devices[vm.device_row(end.device)].backend
            if kinds[backend] != "switch":
                raise EngineError(
                    "{field} must be a device at a switch, got {given}, which is at {backend}",
                    f"{path}.device",
                    given=end.device,
                    backend=backend,
                )
            there = switches[backend]
            if step.send and step.send.to not in there:
                raise EngineError(
                    "{field} must be one of {allowed}, the VMs and pods at {backend}, got {given}",
                    f"{path}.to",
                    allowed=listed(list(there)[:20]),
                    backend=backend,
                    given=step.send.to,
                )


def check_vm(vm: VM, path: str) -> None:
    """Refuse steps beyond the VM's pages, devices it does not have, an image too large."""
    if vm.image and vm.image.pages > vm.pages:
        raise EngineError(
            "{field} must be 1..{high} pages, the VM's own, got {given}",
            f"{path}.image.pages",
            high=vm.pages,
            given=vm.image.pages,
        )
    _check_isolation(vm, path)
    for index, device in enumerate(vm.devices):
        if device.used_mib > device.size_mib:
            raise EngineError(
                "{field} must be 0..{high} MiB, the size of the disk, got {given}",
                f"{path}.devices[{index}].used_mib",
                high=device.size_mib,
                given=device.used_mib,
            )
    for index, step in enumerate(vm.workload.steps):
        _check_step(vm, step, f"{path}.workload.steps[{index}]")


def _check_isolation(vm: VM, path: str) -> None:
    """Refuse an encrypted container, an encrypted image, a limit of processes for a guest."""
    if vm.encrypted and vm.kind == "container":
        raise EngineError(
            "{field} must be false: a container's memory is its host kernel's, which reads it",
            f"{path}.encrypted",
        )
    if vm.encrypted and vm.image:
        raise EngineError(
            "{field} must be left out: pages that are encrypted cannot be shared, got {given}",
            f"{path}.image",
            given=vm.image.name,
        )
    if vm.pids and vm.kind != "container":
        raise EngineError(
            "{field} must be 0: a {kind}'s own kernel counts its processes, got {given}",
            f"{path}.pids",
            kind=vm.kind,
            given=vm.pids,
        )


def _check_step(vm: VM, step: Step, path: str) -> None:
    if step.io:
        _check_io(vm, step.io, path)
    for device in (step.send, step.receive, step.replay):
        if device:
            _check_device(vm, device.device, f"{path}.{step.kind}.device")
    if step.touch:
        _check_touch(vm, step.touch, f"{path}.touch")
    if step.trace:
        _check_trace(vm, step.trace, f"{path}.trace")
    if step.attack and step.attack.touches and step.attack.page >= vm.pages:
        raise beyond(f"{path}.attack", step.attack.page, vm.pages)
    if step.free:
        last = step.free.first + (step.free.pages or 1) - 1
        if last >= vm.pages:
            raise beyond(f"{path}.free", last, vm.pages)


def _check_io(vm: VM, io: Io, path: str) -> None:
    for device in vm.devices:
        if io.device not in (None, device.name):
            continue
        size_kib = device.size_mib * 1_024
        if 0 < size_kib < io.kib:
            raise EngineError(
                "{field} must be 1..{high} KiB, the size of the disk, got {given}",
                f"{path}.io.kib",
                high=size_kib,
                given=io.kib,
            )
    if io.device is not None:
        _check_device(vm, io.device, f"{path}.io.device")


def _check_device(vm: VM, name: str, field: str) -> None:
    """Refuse a device that the VM does not have."""
    if vm.device_row(name) < 0:
        raise _not_of_the_vm(vm, field, name)


def _not_of_the_vm(vm: VM, field: str, given: str) -> EngineError:
    if not vm.devices:
        return EngineError(
            "{field} must name a device of the VM, which has none, got {given}", field, given=given
        )
    return no_such_device(field, given, [device.name for device in vm.devices])


def _check_touch(vm: VM, touch: Touch, path: str) -> None:
    last = touch.first + (touch.pages or 1) - 1
    if last >= vm.pages:
        raise beyond(path, last, vm.pages)
    pages = touch.pages or vm.pages - touch.first
    if touch.window is not None and touch.window > pages:
        raise EngineError(
            "{field} must be 1..{high} pages, those the step touches, got {given}",
            f"{path}.window",
            high=pages,
            given=touch.window,
        )


def _check_trace(vm: VM, trace: Trace, path: str) -> None:
    if trace.recorded and RECORDED[trace.recorded].pages > vm.pages:
        raise beyond(f"{path}.recorded", RECORDED[trace.recorded].pages - 1, vm.pages)
    if trace.device is not None and vm.device_row(trace.device) < 0:
        raise _not_of_the_vm(vm, f"{path}.device", trace.device)
    for index, page in enumerate(trace.pages or ()):
        if page >= vm.pages:
            raise beyond(f"{path}.pages[{index}]", page, vm.pages)


def _images(vms: Iterable[VM]) -> None:
    sizes: dict[str, int] = {}
    for index, vm in enumerate(vms):
        if vm.image and sizes.setdefault(vm.image.name, vm.image.pages) != vm.image.pages:
            raise EngineError(
                "{field} must be {high}, as elsewhere for image {image}, got {given}",
                f"vms[{index}].image.pages",
                high=sizes[vm.image.name],
                image=vm.image.name,
                given=vm.image.pages,
            )


def check_pools(scenario: Scenario) -> None:
    """Refuse pools that share a pCPU, that take all from the first one, or that are not there."""
    host = scenario.host
    unique(host.pools, "host.pools")
    for index, pool in enumerate(host.pools):
        if pool.name == FIRST_POOL:
            raise _taken(f"host.pools[{index}].name", pool.name, "the host's own pool")
    taken: dict[int, str] = {}
    for index, pool in enumerate(host.pools):
        field = f"host.pools[{index}]"
        check_pins(pool.pcpus, scenario, f"{field}.pcpus")
        for place, pcpu in enumerate(pool.pcpus):
            if pcpu in taken:
                raise EngineError(
                    "{field} must be in one pool only, got {given}, which {holder} has",
                    f"{field}.pcpus[{place}]",
                    given=pcpu,
                    holder=taken[pcpu],
                )
            taken[pcpu] = pool.name
    if len(taken) == host.pcpus:
        raise EngineError(
            "{field} must leave at least one pCPU to the host's own scheduler, got all {given}",
            "host.pools",
            given=host.pcpus,
        )
    for index, vm in enumerate(scenario.vms):
        if vm.pool not in host.pool_names:
            raise EngineError(
                "{field} must be one of {allowed}, got {given}",
                f"vms[{index}].pool",
                allowed=listed(host.pool_names),
                given=vm.pool,
            )


def _schedulers(scenario: Scenario) -> None:
    for index, vm in enumerate(scenario.vms):
        for name in ("pcpus", "prefers"):
            check_pins(vm.scheduler.others.get(name), scenario, f"vms[{index}].scheduler.{name}")
        _check_pins_in_pool(scenario, vm, f"vms[{index}].scheduler.pcpus")
    check_policy(scenario)


def _check_pins_in_pool(scenario: Scenario, vm: VM, field: str) -> None:
    """Refuse a VM that may run on no pCPU of its pool."""
    pins = vm.scheduler.others.get("pcpus")
    if pins is None or not scenario.host.pools:
        return
    pools = {pcpu: pool.name for pool in scenario.host.pools for pcpu in pool.pcpus}
    if not any(pools.get(pcpu, FIRST_POOL) == vm.pool for pcpu in pins):
        raise EngineError(
            "{field} must have a pCPU of the VM's pool, got {given}",
            field,
            given=listed(map(str, pins)),
        )


def check_pins(pcpus: Iterable[int] | None, scenario: Scenario, field: str) -> None:
    """Refuse pCPUs that the host does not have."""
    highest = max(pcpus or (0,))
    if highest >= scenario.host.pcpus:
        raise EngineError(
            "{field} must be among the host's pCPUs 0..{high}, got {given}",
            field,
            high=scenario.host.pcpus - 1,
            given=highest,
        )


def check_policy(scenario: Scenario) -> None:
    """Refuse what the scheduler itself refuses: its function `refuse`, if it has one."""
    for row, scheduler in enumerate(scenario.host.schedulers):
        if scheduler.policy == "round_robin":
            continue
        if row and scheduler.policy in FIRST_POOL_ONLY:
            raise EngineError(
                "{field}: only the host's own scheduler can follow a timetable, got {given}",
                f"host.pools[{row - 1}].scheduler.policy",
                given=scheduler.policy,
            )
        refuse = getattr(import_module(f"vms.engine.schedulers.{scheduler.policy}"), "refuse", None)
        if refuse:
            refuse(scenario)


FIRST_POOL_ONLY = ("arinc653",)
"""Policies whose timetable is kept once for the host."""


def _policies(scenario: Scenario) -> None:
    if scenario.own_frames >= scenario.host.frames:
        raise EngineError(
            "{field} must be more than the {tables} that page tables and the hypervisor take,"
            " got {given}",
            "host.frames",
            tables=scenario.own_frames,
            given=scenario.host.frames,
        )
    if scenario.host.replacement.policy == "opt":
        check_opt(scenario.vms)


def check_opt(vms: Iterable[VM]) -> None:
    """Refuse opt unless one vCPU alone references memory, and only by traces."""
    referencing = 0
    for vm in vms:
        steps = vm.workload.steps
        if any(step.touch for step in steps):
            raise EngineError(
                "{field} opt must know every reference in advance: only trace steps may"
                " reference memory, got a touch step in {given}",
                "host.replacement.policy",
                given=vm.name,
            )
        if any(step.attack and step.attack.touches for step in steps):
            raise EngineError(
                "{field} opt must know every reference in advance: only trace steps may"
                " reference memory, got an attack on pages in {given}",
                "host.replacement.policy",
                given=vm.name,
            )
        if any(step.trace and step.trace.references_memory for step in steps):
            referencing += vm.count * vm.vcpus
    if referencing != 1:
        raise EngineError(
            "{field} opt must have exactly one vCPU that references memory, got {given}",
            "host.replacement.policy",
            given=referencing,
        )
