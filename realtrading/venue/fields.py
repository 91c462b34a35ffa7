"""Strict readers for the venue's JSON: a value is exactly what it should be, or `Unreadable` names the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from realtrading.domain.values import BadAmount, Side, amount

Payload = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999; microseconds by mistake are far beyond
_ID_MAX = 2**63 - 1
_TEXT_MAX = 100
_MISSING = object()

DOCUMENT_MAX = 1024 * 1024
"""Largest event that is read, bytes: a hundred times the venue's largest."""
DEPTH_MAX = 32
"""Deepest nesting that is read; an event in its envelope has four levels."""


class Unreadable(ValueError):
    """The venue sent something that is not what its documentation promises.

    The text names the field, never the payload.
    """


def _no_constant(name: str) -> Any:
    raise Unreadable(f"{name} is not JSON")


def _told_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a name is told twice in one object")
    return found


def read_json(text: str | bytes, *, names_once: bool = False) -> Any:
    """Parse JSON.

    NaN and Infinity, bad encoding and absurd nesting raise `Unreadable`; with `names_once` so does an object in which
    a name stands twice (some of the venue's own answers repeat one). A JSON fraction stays text: money is never a
    float.
    """
    hook = _told_once if names_once else None
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=str, object_pairs_hook=hook)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not readable as JSON ({type(error).__name__})") from None


def read_event(frame: str | bytes) -> Any:
    """Parse one event of a stream, living or recorded: UTF-8, at most `DOCUMENT_MAX` bytes and `DEPTH_MAX` levels, and
    every name told once. Anything else raises `Unreadable`: an event that can be read in two ways is not read.
    """
    if len(frame) > DOCUMENT_MAX:
        raise Unreadable(f"larger than {DOCUMENT_MAX} bytes")
    try:
        told = frame if isinstance(frame, str) else frame.decode()
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None
    value = read_json(told, names_once=True)
    level = [value]
    for _ in range(DEPTH_MAX):
        lists = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        if not lists:
            return value
        level = [each for one in lists for each in one]
    raise Unreadable(f"nested deeper than {DEPTH_MAX} levels")


def record(value: object, what: str = "payload") -> Payload:
    """`value` as a JSON object."""
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not an object")
    return value


def rows(value: object, what: str = "payload") -> list[Payload]:
    """`value` as a JSON list of objects."""
    if not isinstance(value, list):
        raise Unreadable(f"{what} is not a list")
    return [record(each, what) for each in value]


def text(payload: Payload, name: str, default: str | None = None) -> str:
    """A non-empty printable string of at most 100 characters; `default` when the field is absent, null or empty."""
    value = payload.get(name)
    if value is None or value == "":
        if default is None:
            raise Unreadable(f"{name} is missing")
        return default
    if not isinstance(value, str) or len(value) > _TEXT_MAX or not value.isprintable():
        raise Unreadable(f"{name} is not a short text")
    return value


def whole(payload: Payload, name: str, least: int = 0) -> int:
    """A JSON integer from `least` to 2**63 - 1."""
    value = payload.get(name, _MISSING)
    if type(value) is not int or not least <= value <= _ID_MAX:
        raise Unreadable(f"{name} is not a whole number from {least}")
    return value


def flag(payload: Payload, name: str) -> bool:
    """A JSON boolean."""
    value = payload.get(name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is not true or false")
    return value


def money(payload: Payload, name: str, default: Decimal | None = None) -> Decimal:
    """A plain decimal, of any sign; `default` when the field is absent or null."""
    value = payload.get(name)
    if value is None and default is not None:
        return default
    try:
        return amount(value)
    except BadAmount:
        raise Unreadable(f"{name} is not a plain decimal number") from None


def unsigned(payload: Payload, name: str, default: Decimal | None = None) -> Decimal:
    """A plain decimal that is not negative."""
    value = money(payload, name, default)
    if value < 0:
        raise Unreadable(f"{name} is negative")
    return value


def positive(payload: Payload, name: str) -> Decimal:
    """A plain decimal above zero."""
    value = money(payload, name)
    if value <= 0:
        raise Unreadable(f"{name} is not above zero")
    return value


def moment(payload: Payload, *names: str) -> datetime:
    """The first of these fields that is there, epoch milliseconds, as UTC."""
    for name in names:
        if payload.get(name) is not None:
            value = whole(payload, name, 1)
            if value > _MS_MAX:
                raise Unreadable(f"{name} is not a time in milliseconds")
            return from_ms(value)
    raise Unreadable(f"{' / '.join(names)} is missing")


def from_ms(milliseconds: int) -> datetime:
    """Epoch milliseconds as UTC, exactly."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_ms(when: datetime) -> int:
    """UTC as epoch milliseconds, rounded down."""
    return (when - _EPOCH) // timedelta(milliseconds=1)


def side(payload: Payload, name: str) -> Side:
    """BUY or SELL."""
    value = payload.get(name)
    if value not in ("BUY", "SELL"):
        raise Unreadable(f"{name} is neither BUY nor SELL")
    return Side(value)
