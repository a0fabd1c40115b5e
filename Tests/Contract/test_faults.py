"""contract.md section 4 under faults: database errors, ended sessions, and a center that replaces another one."""

import signal

from batch import Batch, Scan, new_log
from harness import Center
from waiting import equal, wait_equal, wait_until

POISON = 0x6666_6666_6666


class Trap:
    """A trigger on the scan table that raises an SQLSTATE for one tag, at most `times` times."""

    def __init__(self, system, state: str, times: int):
        self.system = system
        system.sql(f"""
            CREATE SEQUENCE tapline.trap;
            CREATE FUNCTION tapline.trap() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF {POISON} = ANY (new.tags) AND nextval('tapline.trap') <= {times} THEN
                    RAISE EXCEPTION 'trapped' USING ERRCODE = '{state}';
                END IF;
                RETURN new;
            END $$;
            CREATE TRIGGER trap BEFORE INSERT ON tapline_internal.scan_runs FOR EACH ROW EXECUTE FUNCTION tapline.trap()""")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.system.sql(
            "DROP TRIGGER trap ON tapline_internal.scan_runs; DROP FUNCTION tapline.trap(); DROP SEQUENCE tapline.trap"
        )

    @property
    def calls(self) -> int:
        return self.system.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tapline.trap")


def test_data_error_does_not_block_other_batches(system):
    """After SQLSTATE 22 or 23 the batches of the group are stored one by one. A batch that fails alone is quarantined and
    can be replayed.
    """
    for state in ("22000", "23514"):
        scanner = system.scanner()
        before, after = system.batch(20, scanner), system.batch(20, scanner)
        poison = Batch(scanner, new_log(), 1, [Scan(before.scans[0].at, tag) for tag in (1, POISON, 3)])
        others = [system.batch(10) for _ in range(5)]
        with Trap(system, state, 1_000_000):
            system.publish(before, others[0], poison, others[1], after, *others[2:])
            wait_until(lambda: system.quarantine(poison.encode()), "the batch with the error is in quarantine")
            for batch in (before, after, *others):
                system.await_counters(batch, len(batch.scans), len(batch.scans))
                system.check_stored(batch)
            equal(system.stored(poison), {}, "stored scans of the batch with the error")
            row = system.quarantine(poison.encode())[0]
            equal((row["body"], row["scanner_id"]), (poison.encode(), scanner))
        system.tapline_center("quarantine", "replay", row["id"])
        system.await_counters(poison, 3, 3)
        equal(system.quarantine(poison.encode()), [])


def test_serialization_errors_are_retried(system):
    """SQLSTATE 40001 and 40P01 are no data errors."""
    for state in ("40001", "40P01"):
        batch = system.batch(20)
        batch.scans[7] = Scan(batch.scans[7].at, POISON)
        beside = system.batch(10)
        with Trap(system, state, 3) as trap:
            system.publish(beside, batch)
            system.await_counters(batch, 20, 20)
            system.await_counters(beside, 10, 10)
            assert trap.calls > 3, "the trigger raised no error"
        system.check_stored(batch)
        equal(system.quarantine(batch.encode()), [])


def test_ended_database_sessions_lose_nothing(system):
    """All database sessions of the center are terminated six times while batches arrive."""
    batches = [system.batch(20) for _ in range(60)]
    for number, batch in enumerate(batches):
        system.publish(batch)
        if number % 10 == 5:
            system.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    check_all(system, batches)


def test_closed_broker_connections_lose_nothing(system):
    batches = [system.batch(20) for _ in range(60)]
    for number, batch in enumerate(batches):
        system.publish(batch)
        if number % 20 == 10:
            system.close_connections("center")
    check_all(system, batches)
    wait_until(system.is_ready, "the center is ready again")


def test_second_center_takes_over(system):
    """Two centers run, and the first one is killed while batches arrive."""
    with Center(system, "second") as second:
        batches = [system.batch(20) for _ in range(60)]
        for number, batch in enumerate(batches):
            system.publish(batch.part(0, 10), batch.part(10, 20))
            if number == 30:
                equal(system.stop_center(signal.SIGKILL), -signal.SIGKILL)
        check_all(system, batches)
        system.start_center()
        equal(second.stop(signal.SIGTERM), 0)
    batch = system.batch(5)
    system.publish(batch)
    system.await_counters(batch, 5, 5)


def check_all(system, batches):
    for batch in batches:
        n = len(batch.scans)
        wait_equal(lambda: system.journal(batch).get("stored"), n, "stored scans")
        system.check_stored(batch)
        row = system.journal(batch)
        equal((row["received"], row["conflicts"]), (n + row["duplicates"], 0))
        equal(system.gaps(batch), [])


def test_unusual_states_do_not_block_other_batches(system):
    """A state that PostgreSQL or JSON cannot represent is dropped, or its batch is quarantined."""
    scanner = system.scanner()
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
    good = Batch(scanner, new_log(), 1, system.some_scans(len(states)))
    odd = [Batch(scanner, new_log(), 1, system.some_scans(1), state=state) for state in states]
    for number, batch in enumerate(odd):
        system.publish(batch, good.part(number, number + 1))
    system.await_counters(good, len(states), len(states))
    for batch in odd:
        found = wait_until(
            lambda: system.quarantine(batch.encode()) or system.journal(batch),
            f"stored or quarantined: {str(batch.state)[:60]}",
        )
        if isinstance(found, dict):
            system.await_counters(batch, 1, 1)
    stored = [batch for batch in odd if not system.quarantine(batch.encode())]
    for batch in (odd[14], odd[15], odd[16]):
        assert batch in stored, f"the valid state {batch.state} was quarantined"
        equal(system.journal(batch)["state"], batch.state)


def test_cancelled_wait_for_a_standby_is_not_acknowledged(system):
    """PostgreSQL reports such a COMMIT as successful, with a WARNING, and its rows are visible."""
    batch = system.batch(10)
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' "
        "AND application_name <> ''"
    )
    system.sql("SET synchronous_commit = local")
    system.sql("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
    try:
        system.sql("SELECT pg_reload_conf()")
        wait_equal(lambda: system.one("SHOW synchronous_standby_names"), "absent", "synchronous_standby_names")
        system.publish(batch)
        session = wait_until(lambda: system.one(waiting), "a COMMIT waits for the standby")
        system.sql("SELECT pg_cancel_backend(%s)", session)
        system.await_counters(batch, 10, 10)
        wait_until(lambda: system.one(waiting), "the next COMMIT waits for the standby")
        equal(system.stop_center(signal.SIGKILL), -signal.SIGKILL)
        equal(sum(system.ready_messages().values()), 1, "messages in the broker")
    finally:
        system.sql("ALTER SYSTEM RESET synchronous_standby_names")
        system.sql("SELECT pg_reload_conf()")
        system.sql("RESET synchronous_commit")
        if system.center is None:
            system.start_center()
    wait_until(lambda: system.journal(batch)["received"] > 10, "the batch is delivered again")
    row = system.journal(batch)
    equal((row["stored"], row["conflicts"], row["received"] - row["duplicates"]), (10, 0, 10))
    system.check_stored(batch)
