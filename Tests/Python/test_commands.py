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
