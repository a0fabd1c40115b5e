"""Scan batch v1 (contract.md section 3), encoded and decoded with cbor2 only."""

import struct
import time
import uuid
from dataclasses import dataclass, field
from typing import Optional

import cbor2

REQUIRED = ["v", "scanner", "log", "first", "base", "at", "tag", "verdict", "flags", "snapshot", "sent", "backlog"]
OUT, OVERRIDE, CLOCK, EXPIRED, INSPECTION, REUSE = 1, 2, 4, 8, 16, 32
ADMITTED, ANNULLED = 0, 64
YEAR_2200_US = 7_258_118_400_000_000


def now_us() -> int:
    return time.time_ns() // 1_000


def now_ms_us() -> int:
    """Returns the current time in microseconds, truncated to whole milliseconds as on devices."""
    return time.time_ns() // 1_000_000 * 1_000


@dataclass(frozen=True)
class Scan:
    at: int  # microseconds since 1970, whole milliseconds
    tag: int
    verdict: int = ADMITTED
    flags: int = 0


@dataclass
class Batch:
    scanner: str
    log: bytes
    first: int
    scans: list
    gate: Optional[int] = None
    snapshot: int = 0
    base: Optional[int] = None
    sent: Optional[int] = None
    backlog: int = 0
    after: Optional[list] = None
    state: Optional[dict] = None
    more: dict = field(default_factory=dict)

    def __post_init__(self):
        # Set once, so that a batch that is published again has the same bytes.
        if self.sent is None:
            self.sent = now_us()
        if self.base is None:
            self.base = self.scans[0].at if self.scans else now_ms_us()

    def fields(self) -> dict:
        base, n = self.base, len(self.scans)
        result = {
            "v": 1,
            "scanner": self.scanner,
            "log": self.log,
            "first": self.first,
            "base": base,
            "at": cbor2.CBORTag(78, struct.pack(f"<{n}i", *((s.at - base) // 1_000 for s in self.scans))),
            "tag": cbor2.CBORTag(79, struct.pack(f"<{n}q", *(s.tag for s in self.scans))),
            "verdict": cbor2.CBORTag(64, bytes(s.verdict for s in self.scans)),
            "flags": cbor2.CBORTag(64, bytes(s.flags for s in self.scans)),
            "snapshot": self.snapshot,
            "sent": self.sent,
            "backlog": self.backlog,
        }
        for name in ("gate", "after", "state"):
            if getattr(self, name) is not None:
                result[name] = getattr(self, name)
        result.update(self.more)
        return result

    def encode(self) -> bytes:
        return encode(self.fields())

    def part(self, start: int, end: int) -> "Batch":
        """Returns a batch with the scans from index `start` to before index `end`."""
        values = dict(self.__dict__, first=self.first + start, scans=self.scans[start:end])
        if start > 0:
            values["after"] = None
        return Batch(**values)


def encode(fields: dict) -> bytes:
    return cbor2.dumps(fields, canonical=True)


def new_log() -> bytes:
    return uuid.uuid4().bytes


def typed(value, tag: int, code: str, size: int) -> list:
    assert isinstance(value, cbor2.CBORTag) and value.tag == tag, value
    assert isinstance(value.value, bytes) and len(value.value) % size == 0
    return list(struct.unpack(f"<{len(value.value) // size}{code}", value.value))


def decode(body: bytes) -> Batch:
    """Decodes the body of a publisher, and asserts every rule of the contract for bodies."""
    fields = cbor2.loads(body)
    assert encode(fields) == body, "the encoding is not deterministic"
    assert fields["v"] == 1 and len(fields["log"]) == 16 and fields["first"] >= 1
    assert not set(REQUIRED) - set(fields), fields.keys()
    assert set(fields) <= set(REQUIRED) | {"after", "gate", "state"}, fields.keys()
    base = fields["base"]
    assert base % 1_000 == 0
    columns = [typed(fields["at"], 78, "i", 4), typed(fields["tag"], 79, "q", 8)]
    columns += [typed(fields["verdict"], 64, "B", 1), typed(fields["flags"], 64, "B", 1)]
    assert len({len(column) for column in columns}) == 1, "the arrays differ in length"
    assert len(columns[0]) <= 10_000 and len(body) <= 1 << 20
    scans = [Scan(base + at * 1_000, tag, verdict, flags) for at, tag, verdict, flags in zip(*columns)]
    for time_us in [fields["sent"]] + [scan.at for scan in scans]:
        assert 0 <= time_us < YEAR_2200_US
    if "after" in fields:
        assert fields["first"] == 1 and len(fields["after"][0]) == 16 and fields["after"][1] >= 0
    return Batch(
        fields["scanner"],
        fields["log"],
        fields["first"],
        scans,
        fields.get("gate"),
        fields["snapshot"],
        base,
        fields["sent"],
        fields["backlog"],
        fields.get("after"),
        fields.get("state"),
    )
