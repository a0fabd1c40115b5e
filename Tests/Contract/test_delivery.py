"""contract.md section 4: each (journal, seq) is stored once, in whatever order and batches the scans arrive."""

import random
import re
import signal

from batch import Batch, Scan, new_log, now_us
from waiting import equal, wait_equal, wait_until


def test_batch_is_stored_with_its_metadata(system):
    before = now_us()
    batch = system.batch(500, backlog=7, snapshot=1_795_000_000, state={"reader": "ok", "disk": 83})
    system.publish(batch)
    system.await_counters(batch, 500, 500)
    system.check_stored(batch)
    row = system.journal(batch)
    equal((row["last_seq"], row["next_seq"]), (500, 501), "last_seq, next_seq")
    equal((row["backlog"], row["snapshot_version"]), (7, 1_795_000_000), "backlog, snapshot_version")
    equal(row["state"], {"reader": "ok", "disk": 83}, "state")
    assert before <= row["last_received_us"] <= now_us()
    versions = system.sql(
        "SELECT DISTINCT snapshot_version, received_at BETWEEN now() - interval '1 minute' AND now() AS near "
        "FROM tapline.scans WHERE journal_id = %s",
        row["id"],
    )
    equal([dict(v) for v in versions], [{"snapshot_version": 1_795_000_000, "near": True}])
    equal(system.gaps(batch), [])


def test_repeated_batch_is_counted_as_duplicates(system):
    batch = system.batch(120)
    system.publish(*[batch] * 5)
    system.await_counters(batch, 600, 120, 480)
    system.check_stored(batch)


def test_batch_split_differently_adds_no_scan(system):
    batch = system.batch(100)
    system.publish(batch, batch.part(0, 30), batch.part(30, 77), batch.part(77, 100), batch.part(0, 1))
    system.await_counters(batch, 201, 100, 101)
    system.check_stored(batch)


def test_overlapping_batches_add_no_scan_twice(system):
    batch = system.batch(100)
    system.publish(batch.part(0, 60), batch.part(40, 100), batch.part(20, 80))
    system.await_counters(batch, 180, 100, 80)
    system.check_stored(batch)


def test_batches_in_reverse_order_close_their_gap(system):
    batch = system.batch(100)
    system.publish(batch.part(80, 100))
    system.await_counters(batch, 20, 20)
    equal(system.gaps(batch), [(1, 80)])
    equal((system.journal(batch)["last_seq"], system.journal(batch)["next_seq"]), (100, 1))
    system.publish(*[batch.part(start, start + 20) for start in (60, 40, 20, 0)])
    system.await_counters(batch, 100, 100)
    system.check_stored(batch)
    equal(system.gaps(batch), [])
    equal(system.journal(batch)["next_seq"], 101)


def test_gaps_are_listed_until_they_are_filled(system):
    batch = system.batch(60)
    system.publish(batch.part(0, 10), batch.part(20, 30), batch.part(50, 60))
    system.await_counters(batch, 30, 30)
    equal(system.gaps(batch), [(11, 20), (31, 50)])
    equal((system.journal(batch)["next_seq"], system.journal(batch)["last_seq"]), (11, 60))
    system.publish(batch.part(33, 36), batch.part(8, 15))
    system.await_counters(batch, 40, 38, 2)
    equal(system.gaps(batch), [(16, 20), (31, 33), (37, 50)])
    system.publish(batch.part(12, 60))
    system.await_counters(batch, 88, 60, 28)
    equal(system.gaps(batch), [])
    system.check_stored(batch)


def test_random_pieces_in_random_order(system):
    """Twelve journals in pieces of random size and order, some of them repeated, from a fixed seed."""
    dice = random.Random("any delivery")
    batches = [system.batch(dice.randint(1, 150)) for _ in range(12)]
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
    system.publish(*pieces)
    for batch in batches:
        n = len(batch.scans)
        system.await_counters(batch, received[batch.log], n, received[batch.log] - n)
        system.check_stored(batch)
        equal(system.gaps(batch), [])


def test_conflicting_scan_is_quarantined_and_the_first_stays(system):
    """A conflict is another tag, verdict, time or other flags for a stored seq. There is one quarantine row per batch."""
    batch = system.batch(10)
    system.publish(batch)
    system.await_counters(batch, 10, 10)
    changed = list(batch.scans)
    changed[0] = Scan(changed[0].at, changed[0].tag + 1, changed[0].verdict, changed[0].flags)
    changed[2] = Scan(changed[2].at, changed[2].tag, changed[2].verdict + 1, changed[2].flags)
    changed[5] = Scan(changed[5].at, changed[5].tag, changed[5].verdict, changed[5].flags ^ 1)
    changed[9] = Scan(changed[9].at + 1_000, changed[9].tag, changed[9].verdict, changed[9].flags)
    other = Batch(batch.scanner, batch.log, 1, changed + system.some_scans(3))
    system.publish(other)
    system.await_counters(batch, 23, 13, 6, 4)
    system.check_stored(batch, other)
    rows = wait_until(lambda: system.quarantine(other.encode()), "the batch is in quarantine")
    equal([(row["reason"], row["times"], row["scanner_id"]) for row in rows], [("conflict", 1, batch.scanner)])
    equal(rows[0]["body"], other.encode(), "the quarantined body")
    numbers = [int(number) for number in re.findall(r"\d+", rows[0]["detail"])]
    for seq in (1, 3, 6, 10):
        assert seq in numbers, f"seq {seq} is not in the detail {rows[0]['detail']!r}"
    # The same batch again uses the same row, and its conflicts are counted again.
    system.publish(other, other)
    system.await_counters(batch, 49, 13, 24, 12)
    equal([(row["reason"], row["times"]) for row in system.quarantine(other.encode())], [("conflict", 3)])


def test_conflict_within_one_group(system):
    """Both batches arrive at the same time. The first one is stored, the other one is quarantined."""
    batch = system.batch(5)
    other = Batch(
        batch.scanner,
        batch.log,
        1,
        [Scan(s.at, s.tag + 7, s.verdict, s.flags) for s in batch.scans],
        base=batch.scans[0].at,
    )
    system.publish(batch, other, batch, other)
    system.await_counters(batch, 20, 5, 5, 10)
    system.check_stored(batch)


def test_scan_with_another_gate_or_snapshot_is_a_duplicate(system):
    batch = system.batch(5, gate=3, snapshot=1)
    moved = Batch(batch.scanner, batch.log, 1, batch.scans, gate=4, snapshot=2)
    system.publish(batch, moved)
    system.await_counters(batch, 10, 5, 5)
    rows = system.sql(
        "SELECT DISTINCT gate_id, snapshot_version FROM tapline.scans WHERE journal_id = %s",
        system.journal(batch)["id"],
    )
    equal([dict(row) for row in rows], [{"gate_id": 3, "snapshot_version": 1}], "gate and snapshot of the first batch")


def test_journals_are_identified_by_scanner_and_journal_id(system):
    """The same journal ID from another scanner is another journal. Every journal counts from 1."""
    first = system.batch(4)
    second = Batch(system.scanner(), first.log, 1, system.some_scans(4))
    third = Batch(first.scanner, new_log(), 1, system.some_scans(4))
    system.publish(first, second, third)
    for batch in (first, second, third):
        system.await_counters(batch, 4, 4)
        system.check_stored(batch)


def test_after_reports_a_missing_end_of_the_previous_journal(system):
    old = system.batch(30)
    system.publish(old.part(0, 10))
    new = Batch(old.scanner, new_log(), 1, system.some_scans(2), after=[old.log, 30])
    system.publish(new)
    system.await_counters(new, 2, 2)
    system.await_counters(old, 10, 10)
    wait_equal(lambda: system.gaps(old), [(11, 30)], "gaps of the previous journal")
    equal(system.gaps(new), [])
    system.publish(old.part(5, 20))
    system.await_counters(old, 25, 20, 5)
    equal(system.gaps(old), [(21, 30)])
    system.publish(old.part(20, 30))
    system.await_counters(old, 35, 30, 5)
    equal(system.gaps(old), [])


def test_after_reports_a_journal_that_never_arrived(system):
    lost = system.batch(3)
    new = Batch(lost.scanner, new_log(), 1, system.some_scans(2), after=[lost.log, 3])
    system.publish(new)
    system.await_counters(new, 2, 2)
    wait_equal(lambda: system.gaps(lost), [(1, 3)], "gaps of the missing journal")
    system.publish(lost)
    system.await_counters(lost, 3, 3)
    equal(system.gaps(lost), [])


def test_killed_center_loses_and_repeats_nothing(system):
    """SIGKILL while batches arrive, and a restart while they still arrive."""
    batches = [system.batch(40) for _ in range(40)]
    for number, batch in enumerate(batches):
        system.publish(batch.part(0, 20), batch.part(20, 40))
        if number == 15:
            equal(system.stop_center(signal.SIGKILL), -signal.SIGKILL)
        if number == 25:
            system.start_center()
    for batch in batches:
        wait_equal(lambda: system.journal(batch).get("stored"), 40, "stored scans")
        system.check_stored(batch)
        row = system.journal(batch)
        equal(row["received"], row["stored"] + row["duplicates"] + row["conflicts"])
        equal((row["conflicts"], system.gaps(batch)), (0, []))
