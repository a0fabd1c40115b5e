"""The real gate and publisher, heard by a client: what they put on the wire is what the contract says."""

import signal
import time
import uuid

from batch import decode
from line import Line, rfc3339, tag_of
from waiting import equal, wait_equal, wait_until

FRAME = 8  # AMQP 0-9-1: seven octets before a frame's payload and one after it
FRAME_MAX = 131_072


def wire_bytes(method, properties, body: bytes) -> int:
    """All octets of one basic.publish: method frame, header frame, body frames."""
    publish = FRAME + 4 + 2 + 1 + len(method.exchange) + 1 + len(method.routing_key) + 1
    header = FRAME + 12 + sum(len(piece) for piece in properties.encode())
    frames = -(-len(body) // (FRAME_MAX - FRAME))
    return publish + header + FRAME * frames + len(body)


def test_from_tap_to_table(b):
    line = Line(b, "line", 60)
    equal(
        b.one(
            "SELECT array_agg(t.tag_id ORDER BY t.tag_id) FROM tapline.tags t JOIN tapline.attendees a "
            "ON a.id = t.attendee_id WHERE a.external_ref LIKE 'line-%%'"
        ),
        sorted(map(tag_of, line.uids)),
        "tag IDs of the import",
    )
    line.fetch()
    start = (time.time_ns() // 1_000_000 - 3_600_000) * 1_000
    stranger = b"\xde\xad\xbe\xef"
    taps = [
        (line.uids[i % 60] if i % 10 else stranger, "out" if i % 7 == 3 else "in", start + i * 1_500_000)
        for i in range(1_700)
    ]
    said = line.tap([f"{uid.hex()},{way},{rfc3339(at)}" for uid, way, at in taps])
    equal([answer["seq"] for answer in said], list(range(1, 1_701)))
    equal(set(said[0]), {"log", "seq", "verdict", "name", "tag", "zone", "at"}, "keys of the gate's JSON")
    equal([answer["tag"] for answer in said], [tag_of(uid) for uid, _, _ in taps], "tag IDs of the gate")
    equal([answer["at"] for answer in said][:3], [rfc3339(at) for _, _, at in taps][:3])
    for answer, (uid, way, _) in zip(said, taps):
        # Exits are never refused; everybody imported may enter.
        equal(
            (answer["verdict"], answer["name"]), (1, "unknown") if uid == stranger and way == "in" else (0, "admitted")
        )
    log = uuid.UUID(said[0]["log"])
    publisher = line.publisher()
    try:
        wait_equal(
            lambda: b.one("SELECT stored FROM tapline.journals WHERE log = %s::uuid", str(log)), 1_700, "stored", 60
        )
        row = b.sql("SELECT * FROM tapline.journals WHERE log = %s::uuid", str(log))[0]
        equal((row["scanner_id"], row["last_seq"], row["next_seq"], row["conflicts"]), (line.name, 1_700, 1_701, 0))
        stored = b.sql(
            "SELECT seq, tag_id, verdict, flags, (extract(epoch FROM scanned_at) * 1000000)::bigint AS at "
            "FROM tapline.scans WHERE journal_id = %s ORDER BY seq",
            row["id"],
        )
        equal(
            [(r["tag_id"], r["verdict"], r["at"], r["flags"] & 1) for r in stored],
            [(a["tag"], a["verdict"], at, int(way == "out")) for a, (_, way, at) in zip(said, taps)],
        )
        wait_equal(lambda: b.one("SELECT backlog FROM tapline.journals WHERE id = %s", row["id"]), 0, "backlog")
    finally:
        publisher.send_signal(signal.SIGTERM)
        equal(publisher.wait(30), 0, "SIGTERM ends the publisher well")
    check_wire(line, log, said, taps)


def check_wire(line, log, said, taps):
    """Every rule of section 3 for what a publisher sends."""
    heard = line.hear()
    assert heard, "the publisher's messages pass by our queue"
    seen, costs = {}, []
    for method, properties, body in heard:
        batch = decode(body)
        equal(batch.scanner, line.name)
        equal(method.routing_key, "scan." + line.name)
        equal(
            (properties.delivery_mode, properties.content_type, properties.type, properties.user_id),
            (2, "application/cbor", "tapline.scans.v1", line.name),
        )
        equal(properties.message_id, f"{uuid.UUID(bytes=batch.log)}:{batch.first}")
        if batch.log == log.bytes:
            for index, scan in enumerate(batch.scans):
                seen[batch.first + index] = scan
        if len(batch.scans) >= 500:
            costs.append(wire_bytes(method, properties, body) / len(batch.scans))
    equal(sorted(seen), list(range(1, 1_701)), "every scan was on the wire")
    equal(
        [(seen[i + 1].at, seen[i + 1].tag, seen[i + 1].verdict) for i in range(len(taps))],
        [(at, answer["tag"], answer["verdict"]) for (_, _, at), answer in zip(taps, said)],
    )
    assert costs, f"no batch of 500: {[len(decode(body).scans) for _, _, body in heard]}"
    assert max(costs) <= 16, f"bytes per scan: {costs}"
    assert any(not decode(body).scans for _, _, body in heard), "a heartbeat at start"


def test_a_lone_scan_leaves_and_a_journal_follows(b):
    """One tap, then silence: it leaves all the same. The next run is a new journal that names this one."""
    line = Line(b, "lone", 3)
    line.fetch()
    publisher = line.publisher()
    try:
        first = line.tap([f"{line.uids[0].hex()}"])[0]
        wait_equal(
            lambda: b.one("SELECT stored FROM tapline.journals WHERE log = %s::uuid", first["log"]), 1, "stored", 30
        )
        second = line.tap([f"{line.uids[1].hex()},out"])[0]
        assert second["log"] != first["log"] and second["seq"] == 1
        wait_equal(
            lambda: b.one("SELECT stored FROM tapline.journals WHERE log = %s::uuid", second["log"]), 1, "stored", 30
        )
    finally:
        publisher.kill()
        publisher.wait()
    batches = [decode(body) for _, _, body in line.hear()]
    follower = next(batch for batch in batches if batch.log == uuid.UUID(second["log"]).bytes and batch.scans)
    equal(follower.after, [uuid.UUID(first["log"]).bytes, 1], "after")
    # Killed before or after its cursor moved: started again, nothing is doubled.
    again = line.publisher()
    try:
        wait_until(lambda: line.hear(), "it speaks again", 30)
    finally:
        again.send_signal(signal.SIGTERM)
        equal(again.wait(30), 0)
    for answer in (first, second):
        row = b.sql("SELECT * FROM tapline.journals WHERE log = %s::uuid", answer["log"])[0]
        equal((row["stored"], row["conflicts"]), (1, 0))


def test_names_of_verdicts(b):
    """blocked, void, lost, no access, outside its time: as the registry has it."""
    line = Line(b, "verdict", 6)
    ids = [b.one("SELECT attendee_id FROM tapline.tags WHERE tag_id = %s", tag_of(uid)) for uid in line.uids]
    b.sql("UPDATE tapline.attendees SET status = 'blocked' WHERE id = %s", ids[1])
    b.sql("UPDATE tapline.attendees SET status = 'void' WHERE id = %s", ids[2])
    b.sql("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = %s", tag_of(line.uids[3]))
    for index, ends in ((4, None), (5, 1_000_000_000)):
        number = b.new_pass()
        b.sql("UPDATE tapline.attendees SET pass_id = %s WHERE id = %s", number, ids[index])
        if ends:
            b.sql(
                "INSERT INTO tapline.access (pass_id, zone_id, valid_until) SELECT %s, id, to_timestamp(%s) "
                "FROM tapline.zones WHERE name = %s",
                number,
                ends,
                line.zone,
            )
    now = rfc3339(time.time_ns() // 1_000)
    without = line.tap([f"{line.uids[0].hex()},in,{now}"])
    equal([(a["verdict"], a["name"]) for a in without], [(6, "no-snapshot")])
    line.fetch()
    said = line.tap([f"{uid.hex()},in,{now}" for uid in line.uids] + [f"{line.uids[1].hex()},out,{now}"])
    equal(
        [(a["verdict"], a["name"]) for a in said],
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
