"""Venue facts about single orders, merged by the orders keeper: answers, stream reports, look-ups."""
from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtrading.domain.commands import Reconcile
from realtrading.domain.events import OrderRejected, OrderUnknown
from realtrading.domain.orders import (
    OrderState,
    RealOrder,
    absence_proved,
    merge,
    merge_trades,
    provable,
    until_apart,
)
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    CancelAnswered,
    ExecutionReported,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
)
from realtrading.domain.values import Now

from .keeper import Draft
from .order_claims import claim, explain, find, known_already, may_adopt, strange
from .order_events import (
    FinalNoted,
    OrderWatched,
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
    draft.say(FinalNoted(id=order.id, at_mono=now.mono))


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
            claim(draft, report, now)
    elif report.trades:
        draft.say(Reconcile(trigger="foreign", token=f"foreign-{report.symbol}-{report.trades[0].trade_id}"))


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
