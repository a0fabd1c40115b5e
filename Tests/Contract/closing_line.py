"""Hooks that the test programs in Python share: the order of the tests, the logs of a failed test, the closing line.

The closing line `N passed, N failed` is what scripts/test reads. Errors in fixtures and skipped tests count as failed, and
a run without tests fails: nothing is skipped silently.
"""

import pytest

from shared_system import systems_key


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the logs of the shared systems to the report of a failed test, and restarts what has ended."""
    report = yield
    for name, system in item.config.stash.get(systems_key, {}).items():
        if name in item.fixturenames and report.failed:
            report.sections.extend(system.logs())
            if call.when == "call":
                system.recover()
    return report


@pytest.fixture
def say(capsys):
    """Prints a measured value into the log of the run."""

    def write(text):
        with capsys.disabled():
            print(f"\n    {text}")

    return write


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
