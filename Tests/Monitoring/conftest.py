"""The watched site, which all tests share: two centers, two devices and a Prometheus that collects from them."""

import os

import pytest

from site_under_watch import SiteUnderWatch

pytest_plugins = ["closing_line"]

site_key = pytest.StashKey[SiteUnderWatch]()


@pytest.fixture(scope="session")
def site(request):
    with SiteUnderWatch(os.environ) as site:
        request.config.stash[site_key] = site
        yield site


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the logs of center and Prometheus to the report of a failed test."""
    report = yield
    site = item.config.stash.get(site_key, None)
    if site and "site" in item.fixturenames and report.failed:
        report.sections.append(("log of the centers", site.center_log()))
        report.sections.append(("log of Prometheus", site.prometheus_log()))
    return report
