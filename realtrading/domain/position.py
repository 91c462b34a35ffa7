"""One position: the record, and the seed's methods on it. A value never changes: each method returns the new one.

Decided here (seed's open questions): M-4 net result = price result of what was closed, less fees paid in the quote
asset; a fee in the base asset reduces the quantity itself, a fee in a third asset is listed in `commissions` and
valued by whoever has a price. M-10 `calculate_pnl` is realised plus unrealised; `partial_close` also hands back its
leg's result.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from realtrading.errors import HouseError

from .values import ZERO, ratio

LONG: Final = "LONG"
SHORT: Final = "SHORT"


@attrs.frozen(kw_only=True)
class RealPosition:
    """One open (or just closed) position. Prices and PnL in quote units, quantity in base units, > 0 while open.

    `entry_price` is the average of what is open, fees in the quote asset left out. `realized_pnl` is this position's
    own: price result of the closed parts minus fees paid in the quote asset (fees in the base asset reduce the
    quantity received, fees in a third asset stand in `commissions`). `entry_order_ids` names the newest orders that
    built it up.
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

    @classmethod
    def new(
        cls,
        *,
        id: str,
        strategy: str,
        symbol: str,
        side: str,
        quantity: Decimal,
        price: Decimal,
        order_id: str,
        now_utc: datetime,
    ) -> RealPosition:
        """A position just opened by one order: `quantity` base units (> 0) at `price`, side LONG or SHORT."""
        if side not in (LONG, SHORT) or quantity <= 0:
            raise HouseError(f"no position is {side} of {quantity}")
        return cls(
            id=id,
            strategy=strategy,
            symbol=symbol,
            side=side,
            quantity=quantity,
            entry_price=price,
            current_price=price,
            unrealized_pnl=ZERO,
            realized_pnl=ZERO,
            commissions={},
            entry_order_ids=(order_id,),
            created_at=now_utc,
            updated_at=now_utc,
        )

    def add_fill(self, price: Decimal, quantity: Decimal) -> RealPosition:
        """The position with `quantity` more at `price`; the entry price becomes the average of both."""
        _above_zero(quantity)
        whole = self.quantity + quantity
        entry = ratio(self.entry_price * self.quantity + price * quantity, whole)
        return attrs.evolve(self, quantity=whole, entry_price=entry).update_price(price)

    def partial_close(self, price: Decimal, quantity: Decimal) -> tuple[RealPosition, Decimal]:
        """The position with `quantity` of it closed at `price`, and what that part has brought; the entry price stays.

        To close all of it is allowed; more raises `HouseError`: the rest would be a position on the other side.
        """
        _above_zero(quantity)
        if quantity > self.quantity:
            raise HouseError(f"{quantity} of a position of {self.quantity} cannot be closed")
        pnl = self._result(price, quantity)
        rest = attrs.evolve(self, quantity=self.quantity - quantity, realized_pnl=self.realized_pnl + pnl)
        return rest.update_price(price), pnl

    def update_price(self, price: Decimal) -> RealPosition:
        """The position seen at another market price."""
        return attrs.evolve(self, current_price=price, unrealized_pnl=self._result(price, self.quantity))

    def calculate_pnl(self) -> Decimal:
        """Its whole result at `current_price`, quote units: realised plus unrealised."""
        return self.realized_pnl + self.unrealized_pnl

    def _result(self, price: Decimal, quantity: Decimal) -> Decimal:
        gain = price - self.entry_price if self.side == LONG else self.entry_price - price
        return gain * quantity


def _above_zero(quantity: Decimal) -> None:
    if quantity <= 0:
        raise HouseError(f"a quantity of {quantity} moves no position")
