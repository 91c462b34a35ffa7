"""The market driver: plays a tape into the exchange trade by trade and keeps the synthetic book around it."""

from __future__ import annotations

import random

from .exchange import Exchange
from .liquidity import Quoter
from .tape import Tape

REFILL_MS = 1_000
"""How long the house waits before it restores what accounts took, when no trade moves the book before."""


class Market:
    """One symbol's market. `loop`: begin the tape again at its end, for a generated tape that must not end.

    The house's liquidity is unlimited but for what one moment's quotes show; it belongs to an account that judges
    never see. At the end of the tape the quotes stay where they are and nothing trades any more.
    """

    def __init__(self, exchange: Exchange, tape: Tape, symbol: str, seed: int, *, loop: bool = False) -> None:
        self._core = exchange.core
        self._matcher = exchange.matcher
        self._aftermath = exchange.aftermath
        self._pair = exchange.pair(symbol)
        self._tape = tape
        self._loop = loop
        self._lap_ms = 0
        self._taken_ms: int | None = None
        first = tape[0]
        rng = random.Random(f"{seed}/{symbol}/book")
        self._quoter = Quoter(self._pair.rules, tape.quantities(), first.price, rng)
        self._laid: tuple[object, object] | None = None
        self.position = 0
        self.played = 0

    @property
    def finished(self) -> bool:
        """True when every trade of the tape was played (never with `loop`)."""
        return self.position >= len(self._tape)

    def open(self, now_ms: int) -> None:
        """Quote the book around the tape's first price; nothing trades yet."""
        first = self._tape[0]
        self._pair.history.open_at(first.price, now_ms)
        self._quoter.follow(first.price, buy=first.buy)
        self._lay()

    def play_until(self, tape_time_ms_offset: int, now_ms: int) -> int:
        """Play all trades recorded up to `tape_time_ms_offset` after the tape's first, stamped `now_ms`; how many.

        With `loop` the offset goes on counting over the laps.
        """
        count = 0
        while not self.finished and self._lap_ms + self._tape.offset_ms(self.position) <= tape_time_ms_offset:
            self._play_one(now_ms)
            count += 1
        self._refill(now_ms)
        return count

    def step(self, n: int, now_ms: int) -> int:
        """Play the next `n` trades (fewer at the end), whatever their recorded time; how many."""
        count = 0
        while count < n and not self.finished:
            self._play_one(now_ms)
            count += 1
        self._refill(now_ms)
        return count

    def _play_one(self, now_ms: int) -> None:
        trade = self._tape[self.position]
        self.position += 1
        self.played += 1
        if self._loop and self.finished:
            self.position = 0
            self._lap_ms += self._tape.span_ms + 1
        self._matcher.play(self._pair, trade.price, trade.qty, now_ms, buy=trade.buy)
        self._aftermath.run(self._pair, now_ms)
        self._core.settle_positions(now_ms)
        self._quoter.follow(trade.price, buy=trade.buy)
        if self._pair.book.taken or self._laid != (self._quoter.bid, self._quoter.ask):
            self._lay()
        else:
            self._core.tell_touch(self._pair)

    def _refill(self, now_ms: int) -> None:
        """Restore what accounts took, a while after it was taken."""
        if not self._pair.book.taken:
            self._taken_ms = None
        elif self._taken_ms is None:
            self._taken_ms = now_ms
        elif now_ms - self._taken_ms >= REFILL_MS:
            self._lay()

    def _lay(self) -> None:
        self._quoter.lay(self._pair.book)
        self._laid = (self._quoter.bid, self._quoter.ask)
        self._taken_ms = None
        self._core.tell_touch(self._pair)
