"""One scanner of the real line: `tapline-gate` and `tapline-publisher` over a data folder of its own."""

import hashlib
import hmac
import json
import subprocess
import time

from harness import Client

KEY = bytes(range(1, 33))


def tag_of(identity: bytes) -> int:
    return int.from_bytes(hmac.new(KEY, identity, hashlib.sha256).digest()[:8], "big", signed=True)


def rfc3339(us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + f".{us // 1_000 % 1_000:03}Z"


def flags(**values) -> list:
    return [word for name, value in values.items() for word in ("--" + name.replace("_", "-"), value)]


class Line:
    """One scanner with its gate's zone, attendees by import, its data folder, and an own ear at the exchange."""

    def __init__(self, b, name: str, people: int):
        self.b = b
        b.add_users(name)
        self.name, self.url = b.user(name), b.url_of(name)
        self.data = b.folder / name
        self.data.mkdir()
        self.key = b.folder / "event-key"
        self.key.write_bytes(KEY)
        self.zone = f"Zone of {name}"
        b.tapline_center("scanner", "add", self.name, "--gate", f"Gate of {name}", "--zone", self.zone)
        self.uids = [hashlib.sha256(f"{name} {i}".encode()).digest()[:7] for i in range(people)]
        rows = ["uid,name,category,zones,external_ref"]
        rows += [f"{uid.hex()},Person {i},vip,{self.zone},{name}-{i}" for i, uid in enumerate(self.uids)]
        table = b.folder / f"{name}.csv"
        table.write_text("\n".join(rows) + "\n")
        b.tapline_center("import", "--event-key-file", self.key, table)
        self.ear = Client(b.amqp_url)
        self.queue = self.ear.channel.queue_declare("", exclusive=True).method.queue
        self.ear.channel.queue_bind(self.queue, "tapline.scans", f"scan.{self.name}")

    def hear(self) -> list:
        """Every message since the last call: (method, properties, body)."""
        result = []
        while True:
            method, properties, body = self.ear.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return result
            result.append((method, properties, body))

    def fetch(self):
        """A snapshot of what the registry holds now, taken from the center."""
        self.b.export(self.b.snapshots)
        self.install(center_url=f"http://127.0.0.1:{self.b.http_port}")

    def install(self, code=0, **source):
        trust = {"trust_key": self.b.folder / "event.pub", **source}
        return self.b.run("tapline-publisher", "fetch", *self.flags(**trust), code=code)

    def tap(self, lines) -> list:
        settings = self.flags(event_key_file=self.key, reader="stdin", turnstile="none", output="json")
        result = self.b.run("tapline-gate", "run", *settings, input="".join(line + "\n" for line in lines))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def publisher(self) -> subprocess.Popen:
        settings = self.flags(
            amqp_url=self.url,
            center_url=f"http://127.0.0.1:{self.b.http_port}",
            trust_key=self.b.folder / "event.pub",
        )
        return subprocess.Popen(
            [self.b.bin / "tapline-publisher", "run", *map(str, settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.b.folder / "publisher.log").open("ab"),
        )

    def flags(self, **values) -> list:
        return flags(data=self.data, scanner=self.name, **values)
