"""SPEC.md section 3: what cannot be stored is put aside with its reason and bytes, acked, and keeps nobody waiting."""

import hashlib
import random

import cbor2

from batch import Batch, encode, new_log
from garbage import cases
from waiting import equal, wait_equal, wait_until


def check_row(b, name: str, body: bytes, reasons, routing_key: str, scanner, times: int):
    rows = b.quarantine(body, routing_key)
    equal(len(rows), 1, f"{name}: rows in quarantine")
    row = rows[0]
    assert row["reason"] in reasons, f"{name}: reason {row['reason']!r} ({row['detail']!r}) must be one of {reasons}"
    equal((row["routing_key"], row["scanner_id"], row["times"]), (routing_key, scanner, times), name)
    if len(body) <= 1 << 20:
        equal(row["body"], body, f"{name}: the bytes")
    else:
        equal(row["body"], body[: 64 << 10], f"{name}: the first 64 KiB")
        equal(row["size"], len(body), f"{name}: the size")
    assert row["received_at"] is not None and row["detail"], f"{name}: a detail says more"


def test_every_kind_between_good_batches(b):
    """A good batch follows each piece of garbage; all of it arrives twice."""
    scanner = b.scanner()
    good = Batch(b.scanner(), new_log(), 1, b.some_scans(400))
    beside = Batch(scanner, new_log(), 1, b.some_scans(400))
    listed = cases(scanner)
    assert len(listed) >= 60 and len({body for _, body, _ in listed}) == len(listed)
    for number, (name, body, _) in enumerate(listed):
        b.relay.publish("scan." + scanner, body)
        b.publish(good.part(number, number + 1), beside.part(number, number + 1))
    n = len(listed)
    b.await_counters(good, n, n)
    b.await_counters(beside, n, n)
    b.check_stored(good.part(0, n))
    b.check_stored(beside.part(0, n))
    wait_equal(lambda: b.one("SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s", scanner), n, "rows")
    wrong = []
    for name, body, reasons in listed:
        try:
            check_row(b, name, body, reasons, "scan." + scanner, scanner, 1)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    # Each once, however often it comes.
    shuffled = [body for _, body, _ in listed]
    random.Random(1).shuffle(shuffled)
    for body in shuffled:
        b.relay.publish("scan." + scanner, body)
    wait_equal(
        lambda: b.one("SELECT sum(times) FROM tapline.quarantine WHERE scanner_id = %s", scanner), 2 * n, "times"
    )
    equal(b.one("SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s AND times = 2", scanner), n)


def test_one_by_one(b):
    """Alone in its group too: the center stays up and ready after each."""
    scanner = b.scanner()
    good = Batch(scanner, new_log(), 1, b.some_scans(200))
    listed = cases(scanner)
    for number, (name, body, reasons) in enumerate(listed[:: len(listed) // 25]):
        b.relay.publish("scan." + scanner, body)
        wait_until(lambda: b.quarantine(body, "scan." + scanner), name)
        check_row(b, name, body, reasons, "scan." + scanner, scanner, 1)
        b.publish(good.part(number, number + 1))
        b.await_counters(good, number + 1, number + 1)


def test_mutations(b):
    """Seeded damage to a good batch: stored as something, or put aside; and afterwards everything goes on."""
    dice = random.Random("mutations")
    scanner = b.scanner()
    bodies = set()
    for _ in range(300):
        body = bytearray(Batch(scanner, new_log(), 1, b.some_scans(3)).encode())
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
        b.relay.publish("scan." + scanner, body)
    good = Batch(scanner, new_log(), 1, b.some_scans(5))
    b.publish(good)
    b.await_counters(good, 5, 5)

    def accounted() -> int:
        aside = b.one("SELECT count(*) FROM tapline.quarantine WHERE routing_key = %s", "scan." + scanner)
        stored = b.one("SELECT count(*) FROM tapline.journals WHERE scanner_id = %s AND stored > 0", scanner)
        return aside + stored - 1

    wait_equal(accounted, len(bodies), "each of them is stored or put aside")


def test_deep_nesting_does_no_harm(b):
    scanner = b.scanner()
    for opening, depth in ((b"\x81", 100_000), (b"\xa1\x61x", 100_000), (b"\xc1", 500_000)):
        batch = Batch(scanner, new_log(), 1, b.some_scans(1))
        fields = batch.fields()
        body = bytes([0xA0 | len(fields) + 1]) + encode(fields)[1:] + cbor2.dumps("x") + opening * depth + b"\x00"
        b.relay.publish("scan." + scanner, body)
        row = wait_until(lambda: b.quarantine(body) or b.journal(batch), "it is stored or put aside")
        if isinstance(row, list):
            equal(row[0]["reason"], "malformed")


def test_odd_routing_keys(b):
    """The key may hold anything; only a valid identity becomes the row's scanner."""
    batch = b.batch(1)
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
        b.relay.publish(key, body)
    wait_equal(
        lambda: sorted((r["reason"], r["times"], r["scanner_id"]) for r in b.quarantine(body)),
        [("identity", 1, None)] * len(odd),
        "every key is a row of its own",
    )
    equal(len({row["routing_key"] for row in b.quarantine(body)}), len(odd))
    b.publish(batch)
    b.await_counters(batch, 1, 1)


def test_sha256_is_of_the_whole_body(b):
    scanner = b.scanner()
    bodies = [bytes(1 << 20) + suffix for suffix in (b"a", b"b")]
    for body in bodies:
        b.relay.publish("scan." + scanner, body)
    rows = wait_until(
        lambda: [b.quarantine(body) for body in bodies] if all(map(b.quarantine, bodies)) else None, "rows"
    )
    equal([bytes(row[0]["sha256"]) for row in rows], [hashlib.sha256(body).digest() for body in bodies])
    equal(rows[0][0]["body"], rows[1][0]["body"], "the first 64 KiB are the same")
