"""contract.md sections 2 and 6: operator commands, codes, relay boards and inspections at a running gate."""

import os
import pty
import tty

from lane import Gate, Lane
from scanner_device import ScannerDevice, rfc3339, tag_of
from waiting import await_silence, equal, wait_until


def test_operator_changes_the_mode_and_admits_manually(system):
    lane = Lane(system, "operator", antipassback="hard")
    known, unknown = lane.device.uids[0].hex(), "deadbeef"
    with Gate(lane.device) as gate:
        equal(gate.tap(known)["name"], "admitted")
        equal(gate.tap(unknown)["name"], "unknown")
        gate.command("mode", "free")
        free = gate.tap(unknown)
        equal((free["verdict"], lane.flags(free) & 2), (0, 2), "mode free: admitted, with the override flag")
        gate.command("mode", "closed")
        equal(gate.tap(lane.device.uids[1].hex())["name"], "no-access", "mode closed: an entry")
        equal(gate.tap(lane.device.uids[1].hex() + ",out")["name"], "admitted", "mode closed: an exit")
        gate.command("mode", "wide-open", code=None)
        gate.command("admit", code=None)
        equal(gate.status()["mode"], "closed")
    with Gate(lane.device) as gate:
        equal(gate.tap(lane.device.uids[1].hex())["name"], "no-access", "mode closed: after a restart")
        gate.command("mode", "normal")
        equal(gate.tap(lane.device.uids[1].hex())["name"], "admitted")
        gate.command("admit", unknown, "--reason", "lost the band, ID checked")
        gate.command("admit", "--reason", "a child on the arm")
    events = lane.journal_rows("SELECT verdict FROM scans WHERE tag = 0 ORDER BY id")
    equal([event for event in events if event in (129, 130, 128, 134)], [129, 130, 130, 128, 134], "lane events")


def test_spare_scanner_is_assigned_to_another_gate(system):
    lane, other = Lane(system, "spare"), ScannerDevice(system, "replaced", 1)
    lane.device.fetch()
    name = "Gate of replaced"
    number = system.one("SELECT id FROM tapline.gates WHERE name = %s", name)
    with Gate(lane.device) as gate:
        equal(gate.tap(other.uids[0].hex())["name"], "no-access")
        gate.command("assign", name)
        equal(gate.tap(other.uids[0].hex())["zone"], other.zone)
        gate.command("assign", "A gate that does not exist", code=None)
        equal(gate.status()["gate"], name)
    equal(lane.verdicts((lane.device.uids[0], "in", 0)), ["no-access"], "the assignment survives a restart")
    equal(lane.journal_rows("SELECT gate FROM scans ORDER BY id DESC LIMIT 1"), [number])


def test_serial_scanner_reads_codes_and_ignores_noise(system):
    lane = Lane(system, "codes", people=1)
    system.sql(
        "INSERT INTO tapline.tags (tag_id, attendee_id) SELECT %s, attendee_id FROM tapline.tags WHERE tag_id = %s",
        tag_of(b"code:TICKET-4711"),
        tag_of(lane.device.uids[0]),
    )
    lane.device.fetch()
    device, port = pty.openpty()
    tty.setraw(port)
    with Gate(lane.device, reader=f"serial:{os.ttyname(port)}") as gate:
        os.write(device, b"TICKET-4711\r\n")
        answer = gate.answer()
        equal((answer["name"], answer["tag"]), ("admitted", tag_of(b"code:TICKET-4711")))
        # The last one is a code full of line breaks: 738 guesses of other codes.
        for shown in (b"\x00\xff\x07noise\x01\n", b"x" * 5_000 + b"\n", b"TICKET-4711\n" * 738, b"TICKET-0000\n"):
            await_silence()
            os.write(device, shown)
        equal(gate.answer()["tag"], tag_of(b"code:TICKET-0000"), "noise, overlong and several lines give no tap")
    os.close(device)
    os.close(port)


def test_relay_board_opens_only_after_a_fresh_admission(system):
    lane = Lane(system, "relay")
    device, port = pty.openpty()
    tty.setraw(port)
    os.set_blocking(device, False)
    received = bytearray()

    def has_received(frame: bytes) -> bool:
        try:
            received.extend(os.read(device, 4_096))
        except BlockingIOError:
            pass
        return frame in received

    on, off = b"\xa0\x01\x01\xa2", b"\xa0\x01\x00\xa1"
    with Gate(lane.device, turnstile=f"serial:{os.ttyname(port)}") as gate:
        wait_until(lambda: has_received(off), "the relay is switched off at the start")
        assert not has_received(on), "the start opened the turnstile"
        equal(gate.tap(lane.device.uids[0].hex())["name"], "admitted")
        wait_until(lambda: has_received(on), "the turnstile opens")
        wait_until(lambda: has_received(off) and received.rfind(off) > received.rfind(on), "the turnstile closes")
        received.clear()
        equal(gate.tap("deadbeef")["name"], "unknown")
        # A tap with an old time is a replay, which does not open. Leaving the block ends the gate.
        equal(gate.tap(f"{lane.device.uids[1].hex()},in,{rfc3339(lane.noon)}")["name"], "admitted")
    assert not has_received(on), "a rejection or a replay opened the turnstile"
    os.close(device)
    os.close(port)


def test_inspection_checks_the_list_and_changes_no_presence(system):
    lane = Lane(system, "roaming", people=2, antipassback="hard")
    system.sql("UPDATE tapline.attendees SET status = 'blocked' WHERE external_ref = 'roaming-1'")
    lane.device.fetch()
    equal(lane.verdicts((0, "in", 0)), ["admitted"])
    good, blocked = lane.device.uids[0].hex(), lane.device.uids[1].hex()
    at = rfc3339(lane.noon + 60_000_000)
    taps = [f"{uid},{direction},{at}" for uid in (good, blocked, "deadbeef") for direction in ("in", "out")]
    answers = lane.run_gate("--inspection", lines=taps)
    equal([a["name"] for a in answers], ["admitted"] * 2 + ["blocked"] * 2 + ["unknown"] * 2, "in both directions")
    equal([lane.flags(a) & 17 for a in answers], [16, 17] * 3, "the inspection flag, bit 4, and the direction, bit 0")
    # The inspected exit does not count as one.
    equal(lane.verdicts((0, "in", 120)), ["inside"])


def test_corrupt_journal_is_moved_away_and_reported(system):
    lane = Lane(system, "damaged", people=1)
    equal(lane.verdicts((0, "in", 0)), ["admitted"])
    # The WAL holds the newest pages. A card that loses the file also loses the WAL.
    for name in ("journal.sqlite-wal", "journal.sqlite-shm"):
        (lane.device.data / name).unlink()
    with (lane.device.data / "journal.sqlite").open("r+b") as file:
        file.write(b"\xff" * 8_192)
    with Gate(lane.device) as gate:
        answer = gate.tap(lane.device.uids[0].hex())
        equal((answer["name"], answer["seq"]), ("admitted", 1), "the lane works with a new journal")
        wait_until(
            lambda: any("damaged" in alarm for alarm in gate.status().get("alarms", [])), "the alarm in the status"
        )
        status = gate.status()
    equal(len(status["damaged"]), 1)
    assert status["damaged"][0].startswith("journal.sqlite.damaged-"), status["damaged"]
    assert (lane.device.data / status["damaged"][0]).exists()
    text = system.run("tapline-gate", "status", "--data", lane.device.data, code=1).stdout
    assert "recover it with tapline-gate recover" in text, text
