"""What the live display must show, with the names of GET /api/live, counted by the oracle."""

import math
from collections import Counter
from typing import Optional

from oracle import MINUTE, SECOND, Oracle, Zone, floor

NAMES = {1: "unknown", 2: "blocked", 3: "no-access", 4: "outside-time", 5: "inside", 6: "no-snapshot"}
NAMES |= {7: "not-authentic", 8: "lost", 9: "void"}


class WallOracle(Oracle):
    """The parts of the live state at a time."""

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
