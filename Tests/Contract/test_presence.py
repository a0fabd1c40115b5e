"""Where each tag is: its last admitted, not annulled, not inspecting scan, whatever the order of arrival."""

import random
import time

from batch import ADMITTED, ANNULLED, Batch, INSPECTION, OUT, Scan, new_log, now_ms_us
from waiting import equal, wait_equal

MINUTE = 60_000_000


def presence(b, tag: int):
    rows = b.sql(
        "SELECT attendee_id, zone_id, (extract(epoch FROM since) * 1000000)::bigint AS since, scanner_id "
        "FROM tapline.presence WHERE tag_id = %s",
        tag,
    )
    return tuple(rows[0].values()) if rows else None


class Place:
    """A zone with a way in from outside, and the journal of the scanner that stands there."""

    def __init__(self, b, from_zone=None):
        self.b = b
        self.zone = b.zone()
        self.gate = b.gate(self.zone, from_zone)
        self.scanner = b.scanner(self.gate)
        self.log, self.seq = new_log(), 1

    def batch(self, *scans: Scan) -> Batch:
        batch = Batch(self.scanner, self.log, self.seq, list(scans), gate=self.gate)
        self.seq += len(scans)
        return batch


def test_in_and_out(b):
    place, tag = Place(b), b.new_tag()
    person = b.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    b.publish(place.batch(Scan(start, tag)))
    wait_equal(lambda: presence(b, tag), (person, place.zone, start, place.scanner), "inside")
    b.publish(place.batch(Scan(start + MINUTE, tag, ADMITTED, OUT)))
    wait_equal(lambda: presence(b, tag), (person, None, start + MINUTE, place.scanner), "off site")
    inner = Place(b, place.zone)
    b.publish(inner.batch(Scan(start + 2 * MINUTE, tag)))
    wait_equal(lambda: presence(b, tag), (person, inner.zone, start + 2 * MINUTE, inner.scanner), "in the inner zone")
    b.publish(inner.batch(Scan(start + 3 * MINUTE, tag, ADMITTED, OUT)))
    wait_equal(
        lambda: presence(b, tag), (person, place.zone, start + 3 * MINUTE, inner.scanner), "out leads to from_zone"
    )


def test_refusals_inspections_and_lane_events_move_nobody(b):
    place, other, tag = Place(b), Place(b), b.new_tag()
    person = b.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    b.publish(place.batch(Scan(start, tag)))
    refused = [Scan(start + MINUTE + verdict, tag, verdict) for verdict in (1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 65, 255)]
    checked = [
        Scan(start + 2 * MINUTE, tag, ADMITTED, INSPECTION),
        Scan(start + 2 * MINUTE, tag, ADMITTED, INSPECTION | OUT),
    ]
    lane = [Scan(start + 3 * MINUTE, 0, verdict) for verdict in range(128, 135)]
    scans = [Scan(scan.at // 1_000 * 1_000, scan.tag, scan.verdict, scan.flags) for scan in refused + checked + lane]
    batch = other.batch(*scans)
    b.publish(batch)
    b.await_counters(batch, len(scans), len(scans))
    wait_equal(lambda: presence(b, tag), (person, place.zone, start, place.scanner), "still there")
    equal(presence(b, 0), None, "a lane event is nobody")


def test_late_arrivals_change_nothing(b):
    first, second, tag = Place(b), Place(b), b.new_tag()
    person = b.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    b.publish(second.batch(Scan(start + MINUTE, tag)))
    wait_equal(lambda: presence(b, tag), (person, second.zone, start + MINUTE, second.scanner), "the later scan")
    late = first.batch(Scan(start, tag))
    b.publish(late)
    b.await_counters(late, 1, 1)
    time.sleep(1)  # presence may lag one second behind the commit
    equal(presence(b, tag), (person, second.zone, start + MINUTE, second.scanner), "an earlier scan that came later")


def test_annulment(b):
    """Verdict 64 takes the admission back, and its tag is where it was before."""
    first, second, tag = Place(b), Place(b), b.new_tag()
    person = b.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    b.publish(first.batch(Scan(start, tag)), second.batch(Scan(start + MINUTE, tag)))
    wait_equal(lambda: presence(b, tag), (person, second.zone, start + MINUTE, second.scanner), "admitted")
    b.publish(second.batch(Scan(start + MINUTE + 5_000_000, tag, ANNULLED)))
    wait_equal(lambda: presence(b, tag), (person, first.zone, start, first.scanner), "did not pass")
    alone = b.new_tag()
    b.attendee(alone)
    batch = second.batch(Scan(start, alone), Scan(start + 1_000, alone, ANNULLED))
    b.publish(batch)
    b.await_counters(batch, 4, 4)
    wait_equal(lambda: presence(b, alone), None, "never anywhere")


def test_annulment_that_arrives_first(b):
    place, tag = Place(b), b.new_tag()
    person = b.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    batch = place.batch(Scan(start, tag), Scan(start + MINUTE, tag), Scan(start + 2 * MINUTE, tag, ANNULLED))
    b.publish(batch.part(2, 3), batch.part(1, 2))
    b.await_counters(batch, 2, 2)
    wait_equal(lambda: presence(b, tag), None, "annulled before it came")
    b.publish(batch.part(0, 1))
    wait_equal(lambda: presence(b, tag), (person, place.zone, start, place.scanner), "the one that is not annulled")


def test_a_fast_clock_does_not_win_for_ever(b):
    """Ordered by the smaller of device time and receipt: a scan of tomorrow gives way to one made after its receipt."""
    fast, right, tag = Place(b), Place(b), b.new_tag()
    person = b.attendee(tag)
    tomorrow = now_ms_us() + 86_400_000_000
    batch = fast.batch(Scan(tomorrow, tag))
    b.publish(batch)
    b.await_counters(batch, 1, 1)
    wait_equal(lambda: (presence(b, tag) or [None] * 2)[1], fast.zone, "there")
    at = now_ms_us() + 1_000
    b.publish(right.batch(Scan(at, tag)))
    wait_equal(
        lambda: (presence(b, tag) or [None] * 4)[1:2] + (presence(b, tag) or [None] * 4)[3:],
        (right.zone, right.scanner),
        "the later passage",
    )
    equal(presence(b, tag)[0], person)


def test_registered_after_the_scan(b):
    place, tag = Place(b), b.new_tag()
    start = now_ms_us() - MINUTE
    b.publish(place.batch(Scan(start, tag)))
    wait_equal(lambda: presence(b, tag), (None, place.zone, start, place.scanner), "nobody's tag has a place")
    person = b.attendee(tag)
    wait_equal(lambda: presence(b, tag), (person, place.zone, start, place.scanner), "now somebody's")


def test_model_without_annulments(b):
    check_model(b, "plain", [ADMITTED] * 7 + [3, 5, 9])


def test_model_with_annulments(b):
    check_model(b, "annulled", [ADMITTED] * 6 + [ANNULLED] * 2 + [3, 5, 9])


def test_model_with_few_annulments(b):
    check_model(b, "few", [ADMITTED] * 200 + [ANNULLED])


def check_model(b, seed: str, verdicts: list):
    """Thousands of random scans in pieces, shuffled and repeated: presence is a function of what is stored."""
    dice = random.Random(seed)
    places = [Place(b) for _ in range(3)]
    places += [Place(b, places[0].zone), Place(b, places[1].zone)]
    tags = [b.new_tag() for _ in range(40)]
    people = {tag: b.attendee(tag) for tag in tags[:30]}
    pieces, received = [], {}
    now = now_ms_us()
    for place in places:
        for _ in range(2):
            place.log, place.seq = new_log(), 1
            scans = []
            for _ in range(dice.randint(100, 300)):
                # Some times are equal, some lie ahead of the receipt.
                at = now - dice.randint(-30, 600) * 1_000_000
                flags = dice.choice([0, 0, 0, OUT, OUT, INSPECTION, 32, 33])
                scans.append(Scan(at, dice.choice(tags), dice.choice(verdicts), flags))
            batch = place.batch(*scans)
            start = 0
            while start < len(scans):
                end = min(len(scans), start + dice.randint(1, 60))
                pieces += [batch.part(start, end)] * dice.choice([1, 1, 2])
                start = end
            received[batch.log] = batch
    dice.shuffle(pieces)
    b.publish(*pieces)
    for batch in received.values():
        wait_equal(lambda: b.journal(batch).get("stored"), len(batch.scans), "stored")
        b.check_stored(batch)
    expected = expected_presence(b, tags, people)
    wait_equal(lambda: {tag: presence(b, tag) for tag in tags}, expected, "presence", 5)


def expected_presence(b, tags, people) -> dict:
    """SPEC.md sections 2, 4 and 5, computed from the table of scans."""
    gates = {row["id"]: row for row in b.sql("SELECT * FROM tapline.gates")}
    rows = b.sql(
        "SELECT s.*, j.log, j.scanner_id, (extract(epoch FROM scanned_at) * 1000000)::bigint AS at, "
        "(extract(epoch FROM least(scanned_at, received_at)) * 1000000)::bigint AS ordered "
        "FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id WHERE s.tag_id = ANY(%s)",
        tags,
    )
    annulled = set()
    rows.sort(key=lambda row: (row["log"], row["seq"]))
    last_admitted = {}
    for row in rows:
        key = (row["journal_id"], row["tag_id"])
        if row["verdict"] == ADMITTED:
            last_admitted[key] = row["seq"]
        elif row["verdict"] == ANNULLED and key in last_admitted:
            annulled.add((row["journal_id"], last_admitted[key]))
    result = dict.fromkeys(tags)
    rows.sort(key=lambda row: (row["ordered"], row["log"], row["seq"]))
    for row in rows:
        if row["verdict"] != ADMITTED or row["flags"] & INSPECTION or (row["journal_id"], row["seq"]) in annulled:
            continue
        gate = gates[row["gate_id"]]
        zone = gate["from_zone_id"] if row["flags"] & OUT else gate["zone_id"]
        result[row["tag_id"]] = (people.get(row["tag_id"]), zone, row["ordered"], row["scanner_id"])
    return result


def test_live_views(b):
    """People, not bands; a zone with the zones within; double admissions with both gates."""
    outer = b.zone(capacity=500)
    inner = b.zone(parent=outer)
    gates = [b.gate(outer), b.gate(inner, outer), b.gate(outer)]
    scanners = [b.scanner(gate) for gate in gates]
    bands = [b.new_tag(), b.new_tag()]
    twice = b.attendee(*bands)
    single = b.new_tag()
    b.attendee(single)
    now = now_ms_us()
    b.publish(
        Batch(scanners[0], new_log(), 1, [Scan(now - 9_000_000, bands[0]), Scan(now - 8_000_000, single)]),
        Batch(scanners[1], new_log(), 1, [Scan(now - 7_000_000, bands[1])]),
    )

    def zone(number: int):
        row = b.sql("SELECT * FROM tapline.live_zones WHERE zone_id = %s", number)[0]
        return tuple(row[name] for name in ("inside", "inside_total", "capacity", "lanes", "lanes_silent"))

    wait_equal(lambda: (zone(outer), zone(inner)), ((1, 2, 500, 3, 1), (1, 1, None, 1, 0)), "people inside")
    assert b.one("SELECT as_of FROM tapline.live_zones WHERE zone_id = %s", inner) is not None
    equal(b.sql("SELECT * FROM tapline.double_admissions WHERE attendee_id = %s", twice), [])
    b.publish(Batch(scanners[2], new_log(), 1, [Scan(now - 3_000_000, single)]))
    wait_equal(lambda: len(b.sql("SELECT * FROM tapline.double_admissions WHERE zone_id = %s", outer)), 1, "one")
    row = b.sql("SELECT * FROM tapline.double_admissions WHERE zone_id = %s", outer)[0]
    assert {gates[0], gates[2]} <= set(row.values()), f"both gates: {dict(row)}"
    for view in ("live_gates", "live_delegates", "delegate_track", "scanner_health", "seq_gaps", "ingest_balance"):
        b.sql(f"SELECT * FROM tapline.{view} LIMIT 5")
