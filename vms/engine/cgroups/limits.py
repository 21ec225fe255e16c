"""What a cgroup's new limits do at once: pages beyond them go, and who waited for time may ask."""

from vms.engine.compiled import entry
from vms.engine.compiled.dispatch import group_room
from vms.engine.sleepers import rouse, sleep


@entry
def give_pages_up(s, v):
    """Let the groups that vCPU v is in be below their limits of memory; v pays for it."""
    group_room(s, v)


@entry
def ask_again(s, v):
    """Let vCPU v, which its group's quota kept from running, ask for a pCPU in the next tick."""
    rouse(s, v)
    sleep(s, v, s.host.now)
