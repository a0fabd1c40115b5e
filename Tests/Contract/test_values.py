"""SPEC.md section 3: the edges of what a good batch may hold, and what becomes of each value."""

import cbor2

from batch import YEAR_2200_US, Batch, Scan, new_log, now_ms_us, now_us
from waiting import equal, wait_equal, wait_until


def test_ten_thousand_scans(b):
    batch = b.batch(10_000)
    b.publish(batch)
    b.await_counters(batch, 10_000, 10_000)
    b.check_stored(batch)


def test_exactly_one_mebibyte(b):
    batch = b.batch(10)
    batch.more = {"padding": b""}
    missing = (1 << 20) - len(batch.encode())
    batch.more = {"padding": bytes(missing - 4)}
    equal(len(batch.encode()), 1 << 20)
    b.publish(batch)
    b.await_counters(batch, 10, 10)


def test_extreme_values(b):
    """The edges of every range that section 3 gives."""
    last = YEAR_2200_US - 1_000
    scans = [Scan(0, 0), Scan(1_000, -(1 << 63), 255, 255), Scan(2_147_483_647_000, (1 << 63) - 1, 64, 64)]
    early = Batch(b.scanner(), b"\x00" * 16, 1, scans, base=0, sent=0)
    late = Batch(
        b.scanner(),
        b"\xff" * 16,
        1,
        [Scan(last - 2_147_483_648_000, -1), Scan(last, 1)],
        base=last,
        sent=YEAR_2200_US - 1,
        gate=(1 << 53) - 1,
        snapshot=(1 << 53) - 1,
        backlog=(1 << 53) - 1,
    )
    before_1970 = Batch(b.scanner(), new_log(), 1, [Scan(0, 5)], base=-1_000_000)
    far = Batch(b.scanner(), new_log(), (1 << 53) - 1, b.some_scans(1))
    for batch in (early, late, before_1970, far):
        b.publish(batch)
    for batch in (early, late, before_1970, far):
        b.await_counters(batch, len(batch.scans), len(batch.scans))
        b.check_stored(batch)
    equal(b.gaps(far), [(1, (1 << 53) - 2)])
    row = b.journal(late)
    equal((row["snapshot_version"], row["backlog"]), ((1 << 53) - 1, (1 << 53) - 1))
    equal(b.one("SELECT min(gate_id) FROM tapline.scans WHERE journal_id = %s", row["id"]), (1 << 53) - 1)


def test_unknown_keys_and_any_order(b):
    batch = b.batch(6)
    batch.more = {
        "future": {"a": [1, 2.5, None, True, "x", {"b": b"y"}], "c": cbor2.CBORTag(99, [])},
        "": 0,
        "ü" * 300: -1,
        "half": 1.5,
        "nothing": None,
        "big": 1 << 63,
    }
    fields = batch.fields()
    b.relay.publish("scan." + batch.scanner, cbor2.dumps(dict(reversed(list(fields.items())))))
    b.await_counters(batch, 6, 6)
    b.check_stored(batch)


def test_gate(b):
    default = b.gate(b.zone())
    scanner = b.scanner(default)
    absent, unknown = (Batch(scanner, new_log(), 1, b.some_scans(2), gate=gate) for gate in (None, 31_999))
    b.publish(absent, unknown)
    for batch, gate in ((absent, default), (unknown, 31_999)):
        b.await_counters(batch, 2, 2)
        equal(
            b.one(
                "SELECT array_agg(DISTINCT gate_id) FROM tapline.scans WHERE journal_id = %s", b.journal(batch)["id"]
            ),
            [gate],
        )


def test_heartbeat(b):
    batch = b.batch(0, backlog=3, state={"software": "1.0"}, snapshot=5)
    b.publish(batch)
    row = wait_until(lambda: b.journal(batch), "the heartbeat makes the journal's row")
    equal((row["received"], row["stored"], row["last_seq"], row["next_seq"]), (0, 0, 0, 1))
    equal((row["backlog"], row["snapshot_version"], row["state"]), (3, 5, {"software": "1.0"}))
    full = Batch(batch.scanner, batch.log, 1, b.some_scans(3))
    b.publish(full)
    b.await_counters(full, 3, 3)
    earlier = b.journal(full)["last_received_us"]
    b.publish(Batch(batch.scanner, batch.log, 4, [], backlog=9, state={"software": "1.1"}))
    wait_equal(lambda: (b.journal(full)["backlog"], b.journal(full)["state"]), (9, {"software": "1.1"}), "refreshed")
    assert b.journal(full)["last_received_us"] > earlier
    b.await_counters(full, 3, 3)
    equal(b.gaps(full), [])


def test_skew_is_the_smallest_of_the_last_20(b):
    """received - sent, an upper bound of the clock's error: a slow way makes it larger, never smaller."""
    batch = b.batch(0, sent=now_us() - 600_000_000)
    b.publish(batch)
    wait_until(lambda: 600 <= float(b.journal(batch).get("skew_s") or 0) < 620, "ten minutes of skew")
    b.publish(Batch(batch.scanner, batch.log, 1, [], sent=now_us() - 30_000_000))
    wait_until(lambda: 30 <= float(b.journal(batch)["skew_s"]) < 50, "the smallest")
    b.publish(*[Batch(batch.scanner, batch.log, 1, [], sent=now_us() - 90_000_000) for _ in range(19)])
    b.publish(Batch(batch.scanner, batch.log, 1, [], sent=now_us() - 90_000_000))
    wait_until(lambda: 90 <= float(b.journal(batch)["skew_s"]) < 110, "forgotten after 20 publishes")


def test_device_times_are_stored_as_sent(b):
    tomorrow = now_ms_us() + 86_400_000_000
    first = Batch(b.scanner(), new_log(), 1, [Scan(tomorrow, 5)])
    second = Batch(first.scanner, first.log, 2, [Scan(1_000, 6)])
    b.publish(first, second)
    b.await_counters(first, 2, 2)
    b.check_stored(first, second)
