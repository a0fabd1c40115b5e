"""contract.md section 3: limits of the values in a valid batch, and how each value is stored."""

import cbor2

from batch import YEAR_2200_US, Batch, Scan, new_log, now_ms_us, now_us
from waiting import equal, wait_equal, wait_until


def test_batch_of_ten_thousand_scans_is_stored(system):
    batch = system.batch(10_000)
    system.publish(batch)
    system.await_counters(batch, 10_000, 10_000)
    system.check_stored(batch)


def test_batch_of_exactly_one_mebibyte_is_stored(system):
    batch = system.batch(10)
    batch.more = {"padding": b""}
    missing = (1 << 20) - len(batch.encode())
    batch.more = {"padding": bytes(missing - 4)}
    equal(len(batch.encode()), 1 << 20)
    system.publish(batch)
    system.await_counters(batch, 10, 10)


def test_limits_of_every_range_are_stored(system):
    last = YEAR_2200_US - 1_000
    scans = [Scan(0, 0), Scan(1_000, -(1 << 63), 255, 255), Scan(2_147_483_647_000, (1 << 63) - 1, 64, 64)]
    early = Batch(system.scanner(), b"\x00" * 16, 1, scans, base=0, sent=0)
    late = Batch(
        system.scanner(),
        b"\xff" * 16,
        1,
        [Scan(last - 2_147_483_648_000, -1), Scan(last, 1)],
        base=last,
        sent=YEAR_2200_US - 1,
        gate=(1 << 53) - 1,
        snapshot=(1 << 53) - 1,
        backlog=(1 << 53) - 1,
    )
    before_1970 = Batch(system.scanner(), new_log(), 1, [Scan(0, 5)], base=-1_000_000)
    far = Batch(system.scanner(), new_log(), (1 << 53) - 1, system.some_scans(1))
    for batch in (early, late, before_1970, far):
        system.publish(batch)
    for batch in (early, late, before_1970, far):
        system.await_counters(batch, len(batch.scans), len(batch.scans))
        system.check_stored(batch)
    equal(system.gaps(far), [(1, (1 << 53) - 2)])
    row = system.journal(late)
    equal((row["snapshot_version"], row["backlog"]), ((1 << 53) - 1, (1 << 53) - 1))
    equal(system.one("SELECT min(gate_id) FROM tapline.scans WHERE journal_id = %s", row["id"]), (1 << 53) - 1)


def test_unknown_keys_and_order_of_keys_are_ignored(system):
    batch = system.batch(6)
    batch.more = {
        "future": {"a": [1, 2.5, None, True, "x", {"b": b"y"}], "c": cbor2.CBORTag(99, [])},
        "": 0,
        "ü" * 300: -1,
        "half": 1.5,
        "nothing": None,
        "big": 1 << 63,
    }
    fields = batch.fields()
    system.relay.publish("scan." + batch.scanner, cbor2.dumps(dict(reversed(list(fields.items())))))
    system.await_counters(batch, 6, 6)
    system.check_stored(batch)


def test_missing_gate_is_taken_from_the_registry(system):
    default = system.gate(system.zone())
    scanner = system.scanner(default)
    absent, unknown = (Batch(scanner, new_log(), 1, system.some_scans(2), gate=gate) for gate in (None, 31_999))
    system.publish(absent, unknown)
    for batch, gate in ((absent, default), (unknown, 31_999)):
        system.await_counters(batch, 2, 2)
        equal(
            system.one(
                "SELECT array_agg(DISTINCT gate_id) FROM tapline.scans WHERE journal_id = %s",
                system.journal(batch)["id"],
            ),
            [gate],
        )


def test_heartbeat_updates_only_the_state_of_the_journal(system):
    batch = system.batch(0, backlog=3, state={"software": "1.0"}, snapshot=5)
    system.publish(batch)
    row = wait_until(lambda: system.journal(batch), "the heartbeat adds the journal")
    equal((row["received"], row["stored"], row["last_seq"], row["next_seq"]), (0, 0, 0, 1))
    equal((row["backlog"], row["snapshot_version"], row["state"]), (3, 5, {"software": "1.0"}))
    full = Batch(batch.scanner, batch.log, 1, system.some_scans(3))
    system.publish(full)
    system.await_counters(full, 3, 3)
    earlier = system.journal(full)["last_received_us"]
    system.publish(Batch(batch.scanner, batch.log, 4, [], backlog=9, state={"software": "1.1"}))
    wait_equal(
        lambda: (system.journal(full)["backlog"], system.journal(full)["state"]),
        (9, {"software": "1.1"}),
        "backlog and state",
    )
    assert system.journal(full)["last_received_us"] > earlier
    system.await_counters(full, 3, 3)
    equal(system.gaps(full), [])


def test_clock_skew_is_the_minimum_of_the_last_20_batches(system):
    """The skew is received - sent. A slow network increases it and never decreases it, so the minimum is the best bound."""
    batch = system.batch(0, sent=now_us() - 600_000_000)
    system.publish(batch)
    wait_until(lambda: 600 <= float(system.journal(batch).get("skew_s") or 0) < 620, "a skew of ten minutes")
    system.publish(Batch(batch.scanner, batch.log, 1, [], sent=now_us() - 30_000_000))
    wait_until(lambda: 30 <= float(system.journal(batch)["skew_s"]) < 50, "a skew of 30 s, the minimum")
    system.publish(*[Batch(batch.scanner, batch.log, 1, [], sent=now_us() - 90_000_000) for _ in range(19)])
    system.publish(Batch(batch.scanner, batch.log, 1, [], sent=now_us() - 90_000_000))
    wait_until(lambda: 90 <= float(system.journal(batch)["skew_s"]) < 110, "a skew of 90 s, after 20 batches")


def test_device_times_are_stored_as_sent(system):
    tomorrow = now_ms_us() + 86_400_000_000
    first = Batch(system.scanner(), new_log(), 1, [Scan(tomorrow, 5)])
    second = Batch(first.scanner, first.log, 2, [Scan(1_000, 6)])
    system.publish(first, second)
    system.await_counters(first, 2, 2)
    system.check_stored(first, second)
