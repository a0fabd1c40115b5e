"""A database with a synchronous standby."""

import time
import urllib.parse

from stage import LIMIT_S
from waiting import equal, wait_equal, wait_until


def test_cancelled_wait_and_promotion(stage):
    """A COMMIT whose wait was cancelled is none; then the primary dies, and the standby has all that was acknowledged."""
    stage.servers.give_standby()
    first = stage.center("1/2")
    # Knows the standby alone, which takes no writes: it waits until that one is the primary.
    parts = urllib.parse.urlsplit(stage.database_url)
    login, hosts = parts.netloc.rsplit("@", 1)
    standby_url = parts._replace(netloc=f"{login}@{hosts.split(',')[1]}", query="").geturl()
    second = stage.center("2/2", database_url=standby_url)
    first.await_ready()
    wait_until(lambda: second.said("database away", "25006"), "a read-only server is no database", LIMIT_S)
    equal(second.get("/readyz")[0], 503, "not ready")
    fleet = stage.flow()
    cancel_a_wait(stage, first)
    killed = time.monotonic()
    stage.servers.do("kill-database")
    # Nothing is acknowledged now, and what was is on the standby: whatever the time until it is promoted.
    time.sleep(1)
    stage.servers.do("promote")
    stage.await_flow(fleet, time.monotonic())
    second.await_ready()
    first.await_ready()
    equal(len(second.said("database away", "25006")), 1, "said once")
    stage.finish(fleet, [killed])
    stage.servers.database_url = standby_of(stage.servers.database_url)


def cancel_a_wait(stage, center):
    """The standby stops to confirm, a COMMIT waits for it, and somebody cancels that."""
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' "
        "AND application_name = 'tapline-center ingest'"
    )
    stage.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    stage.sql("SELECT pg_reload_conf()")
    try:
        session = wait_until(lambda: stage.sql(waiting), "a COMMIT waits for the standby", LIMIT_S)[0][0]
        stage.sql(f"SELECT pg_cancel_backend({session})")
        wait_until(lambda: center.said("database away", "canceling wait"), "the warning is taken as a failure", LIMIT_S)
    finally:
        stage.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        stage.sql("SELECT pg_reload_conf()")
    wait_equal(lambda: stage.sql(waiting), [], "nobody waits any more", LIMIT_S)


def standby_of(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    login, hosts = parts.netloc.rsplit("@", 1)
    return parts._replace(netloc=f"{login}@{hosts.split(',')[1]}").geturl()
