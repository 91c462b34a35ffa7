"""Delta debugging: the fewest happenings of a failing script with which it still fails in the same way."""

import time
from collections.abc import Callable, Mapping

Happenings = Mapping[str, str]


def shrunk(happened: Happenings, fails: Callable[[Happenings], bool], *, seconds: float) -> dict[str, str]:
    """A part of `happened` that still `fails` and, if there was time, from which nothing can be left out."""
    rest, ends = list(happened), time.monotonic() + seconds
    parts = 2

    def still(slots: list[str]) -> bool:
        return fails({slot: happened[slot] for slot in slots})

    if still([]):
        return {}
    while len(rest) > 1 and time.monotonic() < ends:
        size = -(-len(rest) // parts)
        for first in range(0, len(rest), size):
            without = rest[:first] + rest[first + size :]
            if time.monotonic() > ends:
                break
            if without and still(without):
                rest, parts = without, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(rest), parts * 2)
    return {slot: happened[slot] for slot in rest}
