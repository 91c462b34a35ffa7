"""The canary: while an order of ours rests at the exchange, its symbol's open orders are read and compared with ours.

What is missing there, or further executed than we know, is asked about by its id. So is every order that an event
nobody could read may have been about.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from realtrading.domain.commands import ListOpenOrders
from realtrading.domain.events import Entry, Event
from realtrading.domain.orders import ACTIVE, RealOrder, after_before
from realtrading.domain.reconciliation import changed_since
from realtrading.domain.reports import EventUnreadable, OpenOrdersListed
from realtrading.domain.values import Now

from .keeper import Draft
from .order_events import Watch, ask, by_our_clock

if TYPE_CHECKING:
    from .orders import OrdersActor

POLL_EVERY_S = 8.0
"""Seconds between two readings of one symbol (weight 6). At most one symbol is read per tick, so they spread."""

REREAD_EVERY_S = 2.0
"""However much of it there is, what cannot be read makes us ask about one order, or one symbol, so often at most."""


@attrs.frozen(kw_only=True)
class PollPlanned(Event):
    """When a symbol's open orders are read next; None: no order of ours rests there (ephemeral)."""

    durable = False
    symbol: str
    due_mono: float | None

    def entries(self) -> Iterable[Entry]:
        """The symbol's row."""
        return (("polls", self.symbol, self.due_mono),)


@attrs.frozen(kw_only=True)
class Reread:
    """An order, or a symbol, that something unreadable may have been about: not asked again before a moment."""

    not_before_mono: float
    wanted: bool = False


@attrs.frozen(kw_only=True)
class RereadNoted(Event):
    """What has to be read again, or was a moment ago (ephemeral). None forgets it."""

    durable = False
    key: str
    reread: Reread | None

    def entries(self) -> Iterable[Entry]:
        """The row."""
        return (("rereads", self.key, self.reread),)


def plan(draft: Draft, now: Now) -> None:
    """A tick: read the symbol that is most overdue; symbols where nothing of ours rests are not read."""
    resting = {order.symbol for order in draft.rows("orders").values() if order.state in ACTIVE}
    polls: dict[str, float] = draft.rows("polls")
    for symbol in polls.keys() - resting:
        draft.say(PollPlanned(symbol=symbol, due_mono=None))
    for symbol in sorted(resting - polls.keys()):
        draft.say(PollPlanned(symbol=symbol, due_mono=now.mono + POLL_EVERY_S))
    overdue = [(at_mono, symbol) for symbol, at_mono in polls.items() if symbol in resting and now.mono >= at_mono]
    if overdue:
        _, symbol = min(overdue)
        draft.say(PollPlanned(symbol=symbol, due_mono=now.mono + POLL_EVERY_S))
        draft.say(ListOpenOrders(symbol=symbol))


def listed(self: OrdersActor, message: OpenOrdersListed, now: Now, draft: Draft) -> None:
    """Compare; an order that changed since the question cannot be compared, and does not need to be."""
    there = {report.exchange_order_id: report for report in message.orders}
    asked_at = by_our_clock(draft, message.asked_at, now)
    for order in draft.rows("orders").values():
        if order.symbol != message.symbol or order.state not in ACTIVE:
            continue
        if changed_since(order.updated_at, asked_at, now.utc):
            continue
        report = None if order.exchange_order_id is None else there.get(order.exchange_order_id)
        if report is None or after_before(order, report).executed_quantity > order.executed_quantity:
            ask_unless_asked(draft, order, now)


def ask_unless_asked(draft: Draft, order: RealOrder, now: Now) -> None:
    """Ask about the order, unless its watch does so soon anyway."""
    watch: Watch | None = draft.row("watches", order.id)
    if watch is None or not watch.attempt or now.mono >= watch.due_mono:
        ask(draft, order, now)


# -- what could not be read ---------------------------------------------------


def unreadable(self: OrdersActor, message: EventUnreadable, now: Now, draft: Draft) -> None:
    """Have every order read again that it may have been about; when it names none of ours, all that rests."""
    named = [
        order.id
        for order in draft.rows("orders").values()
        if order.id in message.client_ids or order.exchange_order_id in message.exchange_order_ids
    ]
    for key in named or draft.rows("polls"):
        read_again(draft, key, now)


def read_again(draft: Draft, key: str, now: Now) -> None:
    """Read an order, or a symbol's open orders, again: now, or when the last time is long enough ago."""
    known: Reread | None = draft.row("rereads", key)
    wanted = Reread(not_before_mono=now.mono) if known is None else known
    draft.say(RereadNoted(key=key, reread=attrs.evolve(wanted, wanted=True)))
    reread(draft, now)


def reread(draft: Draft, now: Now) -> None:
    """Read again what is wanted and due; forget what nobody wanted again."""
    for key, noted in draft.rows("rereads").items():
        if now.mono < noted.not_before_mono:
            continue
        if not noted.wanted:
            draft.say(RereadNoted(key=key, reread=None))
            continue
        draft.say(RereadNoted(key=key, reread=Reread(not_before_mono=now.mono + REREAD_EVERY_S)))
        order: RealOrder | None = draft.row("orders", key)
        if order is not None:
            ask(draft, order, now)
        elif draft.row("polls", key) is not None:
            draft.say(PollPlanned(symbol=key, due_mono=now.mono))
