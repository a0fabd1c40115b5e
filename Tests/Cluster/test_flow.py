"""Backpressure: when one part accepts no more scans, the others wait, and continue without intervention."""

import time
from itertools import pairwise

from log_messages import BATCH_REJECTED, BROKER_LOST, DATABASE_LOST, DELIVERIES_REQUEUED, PUBLISHER_BLOCKED
from cluster_fixture import LIMIT_S
from waiting import equal, wait_equal, wait_until


def test_database_outage_fills_the_queues_and_then_the_journals(cluster):
    """The center requeues its deliveries, the queues fill up, and the scanners keep rejected batches."""
    center = cluster.center("1/1", "--database-away-limit-s", "2")
    center.await_ready()
    fleet = cluster.flow()
    cluster.servers.rabbit(
        "set_policy", "-p", cluster.name, "full", "^tapline.scans", '{"max-length-bytes":20000}', "--apply-to", "queues"
    )
    killed = time.monotonic()
    cluster.servers.do("kill-database")
    wait_until(lambda: center.logged(DELIVERIES_REQUEUED), "the center requeued its deliveries", LIMIT_S)
    wait_equal(lambda: cluster.consumers(), {}, "consumers", LIMIT_S)
    wait_until(lambda: BATCH_REJECTED in fleet.log_path.read_text(), "full queues reject batches", LIMIT_S)
    wait_until(lambda: fleet.backlog() > 5_000, "the scanners keep their scans", LIMIT_S)
    status, problems = center.get("/readyz")
    equal(status, 503)
    assert "database" in problems and "broker" in problems, problems
    cluster.servers.do("restart-database")
    cluster.await_flow(fleet, time.monotonic())
    center.await_ready()
    cluster.servers.rabbit("clear_policy", "-p", cluster.name, "full")
    cluster.finish(fleet, [killed])
    equal(len(center.logged(DELIVERIES_REQUEUED)), 1, "log lines about requeued deliveries")
    errors = [line["error"] for line in center.logged(DATABASE_LOST)]
    # The center logs each change of the error, and an outage may bring one back.
    assert all(error != next_error for error, next_error in pairwise(errors)), f"an error was logged again: {errors}"


def test_memory_alarm_blocks_publishers_and_not_the_center(cluster):
    """The center consumes the messages in the queues while the brokers block publishers."""
    center = cluster.center()
    center.await_ready()
    fleet = cluster.flow()
    alarmed = time.monotonic()
    cluster.servers.rabbit("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        wait_until(lambda: PUBLISHER_BLOCKED in fleet.log_path.read_text(), "the publishers are blocked", LIMIT_S)
        wait_until(lambda: fleet.backlog() > 3_000, "the scanners keep their scans", LIMIT_S)
        wait_equal(
            lambda: sum(queue["messages"] for queue in cluster.queues("messages")), 0, "messages in the queues", LIMIT_S
        )
        equal(
            (center.get("/readyz")[0], center.logged(BROKER_LOST)),
            (200, []),
            "status of the center, and log lines about a lost broker",
        )
    finally:
        cluster.servers.rabbit("set_vm_memory_high_watermark", "0.3")
    cluster.finish(fleet, [alarmed])


def test_deleted_queue_and_closed_channel_lose_nothing(cluster):
    """The broker closes the channel of a consumer that acknowledges too late, and an operator deletes all queues."""
    # By default the broker checks every minute for deliveries older than half an hour. Here: every second, two seconds.
    set_limits(cluster, 2_000, 1_000)
    try:
        center = cluster.center()
        center.await_ready()
        fleet = cluster.flow()
        lock = "BEGIN; LOCK TABLE tapline.journals IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT"
        closed = time.monotonic()
        cluster.sql(lock)
        wait_until(lambda: center.logged(BROKER_LOST, "406"), "the broker closed the channel", LIMIT_S)
        cluster.await_flow(fleet, time.monotonic())
    finally:
        set_limits(cluster, 1_800_000, 60_000)
    # The queues must be empty, because the broker deletes their messages, too.
    fleet.end()
    wait_equal(
        lambda: sum(queue["messages"] for queue in cluster.queues("messages")), 0, "messages in the queues", LIMIT_S
    )
    for shard in range(4):
        cluster.servers.rabbit("delete_queue", f"tapline.scans.{shard}", "-p", cluster.name)
    wait_until(lambda: len(cluster.queues("messages")) == 4, "the queues are declared again", LIMIT_S)
    center.await_ready()
    equal(len(center.logged(BROKER_LOST, "cancelled consumer")) > 0, True, "the center logged the cancelled consumer")
    cluster.check(fleet, [closed])


def set_limits(cluster, consumer_timeout_ms: int, tick_ms: int):
    for node in (1, 2, 3):
        cluster.servers.rabbit(
            "eval",
            f"application:set_env(rabbit, consumer_timeout, {consumer_timeout_ms}), "
            f"application:set_env(rabbit, channel_tick_interval, {tick_ms}).",
            node=node,
        )
