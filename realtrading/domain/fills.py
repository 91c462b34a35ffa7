"""Fills of one order: the record, and how known ones and newly told ones become one list without doubles."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import attrs

from .reports import TradeReport
from .values import ZERO


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


def fill_of(trade: TradeReport) -> OrderFill:
    """The fill a trade report tells of."""
    return OrderFill(
        trade_id=trade.trade_id,
        price=trade.price,
        quantity=trade.quantity,
        quote_quantity=trade.quote_quantity,
        commission=trade.commission,
        commission_asset=trade.commission_asset,
        is_maker=trade.is_maker,
        timestamp=trade.venue_at,
    )


def unknown_fills(known: Iterable[OrderFill], trades: Iterable[TradeReport]) -> tuple[OrderFill, ...]:
    """Fills of `trades` that are not in `known`, each trade id once, oldest first.

    The first telling of a trade id stands: positions and the ledger have booked it. A negative id is the venue's way of
    saying "no trade" (seed M-11), so it is never a fill.
    """
    seen = {fill.trade_id for fill in known}
    new: dict[int, OrderFill] = {}
    for trade in trades:
        if trade.trade_id >= 0 and trade.trade_id not in seen:
            new.setdefault(trade.trade_id, fill_of(trade))
    return tuple(sorted(new.values(), key=in_time))


def in_time(fill: OrderFill) -> tuple[datetime, int]:
    """Sort key of fills: the venue's time, then its trade id."""
    return (fill.timestamp, fill.trade_id)


def quantity_of(fills: Iterable[OrderFill]) -> Decimal:
    """Base quantity of all of them, before fees."""
    return sum((fill.quantity for fill in fills), ZERO)


def quote_of(fills: Iterable[OrderFill]) -> Decimal:
    """Quote amount of all of them, before fees."""
    return sum((fill.quote_quantity for fill in fills), ZERO)
