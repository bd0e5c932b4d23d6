"""What all tests share: real servers, and no skipped test in CI."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers"]

LOWEST = 19
"""The priority of whoever takes what others leave."""
JOURNEYS = ("tests/e2e/", "tests/parity/")
"""Where each test takes the whole shop."""

LONG = bool(os.environ.get("STRANGLER_CHAOS"))

# How long an example takes says how busy the machine is.
settings.register_profile("busy", deadline=None, max_examples=1000 if LONG else 40)
settings.load_profile("busy")

# A run in the background has inherited that these are ignored; so would every server of a test,
# which ends it by one of them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests mostly wait for what they have started."""
    return (os.cpu_count() or 1) + 1


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is a journey because of where it is."""
    if item.nodeid.startswith(JOURNEYS):
        item.add_marker("journey")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, so that nobody waits for it at the end."""
    for marker in ("long", "foremost"):
        items.sort(key=lambda item: item.get_closest_marker(marker) is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Beside others, a test takes what the one that is foremost leaves of the processors."""
    if hasattr(item.config, "workerinput") and not item.get_closest_marker("foremost"):
        os.nice(LOWEST - os.nice(0))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, a skipped test fails the run: what nobody ran proves nothing."""
    if session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List what failed the run by being skipped, and why."""
    if skipped := _skipped(config):
        terminalreporter.section("skipped in CI, where nothing may be", red=True)
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {_reason(report)}")


def _skipped(config: pytest.Config) -> list[pytest.TestReport | pytest.CollectReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    # An xdist worker has no reporter: the controller sees the reports of all.
    if not os.environ.get("CI") or reporter is None or hasattr(config, "workerinput"):
        return []
    return list(reporter.stats.get("skipped", []))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    return longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
