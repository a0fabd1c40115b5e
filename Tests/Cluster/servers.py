"""Three RabbitMQ nodes that are one cluster, and a PostgreSQL that may get a standby."""

import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODES = (1, 2, 3)


class Servers:
    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tapline-cluster-"))
        self.folder.chmod(0o755)  # for the database's user
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
        """`scripts/servers COMMAND DIR ARGUMENT...`; gives its output."""
        done = subprocess.run(
            [ROOT / "scripts/servers", command, self.folder, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            env={**os.environ, "NODE": str(node)},
        )
        if done.returncode != 0:
            raise AssertionError(f"servers {command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def rabbit(self, *words, node=1) -> str:
        return self.do("rabbitmqctl", "-q", *words, node=node)

    def read_environment(self):
        words = [shlex.split(line)[1] for line in (self.folder / "env").read_text().splitlines()]
        values = dict(word.split("=", 1) for word in words)
        self.amqp_urls = values["TAPLINE_TEST_AMQP_URLS"].split()
        self.database_url = values["TAPLINE_TEST_DATABASE_URL"]
        self.password = urllib.parse.urlsplit(self.amqp_urls[0]).password

    def give_standby(self):
        self.do("standby")
        self.read_environment()

    def heal(self):
        """After a failed test the next ones still find servers."""
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
