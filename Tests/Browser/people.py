"""People of the made-up center."""

PEOPLE = [
    {"id": number, "name": name, "category": category, "external_ref": ref, "status": status, "tags": 1}
    for number, name, category, ref, status in (
        (7, "Müller, Zoë", "Delegate", "REG-0007", "active"),
        (8, "أحمد الهاشمي", "VIP", "REG-0008", "active"),
        (9, "<img src=x onerror=alert(1)>", "Crew", "", "blocked"),
    )
]
TRACK = [
    {"time": time, "gate": gate, "zone": zone, "direction": way, "verdict": verdict, "counts": counts}
    for time, gate, zone, way, verdict, counts in (
        ("2026-11-30T13:40:02Z", "North 4", "Main Arena", "in", "admitted", True),
        ("2026-11-30T13:12:44Z", "East 1", None, "out", "admitted", False),
        ("2026-11-30T12:00:00Z", "South 2", "Backstage", "in", "no-access", False),
    )
]
REFUSAL = {
    "time": "2026-11-30T12:00:00Z",
    "gate": "South 2",
    "verdict": "no-access",
    "rule": "no-access",
    "reason": "pass Day opens Festival Site, and this gate leads into Backstage",
    "snapshot": 1_796_041_200,
    "is_replayed": True,
}


def answer(key):
    """Answers a question of the page: a text that is searched for, or a path."""
    parts = (key or "").split("/")
    if parts[:3] != ["", "api", "people"]:
        if key in ("-17", "no-key"):
            tags = [{"tag": "-17", "refusals": 2}] if key == "-17" else []
            return {"matches": [], "more": False, "tags": tags, "codes": key != "no-key"}
        if key == "many":
            return {"matches": [{**PEOPLE[0], "id": i, "name": f"Person {i}"} for i in range(50)], "more": True}
        return {"matches": [row for row in PEOPLE if key.casefold() in row["name"].casefold()], "more": False}
    if parts[3:] == ["tags", "-17", "refusals"]:
        return {"refusals": [{**REFUSAL, "verdict": "unknown", "reason": "the tag is not on the list"}]}
    found = next((row for row in PEOPLE if str(row["id"]) == parts[3]), None)
    if found is None:
        return None
    if parts[4:] == ["refusals"]:
        return {"refusals": [REFUSAL]}
    now = TRACK[0]["time"]
    return {**found, "pass": "Day", "zone": "Main Arena", "since": now, "as_of": now, "track": TRACK}
