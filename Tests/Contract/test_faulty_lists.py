"""A festival with faults in its lists, its codes, its UIDs and its settings: each is refused or shown, in these words.

Covered elsewhere: names in NFD of zones, gates and attendees by RegistryUnicodeTests; lists in the other byte order and
`--uid-bytes` by RegistrationListsTests; `--code-case fold` by CodeCaseTests; old snapshots without an event ID by
EventIdentityTests.
"""

import json

from festival import shows
from waiting import equal

COLUMNS = "uid,name,external_ref"
TIMES = "uid,name,zones,valid_from,valid_until"
PASSES = "name,colour,note,reentry,zone,valid_from,valid_until\n"


def people(festival) -> int:
    return festival.one("SELECT count(*) FROM tapline.attendees")


def write(festival, name: str, text: str):
    path = festival.folder / name
    path.write_text(text)
    return path


def load(festival, *arguments) -> tuple:
    return ("import", "--event-key-file", festival.event_key, *arguments)


def test_incomplete_pretix_download_is_refused(festival):
    person = {"item": 1, "variation": None, "attendee_name": "P", "secret": "s1", "addon_to": None, "canceled": False}
    position = {"id": 1, "positionid": 1, "order": "A1", **person}
    order = {"code": "A1", "status": "p", "testmode": False, "positions": [position]}
    item = {"id": 1, "name": {"en": "Day"}, "admission": True, "variations": []}
    items = write(festival, "items.json", json.dumps({"count": 1, "next": None, "previous": None, "results": [item]}))
    before = people(festival)
    for following, words in (
        ("https://p.example/orders/?page=2", ("page 2 is missing", "1 of 3 results are given", "Download all pages")),
        (None, ("1 results, but pretix counted 3", "Download all pages")),
    ):
        page = {"count": 3, "next": following, "previous": None, "results": [order]}
        orders = write(festival, "orders.json", json.dumps(page))
        for more in ((), ("--void-missing",)):
            shows(festival.refused(*load(festival, "--format", "pretix", *more, orders, items)), *words)
    equal(people(festival), before)


def test_framed_code_is_stored_as_the_reader_reads_it(festival):
    rows = ("'00123,A,C-1", '"=""00124""",B,C-2', "\u00a0]Q1\\000026T-9\u200b,C,C-3")
    festival.import_list("code,name,external_ref", *rows)
    tags = festival.sql(
        "SELECT t.tag_id FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id "
        "WHERE external_ref LIKE 'C-_' ORDER BY external_ref"
    )
    equal([row["tag_id"] for row in tags], [festival.tag_of(b"code:" + code) for code in (b"00123", b"00124", b"T-9")])


def test_damaged_identifier_is_refused_with_its_cause(festival):
    before = people(festival)
    code = "code,name,external_ref"
    shows(festival.refused_list(code, "T\u200b1,A,C-9"), "line 2", r"T\u{200B}1", "invisible character U+200B")
    for lines in (
        (code, "1.23457E+19,A,C-9"),
        (code, '"1,23457E+19",A,C-9'),
        (code, 'T-8,A,"1,23457E+19"'),
    ):
        shows(festival.refused_list(*lines), "line 2", "was rounded by a spreadsheet", "format the column as text")
    title = "Order #,First Name,Last Name,Ticket Type,Attendee #,Barcode #,Attendee Status\n"
    rounded = write(festival, "report.csv", title + '1,A,B,Day,"1,1E+10",111,Attending\n')
    shows(festival.refused(*load(festival, "--format", "eventbrite", rounded)), "Attendee # '1,1E+10' was rounded")
    report = "Attendee Summary for Faulty Days\n\n" + title + "1,A,B,Day,1,111,Attending\n"
    titled = write(festival, "titled.csv", report)
    shows(festival.refused(*load(festival, "--format", "eventbrite", titled)), "line 3 has the names of the columns")
    equal(people(festival), before)


def test_impossible_uid_is_refused_with_counted_lengths(festival):
    before = people(festival)
    shows(
        festival.refused_list(COLUMNS, "04a1b2,Short,U-1", "04aabbccdd0102,Long,U-2"),
        "has 3 bytes, but chips have 4, 7 or 10",
        "1 of 2 has 3 bytes",
        "--uid-bytes",
    )
    shows(festival.refused_list(COLUMNS, "88a1b2c3,Part,U-1"), "begins with 88", "part of a longer UID")
    shows(festival.refused_list(COLUMNS, "08a1b2c3,Random,U-1"), "begins with 08", "new random UID at each reading")
    numbers = ("1234567,A,W-1", "2345678,B,W-2")
    output = festival.import_list(COLUMNS, *numbers, options=("--uid-format", "decimal", "--dry-run"))
    shows(output, "UIDs: all 2 have 4 bytes", "warning:", "Wiegand")
    equal(people(festival), before)


def test_pass_in_another_unicode_form_is_changed(festival):
    first = write(festival, "p.csv", PASSES + "Caf\u00e9,green,,gate,Festival,,\n")
    festival.tapline_center(*load(festival, "--passes", first))
    again = write(festival, "p.csv", PASSES + "Cafe\u0301,red,new,gate,Festival,,\n")
    shows(festival.tapline_center(*load(festival, "--passes", again)).stdout, "passes: 0 created, 1 changed")
    rows = festival.sql("SELECT name, colour, note FROM tapline.passes WHERE name LIKE 'Caf_'")
    equal([tuple(row.values()) for row in rows], [("Caf\u00e9", "red", "new")])


def test_spreadsheet_is_taken_or_refused_with_an_example(festival):
    shows(
        festival.refused_list("UID,Name,shoesize,catgory", "04aabbccdd0201,A,38,vip"),
        "unknown columns 'shoesize', 'catgory' (do you mean 'category'?)",
    )
    first = "04aabbccdd0201,A,Festival"
    shows(festival.refused_list(TIMES, f"{first},2626-01-01T00:00:00Z,"), "is not in the years 2000 to 2199")
    shows(
        festival.refused_list(TIMES, f"{first},2026-01-01 08:00,"),
        "has no offset from UTC: in Asia/Dubai, write 2026-01-01T08:00:00+04:00",
    )
    output = festival.import_list("UID,Name,External_Ref,,", "04aabbccdd0202,A,E-1,,", "04aabbccdd0203,B")
    shows(output, "2 added", "warning: 1 row has fewer cells than the header (first in line 3)")
    festival.import_list("uid,name,zones,external_ref", "04aabbccdd0204,A,Festival\u061bSite,Z-1")
    equal(
        festival.one(
            "SELECT count(*) FROM tapline.access JOIN tapline.attendees a USING (pass_id) WHERE external_ref = 'Z-1'"
        ),
        2,
    )


def test_formula_is_marked_in_the_export_and_comes_back(festival):
    festival.import_list(COLUMNS, "04aabbccdd0301,=1+1,F-1", "04aabbccdd0302,@x,F-2")
    out = festival.folder / "export.csv"
    festival.tapline_center("export", "--out", out)
    text = out.read_text()
    shows(text, "F-1,'=1+1,", "F-2,'@x,")
    shows(festival.import_list(*text.splitlines()), "0 added, 0 changed", "tags: 0 added")


def test_misspelled_place_is_refused_with_the_nearest(festival):
    near = "'Festivall' ('Festival' exists: is it meant?)"
    columns = "uid,name,zones,external_ref"
    shows(festival.refused_list(columns, "04aabbccdd0205,A,Festivall,Z-2"), near, "--make-zones")
    shows(festival.refused("scanner", "add", "gate-9", "--gate", "Main 9", "--zone", "Festivall"), near, "--make-zones")
    shows(festival.refused("scanner", "add", "gate-9", "--gate", "Main1", "--zone", "Festival"), "'Main 1' exists")
    shows(festival.refused("zone", "remove", "Festival"), "zone 'Festival' is in use: gates 'Main 1'", "not removed")
    shows(festival.refused("zone", "add", " "), "of the zone is empty")
    shows(festival.refused("zone", "add", "Main\u200b"), "of the zone has", "invisible characters at its ends")
    shows(festival.refused("event", "set", "--name", " "), "of the event is empty")
    festival.tapline_center("zone", "add", "Mistake")
    shows(festival.tapline_center("zone", "remove", "Mistake").stdout, "zone 'Mistake' is removed")


def test_ambiguous_time_zone_is_refused_with_names(festival):
    for text, name in (("UTC+4", "Asia/Dubai"), ("+04:00", "Asia/Dubai"), ("IST", "Asia/Kolkata")):
        message = festival.refused("event", "set", "--time-zone", text, code=78)
        shows(message, f"'{text}' is not a time zone", "a region and a city", name)
    output = festival.tapline_center("event", "set", "--day-start", "06:00").stdout
    shows(output, "time zone Asia/Dubai (UTC+04:00 now)", "next event day starts", "06:00 local time", "02:00 UTC")


def test_wrong_event_key_is_refused_by_lists_and_tags(festival):
    other = festival.folder / "other-key"
    other.write_bytes(bytes(range(32)))
    words = ("the event key has fingerprint", "tags were made with the key of fingerprint", "nothing was stored")
    tags = festival.one("SELECT count(*) FROM tapline.tags")
    shows(festival.refused_list(COLUMNS, "04aabbccdd0206,A,K-1", key=other, code=78), *words)
    for command in (("revoke",), ("replace", "--new-uid", festival.uid(99))):
        arguments = (command[0], "--uid", festival.uid(0), *command[1:], "--event-key-file", other)
        shows(festival.refused("tag", *arguments, code=78), *words)
    equal(festival.one("SELECT count(*) FROM tapline.tags"), tags)
    equal(festival.event_key.stat().st_mode & 0o777, 0o600, "mode of the event key")
    shows(festival.refused("event", "key", "--out", festival.event_key, code=78), "exist")


def test_help_fits_a_terminal_of_100_columns(festival):
    commands = (
        ("tapline-center", "run", "import", "event set", "status"),
        ("tapline-gate", "run", "admit", "status"),
        ("tapline-publisher", "run", "status", "fetch"),
        ("tapline-snapshot", "export", "stick"),
    )
    for program, *names in commands:
        for words in ([], *map(str.split, names)):
            lines = festival.run(program, *words, "--help").stdout.splitlines()
            equal([line for line in lines if len(line) > 100], [], f"long lines of {program} {words}")


def test_mistyped_command_names_the_nearest(festival):
    shows(festival.refused("statsu", code=64), "unknown command 'statsu': did you mean 'status'?")
    shows(festival.refused("import", "--event-key-fil", "x", code=64), "did you mean --event-key-file?")
    check = ("run", "--check", "--amqp-url", festival.amqp_url, "--relay-user", "")
    shows(festival.refused(*check, code=64), "--relay-user is empty")
    closed = "postgresql://x:y@127.0.0.1:1/z"
    message = festival.refused("scanner", "list", "--database-url", closed, code=69)
    shows(message, '"127.0.0.1", port 1', "Connection refused")
    log = festival.log_path.read_text()
    shows(log, "other machines, such as scanners, cannot reach a loopback address", '"message":"listening"')
