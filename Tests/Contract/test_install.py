"""contract.md section 6: a scanner installs only a valid newer snapshot of its event, signed by a trusted key."""

import gzip
import hashlib
import http.server
import json
import shutil
import sqlite3
import struct
import subprocess
import threading
import time
import uuid

from scanner_device import ScannerDevice, rfc3339, tag_of
from waiting import equal


class Case:
    """A scanner with an installed snapshot, and a folder with a valid newer one that a test can modify.

    One attendee is admitted by the newer snapshot only, which shows which of the two is installed.
    """

    def __init__(self, system, name: str):
        self.system, self.device = system, ScannerDevice(system, name, 2)
        self.newcomer, other = self.device.uids
        system.sql("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = %s", tag_of(self.newcomer))
        self.old = system.folder / f"{name}-old"
        system.export(self.old)
        self.device.install(**{"from": self.old})
        system.sql("UPDATE tapline.tags SET status = 'active' WHERE tag_id = %s", tag_of(self.newcomer))
        self.good = system.folder / f"{name}-good"
        system.export(self.good)
        self.expect("lost")

    def expect(self, name: str, what=""):
        """Asserts the verdict for the attendee, and thereby which snapshot is installed."""
        answers = self.device.tap([f"{self.newcomer.hex()},in,{rfc3339(time.time_ns() // 1_000)}"])
        equal([answer["name"] for answer in answers], [name], f"the verdict: {what}")

    def copy(self) -> "Folder":
        path = self.system.folder / f"modified-{next(self.system.numbers)}"
        shutil.copytree(self.good, path)
        return Folder(self.system, path)

    def expect_rejection(self, folder: "Folder", what: str):
        result = self.device.install(code=1, **{"from": folder.path})
        assert result.stderr.strip(), f"{what}: no reason was printed"
        self.expect("lost", what)


class Folder:
    """A copy of a published folder without its optional parts. It can be changed, and signed with stock minisign."""

    def __init__(self, system, path):
        self.system, self.path = system, path
        self.manifest = json.loads((path / "manifest.json").read_text())
        for name in ("compressed", "deltas"):
            self.manifest.pop(name, None)
        self.manifest["deltas"] = []
        self.file = path / self.manifest["file"]

    def sign(self, key="event.key"):
        (self.path / "manifest.json").write_text(json.dumps(self.manifest))
        command = ["minisign", "-S", "-s", self.system.folder / key, "-m", self.path / "manifest.json"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def describe(self):
        """Writes the current size and hash of the file to the manifest."""
        data = self.file.read_bytes()
        self.manifest.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        return self

    def change(self, *statements: str):
        with sqlite3.connect(self.file, isolation_level=None) as database:
            for statement in statements:
                database.execute(statement)
        database.close()
        return self.describe()


def test_incomplete_foreign_or_older_snapshot_is_rejected(system):
    case = Case(system, "install")
    folder = case.copy()
    (folder.path / "manifest.json.minisig").unlink()
    case.expect_rejection(folder, "a missing signature")

    folder = case.copy()
    folder.manifest["version"] += 1
    (folder.path / "manifest.json").write_text(json.dumps(folder.manifest))
    case.expect_rejection(folder, "a manifest changed after it was signed")

    system.run("tapline-snapshot", "keygen", "--out", system.folder / "other")
    folder = case.copy()
    folder.sign("other.key")
    case.expect_rejection(folder, "another key")

    folder = case.copy()
    data = bytearray(folder.file.read_bytes())
    data[-100] ^= 1
    folder.file.write_bytes(data)
    folder.sign()
    case.expect_rejection(folder, "a changed bit in the file")

    folder = case.copy()
    folder.file.write_bytes(folder.file.read_bytes()[:-4096])
    folder.sign()
    case.expect_rejection(folder, "a truncated file")

    folder = case.copy()
    folder.file.unlink()
    folder.sign()
    case.expect_rejection(folder, "a missing file")

    folder = case.copy()
    another = str(uuid.uuid4())
    folder.manifest["event_id"] = another
    folder.change(f"UPDATE meta SET value = '{another}' WHERE key = 'event_id'").sign()
    case.expect_rejection(folder, "another event of the same name")

    # Without an event ID, the name counts.
    folder = case.copy()
    folder.manifest["event"] = "Another Event"
    folder.manifest.pop("event_id")
    folder.change("UPDATE meta SET value = 'Another Event' WHERE key = 'event'").sign()
    case.expect_rejection(folder, "another event")

    # The installed version again, and an older version, are not installed.
    case.device.install(**{"from": case.old})
    case.expect("lost")
    case.device.install(**{"from": case.good})
    case.expect("admitted", "after a valid newer snapshot")
    older = Folder(system, case.old)
    case.device.install(code=None, **{"from": older.path})
    case.expect("admitted", "after an older snapshot")


def test_signed_but_invalid_snapshot_is_rejected(system):
    """Signature and hashes are correct, but the file violates the contract."""
    case = Case(system, "unsound")

    def reject(what: str, *statements: str, **manifest):
        folder = case.copy()
        folder.change(*statements)
        folder.manifest.update(manifest)
        folder.sign()
        case.expect_rejection(folder, what)

    reject("another application", "PRAGMA application_id = 7")
    reject("a newer format of the file", "PRAGMA user_version = 2")
    reject("a version that differs from the manifest", "UPDATE meta SET value = '5' WHERE key = 'version'")
    reject("a missing table", "DROP TABLE access")
    reject("a newer format of the manifest", format=2)
    reject(
        "a content hash that differs from the rows",
        "DELETE FROM attendees WHERE uid = (SELECT max(uid) FROM attendees)",
    )
    for name in ("../other.sqlite", "/etc/passwd", ".", "", "a/b.sqlite", "manifest.json"):
        reject(f"a file named {name!r}", file=name)
    reject("a file of one pebibyte", size=1 << 50)
    reject("a negative size", size=-1)

    folder = case.copy()
    folder.file.write_bytes(b"not a database, but signed" * 1_000)
    folder.describe().sign()
    case.expect_rejection(folder, "a file that is no database")

    folder = case.copy()
    data = bytearray(folder.file.read_bytes())
    data[4096 * 2 : 4096 * 3] = bytes(4096)
    folder.file.write_bytes(data)
    folder.describe().sign()
    case.expect_rejection(folder, "a damaged page")

    # A folder may contain the compressed file only.
    folder = case.copy()
    packed = gzip.compress(folder.file.read_bytes())
    (folder.path / "small.gz").write_bytes(packed)
    folder.file.unlink()
    folder.manifest["compressed"] = {
        "file": "small.gz",
        "size": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    folder.sign()
    case.device.install(**{"from": folder.path})
    case.expect("admitted", "after the installation from the compressed file")


def changeset(tag: int, old: int, new: int) -> bytes:
    """Returns a changeset with one UPDATE of a tag's status, in the format that sqlite3session.c documents."""
    integer = lambda value: b"\x01" + struct.pack(">q", value)
    table = b"T\x04" + bytes([1, 0, 0, 0]) + b"attendees\0"
    before = integer(tag) + integer(old) + b"\0\0"
    after = b"\0" + integer(new) + b"\0\0"
    return table + bytes([23, 0]) + before + after


class FileServer:
    """An HTTP server for a folder below /snapshot/, which records the requested names."""

    def __init__(self, folder):
        names = self.names = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self):
                self.path = self.path.removeprefix("/snapshot")
                names.append(self.path.strip("/"))
                super().do_GET()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_valid_delta_is_applied_and_corrupt_delta_is_replaced(system):
    """The delta does not contain `meta`. The corrupt delta differs from its hash in the manifest."""
    for corrupt in (False, True):
        case = Case(system, f"delta-{corrupt}".lower())
        folder = case.copy()
        was = json.loads((case.old / "manifest.json").read_text())["version"]
        name = f"delta-{was}-{folder.manifest['version']}.changeset"
        delta = changeset(tag_of(case.newcomer), 3, 1)
        folder.manifest["deltas"] = [
            {"from": was, "file": name, "size": len(delta), "sha256": hashlib.sha256(delta).hexdigest()}
        ]
        folder.sign()
        # The corrupt delta has the same length and another status: blocked.
        (folder.path / name).write_bytes(changeset(tag_of(case.newcomer), 3, 2) if corrupt else delta)
        with FileServer(folder.path) as server:
            case.device.install(center_url=server.url)
            case.expect("admitted", f"after the delta, corrupt: {corrupt}")
            # A corrupt delta is downloaded once more, because the transfer may have damaged it.
            files = ["manifest.json", "manifest.json.minisig", name]
            files += [name, folder.manifest["file"]] if corrupt else []
            equal(server.names, files)
            case.device.install(center_url=server.url)
            equal(server.names, files + files[:2], "requests when there is no newer snapshot")
        version, event = folder.manifest["version"], folder.manifest["event"]
        path = case.device.data / "snapshots" / f"snapshot-{version}.sqlite"
        with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as database:
            meta = dict(database.execute("SELECT key, value FROM meta"))
        equal((meta["version"], meta["event"]), (str(version), event))


def test_first_source_with_a_valid_snapshot_is_used(system):
    """Sources need not be trusted: the signature decides."""
    case = Case(system, "mirrors")
    forged = case.copy()
    forged.manifest["version"] += 1
    (forged.path / "manifest.json").write_text(json.dumps(forged.manifest))
    with FileServer(forged.path) as bad, FileServer(case.copy().path) as good:
        trust = ("--trust-key", system.folder / "event.pub", "--data", case.device.data)
        urls = [word for url in ("http://127.0.0.1:1", bad.url, good.url) for word in ("--center-url", url)]
        system.run("tapline-publisher", "fetch", *trust, *urls)
        case.expect("admitted", "after the download from the last of three sources")
