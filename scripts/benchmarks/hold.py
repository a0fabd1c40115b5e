"""Holds the queues of the center, so that a benchmark can start its clock when the center is connected and ready.

usage: hold.py AMQP-URL QUEUES

The queues have a single active consumer: the first one that subscribes. This program subscribes to all of them, takes
at most one message of each without acknowledging it, and prints "held". A center that starts now connects and
subscribes, but it gets no message. A line on standard input ends the connection: the broker requeues the messages and
activates the center's subscriptions.
"""

import asyncio
import sys

import aio_pika
import uvloop


async def main(url, queues):
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=1)

    async def keep(_message):
        pass

    for number in range(queues):
        queue = await channel.get_queue(f"tapline.scans.{number}", ensure=False)
        await queue.consume(keep)
    print("held", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await connection.close()


uvloop.run(main(sys.argv[1], int(sys.argv[2])))
