"""What every test may use: a real server, Debian's browser, no run that outlives its test."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.server import RunningServer

CHROMIUM = shutil.which("chromium")
UNDER_CI = os.environ.get("CI") == "true"
SKIPPED = "no Chromium here: browser tests are skipped (make test installs it where it may)"

# The suite tries the same examples each time: who breaks something sees it, and nobody else.
# `make soak` looks for new ones.
WITHOUT_EXPLAIN = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile(
    "suite",
    deadline=None,
    database=None,
    derandomize=True,
    phases=WITHOUT_EXPLAIN,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("search", settings.get_profile("suite"), derandomize=False)
settings.load_profile("suite")

BROWSER, ENGINE = (Path(__file__).parent / name for name in ("browser", "engine"))


class Marks:
    """Mark tests before `-m` is obeyed, and before xdist reads what shares a worker."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Mark what a test's place says of it: browser tests share one server and one browser."""
        for item in items:
            if BROWSER in item.path.parents:
                item.add_marker("browser")
                item.add_marker(pytest.mark.xdist_group("browser"))
                if CHROMIUM is None and not UNDER_CI:
                    item.add_marker(pytest.mark.skip(reason=SKIPPED))
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Have tests marked."""
    config.pluginmanager.register(Marks())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort browser tests after asyncio's: Playwright's loop would be in the way of those.

    Those of the engine come last: they are many and short, and fill up both workers.
    """
    items.sort(
        key=lambda item: (
            ENGINE in item.path.parents,
            item.get_closest_marker("browser") is not None,
        )
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say aloud that browser tests were skipped."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(SKIPPED in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} BROWSER TESTS SKIPPED: {SKIPPED}", red=True)


@pytest.fixture
async def _runs_of_this_loop() -> AsyncIterator[None]:
    yield
    registry = sys.modules.get("vms.live.registry")
    if registry is not None:
        await registry.stop_all()


@pytest.fixture(autouse=True)
def _no_run_outlives_its_test(request: pytest.FixtureRequest) -> None:
    """Stop the runs a test started, on the loop they live on (which only asyncio tests have)."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_runs_of_this_loop")


@pytest.fixture(scope="session")
def start_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., RunningServer]]:
    """Start a server with a database of its own; keywords are environment variables.

    Whatever was started is stopped by SIGTERM at the end, and must then return 0.
    """
    servers: list[RunningServer] = []

    def start(**environment: str) -> RunningServer:
        servers.append(RunningServer(tmp_path_factory.mktemp("server"), environment))
        return servers[-1]

    yield start
    codes = [server.stop() for server in servers]
    assert codes == [0] * len(codes), f"servers ended with {codes}"


@pytest.fixture(scope="session")
def server(start_server: Callable[..., RunningServer]) -> RunningServer:
    """Return the server that all tests may share: they make labs and users of their own in it."""
    return start_server(VMLAB_LABS_PER_USER="1000")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Drive Debian's Chromium; Playwright would download one of its own."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": quiet}
