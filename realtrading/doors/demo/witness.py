"""Hears every public event of the engine and answers what was heard since when: the demo's only ear."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from realtrading.domain.events import ActorRestarted, OrderDenied, OrderEvent, PositionEvent, ReconciliationComplete
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook

E = TypeVar("E")


class Witness:
    """Written by the feed's thread, read by the demo's. A *mark* is a place in what was heard: `mark()` is now."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.orders: dict[str, RealOrder] = {}
        self.books: dict[str, PositionBook] = {}
        self.denied = 0
        self.restarts = 0
        self.rounds = 0

    def hear(self, event: object) -> None:
        """One event of the feed."""
        self.heard.append(event)
        if isinstance(event, OrderDenied):
            self.denied += 1
        elif isinstance(event, OrderEvent):
            self.orders[event.order.id] = event.order
        elif isinstance(event, PositionEvent):
            self.books[event.book.key] = event.book
        elif isinstance(event, ActorRestarted):
            self.restarts += 1
        elif isinstance(event, ReconciliationComplete):
            self.rounds += 1

    def mark(self) -> int:
        """The place of what comes next."""
        return len(self.heard)

    def since(self, mark: int, kind: type[E], fits: Callable[[E], bool] = lambda event: True) -> Iterator[E]:
        """Events of a kind heard from `mark` on, oldest first."""
        for event in self.heard[mark:]:
            if isinstance(event, kind) and fits(event):
                yield event

    def any_since(self, mark: int, kind: type[E], fits: Callable[[E], bool] = lambda event: True) -> bool:
        """Was one heard from `mark` on?"""
        return next(self.since(mark, kind, fits), None) is not None

    def all_orders(self) -> list[RealOrder]:
        """Every order heard of, as it was last told."""
        return list(self.orders.values())
