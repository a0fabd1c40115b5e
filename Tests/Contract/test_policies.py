"""contract.md sections 2 and 6: the policies of a gate, tested from outside."""

from lane import Lane
from scanner_device import ScannerDevice, tag_of
from waiting import equal

DAY_S = 86_400


def test_hard_antipassback_survives_restart_and_snapshot_change(system):
    lane = Lane(system, "hard", antipassback="hard")
    equal(lane.verdicts((0, "in", 0), (0, "in", 10), (1, "in", 20)), ["admitted", "inside", "admitted"])
    # The next run of the gate knows the past from the journal only.
    equal(lane.verdicts((0, "in", 60), (0, "out", 70), (0, "in", 80)), ["inside", "admitted", "admitted"])
    # A new snapshot keeps the memory.
    lane.set_policy(antipassback="hard", minutes=5)
    equal(lane.verdicts((0, "in", 90), (1, "in", 91)), ["inside", "inside"])
    # Everyone is outside on the next day.
    equal(lane.verdicts((0, "in", DAY_S), (0, "in", DAY_S + 60)), ["admitted", "inside"])


def test_soft_antipassback_only_flags_and_timed_one_expires(system):
    lane = Lane(system, "soft", antipassback="soft")
    first, second = lane.answers((0, "in", 0), (0, "in", 10))
    equal((first["verdict"], second["verdict"]), (0, 0))
    equal((lane.flags(first) & 32, lane.flags(second) & 32), (0, 32), "the reuse flag, bit 5")
    lane = Lane(system, "off")
    again = lane.answers((0, "in", 0), (0, "in", 10))
    equal([(a["verdict"], lane.flags(a)) for a in again], [(0, 0), (0, 0)])
    lane = Lane(system, "timed", antipassback="timed", minutes=10)
    equal(lane.verdicts((0, "in", 0), (0, "in", 599), (0, "in", 601)), ["admitted", "inside", "admitted"])


def test_reentry_rule_of_the_pass_overrides_the_gate(system):
    lane = Lane(system, "reentry", people=3, antipassback="hard")
    for person, reentry in ((0, "free"), (1, "none")):
        system.sql(
            "WITH pass AS (INSERT INTO tapline.passes (name, reentry) VALUES (%s, %s) RETURNING id), "
            "opened AS (INSERT INTO tapline.access (pass_id, zone_id) SELECT pass.id, z.id FROM pass, tapline.zones z "
            "WHERE z.name = %s) UPDATE tapline.attendees SET pass_id = (SELECT id FROM pass) WHERE external_ref = %s",
            f"{lane.device.name} {reentry}",
            reentry,
            lane.device.zone,
            f"reentry-{person}",
        )
    lane.device.fetch()
    equal(lane.verdicts((0, "in", 0), (0, "in", 10), (0, "in", 20)), ["admitted"] * 3, "free reentry")
    equal(lane.verdicts((1, "in", 0), (1, "out", 10), (1, "in", 20)), ["admitted", "admitted", "inside"], "no reentry")
    equal(lane.verdicts((2, "in", 0), (2, "out", 10), (2, "in", 20)), ["admitted"] * 3, "reentry as the gate allows it")


def test_two_wristbands_of_one_person_share_their_presence(system):
    lane = Lane(system, "bands", people=2, antipassback="hard")
    system.sql(
        "UPDATE tapline.tags SET attendee_id = (SELECT attendee_id FROM tapline.tags WHERE tag_id = %s) WHERE tag_id = %s",
        tag_of(lane.device.uids[0]),
        tag_of(lane.device.uids[1]),
    )
    lane.device.fetch()
    equal(lane.verdicts((0, "in", 0), (1, "in", 10)), ["admitted", "inside"])
    equal(lane.verdicts((1, "out", 20), (0, "in", 30)), ["admitted", "admitted"])


def test_debounced_tap_repeats_the_answer_and_is_not_journaled(system):
    lane = Lane(system, "bounce", debounce_ms=2000)
    answers = lane.answers((0, "in", 0), (0, "in", 1.9), (0, "in", 2.1), (1, "in", 2.2), (0, "out", 2.3))
    equal([a["seq"] for a in answers], [1, 1, 2, 3, 4], "the second tap is debounced")
    equal(answers[1], answers[0])
    lane = Lane(system, "bounceless")
    equal(
        [a["seq"] for a in lane.answers((0, "in", 0), (0, "in", 0))],
        [1, 2],
        "the stdin reader has no debounce by default",
    )


def test_pass_for_an_inner_zone_opens_the_zones_around_it(system):
    lane = Lane(system, "nested", people=2)
    outer = f"Around {lane.device.zone}"
    system.tapline_center("zone", "add", outer)
    system.sql(
        "UPDATE tapline.zones SET parent_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE name = %s",
        outer,
        lane.device.zone,
    )
    # The gate now leads into the zone around the one that the pass opens. The pass must open that zone, too.
    system.sql(
        "UPDATE tapline.gates SET zone_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE name = 'Gate of nested'",
        outer,
    )
    lane.device.fetch()
    equal(lane.verdicts((0, "in", 0)), ["admitted"])
    # A pass for the outer zone does not open the zones inside it.
    system.sql(
        "UPDATE tapline.gates SET zone_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE name = 'Gate of nested'",
        lane.device.zone,
    )
    system.sql(
        "UPDATE tapline.access SET zone_id = (SELECT id FROM tapline.zones WHERE name = %s) WHERE zone_id = "
        "(SELECT id FROM tapline.zones WHERE name = %s)",
        outer,
        lane.device.zone,
    )
    lane.device.fetch()
    equal(lane.verdicts((0, "in", 60), (0, "out", 70)), ["no-access", "admitted"], "an exit is never rejected")


def test_uid_alone_is_rejected_if_policy_demands_authentication(system):
    lane = Lane(system, "strict", people=1, uid_only=False)
    equal(
        lane.verdicts((0, "in", 0), (b"\xde\xad\xbe\xef", "in", 1), (0, "out", 2)),
        ["not-authentic", "unknown", "admitted"],
    )
    lane.set_policy(uid_only=True)
    equal(lane.verdicts((0, "in", 60)), ["admitted"])


def destroy_snapshots(lane):
    """Overwrites the snapshot files, as a power cut on a defective card can do."""
    for path in (lane.device.data / "snapshots").glob("*.sqlite"):
        path.write_bytes(b"\0" * 100)


def test_gate_without_a_snapshot_applies_its_last_policy(system):
    for word, name in (("admit", "admitted"), ("deny", "no-snapshot")):
        lane = Lane(system, f"blind-{word}", people=1, no_snapshot=word)
        equal(lane.verdicts((0, "in", 0)), ["admitted"])
        destroy_snapshots(lane)
        for seconds in (60, 120):
            equal(
                lane.verdicts((0, "in", seconds), (0, "out", seconds + 1)),
                [name, "admitted"],
                f"policy {word}, after a restart",
            )
    fresh = ScannerDevice(system, "fresh", 1)
    equal([a["name"] for a in fresh.tap([fresh.uids[0].hex()])], ["no-snapshot"], "before the first snapshot")


def test_expired_snapshot_is_handled_by_policy(system):
    for word, name in (("admit", "admitted"), ("deny", "no-snapshot")):
        lane = Lane(system, f"late-{word}", people=1, expired=word)
        late = 400 * 86_400
        answers = lane.answers((0, "in", 0), (0, "in", late), (0, "out", late + 1))
        equal([a["name"] for a in answers], ["admitted", name, "admitted"], f"policy {word}")
        equal([lane.flags(a) & 8 for a in answers], [0, 8, 8], "the expired flag, bit 3")
