"""What the user stream should have told, and did not: evidence against a stream that answers pings and is mute.

Whatever the exchange's answers say about an order of ours, the stream says too, a moment before or after. What it has
not said in time is asked about once more; when that is answered, the venue speaks and the stream does not: the
generation is given up, and the next one begins with a round that finds everything.
"""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from realtrading.domain.commands import EndGeneration
from realtrading.domain.events import Entry, Event
from realtrading.domain.orders import RealOrder
from realtrading.domain.reports import ExecutionReport
from realtrading.domain.values import Now

from .keeper import Draft
from .order_claims import is_final
from .order_events import ask, server_now

ECHO_WITHIN_S = 3.0
"""So long after it happened the stream may take to tell what an answer told."""

ECHO_AT_LEAST_S = 1.0
"""What an answer told late, the stream may still be telling."""

CONNECTED_MARGIN = timedelta(milliseconds=250)
"""What happened before the generation was connected, by two clocks that may differ by this much, it need not tell."""


@attrs.frozen(kw_only=True)
class Echo:
    """What the stream owes about one order: that it exists, how much of it is executed, and that it is over."""

    due_mono: float
    executed: Decimal
    final: bool
    asked: bool = False

    def answered_by(self, report: ExecutionReport) -> bool:
        """Whether this report of the stream tells all of it."""
        return report.executed_quantity >= self.executed and (is_final(report) or not self.final)


@attrs.frozen(kw_only=True)
class EchoAwaited(Event):
    """What the stream owes about an order; None: nothing (ephemeral: a restart is followed by a round)."""

    durable = False
    id: str
    echo: Echo | None

    def entries(self) -> Iterable[Entry]:
        """The echo's row."""
        return (("echoes", self.id, self.echo),)


def expect(draft: Draft, order_id: str, before: RealOrder, now: Now) -> None:
    """After an answer or a query was merged: what it told for the first time, the stream has to tell as well."""
    order: RealOrder | None = draft.row("orders", order_id)
    since: datetime | None = draft.row("generation", "since")
    if order is None or since is None or order.venue_at is None or order.exchange_order_id is None:
        return
    news = (before.executed_quantity, before.is_terminal(), before.exchange_order_id) != (
        order.executed_quantity,
        order.is_terminal(),
        order.exchange_order_id,
    )
    if not news or order.venue_at <= since + CONNECTED_MARGIN:
        return
    age_s = (server_now(draft, now) - order.venue_at).total_seconds()
    wait_s = min(ECHO_WITHIN_S, max(ECHO_AT_LEAST_S, ECHO_WITHIN_S - age_s))
    old: Echo | None = draft.row("echoes", order_id)
    due_mono = now.mono + wait_s if old is None else min(old.due_mono, now.mono + wait_s)
    echo = Echo(due_mono=due_mono, executed=order.executed_quantity, final=order.is_terminal())
    draft.say(EchoAwaited(id=order_id, echo=attrs.evolve(echo, asked=old is not None and old.asked)))


def heard(draft: Draft, order_id: str, report: ExecutionReport) -> None:
    """The stream told something about an order."""
    echo: Echo | None = draft.row("echoes", order_id)
    if echo is not None and echo.answered_by(report):
        draft.say(EchoAwaited(id=order_id, echo=None))


def forget(draft: Draft) -> None:
    """Another generation owes nothing for the one before it."""
    for order_id in draft.rows("echoes"):
        draft.say(EchoAwaited(id=order_id, echo=None))


def due(draft: Draft, now: Now) -> None:
    """A tick: ask once more about what the stream owes for too long."""
    for order_id, echo in draft.rows("echoes").items():
        if now.mono < echo.due_mono:
            continue
        order: RealOrder | None = draft.row("orders", order_id)
        if order is None:
            draft.say(EchoAwaited(id=order_id, echo=None))
            continue
        draft.say(EchoAwaited(id=order_id, echo=attrs.evolve(echo, asked=True, due_mono=now.mono + ECHO_WITHIN_S)))
        ask(draft, order, now)


def convict(draft: Draft, order_id: str) -> None:
    """A question about the order was answered: if the stream still owes what was asked about, it is mute."""
    echo: Echo | None = draft.row("echoes", order_id)
    generation: int | None = draft.row("generation", "generation")
    if echo is None or not echo.asked or generation is None:
        return
    detail = f"the exchange answers about {order_id}, and the stream has not told it"
    draft.say(EndGeneration(generation=generation, detail=detail))
    forget(draft)
