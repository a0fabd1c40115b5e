"""States of a festival as `/api/live` sends them, made up: the wall must draw them without a center."""

import datetime
import random

# Letter of a scanner's state in `cells`; the other states are in Sources/Center/WallPages/fleet.js.
LETTERS = {
    "silent": "s",
    "lane-down": "d",
    "reader": "r",
    "closed": "c",
    "free": "f",
    "clock": "w",
    "old-list": "o",
    "catching-up": "u",
    "live": "l",
}
START = datetime.datetime(2026, 11, 30, 14, 0, 0, tzinfo=datetime.timezone.utc)
UTC_OFFSET_S = 4 * 3600
QUARTERS = 96
# Zones of the large festival: name, depth, inside, capacity, lanes, silent lanes, unsent scans, net rate an hour.
ZONES = [
    ("Festival Site", 0, 31_240, 40_000, 960, 3, 412, 2_140),
    ("Main Arena", 1, 17_310, 20_000, 420, 1, 280, 1_420),
    ("Delegates' Lounge", 1, 1_462, 1_500, 24, 0, 0, 96),
    ("Backstage", 1, 389, 900, 16, 0, 0, -20),
    ("Family Area", 1, 3_120, None, 40, 2, 0, 310),
    ("Exhibition Hall", 1, 4_180, 8_000, 200, 0, 0, 260),
]
CATEGORIES = [
    ("General admission", 26_400, 33_000),
    ("Delegate", 3_912, 4_800),
    ("Crew", 1_204, 1_310),
    ("VIP", 340, 620),
    ("Press", 88, 140),
    ("", 12, 130),
]
PASSES = [("Three days", 19_850, 24_000), ("Day", 10_901, 14_200), ("All areas", 1_205, 1_800)]
REASONS = [
    (5, "inside", 412, 61),
    (1, "unknown", 288, 22),
    (3, "no-access", 190, 17),
    (4, "outside-time", 77, 3),
    (8, "lost", 14, 1),
]


def rfc3339(time) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def level(percent) -> str:
    return "uncapped" if percent is None else "full" if percent >= 95 else "busy" if percent >= 80 else "go"


def zone_rows(zones, now) -> list:
    rows = []
    for index, (name, depth, inside, capacity, lanes, silent, unsent, net) in enumerate(zones, 1):
        percent = None if capacity is None else 100 * inside / capacity
        left = None if capacity is None or net <= 0 else round(60 * (capacity - inside) / net)
        rows.append(
            {
                "id": index,
                "name": name,
                "depth": depth,
                "inside": inside,
                "inside_total": inside,
                "capacity": capacity,
                "percent": percent and round(percent, 1),
                "busy_at": 80,
                "full_at": 95,
                "level": level(percent),
                "lanes": lanes,
                "lanes_silent": silent,
                "lanes_late": 0,
                "unsent": unsent,
                "missing": 0,
                "untracked": 0,
                "quarantined": 0,
                "heard": rfc3339(now - datetime.timedelta(seconds=1)),
                "net_hour": net,
                "full_in_min": left,
            }
        )
    return rows


def gate_rows(count, scanners, chance, now) -> list:
    rows = []
    for number in range(1, count + 1):
        lanes = scanners // count + (number <= scanners % count)
        entered = chance.randint(2, 140)
        rows.append(
            {
                "id": number,
                "name": f"{['North', 'East', 'South', 'West'][number % 4]} {number}",
                "zone": ZONES[number % len(ZONES)][0],
                "from_zone": None,
                "in_min": entered,
                "out_min": entered // 4,
                "refused_min": chance.choice([0, 0, 0, 1, 2]),
                "in_day": entered * 190,
                "out_day": entered * 60,
                "refused_day": entered // 3,
                "lanes": lanes,
                "open": lanes,
                "free": 0,
                "closed": 0,
                "silent": 0,
                "last_tap": rfc3339(now - datetime.timedelta(seconds=chance.randint(0, 9))),
                "drop": None,
            }
        )
    return rows


def fleet(scanners, chance) -> dict:
    """Most scanners are live; one of each other state, and five that catch up."""
    states = ["live"] * scanners
    for name in LETTERS:
        if name != "live":
            states[chance.randrange(scanners)] = name
    for _ in range(min(5, scanners // 10)):
        states[chance.randrange(scanners)] = "catching-up"
    order = list(LETTERS)
    worst = sorted(
        ({"id": f"lane-{i:04}", "state": state} for i, state in enumerate(states, 1) if state != "live"),
        key=lambda row: order.index(row["state"]),
    )
    for row in worst:
        is_late = row["state"] in ("catching-up", "silent")
        row.update(gate=f"North {1 + int(row['id'][5:]) % 40}", backlog=82 if is_late else 0)
        row.update(catch_up_s=14 if row["state"] == "catching-up" else None)
        row.update(heard_s=65 if row["state"] == "silent" else 1)
    return {
        "list": f"list-{scanners}",
        "counts": {name: states.count(name) for name in order if name in states},
        "backlog": 412,
        "oldest_unsent_s": 95,
        "worst": worst[:20],
        "cells": "".join(LETTERS[state] for state in states),
    }


def arrivals(start) -> dict:
    curve = [int(1_900 * max(0, 1 - ((i - 46) / 26) ** 2)) for i in range(QUARTERS)]
    today = [int(n * 1.12) if i < 49 else None for i, n in enumerate(curve)]
    peak = max(range(49), key=lambda i: today[i])
    groups = {
        name: [{"name": title, "arrived": arrived, "expected": expected} for title, arrived, expected in rows]
        for name, rows in (("by_category", CATEGORIES), ("by_pass", PASSES))
    }
    return {
        "arrived": 31_956,
        "expected": 40_000,
        **groups,
        "step_s": 900,
        "today": today,
        "yesterday": curve,
        "peak": {"at": rfc3339(start + datetime.timedelta(seconds=900 * peak)), "per_hour": 4 * today[peak]},
    }


def festival(seq=1, gates=40, scanners=1_000, zones=ZONES, seed=14) -> dict:
    """A busy evening: all parts are current, and some lanes have trouble."""
    chance = random.Random(seed)
    now = START + datetime.timedelta(seconds=seq)
    start = datetime.datetime(2026, 11, 30, 2, 0, tzinfo=datetime.timezone.utc)
    at = rfc3339(now)
    rows = gate_rows(gates, scanners, chance, now)
    return {
        "v": 1,
        "seq": seq,
        "at": at,
        "period_ms": 1000,
        "event": {
            "name": "Desert Forum 2026",
            "time_zone": "Asia/Dubai",
            "utc_offset_s": UTC_OFFSET_S,
            "day": "2026-11-30",
            "day_start": rfc3339(start),
            "day_end": rfc3339(start + datetime.timedelta(days=1)),
        },
        "servers": {
            "broker": {"ok": True, "since": rfc3339(start), "problem": None},
            "database": {"ok": True, "since": rfc3339(start), "problem": None},
            "centers": {"state": "running", "running": 1},
        },
        "zones": {"as_of": at, "rows": zone_rows(zones, now)},
        "gates": {"as_of": at, "rows": rows},
        "sparks": {
            "as_of": at,
            "step_s": 60,
            "rows": {
                str(row["id"]): [max(0, row["in_min"] + chance.randint(-20, 20)) for _ in range(60)] for row in rows
            },
        },
        "arrivals": {"as_of": at, **arrivals(start)},
        "refused": {
            "as_of": at,
            "rows": [{"verdict": code, "reason": name, "day": day, "hour": hour} for code, name, day, hour in REASONS],
        },
        "doubles": {
            "as_of": at,
            "settled": 7,
            "unsettled": 2,
            "latest": [
                {"at": at, "zone": "Main Arena", "first_gate": "North 4", "second_gate": "West 7"},
                {"at": at, "zone": "Backstage", "first_gate": "South 2", "second_gate": None},
            ],
        },
        "fleet": {"as_of": at, **fleet(scanners, chance)},
        "ingest": {
            "as_of": at,
            "queue_ready": 3,
            "queue_unacked": 12,
            "scans_s": 148,
            "dead": 0,
            "quarantine_batches": 0,
            "quarantine_full": False,
            "gaps": 0,
            "tracking_lag_ms": 340,
            "snapshot": {"version": 1_796_041_200, "age_s": 740, "expires_s": 86_400, "problem": None},
        },
        "alarms": [],
    }


def alarm(key, level="alarm", number="", **args) -> dict:
    return {"id": f"{key}:{number}", "level": level, "since": rfc3339(START), "key": key, "args": args}


def with_alarms(state) -> dict:
    gate = state["gates"]["rows"][2]
    gate["drop"] = {"before": 310, "now": 142, "percent": 54, "interval_s": 300, "until": rfc3339(START)}
    gate["silent"], gate["open"] = 2, gate["lanes"] - 2
    state["alarms"] = [
        alarm("zone-full", zone="Delegates' Lounge", percent=97, inside=1_462, capacity=1_500),
        alarm("gate-drop", number=3, gate=gate["name"], before=310, now=142, percent=54, interval_s=300),
        alarm("lane-down", n=1),
        alarm("zone-busy", level="warn", zone="Main Arena", percent=86, inside=17_310, capacity=20_000),
        alarm("dead-letters", level="warn", n=2),
    ]
    state["ingest"].update(dead=2, quarantine_batches=1)
    return state


def server_away(state, name) -> dict:
    """A server is away for 40 s; without the database the counts are as old."""
    away = START + datetime.timedelta(seconds=state["seq"] - 40)
    state["servers"][name] = {"ok": False, "since": rfc3339(away), "problem": "connection refused"}
    if name == "broker":
        state["servers"]["centers"] = {"state": "no broker", "running": 1}
    else:
        # The database knows the centers.
        state["servers"]["centers"] = None
        for part in ("zones", "gates", "arrivals", "refused", "doubles", "fleet", "ingest"):
            state[part]["as_of"] = rfc3339(away)
    return state


def unknown(state) -> dict:
    """A center that has just started: nothing is counted yet."""
    for part in ("zones", "gates", "sparks", "arrivals", "refused", "doubles", "fleet", "ingest"):
        state[part] = None
    return state


def empty(state) -> dict:
    """A database without zones, gates and scanners."""
    at = state["at"]
    state["zones"], state["gates"] = {"as_of": at, "rows": []}, {"as_of": at, "rows": []}
    state["sparks"] = {"as_of": at, "step_s": 60, "rows": {}}
    curve = {"step_s": 900, "today": [], "yesterday": [], "peak": None}
    state["arrivals"] = {"as_of": at, "arrived": 0, "expected": 0, "by_category": [], "by_pass": [], **curve}
    state["refused"] = {"as_of": at, "rows": []}
    state["doubles"] = {"as_of": at, "settled": 0, "unsettled": 0, "latest": []}
    state["fleet"] = {"as_of": at, "list": "none", "counts": {}, "backlog": 0, "oldest_unsent_s": None}
    state["fleet"].update(worst=[], cells="")
    return state
