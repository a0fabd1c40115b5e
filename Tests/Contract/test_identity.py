"""contract.md section 3: which users may publish for a scanner, and the quarantine of other batches."""

import re

from batch import Batch, new_log
from waiting import equal, wait_equal, wait_until

UNKNOWN, DISABLED, IDENTITY = "unknown-scanner", "disabled-scanner", "identity"


def reasons(system, body: bytes) -> list:
    return [(row["reason"], row["times"]) for row in system.quarantine(body)]


def test_batch_of_another_scanner_than_its_key_is_quarantined(system):
    batch, other = system.batch(2), system.scanner()
    system.relay.publish("scan." + other, batch.encode())
    wait_equal(lambda: reasons(system, batch.encode()), [(IDENTITY, 1)], "quarantined")
    equal(system.quarantine(batch.encode())[0]["scanner_id"], other, "the routing key's scanner")
    equal(system.journal(batch), {})


def test_batch_of_an_unauthorized_user_is_quarantined(system):
    batch = system.batch(2)
    system.unauthorized.publish("scan." + batch.scanner, batch.encode())
    wait_equal(lambda: reasons(system, batch.encode()), [(IDENTITY, 1)], "quarantined")
    equal(system.journal(batch), {})


def test_batch_without_a_user_is_quarantined(system):
    """The broker does not require a user_id. The contract requires it, also for the relay user."""
    batch = system.batch(2)
    system.relay.publish("scan." + batch.scanner, batch.encode(), user_id=None)
    wait_equal(lambda: reasons(system, batch.encode()), [(IDENTITY, 1)], "quarantined")
    system.publish(batch)
    system.await_counters(batch, 2, 2)


def test_user_of_a_scanner_publishes_only_for_that_scanner(system):
    """The name of the RabbitMQ user is the scanner ID."""
    system.add_users("own")
    user = system.user("own")
    system.sql("INSERT INTO tapline.scanners (id, enabled, enrolled_at) VALUES (%s, true, now())", user)
    batch = Batch(user, new_log(), 1, system.some_scans(3))
    system.client("own").publish("scan." + user, batch.encode())
    system.await_counters(batch, 3, 3)
    # The user cannot publish for another scanner.
    foreign = system.batch(1)
    system.client("own").publish("scan." + foreign.scanner, foreign.encode())
    wait_equal(lambda: reasons(system, foreign.encode()), [(IDENTITY, 1)], "quarantined")


def test_batches_of_unknown_scanner_are_replayed_after_enrolment(system):
    name = f"py-late-{next(system.numbers)}"
    first = Batch(name, new_log(), 1, system.some_scans(5))
    second = Batch(name, first.log, 6, system.some_scans(5))
    system.publish(first, second, second)
    wait_equal(
        lambda: reasons(system, first.encode()) + reasons(system, second.encode()),
        [(UNKNOWN, 1), (UNKNOWN, 2)],
        "quarantined",
    )
    equal(system.journal(first), {})
    added = system.tapline_center("scanner", "add", name, "--gate", f"Gate of {name}", "--zone", f"Zone of {name}")
    assert re.search(
        r"\b2\b", added.stdout + added.stderr
    ), f"no number of quarantined batches: {added.stdout}{added.stderr}"
    equal(system.one("SELECT count(*) FROM tapline.gates WHERE name = %s", f"Gate of {name}"), 1, "gates of that name")
    replay(system, [first, second])
    system.await_counters(first, 10, 10)
    system.check_stored(first, second)
    equal(reasons(system, first.encode()) + reasons(system, second.encode()), [], "in quarantine")
    # A later batch is new. A replayed batch that arrives again is a duplicate.
    third = Batch(name, first.log, 11, system.some_scans(1))
    system.publish(third, first)
    system.await_counters(first, 16, 11, 5)


def test_batches_of_disabled_scanner_are_replayed_after_enabling(system):
    batch = system.batch(4)
    system.publish(batch.part(0, 2))
    system.await_counters(batch, 2, 2)
    system.sql("UPDATE tapline.scanners SET enabled = false WHERE id = %s", batch.scanner)
    rest = batch.part(2, 4)
    system.publish(rest)
    wait_equal(lambda: reasons(system, rest.encode()), [(DISABLED, 1)], "quarantined")
    replay(system, [rest], code=1)
    equal([reason for reason, _ in reasons(system, rest.encode())], [DISABLED], "in quarantine: the cause persists")
    system.await_counters(batch, 2, 2)
    system.sql("UPDATE tapline.scanners SET enabled = true WHERE id = %s", batch.scanner)
    replay(system, [rest])
    system.await_counters(batch, 4, 4)
    system.check_stored(batch)
    equal(reasons(system, rest.encode()), [])


def test_replay_keeps_an_invalid_batch_in_quarantine(system):
    scanner = system.scanner()
    body = b"still not a batch " + scanner.encode()
    system.relay.publish("scan." + scanner, body)
    wait_until(lambda: reasons(system, body), "the batch is in quarantine")
    number = system.quarantine(body)[0]["id"]
    system.tapline_center("quarantine", "replay", number, code=1)
    equal([reason for reason, _ in reasons(system, body)], ["malformed"])
    shown = system.tapline_center("quarantine", "show", number)
    assert "malformed" in shown.stdout
    listed = system.tapline_center("quarantine", "list", "--output", "json")
    assert f'"{"scan." + scanner}"' in listed.stdout, listed.stdout[:500]
    system.tapline_center("quarantine", "drop", number)
    equal(reasons(system, body), [])


def replay(system, batches, code=0):
    numbers = [row["id"] for batch in batches for row in system.quarantine(batch.encode())]
    system.tapline_center("quarantine", "replay", *numbers, code=code)
