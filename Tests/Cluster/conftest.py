"""The servers that all cluster tests share, and the fixture of each test."""

import pytest

from servers import Servers
from cluster_fixture import ClusterFixture

pytest_plugins = ["closing_line"]

report_key = pytest.StashKey[pytest.TestReport]()
balances = []


@pytest.fixture(scope="session")
def servers():
    """A cluster of three RabbitMQ nodes, and a PostgreSQL that can get a standby."""
    with Servers() as servers:
        yield servers


@pytest.fixture
def cluster(servers, request):
    """A vhost, a database, centers and a fleet for one test. Repairs the servers after a failed test."""
    cluster = ClusterFixture(servers)
    with cluster:
        yield cluster
        balances.extend(f"{request.node.name}: {balance}" for balance in cluster.balances)
        report = request.node.stash.get(report_key, None)
        if report is None or report.failed:
            cluster.print_logs()
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
