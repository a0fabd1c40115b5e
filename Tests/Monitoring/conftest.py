"""The watched site, which all tests share: two centers, two devices and a Prometheus that collects from them."""

import os

import pytest

from shared_system import shared
from site_under_watch import SiteUnderWatch

pytest_plugins = ["closing_line"]


@pytest.fixture(scope="session")
def site(request):
    yield from shared(request, SiteUnderWatch(os.environ))
