"""Rate limits as Binance counts them: request weight and raw requests per IP, unfilled orders per account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import define, field, frozen

from .errors import BinanceError

MINUTE_MS = 60_000
FIVE_MINUTES_MS = 300_000
TEN_SECONDS_MS = 10_000
DAY_MS = 86_400_000
BAN_MAX_MS = 3 * DAY_MS


class Throttled(BinanceError):
    """A 429 (slow down) or 418 (banned); `retry_at_ms` is when requests are welcome again, epoch milliseconds."""

    def __init__(self, status: int, msg: str, retry_at_ms: int) -> None:
        super().__init__(-1003, msg, status)
        self.retry_at_ms = retry_at_ms


@frozen
class LimitSettings:
    """The numbers of the limits; `ban_after` is how many 429 answers an IP may ignore before it is banned."""

    weight_1m: int = 6_000
    raw_5m: int = 300_000
    orders_10s: int = 50
    orders_1d: int = 160_000
    sapi_ip_1m: int = 12_000
    sapi_uid_1m: int = 180_000
    ban_after: int = 10
    ban_ms: int = 120_000

    def changed(self, given: Mapping[str, Any]) -> LimitSettings:
        """These settings with some replaced; raises ValueError naming what is unknown or not a positive integer."""
        for name, value in given.items():
            if name not in attrs.fields_dict(LimitSettings):
                raise ValueError(f"unknown limit {name!r}")
            if type(value) is not int or value < 1:
                raise ValueError(f"limit {name} must be a positive integer, got {value!r}")
        return attrs.evolve(self, **given)

    def exchange_info(self) -> list[dict[str, Any]]:
        """The `rateLimits` of exchangeInfo."""
        return [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, self.weight_1m),
            _limit("ORDERS", "SECOND", 10, self.orders_10s),
            _limit("ORDERS", "DAY", 1, self.orders_1d),
            _limit("RAW_REQUESTS", "MINUTE", 5, self.raw_5m),
        ]


@define
class Window:
    """A counter over clock-aligned intervals (Binance's windows do not slide)."""

    length_ms: int
    _index: int = field(default=-1, init=False)
    _count: int = field(default=0, init=False)

    def count(self, now_ms: int) -> int:
        """What has been counted in the interval that contains `now_ms`."""
        return self._count if now_ms // self.length_ms == self._index else 0

    def add(self, amount: int, now_ms: int) -> int:
        """Count `amount` (may be negative, never below zero) and return the interval's total."""
        self._count = max(0, self.count(now_ms) + amount)
        self._index = now_ms // self.length_ms
        return self._count

    def ends_at(self, now_ms: int) -> int:
        """When the present interval is over, epoch milliseconds."""
        return (now_ms // self.length_ms + 1) * self.length_ms


@define
class _Visitor:
    """One IP address: what it used, how often it went on after a 429, until when it is banned."""

    weight: Window = field(factory=lambda: Window(MINUTE_MS))
    raw: Window = field(factory=lambda: Window(FIVE_MINUTES_MS))
    ignored: Window = field(factory=lambda: Window(MINUTE_MS))
    banned_until: int = 0
    bans: int = 0


@define
class _Orders:
    """One account's unfilled order counts."""

    ten_s: Window = field(factory=lambda: Window(TEN_SECONDS_MS))
    day: Window = field(factory=lambda: Window(DAY_MS))


class Limits:
    """All counters of one exchange. Knows no clock: every call is told the time."""

    def __init__(self, settings: LimitSettings | None = None) -> None:
        self.settings = settings or LimitSettings()
        self._visitors: dict[str, _Visitor] = {}
        self._orders: dict[int, _Orders] = {}
        self._sapi: dict[tuple[str, str, str], Window] = {}

    def reset(self) -> None:
        """Forget every count and every ban; the settings stay."""
        self._sapi.clear()
        self._visitors.clear()
        self._orders.clear()

    def admit(self, ip: str, weight: int, now_ms: int, *, raw: bool) -> None:
        """Let a request of this weight in, or raise Throttled (429, then 418 for an IP that does not slow down).

        Nothing is charged here: the weight depends on how the request ends. `raw` counts it as a raw (REST) request.
        """
        visitor = self._visitor(ip)
        if now_ms < visitor.banned_until:
            raise self._banned(visitor)
        used = visitor.weight.count(now_ms)
        if used + weight > self.settings.weight_1m:
            what = f"request weight used; current limit is {self.settings.weight_1m} request weight per 1 MINUTE"
            self._refuse(visitor, what, visitor.weight.ends_at(now_ms), now_ms)
        if raw and visitor.raw.add(1, now_ms) > self.settings.raw_5m:
            what = f"requests; current limit is {self.settings.raw_5m} requests per 5 MINUTE"
            self._refuse(visitor, what, visitor.raw.ends_at(now_ms), now_ms)

    def charge(self, ip: str, weight: int, now_ms: int) -> int:
        """Add to the weight this IP used in the present minute; returns the total."""
        return self._visitor(ip).weight.add(weight, now_ms)

    def charge_sapi(self, path: str, purse: str, who: str, weight: int, now_ms: int) -> None:
        """Charge a request under /sapi, where each path has its own count per IP or UID. Raises Throttled (429) beyond
        the limit.
        """
        limit = self.settings.sapi_uid_1m if purse == "UID" else self.settings.sapi_ip_1m
        window = self._sapi.setdefault((path, purse, who), Window(MINUTE_MS))
        if window.count(now_ms) + weight > limit:
            what = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE per {purse} for {path}."
            raise Throttled(429, what, window.ends_at(now_ms))
        window.add(weight, now_ms)

    def used_sapi(self, path: str, purse: str, who: str, now_ms: int) -> int:
        """The weight used of this path in the present minute."""
        return self._sapi.setdefault((path, purse, who), Window(MINUTE_MS)).count(now_ms)

    def used_weight(self, ip: str, now_ms: int) -> int:
        """The weight this IP used in the present minute."""
        return self._visitor(ip).weight.count(now_ms)

    def admit_order(self, uid: int, now_ms: int) -> None:
        """Raise -1015 (429, without Retry-After, as documented) when the unfilled order count is at a limit."""
        orders = self._orders.setdefault(uid, _Orders())
        for window, limit, text in (
            (orders.ten_s, self.settings.orders_10s, "10 SECOND"),
            (orders.day, self.settings.orders_1d, "1 DAY"),
        ):
            if window.count(now_ms) >= limit:
                raise BinanceError(-1015, f"Too many new orders; current limit is {limit} orders per {text}.", 429)

    def count_order(self, uid: int, amount: int, now_ms: int) -> None:
        """Count new orders (+1 each), or give back at a first fill (negative)."""
        orders = self._orders.setdefault(uid, _Orders())
        orders.ten_s.add(amount, now_ms)
        orders.day.add(amount, now_ms)

    def order_counts(self, uid: int, now_ms: int) -> tuple[int, int]:
        """The account's unfilled order counts: in these 10 seconds, today."""
        orders = self._orders.setdefault(uid, _Orders())
        return orders.ten_s.count(now_ms), orders.day.count(now_ms)

    def order_limits(self, uid: int, now_ms: int) -> list[dict[str, Any]]:
        """The ORDERS rows of `rateLimits` with their counts."""
        ten_s, day = self.order_counts(uid, now_ms)
        return [
            {**_limit("ORDERS", "SECOND", 10, self.settings.orders_10s), "count": ten_s},
            {**_limit("ORDERS", "DAY", 1, self.settings.orders_1d), "count": day},
        ]

    def weight_limit(self, ip: str, now_ms: int) -> dict[str, Any]:
        """The REQUEST_WEIGHT row of `rateLimits` with its count."""
        limit = _limit("REQUEST_WEIGHT", "MINUTE", 1, self.settings.weight_1m)
        return {**limit, "count": self.used_weight(ip, now_ms)}

    def ban(self, ip: str, until_ms: int) -> None:
        """Ban an IP until that time, epoch milliseconds."""
        self._visitor(ip).banned_until = until_ms

    def _visitor(self, ip: str) -> _Visitor:
        return self._visitors.setdefault(ip, _Visitor())

    def _refuse(self, visitor: _Visitor, what: str, retry_at_ms: int, now_ms: int) -> None:
        if visitor.ignored.add(1, now_ms) > self.settings.ban_after:
            visitor.banned_until = now_ms + min(self.settings.ban_ms * 2**visitor.bans, BAN_MAX_MS)
            visitor.bans += 1
            raise self._banned(visitor)
        advice = "Please use WebSocket Streams for live updates to avoid polling the API."
        raise Throttled(429, f"Too much {what}. {advice}", retry_at_ms)

    @staticmethod
    def _banned(visitor: _Visitor) -> Throttled:
        text = f"Way too much request weight used; IP banned until {visitor.banned_until}."
        advice = "Please use WebSocket Streams for live updates to avoid bans."
        return Throttled(418, f"{text} {advice}", visitor.banned_until)


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
