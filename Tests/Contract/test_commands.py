"""contract.md section 8: exit codes and commands."""

import hmac
import json
import os

from harness import free_port
from scanner_device import KEY, write_key
from waiting import equal

PROGRAMS = ["tapline-gate", "tapline-publisher", "tapline-center", "tapline-snapshot"]


def test_exit_codes(system):
    for program in PROGRAMS:
        system.run(program, "--help")
        system.run(program, code=64)
        system.run(program, "nothing", code=64)
    for program, command in zip(PROGRAMS, ("run", "run", "run", "export")):
        assert "--check" in system.run(program, command, "--help").stdout
        system.run(program, command, "--unknown-flag", code=64)
        system.run(program, command, "--check", code=78)
    check = ("tapline-center", "run", "--check", "--database-url", system.database_url)
    system.run(*check, "--amqp-url", system.amqp_url)
    system.run(*check, "--amqp-url", "nonsense", code=78)
    system.run(*check, "--amqp-url", system.amqp_url, "--http", "nowhere", code=78)
    system.run(
        *check,
        "--amqp-url",
        system.amqp_url,
        "--amqp-url",
        system.amqp_url,
        "--center",
        "2/2",
        "--database-away-limit-s",
        "5",
    )
    for place in ("3/2", "0/2", "2", "a/b"):
        system.run(*check, "--amqp-url", system.amqp_url, "--center", place, code=78)
    # The broker requeues unacknowledged deliveries after half an hour, so the limit must be lower.
    system.run(*check, "--amqp-url", system.amqp_url, "--database-away-limit-s", "1800", code=78)
    unreachable = f"postgresql://x:y@127.0.0.1:{free_port()}/z"
    system.run("tapline-center", "migrate", "--database-url", unreachable, code=69)


def test_settings_come_from_environment_and_files(system):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TAPLINE_")}
    secret = system.folder / "database-url"
    secret.write_text(system.database_url + "\n")
    # A file that others can read is refused, because it holds a password.
    secret.chmod(0o644)
    system.run("tapline-center", "scanner", "list", env={**clean, "TAPLINE_DATABASE_URL_FILE": str(secret)}, code=78)
    secret.chmod(0o600)
    system.run("tapline-center", "scanner", "list", env={**clean, "TAPLINE_DATABASE_URL": system.database_url})
    system.run("tapline-center", "scanner", "list", env={**clean, "TAPLINE_DATABASE_URL_FILE": str(secret)})
    system.run("tapline-center", "scanner", "list", env=clean, code=78)


def test_passwords_appear_in_no_error_and_no_log(system):
    url = f"postgresql://tapline:topsecret@127.0.0.1:{free_port()}/none"
    result = system.run("tapline-center", "migrate", "--database-url", url, code=69)
    assert "topsecret" not in result.stdout + result.stderr
    assert "secret@" not in system.log_path.read_text()


def test_fewer_shards_than_exist_are_rejected(system):
    servers = ("--amqp-url", system.amqp_url, "--database-url", system.database_url)
    system.run("tapline-center", "run", *servers, "--http", f"127.0.0.1:{free_port()}", "--shards", "2", code=78)


def test_event_key_is_created_once_and_compared(system):
    """The fingerprint is that of the contract. A list under another key is rejected before anything is stored."""
    fingerprint = lambda key: hmac.digest(key, b"tapline event key", "sha256")[:8].hex()
    own, other, table = (system.folder / f"compared-{name}" for name in ("own", "other", "list"))
    write_key(own)
    created = system.run("tapline-center", "event", "key", "--out", other)
    equal((other.stat().st_mode & 0o777, other.stat().st_size), (0o600, 32))
    assert fingerprint(other.read_bytes()) in created.stdout
    before = other.read_bytes()
    system.run("tapline-center", "event", "key", "--out", other, code=78)
    equal(other.read_bytes(), before)
    table.write_text("uid,name,external_ref\n0b0b0b01,Kim,kim-1\n")
    for _ in range(2):  # a tag that is registered already proves the key
        system.tapline_center("import", "--event-key-file", own, table)
    equal(system.one("SELECT key_fingerprint FROM tapline.event"), fingerprint(KEY))
    tags = lambda: system.one("SELECT count(*) FROM tapline.tags")
    count = tags()
    result = system.tapline_center("import", "--event-key-file", other, table, code=78)
    assert fingerprint(KEY) in result.stderr and fingerprint(before) in result.stderr, result.stderr
    system.tapline_center("tag", "revoke", "--uid", "0b0b0b01", "--event-key-file", other, code=78)
    equal(tags(), count)


def test_misspelled_and_used_places_are_rejected(system):
    number = next(system.numbers)
    name, zone = f"py-place-{number}", f"Pavilion {number}"
    system.tapline_center("scanner", "add", name, "--gate", f"Portal {number}", "--zone", zone)
    typo = ("scanner", "add", name, "--gate", f"Portall {number}", "--zone", zone)
    assert f"'Portal {number}'" in system.tapline_center(*typo, code=1).stderr
    for command, user in (("zone", f"'Portal {number}'"), ("gate", f"'{name}'")):
        place = zone if command == "zone" else f"Portal {number}"
        assert user in system.tapline_center(command, "remove", place, code=1).stderr
    system.tapline_center("scanner", "remove", name)
    system.tapline_center("gate", "remove", f"Portal {number}")
    system.tapline_center("zone", "remove", zone)
    equal(system.one("SELECT count(*) FROM tapline.zones WHERE name = %s", zone), 0)


def test_time_zone_is_a_name(system):
    for text, near in (("UTC+4", "Asia/Dubai"), ("+04:00", "Asia/Dubai"), ("IST", "Asia/Kolkata")):
        assert near in system.tapline_center("event", "set", "--time-zone", text, code=78).stderr
    assert "UTC" in system.tapline_center("event", "set", "--time-zone", "Etc/UTC").stdout


def test_import_with_an_error_stores_nothing(system):
    key = system.folder / "key"
    write_key(key)
    people = lambda: system.one("SELECT count(*) FROM tapline.attendees")
    zone = system.one("SELECT name FROM tapline.zones WHERE id = %s", system.zone())
    before = people()

    def load(text: str, code: int) -> str:
        table = system.folder / "people.csv"
        table.write_text(text)
        result = system.tapline_center("import", "--event-key-file", key, table, code=code)
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
        output = load(head + good + bad.replace("%s", zone), 1)
        assert "3" in output, f"no line number for {bad!r}: {output}"
        equal(people(), before, "stored attendees")
    load("uid,name,shoe_size\n04a1b2c3,Ada,38\n", 1)
    equal(people(), before)
    load(head + good, 0)
    equal(people(), before + 1)


def test_registry_commands(system):
    number = next(system.numbers)
    system.tapline_center("zone", "add", f"Hall {number}")
    assert f"Hall {number}" in system.tapline_center("zone", "list", "--output", "json").stdout
    name = f"py-added-{number}"
    system.tapline_center("scanner", "add", name, "--gate", f"Door {number}", "--zone", f"Hall {number}")
    equal(system.one("SELECT count(*) FROM tapline.zones WHERE name = %s", f"Hall {number}"), 1)
    assert name in system.tapline_center("scanner", "list", "--output", "json").stdout
    assert f"Door {number}" in system.tapline_center("gate", "list", "--output", "json").stdout
    system.tapline_center("scanner", "add", "Not An Identity", "--gate", "x", "--zone", "y", code=64)
    assert system.tapline_center("status", code=None).returncode in (0, 1)


def test_json_output(system):
    """Every `status`, `list` and `inspect` prints JSON with `--output json`."""
    system.publish(system.batch(2))
    for command in ("status", "zone list", "gate list", "scanner list", "quarantine list"):
        code = None if command == "status" else 0
        json.loads(system.tapline_center(*command.split(), "--output", "json", code=code).stdout)
    folder = system.folder / "inspected"
    system.export(folder)
    file = folder / json.loads((folder / "manifest.json").read_text())["file"]
    json.loads(system.run("tapline-snapshot", "inspect", file, "--output", "json").stdout)
    system.run("tapline-snapshot", "verify", folder, "--trust-key", system.folder / "event.pub")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    system.run("tapline-snapshot", "verify", folder, "--trust-key", system.folder / "event.pub", code=1)
    data = system.folder / "empty"
    data.mkdir()
    for program in ("tapline-gate", "tapline-publisher"):
        json.loads(system.run(program, "status", "--data", data, "--scanner", "x", "--output", "json", code=1).stdout)


def test_repeated_import_changes_nothing(system):
    """Also checks that tag IDs are the HMAC of the contract."""
    key = system.folder / "tag-key"
    write_key(key)
    table = system.folder / "tags.csv"
    zone = system.one("SELECT name FROM tapline.zones WHERE id = %s", system.zone())
    table.write_text(f"uid,name,category,zones,external_ref\n0a0b0c0d,Eve,vip,{zone},eve-1\n")
    system.tapline_center("import", "--event-key-file", key, table)
    tag = int.from_bytes(hmac.digest(KEY, bytes.fromhex("0a0b0c0d"), "sha256")[:8], "big", signed=True)
    equal(system.one("SELECT status FROM tapline.tags WHERE tag_id = %s", tag), "active")
    person = system.one("SELECT attendee_id FROM tapline.tags WHERE tag_id = %s", tag)
    system.tapline_center("import", "--event-key-file", key, table)
    equal(system.one("SELECT count(*) FROM tapline.tags WHERE attendee_id = %s", person), 1)
    equal(system.one("SELECT count(*) FROM tapline.attendees WHERE external_ref = 'eve-1'"), 1)


def test_dry_run_voiding_and_export_of_a_list(system):
    """A dry run reports the changes, a missing attendee becomes void, and an exported list can be imported again."""
    key = system.folder / "nightly-key"
    write_key(key)
    number = next(system.numbers)
    passes, table, out = (system.folder / f"night-{number}-{name}" for name in ("passes", "list", "out"))
    passes.write_text(f"name;reentry;zone;valid_until\nNight {number};none;Hall {number};2027-01-01T00:00:00Z\n")
    head = "uid,name,pass,external_ref\n"
    rows = [f"77{number:04x}{i:02x},Person {i},Night {number},night-{number}-{i}\n" for i in range(12)]
    table.write_text(head + "".join(rows))

    def load(*more, code=0):
        command = ("import", "--event-key-file", key, "--output", "json", *more)
        result = system.tapline_center(*command, code=code)
        return json.loads(result.stdout) if code == 0 else result.stderr

    count = lambda: system.one("SELECT count(*) FROM tapline.attendees WHERE external_ref LIKE %s", f"night-{number}-%")
    assert f"there is no pass 'Night {number}'" in load(table, code=1)
    system.zone()  # A registry without zones takes all zones of a first list.
    assert f"Hall {number}" in load(table, "--passes", passes, code=1), "an unknown zone"
    dry = load(table, "--passes", passes, "--dry-run", "--make-zones")
    equal((dry["dry_run"], dry["attendees"]["added"], dry["passes"]["made"], count()), (True, 12, 1, 0))
    done = load(table, "--passes", passes, "--make-zones")
    equal({**done, "dry_run": True}, dry)
    equal((load("--passes", passes)["passes"], count()), ({"made": 0, "changed": 0}, 12))

    table.write_text(head + "".join(rows[:5]))
    assert "--allow-shrink" in load(table, "--void-missing", code=1)
    # Attendees without a reference are not affected by --void-missing.
    system.sql("UPDATE tapline.attendees SET external_ref = NULL WHERE external_ref NOT LIKE %s", f"night-{number}-%")
    table.write_text(head + "".join(rows[1:]))
    equal(load(table, "--void-missing")["attendees"], {"added": 0, "changed": 0, "unchanged": 11, "voided": 1})
    status = lambda: system.one("SELECT status FROM tapline.attendees WHERE external_ref = %s", f"night-{number}-0")
    equal(status(), "void")
    table.write_text(head + "".join(rows))
    equal(load(table, "--void-missing")["attendees"]["changed"], 1)
    equal(status(), "active")

    system.tapline_center("export", "--out", out)
    equal(out.stat().st_mode & 0o777, 0o600)
    again = load(out)
    equal((again["attendees"]["added"], again["attendees"]["changed"], again["tags"]["added"]), (0, 0, 0))
    assert f"Person 0,,active,Night {number}" in out.read_text()


def test_import_of_pretix_and_eventbrite_lists(system):
    """Ticket codes become tags by the HMAC of the contract."""
    key = system.folder / "ticket-key"
    write_key(key)
    passes = system.folder / "ticket-passes"
    passes.write_text("name,zone\nGala,Gala Hall\n")
    system.tapline_center("import", "--passes", passes, "--make-zones")
    orders, items = system.folder / "orders.json", system.folder / "items.json"
    position = {"id": 5, "order": "XYZ", "positionid": 1, "item": 8, "attendee_name": "Zoe", "secret": "s3cret"}
    orders.write_text(json.dumps({"results": [{"code": "XYZ", "status": "p", "positions": [position]}]}))
    items.write_text(json.dumps({"results": [{"id": 8, "name": {"en": "Gala"}, "admission": True}]}))
    pretix = ("import", "--event-key-file", key, "--format", "pretix")
    assert "item 8" in system.tapline_center(*pretix, orders, code=1).stderr
    system.tapline_center(*pretix, orders, items)
    tag = int.from_bytes(hmac.digest(KEY, b"code:s3cret", "sha256")[:8], "big", signed=True)
    owner = "SELECT external_ref FROM tapline.attendees a JOIN tapline.tags t ON t.attendee_id = a.id WHERE tag_id = %s"
    equal(system.one(owner, tag), "pretix:XYZ-1")
    report = system.folder / "report.csv"
    report.write_text("Attendee #,Name,Ticket Type,Attendee Status,Barcode #\n77,Yan,Gala,Attending,0077\n")
    system.tapline_center("import", "--event-key-file", key, "--format", "eventbrite", report)
    tag = int.from_bytes(hmac.digest(KEY, b"code:0077", "sha256")[:8], "big", signed=True)
    equal(system.one(owner, tag), "eventbrite:77")


def test_impossible_uids_and_incomplete_lists_are_rejected(system):
    """Also an exported list is no formula for a spreadsheet, and can be imported again."""
    key = system.folder / "chip-key"
    write_key(key)
    number = next(system.numbers)
    table, out = system.folder / "chips.csv", system.folder / "chips-out.csv"
    load = ("import", "--event-key-file", key)
    for uid, words in (("AB1C2D", "has 3 bytes"), ("8804C43B", "begins with 88"), ("08A1B2C3", "begins with 08")):
        table.write_text(f"UID,Name,,\n{uid},Ann,,\n")
        assert words in system.tapline_center(*load, table, code=1).stderr
    for uid in ("AB1C2D", "08A1B2C3"):
        replace = ("tag", "replace", "--uid", "04A1B2C3", "--new-uid", uid, "--event-key-file", key)
        system.tapline_center(*replace, code=64)
    name = f"=HYPERLINK({number})"
    table.write_text(f"UID,Name,external_ref\nAB{number:04X},{name},-{number}\n")
    assert "1 has 3 bytes" in system.tapline_center(*load, "--uid-bytes", "3,4", table).stdout
    system.tapline_center("export", "--out", out)
    assert f"'-{number},'{name}," in out.read_text()
    assert " 0 added, 0 changed" in system.tapline_center(*load, out).stdout
    position = {"id": 9, "order": "PAGE", "positionid": 1, "item": 8, "secret": "page"}
    page = {"count": 2, "next": "https://shop.example/orders/?page=2", "previous": None}
    orders = system.folder / "page-1.json"
    orders.write_text(json.dumps({**page, "results": [{"code": "PAGE", "status": "p", "positions": [position]}]}))
    assert "page 2 is missing" in system.tapline_center(*load, "--format", "pretix", orders, code=1).stderr


def test_invalid_import_settings_are_rejected(system):
    key = system.folder / "settings-key"
    write_key(key)
    table = system.folder / "settings.csv"
    table.write_text("uid,name\n3300040964,Decimal\n")
    load = ("import", "--event-key-file", key)
    system.tapline_center("import", code=64)
    system.tapline_center(*load, table, table, code=64)
    system.tapline_center(*load, "--passes", table, "--void-missing", code=64)
    system.tapline_center(*load, "--uid-format", "octal", table, code=78)
    system.tapline_center(*load, "--uid-format", "decimal", "--uid-bytes", "9", table, code=78)
    system.tapline_center("import", table, code=78)
    system.tapline_center("import", "--format", "pretix", table, code=78)
    system.tapline_center(*load, system.folder / "nowhere", code=1)
    system.tapline_center(*load, "--uid-format", "decimal-reversed", "-", input=table.read_text())
    tag = int.from_bytes(hmac.digest(KEY, bytes.fromhex("04a1b2c4"), "sha256")[:8], "big", signed=True)
    equal(system.one("SELECT count(*) FROM tapline.tags WHERE tag_id = %s", tag), 1)
