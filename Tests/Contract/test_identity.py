"""Who may speak for a scanner, and what becomes of what nobody may say yet (SPEC.md section 3)."""

import re

from batch import Batch, new_log
from waiting import equal, wait_equal, wait_until

UNKNOWN, DISABLED, IDENTITY = "unknown-scanner", "disabled-scanner", "identity"


def reasons(b, body: bytes) -> list:
    return [(row["reason"], row["times"]) for row in b.quarantine(body)]


def test_scanner_differs_from_the_routing_key(b):
    batch, other = b.batch(2), b.scanner()
    b.relay.publish("scan." + other, batch.encode())
    wait_equal(lambda: reasons(b, batch.encode()), [(IDENTITY, 1)], "put aside")
    equal(b.quarantine(batch.encode())[0]["scanner_id"], other, "the routing key's scanner")
    equal(b.journal(batch), {})


def test_user_of_another_name(b):
    batch = b.batch(2)
    b.stranger.publish("scan." + batch.scanner, batch.encode())
    wait_equal(lambda: reasons(b, batch.encode()), [(IDENTITY, 1)], "put aside")
    equal(b.journal(batch), {})


def test_no_user(b):
    """The broker does not ask for a user_id; the contract does, of the relay too."""
    batch = b.batch(2)
    b.relay.publish("scan." + batch.scanner, batch.encode(), user_id=None)
    wait_equal(lambda: reasons(b, batch.encode()), [(IDENTITY, 1)], "put aside")
    b.publish(batch)
    b.await_counters(batch, 2, 2)


def test_own_user(b):
    """A scanner's RabbitMQ user has the scanner's id."""
    b.add_users("own")
    user = b.user("own")
    b.sql("INSERT INTO tapline.scanners (id, enabled, enrolled_at) VALUES (%s, true, now())", user)
    batch = Batch(user, new_log(), 1, b.some_scans(3))
    b.client("own").publish("scan." + user, batch.encode())
    b.await_counters(batch, 3, 3)
    # And it speaks for nobody else.
    foreign = b.batch(1)
    b.client("own").publish("scan." + foreign.scanner, foreign.encode())
    wait_equal(lambda: reasons(b, foreign.encode()), [(IDENTITY, 1)], "put aside")


def test_unknown_scanner_is_replayed_once_enrolled(b):
    name = f"py-late-{next(b.numbers)}"
    first = Batch(name, new_log(), 1, b.some_scans(5))
    second = Batch(name, first.log, 6, b.some_scans(5))
    b.publish(first, second, second)
    wait_equal(lambda: reasons(b, first.encode()) + reasons(b, second.encode()), [(UNKNOWN, 1), (UNKNOWN, 2)], "aside")
    equal(b.journal(first), {})
    said = b.tapline_center("scanner", "add", name, "--gate", f"Gate of {name}", "--zone", f"Zone of {name}")
    assert re.search(r"\b2\b", said.stdout + said.stderr), f"how many wait: {said.stdout}{said.stderr}"
    equal(b.one("SELECT count(*) FROM tapline.gates WHERE name = %s", f"Gate of {name}"), 1, "made if missing")
    replay(b, [first, second])
    b.await_counters(first, 10, 10)
    b.check_stored(first, second)
    equal(reasons(b, first.encode()) + reasons(b, second.encode()), [], "out of quarantine")
    # What came meanwhile is new; what was replayed is a duplicate when it comes again.
    third = Batch(name, first.log, 11, b.some_scans(1))
    b.publish(third, first)
    b.await_counters(first, 16, 11, 5)


def test_disabled_scanner(b):
    batch = b.batch(4)
    b.publish(batch.part(0, 2))
    b.await_counters(batch, 2, 2)
    b.sql("UPDATE tapline.scanners SET enabled = false WHERE id = %s", batch.scanner)
    rest = batch.part(2, 4)
    b.publish(rest)
    wait_equal(lambda: reasons(b, rest.encode()), [(DISABLED, 1)], "put aside")
    replay(b, [rest], code=1)
    equal([reason for reason, _ in reasons(b, rest.encode())], [DISABLED], "its cause is not gone: it stays")
    b.await_counters(batch, 2, 2)
    b.sql("UPDATE tapline.scanners SET enabled = true WHERE id = %s", batch.scanner)
    replay(b, [rest])
    b.await_counters(batch, 4, 4)
    b.check_stored(batch)
    equal(reasons(b, rest.encode()), [])


def test_replay_keeps_what_is_still_bad(b):
    scanner = b.scanner()
    body = b"still not a batch " + scanner.encode()
    b.relay.publish("scan." + scanner, body)
    wait_until(lambda: reasons(b, body), "put aside")
    number = b.quarantine(body)[0]["id"]
    b.tapline_center("quarantine", "replay", number, code=1)
    equal([reason for reason, _ in reasons(b, body)], ["malformed"])
    shown = b.tapline_center("quarantine", "show", number)
    assert "malformed" in shown.stdout
    listed = b.tapline_center("quarantine", "list", "--output", "json")
    assert f'"{"scan." + scanner}"' in listed.stdout, listed.stdout[:500]
    b.tapline_center("quarantine", "drop", number)
    equal(reasons(b, body), [])


def replay(b, batches, code=0):
    numbers = [row["id"] for batch in batches for row in b.quarantine(batch.encode())]
    b.tapline_center("quarantine", "replay", *numbers, code=code)
