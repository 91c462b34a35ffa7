"""Public market data: exchangeInfo, book, trades, candles and tickers, as REST answers and as stream payloads."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from . import intervals
from .core import Core
from .history import Candle
from .numbers import ZERO, wire
from .pair import Pair

Json = dict[str, Any]
Symbols = str | Sequence[str] | None

RATE_LIMITS: tuple[Json, ...] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
)
"""Official numbers; a server with other limits passes its own to `exchange_info`."""


@attrs.frozen
class DepthView:
    """The book as one stream last told it."""

    update_id: int
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


class Public:
    """Market data over one `Core`."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def _pairs(self, symbols: Symbols) -> list[Pair]:
        if symbols is None:
            return list(self.core.pairs.values())
        names = [symbols] if isinstance(symbols, str) else list(symbols)
        return [self.core.pair(name) for name in names]

    def exchange_info(self, symbols: Symbols, now_ms: int, rate_limits: Sequence[Json] = RATE_LIMITS) -> Json:
        """GET /exchangeInfo."""
        return {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [dict(limit) for limit in rate_limits],
            "exchangeFilters": [],
            "symbols": [pair.rules.to_exchange_info() for pair in self._pairs(symbols)],
            "sors": [],
        }

    def depth(self, symbol: str, limit: int) -> Json:
        """GET /depth."""
        book = self.core.pair(symbol).book
        return {
            "lastUpdateId": book.update_id,
            "bids": [[wire(price), wire(qty)] for price, qty in book.buys.levels(limit)],
            "asks": [[wire(price), wire(qty)] for price, qty in book.sells.levels(limit)],
        }

    def depth_update(self, symbol: str, before: DepthView | None, now_ms: int) -> tuple[DepthView, Json | None]:
        """The depthUpdate event since `before`, None when nothing changed; and the view to pass next time."""
        book = self.core.pair(symbol).book
        now = DepthView(book.update_id, dict(book.buys.levels(1000)), dict(book.sells.levels(1000)))
        if before is None:
            before = DepthView(now.update_id - 1, {}, {})
        bids, asks = _changes(before.bids, now.bids), _changes(before.asks, now.asks)
        if not bids and not asks:
            return attrs.evolve(now, update_id=before.update_id), None
        return now, {
            "e": "depthUpdate",
            "E": now_ms,
            "s": symbol,
            "U": min(before.update_id + 1, now.update_id),
            "u": now.update_id,
            "b": bids,
            "a": asks,
        }

    def trades(self, symbol: str, limit: int, from_id: int | None) -> list[Json]:
        """GET /trades and /historicalTrades."""
        return [
            {
                "id": trade.trade_id,
                "price": wire(trade.price),
                "qty": wire(trade.qty),
                "quoteQty": wire(trade.quote),
                "time": trade.time_ms,
                "isBuyerMaker": trade.buyer_maker,
                "isBestMatch": True,
            }
            for trade in self.core.pair(symbol).history.trades_from(from_id, limit)
        ]

    def agg_trades(
        self, symbol: str, limit: int, from_id: int | None, start: int | None, end: int | None
    ) -> list[Json]:
        """GET /aggTrades."""
        found = [
            agg
            for agg in self.core.pair(symbol).history.aggs
            if (from_id is None or agg.agg_id >= from_id)
            and (start is None or agg.time_ms >= start)
            and (end is None or agg.time_ms <= end)
        ]
        chosen = found[-limit:] if from_id is None and start is None else found[:limit]
        return [
            {
                "a": agg.agg_id,
                "p": wire(agg.price),
                "q": wire(agg.qty),
                "f": agg.first_id,
                "l": agg.last_id,
                "T": agg.time_ms,
                "m": agg.buyer_maker,
                "M": True,
            }
            for agg in chosen
        ]

    def klines(
        self, symbol: str, interval: str, start: int | None, end: int | None, limit: int, now_ms: int
    ) -> list[list[Any]]:
        """GET /klines and /uiKlines."""
        candles = self.core.pair(symbol).history.klines(interval, start, end, limit, now_ms)
        return [
            [
                candle.start, wire(candle.open), wire(candle.high), wire(candle.low), wire(candle.close),
                wire(candle.volume), intervals.following(interval, candle.start) - 1, wire(candle.quote),
                candle.count, wire(candle.taker_base), wire(candle.taker_quote), "0",
            ]
            for candle in candles
        ]  # fmt: skip

    def avg_price(self, symbol: str, now_ms: int) -> Json:
        """GET /avgPrice."""
        pair = self.core.pair(symbol)
        return {
            "mins": pair.rules.avg_price_mins,
            "price": wire(pair.average_price(now_ms)),
            "closeTime": _last_time(pair, now_ms),
        }

    def ticker_price(self, symbols: Symbols) -> Any:
        """GET /ticker/price."""
        return _one_or_many(symbols, [
            {"symbol": pair.rules.symbol, "price": wire(pair.history.last_price or ZERO)}
            for pair in self._pairs(symbols)
        ])  # fmt: skip

    def ticker_book(self, symbols: Symbols) -> Any:
        """GET /ticker/bookTicker."""
        answers = []
        for pair in self._pairs(symbols):
            bid, ask = _touch(pair)
            answers.append(
                {
                    "symbol": pair.rules.symbol,
                    "bidPrice": wire(bid[0]),
                    "bidQty": wire(bid[1]),
                    "askPrice": wire(ask[0]),
                    "askQty": wire(ask[1]),
                }
            )
        return _one_or_many(symbols, answers)

    def ticker_24hr(self, symbols: Symbols, now_ms: int, *, mini: bool) -> Any:
        """GET /ticker/24hr, FULL or MINI."""
        return _one_or_many(symbols, [_ticker_24hr(pair, now_ms, mini=mini) for pair in self._pairs(symbols)])

    def stream_ticker(self, symbol: str, now_ms: int) -> Json:
        """The <symbol>@ticker event."""
        full = _ticker_24hr(self.core.pair(symbol), now_ms, mini=False)
        names = {
            "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice",
            "c": "lastPrice", "Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty",
            "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume", "O": "openTime",
            "C": "closeTime", "F": "firstId", "L": "lastId", "n": "count",
        }  # fmt: skip
        return {"e": "24hrTicker", "E": now_ms, "s": symbol, **{short: full[long] for short, long in names.items()}}

    def stream_mini_ticker(self, symbol: str, now_ms: int) -> Json:
        """The <symbol>@miniTicker event."""
        full = self.stream_ticker(symbol, now_ms)
        return {
            "e": "24hrMiniTicker", "E": now_ms, "s": symbol,
            **{name: full[name] for name in ("c", "o", "h", "l", "v", "q")},
        }  # fmt: skip

    def stream_avg_price(self, symbol: str, now_ms: int) -> Json:
        """The <symbol>@avgPrice event."""
        pair = self.core.pair(symbol)
        return {
            "e": "avgPrice",
            "E": now_ms,
            "s": symbol,
            "i": f"{pair.rules.avg_price_mins}m",
            "w": wire(pair.average_price(now_ms)),
            "T": _last_time(pair, now_ms),
        }

    def stream_kline(self, symbol: str, interval: str, now_ms: int) -> Json | None:
        """The <symbol>@kline_<interval> event of the period that is running; None before the market opened."""
        candles = self.core.pair(symbol).history.klines(interval, None, None, 1, now_ms)
        if not candles:
            return None
        candle, close = candles[0], intervals.following(interval, candles[0].start) - 1
        return {
            "e": "kline",
            "E": now_ms,
            "s": symbol,
            "k": {
                "t": candle.start, "T": close, "s": symbol, "i": interval, "f": candle.first_id, "L": candle.last_id,
                "o": wire(candle.open), "c": wire(candle.close), "h": wire(candle.high), "l": wire(candle.low),
                "v": wire(candle.volume), "n": candle.count, "x": now_ms >= close, "q": wire(candle.quote),
                "V": wire(candle.taker_base), "Q": wire(candle.taker_quote), "B": "0",
            },
        }  # fmt: skip


def _touch(pair: Pair) -> tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]]:
    return pair.book.buys.best() or (ZERO, ZERO), pair.book.sells.best() or (ZERO, ZERO)


def _last_time(pair: Pair, now_ms: int) -> int:
    return pair.history.trades[-1].time_ms if pair.history.trades else now_ms


def _one_or_many(symbols: Symbols, answers: list[Json]) -> Any:
    return answers[0] if isinstance(symbols, str) else answers


def _changes(before: dict[Decimal, Decimal], now: dict[Decimal, Decimal]) -> list[list[str]]:
    changed = [[wire(price), wire(qty)] for price, qty in now.items() if before.get(price) != qty]
    return changed + [[wire(price), wire(ZERO)] for price in before if price not in now]


def _ticker_24hr(pair: Pair, now_ms: int, *, mini: bool) -> Json:
    history = pair.history
    first = now_ms - intervals.DAY
    last = history.last_price or ZERO
    day = history.window(first - first % intervals.MINUTE, now_ms + 1) or Candle(first, last, last, last, last)
    answer: Json = {
        "symbol": pair.rules.symbol,
        "openPrice": wire(day.open),
        "highPrice": wire(day.high),
        "lowPrice": wire(day.low),
        "lastPrice": wire(last),
        "volume": wire(day.volume),
        "quoteVolume": wire(day.quote),
        "openTime": first,
        "closeTime": now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }
    if mini:
        return answer
    before = history.minutes.before(first)
    bid, ask = _touch(pair)
    change = last - day.open
    return answer | {
        "priceChange": wire(change),
        "priceChangePercent": f"{change * 100 / day.open if day.open else ZERO:.3f}",
        "weightedAvgPrice": wire(day.quote / day.volume if day.volume else last),
        "prevClosePrice": wire(before.close if before is not None else day.open),
        "lastQty": wire(history.last_qty),
        "bidPrice": wire(bid[0]),
        "bidQty": wire(bid[1]),
        "askPrice": wire(ask[0]),
        "askQty": wire(ask[1]),
    }
