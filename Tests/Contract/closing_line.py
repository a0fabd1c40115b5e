"""Hooks that the contract test and the cluster test share: the order of the tests, and the closing line.

The closing line `N passed, N failed` is what scripts/test reads. Errors in fixtures and skipped tests count as failed, and
a run without tests fails: nothing is skipped silently.
"""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Moves the tests with the marker `runs_last` to the end; the sort is stable."""
    items.sort(key=lambda item: item.get_closest_marker("runs_last") is not None)


def counts(terminal) -> tuple:
    """Returns the numbers of passed and of failed tests."""
    passed = len(terminal.stats.get("passed", []))
    return passed, sum(
        len(terminal.stats.get(name, [])) for name in ("failed", "error", "skipped", "xfailed", "xpassed")
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    passed, failed = counts(session.config.pluginmanager.get_plugin("terminalreporter"))
    if session.exitstatus == pytest.ExitCode.OK and (failed or not passed):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config):
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal:
        passed, failed = counts(terminal)
        terminal.write_line(f"{passed} passed, {failed} failed")
