"""Counts the bytes of TCP connections, for `scripts/bench wire`.

usage: proxy.py PORT

Prints the port it listens on and forwards every connection to PORT on loopback. At the end of its standard input it
prints the number of bytes that clients sent and received.
"""

import asyncio
import sys

sent = received = 0


async def main(port):
    async def client(reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)

        async def carry(source, target, is_sent):
            global sent, received
            while data := await source.read(65536):
                if is_sent:
                    sent += len(data)
                else:
                    received += len(data)
                target.write(data)
                await target.drain()
            target.close()

        await asyncio.gather(
            carry(reader, other_writer, True), carry(other_reader, writer, False), return_exceptions=True
        )

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(sent, received)


asyncio.run(main(int(sys.argv[1])))
