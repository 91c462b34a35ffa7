"""The engine's own books after the run, read from its journal file and from nothing else."""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import attrs

from realtrading.domain.breaker import CauseKind
from realtrading.domain.events import (
    ActorRestarted,
    BreakerChanged,
    DiscrepancyFound,
    Event,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    PositionCut,
    PositionEvent,
    ReconciliationComplete,
)
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.positions import PositionBook, is_dust
from realtrading.domain.reconciliation import Discrepancy, Resolution
from realtrading.domain.values import ZERO, OrderType, Side, SymbolRules
from realtrading.journal.readers import fold_engine_ledger, opened


@attrs.define(kw_only=True)
class Books:
    """What the journal says. `totals`: asset -> opening + fills - fees; `orders` by client id, as last told.

    `partly`: ids of orders seen partly filled. `cancelled`: ids of orders whose cancel was confirmed. `trips`: how
    often a position that could be sold was closed, or sold down to what the exchange takes no order over.
    `drifts`: what the breaker was opened for by the engine's own comparison of balances.
    """

    totals: Mapping[str, Decimal] = attrs.field(factory=dict)
    orders: dict[str, RealOrder] = attrs.field(factory=dict)
    positions: dict[str, PositionBook] = attrs.field(factory=dict)
    partly: set[str] = attrs.field(factory=set)
    cancelled: set[str] = attrs.field(factory=set)
    trips: int = 0
    restarts: int = 0
    rounds: int = 0
    denied: dict[str, int] = attrs.field(factory=dict)
    unresolved: dict[tuple[str, str], Discrepancy] = attrs.field(factory=dict)
    drifts: dict[str, str] = attrs.field(factory=dict)

    def note(self, event: Event, rules: SymbolRules) -> None:
        """One event of the journal, in order."""
        if isinstance(event, OrderEvent):
            self._order(event)
        elif isinstance(event, OrderDenied):
            self.denied[str(event.reason)] = self.denied.get(str(event.reason), 0) + 1
        elif isinstance(event, PositionEvent | PositionCut):
            self._position(event, rules)
        elif isinstance(event, ActorRestarted):
            self.restarts += 1
        elif isinstance(event, ReconciliationComplete):
            self.rounds += 1
        elif isinstance(event, DiscrepancyFound):
            found = event.discrepancy
            if found.resolution is Resolution.UNRESOLVED:
                self.unresolved[(str(found.kind), found.key)] = found
        elif isinstance(event, BreakerChanged):
            self.drifts |= {cause.scope: cause.detail for cause in event.causes if cause.kind is CauseKind.DRIFT}

    def _order(self, event: OrderEvent) -> None:
        order = self.orders[event.order.id] = event.order
        if order.state is OrderState.PARTIALLY_FILLED or len(order.fills) > 1:
            self.partly.add(order.id)
        if isinstance(event, OrderCancelled):
            self.cancelled.add(order.id)

    def _position(self, event: PositionEvent | PositionCut, rules: SymbolRules) -> None:
        before = self.positions.get(event.book.key)
        self.positions[event.book.key] = event.book
        if not isinstance(event, PositionEvent) or event.order.side is not Side.SELL or before is None:
            return
        price = event.position.current_price
        had = not is_dust(max(before.quantity, ZERO), rules, price)
        if had and is_dust(max(event.book.quantity, ZERO), rules, price):
            self.trips += 1

    # -- counts ---------------------------------------------------------------

    def filled(self, side: Side) -> int:
        """Orders of a side that were filled whole."""
        return sum(1 for order in self.orders.values() if order.side is side and order.state is OrderState.FILLED)

    @property
    def fills(self) -> int:
        """Trades."""
        return sum(len(order.fills) for order in self.orders.values())

    @property
    def resting_fills(self) -> int:
        """Trades in which a limit order of ours was waiting in the book."""
        limits = [order for order in self.orders.values() if order.order_type != OrderType.MARKET]
        return sum(1 for order in limits for fill in order.fills if fill.is_maker)

    @property
    def commission_assets(self) -> list[str]:
        """Assets in which fees were paid."""
        orders = self.orders.values()
        return sorted({fill.commission_asset for order in orders for fill in order.fills if fill.commission})

    @property
    def realized(self) -> Decimal:
        """The strategies' realised result in quote units: price results less fees paid in the quote asset."""
        return sum((book.realized_total for book in self.positions.values()), ZERO)


def read_books(path: Path, rules: SymbolRules) -> Books:
    """All of it from one journal file. `rules` say what is dust, and what a symbol's assets are."""
    books = Books()
    with opened(path) as reader:
        for stored in reader.events():
            books.note(stored.event, rules)
    books.totals = fold_engine_ledger(path, {rules.symbol: (rules.base, rules.quote)}).totals
    return books
