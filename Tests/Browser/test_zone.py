"""The sign of a zone: one word, readable from ten metres, and never from old numbers."""

import re
import urllib.parse

import pytest
from playwright.sync_api import expect

import states
from conftest import PHONE, WALL

# A capital letter is about 0.7 of the size of its font. On a screen of 40 cm height a quarter is 10 cm.
CAPITAL = 0.7
SHARE = 0.25


def address(mock, name, more="") -> str:
    return f"{mock.url}/zone/{urllib.parse.quote(name, safe='')}{more}"


@pytest.mark.parametrize("language", ["en", "ar"])
def test_word_is_a_quarter_of_the_screen_high(mock, wall, language):
    mock.send(states.festival())
    page = wall(address(mock, "Backstage"), language=language)
    words = {"en": ["GO", "BUSY", "FULL"], "ar": ["متاح", "مزدحم", "ممتلئ"]}[language]
    # Arabic letters fill less of the height of their font, and have strokes below the line.
    part = SHARE if language == "en" else SHARE * 0.8
    for zone, word in zip(("Backstage", "Main Arena", "Delegates' Lounge"), words):
        page.goto(address(mock, zone))
        expect(page.locator("#level")).to_have_text(word)
        size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('#level')).fontSize)")
        assert CAPITAL * size >= part * WALL["height"], size
        overflow = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert overflow == [WALL["width"], WALL["height"]]


def test_sign_fits_a_phone(mock, wall):
    mock.send(states.festival())
    page = wall(address(mock, "Main Arena"), size=PHONE)
    expect(page.locator("#level")).to_have_text("BUSY")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("#level").evaluate("node => node.scrollWidth <= node.clientWidth + 1")


def test_sign_shows_the_numbers(mock, wall):
    mock.send(states.festival())
    page = wall(address(mock, "Main Arena"))
    expect(page.locator("#share")).to_have_text("86 %")
    expect(page.locator("#people")).to_have_text("17,310 of 20,000")
    expect(page.locator("#complete")).to_contain_text("1 of 420 lanes silent")


def test_sign_changes_with_the_state(mock, wall):
    mock.send(states.festival())
    page = wall(address(mock, "Main Arena"))
    expect(page.locator("#level")).to_have_text("BUSY")
    state = states.festival(seq=2)
    state["zones"]["rows"][1].update(percent=96.0, level="full")
    mock.send(state)
    expect(page.locator("#level")).to_have_text("FULL")


def test_old_count_is_no_sign(mock, wall):
    mock.send(states.server_away(states.festival(), "database"))
    page = wall(address(mock, "Backstage"))
    expect(page.locator("#level")).to_have_text("NO DATA")
    # The numbers below say how old they are, and look it.
    expect(page.locator("#complete")).to_have_text(re.compile(r"old: as of 17:59:\d\d, \d+ s ago"))
    dim, ground = (page.locator(name).evaluate("node => getComputedStyle(node).color") for name in ("#numbers", "#sign"))
    assert dim != ground
    mock.send(states.festival(seq=2))
    expect(page.locator("#level")).to_have_text("GO")
    expect(page.locator("#complete")).to_contain_text("lanes heard")
    # No further state: first the notice, then no word.
    expect(page.locator("#notice-words")).to_have_text(re.compile(r"No data for \d+ s"))
    expect(page.locator("#level")).to_have_text("NO DATA")
    expect(page.locator("#complete")).to_have_text(re.compile(r"old: as of 18:00:\d\d, \d+ s ago"))


def test_unknown_zone_is_said(mock, wall):
    mock.send(states.festival())
    page = wall(address(mock, "Nowhere"))
    expect(page.locator("#missing")).to_have_text("There is no zone “Nowhere”.")
    expect(page.locator("#level")).to_have_text("NO DATA")


def test_any_name_has_an_address(mock, wall):
    names = ["A/B", "50% off", "قاعة المؤتمرات", "a?b#c", "Zoë & Co"]
    mock.send(states.festival(gates=1, scanners=2, zones=[(name, 0, 5, 10, 1, 0, 0, 0) for name in names]))
    page = wall(mock.url)
    for index, name in enumerate(names):
        page.goto(mock.url)
        page.locator("#zone-list a").nth(index).click()
        expect(page.locator("#zone-name")).to_have_text(name)
        expect(page.locator("#level")).to_have_text("GO")


def test_address_sets_language_and_theme(mock, wall):
    mock.send(states.festival())
    page = wall(address(mock, "Backstage", "?lang=ar&theme=light"))
    expect(page.locator("#level")).to_have_text("متاح")
    assert page.evaluate("[document.dir, document.documentElement.dataset.theme]") == ["rtl", "light"]
