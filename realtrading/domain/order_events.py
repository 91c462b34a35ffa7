"""What orders says: each order's new total, and the totals of totals."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

import attrs

from .event import Entry, Event
from .orders import OrderFill, RealOrder
from .reasons import Reason


@attrs.frozen(kw_only=True)
class OrderEvent(Event):
    """An order's new total state."""

    order: RealOrder

    def entries(self) -> Iterable[Entry]:
        """The order's row."""
        return (("orders", self.order.id, self.order),)


@attrs.frozen(kw_only=True)
class OrderAdmitted(OrderEvent):
    """Orders has taken the intent in; nothing is on disk yet, so nobody outside hears of it."""

    durable: ClassVar[bool] = False


@attrs.frozen(kw_only=True)
class OrderSubmitted(OrderEvent):
    """The order is on disk and on its way to the wire. The order's first public event."""


@attrs.frozen(kw_only=True)
class OrderPlaced(OrderEvent):
    """The exchange has confirmed it (seed)."""


@attrs.frozen(kw_only=True)
class OrderPartiallyFilled(OrderEvent):
    """More of it is filled (seed); `fills` are the newly known ones."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderFilled(OrderEvent):
    """All of it is filled (seed)."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderCancelled(OrderEvent):
    """It was cancelled, by us, by hand or by the exchange (seed)."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderRejected(OrderEvent):
    """It certainly never lived (seed): refused by the exchange, or proved absent."""

    reason: str


@attrs.frozen(kw_only=True)
class OrderExpired(OrderEvent):
    """Its time ran out or the book was empty; parts may be filled."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderUnknown(OrderEvent):
    """Nobody knows whether it lives; it counts as live until a fact says otherwise.

    `ours`: the house died over it, so it says nothing about the venue.
    """

    detail: str
    ours: bool = False


@attrs.frozen(kw_only=True)
class OrderRevised(OrderEvent):
    """Late evidence contradicts a final state, or a fill beyond the order's quantity: applied, and an alarm."""

    detail: str
    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderAdopted(OrderEvent):
    """An order with our prefix was found at the exchange that this journal did not know."""


@attrs.frozen(kw_only=True)
class OrderCancelRequested(OrderEvent):
    """Somebody asked for its end."""


@attrs.frozen(kw_only=True)
class OrderVetoed(Event):
    """Risk said no; the order never reached the disk. Also risk's answer to orders."""

    order: RealOrder
    reason: Reason
    detail: str

    def entries(self) -> Iterable[Entry]:
        """The order's row goes away (it lived in orders' memory only)."""
        return (("orders", self.order.id, None),)


@attrs.frozen(kw_only=True)
class OrderDenied(OrderVetoed):
    """Orders' own public word about a veto, a block or a refusal before the record: the order is not and was not sent."""


@attrs.frozen(kw_only=True)
class OrderBlocked(Event):
    """The breaker said no (breaker -> orders)."""

    durable: ClassVar[bool] = False
    order: RealOrder
    reason: Reason
    detail: str


@attrs.frozen(kw_only=True)
class OrderRecorded(Event):
    """The journal has it on disk (journal -> orders and doors)."""

    durable: ClassVar[bool] = False
    id: str


@attrs.frozen(kw_only=True)
class OrderArchived(Event):
    """A final order leaves the tables; its history stays in the journal (seed S-103)."""

    id: str
    strategy: str
    symbol: str

    def entries(self) -> Iterable[Entry]:
        """The order's row goes away."""
        return (("orders", self.id, None),)


@attrs.frozen(kw_only=True)
class OrdersStated(Event):
    """Total of totals: every order that orders still holds, with its state, after a restart, recovery or reconciliation.

    A listener applies each (idempotently) and drops exactly what is not in it. `token` is the reconciliation round it
    belongs to, empty otherwise: what two keepers hold right after hearing it is the same moment for both.
    """

    durable: ClassVar[bool] = False
    orders: tuple[RealOrder, ...]
    token: str = ""


@attrs.frozen(kw_only=True)
class TradesCursorMoved(Event):
    """All of the account's trades of `symbol` up to `trade_id` are known and accounted for."""

    symbol: str
    trade_id: int

    def entries(self) -> Iterable[Entry]:
        """The cursor's row."""
        return (("cursors", self.symbol, self.trade_id),)


@attrs.frozen(kw_only=True)
class ExternalTradeSeen(Event):
    """A trade of an order that is not ours: it moves the wallet, not a position. `deltas`: asset -> signed amount."""

    symbol: str
    trade_id: int
    exchange_order_id: int
    deltas: Mapping[str, Decimal]
    venue_at: datetime
