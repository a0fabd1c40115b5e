"""Viewers of the wall: event streams that read all states, in one process.

usage: wall.py HOST:PORT COUNT

Prints "ready" when each stream has received its first state. After each line on standard input it prints the number of
states and of bytes that all streams have received so far. It ends with its standard input.
"""

import asyncio
import sys

REQUEST = b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
MARK = b"event: state"


class Viewer(asyncio.Protocol):
    states = octets = waiting = lost = 0
    ready: asyncio.Event

    def connection_made(self, transport):
        self.is_new, self.rest = True, b""
        transport.write(REQUEST)

    def data_received(self, data):
        Viewer.octets += len(data)
        # The mark may be cut by the end of a piece.
        text = self.rest + data
        found = text.count(MARK)
        self.rest = text[-len(MARK) + 1 :]
        Viewer.states += found
        if found and self.is_new:
            self.is_new = False
            Viewer.waiting -= 1
            if Viewer.waiting == 0:
                Viewer.ready.set()

    def connection_lost(self, _error):
        Viewer.lost += 1


async def main(address, count):
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    Viewer.ready, Viewer.waiting = asyncio.Event(), count
    for _ in range(count):
        await loop.create_connection(Viewer, host, int(port))
    if count:
        await asyncio.wait_for(Viewer.ready.wait(), 60)
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        if Viewer.lost:
            sys.exit(f"{Viewer.lost} streams have ended")
        print(Viewer.states, Viewer.octets, flush=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
