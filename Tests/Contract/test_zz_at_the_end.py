"""After everything the others did: all acked, all balanced, nothing rejected."""

import signal

from batch import Batch, new_log
from harness import Client
from waiting import equal


def test_every_shard_still_consumes(b):
    """Twenty scanners reach all four queues."""
    batches = [b.batch(3) for _ in range(20)]
    b.publish(*batches)
    for batch in batches:
        b.await_counters(batch, 3, 3)


def test_counters_balance_and_everything_is_acked(b):
    wrong = b.sql(
        "SELECT id FROM tapline.journals j WHERE received <> stored + duplicates + conflicts "
        "OR stored <> (SELECT count(*) FROM tapline.scans WHERE journal_id = j.id) "
        "OR last_seq <> coalesce((SELECT max(seq) FROM tapline.scans WHERE journal_id = j.id), 0) "
        "OR next_seq <> (SELECT coalesce(min(n), 1) FROM (SELECT seq + 1 AS n FROM tapline.scans s "
        "   WHERE journal_id = j.id AND NOT EXISTS (SELECT FROM tapline.scans x WHERE x.journal_id = j.id "
        "   AND x.seq = s.seq + 1) UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT FROM tapline.scans "
        "   WHERE journal_id = j.id AND seq = 1)) AS ends)"
    )
    equal(wrong, [], "journals whose counters are not true")
    equal(b.stop_center(signal.SIGTERM), 0, "SIGTERM drains and ends well")
    ready = b.ready()
    equal(ready, dict.fromkeys(ready, 0), "messages left")
    equal(b.watch.channel.queue_declare(b.dead, passive=True).method.message_count, 0, "rejected to tapline.dead")


def test_started_again_it_goes_on(b):
    if b.center is None:
        b.start_center()
    batch = Batch(b.scanner(), new_log(), 1, b.some_scans(2))
    b.publish(batch)
    b.await_counters(batch, 2, 2)


def test_topology(b):
    """Queue arguments as the contract has them: a declaration with the same ones is taken, another is refused."""
    client = Client(b.amqp_url)
    arguments = {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-overflow": "reject-publish",
        "x-max-length-bytes": 8 << 30,
        "x-dead-letter-exchange": "tapline.dead",
        "x-dead-letter-strategy": "at-least-once",
    }
    for number in range(4):
        client.channel.queue_declare(f"tapline.scans.{number}", durable=True, arguments=arguments)
    client.channel.exchange_declare("tapline.scans", "topic", durable=True)
    client.channel.exchange_declare("tapline.shards", "x-consistent-hash", durable=True, internal=True)
    client.close()
