"""Old numbers look old, and the page heals by itself."""

import re
import time

import pytest
from playwright.sync_api import expect

import states
from background import Background
from conftest import LIMIT_MS
from said import Said

STALE = re.compile(r"No data for \d+ s")
OUTAGE = "Failed to load resource|ERR_"


class Pulse(Background):
    """Sends a state each 200 ms, until the end of the block."""

    def __init__(self, mock, make=lambda seq: states.festival(seq, gates=4, scanners=8)):
        super().__init__()
        self.mock, self.make = mock, make

    def run(self):
        seq = 0
        while not self.stop.wait(0.2):
            seq += 1
            self.mock.send(self.make(seq))


def is_live(page):
    expect(page.locator("#pulse")).to_have_text("Live")
    expect(page.locator("#notice")).to_be_hidden()


def notice(page):
    return Said(page, "#notice-words", "No data for [0-9]+ s")


def test_silent_stream_is_said_grey_and_heals(mock, wall, say):
    page = wall(mock.url)
    with Pulse(mock):
        is_live(page)
        said = notice(page)
        since = time.time()
    said.within_limit(since, say)
    assert "grayscale" in page.locator("#zone-list").evaluate("node => getComputedStyle(node).filter")
    expect(page.locator("#spoken")).to_have_text("No data. The numbers on this page are old.")
    expect(page.locator("#notice-help")).to_contain_text("18:00:")
    with Pulse(mock):
        is_live(page)
        assert page.locator("#zone-list").evaluate("node => getComputedStyle(node).filter") == "none"
        expect(page.locator("#spoken")).to_have_text("Data are live.")


def test_stream_that_ends_is_opened_again(mock, wall):
    page = wall(mock.url)
    with Pulse(mock):
        is_live(page)
        opened = mock.opened
        mock.cut()
        # The browser itself asks again after three seconds.
        deadline = time.monotonic() + LIMIT_MS / 1000
        while mock.opened == opened and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        assert mock.opened > opened
        is_live(page)


def test_refusing_center_is_asked_until_it_answers(mock, wall, say):
    wall.expected = OUTAGE
    page = wall(mock.url)
    with Pulse(mock):
        is_live(page)
        said = notice(page)
        mock.status = 503
        mock.cut()
        said.within_limit(time.time(), say)
        mock.status = 200
        is_live(page)


def test_page_without_any_state_says_so(mock, wall):
    page = wall(mock.url)
    expect(page.locator("#pulse")).to_have_text("Waiting for data")
    expect(page.locator("#notice-words")).to_have_text(STALE)
    with Pulse(mock):
        is_live(page)


@pytest.mark.parametrize("period_ms", [3_000, 30_000])
def test_slower_states_are_old_after_five_seconds(mock, wall, period_ms):
    """Not after three, as with a state a second, and counts that take longer do not delay the notice."""
    mock.send({**states.festival(gates=4, scanners=8), "period_ms": period_ms})
    page = wall(mock.url)
    said = notice(page)
    # The state came after the page was opened.
    assert said.first()["age"] >= 5


def test_server_away_is_an_alarm_and_its_counts_are_old(mock, wall):
    mock.send(states.server_away(states.festival(), "broker"))
    page = wall(mock.url)
    expect(page.locator("#broker")).to_have_text("away since 17:59:21")
    expect(page.locator("#alarm-list li").first).to_contain_text("The broker is away.")
    expect(page.locator("#center")).to_have_text("no broker")
    assert page.locator("[data-old]").count() == 0
    mock.send(states.server_away(states.festival(seq=2), "database"))
    expect(page.locator("#alarm-list li").first).to_contain_text("The database is away.")
    expect(page.locator("#broker")).to_have_text("OK")
    expect(page.locator("#center")).to_have_text("–")
    expect(page.locator("#zones .as-of")).to_have_text("old: as of 17:59:22, 40 s ago")
    assert "grayscale" in page.locator("#gate-tables").evaluate("node => getComputedStyle(node).filter")
    mock.send(states.festival(seq=3))
    expect(page.get_by_text("No alarms")).to_be_visible()
    assert page.locator("[data-old]").count() == 0


def test_counts_behind_a_login_say_so_and_heal(mock, wall):
    wall.expected = OUTAGE
    mock.needs_login = True
    mock.send(states.festival())
    page = wall(mock.url)
    expect(page.locator("#notice-words")).to_have_text("Not permitted: log in")
    page.locator("#notice-login").click()
    expect(page).to_have_url(re.compile(r"/login\?next=%2F$"))
    page.get_by_label("Token").fill("right")
    page.get_by_role("button", name="Log in").click()
    is_live(page)
