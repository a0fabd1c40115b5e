"""A database with a synchronous standby. It ends with another primary than it began with, so it runs last."""

import time
import urllib.parse

import pytest

from log_messages import DATABASE_LOST
from cluster_fixture import LIMIT_S
from waiting import equal, wait_equal, wait_until

pytestmark = pytest.mark.runs_last


def test_promoted_standby_has_every_acknowledged_scan(cluster):
    """A COMMIT whose wait for the standby is cancelled is not acknowledged. Then the primary is killed and the standby is
    promoted.
    """
    cluster.servers.add_standby()
    first = cluster.center("1/2")
    # This center knows only the standby, which is read-only: it waits for the promotion.
    parts = urllib.parse.urlsplit(cluster.database_url)
    login, hosts = parts.netloc.rsplit("@", 1)
    standby_url = parts._replace(netloc=f"{login}@{hosts.split(',')[1]}", query="").geturl()
    second = cluster.center("2/2", database_url=standby_url)
    first.await_ready()
    wait_until(lambda: second.logged(DATABASE_LOST, "25006"), "the second center rejects the read-only server", LIMIT_S)
    equal(second.get("/readyz")[0], 503, "status of the second center")
    fleet = cluster.flow()
    cancel_a_wait(cluster, first)
    killed = time.monotonic()
    cluster.servers.do("kill-database")
    # Without a primary no batch is acknowledged: both centers are not ready, and the scans wait in the queues.
    wait_equal(lambda: first.get("/readyz")[0], 503, "status of the first center without a primary", LIMIT_S)
    equal(second.get("/readyz")[0], 503, "status of the second center without a primary")
    stored = cluster.watch.total()
    wait_until(
        lambda: sum(queue["messages"] for queue in cluster.queues("messages")) > 0, "scans wait in the queues", LIMIT_S
    )
    equal(cluster.watch.total(), stored, "stored scans without a primary")
    cluster.servers.do("promote")
    cluster.await_flow(fleet, time.monotonic())
    second.await_ready()
    first.await_ready()
    equal(len(second.logged(DATABASE_LOST, "25006")), 1, "log lines about the read-only server")
    cluster.finish(fleet, [killed])
    cluster.servers.database_url = standby_of(cluster.servers.database_url)


def cancel_a_wait(cluster, center):
    """Lets a COMMIT wait for a standby that does not exist, and cancels it."""
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' "
        "AND application_name = 'tapline-center ingest'"
    )
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
    cluster.sql("SELECT pg_reload_conf()")
    try:
        session = wait_until(lambda: cluster.sql(waiting), "a COMMIT waits for the standby", LIMIT_S)[0][0]
        cluster.sql(f"SELECT pg_cancel_backend({session})")
        wait_until(
            lambda: center.logged(DATABASE_LOST, "canceling wait"), "the center treats the warning as an error", LIMIT_S
        )
    finally:
        cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        cluster.sql("SELECT pg_reload_conf()")
    wait_equal(lambda: cluster.sql(waiting), [], "sessions that wait for a standby", LIMIT_S)


def standby_of(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    login, hosts = parts.netloc.rsplit("@", 1)
    return parts._replace(netloc=f"{login}@{hosts.split(',')[1]}").geturl()
