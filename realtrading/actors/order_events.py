"""Turns a merge of venue facts into the events orders says, and keeps each order's watch: what is asked next, and when."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from realtrading.domain.commands import PlaceCancel, QueryOrder
from realtrading.domain.events import (
    Entry,
    Event,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPlaced,
    OrderRejected,
    OrderRevised,
    OrderSubmitted,
)
from realtrading.domain.orders import Merged, MergeKind, OrderState, RealOrder, provable
from realtrading.domain.reports import TradeReport
from realtrading.domain.values import ClientId, Now, Role

from .keeper import Draft

ASK_AFTER_S = 3.0
"""An order on its way that nobody has spoken of for so long is asked about: its answer may be lost, and it may live."""

DOUBT_AFTER_S = 12.0
"""And after so long it becomes Unknown (the venue waits 10 s for its engine)."""

ASK_AGAIN_S = (0.25, 0.5, 1.0, 2.0)
"""Pauses between questions about one order; the last one repeats until a fact answers. A venue that was away and answers
again must be asked soon: within 5 s the house knows what lives, within 10 s what does not."""


@attrs.frozen(kw_only=True)
class Watch:
    """What orders waits for about one order. `looks` are answered "does not exist" readings: (asked_at, in_history)."""

    due_mono: float
    doubt_mono: float = 0.0
    attempt: int = 0
    recorded: bool = True
    looks: tuple[tuple[datetime, bool | None], ...] = ()
    cancel_sent_mono: float | None = None


@attrs.frozen(kw_only=True)
class OrderWatched(Event):
    """An order's watch (ephemeral: recovery starts all deadlines anew)."""

    durable = False
    id: str
    watch: Watch | None

    def entries(self) -> Iterable[Entry]:
        """The watch's row."""
        return (("watches", self.id, self.watch),)


@attrs.frozen(kw_only=True)
class Archived:
    """An order archived not long ago: a late word that tells no more than this is no news."""

    at_mono: float
    executed: Decimal
    lived: bool


@attrs.frozen(kw_only=True)
class ArchivedNoted(Event):
    """What an order was when it was archived (ephemeral). None forgets it."""

    durable = False
    id: str
    note: Archived | None

    def entries(self) -> Iterable[Entry]:
        """The note's row."""
        return (("archived", self.id, self.note),)


@attrs.frozen(kw_only=True)
class FinalNoted(Event):
    """Since when (monotonic) nothing new was told of a final order (ephemeral). None forgets it."""

    durable = False
    id: str
    at_mono: float | None

    def entries(self) -> Iterable[Entry]:
        """The note's row."""
        return (("finals", self.id, self.at_mono),)


@attrs.frozen(kw_only=True)
class TradesUnmatched(Event):
    """Trades whose order nobody here knows yet; asked about, then explained (ephemeral: read again from the cursor)."""

    durable = False
    key: str
    trades: tuple[TradeReport, ...] | None

    def entries(self) -> Iterable[Entry]:
        """The row of the foreign-looking order."""
        return (("unmatched", self.key, self.trades),)


@attrs.frozen(kw_only=True)
class ForeignNoted(Event):
    """Trades above the cursor that were found to be somebody else's: no later round asks again (ephemeral)."""

    durable = False
    symbol: str
    trade_ids: frozenset[int]

    def entries(self) -> Iterable[Entry]:
        """The symbol's row."""
        return (("explained", self.symbol, self.trade_ids or None),)


@attrs.frozen(kw_only=True)
class ClockHeard(Event):
    """The server's clock as last measured, and our monotonic clock at that moment (ephemeral)."""

    durable = False
    server_at: datetime
    mono: float

    def entries(self) -> Iterable[Entry]:
        """The one row of the clock."""
        return (("clock", "clock", self),)


@attrs.frozen(kw_only=True)
class GenerationHeard(Event):
    """The stream generation that is connected now, and since when by the venue's clock (ephemeral)."""

    durable = False
    generation: int
    since: datetime

    def entries(self) -> Iterable[Entry]:
        """The generation's two rows."""
        return (("generation", "generation", self.generation), ("generation", "since", self.since))


def server_now(draft: Draft, now: Now) -> datetime:
    """The venue's clock as we know it. Since it was heard monotonic time has passed: our clock may have been set meanwhile."""
    heard: ClockHeard | None = draft.row("clock", "clock")
    return now.utc if heard is None else heard.server_at + timedelta(seconds=now.mono - heard.mono)


def by_our_clock(draft: Draft, at: datetime, now: Now) -> datetime:
    """A moment of the venue's clock as ours would have told it: what is dated by ours can be compared with it."""
    return at - (server_now(draft, now) - now.utc)


def watch_of(draft: Draft, order_id: str, now: Now) -> Watch:
    """The order's watch, or a fresh one that is due now."""
    watch: Watch | None = draft.row("watches", order_id)
    return Watch(due_mono=now.mono) if watch is None else watch


def ask(draft: Draft, order: RealOrder, now: Now) -> None:
    """Ask the venue about the order and come back to it later, unless a question is already due in the future."""
    watch = watch_of(draft, order.id, now)
    pause = ASK_AGAIN_S[min(watch.attempt, len(ASK_AGAIN_S) - 1)]
    draft.say(
        OrderWatched(id=order.id, watch=attrs.evolve(watch, due_mono=now.mono + pause, attempt=watch.attempt + 1))
    )
    draft.say(
        QueryOrder(
            id=order.id,
            symbol=order.symbol,
            exchange_order_id=order.exchange_order_id,
            created_at=order.created_at,
            # the lists cost many times what the question costs, and prove nothing before this
            prove=order.exchange_order_id is None and provable(order, server_now(draft, now)),
        )
    )


def event_of(merged: Merged, detail: str) -> OrderEvent | None:
    """The public event for what a merge did, or None when it only needs asking or did nothing."""
    order, fills = merged.order, merged.new_fills
    match merged.kind:
        case MergeKind.PLACED:
            return OrderPlaced(order=order)
        case MergeKind.PARTIALLY_FILLED:
            return OrderPartiallyFilled(order=order, fills=fills)
        case MergeKind.FILLED:
            return OrderFilled(order=order, fills=fills)
        case MergeKind.CANCELLED:
            return OrderCancelled(order=order, fills=fills)
        case MergeKind.EXPIRED:
            return OrderExpired(order=order, fills=fills)
        case MergeKind.REJECTED:
            return OrderRejected(order=order, reason=order.reason)
        case MergeKind.REVISED:
            return OrderRevised(order=order, fills=fills, detail=merged.detail or detail)
        case _:
            return None


def submitted(draft: Draft, order: RealOrder, now: Now) -> None:
    """Say that the order is on its way, if that was not said yet: a fact may overtake the journal's word."""
    watch: Watch | None = draft.row("watches", order.id)
    if watch is not None and not watch.recorded:
        draft.say(OrderSubmitted(order=order))
        watch = Watch(due_mono=now.mono + ASK_AFTER_S, doubt_mono=now.mono + DOUBT_AFTER_S, attempt=len(ASK_AGAIN_S))
        draft.say(OrderWatched(id=order.id, watch=watch))


def tell(draft: Draft, merged: Merged, now: Now, detail: str = "") -> None:
    """Say what a merge did; then ask, cancel or stop watching, as the order's new state wants it."""
    event = event_of(merged, detail)
    if event is not None:
        submitted(draft, draft.row("orders", merged.order.id) or merged.order, now)
        draft.say(event)
        if merged.order.is_terminal():
            draft.say(FinalNoted(id=merged.order.id, at_mono=now.mono))
    order = merged.order
    if merged.ask or order.missing_quantity > 0:
        if event is not None or draft.row("watches", order.id) is None:
            ask(draft, order, now)
        return
    if order.state in (OrderState.PENDING, OrderState.UNKNOWN):
        return
    if order.is_terminal():
        if draft.row("watches", order.id) is not None:
            draft.say(OrderWatched(id=order.id, watch=None))
        return
    watch: Watch | None = draft.row("watches", order.id)
    if order.cancel_requested_at is not None:
        if watch is None or watch.cancel_sent_mono is None:
            send_cancel(draft, order, now)
    elif watch is not None:
        draft.say(OrderWatched(id=order.id, watch=None))


def send_cancel(draft: Draft, order: RealOrder, now: Now) -> None:
    """Send the cancel of a live order and look after it: unanswered, the order is asked about."""
    if order.exchange_order_id is None:
        return
    watch = watch_of(draft, order.id, now)
    draft.say(
        OrderWatched(
            id=order.id,
            watch=attrs.evolve(watch, due_mono=now.mono + DOUBT_AFTER_S, attempt=0, cancel_sent_mono=now.mono),
        )
    )
    draft.say(
        PlaceCancel(
            id=order.id,
            symbol=order.symbol,
            exchange_order_id=order.exchange_order_id,
            cancel_id=cancel_id(order.id),
        )
    )


def cancel_id(order_id: str) -> str:
    """The id of an order's cancel: the order's own with the role of a cancel, so it needs no counter of its own."""
    parts = ClientId.parse(order_id)
    return f"c_{order_id}"[:36] if parts is None else str(attrs.evolve(parts, role=Role.CANCEL))
