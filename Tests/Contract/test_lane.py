"""SPEC.md sections 2 and 6 at the lane: the gate's policies, the gate chief's orders, codes and relay boards, from outside."""

import json
import os
import pty
import select
import signal
import subprocess
import time
import tty

from line import Line, rfc3339, tag_of
from waiting import equal, wait_until

DAY = 86_400_000_000


class Lane:
    """One scanner whose gate has a policy; taps with a time of their own, so that nothing waits for a clock."""

    def __init__(self, b, name: str, people: int = 4, **policy):
        self.b, self.line = b, Line(b, name, people)
        self.noon = (int(time.time()) // 86_400 * 86_400 + 43_200 - 86_400) * 1_000_000
        if policy:
            self.policy(**policy)
        else:
            self.line.fetch()

    def policy(self, **policy):
        self.b.sql(
            "UPDATE tapline.gates SET policy = %s::jsonb WHERE name = %s",
            json.dumps(policy),
            f"Gate of {self.line.name.removesuffix('-' + self.b.name)}",
        )
        self.line.fetch()

    def said(self, *taps) -> list:
        """One run of the gate: (person, way, seconds after noon) each; the verdicts' names."""
        return [answer["name"] for answer in self.answers(*taps)]

    def answers(self, *taps) -> list:
        lines = []
        for who, way, seconds in taps:
            uid = self.line.uids[who] if isinstance(who, int) else who
            lines.append(f"{uid.hex()},{way},{rfc3339(self.noon + int(seconds * 1_000_000))}")
        return self.line.tap(lines)

    def flags(self, answer) -> int:
        journal = self.line.data / "journal.sqlite"
        row = subprocess.run(
            [
                "sqlite3",
                journal,
                "SELECT s.flags FROM scans s JOIN journals j ON s.id >> 32 = j.id "
                f"WHERE lower(hex(j.log)) = '{answer['log'].replace('-', '')}' AND s.id & 4294967295 = {answer['seq']}",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return int(row.stdout)


def test_antipassback_hard_and_a_restart(b):
    lane = Lane(b, "hard", antipassback="hard")
    equal(lane.said((0, "in", 0), (0, "in", 10), (1, "in", 20)), ["admitted", "inside", "admitted"])
    # Another run of the gate, which has only the journal to remember by.
    equal(lane.said((0, "in", 60), (0, "out", 70), (0, "in", 80)), ["inside", "admitted", "admitted"])
    # A new snapshot changes nothing of it.
    lane.policy(antipassback="hard", minutes=5)
    equal(lane.said((0, "in", 90), (1, "in", 91)), ["inside", "inside"])
    # The next day everybody is outside.
    equal(lane.said((0, "in", DAY / 1_000_000), (0, "in", DAY / 1_000_000 + 60)), ["admitted", "inside"])


def test_antipassback_soft_off_and_timed(b):
    lane = Lane(b, "soft", antipassback="soft")
    first, second = lane.answers((0, "in", 0), (0, "in", 10))
    equal((first["verdict"], second["verdict"]), (0, 0))
    equal((lane.flags(first) & 32, lane.flags(second) & 32), (0, 32), "flag bit 5")
    lane = Lane(b, "off")
    again = lane.answers((0, "in", 0), (0, "in", 10))
    equal([(a["verdict"], lane.flags(a)) for a in again], [(0, 0), (0, 0)])
    lane = Lane(b, "timed", antipassback="timed", minutes=10)
    equal(lane.said((0, "in", 0), (0, "in", 599), (0, "in", 601)), ["admitted", "inside", "admitted"])


def test_reentry_of_the_pass(b):
    lane = Lane(b, "reentry", people=3, antipassback="hard")
    for person, way in ((0, "free"), (1, "none")):
        b.sql(
            "WITH pass AS (INSERT INTO tapline.passes (name, reentry) VALUES (%s, %s) RETURNING id), "
            "way AS (INSERT INTO tapline.access (pass_id, zone_id) SELECT pass.id, z.id FROM pass, tapline.zones z "
            "WHERE z.name = %s) UPDATE tapline.attendees SET pass_id = (SELECT id FROM pass) WHERE external_ref = %s",
            f"{lane.line.name} {way}",
            way,
            lane.line.zone,
            f"reentry-{person}",
        )
    lane.line.fetch()
    equal(lane.said((0, "in", 0), (0, "in", 10), (0, "in", 20)), ["admitted"] * 3, "crew")
    equal(lane.said((1, "in", 0), (1, "out", 10), (1, "in", 20)), ["admitted", "admitted", "inside"], "single entry")
    equal(lane.said((2, "in", 0), (2, "out", 10), (2, "in", 20)), ["admitted"] * 3, "as the gate says")


def test_two_bands_of_one_person(b):
    lane = Lane(b, "bands", people=2, antipassback="hard")
    b.sql(
        "UPDATE tapline.tags SET attendee_id = (SELECT attendee_id FROM tapline.tags WHERE tag_id = %s) WHERE tag_id = %s",
        tag_of(lane.line.uids[0]),
        tag_of(lane.line.uids[1]),
    )
    lane.line.fetch()
    equal(lane.said((0, "in", 0), (1, "in", 10)), ["admitted", "inside"])
    equal(lane.said((1, "out", 20), (0, "in", 30)), ["admitted", "admitted"])


def test_debounce_repeats_and_writes_nothing(b):
    lane = Lane(b, "bounce", debounce_ms=2000)
    answers = lane.answers((0, "in", 0), (0, "in", 1.9), (0, "in", 2.1), (1, "in", 2.2), (0, "out", 2.3))
    equal([a["seq"] for a in answers], [1, 1, 2, 3, 4], "the second is the first again")
    equal(answers[1], answers[0])
    lane = Lane(b, "bounceless")
    equal([a["seq"] for a in lane.answers((0, "in", 0), (0, "in", 0))], [1, 2], "stdin has no debounce unless set")


def test_a_zone_inside_another(b):
    lane = Lane(b, "nested", people=2)
    outer = f"Around {lane.line.zone}"
    b.tapline_center("zone", "add", outer)
    b.sql(
        "UPDATE tapline.zones SET parent_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE name = %s",
        outer,
        lane.line.zone,
    )
    # The gate now leads into the zone around the one that the pass opens: who may be inside may come that far.
    b.sql(
        "UPDATE tapline.gates SET zone_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE name = 'Gate of nested'",
        outer,
    )
    lane.line.fetch()
    equal(lane.said((0, "in", 0)), ["admitted"])
    # And a pass for the outer zone opens nothing inside it.
    b.sql(
        "UPDATE tapline.gates SET zone_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE name = 'Gate of nested'",
        lane.line.zone,
    )
    b.sql(
        "UPDATE tapline.access SET zone_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE zone_id = "
        "(SELECT id FROM tapline.zones WHERE name = %s)",
        outer,
        lane.line.zone,
    )
    lane.line.fetch()
    equal(lane.said((0, "in", 60), (0, "out", 70)), ["no-access", "admitted"], "and the way out is never refused")


class Gate:
    """A running gate that is spoken to."""

    def __init__(self, line, *more, reader="stdin", **options):
        self.line, self.pending = line, b""
        settings = line.flags(event_key_file=line.key, reader=reader, output="json", **options)
        self.log = (line.b.folder / f"{line.name}.gate.log").open("ab")
        self.process = subprocess.Popen(
            [line.b.bin / "tapline-gate", "run", *map(str, settings), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        wait_until(lambda: (line.data / "gate.sock").exists(), "the gate listens")

    def tap(self, text: str) -> dict:
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict:
        deadline = time.monotonic() + 20
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the gate printed no verdict"
            piece = os.read(self.process.stdout.fileno(), 65_536)
            assert piece, "the gate ended"
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def order(self, *words, code=0):
        return self.line.b.run("tapline-gate", *words, "--data", self.line.data, code=code)

    def status(self) -> dict:
        return json.loads(self.order("status", "--output", "json").stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        equal(self.process.wait(30), 0, "SIGTERM ends the gate well")
        self.process.stdout.close()
        self.log.close()


def test_the_gate_chiefs_hands(b):
    lane = Lane(b, "chief", antipassback="hard")
    someone, stranger = lane.line.uids[0].hex(), "deadbeef"
    with Gate(lane.line) as gate:
        equal(gate.tap(someone)["name"], "admitted")
        equal(gate.tap(stranger)["name"], "unknown")
        gate.order("mode", "free")
        free = gate.tap(stranger)
        equal((free["verdict"], lane.flags(free) & 2), (0, 2), "free flow: admitted, by the operator")
        gate.order("mode", "closed")
        equal(gate.tap(lane.line.uids[1].hex())["name"], "no-access", "closed to those on the list")
        equal(gate.tap(lane.line.uids[1].hex() + ",out")["name"], "admitted", "never to those who leave")
        gate.order("mode", "wide-open", code=None)
        gate.order("admit", code=None)
        equal(gate.status()["mode"], "closed")
    with Gate(lane.line) as gate:
        equal(gate.tap(lane.line.uids[1].hex())["name"], "no-access", "closed also after a restart")
        gate.order("mode", "normal")
        equal(gate.tap(lane.line.uids[1].hex())["name"], "admitted")
        gate.order("admit", stranger, "--reason", "lost the band, ID checked")
        gate.order("admit", "--reason", "a child on the arm")
    rows = subprocess.run(
        ["sqlite3", lane.line.data / "journal.sqlite", "SELECT verdict FROM scans WHERE tag = 0 ORDER BY id"],
        check=True,
        capture_output=True,
        text=True,
    )
    events = [int(word) for word in rows.stdout.split()]
    equal([event for event in events if event in (129, 130, 128, 134)], [129, 130, 130, 128, 134], "lane events")


def test_a_spare_serves_any_gate(b):
    lane, other = Lane(b, "spare"), Line(b, "spared", 1)
    lane.line.fetch()
    name = "Gate of spared"
    number = b.one("SELECT id FROM tapline.gates WHERE name = %s", name)
    with Gate(lane.line) as gate:
        equal(gate.tap(other.uids[0].hex())["name"], "no-access")
        gate.order("assign", name)
        equal(gate.tap(other.uids[0].hex())["zone"], other.zone)
        gate.order("assign", "A gate that is not there", code=None)
        equal(gate.status()["gate"], name)
    equal(lane.said((lane.line.uids[0], "in", 0)), ["no-access"], "it is that gate after a restart too")
    rows = subprocess.run(
        ["sqlite3", lane.line.data / "journal.sqlite", "SELECT DISTINCT gate FROM scans ORDER BY id DESC LIMIT 1"],
        check=True,
        capture_output=True,
        text=True,
    )
    equal(int(rows.stdout), number)


def test_a_code_from_a_serial_scanner(b):
    lane = Lane(b, "codes", people=1)
    b.sql(
        "INSERT INTO tapline.tags (tag_id, attendee_id) SELECT %s, attendee_id FROM tapline.tags WHERE tag_id = %s",
        tag_of(b"code:TICKET-4711"),
        tag_of(lane.line.uids[0]),
    )
    lane.line.fetch()
    device, port = pty.openpty()
    tty.setraw(port)
    with Gate(lane.line, reader=f"serial:{os.ttyname(port)}") as gate:
        os.write(device, b"TICKET-4711\r\n")
        answer = gate.answer()
        equal((answer["name"], answer["tag"]), ("admitted", tag_of(b"code:TICKET-4711")))
        os.write(device, b"\x00\xff\x07noise\x01\n" + b"x" * 5_000 + b"\n" + b"TICKET-0000\n")
        equal(gate.answer()["tag"], tag_of(b"code:TICKET-0000"), "noise and endless lines are no codes")
    os.close(device)
    os.close(port)


def test_the_relay_board_opens_and_closes(b):
    lane = Lane(b, "relay")
    device, port = pty.openpty()
    tty.setraw(port)
    os.set_blocking(device, False)
    heard = bytearray()

    def hear(frame: bytes) -> bool:
        try:
            heard.extend(os.read(device, 4_096))
        except BlockingIOError:
            pass
        return frame in heard

    on, off = b"\xa0\x01\x01\xa2", b"\xa0\x01\x00\xa1"
    with Gate(lane.line, turnstile=f"serial:{os.ttyname(port)}") as gate:
        wait_until(lambda: hear(off), "off at the start")
        assert not hear(on), "a start opens nothing"
        equal(gate.tap(lane.line.uids[0].hex())["name"], "admitted")
        wait_until(lambda: hear(on), "the turnstile opens")
        wait_until(lambda: hear(off) and heard.rfind(off) > heard.rfind(on), "and closes")
        heard.clear()
        equal(gate.tap("deadbeef")["name"], "unknown")
        # A replay of an old tap moves nothing; the exit after it is the end of both.
        equal(gate.tap(f"{lane.line.uids[1].hex()},in,{rfc3339(lane.noon)}")["name"], "admitted")
    assert not hear(on), "neither a refusal nor a replay opens"
    os.close(device)
    os.close(port)


def gate_once(lane, *more, lines=(), code=0, **options) -> list:
    """One run of the gate with other settings than usual; the answers."""
    settings = lane.line.flags(event_key_file=lane.line.key, reader="stdin", output="json", **options)
    result = lane.b.run(
        "tapline-gate", "run", *settings, *more, input="".join(line + "\n" for line in lines), code=code
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_inspection_asks_the_list_and_moves_nobody(b):
    lane = Lane(b, "roaming", people=2, antipassback="hard")
    b.sql("UPDATE tapline.attendees SET status = 'blocked' WHERE external_ref = 'roaming-1'")
    lane.line.fetch()
    equal(lane.said((0, "in", 0)), ["admitted"])
    good, blocked = lane.line.uids[0].hex(), lane.line.uids[1].hex()
    at = rfc3339(lane.noon + 60_000_000)
    taps = [f"{uid},{way},{at}" for uid in (good, blocked, "deadbeef") for way in ("in", "out")]
    answers = gate_once(lane, "--inspection", lines=taps)
    equal([a["name"] for a in answers], ["admitted"] * 2 + ["blocked"] * 2 + ["unknown"] * 2, "the list, both ways")
    equal([lane.flags(a) & 17 for a in answers], [16, 17] * 3, "bit 4, and the way of the reader")
    # The way out of the check was none.
    equal(lane.said((0, "in", 120)), ["inside"])


def test_a_uid_alone_may_not_do(b):
    lane = Lane(b, "strict", people=1, uid_only=False)
    equal(lane.said((0, "in", 0), (b"\xde\xad\xbe\xef", "in", 1), (0, "out", 2)), ["not-authentic", "unknown", "admitted"])
    lane.policy(uid_only=True)
    equal(lane.said((0, "in", 60)), ["admitted"])


def spoil(lane):
    """What a power cut on a bad card leaves of the snapshots."""
    for path in (lane.line.data / "snapshots").glob("*.sqlite"):
        path.write_bytes(b"\0" * 100)


def test_without_a_snapshot_the_gate_does_as_it_was_told(b):
    for word, name in (("admit", "admitted"), ("deny", "no-snapshot")):
        lane = Lane(b, f"blind-{word}", people=1, no_snapshot=word)
        equal(lane.said((0, "in", 0)), ["admitted"])
        spoil(lane)
        for seconds in (60, 120):
            equal(lane.said((0, "in", seconds), (0, "out", seconds + 1)), [name, "admitted"], f"{word}, after a restart")
    fresh = Line(b, "fresh", 1)
    equal([a["name"] for a in fresh.tap([fresh.uids[0].hex()])], ["no-snapshot"], "before the first snapshot")


def test_an_expired_snapshot_does_as_the_policy_says(b):
    for word, name in (("admit", "admitted"), ("deny", "no-snapshot")):
        lane = Lane(b, f"late-{word}", people=1, expired=word)
        late = 400 * 86_400
        answers = lane.answers((0, "in", 0), (0, "in", late), (0, "out", late + 1))
        equal([a["name"] for a in answers], ["admitted", name, "admitted"], word)
        equal([lane.flags(a) & 8 for a in answers], [0, 8, 8], "flag bit 3")


def test_a_damaged_journal_is_set_aside_and_told(b):
    lane = Lane(b, "damaged", people=1)
    equal(lane.said((0, "in", 0)), ["admitted"])
    # The log holds the newest pages of the file: a card that loses one loses the other.
    for name in ("journal.sqlite-wal", "journal.sqlite-shm"):
        (lane.line.data / name).unlink()
    with (lane.line.data / "journal.sqlite").open("r+b") as file:
        file.write(b"\xff" * 8_192)
    with Gate(lane.line) as gate:
        answer = gate.tap(lane.line.uids[0].hex())
        equal((answer["name"], answer["seq"]), ("admitted", 1), "the lane is open")
        wait_until(lambda: any("damaged" in alarm for alarm in gate.status().get("alarms", [])), "the alarm")
        status = gate.status()
    equal(len(status["damaged"]), 1)
    assert status["damaged"][0].startswith("journal.sqlite.damaged-"), status["damaged"]
    assert (lane.line.data / status["damaged"][0]).exists()
    text = b.run("tapline-gate", "status", "--data", lane.line.data).stdout
    assert "tapline-gate recover reads it" in text, text
