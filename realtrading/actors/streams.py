"""The stream hands: one owns the connection's generations and the user stream, one fills the quote board."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from realtrading.domain.commands import CloseVenue
from realtrading.domain.reports import (
    AccountReported,
    ClockMeasured,
    ExecutionReported,
    FlowReported,
    MarketStreamConnected,
    MarketStreamLost,
    QuotesMoved,
    StreamConnected,
    StreamLost,
    VenueClosed,
)
from realtrading.domain.values import Now, Quote
from realtrading.errors import RealTradingError
from realtrading.runtime.actor import Hand
from realtrading.runtime.ticker import Tick
from realtrading.venue.port import StreamReport, Venue

from .board import Board

PAUSES_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between attempts to connect; the last one repeats for ever."""

FLUSH_S = 0.02
"""Moved quotes are told at most this often."""


EVENTS: Mapping[type, str] = {ExecutionReported: "execution", AccountReported: "account", FlowReported: "flow"}
"""What the user stream tells -> its name in the metrics."""


class UserStreamActor(Hand):
    """Owns the generation: connect, subscribe, deliver, and begin again when it ends."""

    def __init__(self, *, venue: Venue, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.venue = venue
        self.symbols = symbols
        self.ended: asyncio.Event | None = None
        self.measuring = False

    def on_start(self) -> None:
        """Begin to live; what a predecessor had connected is void."""
        old = self.memory.pop("connected", None)
        if old is not None:
            self.send(StreamLost(generation=old, detail="the stream actor was restarted"))
        self.living = self.spawn(self.live())

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """The wish to close, or the time to measure the clock."""
        if isinstance(message, CloseVenue):
            self.spawn(self.close())
        elif isinstance(message, Tick) and self.memory.get("connected") is not None and not self.measuring:
            self.measuring = True
            self.spawn(self.measure())
        return ()

    async def live(self) -> None:
        """One generation after the other, for ever."""
        failures = 0
        while True:
            generation = self.memory.get("generation", 0) + 1
            self.memory["generation"] = generation
            self.ended = asyncio.Event()
            try:
                await self.venue.connect(generation, lambda report, number=generation: self.deliver(report, number))  # type: ignore[misc]
                clock = await self.venue.measure_clock()
                rules = await self.venue.rules(self.symbols)
            except RealTradingError as failure:
                if not failures:
                    self.send(StreamLost(generation=generation, detail=str(failure)))
                await self.pause(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
                continue
            if not self.ended.is_set():
                failures = 0
                self.memory["connected"] = generation
                if isinstance(clock, ClockMeasured):
                    self.send(clock)
                self.send(rules)
                self.send(StreamConnected(generation=generation))
            await self.ended.wait()
            await self.pause(PAUSES_S[0])

    def deliver(self, report: StreamReport, generation: int) -> None:
        """One report of the venue's stream."""
        if isinstance(report, StreamLost):
            self.lose(generation, report.detail)
        elif not self.fenced:
            at = report.report.venue_at if isinstance(report, ExecutionReported) else report.venue_at
            self.venue.gauges.hear("user_data", EVENTS[type(report)], at)
            self.send(report)

    def lose(self, generation: int, detail: str) -> None:
        """A generation ended: say so once, and begin the next."""
        if self.fenced:  # the successor tells it, and must find what it has to tell
            return
        if self.ended is None or self.ended.is_set() or generation != self.memory.get("generation"):
            return
        self.memory.pop("connected", None)
        self.ended.set()
        self.send(StreamLost(generation=generation, detail=detail))

    async def close(self) -> None:
        """End the last generation in order."""
        self.living.cancel()
        self.memory.pop("connected", None)
        if self.ended is not None:
            self.ended.set()
        await self.venue.close()
        self.send(VenueClosed())

    async def measure(self) -> None:
        """Measure the venue's clock again."""
        try:
            clock = await self.venue.measure_clock()
            if isinstance(clock, ClockMeasured):
                self.send(clock)
        finally:
            self.measuring = False


class MarketStreamActor(Hand):
    """Writes the board and tells, conflated, which quotes moved."""

    def __init__(
        self, *, venue: Venue, board: Board, symbols: tuple[str, ...], crowded: Callable[[], bool]
    ) -> None:
        super().__init__()
        self.venue = venue
        self.board = board
        self.symbols = symbols
        self.crowded = crowded
        self.moved: set[str] = set()
        self.generation = 0

    def on_start(self) -> None:
        """Begin to watch."""
        self.spawn(self.live())
        self.spawn(self.flush())

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """A tick: nothing to do but to be seen alive."""
        return ()

    async def live(self) -> None:
        """Watch, for ever."""
        failures = 0
        while True:
            self.generation += 1
            self.memory["heard"] = False
            detail = "the market stream ended"
            try:
                await self.venue.watch_quotes(self.symbols, self.on_quote)
            except RealTradingError as failure:
                detail = str(failure)
            if self.memory["heard"]:
                failures = 0
                self.send(MarketStreamLost(generation=self.generation, detail=detail))
            await self.pause(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    def on_quote(self, quote: Quote) -> None:
        """One quote from the venue."""
        if not self.memory["heard"]:
            self.memory["heard"] = True
            self.send(MarketStreamConnected(generation=self.generation))
        self.venue.gauges.hear("market", "quote", quote.at)
        self.board.put(quote)
        self.moved.add(quote.symbol)

    async def flush(self) -> None:
        """Tell what moved, unless the keepers have more to read than they can anyway."""
        while True:
            await self.pause(FLUSH_S)
            if self.moved and not self.crowded():
                symbols, self.moved = frozenset(self.moved), set()
                self.send(QuotesMoved(symbols=symbols))
