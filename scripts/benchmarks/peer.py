"""A well-written Python consumer, which `scripts/bench ingest` compares the center with.

usage: peer.py topology AMQP-URL
       peer.py rows|batches AMQP-URL DATABASE-URL SCANS [PROCESSES]

It uses aio-pika on uvloop. Batches of 500 scans are columns in JSON, parsed by orjson. It stores each scan exactly
once, into the tables of floor.sql. One acknowledgement after the commit covers many deliveries. There is no tracking, no
counting and no validation.

`rows` stores a row per scan. asyncpg's binary COPY writes to a temporary table, and ON CONFLICT DO NOTHING copies the
rows to a table with the indexes that the center kept when it stored rows.

`batches` stores a row per batch, with the device times and the tags as arrays. ON CONFLICT DO NOTHING leaves out a
batch whose journal and first seq are stored already.

`rows` and `batches` print "ready" when everything is connected, start on a line from standard input, print "done" when
SCANS scans are committed and acknowledged, and end on the next line.
"""

import asyncio
import datetime
import itertools
import multiprocessing
import sys
import time
import uuid

import aio_pika
import asyncpg
import orjson
import uvloop

EXCHANGE = "peer.scans"
QUEUES = 4
# Found by experiment: smaller groups commit more often, larger groups wait longer for the database.
GROUP = 40
PREFETCH = 4 * GROUP
WORKERS = 2
COLUMNS = ("journal_id", "seq", "tag_id", "micros", "verdict", "flags", "gate_id", "snapshot_version")
STORE_ROWS = """
    INSERT INTO floor.scans (journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at)
    SELECT journal_id, seq, tag_id, timestamptz 'epoch' + micros * interval '1 microsecond', verdict, flags, gate_id,
        snapshot_version, $1
    FROM staging ON CONFLICT DO NOTHING"""
STORE_BATCH = """
    INSERT INTO floor.batches (journal_id, first_seq, base, gate_id, snapshot_version, verdicts, flags, at_ms, tags)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"""


async def topology(url):
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    exchange = await channel.declare_exchange(EXCHANGE, "x-consistent-hash", durable=True)
    for number in range(QUEUES):
        queue = await channel.declare_queue(f"peer.scans.{number}", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, routing_key="1")
    await connection.close()


class Worker:
    """A channel and a database connection. While one worker parses and copies, another one commits."""

    def __init__(self, done, journals):
        self.done, self.journals, self.inbox = done, journals, asyncio.Queue()

    async def connect(self, connection, database_url):
        self.channel = await connection.channel()
        await self.channel.set_qos(prefetch_count=PREFETCH)
        self.database = await asyncpg.connect(database_url, server_settings={"application_name": "peer"})
        await self.prepare()

    async def run(self):
        for number in range(QUEUES):
            queue = await self.channel.get_queue(f"peer.scans.{number}", ensure=False)
            await queue.consume(self.inbox.put)
        while True:
            messages = [await self.inbox.get()]
            while len(messages) < GROUP and not self.inbox.empty():
                messages.append(self.inbox.get_nowait())
            batches = [orjson.loads(message.body) for message in messages]
            for batch in batches:
                await self.journal(batch)
            await self.store(batches)
            await messages[-1].ack(multiple=True)
            with self.done.get_lock():
                self.done.value += sum(len(batch["tag"]) for batch in batches)

    async def journal(self, batch):
        key = batch["log"], batch["scanner"]
        if key not in self.journals:
            self.journals[key] = await self.database.fetchval(
                """
                INSERT INTO floor.journals (log, scanner_id) VALUES ($1, $2)
                ON CONFLICT (scanner_id, log) DO UPDATE SET log = excluded.log RETURNING id""",
                uuid.UUID(key[0]),
                key[1],
            )


class RowWorker(Worker):
    async def prepare(self):
        await self.database.execute("""
            CREATE TEMP TABLE staging (journal_id bigint, seq bigint, tag_id bigint, micros bigint, verdict smallint,
                flags smallint, gate_id bigint, snapshot_version bigint) ON COMMIT DELETE ROWS""")
        self.statement = await self.database.prepare(STORE_ROWS)

    async def store(self, batches):
        async with self.database.transaction():
            await self.database.copy_records_to_table(
                "staging", records=itertools.chain.from_iterable(map(self.rows, batches)), columns=COLUMNS
            )
            await self.statement.fetch(datetime.datetime.now(datetime.timezone.utc))

    def rows(self, batch):
        first, base, tags = batch["first"], batch["base"], batch["tag"]
        return zip(
            itertools.repeat(self.journals[batch["log"], batch["scanner"]]),
            range(first, first + len(tags)),
            tags,
            [base + at * 1000 for at in batch["at"]],
            batch["verdict"],
            batch["flags"],
            itertools.repeat(batch["gate"]),
            itertools.repeat(batch["snapshot"]),
        )


class BatchWorker(Worker):
    async def prepare(self):
        self.statement = await self.database.prepare(STORE_BATCH)

    async def store(self, batches):
        # One round trip and one transaction for all of them.
        await self.statement.executemany(map(self.row, batches))

    def row(self, batch):
        return (
            self.journals[batch["log"], batch["scanner"]],
            batch["first"],
            batch["base"],
            batch["gate"],
            batch["snapshot"],
            bytes(batch["verdict"]),
            bytes(batch["flags"]),
            batch["at"],
            batch["tag"],
        )


VARIANTS = {"rows": RowWorker, "batches": BatchWorker}


def process(variant, amqp_url, database_url, done, barrier):
    async def main():
        connection = await aio_pika.connect(amqp_url)
        journals = {}
        workers = [VARIANTS[variant](done, journals) for _ in range(WORKERS)]
        for worker in workers:
            await worker.connect(connection, database_url)
        barrier.wait()
        barrier.wait()
        await asyncio.gather(*(worker.run() for worker in workers))

    uvloop.run(main())


def drain(variant, amqp_url, database_url, scans, processes):
    done = multiprocessing.Value("q", 0)
    barrier = multiprocessing.Barrier(processes + 1)
    workers = [
        multiprocessing.Process(target=process, args=(variant, amqp_url, database_url, done, barrier), daemon=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    barrier.wait(30)
    print("ready", flush=True)
    sys.stdin.readline()
    barrier.wait(30)
    while done.value < scans:
        if not all(worker.is_alive() for worker in workers):
            sys.exit("a process of the peer ended")
        time.sleep(0.005)
    print("done", flush=True)
    sys.stdin.readline()
    for worker in workers:
        worker.terminate()
        worker.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["topology"] and len(sys.argv) == 3:
        uvloop.run(topology(sys.argv[2]))
    elif sys.argv[1:2] in (["rows"], ["batches"]) and len(sys.argv) in (5, 6):
        drain(*sys.argv[1:4], int(sys.argv[4]), int((sys.argv[5:] or ["2"])[0]))
    else:
        sys.exit(__doc__)
