"""The systems under test, which all contract tests share."""

import os

import pytest

from festival import Festival
from harness import SystemUnderTest
from shared_system import shared

pytest_plugins = ["closing_line"]


@pytest.fixture(scope="session")
def system(request):
    """The real center with a separate vhost and a separate database, for the whole session."""
    yield from shared(request, SystemUnderTest(os.environ))


@pytest.fixture(scope="session")
def festival(request):
    """A festival that is set up by the documentation, whose tests make faults."""
    yield from shared(request, Festival(os.environ))
