"""An order as the parameters of POST /order: only what its type takes, money as plain text, our own id; and what comes back."""

from __future__ import annotations

import re

import attrs

from realtrading.domain.commands import PlaceCancel
from realtrading.domain.orders import RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import ExecutionReport, PlacementRefused
from realtrading.domain.values import OrderType, TimeInForce, plain
from realtrading.errors import HouseError

from .answers import Answer
from .fields import Unreadable, record
from .translate import execution_from_order

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)


def placement(order: RealOrder) -> dict[str, str | int]:
    """The request's parameters. An order the house must never send raises `HouseError`."""
    params: dict[str, str | int] = {
        "symbol": order.symbol,
        "side": order.side.value,
        "type": str(order.order_type),
        "newClientOrderId": client_id(order.id),
        "newOrderRespType": "FULL",
    }
    # a parameter that the type does not take is itself an error (-1106), so each type names exactly its own
    if order.order_type == OrderType.MARKET:
        if order.quote_quantity is not None:
            return {**params, "quoteOrderQty": plain(order.quote_quantity)}
        return {**params, "quantity": plain(order.original_quantity)}
    if order.price is None:
        raise HouseError(f"{order.order_type} order {order.id} has no price")
    if order.quote_quantity is not None:
        raise HouseError(f"{order.order_type} order {order.id} is given by quote quantity")
    params |= {"quantity": plain(order.original_quantity), "price": plain(order.price)}
    if order.order_type == OrderType.LIMIT:
        return {**params, "timeInForce": (order.time_in_force or TimeInForce.GTC).value}
    if order.order_type == OrderType.LIMIT_MAKER:
        return params
    raise HouseError(f"the house does not send {order.order_type} orders")


def client_id(text: str) -> str:
    """`text` if it may travel: python-binance signs other characters differently from how it sends them."""
    if not _CLIENT_ID.fullmatch(text):
        raise HouseError("a client id is 1 to 36 of [A-Za-z0-9_-]")
    return text


def refused(order: RealOrder, reason: Reason, message: str) -> PlacementRefused:
    """Not sent at all."""
    return PlacementRefused(id=order.id, reason=reason, code=0, message=message, sent=False)


def cancelled(command: PlaceCancel, answer: Answer) -> ExecutionReport | None:
    """The order's state in a cancel's answer, or None when the answer does not tell it."""
    if not answer.ok:
        return None
    try:
        report = execution_from_order(record(answer.payload))
    except Unreadable:
        return None
    if (report.symbol, report.exchange_order_id) != (command.symbol, command.exchange_order_id):
        return None
    return attrs.evolve(report, client_id=command.id)
