"""contract.md sections 6 and 7: health, metrics, and snapshots that stock tools can verify."""

import gzip
import hashlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
import time

import http_client
from harness import free_port
from waiting import LIMIT_S, equal, wait_until


def export(system) -> dict:
    """Exports a snapshot of the registry into the folder of the center, and returns its manifest."""
    system.export(system.snapshots)
    return json.loads(http_client.get(system, "/snapshot/manifest.json").body)


def test_health_endpoints(system):
    equal(http_client.get(system, "/healthz").status, 200)
    equal(http_client.get(system, "/readyz").status, 200)
    equal(http_client.get(system, "/nothing").status, 404)
    assert http_client.get(system, "/healthz", method="POST").status in (404, 405)
    equal(http_client.get(system, "/healthz", method="HEAD").body, b"")


def test_metrics_are_valid_prometheus_text(system):
    batch = system.batch(3)
    system.publish(batch)
    system.await_counters(batch, 3, 3)
    answer = http_client.get(system, "/metrics")
    equal(answer.status, 200)
    assert answer.headers["content-type"].startswith("text/plain"), answer.headers
    sample = re.compile(
        r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_]\w*="[^"]*"(,[a-zA-Z_]\w*="[^"]*")*\})? [-+0-9.eEinfNa]+$'
    )
    seen, kinds = set(), {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} has two TYPE lines"
            kinds[name] = kind
        elif not line.startswith("#"):
            assert sample.match(line), line
            name = line.rsplit(" ", 1)[0]
            assert name not in seen, f"{name} occurs twice"
            seen.add(name)
    assert any(name.startswith("tapline_") for name in seen), "no name starts with tapline_"


def test_start_page_is_html(system):
    page = http_client.get(system, "/")
    equal((page.status, page.headers["content-type"].split(";")[0]), (200, "text/html"))


def test_center_without_a_broker_is_alive_and_not_ready(system):
    """The answer 503 names the broker, and the process does not end."""
    port = free_port()
    center = subprocess.Popen(
        [
            system.bin / "tapline-center",
            "run",
            "--amqp-url",
            f"amqp://tapline:x@127.0.0.1:{free_port()}/none",
            "--database-url",
            system.database_url,
            "--http",
            f"127.0.0.1:{port}",
            "--snapshots",
            system.folder / "none",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def answer(path):
            assert center.poll() is None, f"the center ended with exit code {center.returncode}"
            try:
                return http_client.get(system, path, port=port)
            except OSError:
                return None

        equal(wait_until(lambda: answer("/healthz"), "the center answers").status, 200)
        wait_until(
            lambda: answer("/readyz").status == 503
            and b"broker" in answer("/readyz").body.lower()
            and b"database" not in answer("/readyz").body.lower(),
            "the answer 503 names only the broker",
        )
    finally:
        center.send_signal(signal.SIGTERM)
        equal(center.wait(LIMIT_S), 0, "exit code after SIGTERM")


def test_snapshot_download_with_ranges_and_etags(system):
    tag = system.new_tag()
    system.attendee(tag)
    manifest = export(system)
    path = f"/snapshot/{manifest['file']}"
    whole = http_client.get(system, path)
    equal((whole.status, len(whole.body)), (200, manifest["size"]))
    equal(hashlib.sha256(whole.body).hexdigest(), manifest["sha256"])
    tag_of_file = whole.headers["etag"]
    equal(http_client.get(system, path, {"If-None-Match": tag_of_file}).status, 304)
    equal(http_client.get(system, path, {"If-None-Match": '"other"'}).status, 200)
    part = http_client.get(system, path, {"Range": "bytes=10-19"})
    equal((part.status, part.body), (206, whole.body[10:20]))
    equal(part.headers["content-range"], f"bytes 10-19/{manifest['size']}")
    rest = http_client.get(system, path, {"Range": "bytes=4096-", "If-Range": tag_of_file})
    equal((rest.status, rest.body), (206, whole.body[4096:]))
    stale = http_client.get(system, path, {"Range": "bytes=4096-", "If-Range": '"stale"'})
    equal((stale.status, len(stale.body)), (200, manifest["size"]), "the whole file")
    equal(http_client.get(system, path, {"Range": f"bytes={manifest['size']}-"}).status, 416)
    suffix = http_client.get(system, path, {"Range": "bytes=-5"})
    equal((suffix.status, suffix.body), (206, whole.body[-5:]))
    head = http_client.get(system, path, method="HEAD")
    equal((head.status, head.headers["content-length"], head.body), (200, str(manifest["size"]), b""))
    equal(http_client.get(system, "/snapshot/none.sqlite").status, 404)
    for bad in (
        "/snapshot/../event.key",
        "/snapshot/%2e%2e/event.key",
        "/snapshot//etc/passwd",
        "/snapshot/",
        "/snapshot",
    ):
        assert http_client.get(system, bad).status in (400, 403, 404), bad


def test_slow_readers_use_little_memory_and_delay_no_request(system):
    """200 clients request a file and do not read it."""
    resident = (
        lambda: int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{system.center.process.pid}/status").read())[1]) // 1024
    )
    size = 8 << 20
    (system.snapshots / "snapshot-1.sqlite").write_bytes(bytes(size))
    before, readers = resident(), []
    try:
        for _ in range(200):
            readers.append(socket.create_connection(("127.0.0.1", system.http_port)))
            readers[-1].sendall(b"GET /snapshot/snapshot-1.sqlite HTTP/1.1\r\nHost: center\r\n\r\n")
        for reader in readers:
            assert reader.recv(12) == b"HTTP/1.1 200", "a client got no answer"
        for _ in range(20):
            equal(http_client.get(system, "/healthz").status, 200)
        assert resident() - before < 200, f"{resident() - before} MB of memory for files of {200 * size >> 20} MB"
    finally:
        for reader in readers:
            reader.close()
        (system.snapshots / "snapshot-1.sqlite").unlink()


def test_stock_minisign_verifies_the_manifest(system):
    system.attendee(system.new_tag())
    manifest = export(system)
    files = {
        name: http_client.get(system, "/snapshot/" + name).body for name in ("manifest.json", "manifest.json.minisig")
    }
    for name, body in files.items():
        (system.folder / name).write_bytes(body)

    def verify(code: int):
        result = subprocess.run(
            ["minisign", "-V", "-p", system.folder / "event.pub", "-m", system.folder / "manifest.json"],
            capture_output=True,
            text=True,
        )
        equal(result.returncode, code, result.stdout + result.stderr)

    verify(0)
    (system.folder / "manifest.json").write_bytes(files["manifest.json"].replace(b"1", b"2", 1))
    verify(1)
    equal((manifest["format"], manifest["event"]), (1, "Python Days"))
    assert manifest["created"] <= time.time() < manifest["expires"] and manifest["version"] >= manifest["created"]
    if "compressed" in manifest:
        packed = http_client.get(system, "/snapshot/" + manifest["compressed"]["file"]).body
        equal(
            (len(packed), hashlib.sha256(packed).hexdigest()),
            (manifest["compressed"]["size"], manifest["compressed"]["sha256"]),
        )
        equal(hashlib.sha256(gzip.decompress(packed)).hexdigest(), manifest["sha256"])


def test_snapshot_file_follows_the_contract(system):
    """Checks every rule of section 6 for the file, with sqlite3 only."""
    tags = {status: system.new_tag() for status in ("active", "blocked", "lost", "void")}
    people = {
        "active": system.attendee(tags["active"]),
        "blocked": system.attendee(tags["blocked"], status="blocked"),
        "lost": system.attendee(tags["lost"]),
        "void": system.attendee(tags["void"], status="void"),
    }
    system.sql("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = %s", tags["lost"])
    zone = system.zone()
    gate = system.gate(zone)
    scanner = system.scanner(gate)
    opened = system.one("SELECT pass_id FROM tapline.attendees WHERE id = %s", people["active"])
    system.sql(
        "INSERT INTO tapline.access (pass_id, zone_id, valid_from) VALUES (%s, %s, to_timestamp(1700000000))",
        opened,
        zone,
    )
    first = export(system)["version"]
    manifest = export(system)
    assert manifest["version"] > first, "the version did not increase within one second"
    path = system.folder / manifest["file"]
    path.write_bytes(http_client.get(system, "/snapshot/" + manifest["file"]).body)
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    ask = lambda sql, *values: database.execute(sql, values).fetchall()
    equal(ask("PRAGMA application_id"), [(0x54504C4E,)])
    equal(ask("PRAGMA user_version"), [(1,)])
    equal(ask("PRAGMA integrity_check"), [("ok",)])
    equal(path.read_bytes()[18:20], b"\x01\x01", "the journal mode bytes: no WAL")
    numbers = {"active": 1, "blocked": 2, "lost": 3, "void": 4}
    for name, tag in tags.items():
        equal(ask("SELECT status, attendee FROM attendees WHERE uid = ?", tag), [(numbers[name], people[name])], name)
    equal(ask("SELECT count(*) FROM attendees"), [(manifest["attendees"],)])
    equal(ask("SELECT zone, valid_from, valid_until FROM access WHERE pass = ?", opened), [(zone, 1_700_000_000, None)])
    equal(ask("SELECT zone, from_zone FROM gates WHERE id = ?", gate), [(zone, None)])
    equal(ask("SELECT gate FROM scanners WHERE scanner = ?", scanner), [(gate,)])
    meta = dict(ask("SELECT key, value FROM meta"))
    equal(
        [str(meta[key]) for key in ("event", "event_id", "version", "created", "expires")],
        [str(manifest[key]) for key in ("event", "event_id", "version", "created", "expires")],
    )
    days = ask("SELECT day, starts, ends FROM days ORDER BY starts")
    assert days and all(starts < ends for _, starts, ends in days)
    assert all(
        starts % 86_400 == 0 for _, starts, _ in days
    ), "a day does not start at 00:00 UTC, the setting of the event"
    equal(content_of(database), manifest["content"])
    assert b"attendees 1" not in path.read_bytes(), "the file contains a name"


def content_of(database) -> str:
    """Returns the SHA-256 of all tables except meta: tables by name, rows in key order, quote() joined by commas."""
    digest = hashlib.sha256()
    tables = [
        name
        for name, in database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]
    equal(tables, ["access", "attendees", "days", "gates", "meta", "passes", "scanners", "zones"])
    for table in tables:
        if table == "meta":
            continue
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        quoted = " || ',' || ".join(f"quote({name})" for name in columns)
        for (line,) in database.execute(f"SELECT {quoted} FROM {table} ORDER BY {columns[0]}"):
            digest.update(line.encode() + b"\n")
    return digest.hexdigest()
