"""The wall draws what a state says: all of it, at a glance, and nothing that is not known."""

import datetime
import re

from playwright.sync_api import expect

import states
from conftest import PHONE


def shown(page):
    """Waits until the state is drawn."""
    expect(page.locator("#clock")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))


def test_1000_scanners_and_40_gates_fit_one_screen(mock, wall):
    mock.send(states.with_alarms(states.festival()))
    page = wall(mock.url)
    shown(page)
    expect(page.locator(".gates tbody tr")).to_have_count(40)
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size[0] <= 1920 and size[1] <= 1080, size
    cells = page.evaluate("[...document.querySelectorAll('.cells path')].map(p => p.getAttribute('d')).join('')")
    assert cells.count("M") == 1_000
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.share')).fontSize)") >= 48


def test_zone_shows_share_people_trend_and_completeness(mock, wall):
    mock.send(states.festival())
    page = wall(mock.url)
    tile = page.locator("#zone-list > li").nth(1)
    for text in ("Main Arena", "BUSY", "86 %", "17,310", "of 20,000", "+1,420 an hour", "full in 1 h 54 min"):
        expect(tile).to_contain_text(text)
    expect(tile.locator(".complete")).to_have_text("1 of 420 lanes silent · 280 unsent · heard 18:00:00")
    expect(page.locator("#zone-list > li .level")).to_have_text(["GO", "BUSY", "FULL", "GO", "NO LIMIT", "GO"])


def test_zone_says_all_that_is_missing_in_its_count(mock, wall):
    state = states.festival()
    losses = {"lanes_late": 2, "missing": 1_040, "quarantined": 3, "untracked": 7}
    for row, (name, count) in zip(state["zones"]["rows"], losses.items()):
        row.update(lanes_silent=0, unsent=0, **{name: count})
    late, all_here = state["zones"]["rows"][4], state["zones"]["rows"][5]
    late.update(lanes_silent=0, heard=states.rfc3339(states.START - datetime.timedelta(minutes=9)))
    mock.send(state)
    page = wall(mock.url)
    words = page.locator("#zone-list > li .complete")
    texts = ["2 of 960 lanes late", "1,040 missing", "3 batches in quarantine", "7 not counted yet"]
    expect(words).to_have_text(
        [f"{text} · heard 18:00:00" for text in texts] + ["heard 17:51:00", "all lanes heard: 200 · heard 18:00:00"]
    )
    expect(page.locator("#zone-list > li .complete[data-missing]")).to_have_count(5)
    # A lane in use has a few scans under way.
    state["seq"] = 2
    all_here.update(unsent=3)
    mock.send(state)
    expect(words.last).to_have_text("all lanes heard: 200 · 3 unsent · heard 18:00:00")
    all_here.update(heard=states.rfc3339(states.START - datetime.timedelta(seconds=30)))
    state["seq"] = 3
    mock.send(state)
    expect(words.last).to_have_text("3 unsent · heard 17:59:30")
    expect(page.locator("#zone-list > li .complete[data-missing]")).to_have_count(6)
    # Messages in the broker may be of any lane. A tile names three losses.
    state["seq"], state["ingest"]["queue_ready"] = 4, 9_000
    all_here.update(heard=states.rfc3339(states.START), lanes_silent=4, lanes_late=5, unsent=6, missing=7)
    mock.send(state)
    expect(words.first).to_have_text("2 of 960 lanes late · 9,000 messages wait · heard 18:00:00")
    expect(words.last).to_have_text("4 of 200 lanes silent · 5 of 200 lanes late · 6 unsent · … · heard 18:00:00")
    expect(page.locator("#zone-list > li .complete[data-missing]")).to_have_count(6)


def test_closed_zone_is_full_without_a_share(mock, wall):
    state = states.festival()
    state["zones"]["rows"][3].update(capacity=0, percent=None, level="full", inside=2, inside_total=2)
    state["alarms"] = [states.alarm("zone-full", number=4, zone="Backstage", percent=None, inside=2, capacity=0)]
    mock.send(state)
    page = wall(mock.url)
    tile = page.locator("#zone-list > li").nth(3)
    expect(tile.locator(".level")).to_have_text("FULL")
    expect(tile.locator(".load")).to_have_text("2insideof 0")
    expect(page.locator(".what")).to_have_text("Backstage is closed: 2 inside")
    page.goto(f"{mock.url}/zone/Backstage")
    expect(page.locator("#level")).to_have_text("FULL")
    expect(page.locator("#people")).to_have_text("2 of 0")


def test_gate_shows_flow_lanes_last_tap_and_drop(mock, wall):
    state = states.with_alarms(states.festival())
    gate = state["gates"]["rows"][2]
    gate.update(in_min=1_204, out_min=7, refused_min=3, last_tap=states.rfc3339(states.START))
    mock.send(state)
    row = wall(mock.url).locator(".gates tbody tr").nth(2)
    texts = ["1,204", "7", "3", "14,440", "23/25", "1 s", "▼ 54 %"]
    expect(row.locator("td")).to_have_text(texts)
    expect(row.locator("th")).to_contain_text("2 silent · drop from 310 to 142")


def test_people_and_machines_are_shown(mock, wall):
    mock.send(states.festival())
    page = wall(mock.url)
    expect(page.locator("#arrivals .big")).to_have_text(re.compile(r"31,956\s*of 40,000 expected\s*79 %"))
    expect(page.locator("#by-category li").first).to_contain_text("General admission26,400 / 33,000")
    expect(page.locator("#by-category li").last).to_contain_text("2 more100 / 270")
    expect(page.locator("#curve-words")).to_contain_text("peak 8,512 an hour at 17:30")
    expect(page.locator("#refused-table tbody tr").first).to_have_text("Already inside61412")
    expect(page.locator("#refused-table tbody tr").last).to_have_text("Total104981")
    expect(page.locator("#doubles-count")).to_have_text("7 settled, 2 not settled yet")
    expect(page.locator("#fleet-counts li").first).to_have_text("1 silent")
    expect(page.locator("#worst tbody tr").first).to_contain_text("lane-0500")
    expect(page.locator("#ingest-list")).to_contain_text("148 scans a second")


def test_groups_without_a_name_are_counted_apart(mock, wall):
    state = states.festival()
    groups = [{"name": name, "arrived": n, "expected": 10} for name, n in (("Day", 1), (None, 2), (None, 3))]
    state["arrivals"].update(by_category=groups, by_pass=groups[1:])
    mock.send(state)
    page = wall(mock.url)
    expect(page.locator("#by-category li")).to_have_text(["Day1 / 10", "without a name2 / 10", "without a name3 / 10"])
    expect(page.locator("#by-pass")).to_be_hidden()


def test_unknown_parts_show_no_number(mock, wall):
    mock.send(states.unknown(states.festival()))
    page = wall(mock.url)
    shown(page)
    expect(page.locator("#zones .as-of")).to_have_text("not known")
    # That there are none is not known either.
    expect(page.locator("#alarms-none")).to_have_text("No alarms are known: counts are missing.")
    text = page.locator("main").inner_text().replace("per 15 min", "")
    assert not re.search(r"\d", text), text


def test_numbers_and_hours_have_one_direction_in_both_languages(mock, wall):
    mock.send(states.with_alarms(states.festival()))
    page = wall(mock.url, language="ar")
    shown(page)
    # The first hour stands at the left end of the curve, not beyond it.
    curve, hour = (page.locator(name).first.bounding_box() for name in (".curve", ".curve text"))
    assert hour["x"] >= curve["x"] - 1
    # Arrived, then expected, as in the cell of the lanes.
    assert page.locator("#by-category .counts bdi").first.evaluate("node => getComputedStyle(node).direction") == "ltr"


def test_event_without_zones_says_so(mock, wall):
    mock.send(states.empty(states.festival()))
    page = wall(mock.url)
    expect(page.get_by_text("No zones are set up.")).to_be_visible()
    expect(page.get_by_text("No gates are set up.")).to_be_visible()


def test_names_are_never_markup(mock, wall):
    evil = "<img src=x onerror=alert(1)>\u202e/zone/../<b>"
    state = states.festival()
    state["zones"]["rows"][0]["name"] = state["gates"]["rows"][0]["name"] = evil
    state["alarms"] = [states.alarm("zone-full", zone=evil, percent=97), states.alarm("<b>new</b>", what=evil)]
    mock.send(state)
    page = wall(mock.url)
    expect(page.locator("#zone-list h3").first).to_contain_text(evil)
    expect(page.locator("#alarm-list li")).to_have_count(2)
    assert page.locator("main img, main b b").count() == 0
    page.locator("#zone-list h3 a").first.click()
    expect(page.locator("#zone-name")).to_have_text(evil)


def test_phone_scrolls_in_one_direction_only(mock, wall):
    mock.send(states.with_alarms(states.festival()))
    for language in ("en", "ar"):
        page = wall(mock.url, size=PHONE, language=language)
        shown(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        # Targets for a thumb.
        for name in ("#find-open", "#sound"):
            assert page.locator(name).bounding_box()["height"] >= 40


def test_new_zone_and_gone_gate_are_followed(mock, wall):
    mock.send(states.festival(gates=4, scanners=8, zones=states.ZONES[:2]))
    page = wall(mock.url)
    expect(page.locator(".gates tbody tr")).to_have_count(4)
    mock.send(states.festival(seq=2, gates=3, scanners=8, zones=states.ZONES[:3]))
    expect(page.locator(".gates tbody tr")).to_have_count(3)
    expect(page.locator("#zone-list > li")).to_have_count(3)


def test_alarms_stand_worst_first_and_can_be_seen(mock, wall):
    mock.send(states.with_alarms(states.festival()))
    page = wall(mock.url)
    rows = page.locator("#alarm-list li")
    expect(rows.locator(".level")).to_have_text(["Alarm"] * 3 + ["Warning"] * 2)
    expect(rows.first).to_contain_text("Delegates' Lounge is full: 97 %, 1,462 inside of 1,500")
    rows.first.get_by_role("button").click()
    expect(rows.nth(2)).to_contain_text("Delegates' Lounge is full")
    expect(rows.nth(2).get_by_role("button")).to_be_hidden()
    # An alarm that ended and comes back is new.
    mock.send(states.festival(seq=2))
    expect(page.get_by_text("No alarms")).to_be_visible()
    mock.send(states.with_alarms(states.festival(seq=3)))
    expect(rows.first).to_contain_text("Delegates' Lounge is full")


def test_sound_starts_by_a_click_and_sounds_for_an_alarm(mock, wall):
    mock.send(states.festival())
    page = wall(mock.url)
    button = page.locator("#sound")
    expect(button).to_have_text("Sound: off")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    # The first sound is the test of the loudspeaker.
    expect(button).to_have_attribute("data-sounded", "1")
    mock.send(states.with_alarms(states.festival(seq=2)))
    expect(button).to_have_attribute("data-sounded", "2")


def test_name_of_a_scanner_is_shown_below_its_cell(mock, wall):
    mock.send(states.festival())
    page = wall(mock.url)
    shown(page)
    box = page.locator(".cells").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    expect(page.locator("#cell-name")).to_contain_text("lane-0001 · North 1")
