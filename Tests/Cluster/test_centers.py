"""Two centers on the same queues."""

import time

from stage import LIMIT_S
from waiting import equal, wait_until


def test_share_take_over_and_hand_back(stage):
    """Each has its half; one is killed, the other has all; it is back, it has its half again; then the other is killed."""
    first, second = stage.center("1/2"), stage.center("2/2")
    for center in (first, second):
        center.await_ready()
    fleet = stage.flow()

    def stand_by():
        return all(len(stage.consumers().get(f"tapline.scans.{shard}", [])) == 2 for shard in range(4))

    wait_until(stand_by, "each stands by at the shards of the other", LIMIT_S)
    for center in (first, second):
        before = center.deliveries()
        wait_until(lambda: center.deliveries() > before, f"center {center.place} has its share", LIMIT_S)
        equal(center.said("took over from another center"), [])
    killed = time.monotonic()
    first.kill()
    stage.await_flow(fleet, killed + 1)
    wait_until(lambda: len(second.said("took over from another center")) == 2, "both of its shards", LIMIT_S)
    first.start()
    wait_until(lambda: second.said("handed back to the center that is there again"), "handed back", LIMIT_S)
    wait_until(lambda: first.deliveries() > 0, "the first has its share again", LIMIT_S)
    wait_until(stand_by, "each stands by again", LIMIT_S)
    before = first.deliveries()
    wait_until(lambda: first.deliveries() > before, "and keeps it", LIMIT_S)
    equal(first.said("handed back to the center that is there again"), [])
    killed_again = time.monotonic()
    second.kill()
    stage.await_flow(fleet, killed_again + 1)
    stage.finish(fleet, [killed, killed_again])
