"""A cluster of three RabbitMQ nodes, and a PostgreSQL that can get a standby."""

import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODES = (1, 2, 3)
# Longer than the limits within scripts/servers.
COMMAND_LIMIT_S = 600


class Servers:
    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tapline-cluster-"))
        self.folder.chmod(0o755)  # the database user must be able to enter
        try:
            self.do("cluster")
            self.read_environment()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.do("stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def do(self, command: str, *arguments, node=1) -> str:
        """Runs `scripts/servers COMMAND DIR ARGUMENT...` and returns its output."""
        done = subprocess.run(
            [ROOT / "scripts/servers", command, self.folder, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=COMMAND_LIMIT_S,
            env={**os.environ, "NODE": str(node)},
        )
        if done.returncode != 0:
            raise AssertionError(f"servers {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def rabbit(self, *words, node=1) -> str:
        return self.do("rabbitmqctl", "-q", *words, node=node)

    def read_environment(self):
        words = [shlex.split(line)[1] for line in (self.folder / "env").read_text().splitlines()]
        values = dict(word.split("=", 1) for word in words)
        self.amqp_urls = values["TAPLINE_TEST_AMQP_URLS"].split()
        self.database_url = values["TAPLINE_TEST_DATABASE_URL"]
        self.password = urllib.parse.urlsplit(self.amqp_urls[0]).password

    def add_standby(self):
        self.do("standby")
        self.read_environment()

    def repair(self):
        """Restarts servers that a failed test left stopped, so that the next tests can run."""
        for node in NODES:
            try:
                self.rabbit("await_startup", "--timeout", 1, node=node)
            except AssertionError:
                try:
                    self.do("start-node", node)
                except AssertionError as error:
                    print(error)
        try:
            self.do("psql", "-c", "SELECT 1")
        except AssertionError:
            self.do("restart-database")
