"""The first steps of README.md, as a new user types them, with the settings and the person of scripts/demo."""

import json
import os
import re
import subprocess

import pytest

import http_client
from festival import ATTENDEES, Festival, FestivalLane
from harness import RELAY, ROOT
from shared_system import shared
from waiting import LIMIT_S, equal, wait_until

README = (ROOT / "README.md").read_text()
DEMO = (ROOT / "scripts/demo").read_text()
SETTINGS = ". .build/demo.env"
# What a line of README.md must print or do: the first words of the line, and a pattern of its output.
EXPECTED = [
    ("tap $DEMO_TAG", r" in +admitted "),
    ("tapline-center attendee find", r"Zahra al-Fāsī"),
    ("tapline-center tag revoke", r"Zahra al-Fāsī"),
    ("tap $DEMO_TAG", r" in +lost "),
    ("tapline-center scanner remove south-1", r"south-1"),
    ("tapline-center quarantine list", r"south-1"),
    ("tapline-center scanner add south-1", r"south-1"),
    ("tapline-center quarantine replay --all", r"1 stored, 0 left"),
]


def steps(first: str) -> list:
    """Returns the lines of the block of shell commands in README.md that begins with a line, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)
    lines = next(block for block in blocks if block.startswith(first)).splitlines()
    return [line for line in (re.sub(r"\s+# .*", "", line).strip() for line in lines) if line]


def found(pattern: str) -> str:
    """Returns a part of scripts/demo."""
    return re.search(pattern, DEMO, re.M | re.S)[1]


class DemoSite(Festival):
    """A center, the person of scripts/demo, a lane "north-1" with a gate that runs, and a scanner "south-1"."""

    def _set_up(self):
        super()._set_up()
        self.work = self.folder / "demo"
        (self.work / "north-1").mkdir(parents=True)
        (self.work / "event.key").symlink_to(self.event_key)
        self.zahra = found(r"^zahra=(\w+)$")
        self.tapline_center("scanner", "add", "south-1", "--gate", "South", "--zone", "Festival")
        self.lane = lane = FestivalLane(self, "north-1", gate="North")
        zahra = found(r'^echo "\$zahra,([^"]*)"')
        # The last change: a list with her has the lane, too.
        crew = "04FFFFFF000002,Person 90002,crew,Festival,active,D-900002"
        self.import_list("uid,name,category,zones,status,external_ref", f"{self.zahra},{zahra}", crew)
        wait_until(self.has_published_all, "the center has published a list with all people")
        self._start_lane(lane, f"http://127.0.0.1:{self.http_port}")
        self._write_settings()

    def has_published_all(self) -> bool:
        people = self.one("SELECT attendees FROM tapline.snapshots WHERE published_at IS NOT NULL ORDER BY version DESC")
        return people == ATTENDEES + 2

    def uses_newer(self, version: int) -> bool:
        """Whether the gate decides from a list that is newer than a version."""
        installed = json.loads(
            self.run("tapline-gate", "status", "--data", self.lane.data, "--output", "json", code=None).stdout
        )
        return installed["snapshot"]["version"] > version and self.lane.decides_from_the_installed_snapshot()

    def version(self) -> int:
        return self.one("SELECT max(version) FROM tapline.snapshots WHERE published_at IS NOT NULL")

    def _start_lane(self, lane, center: str):
        lane.install(center_url=center)
        settings = lane.flags(amqp_url=lane.url, center_url=center, trust_key=self.folder / "event.pub")
        self.processes = [
            lane.start_publisher(*settings, "--snapshot-every-s", "2", log=self.folder / "north-1.log")
        ]
        folder = self.work / "north-1"
        os.mkfifo(folder / "taps")
        # Both ends: the gate must not see the end of its input between two taps.
        self.taps = os.open(folder / "taps", os.O_RDWR)
        settings = lane.flags(event_key_file=lane.key, reader="stdin")
        self.processes.append(
            subprocess.Popen(
                [self.bin / "tapline-gate", "run", *map(str, settings)],
                stdin=self.taps,
                stdout=(folder / "screen").open("wb"),
                stderr=(self.folder / f"{lane.name}.gate.log").open("wb"),
            )
        )
        wait_until(lambda: (lane.data / "gate.sock").exists(), "the gate runs")

    def _write_settings(self):
        """Writes `.build/demo.env` as scripts/demo does."""
        document = found(r"^    \(umask 077 && cat >\.build/demo\.env\) (<<END\n.*?^END$)")
        values = {"bin": self.bin, "work": self.work, "zahra": self.zahra, "TAPLINE_DATABASE_URL": self.database_url}
        self.run("tapline-center", "ca", "init", "--out", self.work / "ca", "--name", "Demo")
        values |= {"broker": self.url_of("center"), "authority": self.work / "ca/ca.pem"}
        text = subprocess.run(
            ["bash", "-euc", f"cat {document}\n"],
            env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in values.items()}},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        (self.folder / ".build").mkdir()
        (self.folder / ".build/demo.env").write_text(text)

    def type(self, line: str, codes=(0,)) -> str:
        """Runs a line in a new shell with the settings of the demo, and returns what it printed."""
        # The library path is that of programs which were built for another Debian.
        names = ("PATH", "HOME", "LD_LIBRARY_PATH")
        environment = {name: os.environ[name] for name in names if name in os.environ}
        run = subprocess.run(
            ["bash", "-c", f"{SETTINGS} && {line}"],
            cwd=self.folder,
            env={**environment, "TAPLINE_RELAY_USER": self.user(RELAY)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        output = run.stdout + run.stderr
        assert run.returncode in codes, f"{line}: exit code {run.returncode}\n{output}"
        return output

    def refused_today(self, verdict: str) -> int:
        """Returns what the wall shows."""
        rows = json.loads(http_client.get(self, "/api/live?once").body)["refused"]["rows"]
        return sum(row["day"] for row in rows if row["reason"] == verdict)

    def __exit__(self, *arguments):
        for process in getattr(self, "processes", []):
            process.kill()
            process.wait()
        super().__exit__(*arguments)


@pytest.fixture(scope="module")
def demo(request):
    yield from shared(request, DemoSite(os.environ))


def test_first_steps_of_the_readme_do_what_it_says(demo):
    lines = steps(SETTINGS)
    equal(lines.pop(0), SETTINGS)
    equal([line.startswith(begin) for line, (begin, _) in zip(lines, EXPECTED, strict=True)], [True] * len(EXPECTED))
    # A scanner that never sent anything would be deleted.
    first, batch = demo.batch(3, "south-1"), demo.batch(3, "south-1")
    demo.publish(first)
    demo.await_counters(first, 3, 3)
    for line, (_, pattern) in zip(lines, EXPECTED):
        version = demo.version()
        output = demo.type(line)
        assert re.search(pattern, output), f"{line}\n{output}"
        if "tag revoke" in line:
            wait_until(lambda: demo.uses_newer(version), "the gate has the list without the tag")
        if "scanner remove" in line:
            demo.publish(batch)
            wait_until(lambda: demo.quarantine(batch.encode()), "the batch of the removed scanner is in quarantine")
    demo.await_counters(batch, 3, 3)
    equal(demo.quarantine(batch.encode()), [])
    # The wall shows both taps.
    assert b"<html" in http_client.get(demo, "/").body
    wait_until(lambda: demo.refused_today("lost") == 1, "the wall shows the refusal")


def words(row: str) -> list:
    """Returns the words of a line, without those that differ between two runs: numbers, names and times."""
    return re.findall(r"[a-z]{3,}", re.sub(r"\(.*", "", row))


def test_looks_of_the_readme_print_what_it_shows(demo):
    """Each line of the outputs in README.md has a line with the same first word in that of the program."""
    lines = steps("tapline-center status")
    equal([line.split()[1] for line in lines], ["status", "doctor", "report"])
    for line in lines:
        # 1: something is wrong, as on a site whose scanner "south-1" sends nothing.
        output = demo.type(line, codes=(0, 1))
        shown = re.search(rf"^\$ {re.escape(line)}\n(.*?)(?=\n\n|\n```$)", README, re.M | re.S)[1].splitlines()
        printed = [words(row)[:1] for row in output.splitlines()]
        # The first line of `status` is the name of the event, and its second one the verdict.
        for row in shown[2:] if "status" in line else shown:
            assert words(row)[:1] in printed, f"{row}\n{output}"
