"""contract.md sections 3 and 8: batch files, the folder of a failed device, and repeated uploads."""

import hashlib
import json
import shutil
import uuid

from batch import Batch, decode, new_log
from harness import RELAY, UNAUTHORIZED, free_port
from scanner_device import ScannerDevice, flags
from waiting import equal, wait_equal


def loaded(system, *paths, code=0) -> dict:
    return json.loads(system.tapline_center("load", "--output", "json", *paths, code=code).stdout)


def counts(system, scanner: str) -> tuple:
    row = system.sql(
        "SELECT coalesce(sum(received), 0)::int AS received, coalesce(sum(stored), 0)::int AS stored, "
        "coalesce(sum(duplicates), 0)::int AS duplicates FROM tapline.journals WHERE scanner_id = %s",
        scanner,
    )[0]
    return row["received"], row["stored"], row["duplicates"]


def test_batch_file_of_any_client_is_loaded(system):
    stick = system.folder / "foreign-stick"
    stick.mkdir()
    scanner, log = system.scanner(), new_log()
    scans = system.some_scans(40)
    batches = [Batch(scanner, log, 1, scans[:30]), Batch(scanner, log, 21, scans[20:])]
    for number, batch in enumerate(batches):
        (stick / f"{number}.batch").write_bytes(batch.encode())
    report = loaded(system, stick)
    equal(report, {"files": 2, "stored": 40, "duplicates": 10, "conflicts": 0, "quarantined": 0, "unreadable": 0})
    equal(loaded(system, stick)["duplicates"], 50)
    # The same batches also arrive through the broker.
    system.publish(*batches)
    system.await_counters(batches[0], 150, 40, 110)
    (stick / "2.batch").write_bytes(batches[0].encode() + b"\0")
    bad = system.tapline_center("load", stick, code=1)
    assert "2.batch: malformed" in bad.stdout, bad.stdout
    equal(system.one("SELECT count(*) FROM tapline.quarantine WHERE routing_key = 'file 2.batch'"), 1)


def test_exported_batch_files_follow_the_contract(system):
    device = ScannerDevice(system, "runner", 5)
    device.fetch()
    answers = device.tap([uid.hex() for uid in device.uids] + ["04ffffffffffff"])
    stick = system.folder / "stick"
    system.run("tapline-publisher", "export", *device.flags(out=stick))
    files = sorted(stick.iterdir())
    batches = [decode(path.read_bytes()) for path in files]
    digest = hashlib.sha256(files[0].read_bytes()).hexdigest()[:16]
    log = uuid.UUID(bytes=batches[0].log)
    equal([path.name for path in files], [f"{device.name}-{log}-0000000001-{digest}.batch"])
    equal([(batch.scanner, batch.first) for batch in batches], [(device.name, 1)])
    printed = [(answer["seq"], answer["verdict"], int(answer["tag"])) for answer in answers]
    held = [(seq + 1, scan.verdict, scan.tag) for seq, scan in enumerate(batches[0].scans)]
    assert [entry for entry in held if entry[2]] == printed, (held, printed)
    equal(batches[0].backlog, 0)
    equal(loaded(system, stick)["stored"], len(held))
    # An export does not move the upload cursor: the publisher uploads all scans, and none is stored twice.
    publisher = device.publisher()
    try:
        wait_equal(
            lambda: counts(system, device.name),
            (2 * len(held), len(held), len(held)),
            "received, stored and duplicate scans",
        )
    finally:
        publisher.kill()
        publisher.wait()


def test_journal_of_failed_device_is_uploaded_by_relay_user(system):
    device = ScannerDevice(system, "failed", 3)
    device.fetch()
    device.tap([uid.hex() for uid in device.uids])
    card = system.folder / "card"
    card.mkdir()
    for path in device.data.glob("journal.sqlite*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, card)

    def ship(url, code=0, **more):
        words = flags(data=card, amqp_url=url, output="json", **more)
        return system.run("tapline-publisher", "ship", *words, code=code)

    nowhere = ship(f"amqp://x:y@127.0.0.1:{free_port()}/", code=69, give_up_s="1")
    assert "0 of" in nowhere.stderr, nowhere.stderr
    scans = json.loads(ship(system.url_of(RELAY)).stdout)["scans"]
    wait_equal(lambda: counts(system, device.name), (scans, scans, 0), "scans from the relay user")
    # The broker accepts batches from any user. The center accepts them after the user was named as a relay user.
    log = system.one("SELECT log::text FROM tapline.journals WHERE scanner_id = %s", device.name)
    ship(system.url_of(UNAUTHORIZED))
    waiting = "SELECT count(*) FROM tapline.quarantine WHERE scanner_id = %s AND reason = 'identity'"
    wait_equal(lambda: system.one(waiting, device.name), 1, "quarantined batches of the other user")
    system.tapline_center("quarantine", "replay", "--scanner", device.name, "--relay-user", system.user(UNAUTHORIZED))
    equal(counts(system, device.name), (2 * scans, scans, scans), f"journal {log}")
    # The user of the device uploads a period of time again.
    since = flags(since="2020-01-01T00:00:00Z", amqp_url=device.url, data=device.data, output="json")
    equal(json.loads(system.run("tapline-publisher", "resend", *since).stdout)["scans"], scans)
    wait_equal(lambda: counts(system, device.name), (3 * scans, scans, 2 * scans), "scans uploaded again")
    equal(
        system.one(
            "SELECT count(*) FROM tapline.scans JOIN tapline.journals j ON j.id = journal_id WHERE log = %s", log
        ),
        scans,
    )
