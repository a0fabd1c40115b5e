"""People by name: found in any spelling, then revoked, blocked and erased. A real gate refuses them with its next snapshot."""

import json

import pytest
from festival import FestivalLane, shows
from waiting import equal

ZOE, ANN, OTHER_ANN, BEN, ARABIC = (f"04aabbccee{number:04x}" for number in range(5))


@pytest.fixture(scope="module")
def lane(festival):
    lane = FestivalLane(festival, "people-1")
    festival.import_list(
        "uid,name,category,zones,external_ref",
        f"{ZOE},Zoë Müller,vip,Festival,N-1",
        f"{ANN},Ann Lee,vip,Festival,N-2",
        f"{OTHER_ANN},ANN LEE,vip,Festival,N-3",
        f"{BEN},Ben Erasable,vip,Festival,N-4",
        f"{ARABIC},فاطمة أحمد,vip,Festival,N-5",
    )
    lane.fetch()
    yield lane
    # Other tests count the scanners of this festival.
    festival.tapline_center("scanner", "remove", lane.name)


def verdicts(lane, *uids) -> list:
    """Taps bands at the gate, on the way in. A person who is inside gets another verdict than a refused one."""
    settings = lane.flags(event_key_file=lane.key, reader="stdin", output="json")
    result = lane.system.run("tapline-gate", "run", *settings, input="".join(f"{uid}\n" for uid in uids))
    return [json.loads(line)["name"] for line in result.stdout.splitlines()]


def found(festival, *words) -> list:
    """Returns the references of the people whom the search finds."""
    result = festival.tapline_center("attendee", "find", *words, "--output", "json")
    return [match["external_ref"] for match in json.loads(result.stdout)["matches"]]


def test_people_are_found_in_any_spelling(lane, festival):
    equal(found(festival, "MULLER", "zoe"), ["N-1"])
    equal(found(festival, "فاطمه احمد"), ["N-5"])
    equal(sorted(found(festival, "ann lee")), ["N-2", "N-3"])
    equal(found(festival, ZOE, "--event-key-file", festival.event_key), ["N-1"], "by the UID of the band")


def test_band_revoked_by_name_is_refused_after_the_next_snapshot(lane, festival):
    equal(verdicts(lane, ZOE), ["admitted"])
    shows(festival.tapline_center("tag", "revoke", "zoe muller").stdout, "of Zoë Müller is lost")
    equal(verdicts(lane, ZOE), ["inside"], "the gate has the former snapshot")
    lane.fetch()
    equal(verdicts(lane, ZOE), ["lost"])


def test_ambiguous_name_changes_nothing(lane, festival):
    message = festival.refused("tag", "revoke", "ann lee")
    shows(message, "matches 2 people; nothing was changed", "N-2", "N-3", "--id N")
    assert max(map(len, message.splitlines()[1:])) <= 100, message
    equal(festival.one("SELECT count(*) FROM tapline.tags WHERE status = 'lost' AND tag_id = ANY(%s)", tags(festival)), 0)
    festival.tapline_center("attendee", "block", "N-3")
    lane.fetch()
    equal(verdicts(lane, ANN, OTHER_ANN), ["admitted", "blocked"])


def tags(festival) -> list:
    return [festival.tag_of(bytes.fromhex(uid)) for uid in (ANN, OTHER_ANN)]


def test_unknown_name_suggests_the_nearest(lane, festival):
    message = festival.refused("attendee", "show", "Zoe Mullar")
    shows(message, "no person is found by 'Zoe Mullar'", "Zoë Müller")


def test_erased_person_is_unknown_at_the_gate_and_in_the_list(lane, festival):
    shows(festival.refused("attendee", "erase", "N-4"), "Ben Erasable", "--confirm")
    equal(verdicts(lane, BEN), ["admitted"])
    festival.tapline_center("attendee", "erase", "N-4", "--confirm")
    lane.fetch()
    equal(verdicts(lane, BEN), ["unknown"])
    table = festival.folder / "exported.csv"
    festival.tapline_center("export", "--out", table)
    text = table.read_text()
    shows(text, "N-1", "Zoë Müller")
    assert "Erasable" not in text and "N-4" not in text, text
    row = festival.one("SELECT name || coalesce(category, '') || status FROM tapline.attendees WHERE names_erased_at IS NOT NULL")
    equal(row, "void", "all that is left of the name, the category and the status")
