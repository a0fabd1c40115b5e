"""The live display says what its counts lack: unsent and missing scans, refused batches, dead letters, late tracking."""

import os
import random

import pika
import psycopg2
import pytest

from batch import Batch, Scan, new_log, now_ms_us, now_us
from harness import RELAY, SystemUnderTest
from health_oracle import HealthOracle
from live_frame import metrics, micros, once
from waiting import equal, wait_equal, wait_until

ZONES = {1: None, 2: 1, 3: None, 4: None}
GATES = {1: (1, None), 2: (2, 1), 3: (3, 1), 4: (3, None)}
LANES = {"lane-1": 1, "lane-2": 2, "lane-3": 3, "lane-4": 4, "lane-5": 2}
# More than the broker gives to a center that does not acknowledge (the messages of a scanner are in one queue).
MANY = 400


class Fleet(SystemUnderTest):
    """A site whose lanes are played by the tests, and the oracle of what they sent."""

    def _create_database(self):
        super()._create_database()
        self.oracle = HealthOracle(ZONES, GATES, dict(LANES))
        for zone, parent in ZONES.items():
            self.sql("INSERT INTO tapline.zones (id, name, parent_id) VALUES (%s, %s, %s)", zone, f"Z{zone}", parent)
        for gate, (zone, from_zone) in GATES.items():
            values = (gate, f"G{gate}", zone, from_zone)
            self.sql("INSERT INTO tapline.gates (id, name, zone_id, from_zone_id) VALUES (%s, %s, %s, %s)", *values)
        for lane, gate in [*LANES.items(), ("switched-off", 1)]:
            enabled = lane in LANES
            self.sql("INSERT INTO tapline.scanners (id, gate_id, enabled) VALUES (%s, %s, %s)", lane, gate, enabled)
        self.logs = {lane: new_log() for lane in LANES}
        self.next = dict.fromkeys(LANES, 1)
        self.skipped = []

    def scans(self, count: int) -> list:
        now = now_ms_us()
        return [Scan(now - 1_000_000 + number * 1_000, self.new_tag()) for number in range(count)]

    def send(self, batch: Batch):
        """Sends a batch of a lane, and waits until the center has stored it."""
        since = now_us()
        self.oracle.batches.append(batch)
        self.publish(batch)
        received = lambda: self.journal(batch).get("last_received_us", 0)
        wait_until(lambda: received() >= since, f"a batch of {batch.scanner} is stored")

    def play(self, seed: int):
        """Each lane sends some batches. Some are lost, and arrive with a later seed or never."""
        chance = random.Random(seed)
        for lane in LANES:
            for _ in range(chance.randrange(1, 4)):
                scans = self.scans(chance.randrange(1, 6))
                gate = chance.choice((None, None, *GATES))
                batch = Batch(lane, self.logs[lane], self.next[lane], scans, gate, backlog=chance.randrange(0, 40))
                self.next[lane] += len(scans)
                if chance.random() < 0.3:
                    self.skipped.append(batch)
                else:
                    self.send(batch)
            # A heartbeat: all scans before its seq were published.
            gate = chance.choice((None, *GATES))
            self.send(Batch(lane, self.logs[lane], self.next[lane], [], gate, backlog=chance.randrange(0, 40)))
        for batch in [batch for batch in self.skipped if chance.random() < 0.3]:
            self.skipped.remove(batch)
            self.send(batch)
        self.refuse(chance.randrange(1, 4))
        for number in range(chance.randrange(1, 3)):
            self.kill(f"dead {seed} {number}")

    def refuse(self, count: int):
        """Sends batches that the center does not accept: no batch, of a scanner that is switched off, of no scanner."""
        for _ in range(count):
            self.relay.publish("scan.lane-1", os.urandom(20))
            self.publish(*(Batch(lane, new_log(), 1, self.scans(2)) for lane in ("switched-off", "stranger")))
            self.oracle.quarantined += 3

    def kill(self, text: str):
        properties = pika.BasicProperties(delivery_mode=2, user_id=self.user(RELAY))
        self.relay.channel.basic_publish("tapline.dead", "scan.lane-1", text.encode(), properties, mandatory=True)
        self.oracle.dead += 1

    def lock(self, table: str):
        """Stops all writers of a table until the returned connection is closed. Readers go on."""
        connection = psycopg2.connect(self.database_url)
        connection.cursor().execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        return connection

    def part(self, name: str, since: int):
        """A part of the live state that was computed after a time in microseconds since 1970, or None."""
        part = once(self)[name]
        return part if part and micros(part["as_of"]) > since else None

    def shows(self, part: str, expected: dict):
        """Waits until a part of the live state has these values."""
        read = lambda: {name: (once(self)[part] or {}).get(name) for name in expected}
        wait_equal(read, expected, part)

    def shows_zones(self, silent=()):
        expected = self.oracle.zone_rows(silent)
        names = ("lanes", "lanes_silent", "unsent")
        rows = lambda: (once(self)["zones"] or {"rows": []})["rows"]
        read = lambda: {row["id"]: {name: row[name] for name in names} for row in rows()}
        wait_equal(read, expected, "zones")


@pytest.fixture(scope="module")
def fleet():
    with Fleet(os.environ) as fleet:
        yield fleet


@pytest.mark.parametrize("seed", (1, 2))
def test_what_is_unsent_missing_and_refused_is_counted(fleet, seed):
    fleet.play(seed)
    oracle = fleet.oracle
    assert oracle.missing() > 0 and oracle.unsent(LANES) > 0, "the seed has something to count"
    fleet.shows("fleet", {"backlog": oracle.unsent(LANES)})
    fleet.shows("ingest", oracle.ingest())
    fleet.shows_zones()
    found = metrics(fleet)
    expected = {
        "tapline_backlog_scans": oracle.unsent(LANES),
        "tapline_missing_scans": oracle.missing(),
        "tapline_quarantine_batches": oracle.quarantined,
    }
    equal({name: found.get(name) for name in expected}, expected, "metrics")


def test_each_lane_is_heard_after_the_time_shown(fleet):
    """The lanes have sent all that they had."""
    for lane in LANES:
        fleet.send(Batch(lane, fleet.logs[lane], fleet.next[lane], []))
    fleet.shows_zones()
    since = now_us()
    zones = wait_until(lambda: fleet.part("zones", since), "zones that were counted after the batches")
    for row in zones["rows"]:
        lanes = fleet.oracle.lanes_of(row["id"])
        sent = [fleet.oracle.last(lane).sent for lane in lanes]
        # Of the lane that was heard first: after it had sent its batch, and before now.
        if lanes:
            assert min(sent) // 1_000 * 1_000 <= micros(row["heard"]) <= now_us(), row
        else:
            equal(row["heard"], None, f"time of a zone without lanes: {row}")


def test_silent_lane_and_a_new_one_are_counted(fleet):
    """A lane that was never heard belongs to the lanes of a zone."""
    for lane in LANES:
        fleet.send(Batch(lane, fleet.logs[lane], fleet.next[lane], [], backlog=7))
    # Silence begins after a minute, also of the center: both pass at once.
    fleet.sql("UPDATE tapline_internal.centers SET listening_since = now() - interval '1 hour'")
    fleet.sql("UPDATE tapline.journals SET last_received_at = now() - interval '1 hour' WHERE scanner_id = 'lane-3'")
    fleet.shows_zones(silent=["lane-3"])
    before = {zone: row["lanes"] for zone, row in fleet.oracle.zone_rows().items()}
    fleet.sql("INSERT INTO tapline.scanners (id, gate_id) VALUES ('new', 4)")
    counts = lambda: {row["id"]: (row["lanes"], row["lanes_silent"]) for row in once(fleet)["zones"]["rows"]}
    silent = {zone: row["lanes_silent"] for zone, row in fleet.oracle.zone_rows(["lane-3"]).items()}
    expected = {zone: (before[zone] + (zone == 3), silent[zone] + (zone == 3)) for zone in ZONES}
    wait_equal(counts, expected, "lanes, silent ones")
    fleet.sql("DELETE FROM tapline.scanners WHERE id = 'new'")
    fleet.send(Batch("lane-3", fleet.logs["lane-3"], fleet.next["lane-3"], []))
    fleet.shows_zones()


def test_messages_in_the_broker_are_counted(fleet):
    lock = fleet.lock("tapline.journals")
    heartbeat = Batch("lane-1", fleet.logs["lane-1"], fleet.next["lane-1"], [])
    fleet.publish(*[heartbeat] * MANY)
    names = [f"tapline.scans.{number}" for number in range(4)]
    # The broker tells the messages that it has not delivered.
    ready = lambda: sum(fleet.observer.channel.queue_declare(name, passive=True).method.message_count for name in names)
    wait_until(lambda: 0 < ready() < MANY, "the center holds what it may hold")
    fleet.shows("ingest", {"queue_ready": ready(), "queue_unacked": MANY - ready()})
    found = metrics(fleet)
    states = {f'tapline_queue_messages{{state="{name}"}}' for name in ("ready", "unacknowledged")}
    equal(sum(found[state] for state in states), MANY, "messages in the metrics")
    lock.close()
    fleet.oracle.batches.append(heartbeat)
    fleet.shows("ingest", {"queue_ready": 0, "queue_unacked": 0})


def test_late_tracking_is_shown_with_its_age(fleet):
    fleet.shows("ingest", {"tracking_lag_ms": 0})
    lock = fleet.lock("tapline_internal.tag_positions")
    published, lane = now_us(), "lane-2"
    batch = Batch(lane, fleet.logs[lane], fleet.next[lane], fleet.scans(3))
    fleet.send(batch)
    stored = now_us()

    ingest = wait_until(lambda: fleet.part("ingest", stored), "a count after the batch was stored")
    at, lag = micros(ingest["as_of"]) // 1_000, ingest["tracking_lag_ms"]
    # The lag is of a moment after the time of the part, within its computation.
    assert at - stored // 1_000 <= lag <= now_us() // 1_000 - published // 1_000, (at, stored, lag, published)
    assert metrics(fleet)["tapline_tracking_lag_seconds"] > 0
    lock.close()
    fleet.shows("ingest", {"tracking_lag_ms": 0})
