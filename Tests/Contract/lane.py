"""A lane whose gate has a policy, and a running gate that receives taps and operator commands."""

import json
import os
import select
import signal
import subprocess
import time

from scanner_device import ScannerDevice, rfc3339
from waiting import LIMIT_S, equal, wait_until


class Lane:
    """A scanner whose gate has a policy. Taps carry their time, so that no test waits for a clock."""

    def __init__(self, system, name: str, people: int = 4, **policy):
        self.system, self.device = system, ScannerDevice(system, name, people)
        # Noon of yesterday, in microseconds.
        self.noon = (int(time.time()) // 86_400 * 86_400 + 43_200 - 86_400) * 1_000_000
        if policy:
            self.set_policy(**policy)
        else:
            self.device.fetch()

    def set_policy(self, **policy):
        """Replaces the gate's policy and installs a snapshot with it."""
        self.system.sql(
            "UPDATE tapline.gates SET policy = %s::jsonb WHERE name = %s",
            json.dumps(policy),
            f"Gate of {self.device.name.removesuffix('-' + self.system.name)}",
        )
        self.device.fetch()

    def verdicts(self, *taps) -> list:
        """Runs the gate once and returns the names of the verdicts."""
        return [answer["name"] for answer in self.answers(*taps)]

    def answers(self, *taps) -> list:
        """Runs the gate once. A tap is a person or a UID, `in` or `out`, and the seconds after noon."""
        lines = []
        for person, direction, seconds in taps:
            uid = self.device.uids[person] if isinstance(person, int) else person
            lines.append(f"{uid.hex()},{direction},{rfc3339(self.noon + int(seconds * 1_000_000))}")
        return self.device.tap(lines)

    def run_gate(self, *more, lines=()) -> list:
        """Runs the gate once with additional options, and returns its answers."""
        settings = self.device.flags(event_key_file=self.device.key, reader="stdin", output="json")
        result = self.system.run("tapline-gate", "run", *settings, *more, input="".join(line + "\n" for line in lines))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def flags(self, answer) -> int:
        """Returns the flags of the scan that an answer is about."""
        rows = self.journal_rows(
            "SELECT s.flags FROM scans s JOIN journals j ON s.id >> 32 = j.id "
            f"WHERE lower(hex(j.log)) = '{answer['log'].replace('-', '')}' AND s.id & 4294967295 = {answer['seq']}"
        )
        return rows[0]

    def journal_rows(self, query: str) -> list:
        """Runs a query with one column of integers on the scanner's journal, by the stock sqlite3."""
        command = ["sqlite3", self.device.data / "journal.sqlite", query]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        return [int(word) for word in result.stdout.split()]


class Gate:
    """A running gate with pipes to its reader and its output."""

    def __init__(self, device, *more, reader="stdin", **options):
        self.device, self.pending = device, b""
        settings = device.flags(event_key_file=device.key, reader=reader, output="json", **options)
        self.log = (device.system.folder / f"{device.name}.gate.log").open("ab")
        self.process = subprocess.Popen(
            [device.system.bin / "tapline-gate", "run", *map(str, settings), *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        wait_until(lambda: (device.data / "gate.sock").exists(), "the gate listens on its control socket")

    def tap(self, text: str) -> dict:
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict:
        """Returns the next verdict that the gate prints."""
        deadline = time.monotonic() + LIMIT_S
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the gate printed no verdict within {LIMIT_S} s"
            piece = os.read(self.process.stdout.fileno(), 65_536)
            assert piece, "the gate ended"
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def command(self, *words, code=0):
        """Runs a `tapline-gate` command for this gate."""
        return self.device.system.run("tapline-gate", *words, "--data", self.device.data, code=code)

    def status(self) -> dict:
        return json.loads(self.command("status", "--output", "json", code=None).stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        equal(self.process.wait(LIMIT_S), 0, "exit code of the gate after SIGTERM")
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
