"""The fixture of one test: a vhost, a database, centers, a fleet that taps, and the comparison at the end."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import uuid

import psycopg2

from waiting import equal, wait_equal, wait_until
from watch import Watch

BIN = pathlib.Path(os.environ["TAPLINE_BIN"])
# Limit for everything that is waited for. Only a failed test reaches it, so it allows for a machine with busy cores.
LIMIT_S = 240


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Center:
    """A `tapline-center run` process."""

    def __init__(self, cluster, place: str, *more, urls=None, database_url=None):
        self.cluster, self.place, self.port = cluster, place, free_port()
        self.log_path = cluster.folder / f"center-{place.replace('/', '-')}.log"
        self.command = [BIN / "tapline-center", "run", "--center", place]
        for url in urls or cluster.amqp_urls:
            self.command += ["--amqp-url", url]
        self.command += ["--database-url", database_url or cluster.database_url]
        self.command += ["--http", f"127.0.0.1:{self.port}", "--relay-user", "tapline", *more]
        self.start()

    def start(self):
        self.log_from = len(self.log())
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log_path.open("ab")
        )

    def get(self, path: str):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError as error:
            return 0, str(error)

    def await_ready(self):
        def is_ready():
            equal(self.process.poll(), None, "the exit code of a running center")
            return self.get("/readyz")[0] == 200

        wait_until(is_ready, f"center {self.place} is ready", LIMIT_S)

    def deliveries(self) -> int:
        found = re.search(r"^tapline_ingest_deliveries_total (\d+)$", self.get("/metrics")[1], re.MULTILINE)
        return int(found[1]) if found else 0

    def kill(self):
        self.process.kill()
        equal(self.process.wait(LIMIT_S), -signal.SIGKILL)

    def stop(self):
        self.process.terminate()
        equal(self.process.wait(LIMIT_S), 0, "exit code after SIGTERM")

    def log(self) -> list:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def logged(self, message: str, text="") -> list:
        """Returns the log lines since the last start with that message, and with that text anywhere in the line."""
        return [line for line in self.log()[self.log_from :] if line["message"] == message and text in json.dumps(line)]


class Fleet:
    """A `tapline-fleet run` process: scanners with journals and publishers, which tap until the fleet is stopped."""

    def __init__(self, cluster, scanners: int, rate: int):
        self.cluster, self.scanners = cluster, scanners
        self.folder = cluster.folder / "fleet"
        self.log_path = cluster.folder / "fleet.log"
        self.process = self.run("--scans", 3_600 * rate, "--rate", rate)

    def run(self, *more) -> subprocess.Popen:
        command = [BIN / "tapline-fleet", "run", "--data", self.folder, "--timeout", 600, "--attendees", 5_000]
        command += ["--scanners", self.scanners, *more]
        for url in self.cluster.amqp_urls:
            command += ["--amqp-url", url]
        return subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log_path.open("ab")
        )

    def end(self):
        """Stops the taps, then runs the fleet until all scans in the journals are confirmed."""
        equal(self.process.poll(), None, "the exit code of a running fleet")
        self.process.terminate()
        self.process.communicate(timeout=LIMIT_S)
        self.process = self.run("--scans", 0)
        output, _ = self.process.communicate(timeout=700)
        equal(self.process.returncode, 0, f"exit code of the fleet: {output}{tail(self.log_path)}")
        equal(self.backlog(), 0, "unconfirmed scans")

    def databases(self, name: str):
        for path in sorted(self.folder.glob(f"*/{name}")):
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
            yield database
            database.close()

    def journaled(self) -> dict:
        """Returns the scans in the scanners' journals by (journal ID, seq)."""
        scans = {}
        for database in self.databases("journal.sqlite"):
            journals = {
                number: uuid.UUID(bytes=log) for number, log in database.execute("SELECT id, log FROM journals")
            }
            for number, *columns in database.execute("SELECT id, at, tag, verdict, flags FROM scans"):
                scans[journals[number >> 32], number & 0xFFFFFFFF] = tuple(columns)
        return scans

    def confirmed(self) -> int:
        return self._sum("shipped.sqlite", "SELECT coalesce(sum(last), 0) FROM shipped")

    def backlog(self) -> int:
        """Returns the number of journaled scans that no broker has confirmed."""
        tapped = self._sum("journal.sqlite", "SELECT count(*) FROM scans")
        return tapped - self.confirmed()

    def _sum(self, name: str, query: str) -> int:
        return sum(database.execute(query).fetchone()[0] for database in self.databases(name))


def tail(path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else ""


class ClusterFixture:
    """A separate vhost and a separate database for one test, and the processes of the test."""

    def __init__(self, servers):
        self.servers = servers
        self.name = "c-" + uuid.uuid4().hex[:10]
        self.centers, self.fleets, self.watch, self.balances = [], [], None, []

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tapline-cluster-test-"))
        self.servers.do("vhost", self.name)
        self.servers.do("psql", "-qc", f'CREATE DATABASE "{self.name}"')
        subprocess.run(
            [BIN / "tapline-center", "migrate", "--database-url", self.database_url],
            check=True,
            capture_output=True,
        )
        return self

    def print_logs(self):
        for path in sorted(self.folder.glob("*.log")):
            print(f"-- {path.name}\n{tail(path)}", flush=True)

    def __exit__(self, *_):
        if self.watch:
            self.watch.end()
        for center in self.centers:
            center.process.kill()
            center.process.wait()
        for fleet in self.fleets:
            fleet.process.kill()
            fleet.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.servers.rabbit("delete_vhost", self.name)
        except AssertionError:
            pass  # a failed test may have left the node stopped

    @property
    def database_url(self) -> str:
        return urllib.parse.urlsplit(self.servers.database_url)._replace(path="/" + self.name).geturl()

    @property
    def amqp_urls(self) -> list:
        return [urllib.parse.urlsplit(url)._replace(path="/" + self.name).geturl() for url in self.servers.amqp_urls]

    def center(self, place="1/1", *more, **settings) -> Center:
        center = Center(self, place, *more, **settings)
        self.centers.append(center)
        return center

    def flow(self, scanners=24, rate=1_500) -> Fleet:
        """Enrols scanners, starts their taps, and waits until scans of each are stored."""
        self.sql(
            "INSERT INTO tapline.scanners (id, enabled) "
            f"SELECT 'fleet-' || lpad(n::text, 4, '0'), true FROM generate_series(1, {scanners}) n"
        )
        fleet = Fleet(self, scanners, rate)
        self.fleets.append(fleet)
        self.watch = Watch(self.database_url)
        wait_until(lambda: self.watch.journals() == scanners, "scans of every scanner are stored", LIMIT_S)
        return fleet

    def sql(self, statement: str) -> list:
        connection = psycopg2.connect(self.database_url, connect_timeout=10)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def one(self, statement: str):
        return self.sql(statement)[0][0]

    def queues(self, *columns: str, node=1) -> list:
        """Returns columns of `rabbitmqctl list_queues` for the queue of each shard."""
        output = self.servers.rabbit("list_queues", "-p", self.name, "--formatter", "json", "name", *columns, node=node)
        return [queue for queue in json.loads(output) if queue["name"].startswith("tapline.scans.")]

    def consumers(self, node=1) -> dict:
        """Returns the tags of the consumers of each queue, including standby consumers."""
        output = self.servers.rabbit("list_consumers", "-p", self.name, "--formatter", "json", node=node)
        found = {}
        for consumer in json.loads(output):
            found.setdefault(consumer["queue_name"], []).append(consumer["consumer_tag"])
        return found

    def await_flow(self, fleet: Fleet, since: float):
        """Waits until scans of every scanner of the fleet were stored after that time."""
        wait_equal(lambda: self.watch.grown_since(since), fleet.scanners, "scanners with newly stored scans", LIMIT_S)

    def finish(self, fleet: Fleet, faults: list):
        """Ends the fleet, then compares the journals with the database."""
        fleet.end()
        self.check(fleet, faults)

    def check(self, fleet: Fleet, faults: list):
        """Asserts that every journaled scan is stored once. `faults` are the times of the faults of the test."""
        journaled, confirmed = fleet.journaled(), fleet.confirmed()
        wait_until(
            lambda: self.one("SELECT count(*) FROM tapline.scans") >= confirmed,
            "all confirmed scans are stored",
            LIMIT_S,
        )
        rows = self.sql(
            "SELECT j.log::uuid, s.seq, (extract(epoch FROM s.scanned_at) * 1000)::bigint, s.tag_id, s.verdict, s.flags "
            "FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id"
        )
        stored = {(uuid.UUID(log), seq): tuple(columns) for log, seq, *columns in rows}
        lost, duplicated = len(journaled.keys() - stored.keys()), len(rows) - len(stored)
        recovered = max((self.watch.longest_pause(since) for since in faults), default=0)
        self.balances.append(
            f"delivered {confirmed}, stored {len(stored)}, lost {lost}, duplicated {duplicated}, "
            f"recovered in {recovered:.1f} s"
        )
        equal((lost, duplicated, confirmed), (0, 0, len(journaled)), "lost, duplicated and delivered scans")
        equal(stored, journaled, "the stored scans")
        wait_equal(
            lambda: sum(queue["messages"] for queue in self.queues("messages")), 0, "messages in the queues", LIMIT_S
        )
        equal(self.sql("SELECT * FROM tapline.ingest_balance WHERE NOT balanced"), [])
        equal(self.sql("SELECT * FROM tapline.seq_gaps"), [])
        equal(self.one("SELECT count(*) FROM tapline.quarantine"), 0, "batches in quarantine")
        equal(self.one("SELECT sum(conflicts) FROM tapline.journals"), 0, "conflicts")
        for center in self.centers:
            equal(self.servers.password in center.log_path.read_text(), False, "the log contains a password")
