"""The stream hands: one owns the connection's generations and the user stream, one fills the quote board."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from realtrading.domain.commands import CloseVenue, EndGeneration
from realtrading.domain.reports import (
    AccountReported,
    ClockMeasured,
    EventUnreadable,
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
from realtrading.venue.port import StreamEnding, StreamReport, Venue

from .board import Board

PAUSES_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between attempts to connect; the last one repeats for ever."""

TRUSTED_AFTER_S = 60.0
"""A generation that was mute before it was so old counts as one more doubt about the venue's streams."""

FLUSH_S = 0.02
"""Moved quotes are told at most this often."""

log = logging.getLogger("realtrading.streams")

EVENTS: Mapping[type, str] = {ExecutionReported: "execution", AccountReported: "account", FlowReported: "flow"}
"""What the user stream tells -> its name in the metrics."""


@attrs.define(eq=False)
class Generation:
    """One connection of the user stream. `over`: nothing more comes of it; `turn`: the next one is wanted."""

    number: int
    began_s: float
    over: asyncio.Event = attrs.field(factory=asyncio.Event)
    turn: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def stands(self) -> bool:
        """Whether it still speaks."""
        return not self.over.is_set()

    def end(self) -> None:
        """It is over."""
        self.over.set()
        self.turn.set()


class UserStreamActor(Hand):
    """Owns the generations: connect, subscribe, deliver, and begin again when one ends or is about to."""

    def __init__(self, *, venue: Venue, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.venue = venue
        self.symbols = symbols
        self.present: Generation | None = None
        self.coming: Generation | None = None
        self.doubts = 0
        self.measuring = False

    def on_start(self) -> None:
        """Begin to live; what a predecessor had connected is void."""
        old = self.memory.pop("connected", None)
        if old is not None:
            self.send(StreamLost(generation=old, detail="the stream actor was restarted"))
        self.living = self.spawn(self.live())

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """The wish to close, a verdict about the generation, or the time to measure the clock."""
        if isinstance(message, CloseVenue):
            self.spawn(self.close())
        elif isinstance(message, EndGeneration):
            self.give_up(message)
        elif isinstance(message, Tick) and self.memory.get("connected") is not None and not self.measuring:
            self.measuring = True
            self.spawn(self.measure())
        return ()

    async def live(self) -> None:
        """One generation after the other, for ever; the next beside the present one, as long as that still speaks."""
        failures = 0
        while True:
            number = self.memory["generation"] = self.memory.get("generation", 0) + 1
            self.coming = Generation(number, asyncio.get_running_loop().time())
            if not await self.build(self.coming, told=failures > 0):
                await self.pause(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
                continue
            failures = 0
            self.present = self.coming
            await self.present.turn.wait()
            if not self.present.stands:
                await self.pause(PAUSES_S[min(self.doubts, len(PAUSES_S) - 1)])

    async def build(self, coming: Generation, *, told: bool) -> bool:
        """Connect a generation and say so; False when it cannot be had. `told`: that it is gone was said already."""
        standing = self.present if self.present is not None and self.present.stands else None
        try:
            await self.venue.connect(
                coming.number, lambda report: self.deliver(report, coming), beside=standing is not None
            )
            if standing is not None:
                standing.end()
                standing = None
            clock = await self.venue.measure_clock()
            rules = await self.venue.rules(self.symbols)
        except RealTradingError as failure:
            gone = standing is None or not standing.stands
            if gone and (self.memory.pop("connected", None) is not None or not told):
                self.send(StreamLost(generation=coming.number, detail=str(failure)))
            return False
        if coming.stands:
            self.memory["connected"] = coming.number
            if isinstance(clock, ClockMeasured):
                self.send(clock)
            self.send(rules)
            self.send(StreamConnected(generation=coming.number))
        return True

    def deliver(self, report: StreamReport, generation: Generation) -> None:
        """One report of the venue's stream."""
        if isinstance(report, StreamLost):
            self.lose(generation, report.detail)
        elif isinstance(report, StreamEnding):
            log.info("generation %d is replaced: %s", generation.number, report.detail)
            generation.turn.set()
        elif not self.fenced:
            if isinstance(report, ExecutionReported):
                self.venue.gauges.hear("user_data", EVENTS[type(report)], report.report.venue_at)
            elif not isinstance(report, EventUnreadable):
                self.venue.gauges.hear("user_data", EVENTS[type(report)], report.venue_at)
            self.send(report)

    def lose(self, generation: Generation, detail: str) -> None:
        """A generation ended: say so once, and begin the next."""
        if self.fenced:  # the successor tells it, and must find what it has to tell
            return
        if not generation.stands or generation not in (self.present, self.coming):
            return
        generation.end()
        if self.memory.get("connected") == generation.number:
            self.memory.pop("connected")
        self.send(StreamLost(generation=generation.number, detail=detail))

    def give_up(self, verdict: EndGeneration) -> None:
        """The present generation is mute, says who compared it with the exchange's answers. Each of several in a row
        makes the pause before the next one longer: a venue that tells nobody anything is not asked ever faster.
        """
        present = self.present
        if present is None or present.number != verdict.generation or not present.stands:
            return
        lived_s = asyncio.get_running_loop().time() - present.began_s
        self.doubts = self.doubts + 1 if lived_s < TRUSTED_AFTER_S else 0
        self.lose(present, verdict.detail)

    async def close(self) -> None:
        """End the last generation in order."""
        self.living.cancel()
        self.memory.pop("connected", None)
        for generation in (self.present, self.coming):
            if generation is not None:
                generation.end()
        await self.venue.close()
        self.send(VenueClosed())

    async def measure(self) -> None:
        """Measure the venue's clock again, ask whether we are still subscribed, and read the rules: a symbol may be
        halted, or trade again.
        """
        try:
            clock = await self.venue.measure_clock()
            if isinstance(clock, ClockMeasured):
                self.send(clock)
            await self.venue.check_stream()
            self.send(await self.venue.rules(self.symbols))
        except RealTradingError as failure:
            log.info("the rules could not be read again: %s", failure)
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
