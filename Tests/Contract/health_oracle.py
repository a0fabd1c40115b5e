"""What a fleet has not sent, what is missing, and what was refused: counted from what a test has sent.

Knows only contract.md. Takes nothing from the center.
"""

from dataclasses import dataclass, field
from typing import Optional


@dataclass
class HealthOracle:
    """Places of a site, its enabled lanes, and the batches in the order of their receipt."""

    zones: dict  # zone to the zone around it, or None
    gates: dict  # gate to the zones of its two sides; None: off site
    lanes: dict  # scanner to its default gate
    batches: list = field(default_factory=list)
    quarantined: int = 0
    dead: int = 0

    def last(self, scanner: str):
        """The last batch of a scanner, or None."""
        return next((batch for batch in reversed(self.batches) if batch.scanner == scanner), None)

    def gate_of(self, scanner: str) -> int:
        """The gate of its last batch; a batch without a gate has its default."""
        last = self.last(scanner)
        has_gate = last is not None and last.gate is not None
        return last.gate if has_gate else self.lanes[scanner]

    def lanes_of(self, zone: int) -> list:
        """The lanes at the gates that lead into or out of a zone and the zones within it."""
        within = {inner for inner in self.zones if zone in self._outwards(inner)}
        return [lane for lane in self.lanes if within & set(self.gates[self.gate_of(lane)])]

    def _outwards(self, zone: Optional[int]) -> list:
        """A zone and the zones around it, the innermost first."""
        if zone is None:
            return []
        return [zone, *self._outwards(self.zones[zone])]

    def unsent(self, lanes) -> int:
        """Scans that lanes had not sent at their last batch."""
        return sum(self.last(lane).backlog for lane in lanes)

    def missing(self) -> int:
        """Seqs below the highest one of a journal that did not arrive. A heartbeat names the next seq."""
        arrived, highest = {}, {}
        for batch in self.batches:
            log, end = (batch.scanner, batch.log), batch.first + len(batch.scans)
            arrived.setdefault(log, set()).update(range(batch.first, end))
            highest[log] = max(highest.get(log, 0), end - 1)
        return sum(highest[log] - len(arrived[log]) for log in arrived)

    # Parts of the live state

    def zone_rows(self, silent=()) -> dict:
        rows = {}
        for zone in self.zones:
            lanes = self.lanes_of(zone)
            rows[zone] = {
                "lanes": len(lanes),
                "lanes_silent": len(set(lanes) & set(silent)),
                "unsent": self.unsent(lanes) if lanes else None,
            }
        return rows

    def ingest(self) -> dict:
        return {"dead": self.dead, "quarantine_batches": self.quarantined, "gaps": self.missing()}
