"""The requests that read an account: orders, trades, balances, commission."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from . import errors, payloads
from .core import Core
from .intervals import DAY
from .orders import Fill, Order
from .params import CLIENT_ID, SYMBOL, Params
from .trading import find

Json = dict[str, Any]


class Reading:
    """Account queries over one `Core`."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def query(self, uid: int, raw: Mapping[str, str]) -> Json:
        """GET /order."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        order_id, client_id = params.integer("orderId"), params.text("origClientOrderId", CLIENT_ID)
        params.done()
        order = find(pair, uid, order_id, client_id)
        if order is None:
            raise errors.no_such_order()
        return payloads.queried(order)

    def open_orders(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /openOrders, of one symbol or of all."""
        params = Params(raw)
        symbol = params.text("symbol", SYMBOL)
        params.done()
        pairs = [self.core.pair(symbol)] if symbol is not None else list(self.core.pairs.values())
        return [payloads.queried(order) for pair in pairs for order in pair.open_of(uid)]

    def all_orders(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /allOrders: from an id on, or of a window, or the latest; oldest first."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        from_id, start, end = params.integer("orderId"), params.integer("startTime"), params.integer("endTime")
        limit = params.limit(500, 1000)
        params.done()
        check_window(start, end)
        mine: Sequence[Order] = pair.by_account.get(uid, [])
        if from_id is not None:
            mine = mine[bisect_left([order.order_id for order in mine], from_id) :]
        found = [order for order in mine if within(order.time_ms, start, end)]
        chosen = found[:limit] if from_id is not None or start is not None else found[-limit:]
        return [payloads.queried(order) for order in chosen]

    def my_trades(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /myTrades: of an order, from an id on, of a window, or the latest; oldest first."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        order_id, from_id = params.integer("orderId"), params.integer("fromId")
        start, end = params.integer("startTime"), params.integer("endTime")
        limit = params.limit(500, 1000)
        params.done()
        check_window(start, end)
        if (start is not None or end is not None) and (from_id is not None or order_id is not None):
            raise errors.bad_combination()
        mine: Sequence[Fill] = pair.fills.get(uid, [])
        if from_id is not None:
            mine = mine[bisect_left([fill.trade_id for fill in mine], from_id) :]
        found = [
            fill
            for fill in mine
            if not fill.hidden
            and (order_id is None or fill.order_id == order_id)
            and within(fill.time_ms, start, end)
        ]
        forward = from_id is not None or order_id is not None or start is not None
        return [payloads.my_trade(fill) for fill in (found[:limit] if forward else found[-limit:])]

    def prevented_matches(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /myPreventedMatches, by preventedMatchId or by orderId of the taker or maker."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        match_id, order_id = params.integer("preventedMatchId"), params.integer("orderId")
        from_id, limit = params.integer("fromPreventedMatchId"), params.limit(500, 1000)
        params.done()
        if match_id is None and order_id is None:
            raise errors.one_of_missing("preventedMatchId", "orderId")
        found = [
            match
            for order in pair.by_account.get(uid, [])
            for match in order.preventions
            if (match_id is None or match.match_id == match_id)
            and (order_id is None or order_id in (match.taker_order_id, match.maker_order_id))
            and (from_id is None or match.match_id >= from_id)
        ]
        return [payloads.prevention(pair.rules.symbol, match) for match in found[:limit]]

    def account(self, uid: int, raw: Mapping[str, str]) -> Json:
        """GET /account."""
        params = Params(raw)
        omit_zero = params.flag("omitZeroBalances")
        params.done()
        holder = self.core.ledger.accounts[uid]
        assets = dict.fromkeys(holder.balances)
        for pair in self.core.pairs.values():
            assets.update(dict.fromkeys((pair.rules.base, pair.rules.quote)))
        return payloads.account(holder, list(assets), self.core.fee, self.core.lies, omit_zero=omit_zero)

    def commission(self, uid: int, raw: Mapping[str, str]) -> Json:
        """GET /account/commission."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        params.done()
        enabled = self.core.ledger.accounts[uid].pays_in_bnb
        return self.core.fee.to_json(pair.rules.symbol, bnb_enabled=enabled)


def check_window(start: int | None, end: int | None) -> None:
    if start is not None and end is not None and end - start > DAY:
        raise errors.more_than_hours(24)


def within(time_ms: int, start: int | None, end: int | None) -> bool:
    """Inside the window; one open end reaches 24 hours."""
    if start is not None:
        return start <= time_ms <= (end if end is not None else start + DAY)
    return end is None or end - DAY <= time_ms <= end
