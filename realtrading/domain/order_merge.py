"""How the venue's facts merge into an order: in any order, any number of times, to the same result.

Quantities are the backbone: what is executed never falls, and a trade id counts once. Between live states the
quantity alone decides, so a report that comes late cannot turn the order back. Final states are the venue's word.
What contradicts an end already told is applied all the same and comes out as REVISED: an alarm, never a loss.
"""
from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from .fills import OrderFill, in_time, quantity_of, quote_of, unknown_fills
from .order_states import REVISIONS, STATE_OF_STATUS, TERMINAL, OrderState, checked_move
from .reports import ExecutionReport, TradeReport
from .values import ZERO

if TYPE_CHECKING:
    from .orders import RealOrder


class MergeKind(enum.Enum):
    """What a merge did to the order: which event tells it."""

    NOTHING = "nothing"
    PLACED = "placed"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REVISED = "revised"
    ASK = "ask"


@attrs.frozen(kw_only=True)
class Merged:
    """The result of a merge. With NOTHING and ASK `order` is the very order that was given.

    `ask` is True when the venue must be asked about the order and its trades: fills are missing, a word is unknown, or
    facts contradict each other; it may come with any kind. A final order's kind comes again when trades close its gap.
    """

    order: RealOrder
    new_fills: tuple[OrderFill, ...] = ()
    kind: MergeKind = MergeKind.NOTHING
    ask: bool = False
    detail: str = ""


@attrs.frozen(kw_only=True)
class _Step:
    """Where the merged facts lead. `revises`: past an end already told. `doubt`: why the venue has to be asked."""

    state: OrderState
    revises: bool = False
    doubt: str = ""


_KIND_OF_STATE = {
    OrderState.PENDING: MergeKind.PARTIALLY_FILLED,
    OrderState.UNKNOWN: MergeKind.PARTIALLY_FILLED,
    OrderState.NEW: MergeKind.PLACED,
    OrderState.PARTIALLY_FILLED: MergeKind.PARTIALLY_FILLED,
    OrderState.FILLED: MergeKind.FILLED,
    OrderState.CANCELLED: MergeKind.CANCELLED,
    OrderState.REJECTED: MergeKind.REJECTED,
    OrderState.EXPIRED: MergeKind.EXPIRED,
}


def merge(order: RealOrder, report: ExecutionReport, now_utc: datetime) -> Merged:
    """Merge one report of the venue, from whichever road it came.

    A report of another order (symbol, side, exchange id, client id) changes nothing and asks. So does an unknown
    status.
    """
    report = after_before(order, report)
    if not _is_about(order, report):
        detail = f"a report of {report.symbol} {report.exchange_order_id} {report.client_id} reached this order"
        return Merged(order=order, kind=MergeKind.ASK, ask=True, detail=detail)
    trades = [trade for trade in report.trades if trade.exchange_order_id == report.exchange_order_id]
    new = unknown_fills(order.fills, trades)
    grown = _grown(order, new, report.executed_quantity, report.cumulative_quote)
    if order.quote_quantity is not None or not order.original_quantity:
        # an order by amount has no base quantity until the venue has worked one out, and may tell it in parts
        grown = attrs.evolve(grown, original_quantity=max(order.original_quantity, report.original_quantity))
    grown = attrs.evolve(grown, exchange_order_id=report.exchange_order_id)
    step = _step_of_report(order, grown, report)
    return _told(order, grown, new, step, report.venue_at, report.reason, now_utc)


def merge_trades(order: RealOrder, trades: Iterable[TradeReport], now_utc: datetime) -> Merged:
    """Merge trades read from the account's trade list.

    Only trades of this order's exchange id count; before that id is known whose they are cannot be told, so it asks.
    """
    told = tuple(trades)
    if order.exchange_order_id is None:
        if not told:
            return Merged(order=order)
        return Merged(order=order, kind=MergeKind.ASK, ask=True, detail="trades before the exchange's id of the order")
    mine = [t for t in told if (t.symbol, t.exchange_order_id) == (order.symbol, order.exchange_order_id)]
    if order.before is not None:
        mine = [t for t in mine if t.trade_id > order.before.trade_id]
    new = unknown_fills(order.fills, mine)
    grown = _grown(order, new, ZERO, ZERO)
    step = _ended(order, grown, None) if order.state in TERMINAL else _by_quantity(order, grown)
    newest = max((fill.timestamp for fill in new), default=None)
    return _told(order, grown, new, step, newest, "", now_utc)


def after_before(order: RealOrder, report: ExecutionReport) -> ExecutionReport:
    """The report without what was accounted for before the order was adopted."""
    before = order.before
    if before is None:
        return report
    return attrs.evolve(
        report,
        original_quantity=max(ZERO, report.original_quantity - before.quantity),
        executed_quantity=max(ZERO, report.executed_quantity - before.quantity),
        cumulative_quote=max(ZERO, report.cumulative_quote - before.quote),
        trades=tuple(trade for trade in report.trades if trade.trade_id > before.trade_id),
    )


def _is_about(order: RealOrder, report: ExecutionReport) -> bool:
    """The exchange's id decides; a client id may be used again, and a cancel from elsewhere renames it (seed M-12)."""
    if (report.symbol, report.side) != (order.symbol, order.side):
        return False
    if order.exchange_order_id is None:
        return report.client_id == order.id
    return report.exchange_order_id == order.exchange_order_id


def _grown(order: RealOrder, new: tuple[OrderFill, ...], executed: Decimal, quote: Decimal) -> RealOrder:
    """The order with the new fills and the highest quantities anybody has told; its state untouched.

    Old history may tell a negative quote total for "not available": the maximum drops it.
    """
    fills = tuple(sorted((*order.fills, *new), key=in_time)) if new else order.fills
    return attrs.evolve(
        order,
        fills=fills,
        executed_quantity=max(order.executed_quantity, executed, quantity_of(fills)),
        cumulative_quote=max(order.cumulative_quote, quote, quote_of(fills)),
    )


def _is_full(order: RealOrder) -> bool:
    """All that was asked for is executed. For an order by amount only the venue can say so."""
    return order.quote_quantity is None and ZERO < order.original_quantity <= order.executed_quantity


def _progress(order: RealOrder) -> OrderState:
    """The state of a live order as its quantity has it."""
    if _is_full(order):
        return OrderState.FILLED
    return OrderState.PARTIALLY_FILLED if order.executed_quantity else OrderState.NEW


def _by_quantity(old: RealOrder, grown: RealOrder) -> _Step:
    """A live order of which only its quantity is told: where that leads, or where it was."""
    return _Step(state=_progress(grown) if grown.executed_quantity > old.executed_quantity else old.state)


def _step_of_report(old: RealOrder, grown: RealOrder, report: ExecutionReport) -> _Step:
    """Where a report leads."""
    wanted = STATE_OF_STATUS.get(report.status)
    if old.state in TERMINAL:
        step = _ended(old, grown, _Word.of(old, wanted, report))
    elif wanted is None:
        step = _by_quantity(old, grown)
    elif wanted in TERMINAL:
        step = _ending(old, grown, wanted, report.executed_quantity)
    else:
        step = _living(old, grown, report)
    if wanted is None:
        return attrs.evolve(step, doubt=f"the status {report.status[:40]!r} is unknown")
    return step


def _living(old: RealOrder, grown: RealOrder, report: ExecutionReport) -> _Step:
    """The venue says it lives. Old news cannot end a doubt; everything else follows the quantity."""
    late = old.venue_at is not None and report.venue_at < old.venue_at
    if old.state is OrderState.UNKNOWN and (late or report.executed_quantity < old.executed_quantity):
        return _by_quantity(old, grown)
    return _Step(state=_progress(grown))


def _ending(old: RealOrder, grown: RealOrder, wanted: OrderState, executed: Decimal) -> _Step:
    """The venue says a live order is over."""
    known = grown.executed_quantity
    if wanted is OrderState.REJECTED and known:
        return attrs.evolve(_by_quantity(old, grown), doubt="rejected, though parts of it are filled")
    if wanted is OrderState.FILLED and not known:
        return _Step(state=old.state, doubt="filled, though nothing is executed")
    doubt = f"over with {executed} executed, but {known} is known" if executed < known else ""
    return _Step(state=OrderState.FILLED if _is_full(grown) else wanted, doubt=doubt)


@attrs.frozen(kw_only=True)
class _Word:
    """What a report says about an order that is over: its state, and whether it is newer than the end we know."""

    state: OrderState | None
    newer: bool

    @classmethod
    def of(cls, order: RealOrder, state: OrderState | None, report: ExecutionReport) -> _Word:
        """The report's word."""
        return cls(state=state, newer=order.venue_at is None or report.venue_at > order.venue_at)


def _ended(old: RealOrder, grown: RealOrder, word: _Word | None) -> _Step:
    """Facts about an order that is over: its end stands, unless more was executed or the end was ours alone."""
    more = grown.executed_quantity > old.executed_quantity
    told = word.state if word is not None else None
    newer_word = told if word is not None and word.newer else None
    if old.state is OrderState.REJECTED and (more or newer_word not in (None, OrderState.REJECTED)):
        ended = told in TERMINAL and told is not OrderState.REJECTED and not _is_full(grown)
        wanted = told if ended and told is not None else _progress(grown)
    elif more and _is_full(grown):
        wanted = OrderState.FILLED
    else:
        wanted = old.state
    if wanted is not old.state and wanted in REVISIONS.get(old.state, ()):
        return _Step(state=wanted, revises=True)
    alive = newer_word is not None and newer_word not in TERMINAL
    return _Step(state=old.state, revises=more, doubt="the venue says it lives, after its end" if alive else "")


def _told(
    old: RealOrder,
    grown: RealOrder,
    new: tuple[OrderFill, ...],
    step: _Step,
    venue_at: datetime | None,
    reason: str,
    now_utc: datetime,
) -> Merged:
    """Put facts and step together, and name what happened."""
    more = grown.executed_quantity > old.executed_quantity
    gap = f"{grown.missing_quantity} executed without a known trade" if grown.missing_quantity else ""
    detail, ask = step.doubt or gap, bool(step.doubt or gap)
    nobody_knows = step.state in (OrderState.PENDING, OrderState.UNKNOWN) and not new
    if step.state is old.state and (grown == old or nobody_knows):
        return Merged(order=old, kind=MergeKind.ASK if ask else MergeKind.NOTHING, ask=ask, detail=detail)
    over = more and _is_full(grown) and grown.executed_quantity > grown.original_quantity
    kind = _KIND_OF_STATE[step.state]
    if step.revises or over:
        kind = MergeKind.REVISED
        detail = f"{old.state} -> {step.state}, {old.executed_quantity} -> {grown.executed_quantity} executed" + (
            f" of {grown.original_quantity}" if over else ""
        )
    else:
        checked_move(old.state, step.state)
    times = [at for at in (old.venue_at, venue_at) if at is not None]
    order = attrs.evolve(
        grown,
        state=step.state,
        reason=_reason(old, step, reason),
        updated_at=now_utc,
        venue_at=max(times, default=None),
    )
    return Merged(order=order, new_fills=new, kind=kind, ask=ask, detail=detail)


def _reason(old: RealOrder, step: _Step, told: str) -> str:
    """Why it ended: the venue's reason with the end it belongs to; a refusal that was undone leaves none."""
    if step.state is old.state:
        return old.reason
    return told if step.state in TERMINAL and told != "NONE" else ""
