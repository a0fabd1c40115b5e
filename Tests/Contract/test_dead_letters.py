"""contract.md section 8: the messages of `tapline.dead` are listed, replayed and dropped by commands."""

import json

import pika

from harness import RELAY
from waiting import equal


def dead_letters(system, *words, code=0):
    return system.tapline_center("dead-letters", *words, "--amqp-url", system.url_of("center"), code=code)


def names(system, scanner):
    listed = json.loads(dead_letters(system, "list", "--output", "json").stdout)
    return [row["name"] for row in listed if row["scanner"] == scanner]


def kill(system, scanner, body):
    properties = pika.BasicProperties(delivery_mode=2, user_id=system.user(RELAY))
    system.relay.channel.basic_publish("tapline.dead", "scan." + scanner, body, properties, mandatory=True)


def test_dead_letters_are_listed_replayed_and_dropped(system):
    batch = system.batch(3)
    kill(system, batch.scanner, batch.encode())
    kill(system, batch.scanner, b"poison")
    good, poison = names(system, batch.scanner)
    equal(system.counters(batch), (0, 0, 0, 0), "stored by listing")
    refused = dead_letters(system, "replay", "--scanner", batch.scanner, code=1)
    assert "1 stored, 1 left" in refused.stdout and poison in refused.stdout, refused
    system.await_counters(batch, 3, 3)
    equal(names(system, batch.scanner), [poison])
    assert good != poison
    equal(dead_letters(system, "drop", poison).stdout, "1 dropped\n")
    equal(names(system, batch.scanner), [])
    # The observer of the other tests has received them, too.
    system.observer.channel.queue_purge(system.dead)
