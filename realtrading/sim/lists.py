"""Order lists: which orders stand and fall together, and what the exchange says of them."""

from __future__ import annotations

import attrs

from .orders import Order


@attrs.define(kw_only=True, eq=False)
class OrderList:
    """An OCO, or an OTO whose pending orders may be an OCO themselves (an OTOCO says OTO as well).

    `working` is an OTO's first order, None in a plain OCO; `legs` are the orders that wait for it, or the OCO's two.
    Two legs exclude each other; of these the one that can be filled without waiting for a price holds the funds of both.
    `status` and `order_status` are Binance's listStatusType and listOrderStatus.
    """

    list_id: int
    uid: int
    symbol: str
    client_id: str
    contingency: str
    working: Order | None
    legs: tuple[Order, ...]
    time_ms: int
    updated_ms: int
    status: str = "EXEC_STARTED"
    order_status: str = "EXECUTING"

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order, in the order of their ids."""
        return self.legs if self.working is None else (self.working, *self.legs)

    @property
    def is_live(self) -> bool:
        """True until its last order ended."""
        return self.order_status == "EXECUTING"

    @property
    def holder(self) -> Order:
        """The leg that holds the funds of an OCO."""
        return next((leg for leg in self.legs if not leg.is_stop), self.legs[0])

    def sibling(self, leg: Order) -> Order | None:
        """The leg that excludes this one."""
        return next((other for other in self.legs if other is not leg), None) if leg in self.legs else None

    def finish(self, now_ms: int, *, rejected: bool = False) -> None:
        """Say that nothing of it will happen any more."""
        self.status = "ALL_DONE"
        self.order_status = "REJECT" if rejected else "ALL_DONE"
        self.updated_ms = now_ms
