"""The price-time book of one symbol: resting orders of accounts, and the house's synthetic quotes beside them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal

import attrs

from .orders import Order


@attrs.define
class HouseLevel:
    """One synthetic price level; `qty` shrinks as accounts take from it."""

    price: Decimal
    qty: Decimal


@attrs.frozen
class Offer:
    """What stands first on one side: an account's `order`, or the house's `level` when `order` is None."""

    price: Decimal
    qty: Decimal
    order: Order | None
    level: HouseLevel | None


class Side:
    """One side of the book, best price first. At the same price accounts come before the house."""

    def __init__(self, *, bids: bool) -> None:
        self.bids = bids
        self.queues: dict[Decimal, deque[Order]] = {}
        self.prices: list[Decimal] = []
        self.house: list[HouseLevel] = []
        self.taken = False

    def add(self, order: Order) -> None:
        """Put the order behind all others of its price."""
        queue = self.queues.get(order.price)
        if queue is None:
            queue = self.queues[order.price] = deque()
            insort(self.prices, order.price)
        queue.append(order)

    def remove(self, order: Order) -> None:
        """Take the order off the book."""
        queue = self.queues[order.price]
        queue.remove(order)
        if not queue:
            del self.queues[order.price]
            del self.prices[bisect_left(self.prices, order.price)]

    def best_account_price(self) -> Decimal | None:
        """The best price at which an account's order rests."""
        if not self.prices:
            return None
        return self.prices[-1] if self.bids else self.prices[0]

    def better(self, first: Decimal, second: Decimal) -> bool:
        """Whether `first` is strictly ahead of `second` on this side."""
        return first > second if self.bids else first < second

    def first(self) -> Offer | None:
        """What an incoming order meets first, None when the side is empty."""
        price = self.best_account_price()
        level = self.house[0] if self.house else None
        if price is not None and (level is None or not self.better(level.price, price)):
            order = self.queues[price][0]
            return Offer(price, order.remaining, order, None)
        if level is None:
            return None
        return Offer(level.price, level.qty, None, level)

    def take_house(self, level: HouseLevel, qty: Decimal) -> None:
        """Take `qty` from the house's best level."""
        self.taken = True
        level.qty -= qty
        if not level.qty:
            self.house.pop(0)

    def offers(self) -> Iterator[Offer]:
        """Everything on this side in the order an incoming order would meet it; changes nothing."""
        ordered = reversed(self.prices) if self.bids else iter(self.prices)
        house = iter(self.house)
        level = next(house, None)
        for price in ordered:
            while level is not None and self.better(level.price, price):
                yield Offer(level.price, level.qty, None, level)
                level = next(house, None)
            for order in self.queues[price]:
                yield Offer(price, order.remaining, order, None)
        while level is not None:
            yield Offer(level.price, level.qty, None, level)
            level = next(house, None)

    def levels(self, limit: int) -> list[tuple[Decimal, Decimal]]:
        """The first `limit` prices with their whole quantity."""
        found: list[tuple[Decimal, Decimal]] = []
        for offer in self.offers():
            if found and found[-1][0] == offer.price:
                found[-1] = (offer.price, found[-1][1] + offer.qty)
            elif len(found) == limit:
                break
            else:
                found.append((offer.price, offer.qty))
        return found

    def best(self) -> tuple[Decimal, Decimal] | None:
        """The best price and its whole quantity."""
        levels = self.levels(1)
        return levels[0] if levels else None


class Book:
    """Both sides. `update_id` rises with every change."""

    def __init__(self) -> None:
        self.buys = Side(bids=True)
        self.sells = Side(bids=False)
        self.update_id = 1

    def own(self, *, buy: bool) -> Side:
        """The side on which a buy (or sell) order rests."""
        return self.buys if buy else self.sells

    def against(self, *, buy: bool) -> Side:
        """The side that a buy (or sell) order trades with."""
        return self.sells if buy else self.buys

    @property
    def taken(self) -> bool:
        """Whether accounts took from the house's quotes since they were laid."""
        return self.buys.taken or self.sells.taken

    def quote(self, bids: Sequence[tuple[Decimal, Decimal]], asks: Sequence[tuple[Decimal, Decimal]]) -> None:
        """Replace the house's quotes (best first). ValueError when they would cross each other or a resting order."""
        best_bid = _edge(bids, self.buys)
        best_ask = _edge(asks, self.sells)
        if best_bid is not None and best_ask is not None and best_bid >= best_ask:
            raise ValueError(f"house quotes would cross the book: bid {best_bid} against ask {best_ask}")
        self.buys.house = [HouseLevel(price, qty) for price, qty in bids]
        self.sells.house = [HouseLevel(price, qty) for price, qty in asks]
        self.buys.taken = self.sells.taken = False
        self.update_id += 1


def _edge(quotes: Sequence[tuple[Decimal, Decimal]], side: Side) -> Decimal | None:
    candidates = [price for price in (quotes[0][0] if quotes else None, side.best_account_price()) if price is not None]
    if not candidates:
        return None
    return max(candidates) if side.bids else min(candidates)
