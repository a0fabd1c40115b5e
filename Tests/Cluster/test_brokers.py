"""Failures of nodes in a cluster of three brokers."""

import time

from servers import NODES
from cluster_fixture import LIMIT_S
from waiting import equal, wait_until


def test_killed_node_stops_no_scan(cluster):
    """Kills each node in turn while scans arrive. Publishers and centers use the next URL of their lists."""
    urls = cluster.amqp_urls
    centers = [cluster.center("1/2"), cluster.center("2/2", urls=urls[1:] + urls[:1])]
    for center in centers:
        center.await_ready()
    for queue in cluster.queues("members"):
        equal(len(queue["members"]), 3, f"nodes with a replica of {queue['name']}")
    fleet = cluster.flow()
    faults = []
    for node in NODES:
        faults.append(time.monotonic())
        cluster.servers.do("kill-node", node)
        # A scanner may be connected to the killed node, or its queue may have lost its leader. Scans of all must arrive.
        cluster.await_flow(fleet, time.monotonic() + 2)
        cluster.servers.do("start-node", node)

        def is_complete():
            return all(len(queue["online"]) == 3 for queue in cluster.queues("online", node=node))

        wait_until(is_complete, f"node {node} has an online replica of every queue", LIMIT_S)
    cluster.finish(fleet, faults)
    for center in centers:
        equal(center.process.poll(), None, "the exit code of a running center")


def test_without_a_majority_the_scanners_keep_their_scans(cluster):
    """With one node of three the broker confirms no batch. Uploads continue when the second node runs again."""
    center = cluster.center()
    center.await_ready()
    fleet = cluster.flow()
    killed = time.monotonic()
    for node in (1, 2):
        cluster.servers.do("kill-node", node)
    wait_until(lambda: fleet.backlog() > 5_000, "the scanners keep their scans", LIMIT_S)
    confirmed = fleet.confirmed()
    wait_until(lambda: fleet.backlog() > 10_000, "the scanners keep tapping", LIMIT_S)
    equal(fleet.confirmed(), confirmed, "confirmed scans without a majority")
    cluster.servers.do("start-node", 2)
    cluster.await_flow(fleet, time.monotonic())
    center.await_ready()
    cluster.servers.do("start-node", 1)
    cluster.finish(fleet, [killed])
