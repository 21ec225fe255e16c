"""Page replacement as its authors print it: lists of Python, searched from end to end.

A policy is told of every page that is brought in (`loaded`), used, or gone (`freed`), and asked for
a victim.  Each scope (all VMs, or one VM) has its own lists: `self.of(group)`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.engine.plain.random_numbers import below

if TYPE_CHECKING:
    from tests.engine.plain.memory import Memory, Resident

Identity = tuple[Any, ...]


class Policy:
    """Remembers nothing; what all policies share."""

    lists: tuple[str, ...] = ()
    ghosts: tuple[str, ...] = ()

    def __init__(self, memory: Memory, keys: dict[str, int]) -> None:
        self.memory, self.keys = memory, keys
        self.groups: dict[int, dict[str, Any]] = defaultdict(
            lambda: {name: [] for name in self.lists + self.ghosts} | self.more()
        )

    def more(self) -> dict[str, Any]:
        return {}

    def of(self, content: Resident) -> dict[str, Any]:
        return self.groups[self.memory.group(content.owner)]

    def look(self) -> None:
        """See what time it is."""

    def used(self, content: Resident) -> None:
        """A resident page was referenced."""

    def loaded(self, content: Resident) -> None:
        """A page was brought in."""

    def freed(self, content: Resident) -> None:
        """The frame of a page became free."""
        for name in self.lists:
            if content in self.of(content)[name]:
                self.of(content)[name].remove(content)

    def forget(self, identity: Identity) -> None:
        """A page that is not in memory counts as never used."""
        for group in self.groups.values():
            self.strike(group, identity)

    def strike(self, group: dict[str, Any], identity: Identity) -> None:
        for name in self.ghosts:
            if identity in group[name]:
                group[name].remove(identity)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Identity | None) -> int:
        """Return the frame that leaves; `wanted` is None where it is robbed from another VM."""
        raise NotImplementedError

    def capacity(self, scope: list[Resident]) -> int:
        return len(scope) if self.memory.local else len(self.memory.frames)

    def share(self, capacity: int, percent: int) -> int:
        return max(1, capacity * percent // 100)

    def draw(self, limit: int) -> int:
        self.memory.draws += 1
        return below(self.memory.host.seed, -2, self.memory.draws, limit)


class Mru(Policy):
    def victim(self, scope: list[Resident], group: Any, wanted: Any) -> int:
        return max(scope, key=lambda each: each.used).frame


class Lfu(Policy):
    def loaded(self, content: Resident) -> None:
        content.count = 1

    def used(self, content: Resident) -> None:
        content.count += 1

    def victim(self, scope: list[Resident], group: Any, wanted: Any) -> int:
        return min(scope, key=lambda each: (each.count, each.used)).frame


class SecondChance(Policy):
    lists = ("queue",)

    def loaded(self, content: Resident) -> None:
        self.of(content)["queue"].append(content)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Any) -> int:
        queue = group["queue"]
        while queue[0].young:
            queue[0].young.clear()
            queue.append(queue.pop(0))
        return int(queue.pop(0).frame)


class Gclock(Policy):
    def loaded(self, content: Resident) -> None:
        content.count = content.bit

    def used(self, content: Resident) -> None:
        content.count = min(content.count + 1, self.keys["counter_max"])

    def victim(self, scope: list[Resident], group: Any, wanted: Any) -> int:
        memory = self.memory
        circle = memory.circle_of(scope[0].owner)
        frames = {each.frame: each for each in scope}
        while True:
            if memory.host.rules["clock_hand"] == "hand":
                frame = circle.advance()
            else:
                frame = self.draw(len(memory.frames))
            content = frames.get(frame)
            if content and not content.count:
                return frame
            if content:
                content.count -= 1


class Sieve(Policy):
    lists = ("queue",)  # oldest first

    def more(self) -> dict[str, Any]:
        return {"hand": None}

    def loaded(self, content: Resident) -> None:
        content.bit = 0
        self.of(content)["queue"].append(content)

    def used(self, content: Resident) -> None:
        content.bit = 1

    def step(self, group: dict[str, Any]) -> Resident | None:
        """Return who comes after the hand; None when the next search begins with the oldest."""
        queue, place = group["queue"], group["queue"].index(group["hand"]) + 1
        return queue[place] if place < len(queue) else None

    def freed(self, content: Resident) -> None:
        group = self.of(content)
        if group["hand"] is content:
            group["hand"] = self.step(group)
        super().freed(content)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Any) -> int:
        group["hand"] = group["hand"] or group["queue"][0]
        while group["hand"].bit:
            group["hand"].bit = 0
            group["hand"] = self.step(group) or group["queue"][0]
        content = group["hand"]
        group["hand"] = self.step(group)
        group["queue"].remove(content)
        return int(content.frame)


class Periodic(Policy):
    """Something happens each time so many ticks are over."""

    done = 0

    def look(self) -> None:
        period = self.memory.host.now // self.keys["clear_every"]
        for _ in range(min(64, period - self.done)):
            self.over()
        self.done = period

    def over(self) -> None:
        raise NotImplementedError


class Nru(Periodic):
    lists = ("0", "1", "2", "3")

    def over(self) -> None:
        for group in self.groups.values():
            for old, new in (("2", "0"), ("3", "1")):
                for content in group[old]:
                    content.bit = 0
                group[new] += group[old]
                group[old] = []

    def used(self, content: Resident) -> None:
        kind = str(2 * content.bit + content.dirty)
        if content not in self.of(content)[kind]:
            self.freed(content)
            self.of(content)[kind].append(content)

    loaded = used

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Any) -> int:
        lowest = next(group[kind] for kind in self.lists if group[kind])
        frames = len(self.memory.frames)
        if len(lowest) ** 2 < frames:
            content = lowest[self.draw(len(lowest))]
        else:
            content = None
            while content not in lowest:
                content = self.memory.frames[self.draw(frames)]
        lowest.remove(content)
        return int(content.frame)


class Aging(Periodic):
    @property
    def top(self) -> int:
        return 1 << (self.keys["counter_bits"] - 1)

    def over(self) -> None:
        for content in filter(None, self.memory.frames):
            content.count = content.count // 2 + content.bit * self.top
            content.bit = 0

    def loaded(self, content: Resident) -> None:
        content.count = content.bit * self.top

    def victim(self, scope: list[Resident], group: Any, wanted: Any) -> int:
        return min(scope, key=lambda each: (each.count, each.loaded)).frame


class WsClock(Policy):
    def loaded(self, content: Resident) -> None:
        content.time = self.memory.virtual_time(content.mappers[-1][0])

    def victim(self, scope: list[Resident], group: Any, wanted: Any) -> int:
        memory = self.memory
        circle = memory.circle_of(scope[0].owner)
        written = False
        for turn in range(2):
            for _ in range(len(circle.frames)):
                frame = circle.advance()
                content = memory.frames[frame]
                assert content
                now = memory.virtual_time(content.last_vm)
                if content.young:
                    content.young.clear()
                    content.time = now
                if now - content.time <= self.keys["tau"]:
                    continue
                if not content.dirty:
                    return frame
                if not written:
                    written = True
                    memory.write_back(content)
            if turn == 0 and not written:
                break
        for frame in circle.frames[circle.hand :] + circle.frames[: circle.hand]:
            content = memory.frames[frame]
            assert content
            if not content.dirty:
                break
        else:
            frame = circle.frames[circle.hand]
        circle.hand = (circle.frames.index(frame) + 1) % len(circle.frames)
        return frame


class TwoQ(Policy):
    lists, ghosts = ("a1in", "am"), ("a1out",)  # newest first

    def more(self) -> dict[str, Any]:
        return {"called": None}

    def used(self, content: Resident) -> None:
        am = self.of(content)["am"]
        if content in am:
            am.remove(content)
            am.insert(0, content)

    def loaded(self, content: Resident) -> None:
        group = self.of(content)
        known = content.identity in group["a1out"] or content.identity == group["called"]
        group["called"] = None
        self.forget(content.identity)
        group["am" if known else "a1in"].insert(0, content)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Identity | None) -> int:
        capacity = self.capacity(scope)
        group["called"] = wanted if wanted in group["a1out"] else None
        if len(group["a1in"]) > self.share(capacity, self.keys["in_percent"]) or not group["am"]:
            content = group["a1in"].pop()
            group["a1out"].insert(0, content.identity)
            del group["a1out"][self.share(capacity, self.keys["out_percent"]) :]
        else:
            content = group["am"].pop()
        return int(content.frame)


class S3Fifo(Policy):
    lists, ghosts = ("small", "main"), ("ghost",)  # newest first

    def more(self) -> dict[str, Any]:
        return {"called": None}

    def used(self, content: Resident) -> None:
        content.count = min(content.count + 1, 3)

    def loaded(self, content: Resident) -> None:
        group = self.of(content)
        known = content.identity in group["ghost"] or content.identity == group["called"]
        group["called"] = None
        self.forget(content.identity)
        content.count = 0
        group["main" if known else "small"].insert(0, content)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Identity | None) -> int:
        capacity = self.capacity(scope)
        if wanted in group["ghost"]:
            group["ghost"].remove(wanted)
            group["called"] = wanted
        small, main = group["small"], group["main"]
        if len(small) >= self.share(capacity, self.keys["small_percent"]) or not main:
            while small:
                content = small.pop()
                if content.count > 1:
                    main.insert(0, content)
                    continue
                group["ghost"].insert(0, content.identity)
                del group["ghost"][self.share(capacity, self.keys["ghost_percent"]) :]
                return int(content.frame)
        while main[-1].count > 0:
            main[-1].count -= 1
            main.insert(0, main.pop())
        return int(main.pop().frame)


class Arc(Policy):
    lists, ghosts = ("t1", "t2"), ("b1", "b2")  # most recent first

    def more(self) -> dict[str, Any]:
        return {"p": 0.0, "called": None}

    def used(self, content: Resident) -> None:
        group = self.of(content)
        self.freed(content)
        group["t2"].insert(0, content)

    def learn(self, group: dict[str, Any], identity: Identity, capacity: int) -> None:
        b1, b2 = len(group["b1"]), len(group["b2"])
        if identity in group["b1"]:
            group["p"] = min(group["p"] + max(b2 / b1, 1.0), float(capacity))
        else:
            group["p"] = max(group["p"] - max(b1 / b2, 1.0), 0.0)

    def loaded(self, content: Resident) -> None:
        group, known = self.of(content), False
        if content.identity in group["b1"] + group["b2"]:
            scope = [each for each in self.memory.frames if each and self.of(each) is group]
            self.learn(group, content.identity, self.capacity(scope))
            known = True
        known = known or content.identity == group["called"]
        group["called"] = None
        self.forget(content.identity)
        group["t2" if known else "t1"].insert(0, content)

    def replace(self, group: dict[str, Any], in_b2: bool) -> int:
        size = len(group["t1"])
        if size and (size > group["p"] or (in_b2 and size == group["p"]) or not group["t2"]):
            content = group["t1"].pop()
            group["b1"].insert(0, content.identity)
        else:
            content = group["t2"].pop()
            group["b2"].insert(0, content.identity)
        return int(content.frame)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Identity | None) -> int:
        if wanted is None:
            return self.replace(group, in_b2=False)
        capacity = self.capacity(scope)
        if wanted in group["b1"] + group["b2"]:
            in_b2 = wanted in group["b2"]
            self.learn(group, wanted, capacity)
            self.strike(group, wanted)
            group["called"] = wanted
            return self.replace(group, in_b2)
        one = len(group["t1"]) + len(group["b1"])
        two = len(group["t2"]) + len(group["b2"])
        if one >= capacity:
            if not group["b1"]:
                return int(group["t1"].pop().frame)
            group["b1"].pop()
        elif capacity + len(group["b1"]) + len(group["b2"]) >= 2 * capacity and two:
            del group["b2"][-1:]
        return self.replace(group, in_b2=False)


class Lirs(Policy):
    """Stack S holds identities, latest use last; `lir` and `queue` hold what is in memory."""

    lists, ghosts = ("queue", "lir"), ("stack",)

    def prune(self, group: dict[str, Any]) -> None:
        lirs = {each.identity for each in group["lir"]}
        while group["stack"] and group["stack"][0] not in lirs:
            del group["stack"][0]

    def touch(self, content: Resident, capacity: int, resident: str | None) -> None:
        """Bring a page to the top of the stack, and decide what it is from now on."""
        group = self.of(content)
        seen = content.identity in group["stack"]
        self.forget(content.identity)
        group["stack"].append(content.identity)
        room = capacity - self.share(capacity, self.keys["hir_percent"])
        if resident != "lir":
            warm = resident is None and len(group["lir"]) < room
            if resident:
                group["queue"].remove(content)
            group["lir" if seen or warm else "queue"].append(content)
            if len(group["lir"]) > room:
                self.demote(group)
        self.prune(group)

    def demote(self, group: dict[str, Any]) -> None:
        bottom = group["stack"].pop(0)
        content = next(each for each in group["lir"] if each.identity == bottom)
        group["lir"].remove(content)
        group["queue"].append(content)
        self.prune(group)

    def used(self, content: Resident) -> None:
        group = self.of(content)
        scope = group["lir"] + group["queue"]
        self.touch(content, self.capacity(scope), "lir" if content in group["lir"] else "queue")

    def loaded(self, content: Resident) -> None:
        group = self.of(content)
        scope = [*group["lir"], *group["queue"], content]
        self.touch(content, self.capacity(scope), None)

    def freed(self, content: Resident) -> None:
        super().freed(content)
        group = self.of(content)
        self.strike(group, content.identity)
        self.prune(group)

    def victim(self, scope: list[Resident], group: dict[str, Any], wanted: Any) -> int:
        if not group["queue"]:
            self.demote(group)
        return int(group["queue"].pop(0).frame)


POLICIES: dict[str, type[Policy]] = {
    "mru": Mru,
    "second_chance": SecondChance,
    "gclock": Gclock,
    "nru": Nru,
    "aging": Aging,
    "lfu": Lfu,
    "wsclock": WsClock,
    "sieve": Sieve,
    "2q": TwoQ,
    "s3fifo": S3Fifo,
    "arc": Arc,
    "lirs": Lirs,
}
