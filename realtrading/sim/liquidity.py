"""The synthetic order book around the tape: where the house bids and offers, and how much on each level."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import attrs

from .book import Book
from .numbers import ZERO, down, up
from .rules import SymbolRules

Quotes = list[tuple[Decimal, Decimal]]
_LEVELS = 12
_SHAPES = 32
_KEEP_SHAPE = 16
_GAP = Decimal("0.00003")
_WIDEST_SPREAD = Decimal("0.0002")


@attrs.frozen
class _Shape:
    """Distances of the levels from the touch, and their quantities, for each side."""

    distances: tuple[Decimal, ...]
    bids: tuple[Decimal, ...]
    asks: tuple[Decimal, ...]


class Quoter:
    """Follows the tape's prints and lays the house's quotes around them.

    The touch is where the tape last bought (ask) and sold (bid). Level sizes are drawn from the tape's own trade
    sizes, so that an order of ordinary size is filled on one or a few levels. House quotes never cross an
    account's resting order: they step back behind it until the tape has filled it.
    """

    def __init__(self, rules: SymbolRules, sizes: Sequence[Decimal], price: Decimal, rng: random.Random) -> None:
        self._tick = rules.tick
        self._shapes = [_shape(rules, sizes, price, rng) for _ in range(_SHAPES)]
        self._laid = 0
        self.ask = up(price, self._tick)
        self.bid = self.ask - self._tick

    def follow(self, price: Decimal, *, buy: bool) -> None:
        """A trade printed at `price`; a buyer lifts the ask, a seller hits the bid. The other side stays near.

        A price between two ticks (a tape finer than the filters) is quoted at the next tick outward.
        """
        widest = max(self._tick, down(price * _WIDEST_SPREAD, self._tick))
        if buy:
            self.ask = up(price, self._tick)
            self.bid = max(self.ask - widest, min(self.bid, self.ask - self._tick))
        else:
            self.bid = down(price, self._tick)
            self.ask = min(self.bid + widest, max(self.ask, self.bid + self._tick))

    def lay(self, book: Book) -> None:
        """Put the quotes on the book in place of the old ones."""
        shape = self._shapes[self._laid // _KEEP_SHAPE % _SHAPES]
        self._laid += 1
        bid, ask = self.bid, self.ask
        resting_bid, resting_ask = book.buys.best_account_price(), book.sells.best_account_price()
        if resting_bid is not None:
            ask = max(ask, resting_bid + self._tick)
        if resting_ask is not None:
            bid = min(bid, resting_ask - self._tick)
        bids = [
            (bid - distance, qty) for distance, qty in zip(shape.distances, shape.bids, strict=True) if bid > distance
        ]
        asks = [(ask + distance, qty) for distance, qty in zip(shape.distances, shape.asks, strict=True)]
        book.quote(bids, asks)


def _shape(rules: SymbolRules, sizes: Sequence[Decimal], price: Decimal, rng: random.Random) -> _Shape:
    ticks_per_gap = max(1, int(price * _GAP / rules.tick))
    distance, distances = ZERO, []
    for _ in range(_LEVELS):
        distances.append(distance)
        distance += rules.tick * rng.randint(1, 2 * ticks_per_gap)
    least = max(rules.min_qty, up(2 * rules.min_notional / price, rules.step))
    return _Shape(tuple(distances), _sizes(rules, sizes, least, rng), _sizes(rules, sizes, least, rng))


def _sizes(rules: SymbolRules, sizes: Sequence[Decimal], least: Decimal, rng: random.Random) -> tuple[Decimal, ...]:
    """Deeper levels hold more; none holds less than a small order needs."""
    drawn = (rng.choice(sizes) * (2 + level) / 2 for level in range(_LEVELS))
    return tuple(max(least, up(qty, rules.step)) for qty in drawn)
