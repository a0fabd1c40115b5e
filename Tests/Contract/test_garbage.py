"""contract.md section 3: an invalid batch is quarantined with reason and body, acknowledged, and blocks no other."""

import hashlib
import random

import cbor2

from batch import Batch, encode, new_log
from garbage import cases
from waiting import equal, wait_equal, wait_until


def check_row(system, name: str, body: bytes, reasons, routing_key: str, scanner, times: int):
    rows = system.quarantine(body, routing_key)
    equal(len(rows), 1, f"{name}: quarantine rows")
    row = rows[0]
    assert row["reason"] in reasons, f"{name}: reason {row['reason']!r} ({row['detail']!r}) must be one of {reasons}"
    equal((row["routing_key"], row["scanner_id"], row["times"]), (routing_key, scanner, times), name)
    if len(body) <= 1 << 20:
        equal(row["body"], body, f"{name}: the body")
    else:
        equal(row["body"], body[: 64 << 10], f"{name}: the first 64 KiB")
        equal(row["size"], len(body), f"{name}: the size")
    assert row["received_at"] is not None and row["detail"], f"{name}: no detail"


def test_invalid_batches_between_valid_ones_are_quarantined(system):
    """A valid batch follows each invalid one. All invalid batches arrive twice."""
    scanner = system.scanner()
    good = Batch(system.scanner(), new_log(), 1, system.some_scans(400))
    beside = Batch(scanner, new_log(), 1, system.some_scans(400))
    listed = cases(scanner)
    assert len(listed) >= 60 and len({body for _, body, _ in listed}) == len(listed)
    for number, (name, body, _) in enumerate(listed):
        system.relay.publish("scan." + scanner, body)
        system.publish(good.part(number, number + 1), beside.part(number, number + 1))
    n = len(listed)
    system.await_counters(good, n, n)
    system.await_counters(beside, n, n)
    system.check_stored(good.part(0, n))
    system.check_stored(beside.part(0, n))
    wait_equal(
        lambda: system.one("SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s", scanner),
        n,
        "quarantine rows",
    )
    wrong = []
    for name, body, reasons in listed:
        try:
            check_row(system, name, body, reasons, "scan." + scanner, scanner, 1)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    # A body that arrives again uses the same row.
    shuffled = [body for _, body, _ in listed]
    random.Random(1).shuffle(shuffled)
    for body in shuffled:
        system.relay.publish("scan." + scanner, body)
    wait_equal(
        lambda: system.one("SELECT sum(times) FROM tapline.quarantine WHERE scanner_id = %s", scanner),
        2 * n,
        "sum of the counts",
    )
    equal(system.one("SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s AND times = 2", scanner), n)


def test_invalid_batch_alone_in_its_group_is_quarantined(system):
    """The center stores a valid batch after each invalid one."""
    scanner = system.scanner()
    good = Batch(scanner, new_log(), 1, system.some_scans(200))
    listed = cases(scanner)
    for number, (name, body, reasons) in enumerate(listed[:: len(listed) // 25]):
        system.relay.publish("scan." + scanner, body)
        wait_until(lambda: system.quarantine(body, "scan." + scanner), f"{name} is in quarantine")
        check_row(system, name, body, reasons, "scan." + scanner, scanner, 1)
        system.publish(good.part(number, number + 1))
        system.await_counters(good, number + 1, number + 1)


def test_mutated_batches_are_stored_or_quarantined(system):
    """Random damage to valid batches, from a fixed seed. A valid batch afterwards is stored."""
    dice = random.Random("mutations")
    scanner = system.scanner()
    bodies = set()
    for _ in range(300):
        body = bytearray(Batch(scanner, new_log(), 1, system.some_scans(3)).encode())
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(body))
            what = dice.randrange(4)
            if what == 0:
                body[place] ^= 1 << dice.randrange(8)
            elif what == 1:
                body[place] = dice.randrange(256)
            elif what == 2:
                del body[place : place + dice.randint(1, 4)]
            else:
                body[place:place] = dice.randbytes(dice.randint(1, 4))
        bodies.add(bytes(body))
    for body in bodies:
        system.relay.publish("scan." + scanner, body)
    good = Batch(scanner, new_log(), 1, system.some_scans(5))
    system.publish(good)
    system.await_counters(good, 5, 5)

    def accounted() -> int:
        quarantined = system.one("SELECT count(*) FROM tapline.quarantine WHERE routing_key = %s", "scan." + scanner)
        stored = system.one("SELECT count(*) FROM tapline.journals WHERE scanner_id = %s AND stored > 0", scanner)
        return quarantined + stored - 1

    wait_equal(accounted, len(bodies), "stored or quarantined batches")


def test_deeply_nested_value_is_stored_or_quarantined(system):
    scanner = system.scanner()
    for opening, depth in ((b"\x81", 100_000), (b"\xa1\x61x", 100_000), (b"\xc1", 500_000)):
        batch = Batch(scanner, new_log(), 1, system.some_scans(1))
        fields = batch.fields()
        body = bytes([0xA0 | len(fields) + 1]) + encode(fields)[1:] + cbor2.dumps("x") + opening * depth + b"\x00"
        system.relay.publish("scan." + scanner, body)
        row = wait_until(lambda: system.quarantine(body) or system.journal(batch), "the batch is stored or quarantined")
        if isinstance(row, list):
            equal(row[0]["reason"], "malformed")


def test_invalid_routing_keys_are_quarantined_without_a_scanner(system):
    """A routing key can contain any bytes. Only a valid scanner ID is stored as the scanner of the row."""
    batch = system.batch(1)
    body = batch.encode()
    odd = [
        "scan.",
        "scan." + batch.scanner + ".more",
        "scan.UPPER",
        "scan.-dash",
        "scan." + "x" * 64,
        "scan.ünï",
        b"scan.\xff\xfe",
        b"scan.a\x00b",
        "scan." + "y" * 250,
    ]
    for key in odd:
        system.relay.publish(key, body)
    wait_equal(
        lambda: sorted((r["reason"], r["times"], r["scanner_id"]) for r in system.quarantine(body)),
        [("identity", 1, None)] * len(odd),
        "one row per routing key",
    )
    equal(len({row["routing_key"] for row in system.quarantine(body)}), len(odd))
    system.publish(batch)
    system.await_counters(batch, 1, 1)


def test_sha256_covers_the_whole_body(system):
    scanner = system.scanner()
    bodies = [bytes(1 << 20) + suffix for suffix in (b"a", b"b")]
    for body in bodies:
        system.relay.publish("scan." + scanner, body)
    rows = wait_until(
        lambda: [system.quarantine(body) for body in bodies] if all(map(system.quarantine, bodies)) else None,
        "both bodies are in quarantine",
    )
    equal([bytes(row[0]["sha256"]) for row in rows], [hashlib.sha256(body).digest() for body in bodies])
    equal(rows[0][0]["body"], rows[1][0]["body"], "the first 64 KiB")
