"""The system under test, which all contract tests share, and what happens after a failed test."""

import os

import pytest

from harness import SystemUnderTest

pytest_plugins = ["closing_line"]

system_key = pytest.StashKey[SystemUnderTest]()


@pytest.fixture(scope="session")
def system(request):
    """The real center with a separate vhost and a separate database, for the whole session."""
    with SystemUnderTest(os.environ) as system:
        request.config.stash[system_key] = system
        yield system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the center's log to the report of a failed test, and restarts a center that has ended."""
    report = yield
    system = item.config.stash.get(system_key, None)
    if system and call.when == "call" and report.failed:
        report.sections.append(("log of the center", system.center_log()))
        system.recover()
    return report
