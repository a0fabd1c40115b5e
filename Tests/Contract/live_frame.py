"""GET /api/live?once and /metrics against the oracle."""

import datetime
import json

import http_client
from waiting import equal, wait_until

ZONE = ("inside", "inside_total", "percent", "level", "net_hour", "full_in_min")
GATE = ("in_min", "out_min", "refused_min", "in_day", "out_day", "refused_day", "last_tap")


# The members of contract.md section 7; rows of a list by the name of the list.
MEMBERS = {
    "frame": "v seq at period_ms event servers zones gates sparks arrivals refused doubles fleet ingest alarms",
    "event": "name time_zone utc_offset_s day day_start day_end",
    "servers": "broker database centers",
    "broker": "ok since problem",
    "database": "ok since problem",
    "centers": "state running",
    "zones": "as_of rows",
    "zone": "id name depth inside inside_total capacity percent busy_at full_at level lanes lanes_silent "
    "lanes_late unsent missing untracked quarantined heard net_hour full_in_min",
    "gates": "as_of rows",
    "gate": "id name zone from_zone in_min out_min refused_min in_day out_day refused_day lanes open free closed "
    "silent last_tap drop",
    "sparks": "as_of step_s rows",
    "arrivals": "as_of arrived expected by_category by_pass step_s today yesterday peak",
    "refused": "as_of rows",
    "doubles": "as_of settled unsettled latest",
    "fleet": "as_of list counts backlog backlog_unknown oldest_unsent_s worst cells",
    "ingest": "as_of queue_ready queue_unacked scans_s dead quarantine_batches quarantine_full_owners quarantine_full "
    "gaps tracking_lag_ms snapshot",
    "snapshot": "version age_s expires_s problem",
    "alarm": "id level since key args",
}


def check_members(frame: dict):
    """Compares the members of a frame and of its parts with the contract."""
    parts = {name: frame[name] for name in frame if isinstance(frame[name], dict)}
    parts |= {"frame": frame, **frame["servers"], "snapshot": frame["ingest"]["snapshot"]}
    parts |= {"zone": frame["zones"]["rows"][0], "gate": frame["gates"]["rows"][0]}
    # The seeded days always have a double admission, which is one.
    parts["alarm"] = frame["alarms"][0]
    for name, names in MEMBERS.items():
        equal(sorted(parts[name]), sorted(names.split()), f"members of {name}")


def micros(text):
    """Returns microseconds since 1970 of a time in a frame."""
    return None if text is None else int(round(datetime.datetime.fromisoformat(text[:-1] + "+00:00").timestamp() * 1e6))


def once(system) -> dict:
    answer = http_client.get(system, "/api/live?once")
    equal(answer.status, 200, "status of /api/live?once")
    assert b"\n" not in answer.body, "the frame is one line"
    return json.loads(answer.body)


def fresh(system, since: int) -> dict:
    """Waits for a frame all of whose parts were computed after a time in microseconds since 1970."""

    def frame():
        state = once(system)
        parts = ("zones", "gates", "sparks", "arrivals", "refused", "doubles", "fleet", "ingest")
        return state if all(state[part] and micros(state[part]["as_of"]) >= since for part in parts) else None

    return wait_until(frame, "a frame with all parts")


def check_frame(frame: dict, oracle):
    """Compares every number of a frame with the oracle, each part at its own time."""
    check_members(frame)
    zones, gates = frame["zones"], frame["gates"]
    rows = {row["id"]: {name: row[name] for name in ZONE} for row in zones["rows"]}
    equal(rows, oracle.zone_rows(micros(zones["as_of"])), "zones")
    rows = {row["id"]: {name: row[name] for name in GATE} for row in gates["rows"]}
    expected = oracle.gate_rows(micros(gates["as_of"]))
    for row in rows.values():
        row["last_tap"] = micros(row["last_tap"])
    for row in expected.values():
        # Times of a frame are in milliseconds.
        row["last_tap"] = row["last_tap"] and row["last_tap"] // 1_000 * 1_000
    equal(rows, expected, "gates")
    sparks = frame["sparks"]
    equal(sparks["rows"], oracle.sparks(micros(sparks["as_of"])), "sparks")
    _check_arrivals(frame["arrivals"], oracle)
    refused = frame["refused"]
    rows = {row["verdict"]: (row["reason"], row["day"], row["hour"]) for row in refused["rows"]}
    equal(rows, oracle.refused(micros(refused["as_of"])), "refused")
    doubles = frame["doubles"]
    expected = oracle.double_admissions(micros(doubles["as_of"]))
    equal(doubles["settled"] + doubles["unsettled"], len(expected), "doubles")
    latest = sorted((second.time // 1_000 for _, second in expected), reverse=True)[:5]
    equal([micros(row["at"]) // 1_000 for row in doubles["latest"]], latest, "the latest doubles")


def _check_arrivals(arrivals: dict, oracle):
    expected = oracle.arrivals(micros(arrivals["as_of"]))
    found = {name: arrivals[name] for name in ("arrived", "expected", "today", "yesterday")}
    for name in ("by_category", "by_pass"):
        found[name] = {row["name"]: (row["arrived"], row["expected"]) for row in arrivals[name]}
    peak = arrivals["peak"]
    found["peak"] = peak and {"at": micros(peak["at"]), "per_hour": peak["per_hour"]}
    equal(found, expected, "arrivals")


def metrics(system) -> dict:
    """Returns the samples of /metrics by name with labels."""
    lines = http_client.get(system, "/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def check_metrics(system, oracle, as_of: int):
    """Compares occupancy, flow and arrivals of /metrics with the oracle. The names of zones and gates are Z1 and G1."""
    wait_until(lambda: "tapline_attendees_arrived" in metrics(system), "metrics of the live state")
    found = metrics(system)
    expected = {}
    for zone, row in oracle.zone_rows(as_of).items():
        expected[f'tapline_zone_inside{{zone="Z{zone}"}}'] = row["inside_total"]
    for gate, row in oracle.gate_rows(as_of).items():
        for direction in ("in", "out"):
            name = f'tapline_gate_passages_total{{gate="G{gate}",direction="{direction}"}}'
            expected[name] = row[f"{direction}_day"]
        expected[f'tapline_gate_refused_total{{gate="G{gate}"}}'] = row["refused_day"]
    arrivals = oracle.arrivals(as_of)
    expected |= {f"tapline_attendees_{name}": arrivals[name] for name in ("arrived", "expected")}
    equal({name: found.get(name) for name in expected}, expected, "metrics")
