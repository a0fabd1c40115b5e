"""The state after all other tests: every batch acknowledged, all counters correct, no dead letter."""

import signal

import pytest

from batch import Batch, new_log
from harness import Client
from waiting import equal

pytestmark = pytest.mark.runs_last


def test_every_shard_is_consumed(system):
    """The batches of twenty scanners are distributed over all four queues."""
    batches = [system.batch(3) for _ in range(20)]
    system.publish(*batches)
    for batch in batches:
        system.await_counters(batch, 3, 3)


def test_counters_are_correct_and_all_batches_are_acknowledged(system):
    wrong = system.sql(
        "SELECT id FROM tapline.journals j WHERE received <> stored + duplicates + conflicts "
        "OR stored <> (SELECT count(*) FROM tapline.scans WHERE journal_id = j.id) "
        "OR last_seq <> coalesce((SELECT max(seq) FROM tapline.scans WHERE journal_id = j.id), 0) "
        "OR next_seq <> (SELECT coalesce(min(n), 1) FROM (SELECT seq + 1 AS n FROM tapline.scans s "
        "   WHERE journal_id = j.id AND NOT EXISTS (SELECT FROM tapline.scans x WHERE x.journal_id = j.id "
        "   AND x.seq = s.seq + 1) UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT FROM tapline.scans "
        "   WHERE journal_id = j.id AND seq = 1)) AS ends)"
    )
    equal(wrong, [], "journals with wrong counters")
    equal(system.stop_center(signal.SIGTERM), 0, "exit code after SIGTERM")
    ready = system.ready_messages()
    equal(ready, dict.fromkeys(ready, 0), "messages in the queues")
    equal(system.observer.channel.queue_declare(system.dead, passive=True).method.message_count, 0, "dead letters")


def test_restarted_center_continues(system):
    if system.center is None:
        system.start_center()
    batch = Batch(system.scanner(), new_log(), 1, system.some_scans(2))
    system.publish(batch)
    system.await_counters(batch, 2, 2)


def test_queue_arguments_follow_the_contract(system):
    """The broker accepts a declaration of an existing queue only if the arguments are equal."""
    client = Client(system.amqp_url)
    arguments = {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-overflow": "reject-publish",
        "x-max-length-bytes": 8 << 30,
        "x-dead-letter-exchange": "tapline.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-delivery-limit": 2_000_000_000,
    }
    for number in range(4):
        client.channel.queue_declare(f"tapline.scans.{number}", durable=True, arguments=arguments)
    quorum = {"x-queue-type": "quorum", "x-delivery-limit": 2_000_000_000}
    client.channel.queue_declare("tapline.dead", durable=True, arguments=quorum)
    client.channel.queue_declare("tapline.canary", durable=True, arguments={**quorum, "x-overflow": "reject-publish"})
    client.channel.exchange_declare("tapline.scans", "topic", durable=True)
    client.channel.exchange_declare("tapline.shards", "x-consistent-hash", durable=True, internal=True)
    client.close()
