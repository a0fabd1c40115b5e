"""Downloads the snapshot as a fleet of scanners does, for `scripts/bench download`. Installs nothing.

usage: fetch.py URL SCANNERS SECONDS

The first requests of the SCANNERS are spread over SECONDS; 0 means all at the same time. Each scanner has a separate
connection. It requests the manifest, the signature, the compressed file, whose size and SHA-256 must match the
manifest, and the manifest again, which must be unchanged. Prints the seconds from the first connection to the last
answer, the number of requests, megabytes and the number of errors.
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
        """Requests a file below /snapshot/ and returns status, ETag and body."""
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
            assert hashlib.sha256(body).hexdigest() == packed["sha256"], "SHA-256 differs from the manifest"
            assert (await self.get(stream, "manifest.json", etag))[0] == 304
            stream[1].close()
        except (OSError, AssertionError, asyncio.IncompleteReadError) as error:
            self.errors.append(repr(error))


async def main(url: str, scanners: int, seconds: float):
    fleet = Fleet(url)
    started = time.monotonic()
    downloads = set()
    for number in range(scanners):
        pause = started + seconds * number / scanners - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        downloads.add(asyncio.create_task(fleet.scanner()))
    await asyncio.gather(*downloads)
    took = time.monotonic() - started
    print(f"{took:.2f} {fleet.requests} {fleet.bytes / 1e6:.1f} {len(fleet.errors)}")
    if fleet.errors:
        print(fleet.errors[0], file=sys.stderr)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
