"""Waiting for what comes without an event."""
import time


def wait_until(condition, otherwise, timeout=60, pause=0.1):
    """Returns the first true value of `condition()`."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{otherwise} within {timeout} s"
        time.sleep(pause)
    return value
