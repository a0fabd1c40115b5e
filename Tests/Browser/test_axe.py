"""Everyone can use the pages: axe finds nothing, and the keyboard reaches everything."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import people
import states
from conftest import PHONE, WALL

# All rules of axe, best practices too.
OPTIONS = {"resultTypes": ["violations"]}


def festival(seq):
    """A state with all kinds of elements, in two tables; axe looks at each of them."""
    return states.festival(seq, gates=14, scanners=60)


def check(page, what):
    result = Axe().run(page, options=OPTIONS).response
    places = [(rule["id"], place) for rule in result["violations"] for place in rule["nodes"]]
    found = [f"{what}: {rule}: {place['html']} {place.get('failureSummary')}" for rule, place in places]
    assert not found, "\n".join(found[:10])


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing(mock, wall, theme, language):
    wall.expected = r"status of 401"
    mock.people = people.answer
    mock.send(states.with_alarms(festival(1)))
    page = wall(mock.url, theme=theme, language=language)
    expect(page.locator("#alarm-list li")).to_have_count(5)
    check(page, "alarms")
    page.locator("#find-open").click()
    page.locator("#find-text").fill("zoë")
    expect(page.locator("#find-login")).to_be_visible()
    check(page, "search without a log-in")
    mock.role = "viewer-names"
    page.locator("#find-text").fill("m")
    expect(page.locator("#find-list li")).to_have_count(2)
    check(page, "matches")
    page.locator("#find-list button").first.click()
    expect(page.locator("#person-name")).to_be_visible()
    check(page, "person")
    page.keyboard.press("Escape")
    mock.send(states.server_away(festival(2), "database"))
    expect(page.locator("#alarm-list li")).to_have_count(1)
    check(page, "database away")
    page.set_viewport_size(PHONE)
    mock.send(states.with_alarms(festival(3)))
    expect(page.locator("#alarm-list li")).to_have_count(5)
    check(page, "phone")
    page.set_viewport_size(WALL)
    expect(page.locator("#notice")).to_be_visible()
    check(page, "stale")
    for zone in ("Backstage", "Main Arena", "Delegates' Lounge", "Nowhere"):
        mock.send(festival(4))
        page.goto(f"{mock.url}/zone/{zone}")
        expect(page.locator("#level")).not_to_have_text("")
        check(page, zone)
    page.goto(f"{mock.url}/login?failed=1")
    expect(page.get_by_role("alert")).not_to_have_text("")
    check(page, "log-in")


def test_keyboard_reaches_all_controls_and_shows_where_it_is(mock, wall):
    mock.people, mock.role = people.answer, "viewer-names"
    mock.send(states.with_alarms(states.festival(gates=4, scanners=8)))
    page = wall(mock.url)
    expect(page.locator("#alarm-list li")).to_have_count(5)
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name, width = page.evaluate(
            "() => document.activeElement === document.body ? ['', ''] : "
            "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineWidth]"
        )
        if not name:
            break
        assert width == "3px", f"no focus ring: {name}"
        reached.append(name)
    assert reached[:6] == [
        "Skip to the alarms", "Find a person", "Sound: off", "Theme: auto", "العربية", "Full screen"
    ]
    # "Seen" of each alarm, then the link of each zone.
    assert reached[6:] == ["Seen"] * 5 + [zone[0] for zone in states.ZONES]


def test_search_works_by_keyboard_alone(mock, wall):
    mock.people, mock.role = people.answer, "viewer-names"
    mock.send(states.festival(gates=4, scanners=8))
    page = wall(mock.url)
    expect(page.locator("#zone-list > li")).to_have_count(6)
    page.keyboard.press("Control+k")
    page.keyboard.type("zoë")
    expect(page.locator("#find-list li")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#person-name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#find")).to_be_hidden()


def test_numbers_are_not_read_aloud_but_alarms_are(mock, wall):
    mock.send(states.festival(gates=4, scanners=8))
    page = wall(mock.url)
    expect(page.locator("#zone-list > li")).to_have_count(6)
    spoken = page.evaluate("[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].map(n => n.id)")
    assert spoken == ["spoken", "alarm-list", "find-status"]


def test_theme_button_goes_round_and_is_kept(mock, wall):
    mock.send(states.festival(gates=4, scanners=8))
    page = wall(mock.url)
    button = page.locator("[data-do=theme]")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    button.click()
    expect(button).to_have_text("Theme: dark")
    button.click()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(ground) != dark
    page.reload()
    expect(button).to_have_text("Theme: light")


def test_language_button_turns_the_page(mock, wall):
    mock.send(states.festival(gates=4, scanners=8))
    page = wall(mock.url)
    expect(page.locator("#zone-list .level").first).to_have_text("GO")
    page.locator("[data-do=language]").click()
    expect(page.locator("#zone-list .level").first).to_have_text("متاح")
    assert page.evaluate("[document.dir, document.documentElement.lang]") == ["rtl", "ar"]
    # The page reads from the right: the first zone stands right of the second.
    first, second = (page.locator("#zone-list > li").nth(i).bounding_box()["x"] for i in (0, 1))
    assert first > second
    page.reload()
    expect(page.locator("[data-do=language]")).to_have_text("English")
