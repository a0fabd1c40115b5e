"""The messages of the real gate and publisher follow the contract."""

import signal
import time
import uuid

from batch import decode
from scanner_device import ScannerDevice, rfc3339, tag_of
from waiting import LIMIT_S, equal, wait_equal, wait_until

FRAME = 8  # AMQP 0-9-1: seven octets before the payload of a frame, and one after it
FRAME_MAX = 131_072


def wire_bytes(method, properties, body: bytes) -> int:
    """Returns the number of octets of a basic.publish: method frame, header frame and body frames."""
    publish = FRAME + 4 + 2 + 1 + len(method.exchange) + 1 + len(method.routing_key) + 1
    header = FRAME + 12 + sum(len(piece) for piece in properties.encode())
    frames = -(-len(body) // (FRAME_MAX - FRAME))
    return publish + header + FRAME * frames + len(body)


def test_taps_reach_the_scan_table(system):
    device = ScannerDevice(system, "device", 60)
    equal(
        system.one(
            "SELECT array_agg(t.tag_id ORDER BY t.tag_id) FROM tapline.tags t JOIN tapline.attendees a "
            "ON a.id = t.attendee_id WHERE a.external_ref LIKE 'device-%%'"
        ),
        sorted(map(tag_of, device.uids)),
        "tag IDs of the import",
    )
    device.fetch()
    start = (time.time_ns() // 1_000_000 - 3_600_000) * 1_000
    unknown = b"\xde\xad\xbe\xef"
    taps = [
        (device.uids[i % 60] if i % 10 else unknown, "out" if i % 7 == 3 else "in", start + i * 1_500_000)
        for i in range(1_700)
    ]
    answers = device.tap([f"{uid.hex()},{direction},{rfc3339(at)}" for uid, direction, at in taps])
    equal([answer["seq"] for answer in answers], list(range(1, 1_701)))
    equal(set(answers[0]), {"log", "seq", "verdict", "name", "tag", "zone", "at"}, "keys of the gate's JSON")
    equal([answer["tag"] for answer in answers], [tag_of(uid) for uid, _, _ in taps], "tag IDs of the gate")
    equal([answer["at"] for answer in answers][:3], [rfc3339(at) for _, _, at in taps][:3])
    for answer, (uid, direction, _) in zip(answers, taps):
        # Exits are never rejected, and every imported attendee may enter.
        equal(
            (answer["verdict"], answer["name"]),
            (1, "unknown") if uid == unknown and direction == "in" else (0, "admitted"),
        )
    log = uuid.UUID(answers[0]["log"])
    publisher = device.publisher()
    try:
        wait_equal(
            lambda: system.one("SELECT stored FROM tapline.journals WHERE log = %s::uuid", str(log)),
            1_700,
            "stored scans",
        )
        row = system.sql("SELECT * FROM tapline.journals WHERE log = %s::uuid", str(log))[0]
        equal((row["scanner_id"], row["last_seq"], row["next_seq"], row["conflicts"]), (device.name, 1_700, 1_701, 0))
        stored = system.sql(
            "SELECT seq, tag_id, verdict, flags, (extract(epoch FROM scanned_at) * 1000000)::bigint AS at "
            "FROM tapline.scans WHERE journal_id = %s ORDER BY seq",
            row["id"],
        )
        equal(
            [(r["tag_id"], r["verdict"], r["at"], r["flags"] & 1) for r in stored],
            [(a["tag"], a["verdict"], at, int(direction == "out")) for a, (_, direction, at) in zip(answers, taps)],
        )
        wait_equal(lambda: system.one("SELECT backlog FROM tapline.journals WHERE id = %s", row["id"]), 0, "backlog")
    finally:
        publisher.send_signal(signal.SIGTERM)
        equal(publisher.wait(LIMIT_S), 0, "exit code of the publisher after SIGTERM")
    check_wire(device, log, answers, taps)


def check_wire(device, log, answers, taps):
    """Asserts every rule of section 3 for the messages of a publisher."""
    received = device.receive()
    assert received, "the queue received no message"
    seen, costs = {}, []
    for method, properties, body in received:
        batch = decode(body)
        equal(batch.scanner, device.name)
        equal(method.routing_key, "scan." + device.name)
        equal(
            (properties.delivery_mode, properties.content_type, properties.type, properties.user_id),
            (2, "application/cbor", "tapline.scans.v1", device.name),
        )
        equal(properties.message_id, f"{uuid.UUID(bytes=batch.log)}:{batch.first}")
        if batch.log == log.bytes:
            for index, scan in enumerate(batch.scans):
                seen[batch.first + index] = scan
        if len(batch.scans) >= 500:
            costs.append(wire_bytes(method, properties, body) / len(batch.scans))
    equal(sorted(seen), list(range(1, 1_701)), "the seqs of the sent scans")
    equal(
        [(seen[i + 1].at, seen[i + 1].tag, seen[i + 1].verdict) for i in range(len(taps))],
        [(at, answer["tag"], answer["verdict"]) for (_, _, at), answer in zip(taps, answers)],
    )
    assert costs, f"no batch with 500 scans: {[len(decode(body).scans) for _, _, body in received]}"
    assert max(costs) <= 16, f"bytes per scan: {costs}"
    assert any(not decode(body).scans for _, _, body in received), "no heartbeat at the start"


def test_single_scan_is_uploaded_and_next_journal_names_it(system):
    """The publisher does not wait for more scans. The next run of the gate starts a new journal."""
    device = ScannerDevice(system, "single", 3)
    device.fetch()
    publisher = device.publisher()
    try:
        first = device.tap([f"{device.uids[0].hex()}"])[0]
        wait_equal(
            lambda: system.one("SELECT stored FROM tapline.journals WHERE log = %s::uuid", first["log"]),
            1,
            "stored scans",
        )
        second = device.tap([f"{device.uids[1].hex()},out"])[0]
        assert second["log"] != first["log"] and second["seq"] == 1
        wait_equal(
            lambda: system.one("SELECT stored FROM tapline.journals WHERE log = %s::uuid", second["log"]),
            1,
            "stored scans",
        )
    finally:
        publisher.kill()
        publisher.wait()
    batches = [decode(body) for _, _, body in device.receive()]
    follower = next(batch for batch in batches if batch.log == uuid.UUID(second["log"]).bytes and batch.scans)
    equal(follower.after, [uuid.UUID(first["log"]).bytes, 1], "after")
    # The publisher was killed before or after it saved its cursor. In both cases no scan is stored twice.
    again = device.publisher()
    try:
        wait_until(lambda: device.receive(), "the restarted publisher sends a message")
    finally:
        again.send_signal(signal.SIGTERM)
        equal(again.wait(LIMIT_S), 0, "exit code of the publisher after SIGTERM")
    for answer in (first, second):
        row = system.sql("SELECT * FROM tapline.journals WHERE log = %s::uuid", answer["log"])[0]
        equal((row["stored"], row["conflicts"]), (1, 0))


def test_verdicts_follow_the_registry(system):
    """Blocked, void, lost, no access, and outside the time window."""
    device = ScannerDevice(system, "verdict", 6)
    ids = [system.one("SELECT attendee_id FROM tapline.tags WHERE tag_id = %s", tag_of(uid)) for uid in device.uids]
    system.sql("UPDATE tapline.attendees SET status = 'blocked' WHERE id = %s", ids[1])
    system.sql("UPDATE tapline.attendees SET status = 'void' WHERE id = %s", ids[2])
    system.sql("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = %s", tag_of(device.uids[3]))
    for index, ends in ((4, None), (5, 1_000_000_000)):
        number = system.new_pass()
        system.sql("UPDATE tapline.attendees SET pass_id = %s WHERE id = %s", number, ids[index])
        if ends:
            system.sql(
                "INSERT INTO tapline.access (pass_id, zone_id, valid_until) SELECT %s, id, to_timestamp(%s) "
                "FROM tapline.zones WHERE name = %s",
                number,
                ends,
                device.zone,
            )
    now = rfc3339(time.time_ns() // 1_000)
    without = device.tap([f"{device.uids[0].hex()},in,{now}"])
    equal([(a["verdict"], a["name"]) for a in without], [(6, "no-snapshot")])
    device.fetch()
    answers = device.tap([f"{uid.hex()},in,{now}" for uid in device.uids] + [f"{device.uids[1].hex()},out,{now}"])
    equal(
        [(a["verdict"], a["name"]) for a in answers],
        [
            (0, "admitted"),
            (2, "blocked"),
            (9, "void"),
            (8, "lost"),
            (3, "no-access"),
            (4, "outside-time"),
            (0, "admitted"),
        ],
    )
