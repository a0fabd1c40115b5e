"""Rows that the tests write and read, by plain SQL on the names of contract.md section 5."""

import hashlib
import os
import uuid

import psycopg2
import psycopg2.extras

from batch import Batch, Scan, new_log, now_ms_us
from waiting import equal, wait_equal


class Records:
    def open_database(self, url: str):
        self.db = psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)
        self.db.autocommit = True

    def sql(self, statement: str, *values):
        with self.db.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else None

    def one(self, statement: str, *values):
        rows = self.sql(statement, *values)
        return next(iter(rows[0].values())) if rows else None

    # Registry

    def add(self, table: str, **columns) -> int:
        """Inserts a row with the next free ID, which is also part of its name, and returns the ID."""
        number = self.one(f"SELECT coalesce(max(id), 0) + 1 FROM tapline.{table}")
        columns = {"id": number, "name": f"{table} {number}", **columns}
        self.sql(
            f"INSERT INTO tapline.{table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            *columns.values(),
        )
        return number

    def zone(self, parent=None, capacity=None) -> int:
        return self.add("zones", parent_id=parent, capacity=capacity)

    def gate(self, zone: int, from_zone=None) -> int:
        return self.add("gates", zone_id=zone, from_zone_id=from_zone, policy="{}")

    def scanner(self, gate=None, enabled=True) -> str:
        name = f"py-{next(self.numbers)}"
        self.sql(
            "INSERT INTO tapline.scanners (id, gate_id, enabled, enrolled_at) VALUES (%s, %s, %s, now())",
            name,
            gate if gate is not None else self.gate(self.zone()),
            enabled,
        )
        return name

    def new_pass(self) -> int:
        return self.add("passes", reentry="gate")

    def attendee(self, *tags: int, status="active") -> int:
        number = self.add("attendees", category="delegate", status=status, pass_id=self.new_pass())
        for tag in tags:
            self.sql("INSERT INTO tapline.tags (tag_id, attendee_id, status) VALUES (%s, %s, 'active')", tag, number)
        return number

    def new_tag(self) -> int:
        return int.from_bytes(hashlib.sha256(os.urandom(16)).digest()[:8], "big", signed=True) or 1

    # Batches and stored scans

    def some_scans(self, n: int, start_us=None) -> list:
        start = start_us if start_us is not None else now_ms_us() - 60_000_000
        return [Scan(start + i * 7_000, self.new_tag(), i % 9, i % 8) for i in range(n)]

    def batch(self, n: int, scanner=None, **more) -> Batch:
        return Batch(scanner or self.scanner(), new_log(), 1, self.some_scans(n), **more)

    def publish(self, *batches: Batch):
        for batch in batches:
            self.relay.publish("scan." + batch.scanner, batch.encode())

    def journal(self, batch: Batch) -> dict:
        rows = self.sql(
            "SELECT *, extract(epoch FROM last_received_at) * 1000000 AS last_received_us, "
            "extract(epoch FROM clock_skew) AS skew_s FROM tapline.journals WHERE log = %s::uuid AND scanner_id = %s",
            str(uuid.UUID(bytes=batch.log)),
            batch.scanner,
        )
        return dict(rows[0]) if rows else {}

    def counters(self, batch: Batch):
        row = self.journal(batch)
        return tuple(row.get(name, 0) for name in ("received", "stored", "duplicates", "conflicts"))

    def await_counters(self, batch: Batch, received, stored, duplicates=0, conflicts=0):
        wait_equal(
            lambda: self.counters(batch),
            (received, stored, duplicates, conflicts),
            "received, stored, duplicates, conflicts",
        )

    def stored(self, batch: Batch) -> dict:
        """Returns the stored scans of the batch's journal by seq."""
        rows = self.sql(
            "SELECT s.seq, (extract(epoch FROM s.scanned_at) * 1000000)::bigint AS at, s.tag_id, s.verdict, s.flags "
            "FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id "
            "WHERE j.log = %s::uuid AND j.scanner_id = %s",
            str(uuid.UUID(bytes=batch.log)),
            batch.scanner,
        )
        result = {row["seq"]: Scan(row["at"], row["tag_id"], row["verdict"], row["flags"]) for row in rows}
        equal(len(result), len(rows), "number of different seqs")
        return result

    def check_stored(self, *batches: Batch):
        """Asserts that the journal contains exactly the scans of these batches. The first scan with a seq counts."""
        expected = {}
        for batch in batches:
            for index, scan in enumerate(batch.scans):
                expected.setdefault(batch.first + index, scan)
        equal(self.stored(batches[0]), expected, "the stored scans of the journal")

    def gaps(self, batch: Batch) -> list:
        """Returns the gaps in the batch's journal, each as (first, last)."""
        rows = self.sql(
            "SELECT g.first_seq, g.last_seq FROM tapline.seq_gaps g JOIN tapline.journals j ON j.id = g.journal_id "
            "WHERE j.log = %s::uuid AND j.scanner_id = %s ORDER BY 1",
            str(uuid.UUID(bytes=batch.log)),
            batch.scanner,
        )
        return [(row["first_seq"], row["last_seq"]) for row in rows]

    def quarantine(self, body: bytes, routing_key="%") -> list:
        return [
            dict(row, body=bytes(row["body"]))
            for row in self.sql(
                "SELECT * FROM tapline.quarantine WHERE sha256 = %s AND routing_key LIKE %s ORDER BY id",
                hashlib.sha256(body).digest(),
                routing_key,
            )
        ]
