"""When one part can take no more, the others wait, and all goes on by itself."""

import time

from stage import LIMIT_S
from waiting import equal, wait_equal, wait_until


def test_database_away_and_queues_full(stage):
    """The center gives back what it holds, the queues fill up, the scanners keep what is refused."""
    center = stage.center("1/1", "--database-away-limit-s", "2")
    center.await_ready()
    fleet = stage.flow()
    stage.servers.rabbit(
        "set_policy", "-p", stage.name, "full", "^tapline.scans", '{"max-length-bytes":20000}', "--apply-to", "queues"
    )
    killed = time.monotonic()
    stage.servers.do("kill-database")
    wait_until(lambda: center.said("gave the deliveries back: the database is away too long"), "given back", LIMIT_S)
    wait_equal(lambda: stage.consumers(), {}, "nobody consumes", LIMIT_S)
    wait_until(lambda: "refuses batches" in fleet.log_path.read_text(), "full queues refuse", LIMIT_S)
    wait_until(lambda: fleet.backlog() > 5_000, "the scanners keep what they tap", LIMIT_S)
    status, problems = center.get("/readyz")
    equal(status, 503)
    assert "database" in problems and "broker" in problems, problems
    stage.servers.do("restart-database")
    stage.await_flow(fleet, time.monotonic())
    center.await_ready()
    stage.servers.rabbit("clear_policy", "-p", stage.name, "full")
    stage.finish(fleet, [killed])
    equal(len(center.said("gave the deliveries back: the database is away too long")), 1, "said once")
    errors = [line["error"] for line in center.said("database away")]
    assert all(errors.count(error) == 1 for error in errors), f"each trouble is said once: {errors}"


def test_broker_alarm(stage):
    """Out of memory the brokers block who publishes; the center works off what they hold."""
    center = stage.center()
    center.await_ready()
    fleet = stage.flow()
    alarmed = time.monotonic()
    stage.servers.rabbit("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        wait_until(lambda: "the broker is blocked" in fleet.log_path.read_text(), "publishers are told", LIMIT_S)
        wait_until(lambda: fleet.backlog() > 3_000, "the scanners keep what they tap", LIMIT_S)
        wait_equal(lambda: sum(queue["messages"] for queue in stage.queues("messages")), 0, "worked off", LIMIT_S)
        equal((center.get("/readyz")[0], center.said("broker away")), (200, []), "to the center nothing has happened")
    finally:
        stage.servers.rabbit("set_vm_memory_high_watermark", "0.3")
    stage.finish(fleet, [alarmed])


def test_queues_deleted_and_channel_closed(stage):
    """A queue goes while it is consumed; the broker takes deliveries back that were held too long."""
    # The broker looks once a minute whether a delivery was held for half an hour; here, each second, for two.
    set_limits(stage, 2_000, 1_000)
    try:
        center = stage.center()
        center.await_ready()
        fleet = stage.flow()
        lock = "BEGIN; LOCK TABLE tapline.journals IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT"
        closed = time.monotonic()
        stage.sql(lock)
        wait_until(lambda: center.said("broker away", "406"), "the channel was closed", LIMIT_S)
        stage.await_flow(fleet, time.monotonic())
    finally:
        set_limits(stage, 1_800_000, 60_000)
    # Empty by then: with a queue its messages would go, and no center could store them.
    fleet.end()
    wait_equal(lambda: sum(queue["messages"] for queue in stage.queues("messages")), 0, "worked off", LIMIT_S)
    for shard in range(4):
        stage.servers.rabbit("delete_queue", f"tapline.scans.{shard}", "-p", stage.name)
    wait_until(lambda: len(stage.queues("messages")) == 4, "declared again", LIMIT_S)
    center.await_ready()
    equal(len(center.said("broker away", "cancelled consumer")) > 0, True, "noticed")
    stage.check(fleet, [closed])


def set_limits(stage, consumer_timeout_ms: int, tick_ms: int):
    for node in (1, 2, 3):
        stage.servers.rabbit(
            "eval",
            f"application:set_env(rabbit, consumer_timeout, {consumer_timeout_ms}), "
            f"application:set_env(rabbit, channel_tick_interval, {tick_ms}).",
            node=node,
        )
