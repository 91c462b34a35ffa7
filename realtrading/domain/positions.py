"""What the house bought or was given: positions as a fold over their fills."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from .values import ZERO, Side


@attrs.frozen(kw_only=True)
class RealPosition:
    """One open (or just closed) position, immutable. Prices and PnL in quote units, quantity in base units > 0 while open.

    `realized_pnl` is this position's own: price result of the closed parts minus fees paid in the quote asset (fees in the
    base asset reduce the quantity received, fees in a third asset stand in `commissions`).
    """

    id: str
    strategy: str
    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    current_price: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    commissions: Mapping[str, Decimal]
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_order_id: str | None = None
    take_profit_order_id: str | None = None
    entry_order_ids: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime


@attrs.frozen(kw_only=True)
class LegFill:
    """A fill as the open leg holds it: net base quantity (after a base fee) and net quote amount (after a quote fee)."""

    order_id: str
    trade_id: int
    side: Side
    price: Decimal
    base_delta: Decimal
    quote_delta: Decimal
    commission: Decimal
    commission_asset: str
    at: datetime


@attrs.frozen(kw_only=True)
class PositionBook:
    """Everything positions keeps for one (strategy, symbol).

    `leg` are the fills of the open position; `booked` maps each retained order to the trade ids already booked, so a total
    told twice changes nothing; `realized_total` and `commissions` are lifetime totals over all positions of this key.
    """

    strategy: str
    symbol: str
    base: str
    quote: str
    position: RealPosition | None = None
    leg: tuple[LegFill, ...] = ()
    booked: Mapping[str, frozenset[int]] = attrs.field(factory=dict)
    realized_total: Decimal = ZERO
    commissions: Mapping[str, Decimal] = attrs.field(factory=dict)
    positions_closed: int = 0

    @property
    def key(self) -> str:
        """The row's key: strategy/symbol."""
        return f"{self.strategy}/{self.symbol}"

    @property
    def quantity(self) -> Decimal:
        """Signed managed quantity: positive long, negative short."""
        if self.position is None:
            return ZERO
        return self.position.quantity if self.position.side == "LONG" else -self.position.quantity
