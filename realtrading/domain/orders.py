"""An order's life: the record, the transition table, and how the venue's facts merge into it."""
from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal

import attrs

from .values import ZERO, OrderType, Role, Side, TimeInForce


class OrderState(enum.StrEnum):
    """Where an order is. The seed's seven, and UNKNOWN: nobody knows, so it counts as live."""

    PENDING = "Pending"
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"
    UNKNOWN = "Unknown"


@attrs.frozen(kw_only=True)
class OrderFill:
    """One fill. Identity within a symbol: `trade_id`. `commission` is an amount of `commission_asset`."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    timestamp: datetime


@attrs.frozen(kw_only=True)
class RealOrder:
    """One order, immutable; every change is a new value. Times are UTC; quantities base units, quote amounts quote units.

    `executed_quantity`/`cumulative_quote` are the venue's cumulative words (they never fall); `fills` are the known trades.
    `valid_until` is the last moment (server time) at which the order may have been signed.
    """

    id: str
    strategy: str
    role: Role
    symbol: str
    side: Side
    order_type: OrderType | str
    original_quantity: Decimal
    quote_quantity: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    rests: bool = False
    state: OrderState = OrderState.PENDING
    exchange_order_id: int | None = None
    executed_quantity: Decimal = ZERO
    cumulative_quote: Decimal = ZERO
    fills: tuple[OrderFill, ...] = ()
    reason: str = ""
    created_at: datetime
    updated_at: datetime
    venue_at: datetime | None = None
    valid_until: datetime | None = None
    cancel_requested_at: datetime | None = None
