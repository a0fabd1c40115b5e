"""A fleet that downloads the snapshot, for `scripts/bench download`: what travels, without the scanners' own work on it.

usage: bench-fetch.py URL SCANNERS SECONDS

So many scanners, whose first looks are spread over so many seconds (0: all in the same instant), each on a connection of its
own: manifest, signature, the packed file, whose size and SHA-256 must be the manifest's, and the manifest once more, which must
not have changed. Prints seconds from the first connection to the last answer, requests, megabytes, errors.
"""

import asyncio
import hashlib
import json
import sys
import time
import urllib.parse


class Fleet:
    def __init__(self, url: str):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port
        self.requests = self.bytes = 0
        self.errors: list[str] = []

    async def get(self, stream, name: str, etag: str = ""):
        """Status, ETag and body."""
        reader, writer = stream
        condition = f"If-None-Match: {etag}\r\n" if etag else ""
        writer.write(f"GET /snapshot/{name} HTTP/1.1\r\nHost: center\r\n{condition}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests += 1
        self.bytes += len(head) + len(body)
        return int(status.split()[1]), headers.get("etag", ""), body

    async def scanner(self):
        try:
            stream = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
            status, etag, body = await self.get(stream, "manifest.json")
            assert status == 200, status
            assert (await self.get(stream, "manifest.json.minisig"))[0] == 200
            packed = json.loads(body)["compressed"]
            status, _, body = await self.get(stream, packed["file"])
            assert status == 200 and len(body) == packed["size"], (status, len(body))
            assert hashlib.sha256(body).hexdigest() == packed["sha256"], "the file is another"
            assert (await self.get(stream, "manifest.json", etag))[0] == 304
            stream[1].close()
        except (OSError, AssertionError, asyncio.IncompleteReadError) as error:
            self.errors.append(repr(error))


async def main(url: str, scanners: int, seconds: float):
    fleet = Fleet(url)
    started = time.monotonic()
    looks = set()
    for number in range(scanners):
        pause = started + seconds * number / scanners - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        looks.add(asyncio.create_task(fleet.scanner()))
    await asyncio.gather(*looks)
    took = time.monotonic() - started
    print(f"{took:.2f} {fleet.requests} {fleet.bytes / 1e6:.1f} {len(fleet.errors)}")
    if fleet.errors:
        print(fleet.errors[0], file=sys.stderr)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
