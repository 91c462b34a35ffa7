"""Waiting for a condition with a deadline, the one way a test may wait."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# never set: waiting on it is a pause that a signal handler can still interrupt
_NEVER = threading.Event()
_PAUSE_S = 0.01


class DeadlinePassed(AssertionError):
    """A condition did not come true in time; the message says which."""


def wait_until(condition: Callable[[], T], deadline_s: float, what: str) -> T:
    """Return the first truthy result of `condition`, asked about 100 times a second.

    Raises `DeadlinePassed` with `what` (text of what was awaited) and the last result after `deadline_s` seconds.
    What `condition` itself raises goes through.
    """
    ends_at = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= ends_at:
            raise DeadlinePassed(f"not within {deadline_s} s: {what} (last answer: {result!r})")
        _NEVER.wait(_PAUSE_S)
