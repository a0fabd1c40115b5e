"""Two centers on the same queues."""

import time

from log_messages import SHARD_RETURNED, SHARD_TAKEN_OVER
from cluster_fixture import LIMIT_S
from waiting import equal, wait_until


def test_centers_share_take_over_and_return_shards(cluster):
    """Each center consumes half of the shards. A killed center loses them and gets them back after its restart. Then the
    other center is killed.
    """
    first, second = cluster.center("1/2"), cluster.center("2/2")
    for center in (first, second):
        center.await_ready()
    fleet = cluster.flow()

    def has_standbys():
        return all(len(cluster.consumers().get(f"tapline.scans.{shard}", [])) == 2 for shard in range(4))

    wait_until(has_standbys, "every shard has a consumer and a standby", LIMIT_S)
    for center in (first, second):
        before = center.deliveries()
        wait_until(lambda: center.deliveries() > before, f"center {center.place} receives deliveries", LIMIT_S)
        equal(center.logged(SHARD_TAKEN_OVER), [])
    killed = time.monotonic()
    first.kill()
    cluster.await_flow(fleet, killed + 1)
    wait_until(lambda: len(second.logged(SHARD_TAKEN_OVER)) == 2, "the second center took over both shards", LIMIT_S)
    first.start()
    wait_until(lambda: second.logged(SHARD_RETURNED), "the second center returned shards", LIMIT_S)
    wait_until(lambda: first.deliveries() > 0, "the first center receives deliveries again", LIMIT_S)
    wait_until(has_standbys, "every shard has a consumer and a standby again", LIMIT_S)
    before = first.deliveries()
    wait_until(lambda: first.deliveries() > before, "the first center keeps its shards", LIMIT_S)
    equal(first.logged(SHARD_RETURNED), [])
    killed_again = time.monotonic()
    second.kill()
    cluster.await_flow(fleet, killed_again + 1)
    cluster.finish(fleet, [killed, killed_again])
