"""What follows from the scans that a test has sent: passages, refusals, people, double admissions.

Knows only contract.md. Takes one thing from the center: when it received each scan. Times are microseconds since 1970.
"""

import uuid
from dataclasses import dataclass, field
from typing import Optional

from batch import ADMITTED, ANNULLED, CLOCK, INSPECTION, OUT, Scan

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000


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
    scanners: dict = field(default_factory=dict)  # scanner to its default gate
    sent: list = field(default_factory=list)
    void: list = field(default_factory=list)  # (scanner, since, until)

    # Facts

    def read(self, received: dict):
        """Derives the facts. `received` has the receipt of each scan, by (scanner, log, seq)."""
        self.facts, journals = [], {}
        for batch in self.sent:
            times = self._times(batch, received)
            gate = self.scanners.get(batch.scanner) if batch.gate is None else batch.gate
            journal = journals.setdefault((batch.scanner, batch.log), {})
            for index, scan in enumerate(batch.scans):
                seq = batch.first + index
                at = received[batch.scanner, batch.log, seq]
                void = any(name == batch.scanner and since <= at < until for name, since, until in self.void)
                fact = Fact(times[index], batch.log, seq, batch.scanner, gate, scan, void)
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


def receipts(system) -> dict:
    """Returns when the center received each stored scan."""
    rows = system.sql(
        "SELECT j.scanner_id, j.log, s.seq, (extract(epoch FROM s.received_at) * 1000000)::bigint AS at "
        "FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id"
    )
    return {(row["scanner_id"], uuid.UUID(str(row["log"])).bytes, row["seq"]): row["at"] for row in rows}
