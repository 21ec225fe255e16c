"""What is said in a lab: chat, notes pinned to ticks and objects, announcements."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings

from vms.engine.errors import EngineError

CHAT, NOTE, BROADCAST = "chat", "note", "broadcast"

TARGET = re.compile(
    r"(?:vm|device|vdevice|panel):[^\x00-\x1f]{1,72}"
    r"|(?:frame|vcpu|pcpu):[0-9]{1,10}"
    r"|page:[^\x00-\x1f]{1,60}/[0-9]{1,10}"
    r"|slice:[0-9]{1,6}@[0-9]{1,16}"
)
AT_ONCE = 6
"""Remarks that one may write at once, after a silence."""
MINUTE_S = 60.0


def check_target(target: str) -> None:
    """Refuse what names no object. Raises EngineError."""
    if target and not TARGET.fullmatch(target):
        raise EngineError(
            "{field} must be an object like {allowed}, got {given}",
            "target",
            allowed="vm:web, page:web/3, frame:120, slice:0@1200, device:disk0, panel:timeline",
            given=target,
        )


class Tongue:
    """How fast each person may write; one bucket for all their tabs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, user: str) -> None:
        """Count one remark. Raises EngineError where it comes too soon after the others."""
        now_s, per_s = self._clock(), settings.VMLAB_REMARKS_PER_MINUTE / MINUTE_S
        left, at_s = self._left.get(user, (float(AT_ONCE), now_s))
        left = min(float(AT_ONCE), left + (now_s - at_s) * per_s)
        if left < 1:
            raise EngineError(
                "at most {high} remarks a minute: wait {wait} s",
                high=settings.VMLAB_REMARKS_PER_MINUTE,
                wait=max(1, round((1 - left) / per_s)),
            )
        self._left[user] = left - 1, now_s

    def forget(self, user: str) -> None:
        """Somebody has gone: what they have left is full again soon, and not worth remembering."""
        left, at_s = self._left.get(user, (float(AT_ONCE), 0.0))
        if (self._clock() - at_s) * settings.VMLAB_REMARKS_PER_MINUTE / MINUTE_S + left >= AT_ONCE:
            self._left.pop(user, None)
