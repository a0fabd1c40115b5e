"""What live display, views, metrics and reports must show, counted from the scans that a test has sent.

Knows only contract.md. Takes one thing from the center: when it received each scan. Times are microseconds since 1970.
"""

import math
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Optional

from batch import ADMITTED, ANNULLED, CLOCK, INSPECTION, OUT, Scan

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
NAMES = {1: "unknown", 2: "blocked", 3: "no-access", 4: "outside-time", 5: "inside", 6: "no-snapshot"}
NAMES |= {7: "not-authentic", 8: "lost", 9: "void"}


@dataclass
class Zone:
    id: int
    parent: Optional[int] = None
    capacity: Optional[int] = None
    busy: int = 80
    full: int = 95


@dataclass
class Gate:
    id: int
    zone: int
    from_zone: Optional[int] = None


@dataclass
class Person:
    id: int
    category: Optional[str] = None
    pass_name: Optional[str] = None
    status: str = "active"


@dataclass
class Fact:
    """A stored scan and what follows from the others of its journal."""

    time: int
    log: bytes
    seq: int
    scanner: str
    gate: Optional[int]
    scan: Scan
    is_void: bool
    is_annulled: bool = False

    @property
    def is_out(self) -> bool:
        return bool(self.scan.flags & OUT)

    @property
    def counts(self) -> bool:
        """Whether a person has passed."""
        return (
            self.scan.verdict == ADMITTED
            and self.scan.tag != 0
            and not self.scan.flags & INSPECTION
            and not self.is_annulled
            and not self.is_void
        )

    @property
    def is_refusal(self) -> bool:
        return 1 <= self.scan.verdict <= 63 and not self.scan.flags & INSPECTION and not self.is_void

    @property
    def is_tap(self) -> bool:
        return self.scan.verdict < 128 and not self.is_void


def floor(time: int, step: int) -> int:
    return time - time % step


@dataclass
class Oracle:
    """The registry, the batches in the order of sending, and the spans in which a scanner is void."""

    day_offset: int  # the event day begins at this time after midnight UTC
    zones: dict = field(default_factory=dict)
    gates: dict = field(default_factory=dict)
    people: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)  # tag to ID of the person
    sent: list = field(default_factory=list)
    void: list = field(default_factory=list)  # (scanner, since, until)

    # Facts

    def read(self, received: dict):
        """Derives the facts. `received` has the receipt of each scan, by (scanner, log, seq)."""
        self.facts, journals = [], {}
        for batch in self.sent:
            times = self._times(batch, received)
            journal = journals.setdefault((batch.scanner, batch.log), {})
            for index, scan in enumerate(batch.scans):
                seq = batch.first + index
                at = received[batch.scanner, batch.log, seq]
                void = any(name == batch.scanner and since <= at < until for name, since, until in self.void)
                fact = Fact(times[index], batch.log, seq, batch.scanner, batch.gate, scan, void)
                journal.setdefault(seq, fact)
        for journal in journals.values():
            self._annul([journal[seq] for seq in sorted(journal)])
            self.facts += journal.values()
        self.facts.sort(key=lambda fact: (fact.time, fact.log, fact.seq))
        self.passages = [fact for fact in self.facts if fact.counts]

    def _times(self, batch, received: dict) -> list:
        """The times of the scans of a batch; those under an untrusted clock are placed (contract.md section 4)."""
        receipts = [received[batch.scanner, batch.log, batch.first + index] for index in range(len(batch.scans))]
        times = [min(scan.at, receipt) for scan, receipt in zip(batch.scans, receipts)]
        following = max(receipts, default=0)
        for index in reversed(range(len(times))):
            if batch.scans[index].flags & CLOCK:
                times[index] = min(receipts[index], following)
            else:
                following = min(following, times[index])
        earliest = 0
        for index, scan in enumerate(batch.scans):
            if scan.flags & CLOCK:
                times[index] = min(max(times[index], earliest), receipts[index])
            earliest = max(earliest, times[index])
        return times

    @staticmethod
    def _annul(journal: list):
        """An annulment annuls the admission of its tag before it, unless another annulment is between."""
        last = {}
        for fact in journal:
            if fact.scan.tag == 0:
                continue
            if fact.scan.verdict == ADMITTED:
                last[fact.scan.tag] = fact
            elif fact.scan.verdict == ANNULLED and not fact.is_void:
                admission = last.pop(fact.scan.tag, None)
                if admission:
                    admission.is_annulled = True

    # Times

    def day_start(self, time: int) -> int:
        return floor(time - self.day_offset, 24 * HOUR) + self.day_offset

    def _today(self, facts, as_of: int) -> list:
        """The flow of a day begins with the whole minute of its start."""
        since = floor(self.day_start(as_of), MINUTE)
        return [fact for fact in facts if since <= floor(fact.time, MINUTE)]

    # People

    def person(self, fact: Fact):
        """A tag without a person counts as one."""
        return self.tags.get(fact.scan.tag, ("tag", fact.scan.tag))

    def zone_after(self, fact: Fact) -> Optional[int]:
        gate = self.gates.get(fact.gate)
        return None if gate is None else gate.from_zone if fact.is_out else gate.zone

    def places(self, as_of: int) -> dict:
        """The zone of each person that passed in the event day; None: off site."""
        since = self.day_start(as_of)
        return {self.person(fact): self.zone_after(fact) for fact in self.passages if fact.time >= since}

    def within(self, zone: int) -> set:
        """The zone and all zones within it."""
        found = {zone}
        while True:
            more = {inner.id for inner in self.zones.values() if inner.parent in found} - found
            if not more:
                return found
            found |= more

    def double_admissions(self, as_of: int) -> list:
        """The second passages of the double admissions of the event day, with the passages before them."""
        since, last, found = self.day_start(as_of), {}, []
        for fact in self.passages:
            before = last.get(self.person(fact))
            last[self.person(fact)] = fact
            if fact.time < since or before is None or before.time < since or fact.is_out or before.is_out:
                continue
            zones = [self.gates[each.gate].zone if each.gate in self.gates else None for each in (before, fact)]
            if zones[0] is not None and zones[0] == zones[1]:
                found.append((before, fact))
        return found

    # The parts of the live state, with the names of GET /api/live

    def zone_rows(self, as_of: int) -> dict:
        places, rows = Counter(self.places(as_of).values()), {}
        minute = floor(as_of, MINUTE)
        quarter = [fact for fact in self.passages if minute - 15 * MINUTE <= floor(fact.time, MINUTE) < minute]
        for zone in self.zones.values():
            within = self.within(zone.id)
            net = 0
            for fact in quarter:
                gate = self.gates.get(fact.gate)
                if gate:
                    net += (-1 if fact.is_out else 1) * ((gate.zone in within) - (gate.from_zone in within))
            total, capacity = sum(places[each] for each in within), zone.capacity
            rows[zone.id] = {
                "inside": places[zone.id],
                "inside_total": total,
                "percent": total * 100 // capacity if capacity else None,
                "level": self._level(zone, total),
                "net_hour": 4 * net,
                "full_in_min": self._full_in(capacity, total, 4 * net),
            }
        return rows

    @staticmethod
    def _level(zone: Zone, total: int) -> str:
        if zone.capacity is None:
            return "uncapped"
        if total * 100 >= zone.capacity * zone.full:
            return "full"
        return "busy" if total * 100 >= zone.capacity * zone.busy else "go"

    @staticmethod
    def _full_in(capacity: Optional[int], total: int, net_hour: int) -> Optional[int]:
        if capacity is None:
            return None
        if total >= capacity:
            return 0
        return math.ceil((capacity - total) * 60 / net_hour) if net_hour > 0 else None

    def gate_rows(self, as_of: int) -> dict:
        rows = {}
        for gate in self.gates:
            today = self._today((fact for fact in self.facts if fact.gate == gate), as_of)
            # Scans that are tracked soon are counted in steps of ten seconds.
            recent = [fact for fact in today if floor(fact.time, 10 * SECOND) > as_of - MINUTE]
            rows[gate] = {
                f"{name}_{span}": sum(map(of, facts))
                for span, facts in (("min", recent), ("day", today))
                for name, of in (
                    ("in", lambda fact: fact.counts and not fact.is_out),
                    ("out", lambda fact: fact.counts and fact.is_out),
                    ("refused", lambda fact: fact.is_refusal),
                )
            }
            rows[gate]["last_tap"] = max((fact.time for fact in today if fact.is_tap), default=None)
        return rows

    def sparks(self, as_of: int) -> dict:
        minute = floor(as_of, MINUTE)
        counts = Counter((fact.gate, (minute - floor(fact.time, MINUTE)) // MINUTE) for fact in self.passages)
        return {str(gate): [counts[gate, ago] for ago in range(60, 0, -1)] for gate in self.gates}

    def arrivals(self, as_of: int) -> dict:
        here = set(self.places(as_of))
        expected = [each for each in self.people.values() if each.status == "active" and each.pass_name]
        today = self.curve(self.day_start(as_of), as_of)
        yesterday = self.curve(self.day_start(self.day_start(as_of) - 1), self.day_start(as_of))
        peak = max(today)
        return {
            "arrived": len(here),
            "expected": len(expected),
            "by_category": self._by("category", here, expected),
            "by_pass": self._by("pass_name", here, expected),
            "today": today,
            "yesterday": yesterday,
            "peak": {"at": self._quarter(as_of, today.index(peak)), "per_hour": 4 * peak} if peak else None,
        }

    def _by(self, column: str, here: set, expected: list) -> dict:
        def name(person):
            return getattr(self.people[person], column) if person in self.people else None

        arrived, wanted = Counter(map(name, here)), Counter(getattr(each, column) for each in expected)
        return {each: (arrived[each], wanted[each]) for each in arrived | wanted}

    def _quarter(self, as_of: int, index: int) -> int:
        return floor(self.day_start(as_of), MINUTE) + index * 15 * MINUTE

    def curve(self, start: int, end: int) -> list:
        """Entries from off site by quarters of an hour, from the day start to before `end`."""
        start = floor(start, MINUTE)
        counts = [0] * math.ceil((end - start) / (15 * MINUTE))
        for fact in self.passages:
            gate = self.gates.get(fact.gate)
            index = (floor(fact.time, MINUTE) - start) // (15 * MINUTE)
            if gate and gate.from_zone is None and not fact.is_out and 0 <= index < len(counts):
                counts[index] += 1
        return counts

    def refused(self, as_of: int) -> dict:
        today = self._today((fact for fact in self.facts if fact.is_refusal and fact.gate is not None), as_of)
        since = floor(as_of, MINUTE) - 59 * MINUTE
        day = Counter(fact.scan.verdict for fact in today)
        hour = Counter(fact.scan.verdict for fact in today if fact.time >= since)
        return {verdict: (NAMES.get(verdict, f"verdict {verdict}"), day[verdict], hour[verdict]) for verdict in day}

    def drops(self, as_of: int, minutes: int = 5) -> dict:
        """The passages of each gate in the interval before the last one, and in the last one."""
        minute, rows = floor(as_of, MINUTE), {}
        for gate in self.gates:
            ages = [(minute - floor(fact.time, MINUTE)) // MINUTE for fact in self.passages if fact.gate == gate]
            rows[gate] = (
                sum(minutes < age <= 2 * minutes for age in ages),
                sum(1 <= age <= minutes for age in ages),
            )
        return rows


def receipts(system) -> dict:
    """Returns when the center received each stored scan."""
    rows = system.sql(
        "SELECT j.scanner_id, j.log, s.seq, (extract(epoch FROM s.received_at) * 1000000)::bigint AS at "
        "FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id"
    )
    return {(row["scanner_id"], uuid.UUID(str(row["log"])).bytes, row["seq"]): row["at"] for row in rows}
