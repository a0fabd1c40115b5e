"""A cluster of three brokers."""

import time

from servers import NODES
from stage import LIMIT_S
from waiting import equal, wait_until


def test_any_node_dies(stage):
    """SIGKILL to each in turn while scans flow; publishers and centers go on through their lists of URLs."""
    urls = stage.amqp_urls
    centers = [stage.center("1/2"), stage.center("2/2", urls=urls[1:] + urls[:1])]
    for center in centers:
        center.await_ready()
    for queue in stage.queues("members"):
        equal(len(queue["members"]), 3, f"nodes that keep {queue['name']}")
    fleet = stage.flow()
    faults = []
    for node in NODES:
        faults.append(time.monotonic())
        stage.servers.do("kill-node", node)
        # One connection may have been to the dead node, one may have lost a leader, one neither: all flow again.
        stage.await_flow(fleet, time.monotonic() + 2)
        stage.servers.do("start-node", node)

        def whole():
            return all(len(queue["online"]) == 3 for queue in stage.queues("online", node=node))

        wait_until(whole, f"node {node} keeps up with every queue again", LIMIT_S)
    stage.finish(fleet, faults)
    for center in centers:
        equal(center.process.poll(), None, "the center never ended")


def test_no_majority(stage):
    """With two nodes of three away nothing is confirmed: the scanners keep their scans until the second one is back."""
    center = stage.center()
    center.await_ready()
    fleet = stage.flow()
    killed = time.monotonic()
    for node in (1, 2):
        stage.servers.do("kill-node", node)
    wait_until(lambda: fleet.backlog() > 5_000, "the scanners keep what they tap", LIMIT_S)
    confirmed = fleet.confirmed()
    wait_until(lambda: fleet.backlog() > 10_000, "and go on tapping", LIMIT_S)
    equal(fleet.confirmed(), confirmed, "confirmed without a majority")
    stage.servers.do("start-node", 2)
    stage.await_flow(fleet, time.monotonic())
    center.await_ready()
    stage.servers.do("start-node", 1)
    stage.finish(fleet, [killed])
