"""The hub alone: bytes in, bytes out, no Django, no machine."""

import asyncio
import zlib

import pytest

from vms.live.hub import COMPRESSED, DELTA, HEADER, SNAPSHOT, Topic, Viewer


class Counter:
    """A picture that is a list of bodies; a delta adds one."""

    def __init__(self, number=0):
        self.bodies = []
        self.topic = Topic(number, lambda: b"".join(self.bodies))

    def publish(self, body=None, **options):
        body = body if body is not None else b"%06d" % len(self.bodies)
        self.bodies.append(body)
        self.topic.publish(body, **options)


class Page:
    """What a browser does with messages: applies them in order, and tells when one does not fit."""

    def __init__(self):
        self.viewer = Viewer(self.take)
        self.messages = []
        self.text = {}
        self.version = {}

    async def take(self, message):
        kind, flags, topic, base, version, length = HEADER.unpack_from(message)
        body = message[HEADER.size :]
        assert len(body) == length
        if flags & COMPRESSED:
            body = zlib.decompress(body)
        if kind == SNAPSHOT:
            self.text[topic] = body
        else:
            assert self.version[topic] == base, "a delta onto another version"
            self.text[topic] += body
        self.version[topic] = version
        self.messages.append((kind, topic, version))

    async def read(self, acknowledge=True):
        """Take all there is; with `acknowledge`, draw at once."""
        while await self.viewer.send_one():
            if acknowledge:
                self.draw()

    def draw(self):
        self.viewer.acknowledge(self.viewer.sent)

    def kinds(self):
        return [kind for kind, _, _ in self.messages]


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
def page():
    return Page()


async def test_a_newcomer_begins_with_a_snapshot(counter, page):
    for _ in range(3):
        counter.publish()
    page.viewer.watch(counter.topic)
    await page.read()
    assert page.messages == [(SNAPSHOT, 0, 3)]
    assert page.text[0] == b"000000000001000002"


async def test_a_viewer_who_keeps_up_is_sent_every_change_once(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    for _ in range(100):
        counter.publish()
        await page.read()
    assert page.kinds() == [SNAPSHOT] + [DELTA] * 100
    assert page.text[0] == b"".join(counter.bodies)


async def test_everybody_is_sent_the_very_same_bytes(counter):
    pages = [Page() for _ in range(5)]
    received = []
    for page in pages:
        page.viewer._send = lambda data: asyncio.sleep(0, received.append(data))
        page.viewer.watch(counter.topic)
        await page.read()
    counter.publish()
    for page in pages:
        await page.read()
    assert len({id(data) for data in received[-5:]}) == 1


async def test_four_missed_changes_are_replayed(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    for _ in range(4):
        counter.publish()
    await page.read()
    assert page.kinds() == [SNAPSHOT] + [DELTA] * 4


async def test_five_missed_changes_are_a_snapshot(counter, page):
    counter.publish()
    page.viewer.watch(counter.topic)
    await page.read()
    for _ in range(20):
        counter.publish()
    await page.read()
    assert page.kinds() == [SNAPSHOT, SNAPSHOT]
    assert page.text[0] == b"".join(counter.bodies)


async def test_a_snapshot_is_shared_and_the_changes_since_are_replayed(counter):
    first, later = Page(), Page()
    first.viewer.watch(counter.topic)
    await first.read()
    for _ in range(10):
        counter.publish()
        await first.read()
    later.viewer.watch(counter.topic)
    await later.read()
    assert counter.topic.built == 1
    assert later.kinds() == [SNAPSHOT] + [DELTA] * 10
    assert later.text == first.text


async def test_two_hundred_who_come_at_once_cost_one_snapshot(counter):
    counter.publish()
    pages = [Page() for _ in range(200)]
    for page in pages:
        page.viewer.watch(counter.topic)
    await asyncio.gather(*(page.read() for page in pages))
    assert counter.topic.built == 1
    assert {page.text[0] for page in pages} == {b"000000"}


async def test_a_snapshot_older_than_sixteen_changes_is_built_anew(counter):
    early, late = Page(), Page()
    early.viewer.watch(counter.topic)
    await early.read()
    for _ in range(17):
        counter.publish()
        await early.read()
    late.viewer.watch(counter.topic)
    await late.read()
    assert counter.topic.built == 2
    assert late.kinds() == [SNAPSHOT]


async def test_what_is_published_while_a_snapshot_is_made_is_not_lost(counter, page, monkeypatch):
    async def compress_while_publishing(function, *arguments):
        counter.publish()
        return function(*arguments)

    monkeypatch.setattr("vms.live.hub.asyncio.to_thread", compress_while_publishing)
    page.viewer.watch(counter.topic)
    await page.read()
    assert page.kinds() == [SNAPSHOT, DELTA]
    assert page.text[0] == b"000000"


async def test_after_eight_messages_a_viewer_gets_no_more_until_it_has_drawn(counter, page):
    page.viewer.watch(counter.topic)
    for _ in range(12):
        await page.read(acknowledge=False)
        counter.publish()
    assert len(page.messages) == Viewer.MESSAGES
    page.draw()
    await page.read()
    assert page.text[0] == b"".join(counter.bodies)


async def test_half_a_mebibyte_is_under_way_at_most(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    for _ in range(4):
        counter.publish(bytes(200_000))
        await page.read(acknowledge=False)
    assert len(page.messages) == 1 + 3
    assert page.viewer.bytes_under_way < Viewer.BYTES + 200_100


async def test_a_message_larger_than_the_window_goes_alone(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    counter.publish(bytes(2 * Viewer.BYTES))
    counter.publish()
    await page.read(acknowledge=False)
    assert len(page.messages) == 2
    page.draw()
    await page.read()
    assert page.messages[-1] == (DELTA, 0, 2)


async def test_a_stalled_viewer_holds_nothing_but_its_window(counter):
    stalled = Page()
    stalled.viewer.watch(counter.topic)
    for _ in range(2_000):
        counter.publish(bytes(10_000))
        await stalled.read(acknowledge=False)
    assert stalled.viewer.bytes_under_way <= Viewer.BYTES + 10_100
    assert len(counter.topic._ring) <= Topic.RING
    assert counter.topic._ring_bytes <= Topic.RING_BYTES


async def test_a_stalled_viewer_costs_the_others_nothing(counter, page):
    stalled = Page()
    stalled.viewer.watch(counter.topic)
    page.viewer.watch(counter.topic)
    for _ in range(300):
        counter.publish()
        await stalled.read(acknowledge=False)
        await page.read()
    assert len(stalled.messages) == Viewer.MESSAGES
    assert page.kinds() == [SNAPSHOT] + [DELTA] * 299
    stalled.draw()
    await stalled.read()
    assert stalled.text == page.text


async def test_a_laggard_who_draws_now_and_then_ends_with_the_same_picture(counter, page):
    laggard = Page()
    for each in (laggard, page):
        each.viewer.watch(counter.topic)
    for n in range(500):
        counter.publish()
        await page.read()
        await laggard.read(acknowledge=False)
        if n % 37 == 0:
            laggard.draw()
    laggard.draw()
    await laggard.read()
    assert laggard.text == page.text
    assert laggard.viewer.snapshots > 1


@pytest.mark.parametrize("count", [0, 2, 99, 2**32 - 1])
async def test_an_acknowledgement_that_cannot_be_is_ignored(counter, page, count):
    page.viewer.watch(counter.topic)
    await page.read(acknowledge=False)
    page.viewer.acknowledge(count)
    assert page.viewer.acknowledged == 0
    assert page.viewer.bytes_under_way > 0


async def test_a_restart_sends_a_snapshot_to_everybody(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    counter.publish()
    await page.read()
    counter.bodies[:] = [b"another"]
    counter.topic.restart()
    await page.read()
    assert page.kinds()[-1] == SNAPSHOT
    assert page.text[0] == b"another"


async def test_a_snapshot_begun_before_a_restart_is_not_sent_after_it(counter, page, monkeypatch):
    restarts = iter([True])

    async def compress_while_restarting(function, *arguments):
        if next(restarts, False):
            counter.bodies[:] = [b"another"]
            counter.topic.restart()
        return function(*arguments)

    monkeypatch.setattr("vms.live.hub.asyncio.to_thread", compress_while_restarting)
    counter.publish()
    page.viewer.watch(counter.topic)
    await page.read()
    assert page.text[0] == b"another"
    assert len(page.messages) == 1


async def test_a_page_that_lost_its_picture_is_sent_it_again(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    page.viewer.restart(0)
    await page.read()
    assert page.kinds() == [SNAPSHOT, SNAPSHOT]


async def test_several_topics_take_turns(page):
    busy, quiet = Counter(1), Counter(2)
    for counter in (busy, quiet):
        page.viewer.watch(counter.topic)
    await page.read()
    for _ in range(3):
        busy.publish()
    quiet.publish()
    await page.read()
    assert [topic for _, topic, _ in page.messages[2:4]] == [1, 2]


async def test_a_topic_no_longer_watched_is_not_sent(counter, page):
    page.viewer.watch(counter.topic)
    await page.read()
    page.viewer.unwatch(counter.topic)
    counter.publish()
    await page.read()
    assert len(page.messages) == 1
    assert not counter.topic.viewers


async def test_closing_leaves_every_topic(page):
    counters = [Counter(1), Counter(2)]
    for counter in counters:
        page.viewer.watch(counter.topic)
    page.viewer.close()
    assert [counter.topic.viewers for counter in counters] == [set(), set()]


async def test_the_sending_task_sends_by_itself(counter, page):
    arrived = asyncio.Event()
    take = page.take

    async def take_and_tell(message):
        await take(message)
        page.draw()
        if page.version[0] == 3:
            arrived.set()

    page.viewer._send = take_and_tell
    page.viewer.watch(counter.topic)
    task = asyncio.create_task(page.viewer.run())
    for _ in range(3):
        counter.publish()
    await arrived.wait()
    task.cancel()
    assert page.text[0] == b"".join(counter.bodies)


async def test_a_viewer_that_waits_to_send_does_not_hold_up_another(counter, page):
    stuck = Page()
    never = asyncio.Event()
    stuck.viewer._send = lambda data: never.wait()
    stuck.viewer.watch(counter.topic)
    page.viewer.watch(counter.topic)
    task = asyncio.create_task(stuck.viewer.run())
    counter.publish()
    await page.read()
    task.cancel()
    assert page.text[0] == b"000000"


async def test_versions_go_on_beyond_32_bits(counter, page):
    counter.topic.version = 2**32 - 1
    page.viewer.watch(counter.topic)
    await page.read()
    counter.publish()
    await page.read()
    assert page.messages == [(SNAPSHOT, 0, 2**32 - 1), (DELTA, 0, 0)]


async def test_a_snapshot_that_cannot_be_made_fails_for_that_viewer_and_can_be_tried_again(page):
    broken = iter([True])

    def picture():
        if next(broken, False):
            raise MemoryError
        return b"picture"

    topic = Topic(0, picture)
    page.viewer.watch(topic)
    with pytest.raises(MemoryError):
        await page.read()
    await page.read()
    assert page.text[0] == b"picture"


async def test_who_comes_between_the_end_of_a_snapshot_and_its_callback_gets_it():
    topic = Topic(1, lambda: b"picture")
    topic.version = 1
    first = asyncio.create_task(topic.next_for(None))
    while topic._building is None or not topic._building.done():  # noqa: ASYNC110 (the moment is meant)
        await asyncio.sleep(0)
    assert topic._shared is None  # the callback has not run
    assert await topic.next_for(None) == await first
    assert topic.built == 1


class Line:
    """A connection that takes messages at once, unless something waits there."""

    def __init__(self):
        self.pushed, self.sent, self.jammed = [], [], False
        self.viewer = Viewer(self.send, self.push)

    def push(self, data):
        if not self.jammed:
            self.pushed.append(data)
        return not self.jammed

    async def send(self, data):
        self.sent.append(data)

    def versions(self, messages):
        return [HEADER.unpack_from(message)[4] for message in messages]


async def test_changes_go_out_at_once_where_nothing_waits(counter):
    line = Line()
    counter.publish()
    line.viewer.watch(counter.topic)
    while await line.viewer.send_one():
        pass
    assert line.versions(line.sent) == [1], "a newcomer's snapshot takes the usual way"
    for _ in range(3):
        counter.publish()
    assert line.versions(line.pushed) == [2, 3, 4]
    assert not await line.viewer.send_one()
    assert line.viewer.sent == 4


async def test_what_cannot_go_out_at_once_is_sent_in_order(counter):
    line = Line()
    counter.publish()
    line.viewer.watch(counter.topic)
    while await line.viewer.send_one():
        pass
    line.jammed = True
    counter.publish()
    counter.publish()
    line.jammed = False
    while await line.viewer.send_one():
        pass
    counter.publish()
    assert line.versions(line.sent) == [1, 2, 3]
    assert line.versions(line.pushed) == [4]


async def test_at_once_is_not_beyond_the_credit_and_an_acknowledgement_is_credit(counter):
    line = Line()
    counter.publish()
    line.viewer.watch(counter.topic)
    while await line.viewer.send_one():
        pass
    for _ in range(Viewer.MESSAGES + 2):
        counter.publish()
    assert line.viewer.sent == Viewer.MESSAGES
    line.viewer.acknowledge(line.viewer.sent)
    assert line.viewer.version(counter.topic) == counter.topic.version


async def test_a_page_of_several_topics_begins_again_with_all_that_can_go_out_at_once():
    line, one, two = Line(), Counter(0), Counter(1)
    for counter in (one, two):
        counter.publish()
        line.viewer.watch(counter.topic)
    while await line.viewer.send_one():
        pass
    line.jammed = True
    one.publish()
    two.publish()
    line.jammed = False
    line.viewer.restart(0)
    while await line.viewer.send_one():
        pass
    assert line.viewer.version(one.topic) == one.topic.version
    assert line.viewer.version(two.topic) == two.topic.version
