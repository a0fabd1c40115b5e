"""SPEC.md section 6: a scanner installs only what is signed by a key it trusts, for its event, newer, whole and sound."""

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

from line import Line, rfc3339, tag_of
from waiting import equal


class Case:
    """A scanner with an installed snapshot, and a good newer one in a folder that a test may spoil.

    Who is on the newer list only tells which of the two is in force.
    """

    def __init__(self, b, name: str):
        self.b, self.line = b, Line(b, name, 2)
        self.newcomer, other = self.line.uids
        b.sql("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = %s", tag_of(self.newcomer))
        self.old = b.folder / f"{name}-old"
        b.export(self.old)
        self.line.install(**{"from": self.old})
        b.sql("UPDATE tapline.tags SET status = 'active' WHERE tag_id = %s", tag_of(self.newcomer))
        self.good = b.folder / f"{name}-good"
        b.export(self.good)
        self.expect("lost")

    def expect(self, name: str, what=""):
        said = self.line.tap([f"{self.newcomer.hex()},in,{rfc3339(time.time_ns() // 1_000)}"])
        equal([answer["name"] for answer in said], [name], f"the verdict {what}")

    def copy(self) -> "Folder":
        path = self.b.folder / f"spoilt-{next(self.b.numbers)}"
        shutil.copytree(self.good, path)
        return Folder(self.b, path)

    def refused(self, folder: "Folder", what: str):
        result = self.line.install(code=1, **{"from": folder.path})
        assert result.stderr.strip(), f"{what}: a reason"
        self.expect("lost", what)


class Folder:
    """A published folder without the parts that are optional, to be changed and signed again with stock minisign."""

    def __init__(self, b, path):
        self.b, self.path = b, path
        self.manifest = json.loads((path / "manifest.json").read_text())
        for name in ("compressed", "deltas"):
            self.manifest.pop(name, None)
        self.manifest["deltas"] = []
        self.file = path / self.manifest["file"]

    def sign(self, key="event.key"):
        (self.path / "manifest.json").write_text(json.dumps(self.manifest))
        command = ["minisign", "-S", "-s", self.b.folder / key, "-m", self.path / "manifest.json"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def describe(self):
        """Size and hash of the file as it is now."""
        data = self.file.read_bytes()
        self.manifest.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        return self

    def change(self, *statements: str):
        with sqlite3.connect(self.file, isolation_level=None) as database:
            for statement in statements:
                database.execute(statement)
        database.close()
        return self.describe()


def test_only_what_is_signed_whole_and_newer(b):
    case = Case(b, "install")
    folder = case.copy()
    (folder.path / "manifest.json.minisig").unlink()
    case.refused(folder, "no signature")

    folder = case.copy()
    folder.manifest["version"] += 1
    (folder.path / "manifest.json").write_text(json.dumps(folder.manifest))
    case.refused(folder, "a manifest changed after it was signed")

    b.run("tapline-snapshot", "keygen", "--out", b.folder / "other")
    folder = case.copy()
    folder.sign("other.key")
    case.refused(folder, "another key")

    folder = case.copy()
    data = bytearray(folder.file.read_bytes())
    data[-100] ^= 1
    folder.file.write_bytes(data)
    folder.sign()
    case.refused(folder, "one bit of the file")

    folder = case.copy()
    folder.file.write_bytes(folder.file.read_bytes()[:-4096])
    folder.sign()
    case.refused(folder, "a shorter file")

    folder = case.copy()
    folder.file.unlink()
    folder.sign()
    case.refused(folder, "no file")

    folder = case.copy()
    folder.manifest["event"] = "Another Event"
    folder.change("UPDATE meta SET value = 'Another Event' WHERE key = 'event'").sign()
    case.refused(folder, "another event")

    # The one before again: nothing new, and no way back.
    case.line.install(**{"from": case.old})
    case.expect("lost")
    case.line.install(**{"from": case.good})
    case.expect("admitted", "with the good one")
    older = Folder(b, case.old)
    case.line.install(code=None, **{"from": older.path})
    case.expect("admitted", "after an older one was offered")


def test_signed_and_unsound(b):
    """The signature is good and the hashes fit, but the file is not a snapshot as the contract has it."""
    case = Case(b, "unsound")

    def spoil(what: str, *statements: str, **manifest):
        folder = case.copy()
        folder.change(*statements)
        folder.manifest.update(manifest)
        folder.sign()
        case.refused(folder, what)

    spoil("another application", "PRAGMA application_id = 7")
    spoil("a later format of the file", "PRAGMA user_version = 2")
    spoil("a version that is not the manifest's", "UPDATE meta SET value = '5' WHERE key = 'version'")
    spoil("a table is missing", "DROP TABLE access")
    spoil("a later format of the manifest", format=2)
    spoil("a content that is not the rows'", "DELETE FROM attendees WHERE uid = (SELECT max(uid) FROM attendees)")
    for name in ("../other.sqlite", "/etc/passwd", ".", "", "a/b.sqlite", "manifest.json"):
        spoil(f"a file named {name!r}", file=name)
    spoil("an endless file", size=1 << 50)
    spoil("a negative size", size=-1)

    folder = case.copy()
    folder.file.write_bytes(b"not a database, but signed" * 1_000)
    folder.describe().sign()
    case.refused(folder, "garbage")

    folder = case.copy()
    data = bytearray(folder.file.read_bytes())
    data[4096 * 2 : 4096 * 3] = bytes(4096)
    folder.file.write_bytes(data)
    folder.describe().sign()
    case.refused(folder, "a damaged page")

    # A folder may be compressed alone; the bomb is not.
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
    case.line.install(**{"from": folder.path})
    case.expect("admitted", "from the compressed file")


def changeset(tag: int, old: int, new: int) -> bytes:
    """One UPDATE of a tag's status, byte by byte as SQLite documents the format (sqlite3session.c)."""
    integer = lambda value: b"\x01" + struct.pack(">q", value)
    table = b"T\x04" + bytes([1, 0, 0, 0]) + b"attendees\0"
    before = integer(tag) + integer(old) + b"\0\0"
    after = b"\0" + integer(new) + b"\0\0"
    return table + bytes([23, 0]) + before + after


class FileServer:
    """The folder below /snapshot/, by Python's own server, and the names that were asked for."""

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


def test_deltas(b):
    """A changeset of another exporter, which leaves `meta` out; and one that is not what the manifest says."""
    for spoil in (False, True):
        case = Case(b, f"delta-{spoil}".lower())
        folder = case.copy()
        was = json.loads((case.old / "manifest.json").read_text())["version"]
        name = f"delta-{was}-{folder.manifest['version']}.changeset"
        delta = changeset(tag_of(case.newcomer), 3, 1)
        folder.manifest["deltas"] = [
            {"from": was, "file": name, "size": len(delta), "sha256": hashlib.sha256(delta).hexdigest()}
        ]
        folder.sign()
        # The same length, another status: "blocked".
        (folder.path / name).write_bytes(changeset(tag_of(case.newcomer), 3, 2) if spoil else delta)
        with FileServer(folder.path) as server:
            case.line.install(center_url=server.url)
            case.expect("admitted", f"by a delta, spoilt: {spoil}")
            # The way may have spoilt it: it is fetched once more.
            files = ["manifest.json", "manifest.json.minisig", name]
            files += [name, folder.manifest["file"]] if spoil else []
            equal(server.names, files)
            case.line.install(center_url=server.url)
            equal(server.names, files + files[:2], "nothing new")
        version, event = folder.manifest["version"], folder.manifest["event"]
        path = case.line.data / "snapshots" / f"snapshot-{version}.sqlite"
        with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as database:
            meta = dict(database.execute("SELECT key, value FROM meta"))
        equal((meta["version"], meta["event"]), (str(version), event))


def test_mirrors(b):
    """Of several places the first that has something good serves, and nobody has to trust it."""
    case = Case(b, "mirrors")
    forged = case.copy()
    forged.manifest["version"] += 1
    (forged.path / "manifest.json").write_text(json.dumps(forged.manifest))
    with FileServer(forged.path) as bad, FileServer(case.copy().path) as good:
        trust = ("--trust-key", b.folder / "event.pub", "--data", case.line.data)
        urls = [word for url in ("http://127.0.0.1:1", bad.url, good.url) for word in ("--center-url", url)]
        b.run("tapline-publisher", "fetch", *trust, *urls)
        case.expect("admitted", "from the last of three")
