"""The lab screen in Chromium: redraws of a map of a million frames, and the main thread's share.

The browser has no GPU here: everything is rastered by the processor, as on the weakest machine a
reader may have. A redraw is timed until its pixels can be read back; the share of the main thread
is the processor time of its tasks (scripts, styles, layout, paint) of the time that passed.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench import Line
from tests.server import RunningServer

FRAMES = 1 << 20
LABS = """
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from vms.founding import found
owner = get_user_model().objects.create_user("bench")
request = HttpRequest()
request.session = SessionStore()
login(request, owner, "django.contrib.auth.backends.ModelBackend")
request.session.save()
print("KEY", request.session.session_key)
touch = {"pattern": "uniform", "first": 0, "pages": 240000, "refs": 40000, "write": 0.3}
million = {"name": "Million", "host": {"pcpus": 4, "frames": %d}, "vms": [{"name": "big",
  "count": 5, "vcpus": 2, "pages": 240000, "workload": {"repeat": "forever",
  "steps": [{"touch": {**touch, "refs_per_tick": 500}}]}}]}
print("LAB", found(owner=owner, document=million).pk)
print("LAB", found(owner=owner, template="noisy_neighbour").pk)
"""
REDRAW = """
async ([changed, times]) => {
  const { draw } = await import('/static/js/panels/allocation.js');
  const { model } = window.lab;
  const canvas = document.querySelector('.p-allocation canvas');
  const pixels = canvas.getContext('2d');
  const list = Uint32Array.from({ length: changed }, (_, k) => (k * 7919) % model.frames.length);
  const took = [];
  for (let k = 0; k < times; k++) {
    model.changed.frames = changed ? [list] : true;
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    draw(model, false);
    pixels.getImageData(0, 0, 1, 1);
    took.push(performance.now() - start);
  }
  return took;
}
"""


def run(quick: bool) -> list[Line]:
    """Return the figures; none where there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("  SKIPPED: no chromium here", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder))
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
                )
                return figures(browser, server, quick)
        finally:
            server.stop()


def figures(browser: Browser, server: RunningServer, quick: bool) -> list[Line]:
    """Measure both labs in one browser."""
    told = [line.split() for line in server.shell(LABS % FRAMES).splitlines()]
    (_, key), (_, million), (_, noisy) = told
    seconds, times = (2, 5) if quick else (10, 60)

    def opened(lab: str, width: int, height: int) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.add_cookies([{"name": "sessionid", "value": key, "url": server.url}])
        page = context.new_page()
        page.goto(f"{server.url}/labs/{lab}/")
        until(page, "window.lab?.model.version > 0")
        return page

    page = opened(million, 1920, 1080)
    ask(page, "{type: 'speed', ticks_per_s: 0}")
    ask(page, "{type: 'play'}")
    until(page, "lab.model.vm.resident.reduce((a, b) => a + b, 0) > 900000")
    flat_out = share(page, seconds)
    ask(page, "{type: 'pause'}")
    until(page, "lab.model.state.status === 'paused'")
    some = page.evaluate(REDRAW, [2000, times])
    every = page.evaluate(REDRAW, [0, times])
    page.context.close()

    page = opened(noisy, 1280, 800)
    ask(page, "{type: 'speed', ticks_per_s: 100}")
    ask(page, "{type: 'play'}")
    until(page, "lab.model.state.tick > 100")
    usual, samples = share(page, seconds), rate(page, seconds)
    page.context.close()
    page = opened(noisy, 1920, 1080)
    wide = share(page, seconds)
    loads = []
    for _ in range(3 if quick else 7):
        page.reload()
        until(page, "performance.getEntriesByName('first sample').length > 0")
        loads.append(page.evaluate("performance.getEntriesByName('first sample')[0].startTime"))
    page.context.close()
    return [
        Line("redraw of 1,048,576 frames, 2,000 changed, median", median(some), "ms", at_most=8),
        Line("redraw of 1,048,576 frames, all changed, median", median(every), "ms"),
        Line("main thread, whole screen, 1280 × 800", usual, "%", at_most=35),
        Line("main thread, all panels in sight, 1920 × 1080", wide, "%", at_most=35),
        Line("main thread, 1,048,576 frames flat out, 1920 × 1080", flat_out, "%"),
        Line("samples drawn at 1280 × 800", samples, "a second"),
        Line("page load to live picture, median", median(loads), "ms", at_most=1000),
    ]


def median(times: list[float]) -> float:
    return float(statistics.median(times))


def ask(page: Page, command: str) -> None:
    page.evaluate(f"lab.socket.send({command})")


def until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    look = f"const look = () => ({condition}) ? done() : setTimeout(look, 20);"
    page.evaluate(f"() => new Promise((done) => {{ {look} look(); }})")


def share(page: Page, seconds: float) -> float:
    """Return the processor time of the main thread's tasks in percent of the time that passed.

    Processor time, not the clock's: the server and the browser's raster threads share two cores.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return float({each["name"]: each["value"] for each in found}["TaskDuration"])

    before, start = busy(), time.perf_counter()
    page.wait_for_timeout(1000 * seconds)
    return 100 * (busy() - before) / (time.perf_counter() - start)


def rate(page: Page, seconds: float) -> float:
    """Return the samples a second that were drawn."""
    script = """(seconds) => new Promise((done) => {
      const first = lab.model.version, at = performance.now();
      setTimeout(() => done(1000 * (lab.model.version - first) / (performance.now() - at)),
        1000 * seconds);
    })"""
    return float(page.evaluate(script, seconds))
