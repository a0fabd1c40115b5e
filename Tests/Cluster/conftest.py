"""The servers that all cluster tests share, and the stage of each test."""

import pytest

from servers import Servers
from stage import Stage

pytest_plugins = ["closing_line"]

report_key = pytest.StashKey[pytest.TestReport]()
balances = []


@pytest.fixture(scope="session")
def servers():
    """A cluster of three RabbitMQ nodes, and a PostgreSQL that can get a standby."""
    with Servers() as servers:
        yield servers


@pytest.fixture
def stage(servers, request):
    """A vhost, a database, centers and a fleet for one test. Repairs the servers after a failed test."""
    stage = Stage(servers)
    with stage:
        yield stage
        balances.extend(f"{request.node.name}: {balance}" for balance in stage.balances)
        report = request.node.stash.get(report_key, None)
        if report is None or report.failed:
            stage.print_logs()
            servers.repair()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.stash[report_key] = report
    return report


def pytest_terminal_summary(terminalreporter):
    """Prints the counts of each test: scans delivered and stored, and the time of recovery."""
    if balances:
        terminalreporter.section("scans")
        for balance in balances:
            terminalreporter.write_line(balance)
