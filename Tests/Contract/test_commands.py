"""SPEC.md section 8: exit codes and commands."""

import hmac
import json
import os

from harness import free_port
from waiting import equal

PROGRAMS = ["tapline-gate", "tapline-publisher", "tapline-center", "tapline-snapshot"]


def test_exit_codes(b):
    for program in PROGRAMS:
        b.run(program, "--help")
        b.run(program, code=64)
        b.run(program, "nothing", code=64)
    for program, command in zip(PROGRAMS, ("run", "run", "run", "export")):
        assert "--check" in b.run(program, command, "--help").stdout
        b.run(program, command, "--unknown-flag", code=64)
        b.run(program, command, "--check", code=78)
    check = ("tapline-center", "run", "--check", "--database-url", b.database_url)
    b.run(*check, "--amqp-url", b.amqp_url)
    b.run(*check, "--amqp-url", "nonsense", code=78)
    b.run(*check, "--amqp-url", b.amqp_url, "--http", "nowhere", code=78)
    b.run(*check, "--amqp-url", b.amqp_url, "--amqp-url", b.amqp_url, "--center", "2/2", "--database-away-limit-s", "5")
    for place in ("3/2", "0/2", "2", "a/b"):
        b.run(*check, "--amqp-url", b.amqp_url, "--center", place, code=78)
    # The broker would take the deliveries by force after half an hour.
    b.run(*check, "--amqp-url", b.amqp_url, "--database-away-limit-s", "1800", code=78)
    unreachable = f"postgresql://x:y@127.0.0.1:{free_port()}/z"
    b.run("tapline-center", "migrate", "--database-url", unreachable, code=69)


def test_environment_and_files(b):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TAPLINE_")}
    secret = b.folder / "database-url"
    secret.write_text(b.database_url + "\n")
    b.run("tapline-center", "scanner", "list", env={**clean, "TAPLINE_DATABASE_URL": b.database_url})
    b.run("tapline-center", "scanner", "list", env={**clean, "TAPLINE_DATABASE_URL_FILE": str(secret)})
    b.run("tapline-center", "scanner", "list", env=clean, code=78)


def test_passwords_are_not_told(b):
    """Neither errors nor logs hold them."""
    url = f"postgresql://tapline:topsecret@127.0.0.1:{free_port()}/none"
    result = b.run("tapline-center", "migrate", "--database-url", url, code=69)
    assert "topsecret" not in result.stdout + result.stderr
    assert "secret@" not in b.log_path.read_text()


def test_fewer_shards_are_refused(b):
    servers = ("--amqp-url", b.amqp_url, "--database-url", b.database_url)
    b.run("tapline-center", "run", *servers, "--http", f"127.0.0.1:{free_port()}", "--shards", "2", code=78)


def test_import_is_whole_or_nothing(b):
    key = b.folder / "key"
    key.write_bytes(bytes(32))
    people = lambda: b.one("SELECT count(*) FROM tapline.attendees")
    zone = b.one("SELECT name FROM tapline.zones WHERE id = %s", b.zone())
    before = people()

    def load(text: str, code: int) -> str:
        table = b.folder / "people.csv"
        table.write_text(text)
        result = b.tapline_center("import", "--event-key-file", key, table, code=code)
        return result.stdout + result.stderr

    head = "uid,name,category,zones,valid_from,valid_until,status\n"
    good = f"04a1b2c3,Ada,vip,{zone},2026-01-01T00:00:00Z,2027-01-01T00:00:00Z,active\n"
    for bad in (
        "xyz,Bob,vip,%s,,,\n",
        "04a2,Bob,vip,%s,yesterday,,\n",
        "04a3,Bob,vip,%s,,,sleeping\n",
        "04a4,Bob\n",
        "04a1b2c3,Bob,vip,%s,,,\n",
    ):
        said = load(head + good + bad.replace("%s", zone), 1)
        assert "3" in said, f"the line number of {bad!r}: {said}"
        equal(people(), before, "nothing is stored")
    load("uid,name,shoe_size\n04a1b2c3,Ada,38\n", 1)
    equal(people(), before)
    load(head + good, 0)
    equal(people(), before + 1)


def test_registry_commands(b):
    number = next(b.numbers)
    b.tapline_center("zone", "add", f"Hall {number}")
    assert f"Hall {number}" in b.tapline_center("zone", "list", "--output", "json").stdout
    name = f"py-added-{number}"
    b.tapline_center("scanner", "add", name, "--gate", f"Door {number}", "--zone", f"Hall {number}")
    equal(b.one("SELECT count(*) FROM tapline.zones WHERE name = %s", f"Hall {number}"), 1)
    assert name in b.tapline_center("scanner", "list", "--output", "json").stdout
    assert f"Door {number}" in b.tapline_center("gate", "list", "--output", "json").stdout
    b.tapline_center("scanner", "add", "Not An Identity", "--gate", "x", "--zone", "y", code=64)
    b.tapline_center("status")


def test_json_output(b):
    """With `--output json` every status, list and inspect prints JSON."""
    b.publish(b.batch(2))
    for command in ("status", "zone list", "gate list", "scanner list", "quarantine list"):
        json.loads(b.tapline_center(*command.split(), "--output", "json").stdout)
    folder = b.folder / "inspected"
    b.export(folder)
    file = folder / json.loads((folder / "manifest.json").read_text())["file"]
    json.loads(b.run("tapline-snapshot", "inspect", file, "--output", "json").stdout)
    b.run("tapline-snapshot", "verify", folder, "--trust-key", b.folder / "event.pub")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    b.run("tapline-snapshot", "verify", folder, "--trust-key", b.folder / "event.pub", code=1)
    data = b.folder / "empty"
    data.mkdir()
    for program in ("tapline-gate", "tapline-publisher"):
        json.loads(b.run(program, "status", "--data", data, "--scanner", "x", "--output", "json").stdout)


def test_import_again_changes_nothing(b):
    """Tag IDs are the HMAC of the contract, and a list may be taken over twice."""
    key = b.folder / "tag-key"
    key.write_bytes(bytes(32))
    table = b.folder / "tags.csv"
    zone = b.one("SELECT name FROM tapline.zones WHERE id = %s", b.zone())
    table.write_text(f"uid,name,category,zones,external_ref\n0a0b0c0d,Eve,vip,{zone},eve-1\n")
    b.tapline_center("import", "--event-key-file", key, table)
    tag = int.from_bytes(hmac.digest(bytes(32), bytes.fromhex("0a0b0c0d"), "sha256")[:8], "big", signed=True)
    equal(b.one("SELECT status FROM tapline.tags WHERE tag_id = %s", tag), "active")
    person = b.one("SELECT attendee_id FROM tapline.tags WHERE tag_id = %s", tag)
    # The same list again changes nothing.
    b.tapline_center("import", "--event-key-file", key, table)
    equal(b.one("SELECT count(*) FROM tapline.tags WHERE attendee_id = %s", person), 1)
    equal(b.one("SELECT count(*) FROM tapline.attendees WHERE external_ref = 'eve-1'"), 1)


def test_import_by_night(b):
    """A dry run tells what comes; who is gone from the list becomes void; the list comes back out as it went in."""
    key = b.folder / "night-key"
    key.write_bytes(bytes(range(32)))
    number = next(b.numbers)
    passes, table, out = (b.folder / f"night-{number}-{name}" for name in ("passes", "list", "out"))
    passes.write_text(f"name;reentry;zone;valid_until\nNight {number};none;Hall {number};2027-01-01T00:00:00Z\n")
    head = "uid,name,pass,external_ref\n"
    rows = [f"77{number:04x}{i:02x},Person {i},Night {number},night-{number}-{i}\n" for i in range(12)]
    table.write_text(head + "".join(rows))

    def load(*more, code=0):
        command = ("import", "--event-key-file", key, "--output", "json", *more)
        result = b.tapline_center(*command, code=code)
        return json.loads(result.stdout) if code == 0 else result.stderr

    count = lambda: b.one("SELECT count(*) FROM tapline.attendees WHERE external_ref LIKE %s", f"night-{number}-%")
    assert f"there is no pass 'Night {number}'" in load(table, code=1)
    dry = load(table, "--passes", passes, "--dry-run")
    equal((dry["dry_run"], dry["attendees"]["added"], dry["passes"]["made"], count()), (True, 12, 1, 0))
    done = load(table, "--passes", passes)
    equal({**done, "dry_run": True}, dry)
    equal((load("--passes", passes)["passes"], count()), ({"made": 0, "changed": 0}, 12))

    table.write_text(head + "".join(rows[:5]))
    assert "--allow-shrink" in load(table, "--void-missing", code=1)
    # Others of the database are not in this list.
    b.sql("UPDATE tapline.attendees SET external_ref = NULL WHERE external_ref NOT LIKE %s", f"night-{number}-%")
    table.write_text(head + "".join(rows[1:]))
    equal(load(table, "--void-missing")["attendees"], {"added": 0, "changed": 0, "unchanged": 11, "voided": 1})
    status = lambda: b.one("SELECT status FROM tapline.attendees WHERE external_ref = %s", f"night-{number}-0")
    equal(status(), "void")
    table.write_text(head + "".join(rows))
    equal(load(table, "--void-missing")["attendees"]["changed"], 1)
    equal(status(), "active")

    b.tapline_center("export", "--out", out)
    equal(out.stat().st_mode & 0o777, 0o600)
    again = load(out)
    equal((again["attendees"]["added"], again["attendees"]["changed"], again["tags"]["added"]), (0, 0, 0))
    assert f"Person 0,,active,Night {number}" in out.read_text()


def test_import_of_tickets(b):
    """Lists of ticket shops; codes are tags by the HMAC of the contract."""
    key = b.folder / "ticket-key"
    key.write_bytes(bytes(32))
    passes = b.folder / "ticket-passes"
    passes.write_text("name,zone\nGala,Gala Hall\n")
    b.tapline_center("import", "--passes", passes)
    orders, items = b.folder / "orders.json", b.folder / "items.json"
    position = {"id": 5, "order": "XYZ", "positionid": 1, "item": 8, "attendee_name": "Zoe", "secret": "s3cret"}
    orders.write_text(json.dumps({"results": [{"code": "XYZ", "status": "p", "positions": [position]}]}))
    items.write_text(json.dumps({"results": [{"id": 8, "name": {"en": "Gala"}, "admission": True}]}))
    pretix = ("import", "--event-key-file", key, "--format", "pretix")
    assert "item 8" in b.tapline_center(*pretix, orders, code=1).stderr
    b.tapline_center(*pretix, orders, items)
    tag = int.from_bytes(hmac.digest(bytes(32), b"code:s3cret", "sha256")[:8], "big", signed=True)
    owner = "SELECT external_ref FROM tapline.attendees a JOIN tapline.tags t ON t.attendee_id = a.id WHERE tag_id = %s"
    equal(b.one(owner, tag), "pretix:XYZ-1")
    report = b.folder / "report.csv"
    report.write_text("Attendee #,Name,Ticket Type,Attendee Status,Barcode #\n77,Yan,Gala,Attending,0077\n")
    b.tapline_center("import", "--event-key-file", key, "--format", "eventbrite", report)
    tag = int.from_bytes(hmac.digest(bytes(32), b"code:0077", "sha256")[:8], "big", signed=True)
    equal(b.one(owner, tag), "eventbrite:77")


def test_import_settings(b):
    key = b.folder / "settings-key"
    key.write_bytes(bytes(32))
    table = b.folder / "settings.csv"
    table.write_text("uid,name\n3300040964,Decimal\n")
    load = ("import", "--event-key-file", key)
    b.tapline_center("import", code=64)
    b.tapline_center(*load, table, table, code=64)
    b.tapline_center(*load, "--passes", table, "--void-missing", code=64)
    b.tapline_center(*load, "--uid-format", "octal", table, code=78)
    b.tapline_center(*load, "--uid-format", "decimal", "--uid-bytes", "9", table, code=78)
    b.tapline_center("import", table, code=78)
    b.tapline_center("import", "--format", "pretix", table, code=78)
    b.tapline_center(*load, b.folder / "nowhere", code=1)
    b.tapline_center(*load, "--uid-format", "decimal-reversed", "-", input=table.read_text())
    tag = int.from_bytes(hmac.digest(bytes(32), bytes.fromhex("04a1b2c4"), "sha256")[:8], "big", signed=True)
    equal(b.one("SELECT count(*) FROM tapline.tags WHERE tag_id = %s", tag), 1)
