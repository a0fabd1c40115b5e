"""The system under test: the real center with a separate vhost and a separate database, and AMQP clients."""

import itertools
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse
import uuid

import pika
import psycopg2

import http_client
from records import Records
from waiting import LIMIT_S, equal, wait_until

# Broker users: one that the center accepts for every scanner, and one that it does not know.
RELAY, UNAUTHORIZED = "py-relay", "py-unauthorized"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Client:
    """A connection to the broker with publisher confirms. Reopens the channel after the broker has closed it."""

    def __init__(self, url: str):
        self.parameters = pika.URLParameters(url)
        self.parameters.heartbeat = 0
        self.user = self.parameters.credentials.username
        self.connection = None

    @property
    def channel(self):
        if self.connection is None or self.connection.is_closed:
            self.connection = pika.BlockingConnection(self.parameters)
            self._channel = None
        if self._channel is None or self._channel.is_closed:
            self._channel = self.connection.channel()
            self._channel.confirm_delivery()
        return self._channel

    def publish(self, routing_key, body: bytes, user_id="own"):
        properties = pika.BasicProperties(
            delivery_mode=2,
            content_type="application/cbor",
            type="tapline.scans.v1",
            user_id=self.user if user_id == "own" else user_id,
        )
        self.channel.basic_publish("tapline.scans", routing_key, body, properties, mandatory=True)

    def close(self):
        if self.connection is not None and self.connection.is_open:
            self.connection.close()


class Center:
    """A running `tapline-center run`; the initializer returns when it is ready."""

    def __init__(self, system, name: str):
        self.system, self.port = system, free_port()
        self.process = subprocess.Popen(
            [
                system.bin / "tapline-center",
                "run",
                "--amqp-url",
                system.url_of("center"),
                "--database-url",
                system.database_url,
                "--http",
                f"127.0.0.1:{self.port}",
                "--snapshots",
                system.snapshots,
                "--relay-user",
                system.user(RELAY),
                *map(str, system.center_options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=system.log_path.open("ab"),
        )
        try:
            wait_until(self.is_ready, f"the {name} center is ready")
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(
                f"the center ended with exit code {self.process.returncode}:\n{self.system.center_log()}"
            )
        try:
            return http_client.get(self.system, "/readyz", port=self.port).status == 200
        except OSError:
            return False

    def stop(self, number) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)


class SystemUnderTest(Records):
    # More options of `tapline-center run`.
    center_options = ()

    def __init__(self, environment):
        self.environment = environment
        self.bin = pathlib.Path(environment["TAPLINE_BIN"])
        self.servers = environment["TAPLINE_SERVERS_DIR"]
        self.name = "py-" + uuid.uuid4().hex[:10]
        self.numbers = itertools.count(1)
        self.center = None
        self.clients = {}

    # Set-up and tear-down

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tapline-python-"))
        try:
            self._set_up()
            return self
        except BaseException:
            self.__exit__()
            raise

    def _set_up(self):
        subprocess.run([ROOT / "scripts/servers", "vhost", self.servers, self.name], check=True)
        admin = urllib.parse.urlsplit(self.environment["TAPLINE_TEST_AMQP_URL"])
        self.amqp_url = admin._replace(path="/" + self.name).geturl()
        self.database_admin = self.environment["TAPLINE_TEST_DATABASE_URL"]
        database = urllib.parse.urlsplit(self.database_admin)
        self.database_url = database._replace(path="/" + self.name).geturl()
        self._administer(f'CREATE DATABASE "{self.name}"')
        self.snapshots = self.folder / "snapshots"
        self.snapshots.mkdir()
        self.log_path = self.folder / "center.log"
        self.add_users(RELAY, UNAUTHORIZED, "center")
        self.relay, self.unauthorized = self.client(RELAY), self.client(UNAUTHORIZED)
        self._create_database()
        self.start_center()
        # Receives the dead letters; the broker deletes the queue when this connection closes.
        self.observer = Client(self.amqp_url)
        self.dead = self.observer.channel.queue_declare("", exclusive=True).method.queue
        self.observer.channel.queue_bind(self.dead, "tapline.dead", "#")

    def _create_database(self):
        """Creates the signing key and the database with an event."""
        self.run("tapline-snapshot", "keygen", "--out", self.folder / "event")
        self.tapline_center("migrate")
        self.open_database(self.database_url)
        self.sql("INSERT INTO tapline.event (name, time_zone, day_start) VALUES ('Python Days', 'Etc/UTC', '00:00')")

    def __exit__(self, *_):
        self.stop_center(signal.SIGKILL)
        for client in [*self.clients.values(), getattr(self, "observer", None)]:
            try:
                if client:
                    client.close()
            except Exception:
                pass
        if getattr(self, "db", None):
            self.db.close()
        self._administer(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        names = ", ".join(f'<<"{name}">>' for name in self.clients)
        self.rabbit(
            f'rabbit_vhost:delete(<<"{self.name}">>, <<"tests">>), '
            f'[rabbit_auth_backend_internal:delete_user(U, <<"tests">>) || U <- [{names}]], ok.'
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    def _administer(self, statement: str):
        connection = psycopg2.connect(self.database_admin)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def rabbit(self, expression: str):
        subprocess.run(
            [ROOT / "scripts/servers", "evaluate", self.servers, expression],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def add_users(self, *names: str):
        """Adds broker users with the password `secret`. Their names contain the vhost, so that parallel runs do not clash."""
        listed = ", ".join(f'<<"{name}">>' for name in map(self.user, names))
        self.rabbit(
            f'[begin rabbit_auth_backend_internal:add_user(U, <<"secret">>, <<"tests">>), '
            f'rabbit_auth_backend_internal:set_permissions(U, <<"{self.name}">>, <<".*">>, <<".*">>, '
            f'<<".*">>, <<"tests">>) end || U <- [{listed}]], ok.'
        )
        for name in names:
            self.clients[self.user(name)] = Client(self.url_of(name))

    def user(self, name: str) -> str:
        return f"{name}-{self.name}"

    def url_of(self, name: str) -> str:
        parts = urllib.parse.urlsplit(self.amqp_url)
        return parts._replace(netloc=f"{self.user(name)}:secret@{parts.hostname}:{parts.port}").geturl()

    def client(self, name: str) -> Client:
        return self.clients[self.user(name)]

    # Programs

    def run(self, program, *arguments, code=0, **more) -> subprocess.CompletedProcess:
        result = subprocess.run(
            [self.bin / program, *map(str, arguments)], capture_output=True, text=True, timeout=5 * LIMIT_S, **more
        )
        if code is None:
            return result
        equal(result.returncode, code, f"{program} {' '.join(map(str, arguments))}: {result.stdout}{result.stderr}")
        return result

    def tapline_center(self, *arguments, code=0, **more):
        environment = {
            **self.environment,
            "TAPLINE_DATABASE_URL": self.database_url,
            "TAPLINE_RELAY_USER": self.user(RELAY),
        }
        return self.run("tapline-center", *arguments, code=code, env=environment, **more)

    def export(self, folder, key="event.key"):
        settings = ("--database-url", self.database_url, "--out", folder, "--signing-key", self.folder / key)
        return self.run("tapline-snapshot", "export", *settings)

    def start_center(self):
        self.center = Center(self, "first")
        self.http_port = self.center.port

    def is_ready(self) -> bool:
        return self.center.is_ready()

    def stop_center(self, number=signal.SIGTERM):
        """Stops the center with a signal and returns its exit code."""
        center, self.center = self.center, None
        return center.stop(number) if center else None

    def recover(self):
        """Restarts a center that has ended, so that the tests after a failed one can run."""
        if self.center is None or self.center.process.poll() is not None:
            self.start_center()

    def logs(self) -> list:
        """Returns the title and the text of each log."""
        return [("log of the center", self.center_log())]

    def center_log(self) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-30:])

    def ready_messages(self) -> dict:
        """Waits until no queue has a consumer, and returns the number of ready messages per queue. The broker then counts
        unacknowledged messages as ready again.
        """
        names = [f"tapline.scans.{number}" for number in range(4)]

        def queues() -> list:
            return [self.observer.channel.queue_declare(name, passive=True).method for name in names]

        wait_until(lambda: not any(queue.consumer_count for queue in queues()), "no queue has a consumer")
        return dict(zip(names, (queue.message_count for queue in queues())))

    def close_connections(self, name: str):
        subprocess.run(
            [
                ROOT / "scripts/servers",
                "rabbitmqctl",
                self.servers,
                "-q",
                "close_all_user_connections",
                self.user(name),
                "a test",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
