"""The market streams that speak at intervals (tickers, candles, depth, average price): how often, and what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from .errors import BinanceError
from .exchange import Exchange
from .intervals import check
from .public import DepthView

_PARTIAL = {"depth5": 5, "depth10": 10, "depth20": 20}
_EVENT_TIMES = ("E", "O", "C", "T")


@define
class Timed:
    """One timed stream: how often it may speak, and what it says now (None: nothing new)."""

    every_ms: int
    speak: Callable[[int], Any]
    due_ms: int = field(default=0, init=False)


def timed_stream(exchange: Exchange, name: str) -> Timed | None:
    """The timed stream of this name, None when there is no such stream."""
    if name == "!ticker@arr":
        return Timed(1000, _changes(lambda now_ms: [exchange.stream_ticker(each, now_ms) for each in exchange.rules]))
    if name == "!miniTicker@arr":
        return Timed(
            1000, _changes(lambda now_ms: [exchange.stream_mini_ticker(each, now_ms) for each in exchange.rules])
        )
    lower, _, kind = name.partition("@")
    symbol = lower.upper()
    if symbol not in exchange.rules or lower != symbol.lower():
        return None
    tickers = {
        "ticker": exchange.stream_ticker, "miniTicker": exchange.stream_mini_ticker,
        "avgPrice": exchange.stream_avg_price,
    }  # fmt: skip
    if kind in tickers:
        return Timed(1000, _changes(lambda now_ms: tickers[kind](symbol, now_ms)))
    if kind.startswith("kline_"):
        return _candles(exchange, symbol, kind.removeprefix("kline_"))
    return _depth(exchange, symbol, kind)


def _candles(exchange: Exchange, symbol: str, interval: str) -> Timed | None:
    try:
        check(interval)
    except BinanceError:
        return None
    every_ms = 1000 if interval == "1s" else 2000
    return Timed(every_ms, _changes(lambda now_ms: exchange.stream_kline(symbol, interval, now_ms)))


def _depth(exchange: Exchange, symbol: str, kind: str) -> Timed | None:
    what, _, pace = kind.partition("@")
    if pace not in ("", "100ms", "1000ms"):
        return None
    every_ms = 100 if pace == "100ms" else 1000
    if what in _PARTIAL:
        return Timed(every_ms, _changes(lambda now_ms: exchange.stream_partial_depth(symbol, _PARTIAL[what])))
    return Timed(every_ms, _DepthChanges(exchange, symbol)) if what == "depth" else None


def _changes(make: Callable[[int], Any]) -> Callable[[int], Any]:
    """Speak only when something but the event's times differs from what was said last."""
    said: list[Any] = [None]

    def speak(now_ms: int) -> Any:
        payload = make(now_ms)
        bare = _timeless(payload)
        if bare == said[0]:
            return None
        said[0] = bare
        return payload

    return speak


def _timeless(payload: Any) -> Any:
    if isinstance(payload, list):
        return [_timeless(each) for each in payload]
    if isinstance(payload, dict):
        return {name: value for name, value in payload.items() if name not in _EVENT_TIMES}
    return payload


class _DepthChanges:
    """Diff depth from the moment of the subscription on."""

    def __init__(self, exchange: Exchange, symbol: str) -> None:
        self._exchange = exchange
        self._symbol = symbol
        self._view: DepthView | None = exchange.depth_update(symbol, None, 0)[0]

    def __call__(self, now_ms: int) -> Any:
        self._view, payload = self._exchange.depth_update(self._symbol, self._view, now_ms)
        return payload
