"""Binance's JSON shapes of orders, trades and accounts in REST and WebSocket API answers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .fees import FeeSchedule
from .ledger import Account
from .lists import OrderList
from .numbers import ZERO, wire
from .orders import Amendment, Fill, Order, Prevention
from .planted import PlantedLies

Json = dict[str, Any]

ACK_FIELDS = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")


def default_resp_type(order_type: str) -> str:
    """What a place request without newOrderRespType answers with."""
    return "FULL" if order_type in ("LIMIT", "MARKET") else "ACK"


def trim(response: Json, resp_type: str) -> Json:
    """Cut a FULL answer down to ACK or RESULT."""
    if resp_type == "ACK":
        return {name: response[name] for name in ACK_FIELDS}
    if resp_type == "RESULT":
        return {name: value for name, value in response.items() if name not in ("fills", "preventedMatches")}
    return response


def _amounts(order: Order) -> Json:
    return {
        "price": wire(order.price),
        "origQty": wire(order.qty),
        "executedQty": wire(order.shown_executed),
        "origQuoteOrderQty": wire(order.quote_qty),
        "cummulativeQuoteQty": wire(order.shown_quote),
        "status": order.shown_status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side,
    }


def _conditional(order: Order) -> Json:
    extra: Json = {}
    if order.strategy_id is not None:
        extra["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        extra["strategyType"] = order.strategy_type
    if order.prevented_match_id is not None:
        extra["preventedMatchId"] = order.prevented_match_id
        extra["preventedQuantity"] = wire(order.prevented_qty)
    if order.shown_expiry is not None:
        extra["expiryReason"] = order.shown_expiry
    return extra


def placed(order: Order, now_ms: int) -> Json:
    """The FULL answer of a place request."""
    answer: Json = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": now_ms,
        **_amounts(order),
        **_stop(order),
        "workingTime": working_time(order),
        "selfTradePreventionMode": order.stp,
        "fills": [_place_fill(fill) for fill in order.fills if not fill.hidden],
    }
    if order.preventions:
        answer["preventedMatches"] = [_place_prevention(order.symbol, match) for match in order.preventions]
    answer.update(_conditional(order))
    answer.pop("preventedMatchId", None)
    return answer


def _place_fill(fill: Fill) -> Json:
    return {
        "price": wire(fill.price),
        "qty": wire(fill.qty),
        "commission": wire(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade_id,
    }


def _prevented(match: Prevention) -> Json:
    quantities: Json = {}
    if match.taker_qty is not None:
        quantities["takerPreventedQuantity"] = wire(match.taker_qty)
    if match.maker_qty is not None:
        quantities["makerPreventedQuantity"] = wire(match.maker_qty)
    return quantities


def _place_prevention(symbol: str, match: Prevention) -> Json:
    return {
        "preventedMatchId": match.match_id,
        "makerSymbol": symbol,
        "makerOrderId": match.maker_order_id,
        "price": wire(match.price),
        **_prevented(match),
    }


def prevention(symbol: str, match: Prevention) -> Json:
    """One entry of GET /api/v3/myPreventedMatches."""
    return {
        "symbol": symbol,
        "preventedMatchId": match.match_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": symbol,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": -1,
        "selfTradePreventionMode": match.mode,
        "price": wire(match.price),
        **_prevented(match),
        "transactTime": match.time_ms,
    }


def _stop(order: Order) -> Json:
    extra: Json = {"stopPrice": wire(order.stop)} if order.stop else {}
    if order.trailing is not None:
        extra["trailingDelta"] = order.trailing
    if order.trailing_ms is not None:
        extra["trailingTime"] = order.trailing_ms
    return extra


def working_time(order: Order) -> int:
    """Since when the order works, -1 while it does not."""
    return -1 if order.working_ms is None else order.working_ms


def queried(order: Order) -> Json:
    """The order as GET /order, /openOrders and /allOrders answer it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        **_amounts(order),
        **_stop(order),
        "stopPrice": wire(order.stop),
        "icebergQty": wire(ZERO),
        "time": order.time_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working,
        "workingTime": working_time(order),
        "selfTradePreventionMode": order.stp,
        **_conditional(order),
    }


def cancelled(order: Order, original_id: str, now_ms: int) -> Json:
    """The answer of a cancel; `clientOrderId` is the cancel's id by now."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": original_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": now_ms,
        **_amounts(order),
        **_stop(order),
        "selfTradePreventionMode": order.stp,
        **_conditional(order),
    }


def my_trade(fill: Fill) -> Json:
    """One entry of GET /myTrades."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": wire(fill.price),
        "qty": wire(fill.qty),
        "quoteQty": wire(fill.quote),
        "commission": wire(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time_ms,
        "isBuyer": fill.is_buyer,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def account(holder: Account, assets: list[str], fee: FeeSchedule, lies: PlantedLies, *, omit_zero: bool) -> Json:
    """The answer of GET /account, lies included."""
    balances: list[Json] = []
    for asset in assets:
        held = holder.balances.get(asset)
        free = lies.shown(holder.uid, asset, held.free if held is not None else ZERO)
        free += lies.account_offset.get(asset, ZERO)
        locked = held.locked if held is not None else ZERO
        if free or locked or not omit_zero:
            balances.append({"asset": asset, "free": wire(free), "locked": wire(locked)})
    rates = fee.standard
    return {
        "makerCommission": _points(rates.maker),
        "takerCommission": _points(rates.taker),
        "buyerCommission": _points(rates.buyer),
        "sellerCommission": _points(rates.seller),
        "commissionRates": rates.to_json(),
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": holder.updated_ms,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": holder.uid,
    }


def _points(rate: Decimal) -> int:
    return int(rate * 10_000)


def listed(found: OrderList, *, client_ids: Mapping[int, str] | None = None) -> Json:
    """The order list as every answer about it begins. `client_ids`: what its orders were called before a cancel."""
    names = client_ids or {}
    return {
        "orderListId": found.list_id,
        "contingencyType": found.contingency,
        "listStatusType": found.status,
        "listOrderStatus": found.order_status,
        "listClientOrderId": found.client_id,
        "transactionTime": found.updated_ms,
        "symbol": found.symbol,
        "orders": [
            {
                "symbol": order.symbol,
                "orderId": order.order_id,
                "clientOrderId": names.get(order.order_id, order.client_id),
            }
            for order in found.orders
        ],
    }


def amended(order: Order, original_id: str) -> Json:
    """The order as an amendment answers it, under the names that only amendments use."""
    answer: Json = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "origClientOrderId": original_id,
        "clientOrderId": order.client_id,
        "price": wire(order.price),
        "qty": wire(order.qty),
        "executedQty": wire(order.shown_executed),
        "preventedQty": wire(order.prevented_qty),
        "quoteOrderQty": wire(order.quote_qty),
        "cumulativeQuoteQty": wire(order.shown_quote),
        "status": order.shown_status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side,
        **_stop(order),
    }
    if order.working_ms is not None:
        answer["workingTime"] = order.working_ms
    return {**answer, "selfTradePreventionMode": order.stp}


def amendment(order: Order, made: Amendment) -> Json:
    """One entry of GET /order/amendments."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "executionId": made.execution_id,
        "origClientOrderId": made.original_id,
        "newClientOrderId": made.new_id,
        "origQty": wire(made.original_qty),
        "newQty": wire(made.new_qty),
        "time": made.time_ms,
    }
