"""The requests for order lists: place an OCO, OTO or OTOCO, cancel one, read them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from . import errors, payloads
from .core import Core
from .lists import OrderList
from .orders import Order
from .pair import Pair
from .params import CLIENT_ID, SYMBOL, LegParams, Params
from .reading import check_window, within
from .request import PlaceRequest, read_place
from .trading import Trading

Json = dict[str, Any]
_COMMON = {name: name for name in ("symbol", "selfTradePreventionMode", "newOrderRespType")}
_OCO = _COMMON | {"side": "side", "quantity": "quantity"}
_PENDING_PAIR = _COMMON | {"side": "pendingSide", "quantity": "pendingQuantity"}
_IN_OCO = ("LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")


class Listing:
    """Order lists over one `Core`."""

    def __init__(self, core: Core, trading: Trading) -> None:
        self.core = core
        self.trading = trading

    def place_oco(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """POST /orderList/oco: two orders that exclude each other."""
        whole = Params(raw)
        pair, client_id = self._head(whole)
        legs = self._pair_of_legs(whole, "above", "below", _OCO)
        whole.done()
        self._allowed(uid, pair, allowed=pair.rules.oco_allowed, what="OCO")
        orders = self._read(uid, pair, legs, now_ms)
        check_relation(orders, pair.history.last_price)
        listed = self._list(uid, pair, client_id, now_ms, "OCO", working=None, legs=orders)
        amount = max(self.trading.aftermath.cost(pair, order) for order in orders)
        self.trading.aftermath.afford(pair, orders[0], amount)
        for order in orders:
            self.trading.aftermath.check(pair, order)
        self._register(pair, listed)
        self.core.lock(pair, listed.holder, amount)
        self.core.tell_list(listed, now_ms)
        for order in orders:
            self.trading.aftermath.start(pair, order, now_ms)
        answer = self._answer(listed, now_ms)
        self.trading.settle(pair, now_ms)
        return answer

    def place_oto(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """POST /orderList/oto: an order that is placed when another one is filled."""
        whole = Params(raw)
        pair, client_id = self._head(whole)
        working = read_place(LegParams(whole, "working", _COMMON))
        pending = [read_place(LegParams(whole, "pending", _COMMON))]
        whole.done()
        return self._place_after(uid, pair, client_id, working, pending, now_ms)

    def place_otoco(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """POST /orderList/otoco: an OCO that is placed when another order is filled."""
        whole = Params(raw)
        pair, client_id = self._head(whole)
        working = read_place(LegParams(whole, "working", _COMMON))
        pending = self._pair_of_legs(whole, "pendingAbove", "pendingBelow", _PENDING_PAIR)
        whole.done()
        return self._place_after(uid, pair, client_id, working, pending, now_ms)

    def cancel(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """DELETE /orderList."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        list_id, client_id = params.integer("orderListId"), params.text("listClientOrderId", CLIENT_ID)
        new_id = params.text("newClientOrderId", CLIENT_ID)
        params.done()
        if list_id is None and client_id is None:
            raise errors.one_of_missing("orderListId", "listClientOrderId")
        listed = self._find(uid, list_id, client_id)
        if listed is None or not listed.is_live or listed.symbol != pair.rules.symbol:
            raise errors.cancel_rejected()
        answer = self.trading.cancel_list(pair, listed, new_id, now_ms)
        self.trading.settle(pair, now_ms)
        return answer

    def query(self, uid: int, raw: Mapping[str, str]) -> Json:
        """GET /orderList."""
        params = Params(raw)
        list_id, client_id = params.integer("orderListId"), params.text("origClientOrderId", CLIENT_ID)
        params.done()
        if list_id is None and client_id is None:
            raise errors.one_of_missing("orderListId", "origClientOrderId")
        listed = self._find(uid, list_id, client_id)
        if listed is None:
            raise errors.no_such_order()
        return payloads.listed(listed)

    def all(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /allOrderList."""
        params = Params(raw)
        from_id, start, end = params.integer("fromId"), params.integer("startTime"), params.integer("endTime")
        limit = params.limit(500, 1000)
        params.done()
        check_window(start, end)
        if from_id is not None and (start is not None or end is not None):
            raise errors.bad_combination()
        found = [
            each
            for each in self._of(uid)
            if within(each.time_ms, start, end) and (from_id is None or each.list_id >= from_id)
        ]
        chosen = found[:limit] if from_id is not None or start is not None else found[-limit:]
        return [payloads.listed(each) for each in chosen]

    def open(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /openOrderList."""
        Params(raw).done()
        return [payloads.listed(each) for each in self._of(uid) if each.is_live]

    def _head(self, whole: Params) -> tuple[Pair, str | None]:
        return self.core.pair(whole.required("symbol", SYMBOL)), whole.text("listClientOrderId", CLIENT_ID)

    @staticmethod
    def _pair_of_legs(whole: Params, above: str, below: str, shared: Mapping[str, str]) -> list[PlaceRequest]:
        """The two legs of an OCO, the one that stops a loss first, each on its side of the market."""
        kinds = [whole.required(f"{prefix}Type") for prefix in (above, below)]
        if any(kind not in _IN_OCO for kind in kinds):
            raise errors.BinanceError(-1158, "Order type not supported in OCO.")
        if kinds == ["LIMIT_MAKER", "LIMIT_MAKER"]:
            raise errors.BinanceError(-1168, "At least one OCO order must be contingent.")
        upper, lower = (read_place(LegParams(whole, prefix, shared)) for prefix in (above, below))
        _check_sides(upper, lower)
        return sorted((upper, lower), key=lambda leg: not leg.type.startswith("STOP_LOSS"))

    def _allowed(self, uid: int, pair: Pair, *, allowed: bool, what: str) -> None:
        if not allowed:
            raise errors.rejected(f"{what} orders are not supported for this symbol")
        live = sum(each.is_live and each.symbol == pair.rules.symbol for each in self._of(uid))
        if live >= pair.rules.max_num_order_lists:
            raise errors.filter_failure("MAX_NUM_ORDER_LISTS")

    def _read(self, uid: int, pair: Pair, legs: list[PlaceRequest], now_ms: int) -> tuple[Order, ...]:
        """The orders that the legs ask for, checked as each would be alone."""
        named = [leg.client_id for leg in legs if leg.client_id is not None]
        if len(set(named)) < len(named):
            raise errors.duplicate_order()
        for leg in legs:
            self.trading.check(uid, pair, leg, now_ms)
        return tuple(self.trading.order(uid, pair, leg, now_ms) for leg in legs)

    def _list(
        self, uid: int, pair: Pair, client_id: str | None, now_ms: int, kind: str, *,
        working: Order | None, legs: tuple[Order, ...],
    ) -> OrderList:  # fmt: skip
        client_id = self.core.new_client_id() if client_id is None else client_id
        if any(each.is_live and each.client_id == client_id for each in self._of(uid)):
            raise errors.duplicate_order()
        return OrderList(
            list_id=self.core.take_list_id(), uid=uid, symbol=pair.rules.symbol, client_id=client_id, contingency=kind,
            working=working, legs=legs, time_ms=now_ms, updated_ms=now_ms,
        )  # fmt: skip

    def _register(self, pair: Pair, listed: OrderList) -> None:
        self.core.lists[listed.list_id] = listed
        for order in listed.orders:
            order.order_id = pair.take_order_id()
            order.list_id = listed.list_id
            order.working = False
            pair.admit(order)

    def _place_after(
        self, uid: int, pair: Pair, client_id: str | None, first: PlaceRequest, then: list[PlaceRequest], now_ms: int
    ) -> Json:
        """Place the working order; what waits for it is placed when it is filled completely."""
        if first.type not in ("LIMIT", "LIMIT_MAKER"):
            raise errors.rejected("Unsupported order combination")
        self._allowed(uid, pair, allowed=pair.rules.oto_allowed, what="OTO")
        working, *legs = self._read(uid, pair, [first, *then], now_ms)
        if len(legs) > 1:
            check_relation(legs, None)
        amount = self.trading.aftermath.cost(pair, working)
        self.trading.aftermath.afford(pair, working, amount)
        self.trading.aftermath.check(pair, working)
        listed = self._list(uid, pair, client_id, now_ms, "OTO", working=working, legs=tuple(legs))
        for leg in legs:
            leg.status = "PENDING_NEW"
        self._register(pair, listed)
        self.core.lock(pair, working, amount)
        self.core.tell_list(listed, now_ms)
        for leg in legs:
            self.core.report(pair, leg, "NEW", now_ms)
        self.trading.aftermath.start(pair, working, now_ms)
        # the answer is as of now: a working order that was filled at once has not woken the others in it
        answer = self._answer(listed, now_ms)
        self.trading.settle(pair, now_ms)
        return answer

    @staticmethod
    def _answer(listed: OrderList, now_ms: int) -> Json:
        reports = [payloads.trim(payloads.placed(order, now_ms), "RESULT") for order in listed.orders]
        return {**payloads.listed(listed), "orderReports": reports}

    def _of(self, uid: int) -> list[OrderList]:
        return [each for each in self.core.lists.values() if each.uid == uid]

    def _find(self, uid: int, list_id: int | None, client_id: str | None) -> OrderList | None:
        """The account's list by either id; of several that had the client id, the latest."""
        for each in reversed(self._of(uid)):
            if each.list_id == list_id or (list_id is None and each.client_id == client_id):
                return each
        return None


_MISPLACED = {
    ("BUY", "LIMIT"): (-1165, "A limit order in a buy OCO must be below."),
    ("SELL", "LIMIT"): (-1166, "A limit order in a sell OCO must be above."),
    ("BUY", "STOP"): (-1196, "A stop loss order in a buy OCO must be above."),
    ("SELL", "STOP"): (-1197, "A stop loss order in a sell OCO must be below."),
    ("BUY", "TAKE"): (-1198, "A take profit order in a buy OCO must be below."),
    ("SELL", "TAKE"): (-1199, "A take profit order in a sell OCO must be above."),
}
"""What Binance answers to a leg on the wrong side, by the list's side and the first word of the leg's type."""


def _check_sides(upper: PlaceRequest, lower: PlaceRequest) -> None:
    """Raise for a leg that is on the wrong side of the market: a buy stops its loss above, a sell below."""
    stop, target = (upper, lower) if upper.side == "BUY" else (lower, upper)
    for leg, must_stop in ((stop, True), (target, False)):
        if leg.type.startswith("STOP_LOSS") is not must_stop:
            raise errors.BinanceError(*_MISPLACED[leg.side, leg.type.partition("_")[0]])


def check_relation(legs: tuple[Order, ...] | list[Order], last: Decimal | None) -> None:
    """Raise -2010 unless a sell's target is above its stop (a buy's below), with the last price between them."""
    stop, target = legs
    low, high = (_level(target), _level(stop)) if stop.is_buy else (_level(stop), _level(target))
    if not low or not high:  # a trailing stop without a stop price has no level yet
        return
    if low >= high or (last is not None and not low < last < high):
        raise errors.bad_relation()


def _level(order: Order) -> Decimal:
    return order.stop if order.is_stop else order.price
