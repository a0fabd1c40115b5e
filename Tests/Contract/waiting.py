"""Comparisons, and bounded polling for states of other processes."""

import time

# Limit for everything that is waited for. Only a failed test reaches it, so it allows for a machine with busy cores.
LIMIT_S = 120
POLL_S = 0.02
# Silence of a code scanner, after which the next line is another showing. The gate needs 0.2 s.
SILENCE_S = 1.0


def await_silence():
    """Separates two showings at a code scanner. A pause of the device, not a wait for a result."""
    time.sleep(SILENCE_S)


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what}\n  is      {actual!r}\n  must be {expected!r}")


def wait_until(condition, what: str, timeout_s: float = LIMIT_S):
    """Polls `condition` until it is true, and returns its value. `what` names the state that is waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {timeout_s} s: {what} (last value: {value!r})")
        time.sleep(POLL_S)


def wait_equal(read, expected, what: str, timeout_s: float = LIMIT_S):
    """Polls `read` until it returns `expected`. `what` names the value that is read."""
    deadline = time.monotonic() + timeout_s
    while True:
        actual = read()
        if actual == expected:
            return actual
        if time.monotonic() > deadline:
            equal(actual, expected, f"timed out after {timeout_s} s: {what}")
        time.sleep(POLL_S)
