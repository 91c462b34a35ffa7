"""How single values are spelled in the journal: text, numbers, moments; strict in both directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

BIGGEST_INT = 2**63 - 1
MOST_PLACES = 64
"""Digits on either side of the point: far beyond any amount, and a bound on what `1e999999` would take on disk."""


class Misfit(Exception):
    """A value that is not what its type hint says. `where` is the path to it, `says` what is wrong."""

    def __init__(self, says: str, where: str = "") -> None:
        super().__init__(f"{where}: {says}")
        self.says = says
        self.where = where

    def within(self, step: str) -> Misfit:
        """The same misfit seen from one level above."""
        return Misfit(self.says, step + self.where)


@attrs.frozen
class Shape:
    """How values of one type are written and read."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def exactly(kind: type) -> Callable[[Any], Any]:
    """A check that lets a value of exactly this type through."""

    def same(value: Any) -> Any:
        if type(value) is not kind:
            raise Misfit(f"{short(value)} is not of type {kind.__name__}")
        return value

    return same


def short(value: object) -> str:
    """The value for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _integer(value: Any) -> int:
    if type(value) is not int or not -BIGGEST_INT <= value <= BIGGEST_INT:
        raise Misfit(f"{short(value)} is not a 64-bit integer")
    return value


def _finite(value: Any) -> float:
    if type(value) is not float or not math.isfinite(value):
        raise Misfit(f"{short(value)} is not a finite float")
    return value


def _decimal_out(value: Any) -> str:
    if type(value) is not Decimal or not value.is_finite():
        raise Misfit(f"{short(value)} is not a finite Decimal")
    text = format(value, "f") if -MOST_PLACES <= value.adjusted() < MOST_PLACES else ""
    if not text or len(text) > 2 * MOST_PLACES:
        raise Misfit(f"{short(value)} has more digits than any amount")
    return text


def _decimal_in(value: Any) -> Decimal:
    if type(value) is str:
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise Misfit(f"{short(value)} is not a decimal number") from None
        if number.is_finite() and format(number, "f") == value:
            return number
    raise Misfit(f"{short(value)} is not a plain decimal number")


def _moment_out(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Misfit(f"{short(value)} is not a moment with a time zone")
    return value.astimezone(UTC).isoformat()


def _moment_in(value: Any) -> datetime:
    if type(value) is str and value.endswith("+00:00"):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise Misfit(f"{short(value)} is not a UTC moment")


def _day_out(value: Any) -> str:
    if type(value) is not date:
        raise Misfit(f"{short(value)} is not a date")
    return value.isoformat()


def _day_in(value: Any) -> date:
    if type(value) is str:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Misfit(f"{short(value)} is not a date")


LEAVES: dict[object, Shape] = {
    str: Shape(exactly(str), exactly(str)),
    bool: Shape(exactly(bool), exactly(bool)),
    int: Shape(_integer, _integer),
    float: Shape(_finite, _finite),
    Decimal: Shape(_decimal_out, _decimal_in),
    datetime: Shape(_moment_out, _moment_in),
    date: Shape(_day_out, _day_in),
}
"""The shape of every single value the domain keeps."""
