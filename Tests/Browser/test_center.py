"""The wall of a real center: the numbers come from taps at a real gate."""

import os
import re
import signal
import statistics
import time

import pytest
from playwright.sync_api import expect

import states
from center import LANES, Load, Site
from said import Said
from shared_system import shared
from test_stale import is_live, notice
from waiting import wait_equal, wait_until

pytestmark = pytest.mark.runs_last
# A shared machine is slower than one that only runs a center: the limits of the times are those of the requirement.
TAPS = 300
# A turnstile lets a person in each 5.5 s. Here each lane has a tap a second.
PAUSE_S = 1.05 / LANES
MEDIAN_S, P99_S = 1.0, 2.0
DELEGATES = 100_000
SEARCH_S = 0.2
SCANS_S = 2_000
OUTAGE = "Failed to load resource|ERR_"


@pytest.fixture(scope="session")
def site(request):
    names = ("TAPLINE_TEST_AMQP_URL", "TAPLINE_TEST_DATABASE_URL", "TAPLINE_SERVERS_DIR")
    missing = [name for name in names if name not in os.environ]
    assert not missing, "run scripts/servers start DIR, then . DIR/env"
    yield from shared(request, Site(os.environ))


def shape(made, real, path=""):
    """Yields the members of the made-up state that the real one does not have."""
    if isinstance(made, dict) and isinstance(real, dict):
        for key, value in made.items():
            if path in (".sparks.rows", ".fleet.counts"):
                continue
            if key not in real:
                yield f"{path}.{key}"
            else:
                yield from shape(value, real[key], f"{path}.{key}")
    elif isinstance(made, list) and isinstance(real, list) and made and real:
        yield from shape(made[0], real[0], path + "[]")


def test_center_sends_what_the_tests_made_up(site, wall):
    site.tap(0)
    page = wall(site.url)
    is_live(page)
    expect(page.locator("#zone-list > li")).to_have_count(2)
    real = page.evaluate("fetch('/api/live?once').then(answer => answer.json())")
    assert list(shape(states.festival(), real)) == []
    policy = page.evaluate("fetch('/').then(answer => answer.headers.get('content-security-policy'))")
    assert "default-src 'self'" in policy and "unsafe" not in policy
    expect(page.locator("#ingest .as-of")).to_have_text("")
    expect(page.locator(".gates tbody th")).to_contain_text(["Main 1"])


def test_tap_at_a_gate_is_on_the_wall_within_a_second(site, wall, say):
    page = wall(site.url)
    is_live(page)
    inside = page.locator("#zone-list .inside").first
    before = int(inside.inner_text())
    page.evaluate(
        """() => {
            window.seen = [];
            const node = document.querySelector("#zone-list .inside");
            const note = () => seen.push([Date.now() / 1000, Number(node.textContent.replace(/,/g, ""))]);
            new MutationObserver(note).observe(node, {characterData: true, childList: true, subtree: true});
        }"""
    )
    taps = []
    for person in range(10, 10 + TAPS):
        assert site.tap(person, lane=person % LANES)["verdict"] == 0
        taps.append(time.time())
        page.wait_for_timeout(1000 * PAUSE_S)
    expect(inside).to_have_text(str(before + TAPS))
    seen = page.evaluate("window.seen")
    delays = sorted(next(at for at, n in seen if n >= before + index) - tap for index, tap in enumerate(taps, 1))
    median, p99 = statistics.median(delays), delays[int(0.99 * len(delays))]
    say(f"tap to wall: min {delays[0]:.2f} s, median {median:.2f} s, p99 {p99:.2f} s, max {delays[-1]:.2f} s, {TAPS} taps")
    assert median < MEDIAN_S and p99 < P99_S


def test_refusal_is_counted_and_its_reason_is_shown(site, wall):
    # Hard anti-passback: the second entry is refused.
    assert [site.tap(319)["verdict"], site.tap(319)["verdict"]] == [0, 5]
    page = wall(site.url)
    expect(page.locator("#refused-table tbody")).to_contain_text("Already inside")
    page.context.add_cookies([{"name": "tapline_viewer", "value": site.token("reasons"), "url": site.url}])
    page.locator("#find-open").click()
    page.locator("#find-text").fill("P-319")
    page.locator("#find-list button").click()
    why = page.locator("#find-person table").last
    expect(why.locator("tbody tr")).to_contain_text([re.compile("Main 1Already inside.*antipassback: hard")])


def test_token_shows_names_until_it_is_revoked(site, wall):
    wall.expected = "status of 40[13]"
    page = wall(site.url)
    is_live(page)
    page.locator("#find-open").click()
    page.locator("#find-text").fill("person 1")
    expect(page.locator("#find-status")).to_contain_text("Names need a log-in")
    page.locator("#find-login").click()
    page.get_by_label("Token").fill("0" * 64)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This token is not valid.")
    page.get_by_label("Token").fill(site.token("desk"))
    page.get_by_role("button", name="Log in").click()
    is_live(page)
    page.locator("#find-open").click()
    page.locator("#find-text").fill("person 10")
    expect(page.locator("#find-list li").first).to_contain_text("Person 10")
    page.locator("#find-list button").first.click()
    expect(page.locator("#find-person")).to_contain_text("Festival · since")
    expect(page.locator("#find-person table tbody tr")).to_have_count(1)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["tapline_viewer"]["httpOnly"] and cookies["tapline_viewer"]["sameSite"] == "Strict"
    site.tapline_center("token", "revoke", "desk")

    def says():
        page.locator("#find-text").press("Enter")
        page.wait_for_timeout(100)
        return "Names need a log-in" in page.locator("#find-status").inner_text()

    wait_equal(says, True, "the revoked token shows no names")


def test_eight_tabs_are_one_stream_at_the_center(site, wall):
    context = wall.context()
    pages = [wall(site.url, context=context) for _ in range(8)]
    for page in pages:
        is_live(page)
    # The streams of pages that were closed end with the next state.
    wait_equal(lambda: site.metric("tapline_http_streams"), 1, "streams of eight tabs")


def test_lost_broker_is_said_and_heals(site, wall, say):
    page = wall(site.url)
    is_live(page)
    said = Said(page, "#broker", "away since")
    site.servers_do("kill-broker")
    said.within_limit(time.time(), say)
    expect(page.locator("#alarm-list li").first).to_contain_text("The broker is away.")
    site.servers_do("restart-broker")
    expect(page.locator("#broker")).to_have_text("OK", timeout=60_000)


def test_lost_database_is_said_grey_and_heals(site, wall, say):
    page = wall(site.url)
    is_live(page)
    said = Said(page, "#database", "away since")
    site.servers_do("kill-database")
    said.within_limit(time.time(), say)
    expect(page.locator("#zones .as-of")).to_contain_text("old: as of")
    site.servers_do("restart-database")
    site.open_database(site.database_url)
    expect(page.locator("#database")).to_have_text("OK", timeout=60_000)
    expect(page.locator("#zones .as-of")).to_have_text("", timeout=60_000)


def test_killed_center_is_said_and_heals(site, wall, say, monkeypatch):
    wall.expected = OUTAGE
    page = wall(site.url)
    is_live(page)
    said = notice(page)
    site.stop_center(signal.SIGKILL)
    said.within_limit(time.time(), say)
    site.restart_center(monkeypatch)
    is_live(page)


def test_search_of_100000_delegates_takes_under_200_ms_during_ingest(site, wall, say):
    site.sql(
        "INSERT INTO tapline.attendees (name, category, status, external_ref, pass_id) "
        "SELECT 'Delegate ' || to_hex(n * 7919) || ' Müller-' || n, 'delegate', 'active', 'BIG-' || n, "
        "(SELECT min(id) FROM tapline.passes) FROM generate_series(1, %s) n",
        DELEGATES,
    )
    page = wall(site.url)
    is_live(page)
    page.context.add_cookies([{"name": "tapline_viewer", "value": site.token("search"), "url": site.url}])
    page.locator("#find-open").click()
    timed = """text => new Promise(done => {
        const input = document.querySelector("#find-text");
        const status = document.querySelector("#find-status");
        input.value = text;
        status.textContent = "";
        const start = performance.now();
        new MutationObserver((_, watch) => {
            if (!status.textContent) return;
            watch.disconnect();
            done([performance.now() - start, status.textContent]);
        }).observe(status, {characterData: true, childList: true, subtree: true});
        input.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));
    })"""
    # Part of a name without its diacritics, a whole name, a reference, and text without a match.
    texts = [text for n in range(1, 11) for text in (f"muller-{n}77", f"Müller {n}", f"BIG-{9_000 + n}", f"zzz {n}")]
    with Load(site, SCANS_S) as load:
        wait_until(lambda: load.published > SCANS_S, "scans are published")
        stored, since = site.metric("tapline_ingest_scans_stored_total"), time.monotonic()
        # Three times, so that the searches last for some seconds of the load.
        found = [page.evaluate(timed, text) for _ in range(3) for text in texts]
        rate = (site.metric("tapline_ingest_scans_stored_total") - stored) / (time.monotonic() - since)
    assert sum("No match" in status for _, status in found) == 30, found
    delays = sorted(ms / 1000 for ms, _ in found)
    median, p95 = statistics.median(delays), delays[int(0.95 * len(delays))]
    times = f"median {median:.3f} s, p95 {p95:.3f} s, max {delays[-1]:.3f} s"
    say(f"search of {DELEGATES}: {times}, while {rate:.0f} scans/s were stored")
    # The requirement is that of a search on a machine that does nothing else: the median leaves out its pauses.
    assert median < SEARCH_S and rate > 0
