"""Binance's JSON shapes of user-data and market-stream events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .history import AggTrade, PublicTrade
from .lists import OrderList
from .numbers import ZERO, wire
from .orders import Fill, Order, Prevention

Json = dict[str, Any]
_NOTHING = wire(ZERO)


def execution_report(
    order: Order,
    execution: str,
    execution_id: int,
    now_ms: int,
    *,
    fill: Fill | None = None,
    status: str | None = None,
    original_id: str = "",
) -> Json:
    """One executionReport. `status` overrides the order's own (X as it was at that moment)."""
    shown = order.shown_status if status is None else status
    report: Json = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.tif,
        "q": wire(order.qty),
        "p": wire(order.price),
        "P": wire(order.stop),
        "F": _NOTHING,
        "g": order.list_id,
        "C": original_id,
        "x": execution,
        "X": shown,
        "r": "NONE",
        "i": order.order_id,
        "l": wire(fill.qty) if fill is not None else _NOTHING,
        "z": wire(order.shown_executed),
        "L": wire(fill.price) if fill is not None else _NOTHING,
        "n": wire(fill.fee) if fill is not None else "0",
        "N": fill.fee_asset if fill is not None else None,
        "T": now_ms,
        "t": fill.trade_id if fill is not None else -1,
        "I": execution_id,
        "w": order.working and (shown == "NEW" or (shown == "PARTIALLY_FILLED" and order.may_rest)),
        "m": fill is not None and fill.is_maker,
        "M": fill is not None,
        "O": order.time_ms,
        "Z": wire(order.shown_quote),
        "Y": wire(fill.quote) if fill is not None else _NOTHING,
        "Q": wire(order.quote_qty),
        "V": order.stp,
    }
    if order.working_ms is not None:
        report["W"] = order.working_ms
    if order.trailing is not None:
        report["d"] = order.trailing
    if order.trailing_ms is not None:
        report["D"] = order.trailing_ms
    if order.strategy_id is not None:
        report["j"] = order.strategy_id
    if order.strategy_type is not None:
        report["J"] = order.strategy_type
    return report


def list_status(listed: OrderList, now_ms: int) -> Json:
    """One listStatus."""
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": listed.symbol,
        "g": listed.list_id,
        "c": listed.contingency,
        "l": listed.status,
        "L": listed.order_status,
        "r": "NONE",
        "C": listed.client_id,
        "T": listed.updated_ms,
        "O": [{"s": order.symbol, "i": order.order_id, "c": order.client_id} for order in listed.orders],
    }


def add_prevention(report: Json, order: Order, match: Prevention) -> None:
    """The fields an executionReport carries when self-trade prevention stopped a match."""
    is_maker = order.order_id == match.maker_order_id
    quantity = (match.maker_qty if is_maker else match.taker_qty) or ZERO
    report["v"] = match.match_id
    report["A"] = wire(order.prevented_qty)
    report["B"] = wire(quantity)
    report["u"] = -1
    report["U"] = match.taker_order_id if is_maker else match.maker_order_id
    report["Cs"] = order.symbol
    report["pl"] = wire(quantity)
    report["pL"] = wire(match.price)
    report["pY"] = wire(quantity * match.price)


def account_position(balances: list[tuple[str, Decimal, Decimal]], updated_ms: int, now_ms: int) -> Json:
    """outboundAccountPosition over (asset, free, locked)."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": updated_ms,
        "B": [{"a": asset, "f": wire(free), "l": wire(locked)} for asset, free, locked in balances],
    }


def balance_update(asset: str, amount: Decimal, now_ms: int) -> Json:
    """balanceUpdate: a deposit or withdrawal."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": wire(amount), "T": now_ms}


def trade(symbol: str, traded: PublicTrade) -> Json:
    """The <symbol>@trade event."""
    return {
        "e": "trade",
        "E": traded.time_ms,
        "s": symbol,
        "t": traded.trade_id,
        "p": wire(traded.price),
        "q": wire(traded.qty),
        "T": traded.time_ms,
        "m": traded.buyer_maker,
        "M": True,
    }


def agg_trade(symbol: str, traded: AggTrade) -> Json:
    """The <symbol>@aggTrade event."""
    return {
        "e": "aggTrade",
        "E": traded.time_ms,
        "s": symbol,
        "a": traded.agg_id,
        "p": wire(traded.price),
        "q": wire(traded.qty),
        "f": traded.first_id,
        "l": traded.last_id,
        "T": traded.time_ms,
        "m": traded.buyer_maker,
        "M": True,
    }


def book_ticker(
    symbol: str, update_id: int, bid: tuple[Decimal, Decimal] | None, ask: tuple[Decimal, Decimal] | None
) -> Json:
    """The <symbol>@bookTicker event; an empty side is zero."""
    bid_price, bid_qty = bid if bid is not None else (ZERO, ZERO)
    ask_price, ask_qty = ask if ask is not None else (ZERO, ZERO)
    return {
        "u": update_id,
        "s": symbol,
        "b": wire(bid_price),
        "B": wire(bid_qty),
        "a": wire(ask_price),
        "A": wire(ask_qty),
    }
