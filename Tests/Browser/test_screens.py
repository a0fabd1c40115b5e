"""A picture of each state, for a look by a person. The folder is $TAPLINE_SCREENSHOTS, or a temporary one."""

import pytest
from playwright.sync_api import expect

import people
import states
from conftest import PHONE, WALL

SMALL = {"width": 1280, "height": 800}


def small(seq=1):
    return states.festival(seq, gates=5, scanners=14, zones=states.ZONES[:3])


STATES = {
    "calm": states.festival,
    "alarms": lambda: states.with_alarms(states.festival()),
    "small-event": small,
    "broker-away": lambda: states.server_away(states.festival(), "broker"),
    "database-away": lambda: states.server_away(states.festival(), "database"),
    "unknown": lambda: states.unknown(states.festival()),
    "empty": lambda: states.empty(states.festival()),
}


def picture(page, folder, name, full=False):
    path = folder / f"{name}.png"
    page.screenshot(path=path, full_page=full)
    assert path.stat().st_size > 5_000


def test_pictures_of_the_wall(mock, wall, screenshots):
    for name, make in STATES.items():
        mock.send(make())
        page = wall(mock.url)
        expect(page.locator("#clock")).not_to_have_text("–")
        picture(page, screenshots, f"wall-{name}")
        page.close()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_pictures_of_languages_themes_and_sizes(mock, wall, screenshots, language):
    mock.send(states.with_alarms(states.festival()))
    sizes = {"light": (WALL, "light"), "phone": (PHONE, "dark"), "laptop": (SMALL, "dark")}
    for name, (size, theme) in sizes.items():
        page = wall(mock.url, size=size, theme=theme, language=language)
        expect(page.locator("#alarm-list li")).to_have_count(5)
        picture(page, screenshots, f"wall-{name}-{language}", full=size is not WALL)
        page.close()


def test_pictures_of_signs_search_login_and_old_numbers(mock, wall, screenshots):
    mock.people, mock.role = people.answer, "viewer-names"
    mock.send(states.festival())
    for language in ("en", "ar"):
        for zone in ("Backstage", "Main Arena", "Delegates' Lounge"):
            page = wall(f"{mock.url}/zone/{zone}", language=language)
            expect(page.locator("#share")).not_to_have_text("")
            picture(page, screenshots, f"sign-{zone.split()[0].strip(chr(39)).lower()}-{language}")
            page.close()
    page = wall(mock.url)
    expect(page.locator("#clock")).not_to_have_text("–")
    page.keyboard.press("Control+k")
    page.keyboard.type("m")
    expect(page.locator("#find-list li")).to_have_count(2)
    picture(page, screenshots, "search-matches")
    page.locator("#find-list button").first.click()
    expect(page.locator("#person-name")).to_be_visible()
    picture(page, screenshots, "search-person")
    page.locator("#find-text").fill("-17")
    page.locator("#find-list button").get_by_text("-17").click()
    expect(page.locator("#person-name")).to_have_text("Tag -17")
    picture(page, screenshots, "search-tag")
    page.keyboard.press("Escape")
    expect(page.locator("#notice")).to_be_visible()
    picture(page, screenshots, "wall-no-data")
    mock.send(states.server_away(states.festival(seq=2), "database"))
    page.goto(f"{mock.url}/zone/Backstage")
    expect(page.locator("#complete")).to_contain_text("old: as of")
    picture(page, screenshots, "sign-no-data")
    page = wall(f"{mock.url}/login?failed=1", size=SMALL)
    expect(page.get_by_role("alert")).not_to_have_text("")
    picture(page, screenshots, "login")


def test_picture_for_the_documentation(mock, wall, screenshots):
    """Makes wall.png, which is copied to docs/images when the wall changes."""
    mock.send(states.with_alarms(small()))
    context = wall.browser.new_context(viewport=WALL, device_scale_factor=2 / 3, color_scheme="dark", locale="en-GB")
    wall.contexts.append(context)
    page = wall(mock.url, context=context)
    expect(page.locator("#alarm-list li")).to_have_count(5)
    picture(page, screenshots, "wall")
    assert (screenshots / "wall.png").stat().st_size < 250_000
