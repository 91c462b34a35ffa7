"""Kline intervals: which exist, and where a period begins and ends (UTC, weeks from Monday, calendar months)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from . import errors

SECOND = 1_000
MINUTE = 60_000
DAY = 86_400_000
_MONDAY = 4 * DAY
_FIXED = {
    "1s": SECOND, "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": 60 * MINUTE, "2h": 120 * MINUTE, "4h": 240 * MINUTE, "6h": 360 * MINUTE, "8h": 480 * MINUTE,
    "12h": 720 * MINUTE, "1d": DAY, "3d": 3 * DAY, "1w": 7 * DAY,
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def known(interval: str) -> bool:
    """Whether Binance has klines of this interval."""
    return interval == "1M" or interval in _FIXED


def check(interval: str) -> None:
    """Raise -1120 for an interval that does not exist."""
    if not known(interval):
        raise errors.bad_interval()


def begin(interval: str, ms: int) -> int:
    """The start of the period that contains `ms`."""
    if interval == "1M":
        moment = _EPOCH + timedelta(milliseconds=ms)
        return _ms(moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    size = _FIXED[interval]
    offset = _MONDAY if interval == "1w" else 0
    return ms - (ms - offset) % size


def following(interval: str, start: int) -> int:
    """The start of the period after the one that begins at `start`."""
    if interval == "1M":
        return begin("1M", start + 32 * DAY)
    return start + _FIXED[interval]


def back(interval: str, start: int, periods: int) -> int:
    """The start of the period `periods` before the one that begins at `start`, not before the epoch."""
    if interval == "1M":
        for _ in range(min(periods, 1_200)):
            start = begin("1M", max(0, start - 1))
        return start
    return max(0, start - periods * _FIXED[interval])


def is_short(interval: str) -> bool:
    """Whether periods must be built from seconds rather than minutes."""
    return interval == "1s"


def _ms(moment: datetime) -> int:
    return int((moment - _EPOCH) / timedelta(milliseconds=1))
