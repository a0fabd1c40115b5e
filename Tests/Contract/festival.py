"""A festival that is set up as docs/operating/event-setup.md says, with a separate vhost and a separate database."""

import json
import subprocess

from harness import SystemUnderTest
from lane import Gate
from scanner_device import ScannerDevice, tag_of
from waiting import wait_until

ATTENDEES = 6


def error_of(output: str) -> str:
    """Returns the error in the last line of a log."""
    return json.loads(output.splitlines()[-1])["error"]


def shows(text: str, *words: str):
    """Asserts that a person who reads `text` sees these words."""
    for word in words:
        assert word in text, f"{word!r} is not in:\n{text}"


class Festival(SystemUnderTest):
    """A database with an event, zones, gates and attendees, and a center that publishes snapshots by itself."""

    def _create_database(self):
        """Steps 1 to 4: keys, database, event, places, attendees and scanners."""
        self.event_key = self.folder / "event-key"
        self.run("tapline-center", "event", "key", "--out", self.event_key)
        self.run("tapline-snapshot", "keygen", "--out", self.folder / "event")
        self.center_options = ("--signing-key", self.folder / "event.key")
        self.tapline_center("migrate")
        self.open_database(self.database_url)
        self.tapline_center("event", "set", "--name", "Faulty Days", "--time-zone", "Asia/Dubai")
        self.tapline_center("zone", "add", "Site", "--capacity", "40000")
        self.tapline_center("zone", "add", "Festival", "--parent", "Site")
        self.tapline_center("gate", "add", "Main 1", "--zone", "Festival", "--policy", '{"antipassback":"hard"}')
        rows = [f"{self.uid(i)},Person {i},vip,Festival,P-{i}" for i in range(ATTENDEES)]
        self.import_list("uid,name,category,zones,external_ref", *rows)

    def uid(self, person: int) -> str:
        return f"04aabbccdd{person:04x}"

    def tag(self, person: int) -> int:
        return self.tag_of(bytes.fromhex(self.uid(person)))

    def tag_of(self, identity: bytes) -> int:
        return tag_of(identity, self.event_key.read_bytes())

    # Programs

    def import_list(self, *lines, code=0, key=None, options=(), encoding="utf-8") -> str:
        """Imports a list of these lines, and returns what the command printed."""
        table = self.folder / "list.csv"
        table.write_bytes(("\n".join(lines) + "\n").encode(encoding))
        result = self.tapline_center("import", "--event-key-file", key or self.event_key, *options, table, code=code)
        return result.stdout + result.stderr

    def refused_list(self, *lines, code=1, **more) -> str:
        """Imports a list that must be refused, and returns the message."""
        return error_of(self.import_list(*lines, code=code, **more))

    def refused(self, *arguments, code=1) -> str:
        """Runs a `tapline-center` command that must be refused, and returns the message."""
        return error_of(self.tapline_center(*arguments, code=code).stderr)

    def status(self, code=1) -> str:
        return self.tapline_center("status", "--all", code=code).stdout

    # What the center says

    def condition(self, scanner: str) -> str:
        return self.one("SELECT condition FROM tapline.scanner_health WHERE scanner_id = %s", scanner)

    def await_condition(self, scanner: str, *conditions: str):
        wait_until(lambda: self.condition(scanner) in conditions, f"the condition of {scanner} is one of {conditions}")


class FestivalLane(ScannerDevice):
    """Step 6: a scanner of the gate "Main 1" with a data folder and the current snapshot."""

    def __init__(self, festival: Festival, name: str, gate="Main 1"):
        self.system = festival
        festival.add_users(name)
        self.name, self.url = festival.user(name), festival.url_of(name)
        self.data, self.key = festival.folder / name, festival.event_key
        self.data.mkdir()
        festival.tapline_center("scanner", "add", self.name, "--gate", gate, "--zone", "Festival")

    def gate(self, *more, **options) -> Gate:
        return Gate(self, *more, **options)

    def decides_from_the_installed_snapshot(self) -> bool:
        """Whether the last snapshot that the gate's log names is the installed one."""
        status = self.system.run("tapline-gate", "status", "--data", self.data, "--output", "json", code=None).stdout
        log = (self.system.folder / f"{self.name}.gate.log").read_text().splitlines()
        used = [json.loads(line)["snapshot"] for line in log if "snapshot in use" in line]
        return used[-1:] == [str(json.loads(status)["snapshot"]["version"])]

    def start_publisher(self, *arguments, log) -> subprocess.Popen:
        return subprocess.Popen(
            [self.system.bin / "tapline-publisher", "run", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log.open("wb"),
        )
