"""People of the made-up center."""

PEOPLE = [
    {"id": 7, "name": "Müller, Zoë", "category": "Delegate", "external_ref": "REG-0007", "status": "active", "tags": 2},
    {"id": 8, "name": "أحمد الهاشمي", "category": "VIP", "external_ref": "REG-0008", "status": "active", "tags": 1},
    {"id": 9, "name": "<img src=x onerror=alert(1)>", "category": "Crew", "external_ref": "", "status": "blocked", "tags": 1},
]
TRACK = [
    {"time": "2026-11-30T13:40:02Z", "gate": "North 4", "zone": "Main Arena", "direction": "in", "verdict": "admitted", "counts": True},
    {"time": "2026-11-30T13:12:44Z", "gate": "East 1", "zone": None, "direction": "out", "verdict": "admitted", "counts": False},
    {"time": "2026-11-30T12:00:00Z", "gate": "South 2", "zone": "Backstage", "direction": "in", "verdict": "no-access", "counts": False},
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
        if key == "many":
            return {"matches": [{**PEOPLE[0], "id": i, "name": f"Person {i}"} for i in range(50)], "more": True}
        return {"matches": [row for row in PEOPLE if key.casefold() in row["name"].casefold()], "more": False}
    found = next((row for row in PEOPLE if str(row["id"]) == parts[3]), None)
    if found is None:
        return None
    if parts[4:] == ["refusals"]:
        return {"refusals": [REFUSAL]}
    return {**found, "pass": "Day", "zone": "Main Arena", "since": TRACK[0]["time"], "as_of": TRACK[0]["time"], "track": TRACK}
