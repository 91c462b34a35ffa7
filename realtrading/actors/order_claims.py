"""Orders with our prefix that are not in the tables, and trades whose order nobody here knows: whose are they?"""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from realtrading.domain.commands import QueryOrder, Reconcile
from realtrading.domain.events import ExternalTradeSeen, InstanceSuperseded, OrderAdopted
from realtrading.domain.order_effects import trade_deltas
from realtrading.domain.orders import (
    STATE_OF_STATUS,
    TERMINAL,
    Before,
    OrderState,
    RealOrder,
    merge,
    merge_trades,
    order_from_report,
)
from realtrading.domain.reports import ExecutionReport, OrderLookedUp, TradeReport
from realtrading.domain.values import ZERO, ClientId, Now, SymbolRules, is_ours

from .keeper import Draft
from .order_events import Archived, ForeignNoted, TradesUnmatched, ask, tell

if TYPE_CHECKING:
    from .orders import OrdersActor


def strange(self: OrdersActor, report: ExecutionReport, draft: Draft) -> bool:
    """True for an order, or a cancel, of a run that this journal never had: then a newer instance must be left alone."""
    run = self.own_runs.strange(report.client_id, self.prefix)
    if run is None:
        return False
    draft.say(InstanceSuperseded(run=run, client_id=report.client_id))
    return True


def may_adopt(self: OrdersActor, report: ExecutionReport, draft: Draft) -> bool:
    """True for an order with our prefix that nobody here knows, in a symbol whose rules are known.

    Without the rules no book could keep what it trades: in such a symbol it is somebody else's, and what it moves is
    drift.
    """
    unknown = draft.row("orders", report.client_id) is None
    return unknown and is_ours(report.client_id, self.prefix) and draft.row("rules", report.symbol) is not None


def find(draft: Draft, report: ExecutionReport) -> RealOrder | None:
    """Our order by client id, else by exchange id (a cancel from elsewhere renames it)."""
    order: RealOrder | None = draft.row("orders", report.client_id)
    if order is not None and order.symbol == report.symbol:
        return order
    return by_exchange_id(draft, report.symbol, report.exchange_order_id)


def by_exchange_id(draft: Draft, symbol: str, exchange_order_id: int) -> RealOrder | None:
    """Our order with this exchange id; exchange ids are unique per symbol only."""
    for order in draft.rows("orders").values():
        if order.exchange_order_id == exchange_order_id and order.symbol == symbol:
            return order  # type: ignore[no-any-return]
    return None


def note_of(order: RealOrder, now: Now) -> Archived:
    """What is to be remembered of an order that leaves the tables."""
    executed = order.executed_quantity + (order.before.quantity if order.before is not None else ZERO)
    return Archived(at_mono=now.mono, executed=executed, lived=order.state is not OrderState.REJECTED)


def known_already(draft: Draft, report: ExecutionReport) -> bool:
    """True for a late repetition about an archived order: archived in this run and no more is told than was known, or
    final with nothing above the cursor.
    """
    note: Archived | None = draft.row("archived", report.client_id)
    if note is not None:
        return report.executed_quantity <= note.executed and (note.lived or report.status == "REJECTED")
    cursor: int | None = draft.row("cursors", report.symbol)
    newest = max((trade.trade_id for trade in report.trades), default=-1)
    return is_final(report) and cursor is not None and newest <= cursor


def is_final(report: ExecutionReport) -> bool:
    """The venue says that nothing more comes of the order."""
    return STATE_OF_STATUS.get(report.status) in TERMINAL


def claim(draft: Draft, report: ExecutionReport, now: Now) -> None:
    """Adopt an order of ours that is not in our tables, or first ask for its trades: some may be accounted for.

    Before the first round nobody knows which: it adopts what is left by then.
    """
    cursor: int | None = draft.row("cursors", report.symbol)
    if cursor is None:
        draft.say(Reconcile(trigger="adoption", token=f"adoption-{report.client_id}"))
    elif sum((trade.quantity for trade in report.trades if trade.trade_id > cursor), ZERO) == report.executed_quantity:
        adopt(draft, report, report.trades, now)
    else:
        key = unmatched_key(report.symbol, report.exchange_order_id)
        question(draft, key, report.symbol, report.exchange_order_id, report.trades, report.venue_at)


def adopt(draft: Draft, report: ExecutionReport, trades: tuple[TradeReport, ...], now: Now) -> RealOrder:
    """Take in an order that carries our prefix and is not in our tables: ours, from a memory we lost, or archived.

    `trades` are all of its trades; those up to the cursor are accounted for.
    """
    parts = ClientId.parse(report.client_id)
    assert parts is not None
    cursor: int | None = draft.row("cursors", report.symbol)
    old = [trade for trade in trades if cursor is not None and trade.trade_id <= cursor]
    before = None
    if cursor is not None and old:
        quantity = sum((trade.quantity for trade in old), ZERO)
        before = Before(trade_id=cursor, quantity=quantity, quote=sum((trade.quote_quantity for trade in old), ZERO))
    order = order_from_report(report, now.utc, strategy=parts.strategy, role=parts.role, before=before)
    draft.say(OrderAdopted(order=order))
    merged = merge(order, attrs.evolve(report, trades=trades), now.utc)
    tell(draft, merged, now, "adopted")
    if merged.order.missing_quantity > 0:
        ask(draft, merged.order, now)
    return merged.order


def unmatched_key(symbol: str, exchange_order_id: int) -> str:
    """The id under which an unknown order is asked about; no client id of ours begins so."""
    return f"#{symbol}:{exchange_order_id}"


def question(
    draft: Draft, key: str, symbol: str, exchange_order_id: int, trades: tuple[TradeReport, ...], at: datetime
) -> None:
    """Keep the trades and ask the venue whose order made them, and what else it made. `at` is when the venue told."""
    draft.say(TradesUnmatched(key=key, trades=trades))
    draft.say(QueryOrder(id=key, symbol=symbol, exchange_order_id=exchange_order_id, created_at=at, prove=False))


def explain(self: OrdersActor, message: OrderLookedUp, now: Now, draft: Draft) -> None:
    """The order behind unmatched trades is known now: ours is adopted, a foreign one's trades move the wallet only."""
    trades: tuple[TradeReport, ...] | None = draft.row("unmatched", message.id)
    if trades is None or message.report is None or strange(self, message.report, draft):
        return
    report = message.report
    order = find(draft, report)
    ours = may_adopt(self, report, draft)
    over = ours and told_before(draft, report, (*message.trades, *trades))
    if order is None and ours and not over:
        order = adopt(draft, report, message.trades or trades, now)
    if order is not None:
        tell(draft, merge_trades(order, trades, now.utc), now, "found by its trade")
    elif not over:
        for trade in trades:
            external(draft, trade)
        ids = explained(draft, report.symbol).union(trade.trade_id for trade in trades)
        draft.say(ForeignNoted(symbol=report.symbol, trade_ids=ids))
    draft.say(TradesUnmatched(key=message.id, trades=None))
    draft.say(Reconcile(trigger="foreign", token=message.id))


def told_before(draft: Draft, report: ExecutionReport, trades: Iterable[TradeReport]) -> bool:
    """True when the order is over and all of its trades are accounted for: it was only archived."""
    cursor: int | None = draft.row("cursors", report.symbol)
    return cursor is not None and is_final(report) and all(trade.trade_id <= cursor for trade in trades)


def explained(draft: Draft, symbol: str) -> frozenset[int]:
    """Ids of the symbol's trades above the cursor that are known to be somebody else's."""
    known: frozenset[int] | None = draft.row("explained", symbol)
    return frozenset() if known is None else known


def external(draft: Draft, trade: TradeReport) -> None:
    """Book a trade that is not ours as what it is."""
    rules: SymbolRules | None = draft.row("rules", trade.symbol)
    if rules is None:
        return
    draft.say(
        ExternalTradeSeen(
            symbol=trade.symbol,
            trade_id=trade.trade_id,
            exchange_order_id=trade.exchange_order_id,
            deltas=trade_deltas(trade, rules.base, rules.quote),
            venue_at=trade.venue_at,
        )
    )
