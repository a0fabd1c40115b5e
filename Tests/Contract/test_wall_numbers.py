"""Every number of the live display equals a count from the scans that were sent, in seeded days.

The days have annulments, late uploads, duplicates, two bands of one person, untrusted clocks, inspections, free mode,
refusals of all kinds and void spans. Each seed adds scans to the day, so the days grow.
"""

import datetime
import os
import random

import pytest

from batch import ADMITTED, ANNULLED, CLOCK, EXPIRED, INSPECTION, OUT, OVERRIDE, REUSE, Batch, Scan, new_log, now_ms_us
from harness import SystemUnderTest
from live_frame import check_frame, check_metrics, fresh
from oracle import HOUR, SECOND, Gate, Person, Zone, receipts
from scanner_device import rfc3339
from waiting import equal, wait_until
from wall_oracle import WallOracle

SEEDS = 20
ZONE_PARENTS = {1: None, 2: 1, 3: 2, 4: None}
CAPACITIES = {1: 60, 2: 25, 3: 5, 4: None}
GATES = {1: (1, None), 2: (1, None), 3: (2, 1), 4: (3, 2), 5: (4, None), 6: (4, 1)}
HOURS_OF_DAY = 8
VOID_SEEDS = (7, 14)


def us(time) -> int:
    return None if time is None else int(round(time.timestamp() * 1_000_000))


class Day(SystemUnderTest):
    """An event whose day began eight hours ago, and the oracle of its scans."""

    def _create_database(self):
        super()._create_database()
        begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=HOURS_OF_DAY)
        begin = begin.replace(second=0, microsecond=0)
        local = begin + datetime.timedelta(hours=4)
        self.sql("UPDATE tapline.event SET time_zone = 'Asia/Dubai', day_start = %s", local.time())
        self.oracle = WallOracle(day_offset=us(begin) % (24 * HOUR))
        for zone, parent in ZONE_PARENTS.items():
            self.sql("INSERT INTO tapline.zones VALUES (%s, %s, %s, %s)", zone, f"Z{zone}", parent, CAPACITIES[zone])
            self.oracle.zones[zone] = Zone(zone, parent, CAPACITIES[zone])
        for gate, (zone, from_zone) in GATES.items():
            self.sql("INSERT INTO tapline.gates VALUES (%s, %s, %s, %s, '{}')", gate, f"G{gate}", zone, from_zone)
            self.sql("INSERT INTO tapline.scanners VALUES (%s, %s, true)", f"lane-{gate}", gate)
            self.oracle.gates[gate] = Gate(gate, zone, from_zone)
            self.oracle.scanners[f"lane-{gate}"] = gate
        for number, name in enumerate(("day", "week"), 1):
            self.sql("INSERT INTO tapline.passes (id, name, reentry) VALUES (%s, %s, 'gate')", number, name)
        for person in range(1, 71):
            self._add_person(person)
        self.tags = list(self.oracle.tags) + [self.new_tag() for _ in range(10)]
        self.held = []

    def _add_person(self, person: int):
        number = (None, 1, 2)[person % 3]
        row = Person(
            person,
            category=None if person % 6 == 0 else f"category {person % 4}",
            pass_name=(None, "day", "week")[person % 3],
            status="blocked" if person % 11 == 0 else "active",
        )
        self.sql(
            "INSERT INTO tapline.attendees (id, name, category, status, pass_id) VALUES (%s, %s, %s, %s, %s)",
            person,
            f"Person {person}",
            row.category,
            row.status,
            number,
        )
        self.oracle.people[person] = row
        for _ in range(2 if person % 4 == 0 else 1):
            tag = self.new_tag()
            self.sql("INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (%s, %s)", tag, person)
            self.oracle.tags[tag] = person

    # Scans

    def journal(self, chance: random.Random, count: int) -> list:
        """Scans of a journal: most of this day, some of the day before, the last one of this minute."""
        now = now_ms_us()
        times = sorted(now - int(chance.triangular(0, (HOURS_OF_DAY + 3) * HOUR, 0)) for _ in range(count))
        scans = []
        for time in [*times, now - chance.randrange(20 * SECOND)]:
            scans += self.scans_at(chance, time // 1_000 * 1_000)
        return scans

    def scans_at(self, chance: random.Random, time: int) -> list:
        shares = {OUT: 0.4, OVERRIDE: 0.1, CLOCK: 0.06, EXPIRED: 0.1, INSPECTION: 0.08, REUSE: 0.1}
        flags = sum(flag for flag, share in shares.items() if chance.random() < share)
        tag, kind = chance.choice(self.tags), chance.random()
        if kind < 0.2:
            verdict = chance.choice((1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 63, 65))
            return [Scan(time, chance.choice((tag, tag, 0)), verdict, flags)]
        if kind < 0.25:
            # Free mode, and people who pass without a tap.
            return [Scan(time, 0, verdict, flags & ~INSPECTION) for verdict in (129, 133, 134, 128)]
        scans = [Scan(time, tag, ADMITTED, flags)]
        if kind < 0.4:
            scans.append(Scan(time + chance.randrange(1, 9) * 1_000_000, tag, ANNULLED, flags & ~CLOCK))
        return scans

    def play(self, seed: int):
        """Sends the scans of a seed: batches in any order, some twice, some only with the next seed."""
        chance = random.Random(seed)
        batches = []
        for gate in GATES:
            scans, log, first = self.journal(chance, chance.randrange(4, 16)), new_log(), 1
            while first <= len(scans):
                count = chance.randrange(1, 8)
                used = gate if chance.random() < 0.9 else chance.choice((None, 1 + gate % 6, 99))
                part = scans[first - 1 : first - 1 + count]
                batches.append(Batch(f"lane-{gate}", log, first, part, gate=used))
                first += len(part)
        chance.shuffle(batches)
        late = [batch for batch in batches if chance.random() < 0.15] if seed < SEEDS - 1 else []
        sent = self.held + [batch for batch in batches if not any(batch is other for other in late)]
        self.held = late
        self.oracle.sent += sent
        self.publish(*sent, *(batch for batch in sent if chance.random() < 0.1))
        expected = len({(b.scanner, b.log, b.first + i) for b in self.oracle.sent for i in range(len(b.scans))})
        wait_until(lambda: self.one("SELECT sum(stored) FROM tapline.journals") == expected, "all scans are stored")
        self.await_tracking()

    def change(self, seed: int):
        """Changes of the registry: a band moves to another person, a person gets one more band."""
        chance = random.Random(1_000 + seed)
        tag, person = chance.choice(list(self.oracle.tags)), chance.randrange(1, 71)
        self.sql("UPDATE tapline.tags SET attendee_id = %s WHERE tag_id = %s", person, tag)
        self.oracle.tags[tag] = person
        unknown = [tag for tag in self.tags if tag not in self.oracle.tags]
        if unknown:
            self.sql("INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (%s, %s)", unknown[0], person)
            self.oracle.tags[unknown[0]] = person
        zone = self.oracle.zones[chance.randrange(1, 4)]
        zone.busy, zone.full = sorted(chance.sample(range(1, 120), 2))
        percents = ("--busy-percent", zone.busy, "--full-percent", zone.full)
        self.tapline_center("zone", "set", f"Z{zone.id}", *percents)

    def make_void(self, seed: int):
        """The scans that a scanner sent between two seeds are void."""
        received = sorted(set(receipts(self).values()))
        since = received[len(received) // 3] // SECOND * SECOND
        until = received[len(received) // 2] // SECOND * SECOND + SECOND
        scanner = f"lane-{1 + seed % 6}"
        times = ("--since", rfc3339(since), "--until", rfc3339(until))
        self.tapline_center("scanner", "void-scans", scanner, *times)
        self.oracle.void.append((scanner, since, until))

    def await_tracking(self):
        wait_until(lambda: self.one("SELECT count(*) FROM tapline_internal.tracking_queue") == 0, "all is tracked")
        due = "SELECT count(*) FROM tapline_internal.double_admissions_due"
        wait_until(lambda: self.one(due) == 0, "double admissions are evaluated")

    def read_facts(self):
        self.oracle.read(receipts(self))

    def view(self, name: str, columns: str, key: str) -> tuple:
        """Returns the time of the query, and rows of a view by a column."""
        rows = self.sql(f"SELECT now() AS as_of, {key} AS key, {columns} FROM tapline.{name}")
        as_of = us(rows[0]["as_of"]) if rows else None
        return as_of, {row.pop("key"): {k: v for k, v in row.items() if k != "as_of"} for row in map(dict, rows)}


@pytest.fixture(scope="module")
def day():
    with Day(os.environ) as day:
        yield day


ZONE_COLUMNS = "inside, inside_total, percent, level, net_hour, full_in_minutes AS full_in_min"
GATE_COLUMNS = (
    "in_minute AS in_min, out_minute AS out_min, refused_minute AS refused_min, in_today AS in_day, "
    "out_today AS out_day, refused_today AS refused_day, last_at AS last_tap"
)


def check_zones(day):
    as_of, rows = day.view("wall_zones", ZONE_COLUMNS, "zone_id")
    equal(rows, day.oracle.zone_rows(as_of), "tapline.wall_zones")
    as_of, rows = day.view("live_zones", "inside, inside_total", "zone_id")
    expected = day.oracle.zone_rows(as_of)
    equal(rows, {key: {name: expected[key][name] for name in rows[key]} for key in rows}, "tapline.live_zones")


def check_gates(day):
    for name in ("wall_gates", "live_gates"):
        as_of, rows = day.view(name, GATE_COLUMNS, "gate_id")
        for row in rows.values():
            row["last_tap"] = us(row["last_tap"])
        equal(rows, day.oracle.gate_rows(as_of), f"tapline.{name}")
    as_of, rows = day.view("gate_drops", "before, now", "gate_id")
    equal({key: tuple(row.values()) for key, row in rows.items()}, day.oracle.drops(as_of), "tapline.gate_drops")


def check_arrivals(day):
    for view, key, name in (("category", "category", "by_category"), ("pass", "pass", "by_pass")):
        as_of, rows = day.view(f"arrivals_by_{view}", "arrived, expected", key)
        equal({key: tuple(row.values()) for key, row in rows.items()}, day.oracle.arrivals(as_of)[name], name)
    as_of, rows = day.view("arrival_curve()", "entries", "slot")
    equal([row["entries"] for row in rows.values()], day.oracle.arrivals(as_of)["today"], "the curve of today")
    local = datetime.datetime.fromtimestamp((day.oracle.day_start(as_of) - 1) / 1e6 + 4 * 3600, datetime.timezone.utc)
    yesterday = (local - datetime.timedelta(hours=23, minutes=59)).date()
    _, rows = day.view(f"arrival_curve('{yesterday}')", "entries", "slot")
    equal([row["entries"] for row in rows.values()], day.oracle.arrivals(as_of)["yesterday"], "the curve of yesterday")


def check_refusals(day):
    as_of, rows = day.view("refusals_by_reason", "reason, refused_today, refused_hour", "verdict")
    equal({key: tuple(row.values()) for key, row in rows.items()}, day.oracle.refused(as_of), "refusals_by_reason")


def check_doubles(day):
    rows = day.sql(
        "SELECT now() AS as_of, second_tag_id AS tag, second_at AS at FROM tapline.double_admissions "
        "WHERE second_at >= tapline.day_start()"
    )
    found = day.oracle.double_admissions(now_ms_us())
    equal(
        sorted((row["tag"], us(row["at"])) for row in rows),
        sorted((second.scan.tag, second.time) for _, second in found),
        "tapline.double_admissions",
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_views_equal_the_counts_of_a_seeded_day(day, seed):
    day.play(seed)
    if seed % 3 == 2:
        day.change(seed)
        day.await_tracking()
    if seed in VOID_SEEDS:
        day.make_void(seed)
    day.read_facts()
    for check in (check_zones, check_gates, check_arrivals, check_refusals, check_doubles):
        check(day)


def test_frame_and_metrics_equal_the_counts(day):
    day.read_facts()
    check_frame(fresh(day, now_ms_us()), day.oracle)
    check_metrics(day, day.oracle, now_ms_us())


def test_impossible_thresholds_are_refused(day):
    for options in (("--busy-percent", 90, "--full-percent", 80), ("--full-percent", 0), ("--busy-percent", "many")):
        assert day.tapline_center("zone", "set", "Z1", *options, code=None).returncode != 0, options
    for options in (("--drop-percent", 101), ("--drop-minutes", 61), ("--drop-minimum", 0)):
        assert day.tapline_center("gate", "set", "G1", *options, code=None).returncode != 0, options


def test_drop_alarm_is_set_by_command(day):
    def settings():
        row = day.sql("SELECT drop_percent, drop_interval, drop_minimum FROM tapline.gates WHERE name = 'G6'")[0]
        return row["drop_percent"], row["drop_interval"].total_seconds() / 60, row["drop_minimum"]

    equal(settings(), (20, 5, 30), "the defaults")
    day.tapline_center("gate", "set", "G6", "--drop-percent", 35, "--drop-minutes", 10, "--drop-minimum", 7)
    equal(settings(), (35, 10, 7), "the settings")
    day.tapline_center("gate", "set", "G6", "--drop-percent", "")
    equal(settings(), (None, 10, 7), "the settings without an alarm")


def test_tracked_relations_equal_the_scans(day):
    day.tapline_center("tracking", "check")


def test_days_have_all_that_they_should(day):
    """The seeds test nothing that does not occur in them."""
    facts = day.oracle.facts
    for what, found in {
        "annulled": any(fact.is_annulled for fact in facts),
        "void": any(fact.is_void for fact in facts),
        "placed": any(fact.scan.flags & CLOCK and fact.counts for fact in facts),
        "inspected": any(fact.scan.flags & INSPECTION and fact.scan.verdict == ADMITTED for fact in facts),
        "free": any(fact.scan.verdict == 129 for fact in facts),
        "doubles": day.oracle.double_admissions(now_ms_us()),
        "yesterday": sum(day.oracle.arrivals(now_ms_us())["yesterday"]),
        "two bands": len(set(day.oracle.tags.values())) < len(day.oracle.tags),
    }.items():
        assert found, what
