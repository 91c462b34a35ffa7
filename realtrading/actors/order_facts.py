"""Venue facts about single orders, merged by the orders keeper: answers, stream reports, look-ups."""
from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtrading.domain.commands import QueryOrder, Reconcile
from realtrading.domain.events import (
    ExternalTradeSeen,
    InstanceSuperseded,
    OrderAdopted,
    OrderRejected,
    OrderUnknown,
)
from realtrading.domain.order_effects import trade_deltas
from realtrading.domain.orders import (
    OrderState,
    RealOrder,
    absence_proved,
    merge,
    merge_trades,
    order_from_report,
    provable,
    until_apart,
)
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    CancelAnswered,
    ExecutionReport,
    ExecutionReported,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    TradeReport,
)
from realtrading.domain.values import ClientId, Now, SymbolRules, is_ours

from .keeper import Draft
from .order_events import (
    ForeignNoted,
    OrderWatched,
    TradesUnmatched,
    Watch,
    ask,
    send_cancel,
    server_now,
    submitted,
    tell,
    watch_of,
)

if TYPE_CHECKING:
    from .orders import OrdersActor


def acknowledged(self: OrdersActor, message: PlacementAcknowledged, now: Now, draft: Draft) -> None:
    """The venue's answer to a placement."""
    order: RealOrder | None = draft.row("orders", message.id)
    if order is not None:
        tell(draft, merge(order, message.report, now.utc), now)


def refused(self: OrdersActor, message: PlacementRefused, now: Now, draft: Draft) -> None:
    """Certainly not live, unless other evidence was faster: then that evidence stands."""
    order: RealOrder | None = draft.row("orders", message.id)
    if order is None or order.state not in (OrderState.PENDING, OrderState.UNKNOWN):
        return
    if order.exchange_order_id is not None:
        ask(draft, order, now)
        return
    reject(draft, order, now, message.reason, f"{message.reason} {message.code}: {message.message}")
    if message.reason is Reason.VENUE_INSUFFICIENT_BALANCE:
        # our books said that it was there: look what the account really holds
        draft.say(Reconcile(trigger="foreign", token=f"short-{order.symbol}"))


def reject(draft: Draft, order: RealOrder, now: Now, reason: Reason, text: str) -> None:
    """End an order that certainly never lived."""
    submitted(draft, order, now)
    order = order.moved(OrderState.REJECTED, now.utc, str(reason))
    draft.say(OrderRejected(order=order, reason=text))
    draft.say(OrderWatched(id=order.id, watch=None))


def unknown(self: OrdersActor, message: PlacementUnknown, now: Now, draft: Draft) -> None:
    """The request may have been executed."""
    order: RealOrder | None = draft.row("orders", message.id)
    if order is not None and order.state is OrderState.PENDING:
        doubt(draft, order, now, message.detail, ours=message.ours)


def doubt(draft: Draft, order: RealOrder, now: Now, detail: str, *, ours: bool = False) -> None:
    """Make a pending order Unknown (an unknown one stays so) and begin to ask."""
    submitted(draft, order, now)
    if order.state is OrderState.UNKNOWN:
        ask(draft, order, now)
        return
    order = order.moved(OrderState.UNKNOWN, now.utc)
    draft.say(OrderUnknown(order=order, detail=detail, ours=ours))
    draft.say(OrderWatched(id=order.id, watch=Watch(due_mono=now.mono)))
    ask(draft, order, now)


def reported(self: OrdersActor, message: ExecutionReported, now: Now, draft: Draft) -> None:
    """A report from the stream: one of our orders, one of ours we lost sight of, or somebody else's."""
    report = message.report
    if strange(self, report, draft):
        return
    order = find(draft, report)
    if order is not None:
        tell(draft, merge(order, report, now.utc), now)
    elif may_adopt(self, report, draft):
        if not known_already(draft, report):
            adopt(draft, report, now)
    elif report.trades:
        draft.say(Reconcile(trigger="foreign", token=f"foreign-{report.symbol}-{report.trades[0].trade_id}"))


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


def known_already(draft: Draft, report: ExecutionReport) -> bool:
    """True for a late repetition about an archived order: archived in this run, or final with nothing above the cursor."""
    if draft.row("archived", report.client_id) is not None:
        return True
    cursor: int | None = draft.row("cursors", report.symbol)
    newest = max((trade.trade_id for trade in report.trades), default=-1)
    final = report.status in ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH")
    return final and cursor is not None and newest <= cursor


def adopt(draft: Draft, report: ExecutionReport, now: Now) -> RealOrder:
    """Take in an order that carries our prefix and is not in our tables: ours, from a memory we lost."""
    parts = ClientId.parse(report.client_id)
    assert parts is not None
    order = order_from_report(report, now.utc, strategy=parts.strategy, role=parts.role)
    draft.say(OrderAdopted(order=order))
    merged = merge(order, report, now.utc)
    tell(draft, merged, now, "adopted")
    if merged.order.missing_quantity > 0:
        ask(draft, merged.order, now)
    return merged.order


def cancel_answered(self: OrdersActor, message: CancelAnswered, now: Now, draft: Draft) -> None:
    """The answer to a cancel: a fact if it carries one, else a reason to ask."""
    order: RealOrder | None = draft.row("orders", message.id)
    if order is None:
        return
    if message.report is not None:
        merged = merge(order, message.report, now.utc)
        tell(draft, merged, now)
        order = merged.order
    if not message.certain and not order.is_terminal():
        ask(draft, order, now)


def looked_up(self: OrdersActor, message: OrderLookedUp, now: Now, draft: Draft) -> None:
    """The answer to a question about one order, or about an unknown order behind an unmatched trade."""
    if message.id.startswith("#"):
        explain(self, message, now, draft)
        return
    order: RealOrder | None = draft.row("orders", message.id)
    if order is None:
        return
    if message.report is None and not message.trades:
        look(draft, order, message, now)
        return
    before = cancel_sent(draft, order)
    if message.report is not None:
        merged = merge(order, message.report, now.utc)
        tell(draft, merged, now)
        order = merged.order
    if message.trades:
        merged = merge_trades(order, message.trades, now.utc)
        tell(draft, merged, now)
        order = merged.order
    wanted = order.cancel_requested_at is not None and not order.is_terminal()
    if wanted and draft.row("watches", order.id) is not None and cancel_sent(draft, order) == before:
        send_cancel(draft, order, now)


def cancel_sent(draft: Draft, order: RealOrder) -> float | None:
    """When the order's cancel was last sent (monotonic), None if it was not."""
    watch: Watch | None = draft.row("watches", order.id)
    return None if watch is None else watch.cancel_sent_mono


def look(draft: Draft, order: RealOrder, message: OrderLookedUp, now: Now) -> None:
    """The venue answered "does not exist": evidence, and enough of it at the right times is proof."""
    if order.is_terminal():
        return
    watch = watch_of(draft, order.id, now)
    if order.exchange_order_id is not None:  # it was there: the first and the last look say for how long it has not been
        looks = (*watch.looks[:1], (message.asked_at, message.in_history))
        draft.say(OrderWatched(id=order.id, watch=attrs.evolve(watch, looks=looks)))
        return
    looks = (*watch.looks[-9:], (message.asked_at, message.in_history))
    soon = watch.due_mono if message.in_history else now.mono + until_apart(looks).total_seconds()
    due_mono = min(watch.due_mono, soon) if provable(order, message.asked_at) else watch.due_mono
    watch = attrs.evolve(watch, looks=looks, due_mono=due_mono)
    draft.say(OrderWatched(id=order.id, watch=watch))
    if absence_proved(order, watch.looks, server_now(draft, now)):
        reject(draft, order, now, Reason.VENUE_ABSENT, "VENUE_ABSENT: proved that it never reached the exchange")


# -- trades whose order we do not know ----------------------------------------


def unmatched_key(symbol: str, exchange_order_id: int) -> str:
    """The id under which an unknown order is asked about; no client id of ours begins so."""
    return f"#{symbol}:{exchange_order_id}"


def question(draft: Draft, key: str, trades: tuple[TradeReport, ...], now: Now) -> None:
    """Keep the trades and ask the venue whose order made them."""
    draft.say(TradesUnmatched(key=key, trades=trades))
    first = trades[0]
    draft.say(
        QueryOrder(
            id=key,
            symbol=first.symbol,
            exchange_order_id=first.exchange_order_id,
            created_at=first.venue_at,
            prove=False,
        )
    )


def explain(self: OrdersActor, message: OrderLookedUp, now: Now, draft: Draft) -> None:
    """The order behind unmatched trades is known now: ours is adopted, a foreign one's trades move the wallet only."""
    trades: tuple[TradeReport, ...] | None = draft.row("unmatched", message.id)
    if not trades or message.report is None or strange(self, message.report, draft):
        return
    report = message.report
    order = find(draft, report)
    if order is None and may_adopt(self, report, draft):
        order = adopt(draft, report, now)
    if order is not None:
        tell(draft, merge_trades(order, trades, now.utc), now, "found by its trade")
    else:
        for trade in trades:
            external(draft, trade)
        ids = explained(draft, report.symbol).union(trade.trade_id for trade in trades)
        draft.say(ForeignNoted(symbol=report.symbol, trade_ids=ids))
    draft.say(TradesUnmatched(key=message.id, trades=None))
    draft.say(Reconcile(trigger="foreign", token=message.id))


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


