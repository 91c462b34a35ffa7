"""The lagging replica: queries that do not yet know an order the matching engine already accepted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, frozen

from .errors import no_such_order


@frozen
class _Lagging:
    symbol: str
    order_id: int
    client_order_id: str
    until_s: float


@define
class Replica:
    """Hides fresh orders from queries (order, open orders, all orders, my trades) for a while; cancels see them."""

    mono_s: Callable[[], float] = time.monotonic
    _lagging: tuple[_Lagging, ...] = ()

    def lag(self, symbol: str, order_id: int, client_order_id: str, ms: int) -> None:
        """For so many milliseconds queries do not know this order."""
        entry = _Lagging(symbol, order_id, client_order_id, self.mono_s() + ms / 1000)
        self._lagging = (*self._still(), entry)

    def check(self, operation: str, params: Mapping[str, str]) -> None:
        """Raise -2013 for a query by id of an order that has not arrived here yet."""
        if operation != "order.status":
            return
        for each in self._still():
            asked = params.get("orderId"), params.get("origClientOrderId")
            if params.get("symbol") == each.symbol and (
                asked[0] == str(each.order_id) or (asked[0] is None and asked[1] == each.client_order_id)
            ):
                raise no_such_order()

    def filter(self, operation: str, body: Any) -> Any:
        """The answer of a listing without what has not arrived here yet."""
        if operation not in ("openOrders.status", "allOrders", "myTrades"):
            return body
        hidden = {(each.symbol, each.order_id) for each in self._still()}
        return [row for row in body if (row["symbol"], row["orderId"]) not in hidden] if hidden else body

    def _still(self) -> tuple[_Lagging, ...]:
        now_s = self.mono_s()
        self._lagging = tuple(each for each in self._lagging if each.until_s > now_s)
        return self._lagging
