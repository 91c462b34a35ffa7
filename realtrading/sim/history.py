"""What a symbol's public tape remembers: the last trades, aggregate trades, and candles of seconds and minutes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import attrs

from . import intervals
from .numbers import ZERO

_KEPT_TRADES = 10_000
_KEPT_CANDLES = 100_000


@attrs.frozen(slots=True)
class PublicTrade:
    """One public trade; `buyer_maker` is True when the seller was the aggressor."""

    trade_id: int
    price: Decimal
    qty: Decimal
    quote: Decimal
    time_ms: int
    buyer_maker: bool


@attrs.define
class AggTrade:
    """Trades of one taker order at one price."""

    agg_id: int
    price: Decimal
    qty: Decimal
    first_id: int
    last_id: int
    time_ms: int
    buyer_maker: bool


@attrs.define
class Candle:
    """Prices and volumes of one period; a candle with `count` 0 only carries a price on."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    count: int = 0
    taker_base: Decimal = ZERO
    taker_quote: Decimal = ZERO
    first_id: int = -1
    last_id: int = -1

    def merge(self, later: Candle) -> None:
        """Take a later candle of the same period into this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote += later.quote
        self.count += later.count
        self.taker_base += later.taker_base
        self.taker_quote += later.taker_quote
        self.first_id = later.first_id if self.first_id < 0 else self.first_id
        self.last_id = max(self.last_id, later.last_id)


class Series:
    """Candles of one fixed size, only those in which something happened."""

    def __init__(self, size_ms: int) -> None:
        self.size_ms = size_ms
        self.starts: list[int] = []
        self.candles: list[Candle] = []

    def touch(self, ms: int, price: Decimal) -> Candle:
        """The candle of this moment, opened at `price` when it is new. Time that goes back counts as the last."""
        start = ms - ms % self.size_ms
        if self.starts and start <= self.starts[-1]:
            return self.candles[-1]
        if len(self.starts) >= _KEPT_CANDLES:
            del self.starts[: _KEPT_CANDLES // 2]
            del self.candles[: _KEPT_CANDLES // 2]
        candle = Candle(start, price, price, price, price)
        self.starts.append(start)
        self.candles.append(candle)
        return candle

    def between(self, first_ms: int, end_ms: int) -> Iterator[Candle]:
        """The candles that start in [first_ms, end_ms)."""
        for index in range(bisect_left(self.starts, first_ms), bisect_left(self.starts, end_ms)):
            yield self.candles[index]

    def before(self, ms: int) -> Candle | None:
        """The last candle that starts before `ms`."""
        index = bisect_left(self.starts, ms)
        return self.candles[index - 1] if index else None


class History:
    """The public past of one symbol. `last_price` is None until a market opened it."""

    def __init__(self) -> None:
        self.trades: deque[PublicTrade] = deque(maxlen=_KEPT_TRADES)
        self.aggs: deque[AggTrade] = deque(maxlen=_KEPT_TRADES)
        self.seconds = Series(intervals.SECOND)
        self.minutes = Series(intervals.MINUTE)
        self.last_price: Decimal | None = None
        self.last_qty = ZERO
        self._next_agg = 1

    def open_at(self, price: Decimal, now_ms: int) -> None:
        """Say what the symbol is worth before anything traded."""
        self.last_price = price
        self.seconds.touch(now_ms, price)
        self.minutes.touch(now_ms, price)

    def record(self, trade: PublicTrade) -> None:
        """Take one trade into the past."""
        self.trades.append(trade)
        self.last_price = trade.price
        self.last_qty = trade.qty
        for series in (self.seconds, self.minutes):
            _count(series.touch(trade.time_ms, trade.price), trade)

    def aggregate(self, trades: list[PublicTrade]) -> list[AggTrade]:
        """Fold the trades of one taker order by price; they are remembered and returned."""
        made: list[AggTrade] = []
        for trade in trades:
            if made and made[-1].price == trade.price:
                made[-1].qty += trade.qty
                made[-1].last_id = trade.trade_id
                continue
            made.append(
                AggTrade(
                    self._next_agg, trade.price, trade.qty, trade.trade_id, trade.trade_id, trade.time_ms,
                    trade.buyer_maker,
                )
            )  # fmt: skip
            self._next_agg += 1
        self.aggs.extend(made)
        return made

    def average(self, mins: int, now_ms: int) -> Decimal | None:
        """Volume-weighted price of the last minutes, else the last price, else None."""
        volume = quote = ZERO
        for candle in self.seconds.between(now_ms - mins * intervals.MINUTE, now_ms + intervals.SECOND):
            volume += candle.volume
            quote += candle.quote
        return quote / volume if volume else self.last_price

    def window(self, first_ms: int, end_ms: int) -> Candle | None:
        """One candle over all minutes that start in [first_ms, end_ms), None when there is none."""
        return _fold(self.minutes.between(first_ms, end_ms), first_ms)

    def klines(self, interval: str, start: int | None, end: int | None, limit: int, now_ms: int) -> list[Candle]:
        """Candles by Binance's rules: the earliest from `start` on, or the latest up to `end`; gaps carry the
        close on. Raises -1120 for an unknown interval."""
        intervals.check(interval)
        series = self.seconds if intervals.is_short(interval) else self.minutes
        if not series.starts:
            return []
        final = min(now_ms, end) if end is not None else now_ms
        newest = intervals.begin(interval, max(final, 0))
        if start is None:
            at = intervals.back(interval, newest, limit - 1)
        else:
            at = intervals.begin(interval, start)
            at = at if at == start else intervals.following(interval, at)
        at = max(at, intervals.begin(interval, series.starts[0]))
        found: list[Candle] = []
        while at <= newest and len(found) < limit:
            found.append(self._candle(series, interval, at))
            at = intervals.following(interval, at)
        return found

    def _candle(self, series: Series, interval: str, start: int) -> Candle:
        made = _fold(series.between(start, intervals.following(interval, start)), start)
        if made is not None:
            return made
        before = series.before(start)
        price = before.close if before is not None else series.candles[0].open
        return Candle(start, price, price, price, price)

    def trades_from(self, from_id: int | None, limit: int) -> list[PublicTrade]:
        """The latest trades, or those from an id on; oldest first."""
        kept = list(self.trades)
        if from_id is None:
            return kept[-limit:]
        index = bisect_right([trade.trade_id for trade in kept], from_id - 1)
        return kept[index : index + limit]


def _fold(candles: Iterator[Candle], start: int) -> Candle | None:
    whole: Candle | None = None
    for candle in candles:
        if whole is None:
            whole = attrs.evolve(candle, start=start)
        else:
            whole.merge(candle)
    return whole


def _count(candle: Candle, trade: PublicTrade) -> None:
    price = trade.price
    if price > candle.high:
        candle.high = price
    if price < candle.low:
        candle.low = price
    candle.close = price
    candle.volume += trade.qty
    candle.quote += trade.quote
    candle.count += 1
    if not trade.buyer_maker:
        candle.taker_base += trade.qty
        candle.taker_quote += trade.quote
    if candle.first_id < 0:
        candle.first_id = trade.trade_id
    candle.last_id = trade.trade_id
