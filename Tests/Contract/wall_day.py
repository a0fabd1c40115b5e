"""An event whose scans are made by seeds, for the tests of the live display."""

import datetime
import random

from batch import ADMITTED, ANNULLED, CLOCK, EXPIRED, INSPECTION, OUT, OVERRIDE, REUSE, Batch, Scan, new_log, now_ms_us
from harness import SystemUnderTest
from oracle import HOUR, SECOND, Gate, Person, Zone, receipts
from scanner_device import rfc3339
from waiting import wait_until
from wall_oracle import WallOracle

SEEDS = 20
ZONE_PARENTS = {1: None, 2: 1, 3: 2, 4: None}
CAPACITIES = {1: 60, 2: 25, 3: 5, 4: None}
GATES = {1: (1, None), 2: (1, None), 3: (2, 1), 4: (3, 2), 5: (4, None), 6: (4, 1)}
HOURS_OF_DAY = 8


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
            self.add_gate(gate, zone, from_zone)
        for number, name in enumerate(("day", "week"), 1):
            self.sql("INSERT INTO tapline.passes (id, name, reentry) VALUES (%s, %s, 'gate')", number, name)
        for person in range(1, 71):
            self._add_person(person)
        self.tags = list(self.oracle.tags) + [self.new_tag() for _ in range(10)]
        self.held = []

    def add_gate(self, gate: int, zone: int, from_zone):
        """Adds a gate with one lane."""
        self.sql("INSERT INTO tapline.gates VALUES (%s, %s, %s, %s, '{}')", gate, f"G{gate}", zone, from_zone)
        self.sql("INSERT INTO tapline.scanners VALUES (%s, %s, true)", f"lane-{gate}", gate)
        self.oracle.gates[gate] = Gate(gate, zone, from_zone)
        self.oracle.scanners[f"lane-{gate}"] = gate

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

    def made_scans(self, chance: random.Random, count: int) -> list:
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
            scans, log, first = self.made_scans(chance, chance.randrange(4, 16)), new_log(), 1
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
