"""Comparing, and waiting for what comes true in another process."""

import time

WAIT_S = 20  # how long a state may take to come true


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what}\n  is      {actual!r}\n  must be {expected!r}")


def wait_until(condition, what: str, timeout_s: float = WAIT_S):
    """The first truthy value of condition; what happens in another process can only be asked for."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what} (last: {value!r})")
        time.sleep(0.02)


def wait_equal(read, expected, what: str, timeout_s: float = WAIT_S):
    deadline = time.monotonic() + timeout_s
    while True:
        actual = read()
        if actual == expected:
            return actual
        if time.monotonic() > deadline:
            equal(actual, expected, f"not within {timeout_s} s: {what}")
        time.sleep(0.02)
