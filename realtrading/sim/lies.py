"""Lies on demand, to prove that judges and reconciliation notice: a wrong balance in the account answer, a hidden fill.

A hidden fill is gone from the user stream, every order answer and my trades: the order looks as if it had ended (or still
rested) without it. Balances stay true, and so does `/sim/ledger`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import define, field

from .numbers import ZERO, wire

_ORDER_ANSWERS = ("order.place", "order.status", "order.cancel")
_ORDER_LISTS = ("openOrders.status", "openOrders.cancelAll", "allOrders")


@define
class _Hidden:
    """What is being hidden of one order."""

    quantity: Decimal = ZERO
    quote: Decimal = ZERO
    trade_ids: set[int] = field(factory=set)


@define
class Lies:
    """What the exchange presently lies about. `account`: amount added to an asset's free balance in account answers."""

    account: dict[str, Decimal] = field(factory=dict)
    hide_fills: int = 0
    _hidden: dict[tuple[str, int], _Hidden] = field(factory=dict)

    def tell(self, given: Mapping[str, Any]) -> None:
        """Lie like this from now on: {"account": {asset: "decimal"}, "hide_fills": n}. Raises ValueError."""
        unknown = set(given) - {"account", "hide_fills"}
        if unknown:
            raise ValueError(f"no such lie: {sorted(unknown)[0]!r}")
        if "account" in given:
            self.account = {str(asset): _decimal(amount) for asset, amount in dict(given["account"]).items()}
        if "hide_fills" in given:
            if type(given["hide_fills"]) is not int or given["hide_fills"] < 0:
                raise ValueError("hide_fills must be a whole number, not negative")
            self.hide_fills = given["hide_fills"]

    def describe(self) -> dict[str, Any]:
        """The present lies and what was hidden so far, JSON-ready."""
        return {
            "account": {asset: wire(amount) for asset, amount in self.account.items()},
            "hide_fills": self.hide_fills,
            "hidden": [
                {"symbol": symbol, "orderId": order_id, "trades": sorted(each.trade_ids), "quantity": wire(each.quantity)}
                for (symbol, order_id), each in self._hidden.items()
            ],
        }

    def events(self, event: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """The user stream's events in place of this one."""
        if event.get("e") != "executionReport":
            return [event]
        key = (event["s"], event["i"])
        is_trade = event["x"] == "TRADE"
        if is_trade and self.hide_fills > 0:
            self.hide_fills -= 1
            hidden = self._hidden.setdefault(key, _Hidden())
            hidden.quantity += Decimal(event["l"])
            hidden.quote += Decimal(event["Y"])
            hidden.trade_ids.add(event["t"])
            return [self._ending(event, hidden)] if event["X"] == "FILLED" else []
        found = self._hidden.get(key)
        if found is None:
            return [event]
        shown = {**event, "z": _minus(event["z"], found.quantity), "Z": _minus(event["Z"], found.quote)}
        if event["X"] != "FILLED":
            return [shown]
        return [{**shown, "X": "PARTIALLY_FILLED"}, self._ending(event, found)]

    def answer(self, operation: str, body: Any) -> Any:
        """The answer of this operation as the liar gives it."""
        if operation == "account.status" and self.account:
            return {**body, "balances": [self._balance(row) for row in body["balances"]]}
        if not self._hidden:
            return body
        if operation in _ORDER_ANSWERS:
            return self._order(body)
        if operation in _ORDER_LISTS:
            return [self._order(row) for row in body]
        if operation == "myTrades":
            return [row for row in body if not self._hides(row["symbol"], row["orderId"], row["id"])]
        return body

    def _hides(self, symbol: str, order_id: int, trade_id: int) -> bool:
        hidden = self._hidden.get((symbol, order_id))
        return hidden is not None and trade_id in hidden.trade_ids

    def _balance(self, row: dict[str, Any]) -> dict[str, Any]:
        extra = self.account.get(row["asset"])
        return row if extra is None else {**row, "free": wire(Decimal(row["free"]) + extra)}

    def _order(self, row: dict[str, Any]) -> dict[str, Any]:
        hidden = self._hidden.get((row.get("symbol", ""), row.get("orderId", 0)))
        if hidden is None or "executedQty" not in row:
            return row
        shown = dict(row)
        shown["executedQty"] = _minus(row["executedQty"], hidden.quantity)
        shown["cummulativeQuoteQty"] = _minus(row["cummulativeQuoteQty"], hidden.quote)
        if row["status"] == "FILLED":
            shown["status"] = "EXPIRED"
        elif row["status"] == "PARTIALLY_FILLED" and Decimal(shown["executedQty"]) == 0:
            shown["status"] = "NEW"
        if "fills" in row:
            shown["fills"] = [each for each in row["fills"] if each["tradeId"] not in hidden.trade_ids]
        return shown

    @staticmethod
    def _ending(event: dict[str, Any], hidden: _Hidden) -> dict[str, Any]:
        nothing = wire(ZERO)
        return {
            **event, "x": "EXPIRED", "X": "EXPIRED", "l": nothing, "L": nothing, "Y": nothing, "n": "0", "N": None,
            "t": -1, "w": False, "m": False, "M": False, "z": _minus(event["z"], hidden.quantity),
            "Z": _minus(event["Z"], hidden.quote),
        }  # fmt: skip


def _minus(shown: str, hidden: Decimal) -> str:
    return wire(Decimal(shown) - hidden)


def _decimal(given: Any) -> Decimal:
    try:
        value = Decimal(given) if isinstance(given, str) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise ValueError(f"{given!r} is not a decimal number in a string")
    return value
