"""The system under test, which all contract tests share, and what happens after a failed test."""

import os

import pytest

from festival import Festival
from harness import SystemUnderTest

pytest_plugins = ["closing_line"]

system_key = pytest.StashKey[SystemUnderTest]()
festival_key = pytest.StashKey[Festival]()


@pytest.fixture(scope="session")
def system(request):
    """The real center with a separate vhost and a separate database, for the whole session."""
    with SystemUnderTest(os.environ) as system:
        request.config.stash[system_key] = system
        yield system


@pytest.fixture(scope="session")
def festival(request):
    """A festival that is set up by the documentation, whose tests make faults."""
    with Festival(os.environ) as festival:
        request.config.stash[festival_key] = festival
        yield festival


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the center's log to the report of a failed test, and restarts a center that has ended."""
    report = yield
    for name, key in (("system", system_key), ("festival", festival_key)):
        system = item.config.stash.get(key, None)
        if system and name in item.fixturenames and call.when == "call" and report.failed:
            report.sections.append(("log of the center", system.center_log()))
            system.recover()
    return report
