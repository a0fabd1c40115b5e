"""SPEC.md sections 3 and 8 by hand: batch files on a stick, a dead device's folder, and shipping again, from outside."""

import hashlib
import json
import shutil
import uuid

from batch import Batch, decode, new_log
from harness import RELAY, STRANGER, free_port
from line import Line, flags
from waiting import equal, wait_equal


def loaded(b, *paths, code=0) -> dict:
    return json.loads(b.tapline_center("load", "--output", "json", *paths, code=code).stdout)


def counts(b, scanner: str) -> tuple:
    row = b.sql(
        "SELECT coalesce(sum(received), 0)::int AS received, coalesce(sum(stored), 0)::int AS stored, "
        "coalesce(sum(duplicates), 0)::int AS duplicates FROM tapline.journals WHERE scanner_id = %s",
        scanner,
    )[0]
    return row["received"], row["stored"], row["duplicates"]


def test_a_file_of_any_client_is_loaded(b):
    stick = b.folder / "foreign-stick"
    stick.mkdir()
    scanner, log = b.scanner(), new_log()
    scans = b.some_scans(40)
    batches = [Batch(scanner, log, 1, scans[:30]), Batch(scanner, log, 21, scans[20:])]
    for number, batch in enumerate(batches):
        (stick / f"{number}.batch").write_bytes(batch.encode())
    report = loaded(b, stick)
    equal(report, {"files": 2, "stored": 40, "duplicates": 10, "conflicts": 0, "quarantined": 0, "unreadable": 0})
    equal(loaded(b, stick)["duplicates"], 50)
    # The broker brings them too.
    b.publish(*batches)
    b.await_counters(batches[0], 150, 40, 110)
    (stick / "2.batch").write_bytes(batches[0].encode() + b"\0")
    bad = b.tapline_center("load", stick, code=1)
    assert "2.batch: malformed" in bad.stdout, bad.stdout
    equal(b.one("SELECT count(*) FROM tapline.quarantine WHERE routing_key = 'file 2.batch'"), 1)


def test_what_a_device_exports_is_the_contract(b):
    line = Line(b, "runner", 5)
    line.fetch()
    answers = line.tap([uid.hex() for uid in line.uids] + ["04ffffffffffff"])
    stick = b.folder / "stick"
    b.run("tapline-publisher", "export", *line.flags(out=stick))
    files = sorted(stick.iterdir())
    batches = [decode(path.read_bytes()) for path in files]
    digest = hashlib.sha256(files[0].read_bytes()).hexdigest()[:16]
    log = uuid.UUID(bytes=batches[0].log)
    equal([path.name for path in files], [f"{line.name}-{log}-0000000001-{digest}.batch"])
    equal([(batch.scanner, batch.first) for batch in batches], [(line.name, 1)])
    said = [(answer["seq"], answer["verdict"], int(answer["tag"])) for answer in answers]
    held = [(seq + 1, scan.verdict, scan.tag) for seq, scan in enumerate(batches[0].scans)]
    assert [entry for entry in held if entry[2]] == said, (held, said)
    equal(batches[0].backlog, 0)
    equal(loaded(b, stick)["stored"], len(held))
    # Nothing counts as shipped: the publisher brings all of it, and none is stored twice.
    publisher = line.publisher()
    try:
        wait_equal(lambda: counts(b, line.name), (2 * len(held), len(held), len(held)), "all of it came twice")
    finally:
        publisher.kill()
        publisher.wait()


def test_a_dead_device_is_shipped_by_whoever_may(b):
    line = Line(b, "dead", 3)
    line.fetch()
    line.tap([uid.hex() for uid in line.uids])
    card = b.folder / "card"
    card.mkdir()
    for path in line.data.glob("journal.sqlite*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, card)

    def ship(url, code=0, **more):
        words = flags(data=card, amqp_url=url, output="json", **more)
        return b.run("tapline-publisher", "ship", *words, code=code)

    nowhere = ship(f"amqp://x:y@127.0.0.1:{free_port()}/", code=69, give_up_s="1")
    assert "0 of" in nowhere.stderr, nowhere.stderr
    scans = json.loads(ship(b.url_of(RELAY)).stdout)["scans"]
    wait_equal(lambda: counts(b, line.name), (scans, scans, 0), "the relay's word is taken")
    # The broker takes it from a stranger, the center does not, until the stranger is named.
    log = b.one("SELECT log::text FROM tapline.journals WHERE scanner_id = %s", line.name)
    ship(b.url_of(STRANGER))
    waiting = "SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s AND reason = 'identity'"
    wait_equal(lambda: b.one(waiting, line.name), 1, "the stranger's batches are quarantined")
    b.tapline_center("quarantine", "replay", "--scanner", line.name, "--relay-user", b.user(STRANGER))
    equal(counts(b, line.name), (2 * scans, scans, scans), f"journal {log}")
    # By the device's own user, once more, by time.
    since = flags(since="2020-01-01T00:00:00Z", amqp_url=line.url, data=line.data, output="json")
    equal(json.loads(b.run("tapline-publisher", "resend", *since).stdout)["scans"], scans)
    wait_equal(lambda: counts(b, line.name), (3 * scans, scans, 2 * scans), "shipped again")
    equal(b.one("SELECT count(*) FROM tapline.scans JOIN tapline.journals j ON j.id = journal_id WHERE log = %s", log), scans)
