"""Messages by which one scanner's user attacks the center: they must not stop it, fill its memory, or slow it down."""

import re

import http_client
from harness import Center
from hostile_properties import RawProperties, nested_arrays, nested_tables, number
from waiting import equal, wait_equal, wait_until

# A frame of 131,072 bytes without its head, the fields before the table, and the other properties.
LARGEST_TABLE = 130_900


def publish(system, batch, table: bytes):
    client = system.relay
    client.channel.basic_publish(
        "tapline.scans", "scan." + batch.scanner, batch.encode(), RawProperties(table, client.user), mandatory=True
    )


def metric(system, name: str) -> int:
    text = http_client.get(system, "/metrics").body.decode()
    return int(re.search(rf"^{name} (\d+)$", text, re.MULTILINE)[1])


def peak_memory_mib(center: Center) -> int:
    """Returns the largest memory of the center so far."""
    with open(f"/proc/{center.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)[1]) // 1024


def dead_letters(system) -> int:
    """Removes the messages of the observer's dead-letter queue, and returns their number.

    The messages are not read: pika decodes nested headers by recursion, and fails.
    """
    return system.observer.channel.queue_purge(system.dead).method.message_count


def test_deeply_nested_headers_do_not_stop_the_center(system):
    """The batches are stored as if they had no headers. A client library that refuses to decode them dead-letters them."""
    process = system.center.process
    tables = [nested_arrays(100_000), nested_arrays(LARGEST_TABLE), nested_tables(LARGEST_TABLE)]
    batches = [system.batch(3) for _ in tables]
    for batch, table in zip(batches, tables):
        publish(system, batch, table)
    found = {"dead": 0}

    def settled() -> bool:
        found["dead"] += dead_letters(system)
        return sum(bool(system.journal(batch)) for batch in batches) + found["dead"] == len(batches)

    wait_until(settled, "each batch is stored or dead-lettered")
    honest = system.batch(3)
    system.publish(honest)
    system.await_counters(honest, 3, 3)
    equal(process.poll(), None, "exit code of the running center")
    for batch in batches:
        if system.journal(batch):
            system.check_stored(batch)


def test_large_waiting_messages_do_not_fill_the_memory(system):
    """384 MiB wait in all queues when the center starts. It keeps only the beginnings, and quarantines all.

    The first queue delivers while the center subscribes to the next one.
    """
    system.stop_center()
    scanners = [system.scanner() for _ in range(8)]
    bodies = [bytes([n]) * (16 << 20) for n in range(1, 4)]
    try:
        for scanner in scanners:
            for body in bodies:
                system.relay.publish("scan." + scanner, body)
        honest = system.batch(3)
        system.publish(honest)
    finally:
        system.start_center()
    system.await_counters(honest, 3, 3)
    wait_equal(
        lambda: system.sql(
            "SELECT reason, size, octet_length(body) AS kept, count(*) AS rows FROM tapline.quarantine "
            "WHERE scanner_id = ANY (%s) GROUP BY 1, 2, 3",
            scanners,
        ),
        [{"reason": "oversized", "size": 16 << 20, "kept": 64 << 10, "rows": len(scanners) * len(bodies)}],
        "the quarantine",
    )
    peak = peak_memory_mib(system.center)
    assert peak < 150, f"the center took {peak} MiB"


def test_forged_delivery_count_does_not_separate_batches(system):
    """A batch that may have crashed the center is stored alone. A publisher cannot make the center believe that."""
    system.stop_center()
    batch = system.batch(600)
    parts = [batch.part(n, n + 1) for n in range(600)]
    try:
        for part in parts:
            publish(system, part, number("x-delivery-count", 1_000))
    finally:
        system.start_center()
    system.await_counters(batch, 600, 600)
    groups = metric(system, "tapline_ingest_group_scans_count")
    assert groups < 200, f"600 batches took {groups} transactions"
