"""One stream a browser, however many tabs: a leader holds it, and another follows when the leader is gone."""

import time

import pytest
from playwright.sync_api import expect

import states
from test_stale import Pulse, is_live

TABS = 8
# Plain HTTP to another machine has no Web Locks: the tabs then agree by messages.
WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {value: undefined})"


def wait_streams(mock, page, count, limit_s):
    since = time.monotonic()
    while len(mock.streams) != count and time.monotonic() - since < limit_s:
        page.wait_for_timeout(20)
    assert len(mock.streams) == count


@pytest.mark.parametrize("script", [None, WITHOUT_LOCKS], ids=["locks", "messages"])
def test_eight_tabs_share_a_stream_and_survive_its_leader(mock, wall, script):
    context = wall.context()
    with Pulse(mock):
        pages = [wall(mock.url, context=context, script=script) for _ in range(TABS)]
        for page in pages:
            is_live(page)
        wait_streams(mock, pages[-1], 1, 10)
        # The first tab leads. It is closed; another one opens a stream within 2 s.
        opened = mock.opened
        pages[0].close()
        since = time.monotonic()
        while mock.opened == opened and time.monotonic() - since < 10:
            pages[1].wait_for_timeout(20)
        assert time.monotonic() - since < 2
        wait_streams(mock, pages[1], 1, 10)
        for page in pages[1:]:
            is_live(page)


def test_other_tabs_take_over_from_a_frozen_leader(mock, wall):
    context = wall.context()
    with Pulse(mock):
        first, second = wall(mock.url, context=context), wall(mock.url, context=context)
        is_live(first)
        is_live(second)
        # An endless loop: the page receives nothing and passes nothing on, and it keeps its lock.
        first.evaluate("setTimeout(() => { const end = Date.now() + 9_000; while (Date.now() < end); }, 0)")
        expect(second.locator("#notice")).to_be_visible()
        is_live(second)
        wait_streams(mock, second, 1, 20)
        is_live(first)


def test_new_tab_shows_the_last_state_at_once(mock, wall):
    context = wall.context()
    mock.send(states.festival())
    first = wall(mock.url, context=context)
    expect(first.locator("#zone-list > li")).to_have_count(6)
    second = wall(mock.url, context=context)
    expect(second.locator("#zone-list > li")).to_have_count(6)
    assert mock.opened == 1
