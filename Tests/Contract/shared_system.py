"""Systems that the tests of a session share. Their logs belong to the report of each failed test that uses them."""

import pytest

# The systems by the name of their fixture.
systems_key = pytest.StashKey[dict]()


def shared(request, system):
    """Yields the system of a fixture, and ends it after the last test."""
    with system:
        request.config.stash.setdefault(systems_key, {})[request.fixturename] = system
        yield system
