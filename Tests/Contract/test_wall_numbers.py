"""Every number of the live display equals a count from the scans that were sent, in seeded days.

The days have annulments, late uploads, duplicates, two bands of one person, untrusted clocks, inspections, free mode,
refusals of all kinds and void spans. Each seed adds scans to the day, so the days grow.
"""

import datetime
import os

import pytest

from batch import ADMITTED, CLOCK, INSPECTION, Batch, Scan, new_log, now_ms_us
from live_frame import check_frame, check_metrics, fresh, micros
from oracle import MINUTE, SECOND, Zone
from waiting import equal, wait_until
from wall_day import SEEDS, Day, us

VOID_SEEDS = (7, 14)


@pytest.fixture(scope="module")
def day():
    with Day(os.environ) as day:
        yield day


ZONE_COLUMNS = "inside, inside_total, percent, level, net_hour, full_in_minutes AS full_in_min"
GATE_COLUMNS = (
    "in_minute AS in_min, out_minute AS out_min, refused_minute AS refused_min, in_today AS in_day, "
    "out_today AS out_day, refused_today AS refused_day, last_at AS last_tap"
)


def check_zones(day):
    as_of, rows = day.view("wall_zones", ZONE_COLUMNS, "zone_id")
    equal(rows, day.oracle.zone_rows(as_of), "tapline.wall_zones")
    as_of, rows = day.view("live_zones", "inside, inside_total", "zone_id")
    expected = day.oracle.zone_rows(as_of)
    equal(rows, {key: {name: expected[key][name] for name in rows[key]} for key in rows}, "tapline.live_zones")


def check_gates(day):
    for name in ("wall_gates", "live_gates"):
        as_of, rows = day.view(name, GATE_COLUMNS, "gate_id")
        for row in rows.values():
            row["last_tap"] = us(row["last_tap"])
        equal(rows, day.oracle.gate_rows(as_of), f"tapline.{name}")
    as_of, rows = day.view("gate_drops", "before, now, until", "gate_id")
    for gate, row in rows.items():
        # The intervals end where all taps are known, at most two minutes before the last whole minute.
        until = us(row["until"])
        assert until % MINUTE == 0 and as_of - 3 * MINUTE < until <= as_of, (gate, row)
        equal((row["before"], row["now"]), day.oracle.drops(until)[gate], f"tapline.gate_drops of gate {gate}")


def check_arrivals(day):
    for view, key, name in (("category", "category", "by_category"), ("pass", "pass", "by_pass")):
        as_of, rows = day.view(f"arrivals_by_{view}", "arrived, expected", key)
        equal({key: tuple(row.values()) for key, row in rows.items()}, day.oracle.arrivals(as_of)[name], name)
    as_of, rows = day.view("arrival_curve()", "entries", "slot")
    equal([row["entries"] for row in rows.values()], day.oracle.arrivals(as_of)["today"], "the curve of today")
    local = datetime.datetime.fromtimestamp((day.oracle.day_start(as_of) - 1) / 1e6 + 4 * 3600, datetime.timezone.utc)
    yesterday = (local - datetime.timedelta(hours=23, minutes=59)).date()
    _, rows = day.view(f"arrival_curve('{yesterday}')", "entries", "slot")
    equal([row["entries"] for row in rows.values()], day.oracle.arrivals(as_of)["yesterday"], "the curve of yesterday")


def check_refusals(day):
    as_of, rows = day.view("refusals_by_reason", "reason, refused_today, refused_hour", "verdict")
    equal({key: tuple(row.values()) for key, row in rows.items()}, day.oracle.refused(as_of), "refusals_by_reason")


def check_doubles(day):
    rows = day.sql(
        "SELECT now() AS as_of, second_tag_id AS tag, second_at AS at FROM tapline.double_admissions "
        "WHERE second_at >= tapline.day_start()"
    )
    found = day.oracle.double_admissions(now_ms_us())
    equal(
        sorted((row["tag"], us(row["at"])) for row in rows),
        sorted((second.scan.tag, second.time) for _, second in found),
        "tapline.double_admissions",
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_views_equal_the_counts_of_a_seeded_day(day, seed):
    day.play(seed)
    if seed % 3 == 2:
        day.change(seed)
        day.await_tracking()
    if seed in VOID_SEEDS:
        day.make_void(seed)
    day.read_facts()
    for check in (check_zones, check_gates, check_arrivals, check_refusals, check_doubles):
        check(day)


def test_frame_and_metrics_equal_the_counts(day):
    day.read_facts()
    check_frame(fresh(day, now_ms_us()), day.oracle)
    check_metrics(day, day.oracle, now_ms_us())


def test_sudden_drop_is_an_alarm(day):
    """Sixty people passed a gate some minutes ago, and hardly a person since. No seed uses this gate."""
    day.add_gate(7, 4, None)
    since = now_ms_us()
    scans = [Scan(since - 8 * MINUTE + number * SECOND, day.new_tag()) for number in range(60)]
    batch = Batch("lane-7", new_log(), 1, scans, gate=7)
    day.oracle.sent.append(batch)
    day.publish(batch)
    day.await_counters(batch, 60, 60)
    day.await_tracking()
    day.read_facts()
    frame = fresh(day, now_ms_us())
    found = {row["id"]: row["drop"] for row in frame["gates"]["rows"]}[7]
    before, now = day.oracle.drops(micros(found["until"]))[7]
    assert before >= 60 and now < 0.8 * before, (before, now)
    drop = {"before": before, "now": now, "percent": (before - now) * 100 // before, "interval_s": 300}
    equal(found, {**drop, "until": found["until"]}, "drop of the gate")
    alarm = next(alarm for alarm in frame["alarms"] if alarm["id"] == "gate-drop:7")
    equal(alarm["args"], {"gate": "G7", **drop}, "arguments of the alarm")
    equal((alarm["level"], alarm["key"]), ("alarm", "gate-drop"), "level and key of the alarm")
    assert since <= micros(alarm["since"]) + SECOND, "the alarm began with the scans"


def test_zone_says_what_has_not_arrived(day):
    """A lane sent 60 of 102 scans seven minutes ago, without the first two, and no interval is complete. Then the rest."""
    day.sql("INSERT INTO tapline.zones VALUES (5, 'Z5', NULL, NULL)")
    day.oracle.zones[5] = Zone(5, None, None)
    day.add_gate(8, 5, None)
    since, log = now_ms_us(), new_log()
    scans = [Scan(since - 8 * MINUTE + number * SECOND // 2, day.new_tag()) for number in range(102)]
    some = Batch("lane-8", log, 3, scans[2:62], gate=8, sent=since - 7 * MINUTE, backlog=40)

    def publish(*batches) -> tuple:
        day.oracle.sent += batches
        day.publish(*batches)
        expected = sum(len(batch.scans) for batch in day.oracle.sent if batch.scanner == "lane-8")
        stored = "SELECT coalesce(sum(stored), 0) FROM tapline.journals WHERE scanner_id = 'lane-8'"
        wait_until(lambda: day.one(stored) == expected, "the scans of lane-8 are stored")
        day.await_tracking()
        frame = fresh(day, now_ms_us())
        zone = next(row for row in frame["zones"]["rows"] if row["id"] == 5)
        names = ("lanes", "lanes_silent", "lanes_late", "unsent", "missing", "untracked", "quarantined")
        gate = next(row for row in frame["gates"]["rows"] if row["id"] == 8)
        return tuple(zone[name] for name in names), micros(zone["heard"]), gate["drop"]

    equal(publish(some), ((1, 0, 1, 40, 2, 0, 0), some.scans[-1].at, None), "the zone in an outage")
    rest = Batch("lane-8", log, 63, scans[62:], gate=8)
    found, heard, drop = publish(Batch("lane-8", log, 1, scans[:2], gate=8, sent=some.sent, backlog=100), rest)
    equal(found, (1, 0, 0, 0, 0, 0, 0), "the zone after it")
    equal(heard // 1_000, rest.sent // 1_000, "time of the publish")
    assert drop and drop["before"] == 102, drop


def test_impossible_thresholds_are_refused(day):
    for options in (("--busy-percent", 90, "--full-percent", 80), ("--full-percent", 0), ("--busy-percent", "many")):
        assert day.tapline_center("zone", "set", "Z1", *options, code=None).returncode != 0, options
    for options in (("--drop-percent", 101), ("--drop-minutes", 61), ("--drop-minimum", 0)):
        assert day.tapline_center("gate", "set", "G1", *options, code=None).returncode != 0, options


def test_drop_alarm_is_set_by_command(day):
    def settings():
        row = day.sql("SELECT drop_percent, drop_interval, drop_minimum FROM tapline.gates WHERE name = 'G6'")[0]
        return row["drop_percent"], row["drop_interval"].total_seconds() / 60, row["drop_minimum"]

    equal(settings(), (20, 5, 30), "the defaults")
    day.tapline_center("gate", "set", "G6", "--drop-percent", 35, "--drop-minutes", 10, "--drop-minimum", 7)
    equal(settings(), (35, 10, 7), "the settings")
    day.tapline_center("gate", "set", "G6", "--drop-percent", "")
    equal(settings(), (None, 10, 7), "the settings without an alarm")


def test_tracked_relations_equal_the_scans(day):
    day.tapline_center("tracking", "check")


def test_days_have_all_that_they_should(day):
    """The seeds test nothing that does not occur in them."""
    facts = day.oracle.facts
    for what, found in {
        "annulled": any(fact.is_annulled for fact in facts),
        "void": any(fact.is_void for fact in facts),
        "placed": any(fact.scan.flags & CLOCK and fact.counts for fact in facts),
        "inspected": any(fact.scan.flags & INSPECTION and fact.scan.verdict == ADMITTED for fact in facts),
        "free": any(fact.scan.verdict == 129 for fact in facts),
        "doubles": day.oracle.double_admissions(now_ms_us()),
        "yesterday": sum(day.oracle.arrivals(now_ms_us())["yesterday"]),
        "two bands": len(set(day.oracle.tags.values())) < len(day.oracle.tags),
    }.items():
        assert found, what
