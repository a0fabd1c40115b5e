"""SPEC.md section 4 under faults: errors of the database, sessions that end, a center that takes over from another."""

import signal

from batch import Batch, Scan, new_log
from harness import Center
from waiting import equal, wait_equal, wait_until

POISON = 0x6666_6666_6666


class Trap:
    """A trigger on the scans that raises an SQLSTATE for one tag, `times` times."""

    def __init__(self, b, state: str, times: int):
        self.b = b
        b.sql(f"""
            CREATE SEQUENCE tapline.trap;
            CREATE FUNCTION tapline.trap() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF new.tag_id = {POISON} AND nextval('tapline.trap') <= {times} THEN
                    RAISE EXCEPTION 'trapped' USING ERRCODE = '{state}';
                END IF;
                RETURN new;
            END $$;
            CREATE TRIGGER trap BEFORE INSERT ON tapline.scans FOR EACH ROW EXECUTE FUNCTION tapline.trap()""")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.b.sql("DROP TRIGGER trap ON tapline.scans; DROP FUNCTION tapline.trap(); DROP SEQUENCE tapline.trap")

    @property
    def sprung(self) -> int:
        return self.b.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tapline.trap")


def test_data_error_of_one_keeps_nobody_waiting(b):
    """SQLSTATE 22 and 23: the group is retried one by one; what fails alone is put aside, and can be replayed."""
    for state in ("22000", "23514"):
        scanner = b.scanner()
        before, after = b.batch(20, scanner), b.batch(20, scanner)
        poison = Batch(scanner, new_log(), 1, [Scan(before.scans[0].at, tag) for tag in (1, POISON, 3)])
        others = [b.batch(10) for _ in range(5)]
        with Trap(b, state, 1_000_000):
            b.publish(before, others[0], poison, others[1], after, *others[2:])
            wait_until(lambda: b.quarantine(poison.encode()), "the poison is put aside")
            for batch in (before, after, *others):
                b.await_counters(batch, len(batch.scans), len(batch.scans))
                b.check_stored(batch)
            equal(b.stored(poison), {}, "nothing of it is stored")
            row = b.quarantine(poison.encode())[0]
            equal((row["body"], row["scanner_id"]), (poison.encode(), scanner))
        b.tapline_center("quarantine", "replay", row["id"])
        b.await_counters(poison, 3, 3)
        equal(b.quarantine(poison.encode()), [])


def test_serialization_errors_are_retried(b):
    """SQLSTATE 40001 and 40P01 say nothing against the data."""
    for state in ("40001", "40P01"):
        batch = b.batch(20)
        batch.scans[7] = Scan(batch.scans[7].at, POISON)
        beside = b.batch(10)
        with Trap(b, state, 3) as trap:
            b.publish(beside, batch)
            b.await_counters(batch, 20, 20)
            b.await_counters(beside, 10, 10)
            assert trap.sprung > 3, "the trap was sprung"
        b.check_stored(batch)
        equal(b.quarantine(batch.encode()), [])


def test_database_sessions_end(b):
    """Another session of the center is ended amid the stream, again and again."""
    batches = [b.batch(20) for _ in range(60)]
    for number, batch in enumerate(batches):
        b.publish(batch)
        if number % 10 == 5:
            b.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    check_all(b, batches)


def test_broker_connections_end(b):
    batches = [b.batch(20) for _ in range(60)]
    for number, batch in enumerate(batches):
        b.publish(batch)
        if number % 20 == 10:
            b.close_connections("center")
    check_all(b, batches)
    wait_until(b.is_ready, "ready again")


def test_another_center_takes_over(b):
    """Two centers beside each other; the first one dies."""
    with Center(b, "second") as second:
        batches = [b.batch(20) for _ in range(60)]
        for number, batch in enumerate(batches):
            b.publish(batch.part(0, 10), batch.part(10, 20))
            if number == 30:
                equal(b.stop_center(signal.SIGKILL), -signal.SIGKILL)
        check_all(b, batches)
        b.start_center()
        equal(second.stop(signal.SIGTERM), 0)
    batch = b.batch(5)
    b.publish(batch)
    b.await_counters(batch, 5, 5)


def check_all(b, batches):
    for batch in batches:
        n = len(batch.scans)
        wait_equal(lambda: b.journal(batch).get("stored"), n, "stored", 40)
        b.check_stored(batch)
        row = b.journal(batch)
        equal((row["received"], row["conflicts"]), (n + row["duplicates"], 0))
        equal(b.gaps(batch), [])


def test_states_of_any_kind(b):
    """Texts that PostgreSQL or JSON refuse: stored without them or put aside, and the neighbours are stored."""
    scanner = b.scanner()
    states = [
        {"reader": "a\x00b"},
        {"a\x00b": 1},
        {"": ""},
        {"disk": float("nan")},
        {"disk": float("inf")},
        {"disk": -1.5e300},
        {"disk": (1 << 64) - 1},
        {"disk": -(1 << 64)},
        {"power": None},
        {"power": True},
        {"power": b"x"},
        {"power": {"a": [1, {"b": 2}]}},
        {"x": "y" * 100_000},
        {f"k{i}": i for i in range(3_000)},
        {"quote": '"\\\x1f\u2028'},
        {"astral": "👍"},
        {},
    ]
    good = Batch(scanner, new_log(), 1, b.some_scans(len(states)))
    odd = [Batch(scanner, new_log(), 1, b.some_scans(1), state=state) for state in states]
    for number, batch in enumerate(odd):
        b.publish(batch, good.part(number, number + 1))
    b.await_counters(good, len(states), len(states))
    for batch in odd:
        aside = wait_until(
            lambda: b.quarantine(batch.encode()) or b.journal(batch), f"a fate for {str(batch.state)[:60]}"
        )
        if isinstance(aside, dict):
            b.await_counters(batch, 1, 1)
    stored = [batch for batch in odd if not b.quarantine(batch.encode())]
    for batch in (odd[14], odd[15], odd[16]):
        assert batch in stored, f"{batch.state} is a good state"
        equal(b.journal(batch)["state"], batch.state)


def test_a_cancelled_wait_for_a_standby_is_no_commit(b):
    """Such a COMMIT answers success, with a WARNING, and its rows are there: still nothing is acked."""
    batch = b.batch(10)
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' "
        "AND application_name <> ''"
    )
    b.sql("SET synchronous_commit = local")
    b.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        b.sql("SELECT pg_reload_conf()")
        wait_equal(lambda: b.one("SHOW synchronous_standby_names"), "nobody", "a standby is waited for")
        b.publish(batch)
        session = wait_until(lambda: b.one(waiting), "COMMIT waits for the standby")
        b.sql("SELECT pg_cancel_backend(%s)", session)
        b.await_counters(batch, 10, 10)
        wait_until(lambda: b.one(waiting), "it is tried again")
        equal(b.stop_center(signal.SIGKILL), -signal.SIGKILL)
        equal(sum(b.ready().values()), 1, "the broker still holds it")
    finally:
        b.sql("ALTER SYSTEM RESET synchronous_standby_names")
        b.sql("SELECT pg_reload_conf()")
        b.sql("RESET synchronous_commit")
        if b.center is None:
            b.start_center()
    wait_until(lambda: b.journal(batch)["received"] > 10, "it came again")
    row = b.journal(batch)
    equal((row["stored"], row["conflicts"], row["received"] - row["duplicates"]), (10, 0, 10))
    b.check_stored(batch)
