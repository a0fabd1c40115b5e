"""Search for a person: only with a role that may see names, and nothing stays on the screen."""

import re

import pytest
from playwright.sync_api import expect

import people
import states
from conftest import PHONE

REFUSED = r"status of 40[13]"


@pytest.fixture
def center(mock):
    mock.send(states.festival(gates=4, scanners=8))
    mock.people, mock.role = people.answer, "viewer-names"
    return mock


def opened(page):
    # The scripts of the page run: before, a click is lost.
    expect(page.locator("#sound")).not_to_have_text("")
    page.get_by_role("button", name="Find a person").click()
    expect(page.locator("#find-text")).to_be_focused()
    return page.locator("#find-text")


def test_matches_show_category_reference_and_status(center, wall):
    page = wall(center.url)
    opened(page).press_sequentially("m", delay=5)
    expect(page.locator("#find-list li")).to_have_count(2)
    expect(page.locator("#find-list li").first).to_have_text("Müller, ZoëDelegate · REG-0007")
    expect(page.locator("#find-list li").last).to_have_text("<img src=x onerror=alert(1)>Crew · blocked")
    assert page.locator("dialog img").count() == 0


def test_only_the_newest_question_is_answered_on_screen(center, wall):
    page = wall(center.url)
    text = opened(page)
    # A burst of keys, however slow the machine is.
    text.evaluate(
        """node => { for (const text of ["m", "mü", "mül", "müll"]) {
            node.value = text;
            node.dispatchEvent(new Event("input"));
        } }"""
    )
    text.fill("zzz")
    expect(page.locator("#find-status")).to_have_text("No match for “zzz”.")
    expect(page.locator("#find-list li")).to_have_count(0)
    # At most one question for the burst, and one for the text after it.
    assert len([path for path, _ in center.questions if "?q=" in path]) <= 2


def test_many_matches_ask_for_more_text(center, wall):
    page = wall(center.url)
    opened(page).fill("many")
    expect(page.locator("#find-status")).to_have_text("First 50 matches; type more to narrow them.")
    expect(page.locator("#find-list li")).to_have_count(50)


def test_person_shows_place_track_and_reasons(center, wall):
    page = wall(center.url)
    opened(page).fill("zoë")
    page.locator("#find-list button").click()
    person = page.locator("#find-person")
    expect(person.locator("#person-name")).to_be_focused()
    expect(person).to_contain_text("Main Arena · since 17:40:02")
    tables = person.locator("table")
    expect(tables.nth(0).locator("tbody tr")).to_have_text(
        ["17:40:02North 4inAdmitted", "17:12:44East 1outAdmitted · not counted", "16:00:00South 2inNo access here"]
    )
    expect(tables.nth(1)).to_contain_text("pass Day opens Festival Site, and this gate leads into Backstage")
    expect(person).to_contain_text("The reason is worked out again from the list of that time.")
    person.get_by_role("button").click()
    expect(page.locator("#find-list button").first).to_be_focused()


def test_closed_search_leaves_no_name_in_the_page(center, wall):
    page = wall(center.url)
    opened(page).fill("zoë")
    page.locator("#find-list button").click()
    expect(page.locator("#person-name")).to_have_text("Müller, Zoë")
    page.keyboard.press("Escape")
    expect(page.locator("#find")).to_be_hidden()
    expect(page.locator("#person-name")).to_have_count(0)
    assert "Müller" not in page.content()
    expect(page.locator("#find-open")).to_be_focused()
    # A name that was searched for in vain.
    opened(page).fill("Xenia Khan")
    expect(page.locator("#find-status")).to_contain_text("Xenia Khan")
    page.locator("#find-close").click()
    # The event of the closing comes after the dialog is hidden.
    expect(page.locator("#find-status")).to_have_text("")
    assert "Khan" not in page.content()


def test_tag_that_no_person_has_shows_why_it_was_refused(center, wall):
    page = wall(center.url)
    opened(page).fill("-17")
    expect(page.locator("#find-list li")).to_have_text("Tag -17On no list · refused today: 2")
    page.locator("#find-list button").click()
    person = page.locator("#find-person")
    expect(person.locator("#person-name")).to_have_text("Tag -17")
    expect(person.locator("table")).to_have_count(1)
    expect(person.locator("table")).to_contain_text("the tag is not on the list")
    person.get_by_role("button").click()
    expect(page.locator("#find-list button")).to_be_focused()


def test_search_without_the_event_key_says_what_it_does_not_find(center, wall):
    page = wall(center.url)
    opened(page).fill("no-key")
    expect(page.locator("#find-status")).to_contain_text("Codes and UIDs are not searched")


def test_names_need_a_login_and_a_logout_ends_it(center, wall):
    wall.expected = REFUSED
    center.role = None
    page = wall(center.url)
    opened(page).fill("zoë")
    expect(page.locator("#find-status")).to_contain_text("Names need a log-in")
    page.locator("#find-login").click()
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This token is not valid.")
    page.get_by_label("Token").fill("right")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(center.url + "/")
    opened(page).fill("zoë")
    expect(page.locator("#find-list li")).to_have_count(1)
    with page.expect_navigation():
        page.get_by_role("button", name="Log out").click()
    opened(page).fill("zoë")
    expect(page.locator("#find-status")).to_contain_text("Names need a log-in")


def test_token_of_counts_sees_no_names(center, wall):
    wall.expected = REFUSED
    center.role = "viewer"
    page = wall(center.url)
    opened(page).fill("zoë")
    expect(page.locator("#find-status")).to_have_text(re.compile("This token shows counts only"))


@pytest.mark.parametrize("address", ["/zone/Main%20Arena?lang=ar&theme=light", "/?lang=ar", "/"])
def test_login_leads_back_to_the_whole_address(center, wall, address):
    wall.expected = REFUSED
    center.needs_login, center.role = True, None
    page = wall(center.url + address)
    page.locator("#notice-login").click()
    # The script of the page has run.
    expect(page.locator("#next")).to_have_value(address)
    page.locator("#token").fill("right")
    page.locator("form button").first.click()
    expect(page).to_have_url(center.url + address)
    expect(page.locator("html")).to_have_attribute("data-data", "live")


@pytest.mark.parametrize("target", ["//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example"])
def test_login_leads_to_no_other_site(center, wall, target):
    page = wall(f"{center.url}/login?next={target}")
    expect(page.get_by_label("Token")).to_be_focused()
    assert page.locator("#next").input_value() == "/"


def test_search_fits_a_phone(center, wall):
    page = wall(center.url, size=PHONE)
    opened(page).fill("zoë")
    page.locator("#find-list button").click()
    expect(page.locator("#person-name")).to_be_visible()
    box = page.locator("#find").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
