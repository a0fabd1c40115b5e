"""An hour of states in a quick replay: the page does not grow."""

import copy
import json

from playwright.sync_api import expect

import states

STATES = 3_600
# From here on the page has seen every kind of state.
WARM = 600
GROWTH_BYTES = 2_000_000
GROWTH_NODES = 100


def hour():
    """Yields an hour of states: other numbers each second; alarms, scanners and gates come and go."""
    kinds = []
    for seed in range(40):
        state = states.festival(gates=40 - seed % 3, scanners=1_000 - seed % 7, seed=seed)
        kinds.append(states.with_alarms(state) if seed % 4 == 0 else state)
    for seq in range(1, STATES + 1):
        state = copy.copy(kinds[seq % len(kinds)])
        state["seq"] = seq
        state["at"] = states.rfc3339(states.START + states.datetime.timedelta(seconds=seq))
        # An alarm of each minute is a new one.
        state["alarms"] = [{**alarm, "id": f"{alarm['id']}:{seq // 60}"} for alarm in state["alarms"]]
        yield state


def test_hour_of_states_does_not_grow_the_page(mock, wall, say):
    page = wall(mock.url)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def measured():
        devtools.send("HeapProfiler.collectGarbage")
        rows = devtools.send("Performance.getMetrics")["metrics"]
        return {row["name"]: row["value"] for row in rows}

    sizes = {}
    for state in hour():
        mock.send(state)
        seq = state["seq"]
        if seq % 100 == 0 or seq in (WARM, STATES):
            at = states.rfc3339(states.START + states.datetime.timedelta(seconds=seq, hours=4))[11:19]
            expect(page.locator("#clock")).to_have_text(at)
        if seq in (WARM, STATES):
            sizes[seq] = measured()
    first, last = sizes[WARM], sizes[STATES]
    names = ("JSHeapUsedSize", "Nodes", "JSEventListeners")
    values = ", ".join(f"{name} {first[name]:.0f}, {last[name]:.0f}" for name in names)
    say(f"after {WARM} and {STATES} states: {values}")
    assert last["JSHeapUsedSize"] - first["JSHeapUsedSize"] < GROWTH_BYTES
    assert last["Nodes"] - first["Nodes"] < GROWTH_NODES
    assert last["JSEventListeners"] - first["JSEventListeners"] < GROWTH_NODES
    assert len(json.dumps(state)) < 64_000
