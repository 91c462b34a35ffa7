"""What orders hears over two roads, held against each other: answers tell what the stream owes, the stream is believed
only as far as it fits what is known.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from realtrading.domain.orders import RealOrder, after_before, merge_trades
from realtrading.domain.reports import ExecutionReport, ExecutionReported, OrderLookedUp, SnapshotTaken
from realtrading.domain.values import ZERO, Now

from . import order_claims, order_echoes, order_facts, order_rounds
from .keeper import Draft
from .order_events import tell
from .order_polls import read_again

if TYPE_CHECKING:
    from .orders import OrdersActor

FromHand = Callable[["OrdersActor", Any, Now, Draft], None]


def answered(handler: FromHand) -> FromHand:
    """The handler of an answer about one order; what it tells for the first time the stream owes from then on."""

    def handle(self: OrdersActor, message: Any, now: Now, draft: Draft) -> None:
        before: RealOrder | None = draft.row("orders", message.id)
        handler(self, message, now, draft)
        if before is not None:
            order_echoes.expect(draft, message.id, before, now)

    return handle


_looked_up = answered(order_facts.looked_up)


def looked_up(self: OrdersActor, message: OrderLookedUp, now: Now, draft: Draft) -> None:
    """The answer to a question: the venue speaks, so a stream that still owes what was asked about is mute."""
    if message.report is not None:
        order_echoes.convict(draft, message.id)
    _looked_up(self, message, now, draft)


def snapshot(self: OrdersActor, message: SnapshotTaken, now: Now, draft: Draft) -> None:
    """A round: the stream owes what it finds, unless it happened before this generation."""
    before = draft.rows("orders")
    order_rounds.snapshot(self, message, now, draft)
    for order_id, order in before.items():
        if draft.row("orders", order_id) is not order:
            order_echoes.expect(draft, order_id, order, now)


def reported(self: OrdersActor, message: ExecutionReported, now: Now, draft: Draft) -> None:
    """A report of the stream. One that does not fit what is known of the order is no more than a reason to ask."""
    report = message.report
    order = order_claims.find(draft, report)
    if order is None:
        namesake: RealOrder | None = draft.row("orders", report.client_id)
        order_facts.reported(self, message, now, draft)
        if namesake is not None:
            read_again(draft, namesake.id, now)
        return
    own = after_before(order, report)
    if fits(order, own):
        order_facts.reported(self, message, now, draft)
    else:
        if order.exchange_order_id == report.exchange_order_id and order.side is report.side:
            tell(draft, merge_trades(order, report.trades, now.utc), now, "told out of turn")
        read_again(draft, order.id, now)
    order_echoes.heard(draft, order.id, own)


def fits(order: RealOrder, report: ExecutionReport) -> bool:
    """True when what the report says is executed is covered by trades: those we know and the one it carries.

    What is executed never falls again, so one wrong word would stay for ever. A gap is a lost event or a lie; either
    way the exchange's own list of trades fills it, and until then what was known stands.
    """
    known = {fill.trade_id for fill in order.fills}
    told = sum((trade.quantity for trade in report.trades if trade.trade_id not in known), ZERO)
    covered = order.fills_quantity + told
    return report.executed_quantity <= max(order.executed_quantity, covered)
