"""A real center with a real lane: gate, publisher, broker, database."""

import subprocess

import harness
from festival import Festival, FestivalLane
from harness import ROOT
from waiting import wait_equal, wait_until

PEOPLE = 320


class Site(Festival):
    """A festival with one lane whose gate takes taps, and whose publisher uploads them."""

    def _set_up(self):
        super()._set_up()
        rows = [f"{self.uid(i)},Person {i},vip,Festival,P-{i}" for i in range(PEOPLE)]
        self.import_list("uid,name,category,zones,external_ref", *rows)
        self.lane = FestivalLane(self, "door")
        wait_until(self.has_published_all, "the center has published a list with all people")
        center = f"http://127.0.0.1:{self.http_port}"
        self.lane.install(center_url=center)
        settings = self.lane.flags(amqp_url=self.lane.url, center_url=center, trust_key=self.folder / "event.pub")
        self.publisher = self.lane.start_publisher(*settings, log=self.folder / "publisher.log")
        self.door = self.lane.gate()

    def has_published_all(self) -> bool:
        """A list that was published after the last change of the registry."""
        version = self.one("SELECT max(version) FROM tapline.snapshots WHERE published_at IS NOT NULL")
        people = self.one("SELECT attendees FROM tapline.snapshots WHERE version = %s", version)
        return people is not None and people >= PEOPLE

    def __exit__(self, *arguments):
        for process in (getattr(self, "publisher", None), getattr(getattr(self, "door", None), "process", None)):
            if process:
                process.kill()
                process.wait()
        super().__exit__(*arguments)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.http_port}"

    def tap(self, person: int, way="in") -> dict:
        return self.door.tap(f"{self.uid(person)},{way}")

    def servers_do(self, command: str):
        subprocess.run([ROOT / "scripts/servers", command, self.servers], check=True, stdout=subprocess.DEVNULL)

    def restart_center(self, monkeypatch):
        """Starts a center at the address of the one that was killed: the page does not know another."""
        port = self.http_port
        monkeypatch.setattr(harness, "free_port", lambda: port)
        self.start_center()

    def token(self, name: str, role="viewer-names") -> str:
        return self.tapline_center("token", "make", name, "--role", role).stdout.splitlines()[0]

    def metric(self, name: str) -> float:
        text = harness.http_client.get(self, "/metrics").body.decode()
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))


def await_stored(site: Site, count: int):
    wait_equal(lambda: site.one("SELECT coalesce(sum(stored), 0) FROM tapline.journals"), count, "stored scans")
