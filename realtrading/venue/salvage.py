"""What can be saved of a message that cannot be read: which orders it may have been about, and a sample for the log."""

from __future__ import annotations

import re
from typing import Any

from .answers import redacted

SEARCHED_MAX = 64 * 1024
"""Characters that are searched: an event is a hundred times smaller."""
NAMES_MAX = 16
SAMPLE_MAX = 240
"""Characters of a sample."""

# the fields that name an order, wherever they stand and whatever became of the text around them
_NAMES = re.compile(r'"[cC]"\s*:\s*"([A-Za-z0-9_-]{1,36})"|"i"\s*:\s*([0-9]{1,18})(?![0-9.eE])')


def text_of(frame: Any) -> str:
    """The beginning of a frame as text; bytes that are no UTF-8 are replaced."""
    if isinstance(frame, bytes | bytearray | memoryview):
        return bytes(frame[:SEARCHED_MAX]).decode("utf-8", "replace")
    return str(frame)[:SEARCHED_MAX]


def orders_named(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Client ids and exchange ids that stand in an unreadable report, each once, at most `NAMES_MAX` in all."""
    found = [match.groups() for match, _ in zip(_NAMES.finditer(text), range(NAMES_MAX), strict=False)]
    clients = dict.fromkeys(client for client, _ in found if client)
    numbers = dict.fromkeys(int(number) for _, number in found if number)
    return tuple(clients), tuple(numbers)


def sample(text: str) -> str:
    """The first characters of what could not be used, on one line, without keys and signatures."""
    return redacted(text)[:SAMPLE_MAX]
