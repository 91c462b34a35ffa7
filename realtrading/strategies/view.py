"""What one strategy knows: a fold of the events it heard, kept over restarts of its actor."""
from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from decimal import Decimal

import attrs

from realtrading.domain.events import OrderDenied, OrderEvent, OrdersStated, PositionsStated
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.values import ZERO, Side, SymbolRules

UNHEARD_S = 10.0
"""A proposal is admitted or denied well within this time; one that a total of totals does not name by then is gone."""

TOTALS = frozenset({"orders", "positions"})


@attrs.define(kw_only=True)
class View:
    """One strategy's own orders and positions, and the rules of its symbols.

    `asked` are proposals nobody has answered yet, with the monotonic second of asking; `live` are own orders that trade
    or might; `unbooked` are final orders with trades that the position has not told yet. `unheard` names the totals
    that have to be told before the view can be trusted: all at first, and again after letters were lost.
    """

    name: str
    symbols: tuple[str, ...]
    rules: dict[str, SymbolRules] = attrs.field(factory=dict)
    asked: dict[str, tuple[RealOrder, float]] = attrs.field(factory=dict)
    live: dict[str, RealOrder] = attrs.field(factory=dict)
    unbooked: dict[str, RealOrder] = attrs.field(factory=dict)
    books: dict[str, PositionBook] = attrs.field(factory=dict)
    unheard: frozenset[str] = TOTALS
    stopping: str | None = None
    # one step of a counter is atomic, so a thread that was replaced can never share an id with its successor
    counter: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    # -- reading --------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Everything a strategy decides by is known."""
        return not self.unheard and all(symbol in self.rules for symbol in self.symbols)

    def orders(self) -> tuple[RealOrder, ...]:
        """Own orders that live or might, the unanswered proposals (PENDING) last."""
        return (*self.live.values(), *(order for order, _ in self.asked.values()))

    def position(self, symbol: str) -> Decimal:
        """Signed managed quantity in base units, 0 when there is none."""
        book = self.books.get(symbol)
        return ZERO if book is None else book.quantity

    def settled(self, symbol: str) -> bool:
        """No own order of the symbol lives, and every fill of the past ones is in the position."""
        return not any(order.symbol == symbol for order in (*self.orders(), *self.unbooked.values()))

    def free_to_reduce(self, symbol: str, side: Side, others: Iterable[RealOrder] = ()) -> Decimal:
        """How much an order of this side may be to only shrink the position, beside all own orders and `others`."""
        held = self.position(symbol)
        towards_zero = held if side is Side.SELL else -held
        for order in (*self.orders(), *others):
            if (order.symbol, order.side) == (symbol, side):
                towards_zero -= order.remaining_quantity
        return max(towards_zero, ZERO)

    # -- asking ---------------------------------------------------------------

    def note_asked(self, orders: Iterable[RealOrder], now_mono: float) -> None:
        """These proposals are about to leave."""
        for order in orders:
            self.asked[order.id] = (order, now_mono)

    # -- hearing --------------------------------------------------------------

    def hear_order(self, event: OrderEvent) -> None:
        """An own order's new total."""
        self.asked.pop(event.order.id, None)
        self._put(event.order)

    def hear_denied(self, event: OrderDenied) -> None:
        """An own order that never was."""
        self.asked.pop(event.order.id, None)
        self.live.pop(event.order.id, None)

    def hear_orders(self, stated: OrdersStated, now_mono: float) -> None:
        """Exactly these orders are there; of the proposals only what was asked too lately to be among them stays."""
        self.live.clear()
        self.unbooked.clear()
        for order in stated.orders:
            if order.strategy == self.name:
                self.asked.pop(order.id, None)
                self._put(order)
        for id, (_, asked_mono) in list(self.asked.items()):
            if now_mono - asked_mono > UNHEARD_S:
                del self.asked[id]
        self.unheard -= {"orders"}

    def hear_book(self, book: PositionBook) -> None:
        """A position's new total."""
        self.books[book.symbol] = book
        self._forget_booked()

    def hear_positions(self, stated: PositionsStated) -> None:
        """Exactly these positions are there."""
        self.books = {book.symbol: book for book in stated.books if book.strategy == self.name}
        self._forget_booked()
        self.unheard -= {"positions"}

    def hear_rules(self, rules: Iterable[SymbolRules]) -> None:
        """What the venue allows now."""
        for each in rules:
            if each.symbol in self.symbols:
                self.rules[each.symbol] = each

    def miss(self) -> None:
        """Letters were lost: nothing is sure until the totals are told."""
        self.unheard = TOTALS

    def _put(self, order: RealOrder) -> None:
        if order.is_live():
            self.live[order.id] = order
            self.unbooked.pop(order.id, None)
            return
        self.live.pop(order.id, None)
        if order.fills or order.missing_quantity > 0:
            self.unbooked[order.id] = order
            self._forget_booked()

    def _forget_booked(self) -> None:
        for id, order in list(self.unbooked.items()):
            book = self.books.get(order.symbol)
            booked = frozenset() if book is None else book.booked.get(id, frozenset())
            if order.missing_quantity <= 0 and all(fill.trade_id in booked for fill in order.fills):
                del self.unbooked[id]
