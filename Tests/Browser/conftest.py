"""One browser for all tests, a context each.

A test fails on any error in the console, and on any request to another site.
"""

import os
import pathlib
import re
import tempfile

import pytest
from playwright.sync_api import expect, sync_playwright

from mock import Mock

pytest_plugins = ["closing_line"]

WALL = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
LOCALES = {"en": "en-GB", "ar": "ar-AE"}
# Bound of everything that is waited for in a page, in milliseconds. Only a failed test reaches it.
LIMIT_MS = 20_000
expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="session")
def browser():
    options = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=document-user-activation-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        yield browser
        browser.close()


@pytest.fixture
def mock():
    mock = Mock()
    yield mock
    mock.close()


@pytest.fixture
def wall(browser):
    """Opens pages with `wall(url)`, and judges them at the end of the test."""
    walls = Walls(browser)
    yield walls
    problems = walls.close()
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def screenshots():
    """The folder of the screenshots. Without $TAPLINE_SCREENSHOTS it is temporary, and stays for a look at it."""
    folder = pathlib.Path(os.environ.get("TAPLINE_SCREENSHOTS") or tempfile.mkdtemp(prefix="tapline-screenshots-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"screenshots: {folder}")
    return folder


class Walls:
    def __init__(self, browser):
        self.browser, self.contexts, self.problems = browser, [], []
        # Errors that a test provokes: a regular expression.
        self.expected = None

    def __call__(self, url, size=WALL, language="en", theme="dark", context=None, script=None):
        context = context or self.context(size, language, theme)
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.on("console", lambda message: self.hear(message.type, message.text))
        page.on("pageerror", lambda error: self.hear("error", str(error)))
        origin = re.match(r"https?://[^/]+", url)[0]
        page.on("request", lambda request: self.follow(request.url, origin))
        if script:
            page.add_init_script(script)
        page.goto(url)
        return page

    def context(self, size=WALL, language="en", theme="dark"):
        context = self.browser.new_context(
            viewport=size, color_scheme=theme, locale=LOCALES[language], ignore_https_errors=True
        )
        self.contexts.append(context)
        return context

    def hear(self, kind, text):
        if kind in ("error", "warning") and not (self.expected and re.search(self.expected, text)):
            self.problems.append(f"console: {text}")

    def follow(self, url, origin):
        if not url.startswith(origin + "/"):
            self.problems.append(f"request to another site: {url}")

    def close(self) -> list:
        for context in self.contexts:
            context.close()
        return self.problems
