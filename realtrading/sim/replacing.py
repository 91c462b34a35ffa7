"""The requests that change an order's place or size: cancel-replace, which is two steps, and amend, which keeps the place."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from . import errors, payloads
from .aftermath import need
from .core import Core
from .errors import BinanceError
from .orders import Amendment, Order
from .pair import Pair
from .params import CLIENT_ID, SYMBOL, Params
from .request import PlaceRequest, read_place
from .trading import RESTRICTIONS, Trading, find

Json = dict[str, Any]
_MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
_LIMIT_MODES = ("DO_NOTHING", "CANCEL_ONLY")


class Replacing:
    """Cancel-replace and amendments over one `Core`."""

    def __init__(self, core: Core, trading: Trading) -> None:
        self.core = core
        self.trading = trading

    def replace(self, uid: int, raw: Mapping[str, str], now_ms: int, *, over_limit: BinanceError | None = None) -> Json:
        """POST /order/cancelReplace. `over_limit`: what the order count says against a new order.

        Filters and order count speak before either step; then the two steps succeed or fail each by itself, and
        `ReplaceFailed` tells which did.
        """
        params = Params(raw)
        mode, limit_mode = params.required("cancelReplaceMode"), params.text("orderRateLimitExceededMode")
        order_id, client_id = params.integer("cancelOrderId"), params.text("cancelOrigClientOrderId", CLIENT_ID)
        new_id, restriction = params.text("cancelNewClientOrderId", CLIENT_ID), params.text("cancelRestrictions")
        request = read_place(params)
        if mode not in _MODES:
            raise errors.invalid_data("cancelReplaceMode")
        if limit_mode not in (None, *_LIMIT_MODES):
            raise errors.invalid_data("orderRateLimitExceededMode")
        if restriction is not None and restriction not in RESTRICTIONS:
            raise errors.bad_cancel_restrictions()
        if over_limit is not None and limit_mode != "CANCEL_ONLY":
            raise over_limit
        pair = self.core.pair(request.symbol)
        if not pair.rules.replace_allowed:
            raise errors.rejected("Order cancel-replace is not supported for this symbol.")
        order = find(pair, uid, order_id, client_id)
        self.trading.check(uid, pair, request, now_ms)
        cancelled, gone = self._cancel(pair, order, new_id, restriction, now_ms)
        if not gone and mode == "STOP_ON_FAILURE":
            raise errors.ReplaceFailed(_halves(cancelled, False, None, False))
        placed, made = self._place(uid, pair, request, over_limit, now_ms)
        self.trading.settle(pair, now_ms)
        halves = _halves(cancelled, gone, placed, made)
        if not (gone and made):
            raise errors.ReplaceFailed(halves)
        return halves

    def _cancel(
        self, pair: Pair, order: Order | None, new_id: str | None, restriction: str | None, now_ms: int
    ) -> tuple[Json, bool]:
        if order is None or not order.is_live:
            return errors.cancel_rejected().body(), False
        if restriction is not None and order.shown_status != RESTRICTIONS[restriction]:
            return errors.cancel_rejected("Order was not canceled due to cancel restrictions.").body(), False
        answer = self.trading.withdraw(pair, order, new_id, now_ms)
        self.trading.aftermath.run(pair, now_ms)
        return answer, True

    def _place(
        self, uid: int, pair: Pair, request: PlaceRequest, over_limit: BinanceError | None, now_ms: int
    ) -> tuple[Json, bool]:
        try:
            if over_limit is not None:
                raise over_limit
            return payloads.placed(self.trading.enter(uid, pair, request, now_ms), now_ms), True
        except BinanceError as refusal:
            return refusal.body(), False

    def amend(self, uid: int, raw: Mapping[str, str], now_ms: int) -> Json:
        """PUT /order/amend/keepPriority: a smaller quantity at the same place in the queue."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        order_id, client_id = params.integer("orderId"), params.text("origClientOrderId", CLIENT_ID)
        new_id, qty = params.text("newClientOrderId", CLIENT_ID), params.required_decimal("newQty")
        params.done()
        order = find(pair, uid, order_id, client_id)
        if order is None or not order.is_live:
            raise _refused("Unknown order sent.")
        if not pair.rules.amend_allowed:
            raise _refused("Order amend is not supported for this symbol.")
        if qty == order.qty:
            raise _refused("The requested action would change no state; rejecting")
        if qty > order.qty or qty <= order.executed:
            raise _refused("Order amend (quantity increase) is not supported.")
        if len(order.amendments) >= pair.rules.max_num_order_amends:
            raise errors.filter_failure("MAX_NUM_ORDER_AMENDS")
        pair.rules.check_quantity(qty, market=order.at_market)
        if order.price:
            pair.rules.check_notional(qty * order.price, market=False)
        return self._amend(pair, order, new_id, qty, now_ms)

    def _amend(self, pair: Pair, order: Order, new_id: str | None, qty: Decimal, now_ms: int) -> Json:
        original, before = order.client_id, order.qty
        order.qty, order.updated_ms = qty, now_ms
        pair.rename(order, self.core.new_client_id() if new_id is None else new_id, keep_old=False)
        if order.locked:
            self.core.lock(pair, order, need(pair, order))
        pair.book.update_id += 1
        report = self.core.report(pair, order, "REPLACED", now_ms, original_id=original)
        made = Amendment(
            execution_id=report["I"], original_id=original, new_id=order.client_id, original_qty=before, new_qty=qty,
            time_ms=now_ms,
        )  # fmt: skip
        order.amendments.append(made)
        answer: Json = {
            "transactTime": now_ms, "executionId": made.execution_id,
            "amendedOrder": payloads.amended(order, original),
        }  # fmt: skip
        listed = self.core.lists.get(order.list_id)
        if listed is not None:
            listed.status, listed.updated_ms = "UPDATED", now_ms
            self.core.tell_list(listed, now_ms)
            told = payloads.listed(listed)
            answer["listStatus"] = {
                name: told[name]
                for name in ("orderListId", "contingencyType", "listOrderStatus", "listClientOrderId", "symbol", "orders")
            }
        self.trading.settle(pair, now_ms)
        return answer

    def amendments(self, uid: int, raw: Mapping[str, str]) -> list[Json]:
        """GET /order/amendments."""
        params = Params(raw)
        pair = self.core.pair(params.required("symbol", SYMBOL))
        params.required("orderId")
        order_id, from_id, limit = params.integer("orderId"), params.integer("fromExecutionId"), params.limit(500, 1000)
        params.done()
        order = find(pair, uid, order_id, None)
        if order is None:
            raise errors.no_such_order()
        found = [each for each in order.amendments if from_id is None or each.execution_id >= from_id]
        return [payloads.amendment(order, each) for each in found[:limit]]


def _halves(cancelled: Json, gone: bool, placed: Json | None, made: bool) -> Json:
    return {
        "cancelResult": "SUCCESS" if gone else "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED" if placed is None else "SUCCESS" if made else "FAILURE",
        "cancelResponse": cancelled,
        "newOrderResponse": placed,
    }


def _refused(msg: str) -> BinanceError:
    return BinanceError(-2038, msg)
