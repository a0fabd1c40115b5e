"""Measures when scans become visible in tapline.presence, for `scripts/bench freshness` and `storm`.

usage: ... | watch.py DATABASE-URL

Reads lines `<tag> <microseconds since 1970>` from standard input: a tag that occurs once, and the time at which its scan
was published. Queries over one connection, every 5 ms, which of the tags are present, and prints for each
`<published> <microseconds until visible>`. A tag that is missing 30 s after the end of the input is printed as
`<published> lost`. The last line on standard error reports the real intervals between two queries, which is the
resolution of the figures.
"""

import asyncio
import sys
import time

import asyncpg
import uvloop

PAUSE_S = 0.005
LOST_AFTER_S = 30


def now():
    return time.time_ns() // 1000


async def standard_input():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(url):
    database = await asyncpg.connect(url)
    # The table has no statistics and the tags are few: always use the primary key.
    await database.execute("SET enable_seqscan = off")
    question = await database.prepare("SELECT tag_id FROM tapline.presence WHERE tag_id = ANY ($1::bigint[])")
    awaited, pauses, ended = {}, [], asyncio.Event()

    async def listen():
        async for line in await standard_input():
            tag, published = line.split()
            awaited[int(tag)] = int(published)
        ended.set()

    listening = asyncio.create_task(listen())
    answered, deadline = now(), None
    while not (ended.is_set() and not awaited):
        if ended.is_set():
            deadline = deadline or time.monotonic() + LOST_AFTER_S
            if time.monotonic() > deadline:
                break
        await asyncio.sleep(PAUSE_S)
        if not awaited:
            answered = now()
            continue
        rows = await question.fetch(list(awaited))
        pauses.append(now() - answered)
        answered = now()
        for (tag,) in rows:
            published = awaited.pop(tag)
            print(published, answered - published)
    await listening
    for published in awaited.values():
        print(published, "lost")
    pauses.sort()
    if pauses:
        print(
            f"{len(pauses)} queries, every {pauses[len(pauses) // 2] / 1000:.1f} ms, at most "
            f"{pauses[-1] / 1000:.1f} ms apart",
            file=sys.stderr,
        )


uvloop.run(main(sys.argv[1]))
