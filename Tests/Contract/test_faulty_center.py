"""A festival with faults at its center, its lanes and its servers: the center shows each in these words.

Covered elsewhere: DISK and TURNSTILE by LaneHealthTests; policies of the broker that a management API tells by
BrokerWatchTests; scans placed in time by the device's monotonic clock by ElapsedTests and DoubtedClockTests; a gate
whose clock is set right by LaneClockTests; a pooler with several sessions by PoolerTests.
"""

import os
import pty
import shutil
import signal
import subprocess
import tty
import urllib.parse

import http_client
import psycopg2
import pytest
from batch import CLOCK, Batch, Scan, new_log, now_ms_us
from festival import FestivalLane, error_of, shows
from harness import ROOT, free_port
from waiting import equal, wait_equal, wait_until

# A lane without a fault. The disk of a busy machine may be full enough for its alarm.
WELL = ("ok", "DISK")


@pytest.fixture(scope="module")
def lane(festival):
    """A working lane with a publisher, which ends with the tests of this file."""
    lane = FestivalLane(festival, "watched")
    lane.fetch()
    publisher = lane.publisher()
    yield lane
    publisher.kill()
    publisher.wait()


def scanner(festival) -> tuple:
    """Enrols a scanner of the gate "Main 1" that a test plays, and returns it and the gate's ID."""
    gate = festival.one("SELECT id FROM tapline.gates WHERE name = 'Main 1'")
    return festival.scanner(gate), gate


def inside(festival) -> int:
    return festival.one("SELECT inside_total FROM tapline.live_zones WHERE name = 'Festival'")


def test_closed_broken_and_dead_lane_are_shown(festival, lane):
    device, port = pty.openpty()
    tty.setraw(port)
    gate = lane.gate(reader=f"serial:{os.ttyname(port)}")
    try:
        festival.await_condition(lane.name, *WELL)
        gate.command("admit", festival.uid(0), "--reason", "screen broken")
        gate.command("mode", "closed", "--reason", "storm warning")
        festival.await_condition(lane.name, "CLOSED")
        rows = lambda: festival.sql("SELECT event, reason, name FROM tapline.lane_events ORDER BY seq")
        events = [("manual admission", "screen broken", "Person 0"), ("closed", "storm warning", None)]
        wait_equal(lambda: [tuple(row.values()) for row in rows()][:2], events, "the events of the lane with reasons")
        shows(festival.tapline_center("scanner", "list").stdout, "CLOSED")
        gate.command("mode", "free", "--reason", "crowd")
        festival.await_condition(lane.name, "FREE")
        gate.command("mode", "normal")
        festival.await_condition(lane.name, *WELL)
        os.close(port)
        os.close(device)
        festival.await_condition(lane.name, "READER")
        shows(gate.command("status", code=1).stdout, "alarm     reader serial:", "Input/output error")
        gate.process.kill()
        festival.await_condition(lane.name, "LANE DOWN")
    finally:
        gate.process.kill()
        gate.process.wait()
        gate.process.stdin.close()
        gate.process.stdout.close()
        gate.log.close()
    shows(festival.status(), f"LANE DOWN: 1 scanner ({lane.name})")
    shown = lambda: http_client.get(festival, "/metrics", port=festival.http_port).body.decode()
    wait_until(lambda: 'tapline_scanners{condition="lane-down"} 1' in shown(), "the metric counts the lane")
    own = festival.run("tapline-publisher", "status", "--data", lane.data, code=1)
    shows(own.stdout, "alarm      no gate is running on this folder")


def test_stopped_center_is_not_a_silent_fleet(festival, lane):
    wait_until(lambda: festival.condition(lane.name) != "NEVER HEARD", "the lane was heard")
    equal(festival.stop_center(signal.SIGTERM), 0, "exit code after SIGTERM")
    festival.await_condition(lane.name, "NO CENTER")
    shows(festival.status(), "alarm", "no center is running since 20", "scanners silent          0")
    dashboard = subprocess.run(
        ["psql", festival.database_url, "-f", ROOT / "dashboards/scanner_health.sql"], capture_output=True, text=True
    )
    shows(dashboard.stdout, "NO CENTER")
    festival.start_center()
    status = lambda: festival.tapline_center("status", code=None).stdout
    wait_until(lambda: "a center is running since" in status(), "the status says that a center is running")


def test_scans_of_a_clock_in_1970_are_counted(festival):
    name, gate = scanner(festival)
    before = inside(festival)
    scans = [Scan(1_000_000_000 + i * 1_000_000, festival.tag(i), 0, CLOCK) for i in (1, 2, 3)]
    state = {"gate": "running", "alarms": "clock", "alarm.clock": "clock not trusted"}
    batch = Batch(name, new_log(), 1, scans, gate=gate, sent=1_010_000_000, state=state)
    festival.publish(batch)
    festival.await_counters(batch, 3, 3)
    wait_equal(lambda: inside(festival), before + 3, "people inside")
    equal(festival.condition(name), "CLOCK")
    shows(festival.status(), f"CLOCK: 1 scanner ({name})")
    assert festival.one("SELECT in_today FROM tapline.live_gates WHERE gate_id = %s", gate) >= 3


def test_double_admission_is_marked_until_settled(festival):
    name, gate = scanner(festival)
    now = now_ms_us()
    scans = [Scan(now - 120_000_000, festival.tag(4)), Scan(now - 60_000_000, festival.tag(4))]
    batch = Batch(name, new_log(), 1, scans, gate=gate, backlog=1_000)
    festival.publish(batch)
    settled = lambda: festival.one("SELECT settled FROM tapline.double_admissions WHERE name = 'Person 4'")
    wait_equal(settled, False, "a double admission that is marked, because 1,000 scans are on their way")
    festival.sql("UPDATE tapline.scanners SET enabled = id = %s", name)
    festival.publish(Batch(name, batch.log, 3, [], gate=gate, backlog=0))
    wait_equal(settled, True, "a double admission that is settled")
    festival.sql("UPDATE tapline.scanners SET enabled = true")


def test_export_to_a_stick_makes_no_lane_outdated(festival, lane):
    stick, published = festival.folder / "usb", festival.folder / "stick"
    version = "SELECT snapshot_version FROM tapline.scanner_health WHERE scanner_id = %s"
    wait_until(lambda: festival.one(version, lane.name), "the lane reported its snapshot")
    of_lane = "SELECT snapshot_outdated FROM tapline.scanner_health WHERE scanner_id = %s"
    outdated = lambda: festival.one(of_lane, lane.name)
    wait_equal(outdated, False, "the lane has the newest snapshot")
    exported = festival.export(stick)
    shows(exported.stdout, "not published: scanners download from")
    shows(exported.stderr, "snapshot written, not published")
    equal(outdated(), False, "after an export to another folder")
    folders = ("--from", festival.snapshots, "--out", published)
    written = festival.run("tapline-snapshot", "stick", *folders, "--trust-key", festival.folder / "event.pub")
    shows(written.stdout, "files", "verified")
    lane.install(**{"from": published})


def test_heartbeats_of_a_removed_scanner_share_a_row(festival):
    name, _ = scanner(festival)
    heartbeat = Batch(name, new_log(), 1, [])
    festival.publish(heartbeat)
    wait_until(lambda: festival.journal(heartbeat), "the scanner is heard")
    shows(festival.tapline_center("scanner", "remove", name).stdout, "is disabled", "new batches are quarantined")
    for _ in range(3):
        festival.publish(heartbeat)
    rows = lambda: festival.sql("SELECT reason, times FROM tapline.quarantine WHERE scanner_id = %s", name)
    wait_equal(lambda: [tuple(row.values()) for row in rows()], [("disabled-scanner", 3)], "rows of the quarantine")
    shows(festival.tapline_center("quarantine", "list").stdout, "disabled-scanner", "heartbeats")
    shows(festival.tapline_center("scanner", "add", name, "--gate", "Main 1", "--zone", "Festival").stdout, "enrolled")
    equal(rows(), [])


def test_lost_tail_is_seen_by_a_heartbeat(festival):
    name, _ = scanner(festival)
    batch = Batch(name, new_log(), 5, [])
    festival.publish(batch)
    wait_equal(lambda: festival.gaps(batch), [(1, 4)], "missing scans of a device without a new tap")
    shows(festival.status(), "4 scans are missing: see tapline.seq_gaps")


def test_broker_policy_that_removes_scans_is_reported(festival):
    def ctl(*words):
        subprocess.run([ROOT / "scripts/servers", "rabbitmqctl", festival.servers, "-q", *words], check=True)

    def restart_center():
        equal(festival.stop_center(signal.SIGTERM), 0, "exit code after SIGTERM")
        festival.start_center()

    canary = lambda: festival.observer.channel.queue_declare("tapline.canary", passive=True).method.message_count
    ctl("set_policy", "-p", festival.name, "company", ".*", '{"message-ttl":1}', "--apply-to", "queues")
    try:
        restart_center()
        wait_equal(canary, 0, "messages in the queue of the test message")
        restart_center()
        wait_until(lambda: festival.sql("SELECT 1 FROM tapline.broker_warnings"), "a warning of the broker")
        shows(festival.status(), "tapline.canary", "policy")
        shows(festival.log_path.read_text(), "broker can remove confirmed scans")
    finally:
        ctl("clear_policy", "-p", festival.name, "company")


def test_pooler_in_transaction_mode_is_refused(festival):
    parts, port = urllib.parse.urlsplit(festival.database_url), free_port()
    configuration = festival.folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port} user={parts.username} password={parts.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\n"
    )
    festival.folder.chmod(0o711)
    # It refuses to run as root.
    user = ["-u", "daemon"] if os.geteuid() == 0 else []
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    with (festival.folder / "pgbouncer.log").open("wb") as log:
        pooler = subprocess.Popen([program, *user, configuration], stdout=log, stderr=log)
    url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()

    def listens() -> bool:
        try:
            psycopg2.connect(url).close()
            return True
        except psycopg2.OperationalError:
            return False

    try:
        wait_until(listens, "the pooler listens")
        for command in (("migrate",), ("status",), ("run", "--amqp-url", festival.amqp_url, "--http", "127.0.0.1:0")):
            result = festival.run("tapline-center", *command, "--database-url", url, code=78)
            shows(error_of(result.stderr), "pool_mode = session")
    finally:
        pooler.kill()
        pooler.wait()
