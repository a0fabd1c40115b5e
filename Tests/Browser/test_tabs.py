"""One stream a browser, however many tabs: a leader holds it, and another follows when the leader is gone."""

import time

import pytest
from playwright.sync_api import expect

import states
from conftest import LIMIT_MS
from test_stale import Pulse, is_live, notice

TABS = 8
# Several tabs may lead for a moment. They agree within a tick of 500 ms: a stream that is alone for longer stays.
SETTLED_S = 1.5
# The newest stream of a tab. A tab without an open one follows.
WATCHED = """window.EventSource = class extends EventSource {
    constructor(...all) { super(...all); window.stream = this; }
};"""
# Plain HTTP to another machine has no Web Locks: the tabs then agree by messages.
WITHOUT_LOCKS = WATCHED + "Object.defineProperty(Navigator.prototype, 'locks', {value: undefined});"
# A tab in the background for minutes: its timers that repeat run once a minute. `isAway` makes it one.
MAY_BE_AWAY = (
    WITHOUT_LOCKS
    + """const every = window.setInterval;
window.setInterval = (act, ms) => every(() => window.isAway || act(), ms);
Object.defineProperty(Document.prototype, 'hidden', {get: () => Boolean(window.isAway)});"""
)


def leads(page) -> bool:
    return page.evaluate("window.stream !== undefined && window.stream.readyState !== EventSource.CLOSED")


def wait_for(page, condition, text):
    """Waits until the condition is true, and returns how long it took. Only a failed test reaches the limit."""
    since = time.monotonic()
    while not condition():
        assert time.monotonic() - since < LIMIT_MS / 1000, text
        page.wait_for_timeout(20)
    return time.monotonic() - since


def settled(mock, pages):
    """Waits until one tab has had the only stream for a while, and returns this tab."""
    alone, since = None, 0

    def is_settled():
        nonlocal alone, since
        leading = [page for page in pages if leads(page)]
        if len(leading) != 1 or len(mock.streams) != 1:
            alone = None
        elif leading[0] is not alone:
            alone, since = leading[0], time.monotonic()
        return alone is not None and time.monotonic() - since > SETTLED_S

    wait_for(pages[0], is_settled, "one of the tabs leads")
    return alone


@pytest.mark.parametrize("script", [WATCHED, WITHOUT_LOCKS, MAY_BE_AWAY], ids=["locks", "messages", "background"])
def test_eight_tabs_share_a_stream_and_survive_its_leader(mock, wall, say, script):
    context = wall.context()
    with Pulse(mock):
        pages = [wall(mock.url, context=context, script=script) for _ in range(TABS)]
        for page in pages:
            is_live(page)
        leader = settled(mock, pages)
        others = [page for page in pages if page is not leader]
        if script == MAY_BE_AWAY:
            for page in others:
                page.evaluate("window.isAway = true")
        opened = mock.opened
        leader.close()
        took = wait_for(others[0], lambda: mock.opened > opened, "another tab opens a stream")
        say(f"a tab of {TABS} follows the leader after {took:.2f} s")
        settled(mock, others)
        for page in others:
            is_live(page)


def test_leader_in_the_background_yields_to_a_visible_tab(mock, wall):
    context = wall.context()
    with Pulse(mock):
        # The name of a tab is made from this number: the smaller one would stay.
        first = wall(mock.url, context=context, script=MAY_BE_AWAY + "Math.random = () => 0.1;")
        is_live(first)
        settled(mock, [first])
        first.evaluate("window.isAway = true")
        # This tab hears nothing of the first one until it leads.
        deaf = """window.BroadcastChannel = class extends BroadcastChannel {
            set onmessage(act) { super.onmessage = (event) => window.stream && act(event); }
        };"""
        second = wall(mock.url, context=context, script=MAY_BE_AWAY + deaf + "Math.random = () => 0.9;")
        is_live(second)
        assert settled(mock, [first, second]) is second
        is_live(first)


def test_other_tabs_take_over_from_a_frozen_leader(mock, wall):
    context = wall.context()
    with Pulse(mock):
        pages = [wall(mock.url, context=context, script=WATCHED) for _ in range(2)]
        for page in pages:
            is_live(page)
        first = settled(mock, pages)
        second = next(page for page in pages if page is not first)
        said = notice(second)
        # A loop that another tab ends: the page receives nothing and passes nothing on, and it keeps its lock.
        first.evaluate("setTimeout(() => { while (!document.cookie.includes('thaw')); }, 0)")
        said.first()
        is_live(second)
        context.add_cookies([{"name": "thaw", "value": "1", "url": mock.url}])
        wait_for(second, lambda: len(mock.streams) == 1, "one stream is left")
        is_live(first)


def test_new_tab_shows_the_last_state_at_once(mock, wall):
    context = wall.context()
    mock.send(states.festival())
    first = wall(mock.url, context=context)
    expect(first.locator("#zone-list > li")).to_have_count(6)
    second = wall(mock.url, context=context)
    expect(second.locator("#zone-list > li")).to_have_count(6)
    assert mock.opened == 1
