"""What is told of orders, positions and money, as JSON values: the same words for a running engine and for its journal."""
from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from realtrading.domain.balances import LedgerLine
from realtrading.domain.breaker import BreakerCause
from realtrading.domain.movements import remembered
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.reconciliation import Discrepancy
from realtrading.domain.values import EXACT, ZERO, Quote, plain

OTHERS_SHOWN = 20


def order_facts(order: RealOrder) -> dict[str, Any]:
    """One order as it stands."""
    return {
        "id": order.id,
        "state": order.state.value,
        "strategy": order.strategy,
        "role": order.role.name.lower(),
        "symbol": order.symbol,
        "side": order.side.value,
        "type": str(order.order_type),
        "quantity": plain(order.original_quantity),
        "quote_quantity": None if order.quote_quantity is None else plain(order.quote_quantity),
        "price": None if order.price is None else plain(order.price),
        "executed": plain(order.executed_quantity),
        "cumulative_quote": plain(order.cumulative_quote),
        "missing": plain(order.missing_quantity),
        "reason": order.reason,
        "exchange_order_id": order.exchange_order_id,
        "cancelled_by_others": by_others(order),
        "created_at": order.created_at.isoformat(),
        "updated_at": order.updated_at.isoformat(),
    }


def by_others(order: RealOrder) -> bool:
    """Whether it was cancelled without the house having asked for it."""
    return order.state is OrderState.CANCELLED and order.cancel_requested_at is None


def listed(orders: Iterable[RealOrder], every: bool) -> list[dict[str, Any]]:
    """The live orders, or every one that is held, oldest first."""
    chosen = [order for order in orders if every or order.is_live()]
    return [order_facts(order) for order in sorted(chosen, key=lambda order: (order.created_at, order.id))]


def named(orders: Mapping[str, RealOrder], name: str) -> RealOrder | None:
    """The order with this client id, or with this exchange id, written SYMBOL:NUMBER or NUMBER where that is unambiguous."""
    if name in orders:
        return orders[name]
    symbol, _, number = name.rpartition(":")
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        return None
    found = [
        order
        for order in orders.values()
        if order.exchange_order_id == int(number) and symbol in ("", order.symbol)
    ]
    return found[0] if len(found) == 1 else None


def position_facts(books: Iterable[PositionBook], quotes: Mapping[str, Quote]) -> list[dict[str, Any]]:
    """What the house holds, by strategy and symbol; without a quote its worth is not told."""
    told = []
    for book in sorted(books, key=lambda book: book.key):
        if book.position is None or not book.quantity:
            continue
        quote = quotes.get(book.symbol)
        with decimal.localcontext(EXACT):
            valued = None if quote is None else book.position.update_price(quote.last)
        told.append({
            "strategy": book.strategy,
            "symbol": book.symbol,
            "quantity": plain(book.quantity),
            "base": book.base,
            "quote": book.quote,
            "entry_price": plain(book.position.entry_price),
            "price": None if quote is None else plain(quote.last),
            "unrealized": None if valued is None else plain(valued.unrealized_pnl),
            "realized_total": plain(book.realized_total),
        })
    return told


def balance_facts(lines: Iterable[LedgerLine], books: Iterable[PositionBook]) -> list[dict[str, Any]]:
    """Every asset of which there is any: the house's total, the exchange's last word, the difference, and whose it is.

    `drift` is reported minus total. While orders trade it may be other than 0 for a moment: the word is older.
    """
    managed: dict[str, Decimal] = {}
    told = []
    with decimal.localcontext(EXACT):
        for book in books:
            managed[book.base] = managed.get(book.base, ZERO) + book.quantity
        for line in sorted(lines, key=lambda line: line.asset):
            reported = None if line.reported_free is None else line.reported_free + (line.reported_locked or ZERO)
            if not line.total and not reported:
                continue
            told.append({
                "asset": line.asset,
                "total": plain(line.total),
                "reported": None if reported is None else plain(reported),
                "reported_locked": None if line.reported_locked is None else plain(line.reported_locked),
                "reported_at": None if line.reported_at is None else line.reported_at.isoformat(),
                "drift": None if reported is None else plain(reported - line.total),
                "unmanaged": plain(line.total - managed.get(line.asset, ZERO)),
                "flows": {kind: plain(amount) for kind, amount in line.flows.items()},
            })
    return told


def others_facts(lines: Iterable[LedgerLine], orders: Iterable[RealOrder]) -> list[dict[str, Any]]:
    """What people and other programs did on this account: sums by asset and kind with the newest identities, and orders
    of ours that they cancelled.
    """
    told: list[dict[str, Any]] = []
    for line in sorted(lines, key=lambda line: line.asset):
        for kind, amount in line.flows.items():
            seen = [words for known, words in map(remembered, line.seen) if known == kind]
            # what the stream told has a name once a history told it too
            newest = [words for words in seen if not any(named.endswith(f" of {words}") for named in seen)]
            told.append({"kind": kind, "key": line.asset, "amount": plain(amount), "newest": newest[-3:]})
    cancelled = sorted((order for order in orders if by_others(order)), key=lambda order: order.updated_at)
    told += [
        {"kind": "cancelled", "key": order.id, "at": order.updated_at.isoformat(), "symbol": order.symbol}
        for order in cancelled[-OTHERS_SHOWN:]
    ]
    return told


def cause_facts(causes: Iterable[BreakerCause]) -> list[dict[str, Any]]:
    """Why new exposure is not let through."""
    return [
        {"kind": str(cause.kind), "scope": cause.scope, "detail": cause.detail, "since": cause.opened_at.isoformat()}
        for cause in causes
    ]


def discrepancy_facts(found: Discrepancy) -> dict[str, Any]:
    """One difference, what was done about it, and why."""
    return {
        "kind": str(found.kind),
        "key": found.key,
        "engine": found.engine,
        "exchange": found.exchange,
        "resolution": str(found.resolution),
        "detail": found.detail,
    }


def working_facts(orders: Iterable[RealOrder]) -> dict[str, Any]:
    """How many orders live where, and of how many nobody knows whether they do."""
    by_symbol: dict[str, int] = {}
    live = [order for order in orders if order.is_live()]
    for order in live:
        by_symbol[order.symbol] = by_symbol.get(order.symbol, 0) + 1
    unknown = sorted(order.id for order in live if order.state is OrderState.UNKNOWN)
    return {"live": len(live), "by_symbol": dict(sorted(by_symbol.items())), "unknown": unknown}
