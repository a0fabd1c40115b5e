"""A festival with faults at its lane: each read, command and list is answered in these words.

Covered elsewhere: admissions under a clock that is set right later by LaneClockTests;
chips that leave too early and random UIDs by NFCReaderTests; pending passages at a switch by SnapshotSwitchTests; the
terminal's texts by LaneDisplayTests.
"""

import json
import os
import pty
import tty

import pytest
from festival import FestivalLane, error_of, shows
from harness import free_port
from scanner_device import rfc3339
from waiting import await_silence, equal, wait_until

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def lane(festival):
    lane = FestivalLane(festival, "main-1")
    shows(lane.fetch().stderr, '"name":"full"', '"bytes":')
    return lane


def run_gate(lane, *lines, code=0, key=None, output="json"):
    settings = lane.flags(event_key_file=key or lane.key, reader="stdin", output=output)
    return lane.system.run("tapline-gate", "run", *settings, input="".join(line + "\n" for line in lines), code=code)


def names(result) -> list:
    return [json.loads(line)["name"] for line in result.stdout.splitlines()]


def drop(gate) -> dict:
    """Returns the next dropped read that the display shows."""
    while (shown := gate.answer())["show"] != "dropped":
        pass
    return shown


def test_gate_with_another_event_key_is_refused(lane, festival):
    other = festival.folder / "gate-key"
    other.write_bytes(bytes(range(1, 33)))
    for check in ((), ("--check",)):
        settings = lane.flags(event_key_file=other, reader="stdin", output="json")
        result = festival.run("tapline-gate", "run", *settings, *check, code=78)
        words = ("the event key has fingerprint", "every tag would be unknown", "use the event key file")
        shows(error_of(result.stderr), *words)


def test_dropped_read_is_shown_at_once_and_counted(lane):
    device, port = pty.openpty()
    tty.setraw(port)
    with lane.gate(reader=f"serial:{os.ttyname(port)}", display="json") as gate:
        for sent, reason in ((b"\x00\xff\x07noise\x01\n", "noise"), (b"x" * 5_000 + b"\n", "too long")):
            os.write(device, sent)
            shown = drop(gate)
            equal((shown["title"]["en"], shown["text"]["en"]), ("TRY AGAIN", "could not be read, try again"))
            equal(shown["reason"], reason)
            await_silence()
        counted = "2 reads since the start, the last one: too long"
        wait_until(lambda: counted in gate.command("status").stdout, "the status counts both reads")
    os.close(device)
    os.close(port)


def test_framed_code_of_the_list_is_admitted(lane, festival):
    festival.import_list("code,name,zones,external_ref", '"=""00777""",Code,Festival,L-1')
    lane.fetch()
    device, port = pty.openpty()
    tty.setraw(port)
    with lane.gate(reader=f"serial:{os.ttyname(port)}") as gate:
        os.write(device, b"\x02]Q1\\00002600777\x03\r\n")
        equal(gate.answer()["name"], "admitted")
    os.close(device)
    os.close(port)


def test_manual_admission_says_what_the_list_says(lane, festival):
    with lane.gate() as gate:
        admit = lambda *words, code=0: gate.command("admit", *words, code=code)
        shows(error_of(admit("hello", "--reason", "x", code=64).stderr), "a UID is 4, 7 or 10 bytes", "--code", "--tag")
        shows(error_of(admit(festival.uid(0), code=78).stderr), "--reason TEXT is required")
        shows(admit("04ffffffffffff", "--reason", "unknown band").stdout, "admitted, unknown to the list")
        shows(admit("--code", "NO-SUCH", "--reason", "unknown code").stdout, "admitted, unknown to the list")
        shows(admit(festival.uid(0), "--reason", "ID checked").stdout, "admitted, in the list")
        number = festival.one("SELECT id FROM tapline.attendees WHERE external_ref = 'P-0'")
        again = admit("--attendee", number, "--reason", "came back").stdout
        shows(again, "admitted, in the list, already inside since", "at Main 1")


def test_second_entry_says_since_when_and_where(lane, festival):
    equal(names(run_gate(lane, festival.uid(1))), ["admitted"])
    answer = run_gate(lane, festival.uid(1), output="text").stdout
    shows(answer, "inside", "since", "Main 1")


def test_replay_with_mark_and_old_days_counts_each_day(lane, festival):
    at = lambda days: rfc3339(1_767_268_800_000_000 + days * DAY_US)
    old = [f"{festival.uid(2)},in,{at(day)}" for day in (0, 1, 1)]
    equal(names(run_gate(lane, "\ufeff" + old[0], *old[1:])), ["admitted", "admitted", "inside"])


def test_debounce_and_revocation_outlive_a_renamed_event(lane, festival):
    """The second read of a band is the same tap, also after a switch of the snapshot."""
    festival.sql("UPDATE tapline.gates SET policy = policy || '{\"debounce_ms\": 2000}'::jsonb")
    lane.fetch()
    yesterday = lambda ms: rfc3339(1_770_033_600_000_000 + ms * 1_000)
    with lane.gate() as gate:
        first = gate.tap(f"{festival.uid(3)},in,{yesterday(0)}")
        equal(first["name"], "admitted")
        festival.tapline_center("event", "set", "--name", "Renamed Days")
        festival.tapline_center("tag", "revoke", "--uid", festival.uid(5), "--event-key-file", festival.event_key)
        lane.fetch()
        equal(gate.status()["snapshot"]["event"], "Renamed Days")
        wait_until(lane.decides_from_the_installed_snapshot, "the gate uses the new snapshot")
        again = gate.tap(f"{festival.uid(3)},in,{yesterday(1_400)}")
        equal((again["name"], again["seq"]), ("admitted", first["seq"]))
        equal(gate.tap(f"{festival.uid(3)},in,{yesterday(60_000)}")["name"], "inside")
        equal(gate.tap(festival.uid(5))["name"], "lost")


def test_list_of_another_event_is_refused_without_loss(lane, system):
    folder = system.folder / "other-event"
    system.export(folder)
    equal(names(run_gate(lane, "04ffffffffff99")), ["unknown"], "a scan that is not uploaded")
    result = lane.install(code=1, trust_key=system.folder / "event.pub", **{"from": folder})
    message = error_of(result.stderr)
    shows(message, "it is of event 'Python Days'", "this scanner is pinned to")
    shows(message, "upload its scans first (tapline-publisher ship)")
    assert "empty" not in message, message


def test_publisher_without_servers_says_which(lane, festival):
    enrolment, log = festival.folder / "scanner.env", festival.folder / "lonely.log"
    port = free_port()
    settings = {"DATA": lane.data, "SCANNER": lane.name, "AMQP_URL": f"amqp://u:p@127.0.0.1:{port}/x"}
    enrolment.write_text("".join(f"TAPLINE_{name}={value}\n" for name, value in settings.items()))
    enrolment.chmod(0o600)
    publisher = lane.start_publisher("--enrolment", enrolment, log=log)
    try:
        status = lambda: festival.run("tapline-publisher", "status", "--enrolment", enrolment, code=1).stdout
        wait_until(lambda: "Connection refused" in status(), "the status says that the connection was refused")
        shows(status(), f"127.0.0.1:{port}", "alarm", "no gate is running on this folder")
    finally:
        publisher.kill()
        publisher.wait()
    shows(log.read_text(), "no --center-url: this device will get no list over the network")
