"""SPEC.md sections 6 and 7: health, metrics, and snapshots that stock tools can verify."""

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
from waiting import equal, wait_until


def export(b) -> dict:
    """A snapshot of what the registry holds now, written where the center serves it."""
    b.export(b.snapshots)
    return json.loads(http_client.get(b, "/snapshot/manifest.json").body)


def test_health(b):
    equal(http_client.get(b, "/healthz").status, 200)
    equal(http_client.get(b, "/readyz").status, 200)
    equal(http_client.get(b, "/nothing").status, 404)
    assert http_client.get(b, "/healthz", method="POST").status in (404, 405)
    equal(http_client.get(b, "/healthz", method="HEAD").body, b"")


def test_metrics(b):
    batch = b.batch(3)
    b.publish(batch)
    b.await_counters(batch, 3, 3)
    answer = http_client.get(b, "/metrics")
    equal(answer.status, 200)
    assert answer.headers["content-type"].startswith("text/plain"), answer.headers
    sample = re.compile(
        r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_]\w*="[^"]*"(,[a-zA-Z_]\w*="[^"]*")*\})? [-+0-9.eEinfNa]+$'
    )
    seen, kinds = set(), {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} has two headers"
            kinds[name] = kind
        elif not line.startswith("#"):
            assert sample.match(line), line
            name = line.rsplit(" ", 1)[0]
            assert name not in seen, f"{name} twice"
            seen.add(name)
    assert any(name.startswith("tapline_") for name in seen), "names start with tapline_"


def test_start_page(b):
    page = http_client.get(b, "/")
    equal((page.status, page.headers["content-type"].split(";")[0]), (200, "text/html"))


def test_not_ready_without_a_broker(b):
    """503 naming what is not connected; alive all the while, and no exit."""
    port = free_port()
    center = subprocess.Popen(
        [
            b.bin / "tapline-center",
            "run",
            "--amqp-url",
            f"amqp://nobody:x@127.0.0.1:{free_port()}/none",
            "--database-url",
            b.database_url,
            "--http",
            f"127.0.0.1:{port}",
            "--snapshots",
            b.folder / "none",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def answer(path):
            assert center.poll() is None, f"the center ended with {center.returncode}"
            try:
                return http_client.get(b, path, port=port)
            except OSError:
                return None

        equal(wait_until(lambda: answer("/healthz"), "alive").status, 200)
        wait_until(
            lambda: answer("/readyz").status == 503
            and b"broker" in answer("/readyz").body.lower()
            and b"database" not in answer("/readyz").body.lower(),
            "503 names the broker alone",
        )
    finally:
        center.send_signal(signal.SIGTERM)
        equal(center.wait(30), 0, "SIGTERM without a broker")


def test_snapshot_by_http(b):
    tag = b.new_tag()
    b.attendee(tag)
    manifest = export(b)
    path = f"/snapshot/{manifest['file']}"
    whole = http_client.get(b, path)
    equal((whole.status, len(whole.body)), (200, manifest["size"]))
    equal(hashlib.sha256(whole.body).hexdigest(), manifest["sha256"])
    tag_of_file = whole.headers["etag"]
    equal(http_client.get(b, path, {"If-None-Match": tag_of_file}).status, 304)
    equal(http_client.get(b, path, {"If-None-Match": '"other"'}).status, 200)
    part = http_client.get(b, path, {"Range": "bytes=10-19"})
    equal((part.status, part.body), (206, whole.body[10:20]))
    equal(part.headers["content-range"], f"bytes 10-19/{manifest['size']}")
    rest = http_client.get(b, path, {"Range": "bytes=4096-", "If-Range": tag_of_file})
    equal((rest.status, rest.body), (206, whole.body[4096:]))
    stale = http_client.get(b, path, {"Range": "bytes=4096-", "If-Range": '"stale"'})
    equal((stale.status, len(stale.body)), (200, manifest["size"]), "another file: the whole of it")
    equal(http_client.get(b, path, {"Range": f"bytes={manifest['size']}-"}).status, 416)
    suffix = http_client.get(b, path, {"Range": "bytes=-5"})
    equal((suffix.status, suffix.body), (206, whole.body[-5:]))
    head = http_client.get(b, path, method="HEAD")
    equal((head.status, head.headers["content-length"], head.body), (200, str(manifest["size"]), b""))
    equal(http_client.get(b, "/snapshot/none.sqlite").status, 404)
    for bad in (
        "/snapshot/../event.key",
        "/snapshot/%2e%2e/event.key",
        "/snapshot//etc/passwd",
        "/snapshot/",
        "/snapshot",
    ):
        assert http_client.get(b, bad).status in (400, 403, 404), bad


def test_slow_readers(b):
    """Who asks for a file and does not read it costs the center a socket, and nobody a wait."""
    resident = lambda: int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{b.center.process.pid}/status").read())[1]) // 1024
    size = 8 << 20
    (b.snapshots / "snapshot-1.sqlite").write_bytes(bytes(size))
    before, readers = resident(), []
    try:
        for _ in range(200):
            readers.append(socket.create_connection(("127.0.0.1", b.http_port)))
            readers[-1].sendall(b"GET /snapshot/snapshot-1.sqlite HTTP/1.1\r\nHost: center\r\n\r\n")
        for reader in readers:
            assert reader.recv(12) == b"HTTP/1.1 200", "each is being answered"
        for _ in range(20):
            equal(http_client.get(b, "/healthz").status, 200)
        assert resident() - before < 200, f"{resident() - before} MB for files of {200 * size >> 20} MB"
    finally:
        for reader in readers:
            reader.close()
        (b.snapshots / "snapshot-1.sqlite").unlink()


def test_manifest_and_stock_minisign(b):
    b.attendee(b.new_tag())
    manifest = export(b)
    files = {name: http_client.get(b, "/snapshot/" + name).body for name in ("manifest.json", "manifest.json.minisig")}
    for name, body in files.items():
        (b.folder / name).write_bytes(body)

    def verify(code: int):
        result = subprocess.run(
            ["minisign", "-V", "-p", b.folder / "event.pub", "-m", b.folder / "manifest.json"],
            capture_output=True,
            text=True,
        )
        equal(result.returncode, code, result.stdout + result.stderr)

    verify(0)
    (b.folder / "manifest.json").write_bytes(files["manifest.json"].replace(b"1", b"2", 1))
    verify(1)
    equal((manifest["format"], manifest["event"]), (1, "Python Days"))
    assert manifest["created"] <= time.time() < manifest["expires"] and manifest["version"] >= manifest["created"]
    if "compressed" in manifest:
        packed = http_client.get(b, "/snapshot/" + manifest["compressed"]["file"]).body
        equal(
            (len(packed), hashlib.sha256(packed).hexdigest()),
            (manifest["compressed"]["size"], manifest["compressed"]["sha256"]),
        )
        equal(hashlib.sha256(gzip.decompress(packed)).hexdigest(), manifest["sha256"])


def test_snapshot_file(b):
    """Everything that section 6 says of the file, read with sqlite3 alone."""
    tags = {status: b.new_tag() for status in ("active", "blocked", "lost", "void")}
    people = {
        "active": b.attendee(tags["active"]),
        "blocked": b.attendee(tags["blocked"], status="blocked"),
        "lost": b.attendee(tags["lost"]),
        "void": b.attendee(tags["void"], status="void"),
    }
    b.sql("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = %s", tags["lost"])
    zone = b.zone()
    gate = b.gate(zone)
    scanner = b.scanner(gate)
    opened = b.one("SELECT pass_id FROM tapline.attendees WHERE id = %s", people["active"])
    b.sql(
        "INSERT INTO tapline.access (pass_id, zone_id, valid_from) VALUES (%s, %s, to_timestamp(1700000000))",
        opened,
        zone,
    )
    first = export(b)["version"]
    manifest = export(b)
    assert manifest["version"] > first, "the version rises, also within one second"
    path = b.folder / manifest["file"]
    path.write_bytes(http_client.get(b, "/snapshot/" + manifest["file"]).body)
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    ask = lambda sql, *values: database.execute(sql, values).fetchall()
    equal(ask("PRAGMA application_id"), [(0x54504C4E,)])
    equal(ask("PRAGMA user_version"), [(1,)])
    equal(ask("PRAGMA integrity_check"), [("ok",)])
    equal(path.read_bytes()[18:20], b"\x01\x01", "no WAL")
    numbers = {"active": 1, "blocked": 2, "lost": 3, "void": 4}
    for name, tag in tags.items():
        equal(ask("SELECT status, attendee FROM attendees WHERE uid = ?", tag), [(numbers[name], people[name])], name)
    equal(ask("SELECT count(*) FROM attendees"), [(manifest["attendees"],)])
    equal(ask("SELECT zone, valid_from, valid_until FROM access WHERE pass = ?", opened), [(zone, 1_700_000_000, None)])
    equal(ask("SELECT zone, from_zone FROM gates WHERE id = ?", gate), [(zone, None)])
    equal(ask("SELECT gate FROM scanners WHERE scanner = ?", scanner), [(gate,)])
    meta = dict(ask("SELECT key, value FROM meta"))
    equal(
        [str(meta[key]) for key in ("event", "version", "created", "expires")],
        [str(manifest[key]) for key in ("event", "version", "created", "expires")],
    )
    days = ask("SELECT day, starts, ends FROM days ORDER BY starts")
    assert days and all(starts < ends for _, starts, ends in days)
    assert all(starts % 86_400 == 0 for _, starts, _ in days), "00:00 UTC, as the event has it"
    equal(content_of(database), manifest["content"])
    assert b"attendees 1" not in path.read_bytes(), "no names of people"


def content_of(database) -> str:
    """SHA-256 over the rows of all tables but meta: tables by name, rows in key order, quote() joined by commas."""
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
