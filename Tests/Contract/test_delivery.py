"""SPEC.md section 4: repeated, split differently, overlapping, out of order: each (journal, seq) is stored once."""

import random
import re
import signal

from batch import Batch, Scan, new_log, now_us
from waiting import equal, wait_equal, wait_until


def test_whole(b):
    before = now_us()
    batch = b.batch(500, backlog=7, snapshot=1_795_000_000, state={"reader": "ok", "disk": 83})
    b.publish(batch)
    b.await_counters(batch, 500, 500)
    b.check_stored(batch)
    row = b.journal(batch)
    equal((row["last_seq"], row["next_seq"]), (500, 501), "last_seq, next_seq")
    equal((row["backlog"], row["snapshot_version"]), (7, 1_795_000_000), "backlog, snapshot_version")
    equal(row["state"], {"reader": "ok", "disk": 83}, "state")
    assert before <= row["last_received_us"] <= now_us()
    versions = b.sql(
        "SELECT DISTINCT snapshot_version, received_at BETWEEN now() - interval '1 minute' AND now() AS near "
        "FROM tapline.scans WHERE journal_id = %s",
        row["id"],
    )
    equal([dict(v) for v in versions], [{"snapshot_version": 1_795_000_000, "near": True}])
    equal(b.gaps(batch), [])


def test_repeated(b):
    batch = b.batch(120)
    b.publish(*[batch] * 5)
    b.await_counters(batch, 600, 120, 480)
    b.check_stored(batch)


def test_resplit(b):
    batch = b.batch(100)
    b.publish(batch, batch.part(0, 30), batch.part(30, 77), batch.part(77, 100), batch.part(0, 1))
    b.await_counters(batch, 201, 100, 101)
    b.check_stored(batch)


def test_overlapping(b):
    batch = b.batch(100)
    b.publish(batch.part(0, 60), batch.part(40, 100), batch.part(20, 80))
    b.await_counters(batch, 180, 100, 80)
    b.check_stored(batch)


def test_reversed(b):
    batch = b.batch(100)
    b.publish(batch.part(80, 100))
    b.await_counters(batch, 20, 20)
    equal(b.gaps(batch), [(1, 80)])
    equal((b.journal(batch)["last_seq"], b.journal(batch)["next_seq"]), (100, 1))
    b.publish(*[batch.part(start, start + 20) for start in (60, 40, 20, 0)])
    b.await_counters(batch, 100, 100)
    b.check_stored(batch)
    equal(b.gaps(batch), [])
    equal(b.journal(batch)["next_seq"], 101)


def test_gaps_are_listed_until_filled(b):
    batch = b.batch(60)
    b.publish(batch.part(0, 10), batch.part(20, 30), batch.part(50, 60))
    b.await_counters(batch, 30, 30)
    equal(b.gaps(batch), [(11, 20), (31, 50)])
    equal((b.journal(batch)["next_seq"], b.journal(batch)["last_seq"]), (11, 60))
    b.publish(batch.part(33, 36), batch.part(8, 15))
    b.await_counters(batch, 40, 38, 2)
    equal(b.gaps(batch), [(16, 20), (31, 33), (37, 50)])
    b.publish(batch.part(12, 60))
    b.await_counters(batch, 88, 60, 28)
    equal(b.gaps(batch), [])
    b.check_stored(batch)


def test_any_delivery_of_anything(b):
    """Twelve journals in pieces of any size, in any order, some twice: the seed is the test's name."""
    dice = random.Random("any delivery")
    batches = [b.batch(dice.randint(1, 150)) for _ in range(12)]
    received, pieces = {}, []
    for batch in batches:
        n, received[batch.log] = len(batch.scans), 0
        cuts = sorted({0, n, *(dice.randint(0, n) for _ in range(6))})
        parts = list(zip(cuts, cuts[1:]))
        for _ in range(12):
            start = dice.randrange(n)
            parts.append((start, dice.randint(start, n)))
        received[batch.log] = sum(end - start for start, end in parts)
        pieces += [batch.part(start, end) for start, end in parts]
    dice.shuffle(pieces)
    b.publish(*pieces)
    for batch in batches:
        n = len(batch.scans)
        b.await_counters(batch, received[batch.log], n, received[batch.log] - n)
        b.check_stored(batch)
        equal(b.gaps(batch), [])


def test_conflicts(b):
    """Another tag, verdict, flags or time under a seq that is stored: the first stays, one quarantine row a batch."""
    batch = b.batch(10)
    b.publish(batch)
    b.await_counters(batch, 10, 10)
    changed = list(batch.scans)
    changed[0] = Scan(changed[0].at, changed[0].tag + 1, changed[0].verdict, changed[0].flags)
    changed[2] = Scan(changed[2].at, changed[2].tag, changed[2].verdict + 1, changed[2].flags)
    changed[5] = Scan(changed[5].at, changed[5].tag, changed[5].verdict, changed[5].flags ^ 1)
    changed[9] = Scan(changed[9].at + 1_000, changed[9].tag, changed[9].verdict, changed[9].flags)
    other = Batch(batch.scanner, batch.log, 1, changed + b.some_scans(3))
    b.publish(other)
    b.await_counters(batch, 23, 13, 6, 4)
    b.check_stored(batch, other)
    rows = wait_until(lambda: b.quarantine(other.encode()), "the conflict is put aside")
    equal([(row["reason"], row["times"], row["scanner_id"]) for row in rows], [("conflict", 1, batch.scanner)])
    equal(rows[0]["body"], other.encode(), "the bytes")
    numbers = [int(number) for number in re.findall(r"\d+", rows[0]["detail"])]
    for seq in (1, 3, 6, 10):
        assert seq in numbers, f"seq {seq} in the detail {rows[0]['detail']!r}"
    # The same again is the same row, and counts as conflicts again.
    b.publish(other, other)
    b.await_counters(batch, 49, 13, 24, 12)
    equal([(row["reason"], row["times"]) for row in b.quarantine(other.encode())], [("conflict", 3)])


def test_conflict_within_one_group(b):
    """Both sides arrive at once: whichever is first stays, and the other is put aside."""
    batch = b.batch(5)
    other = Batch(
        batch.scanner,
        batch.log,
        1,
        [Scan(s.at, s.tag + 7, s.verdict, s.flags) for s in batch.scans],
        base=batch.scans[0].at,
    )
    b.publish(batch, other, batch, other)
    b.await_counters(batch, 20, 5, 5, 10)
    b.check_stored(batch)


def test_another_gate_or_snapshot_is_a_duplicate(b):
    batch = b.batch(5, gate=3, snapshot=1)
    moved = Batch(batch.scanner, batch.log, 1, batch.scans, gate=4, snapshot=2)
    b.publish(batch, moved)
    b.await_counters(batch, 10, 5, 5)
    rows = b.sql(
        "SELECT DISTINCT gate_id, snapshot_version FROM tapline.scans WHERE journal_id = %s", b.journal(batch)["id"]
    )
    equal([dict(row) for row in rows], [{"gate_id": 3, "snapshot_version": 1}], "the first stays")


def test_journals_are_told_apart(b):
    """The same log from another scanner is another journal, and every journal counts from 1."""
    first = b.batch(4)
    second = Batch(b.scanner(), first.log, 1, b.some_scans(4))
    third = Batch(first.scanner, new_log(), 1, b.some_scans(4))
    b.publish(first, second, third)
    for batch in (first, second, third):
        b.await_counters(batch, 4, 4)
        b.check_stored(batch)


def test_after_announces_a_lost_tail(b):
    old = b.batch(30)
    b.publish(old.part(0, 10))
    new = Batch(old.scanner, new_log(), 1, b.some_scans(2), after=[old.log, 30])
    b.publish(new)
    b.await_counters(new, 2, 2)
    b.await_counters(old, 10, 10)
    wait_equal(lambda: b.gaps(old), [(11, 30)], "the tail is a gap")
    equal(b.gaps(new), [])
    b.publish(old.part(5, 20))
    b.await_counters(old, 25, 20, 5)
    equal(b.gaps(old), [(21, 30)])
    b.publish(old.part(20, 30))
    b.await_counters(old, 35, 30, 5)
    equal(b.gaps(old), [])


def test_after_announces_a_journal_never_seen(b):
    lost = b.batch(3)
    new = Batch(lost.scanner, new_log(), 1, b.some_scans(2), after=[lost.log, 3])
    b.publish(new)
    b.await_counters(new, 2, 2)
    wait_equal(lambda: b.gaps(lost), [(1, 3)], "all of it is a gap")
    b.publish(lost)
    b.await_counters(lost, 3, 3)
    equal(b.gaps(lost), [])


def test_killed_and_started_again(b):
    """SIGKILL amid a stream: nothing is lost, nothing is there twice."""
    batches = [b.batch(40) for _ in range(40)]
    for number, batch in enumerate(batches):
        b.publish(batch.part(0, 20), batch.part(20, 40))
        if number == 15:
            equal(b.stop_center(signal.SIGKILL), -signal.SIGKILL)
        if number == 25:
            b.start_center()
    for batch in batches:
        wait_equal(lambda: b.journal(batch).get("stored"), 40, "stored")
        b.check_stored(batch)
        row = b.journal(batch)
        equal(row["received"], row["stored"] + row["duplicates"] + row["conflicts"])
        equal((row["conflicts"], b.gaps(batch)), (0, []))
