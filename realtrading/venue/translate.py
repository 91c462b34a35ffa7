"""The venue's payloads as domain reports: strict about what is read, deaf to what is not, never guessing.

Functions that take one payload raise `Unreadable`; `user_event`, which feeds a living stream, answers `Malformed`
instead.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping

import attrs

from realtrading.domain.orders import STATE_OF_STATUS
from realtrading.domain.reports import AccountReported, ExecutionReport, ExecutionReported, FlowReported, TradeReport
from realtrading.domain.values import EXACT, ZERO

from .fields import Payload, Unreadable, flag, moment, money, positive, record, rows, side, text, unsigned, whole


@attrs.frozen(kw_only=True)
class Malformed:
    """An event that cannot be read. `what` is its kind, `detail` names the field; the payload itself is not kept."""

    what: str
    detail: str


@attrs.frozen(kw_only=True)
class EndOfStream:
    """An event after which the venue sends no more on this connection; `soon`: it still does, but not for long."""

    detail: str
    soon: bool = False


UserEvent = ExecutionReported | AccountReported | FlowReported | EndOfStream | Malformed | None

GRAIN = decimal.Decimal("0.00000001")
"""The venue keeps every amount to eight decimals."""

_ENDS = {"eventStreamTerminated", "serverShutdown", "error"}
_LIVES = frozenset({"NEW", "PENDING_NEW", "PARTIALLY_FILLED"})
_STATUSES: Mapping[str, frozenset[str]] = {
    "NEW": _LIVES,
    "REPLACED": _LIVES,
    "TRADE": frozenset({"PARTIALLY_FILLED", "FILLED"}),
    "CANCELED": frozenset({"CANCELED", "PENDING_CANCEL"}),
    "REJECTED": frozenset({"REJECTED"}),
    "EXPIRED": frozenset({"EXPIRED", "EXPIRED_IN_MATCH"}),
    "TRADE_PREVENTION": _LIVES | {"FILLED", "EXPIRED", "EXPIRED_IN_MATCH", "CANCELED"},
}
"""Execution type -> the statuses an order can have after it. A pair that is not here is asked about, not believed."""
# money locked from outside stays the account's own, and lists are seen through the orders in them
_NOT_OURS = {"listStatus", "externalLockUpdate"}


def user_event(event: object, generation: int) -> UserEvent:
    """One event of the user stream (without its envelope).

    None for a known kind that carries nothing the house books.
    """
    kind = "event"
    try:
        payload = record(event, "event")
        kind = text(payload, "e")
        if kind == "executionReport":
            return ExecutionReported(report=execution_from_event(payload), generation=generation)
        if kind == "outboundAccountPosition":
            return _account(payload, generation)
        if kind == "balanceUpdate":
            return FlowReported(
                asset=text(payload, "a"),
                amount=money(payload, "d"),
                venue_at=moment(payload, "T"),
                generation=generation,
            )
        if kind in _ENDS:
            detail = kind if kind != "error" else f"error {text(payload, 'type', '?')}"
            return EndOfStream(detail=detail, soon=kind == "serverShutdown")
        return None if kind in _NOT_OURS else Malformed(what=kind, detail="an event of a kind nobody knows")
    except Unreadable as error:
        return Malformed(what=kind, detail=str(error))


def _account(payload: Payload, generation: int) -> AccountReported:
    balances = {text(row, "a"): (unsigned(row, "f"), unsigned(row, "l")) for row in rows(payload.get("B"), "B")}
    return AccountReported(balances=balances, venue_at=moment(payload, "u"), generation=generation)


def execution_from_event(payload: Payload) -> ExecutionReport:
    """An executionReport whose fields agree with each other.

    A cancel or amend puts its own id into `c` and the order's into `C`; here the order's id wins.
    """
    trade = _trade_in_event(payload)
    _check_words(payload)
    _check_amounts(payload, trade)
    reason = text(payload, "eR", "") or text(payload, "r", "")
    return ExecutionReport(
        symbol=text(payload, "s"),
        client_id=text(payload, "C", "") or text(payload, "c"),
        exchange_order_id=whole(payload, "i"),
        side=side(payload, "S"),
        order_type=text(payload, "o"),
        status=text(payload, "X"),
        price=unsigned(payload, "p"),
        stop_price=unsigned(payload, "P"),
        original_quantity=unsigned(payload, "q"),
        executed_quantity=unsigned(payload, "z"),
        cumulative_quote=max(money(payload, "Z"), ZERO),
        time_in_force=text(payload, "f", ""),
        trades=() if trade is None else (trade,),
        venue_at=moment(payload, "T"),
        reason="" if reason == "NONE" else reason,
    )


def _check_words(payload: Payload) -> None:
    """Execution type and status are known, and the one can follow from the other."""
    execution, status = text(payload, "x"), text(payload, "X")
    if execution not in _STATUSES:
        raise Unreadable("x is an execution type nobody knows")
    if status not in STATE_OF_STATUS:
        raise Unreadable("X is a status nobody knows")
    if status not in _STATUSES[execution]:
        raise Unreadable("x and X contradict each other")


def _check_amounts(payload: Payload, trade: TradeReport | None) -> None:
    """The cumulative amounts hold the trade's own, and no more than was asked for."""
    executed, asked = unsigned(payload, "z"), unsigned(payload, "q")
    if asked and executed > asked and not money(payload, "Q", ZERO):
        raise Unreadable("z is more than q")
    if trade is None:
        return
    if trade.quantity > executed or trade.quote_quantity > max(money(payload, "Z"), ZERO):
        raise Unreadable("a trade is more than z and Z")
    with decimal.localcontext(EXACT):
        if abs(trade.price * trade.quantity - trade.quote_quantity) >= GRAIN:
            raise Unreadable("Y is not l times L")


def _trade_in_event(payload: Payload) -> TradeReport | None:
    trade_id, quantity = whole(payload, "t", -1), unsigned(payload, "l")
    if trade_id == -1 or not quantity:
        if text(payload, "x") == "TRADE":
            raise Unreadable("a trade without id or quantity")
        return None
    commission, asset = _commission(payload, "n", "N")
    return TradeReport(
        symbol=text(payload, "s"),
        trade_id=trade_id,
        exchange_order_id=whole(payload, "i"),
        side=side(payload, "S"),
        price=positive(payload, "L"),
        quantity=quantity,
        quote_quantity=unsigned(payload, "Y"),
        commission=commission,
        commission_asset=asset,
        is_maker=flag(payload, "m"),
        venue_at=moment(payload, "T"),
    )


def _commission(payload: Payload, fee: str, asset: str) -> tuple[decimal.Decimal, str]:
    """A fee and its asset; without an asset the fee must be zero. A rebate (negative fee) is legal."""
    commission = money(payload, fee, ZERO)
    named = text(payload, asset, "")
    if commission and not named:
        raise Unreadable(f"{fee} without {asset}")
    return commission, named


def execution_from_order(payload: Payload) -> ExecutionReport:
    """An order as REST tells it: the FULL answer to a placement, a cancel's answer, a query, a row of open or all
    orders.

    A cancel's answer names the order's id in `origClientOrderId`. What some order types lack (a price, a quantity not
    yet known) reads as zero; a shape without a status (ACK) is unreadable.
    """
    symbol, order_side, order_id = text(payload, "symbol"), side(payload, "side"), whole(payload, "orderId")
    venue_at = moment(payload, "transactTime", "updateTime", "time")
    cumulative_quote = max(money(payload, "cummulativeQuoteQty"), ZERO)
    fills = rows(payload.get("fills", []), "fills")
    worth = _worth([(positive(row, "price"), positive(row, "qty")) for row in fills], cumulative_quote)
    trades = tuple(
        TradeReport(
            symbol=symbol,
            trade_id=whole(row, "tradeId"),
            exchange_order_id=order_id,
            side=order_side,
            price=positive(row, "price"),
            quantity=positive(row, "qty"),
            quote_quantity=quote_quantity,
            commission=_commission(row, "commission", "commissionAsset")[0],
            commission_asset=_commission(row, "commission", "commissionAsset")[1],
            # whatever trades while it is being placed takes
            is_maker=False,
            venue_at=venue_at,
        )
        for row, quote_quantity in zip(fills, worth or (), strict=False)
    )
    return ExecutionReport(
        symbol=symbol,
        client_id=text(payload, "origClientOrderId", "") or text(payload, "clientOrderId"),
        exchange_order_id=order_id,
        side=order_side,
        order_type=text(payload, "type"),
        status=text(payload, "status"),
        price=unsigned(payload, "price", ZERO),
        stop_price=unsigned(payload, "stopPrice", ZERO),
        original_quantity=unsigned(payload, "origQty", ZERO),
        executed_quantity=unsigned(payload, "executedQty"),
        cumulative_quote=cumulative_quote,
        time_in_force=text(payload, "timeInForce", ""),
        trades=trades,
        venue_at=venue_at,
        reason=text(payload, "expiryReason", ""),
    )


def _worth(
    priced: list[tuple[decimal.Decimal, decimal.Decimal]], cumulative_quote: decimal.Decimal
) -> list[decimal.Decimal] | None:
    """What each fill moved in quote units: the answer tells price and quantity only, and their sum.

    Where price times quantity has more decimals than the venue keeps, it cuts them off. None when neither way makes
    the sum: then the answer's fills are left out, and the order's trades have to be asked for.
    """
    with decimal.localcontext(EXACT):
        exact = [price * quantity for price, quantity in priced]
        cut = [product - product % GRAIN for product in exact]
        return next((amounts for amounts in (exact, cut) if sum(amounts, ZERO) == cumulative_quote), None)


def trade_from_history(payload: Payload) -> TradeReport:
    """A row of myTrades."""
    commission, asset = _commission(payload, "commission", "commissionAsset")
    return TradeReport(
        symbol=text(payload, "symbol"),
        trade_id=whole(payload, "id"),
        exchange_order_id=whole(payload, "orderId"),
        side=side({"side": "BUY" if flag(payload, "isBuyer") else "SELL"}, "side"),
        price=positive(payload, "price"),
        quantity=positive(payload, "qty"),
        quote_quantity=unsigned(payload, "quoteQty"),
        commission=commission,
        commission_asset=asset,
        is_maker=flag(payload, "isMaker"),
        venue_at=moment(payload, "time"),
    )


def account_balances(payload: Payload) -> dict[str, tuple[decimal.Decimal, decimal.Decimal]]:
    """The balances of an account answer: asset -> (free, locked)."""
    return {
        text(row, "asset"): (unsigned(row, "free"), unsigned(row, "locked"))
        for row in rows(payload.get("balances"), "balances")
    }
