"""A real center with real lanes: gates, publishers, broker, database."""

import subprocess

import harness
import http_client
from background import Background
from batch import Batch, Scan, new_log, now_ms_us
from festival import Festival, FestivalLane
from harness import RELAY, ROOT, Client
from waiting import wait_until

PEOPLE = 320
LANES = 10


class Load(Background):
    """Publishes batches of one scanner until the end of the block, as fast as a rate in scans a second allows."""

    BATCH = 200

    def __init__(self, site, scans_s: int):
        super().__init__()
        self.site, self.pause_s = site, self.BATCH / scans_s
        self.scanner, self.published = site.scanner(), 0
        # People come and go: the same tags again and again.
        self.tags = [site.new_tag() for _ in range(5_000)]

    def run(self):
        # A connection belongs to one thread.
        client, log = Client(self.site.url_of(RELAY)), new_log()
        while not self.stop.wait(self.pause_s):
            first, now = self.published, now_ms_us()
            scans = [
                Scan(now + i * 1_000, self.tags[(first + i) % len(self.tags)], 0, (first + i) // len(self.tags) % 2)
                for i in range(self.BATCH)
            ]
            client.publish("scan." + self.scanner, Batch(self.scanner, log, first + 1, scans).encode())
            self.published += self.BATCH
        client.close()


class Site(Festival):
    """A festival with lanes whose gates take taps, and whose publishers upload them."""

    def _set_up(self):
        super()._set_up()
        lanes = [FestivalLane(self, f"door-{number}") for number in range(LANES)]
        # The last change: a list with all people has the lanes, too.
        rows = [f"{self.uid(i)},Person {i},vip,Festival,P-{i}" for i in range(PEOPLE)]
        self.import_list("uid,name,category,zones,external_ref", *rows)
        wait_until(self.has_published_all, "the center has published a list with all people")
        center = f"http://127.0.0.1:{self.http_port}"
        self.publishers, self.doors = [], []
        for lane in lanes:
            lane.install(center_url=center)
            settings = lane.flags(amqp_url=lane.url, center_url=center, trust_key=self.folder / "event.pub")
            self.publishers.append(lane.start_publisher(*settings, log=self.folder / f"{lane.name}.log"))
            self.doors.append(lane.gate())

    def has_published_all(self) -> bool:
        """A list that was published after the last change of the registry."""
        version = self.one("SELECT max(version) FROM tapline.snapshots WHERE published_at IS NOT NULL")
        people = self.one("SELECT attendees FROM tapline.snapshots WHERE version = %s", version)
        return people is not None and people >= PEOPLE

    def __exit__(self, *arguments):
        for process in [*getattr(self, "publishers", []), *(door.process for door in getattr(self, "doors", []))]:
            process.kill()
            process.wait()
        super().__exit__(*arguments)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.http_port}"

    def tap(self, person: int, lane=0) -> dict:
        return self.doors[lane].tap(f"{self.uid(person)},in")

    def servers_do(self, command: str):
        subprocess.run([ROOT / "scripts/servers", command, self.servers], check=True, stdout=subprocess.DEVNULL)

    def restart_center(self, monkeypatch):
        """Starts a center at the address of the one that was killed: the page does not know another."""
        port = self.http_port
        monkeypatch.setattr(harness, "free_port", lambda: port)
        self.start_center()

    def token(self, name: str) -> str:
        """Makes a token that shows names, and waits until the center accepts it."""
        token = self.tapline_center("token", "make", name, "--role", "viewer-names").stdout.splitlines()[0]
        header = {"Authorization": f"Bearer {token}"}
        path = "/api/people?q=nothing"
        wait_until(lambda: http_client.get(self, path, header).status == 200, f"the center accepts the token of {name}")
        return token

    def metric(self, name: str) -> float:
        text = http_client.get(self, "/metrics").body.decode()
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))

