"""contract.md sections 4 and 5: presence follows the last admission that is neither annulled nor an inspection."""

import random

from batch import ADMITTED, ANNULLED, Batch, INSPECTION, OUT, Scan, new_log, now_ms_us
from waiting import equal, wait_equal

MINUTE = 60_000_000


def presence(system, tag: int):
    rows = system.sql(
        "SELECT attendee_id, zone_id, (extract(epoch FROM since) * 1000000)::bigint AS since, scanner_id "
        "FROM tapline.presence WHERE tag_id = %s",
        tag,
    )
    return tuple(rows[0].values()) if rows else None


class Place:
    """A zone with a gate into it, and the journal of the scanner at that gate."""

    def __init__(self, system, from_zone=None):
        self.system = system
        self.zone = system.zone()
        self.gate = system.gate(self.zone, from_zone)
        self.scanner = system.scanner(self.gate)
        self.log, self.seq = new_log(), 1

    def batch(self, *scans: Scan) -> Batch:
        batch = Batch(self.scanner, self.log, self.seq, list(scans), gate=self.gate)
        self.seq += len(scans)
        return batch


def test_entry_and_exit_move_a_tag(system):
    place, tag = Place(system), system.new_tag()
    person = system.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    system.publish(place.batch(Scan(start, tag)))
    wait_equal(lambda: presence(system, tag), (person, place.zone, start, place.scanner), "presence after the entry")
    system.publish(place.batch(Scan(start + MINUTE, tag, ADMITTED, OUT)))
    wait_equal(lambda: presence(system, tag), (person, None, start + MINUTE, place.scanner), "presence after the exit")
    inner = Place(system, place.zone)
    system.publish(inner.batch(Scan(start + 2 * MINUTE, tag)))
    wait_equal(
        lambda: presence(system, tag),
        (person, inner.zone, start + 2 * MINUTE, inner.scanner),
        "presence after the entry to the inner zone",
    )
    system.publish(inner.batch(Scan(start + 3 * MINUTE, tag, ADMITTED, OUT)))
    wait_equal(
        lambda: presence(system, tag),
        (person, place.zone, start + 3 * MINUTE, inner.scanner),
        "presence after the exit to from_zone",
    )


def test_rejections_inspections_and_lane_events_move_no_tag(system):
    place, other, tag = Place(system), Place(system), system.new_tag()
    person = system.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    system.publish(place.batch(Scan(start, tag)))
    rejected = [Scan(start + MINUTE + verdict, tag, verdict) for verdict in (1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 65, 255)]
    inspected = [
        Scan(start + 2 * MINUTE, tag, ADMITTED, INSPECTION),
        Scan(start + 2 * MINUTE, tag, ADMITTED, INSPECTION | OUT),
    ]
    lane = [Scan(start + 3 * MINUTE, 0, verdict) for verdict in range(128, 135)]
    scans = [Scan(scan.at // 1_000 * 1_000, scan.tag, scan.verdict, scan.flags) for scan in rejected + inspected + lane]
    batch = other.batch(*scans)
    system.publish(batch)
    system.await_counters(batch, len(scans), len(scans))
    wait_equal(lambda: presence(system, tag), (person, place.zone, start, place.scanner), "presence")
    equal(presence(system, 0), None, "presence of tag 0, the tag of lane events")


def test_late_scan_does_not_change_presence(system):
    first, second, tag = Place(system), Place(system), system.new_tag()
    person = system.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    system.publish(second.batch(Scan(start + MINUTE, tag)))
    wait_equal(
        lambda: presence(system, tag),
        (person, second.zone, start + MINUTE, second.scanner),
        "presence after the later scan",
    )
    # Presence follows the commit with a delay. The scans of one batch are tracked together, so the presence of the second
    # tag shows that the late scan is tracked.
    marker = system.new_tag()
    late = first.batch(Scan(start, tag), Scan(start, marker))
    system.publish(late)
    system.await_counters(late, 2, 2)
    wait_equal(lambda: presence(system, marker), (None, first.zone, start, first.scanner), "presence of the second tag")
    equal(presence(system, tag), (person, second.zone, start + MINUTE, second.scanner), "presence after the late scan")


def test_annulment_restores_the_previous_presence(system):
    """Verdict 64 annuls the admission."""
    first, second, tag = Place(system), Place(system), system.new_tag()
    person = system.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    system.publish(first.batch(Scan(start, tag)), second.batch(Scan(start + MINUTE, tag)))
    wait_equal(
        lambda: presence(system, tag),
        (person, second.zone, start + MINUTE, second.scanner),
        "presence after the admission",
    )
    system.publish(second.batch(Scan(start + MINUTE + 5_000_000, tag, ANNULLED)))
    wait_equal(
        lambda: presence(system, tag), (person, first.zone, start, first.scanner), "presence after the annulment"
    )
    alone = system.new_tag()
    system.attendee(alone)
    batch = second.batch(Scan(start, alone), Scan(start + 1_000, alone, ANNULLED))
    system.publish(batch)
    system.await_counters(batch, 4, 4)
    wait_equal(lambda: presence(system, alone), None, "presence of a tag whose only admission is annulled")


def test_annulment_can_arrive_before_its_admission(system):
    place, tag = Place(system), system.new_tag()
    person = system.attendee(tag)
    start = now_ms_us() - 10 * MINUTE
    batch = place.batch(Scan(start, tag), Scan(start + MINUTE, tag), Scan(start + 2 * MINUTE, tag, ANNULLED))
    system.publish(batch.part(2, 3), batch.part(1, 2))
    system.await_counters(batch, 2, 2)
    wait_equal(lambda: presence(system, tag), None, "presence after the annulled admission")
    system.publish(batch.part(0, 1))
    wait_equal(
        lambda: presence(system, tag), (person, place.zone, start, place.scanner), "presence after the other admission"
    )


def test_scan_from_the_future_is_replaced_by_a_later_one(system):
    """Scans are ordered by the earlier of device time and receipt, so a fast clock has no lasting effect."""
    fast, right, tag = Place(system), Place(system), system.new_tag()
    person = system.attendee(tag)
    tomorrow = now_ms_us() + 86_400_000_000
    batch = fast.batch(Scan(tomorrow, tag))
    system.publish(batch)
    system.await_counters(batch, 1, 1)
    wait_equal(lambda: (presence(system, tag) or [None] * 2)[1], fast.zone, "zone after the scan from the future")
    at = now_ms_us() + 1_000
    system.publish(right.batch(Scan(at, tag)))
    wait_equal(
        lambda: (presence(system, tag) or [None] * 4)[1:2] + (presence(system, tag) or [None] * 4)[3:],
        (right.zone, right.scanner),
        "zone and scanner after the later scan",
    )
    equal(presence(system, tag)[0], person)


def test_tag_registered_after_its_scan_gets_its_attendee(system):
    place, tag = Place(system), system.new_tag()
    start = now_ms_us() - MINUTE
    system.publish(place.batch(Scan(start, tag)))
    wait_equal(
        lambda: presence(system, tag), (None, place.zone, start, place.scanner), "presence of an unregistered tag"
    )
    person = system.attendee(tag)
    wait_equal(
        lambda: presence(system, tag), (person, place.zone, start, place.scanner), "presence after the registration"
    )


def test_presence_matches_the_model_without_annulments(system):
    check_model(system, "plain", [ADMITTED] * 7 + [3, 5, 9])


def test_presence_matches_the_model_with_annulments(system):
    check_model(system, "annulled", [ADMITTED] * 6 + [ANNULLED] * 2 + [3, 5, 9])


def test_presence_matches_the_model_with_few_annulments(system):
    check_model(system, "few", [ADMITTED] * 200 + [ANNULLED])


def check_model(system, seed: str, verdicts: list):
    """Publishes thousands of random scans in pieces, shuffled and repeated. Presence depends only on the stored scans."""
    dice = random.Random(seed)
    places = [Place(system) for _ in range(3)]
    places += [Place(system, places[0].zone), Place(system, places[1].zone)]
    tags = [system.new_tag() for _ in range(40)]
    people = {tag: system.attendee(tag) for tag in tags[:30]}
    pieces, received = [], {}
    now = now_ms_us()
    for place in places:
        for _ in range(2):
            place.log, place.seq = new_log(), 1
            scans = []
            for _ in range(dice.randint(100, 300)):
                # Some times are equal, and some are later than the receipt.
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
    system.publish(*pieces)
    for batch in received.values():
        wait_equal(lambda: system.journal(batch).get("stored"), len(batch.scans), "stored scans")
        system.check_stored(batch)
    expected = expected_presence(system, tags, people)
    wait_equal(lambda: {tag: presence(system, tag) for tag in tags}, expected, "presence of all tags")


def expected_presence(system, tags, people) -> dict:
    """Computes presence from the scan table by contract.md sections 2, 4 and 5."""
    gates = {row["id"]: row for row in system.sql("SELECT * FROM tapline.gates")}
    rows = system.sql(
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


def test_live_views_count_people_and_list_double_admissions(system):
    """Views count people, not wristbands. A zone includes its inner zones. A double admission names both gates."""
    outer = system.zone(capacity=500)
    inner = system.zone(parent=outer)
    gates = [system.gate(outer), system.gate(inner, outer), system.gate(outer)]
    scanners = [system.scanner(gate) for gate in gates]
    wristbands = [system.new_tag(), system.new_tag()]
    twice = system.attendee(*wristbands)
    single = system.new_tag()
    system.attendee(single)
    now = now_ms_us()
    system.publish(
        Batch(scanners[0], new_log(), 1, [Scan(now - 9_000_000, wristbands[0]), Scan(now - 8_000_000, single)]),
        Batch(scanners[1], new_log(), 1, [Scan(now - 7_000_000, wristbands[1])]),
    )

    def zone(number: int):
        row = system.sql("SELECT * FROM tapline.live_zones WHERE zone_id = %s", number)[0]
        return tuple(row[name] for name in ("inside", "inside_total", "capacity", "lanes", "lanes_silent"))

    wait_equal(lambda: (zone(outer), zone(inner)), ((1, 2, 500, 3, 1), (1, 1, None, 1, 0)), "counts of both zones")
    assert system.one("SELECT as_of FROM tapline.live_zones WHERE zone_id = %s", inner) is not None
    equal(system.sql("SELECT * FROM tapline.double_admissions WHERE attendee_id = %s", twice), [])
    system.publish(Batch(scanners[2], new_log(), 1, [Scan(now - 3_000_000, single)]))
    wait_equal(
        lambda: len(system.sql("SELECT * FROM tapline.double_admissions WHERE zone_id = %s", outer)),
        1,
        "double admissions",
    )
    row = system.sql("SELECT * FROM tapline.double_admissions WHERE zone_id = %s", outer)[0]
    assert {gates[0], gates[2]} <= set(row.values()), f"not both gates: {dict(row)}"
    for view in ("live_gates", "live_delegates", "delegate_track", "scanner_health", "seq_gaps", "ingest_balance"):
        system.sql(f"SELECT * FROM tapline.{view} LIMIT 5")
