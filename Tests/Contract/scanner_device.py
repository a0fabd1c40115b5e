"""A scanner with the real `tapline-gate` and `tapline-publisher` and a separate data folder."""

import hashlib
import hmac
import json
import subprocess
import time

from harness import Client

KEY = bytes(range(1, 33))


def tag_of(identity: bytes, key: bytes = KEY) -> int:
    return int.from_bytes(hmac.new(key, identity, hashlib.sha256).digest()[:8], "big", signed=True)


def rfc3339(us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + f".{us // 1_000 % 1_000:03}Z"


def write_key(path, key: bytes = KEY):
    """Writes an event key. The programs refuse a file that other users can read."""
    path.touch(mode=0o600)
    path.write_bytes(key)


def flags(**values) -> list:
    return [word for name, value in values.items() for word in ("--" + name.replace("_", "-"), value)]


class ScannerDevice:
    """A registered scanner with a gate, a zone, imported attendees, a data folder, and a queue with its messages."""

    def __init__(self, system, name: str, people: int):
        self.system = system
        system.add_users(name)
        self.name, self.url = system.user(name), system.url_of(name)
        self.data = system.folder / name
        self.data.mkdir()
        self.key = system.folder / "event-key"
        write_key(self.key)
        self.zone = f"Zone of {name}"
        system.tapline_center("scanner", "add", self.name, "--gate", f"Gate of {name}", "--zone", self.zone)
        self.uids = [hashlib.sha256(f"{name} {i}".encode()).digest()[:7] for i in range(people)]
        rows = ["uid,name,category,zones,external_ref"]
        rows += [f"{uid.hex()},Person {i},vip,{self.zone},{name}-{i}" for i, uid in enumerate(self.uids)]
        table = system.folder / f"{name}.csv"
        table.write_text("\n".join(rows) + "\n")
        system.tapline_center("import", "--event-key-file", self.key, table)
        self.broker = Client(system.amqp_url)
        self.queue = self.broker.channel.queue_declare("", exclusive=True).method.queue
        self.broker.channel.queue_bind(self.queue, "tapline.scans", f"scan.{self.name}")

    def receive(self) -> list:
        """Returns the messages since the last call, each as (method, properties, body)."""
        result = []
        while True:
            method, properties, body = self.broker.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return result
            result.append((method, properties, body))

    def fetch(self):
        """Exports a snapshot of the registry and downloads it from the center."""
        self.system.export(self.system.snapshots)
        return self.install(center_url=f"http://127.0.0.1:{self.system.http_port}")

    def install(self, code=0, **source):
        trust = {"trust_key": self.system.folder / "event.pub", **source}
        return self.system.run("tapline-publisher", "fetch", *self.flags(**trust), code=code)

    def tap(self, lines) -> list:
        settings = self.flags(event_key_file=self.key, reader="stdin", turnstile="none", output="json")
        result = self.system.run("tapline-gate", "run", *settings, input="".join(line + "\n" for line in lines))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def publisher(self) -> subprocess.Popen:
        settings = self.flags(
            amqp_url=self.url,
            center_url=f"http://127.0.0.1:{self.system.http_port}",
            trust_key=self.system.folder / "event.pub",
        )
        return subprocess.Popen(
            [self.system.bin / "tapline-publisher", "run", *map(str, settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.system.folder / "publisher.log").open("ab"),
        )

    def flags(self, **values) -> list:
        return flags(data=self.data, scanner=self.name, **values)
