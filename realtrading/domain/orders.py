"""An order: the record and what can be read from it. States, merging and the proof of absence live beside it.

Decided here (seed's open questions): M-1 a cancel by anybody ends in Cancelled, a time-out in Expired with its own
event (`order_states`); M-7 an order exists before any exchange id, so it has our id from birth and learns the other
by merging; M-11 a trade id below zero is "no trade" (`fills`); M-12 reports are matched by exchange id first
(`order_merge`).
"""
from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from .fills import OrderFill, quantity_of
from .order_absence import ABSENCE_MARGIN_S, LOOKS_APART_S, RECV_WINDOW_S, absence_proved, denied, provable, until_apart
from .order_merge import Merged, MergeKind, after_before, merge, merge_trades
from .order_states import (
    ACTIVE,
    LIVE,
    REVISIONS,
    STATE_OF_STATUS,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    OrderState,
    checked_move,
)
from .reports import ExecutionReport
from .values import ZERO, OrderType, Role, Side, TimeInForce, ratio

__all__ = [
    "ABSENCE_MARGIN_S",
    "ACTIVE",
    "LIVE",
    "LOOKS_APART_S",
    "RECV_WINDOW_S",
    "REVISIONS",
    "STATE_OF_STATUS",
    "TERMINAL",
    "TRANSITIONS",
    "IllegalTransition",
    "MergeKind",
    "Merged",
    "OrderFill",
    "OrderState",
    "RealOrder",
    "absence_proved",
    "after_before",
    "checked_move",
    "denied",
    "merge",
    "merge_trades",
    "order_from_report",
    "provable",
    "until_apart",
]


@attrs.frozen(kw_only=True)
class Before:
    """What was executed of an adopted order in trades up to `trade_id`: they are in an opening balance, or were booked by
    the order that was archived under this id, and are not its own a second time.
    """

    trade_id: int
    quantity: Decimal
    quote: Decimal


@attrs.frozen(kw_only=True)
class RealOrder:
    """One order, immutable; every change is a new value. Times are UTC; quantities base units, quote amounts quote
    units.

    `executed_quantity`/`cumulative_quote` are the venue's cumulative words (they never fall); `fills` are the known
    trades, oldest first. `original_quantity` of an order by `quote_quantity` is 0 until the venue tells it.
    `valid_until` is the last moment (server time) at which the order may have been signed. Of an adopted order all
    quantities are those after `before`.
    """

    id: str
    strategy: str
    role: Role
    symbol: str
    side: Side
    order_type: OrderType | str
    original_quantity: Decimal
    quote_quantity: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    rests: bool = False
    state: OrderState = OrderState.PENDING
    exchange_order_id: int | None = None
    executed_quantity: Decimal = ZERO
    cumulative_quote: Decimal = ZERO
    fills: tuple[OrderFill, ...] = ()
    reason: str = ""
    created_at: datetime
    updated_at: datetime
    venue_at: datetime | None = None
    valid_until: datetime | None = None
    cancel_requested_at: datetime | None = None
    before: Before | None = None

    @classmethod
    def new(
        cls,
        *,
        id: str,
        strategy: str,
        role: Role,
        symbol: str,
        side: Side,
        order_type: OrderType,
        now_utc: datetime,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
        time_in_force: TimeInForce | None = None,
        rests: bool = False,
        valid_until: datetime | None = None,
    ) -> RealOrder:
        """A PENDING order as it was asked for: by `quantity` (base units) or by `quote_quantity` (quote units)."""
        return cls(
            id=id,
            strategy=strategy,
            role=role,
            symbol=symbol,
            side=side,
            order_type=order_type,
            original_quantity=ZERO if quantity is None else quantity,
            quote_quantity=quote_quantity,
            price=price,
            stop_price=stop_price,
            time_in_force=time_in_force,
            rests=rests,
            created_at=now_utc,
            updated_at=now_utc,
            valid_until=valid_until,
        )

    @property
    def remaining_quantity(self) -> Decimal:
        """Base units still to be executed; 0 after an over-fill, or while the quantity is not known yet."""
        return max(self.original_quantity - self.executed_quantity, ZERO)

    @property
    def average_fill_price(self) -> Decimal:
        """Quote per base over everything executed; 0 when nothing was."""
        return ratio(self.cumulative_quote, self.executed_quantity) if self.executed_quantity else ZERO

    @property
    def fills_quantity(self) -> Decimal:
        """Base units of the known fills."""
        return quantity_of(self.fills)

    @property
    def missing_quantity(self) -> Decimal:
        """Base units that are executed but whose trades nobody has told us: above 0 is a gap."""
        return self.executed_quantity - self.fills_quantity

    def is_active(self) -> bool:
        """The venue has confirmed it and it still rests there."""
        return self.state in ACTIVE

    def is_terminal(self) -> bool:
        """Its life is over; facts may still arrive."""
        return self.state in TERMINAL

    def is_live(self) -> bool:
        """It trades or might: it counts as exposure."""
        return self.state in LIVE

    def moved(self, state: OrderState, now_utc: datetime, reason: str = "") -> RealOrder:
        """The order in a state the house itself concluded (Unknown, Rejected); raises `IllegalTransition`."""
        checked_move(self.state, state)
        return attrs.evolve(self, state=state, reason=reason or self.reason, updated_at=now_utc)

    def update_from_execution_report(self, report: ExecutionReport, now_utc: datetime) -> RealOrder:
        """The order with this report merged in; `merge` also says what that did."""
        return merge(self, report, now_utc).order


def order_from_report(
    report: ExecutionReport, now_utc: datetime, strategy: str, role: Role, before: Before | None = None
) -> RealOrder:
    """The order behind a report we have no memory of, as it must have been asked for, or what is left of it after
    `before`: adopt it, then `merge` the report.

    It is UNKNOWN until then. It began when the venue says, not now, and it `rests`: no time-out of ours was running
    when it was sent, so none may end it.
    """
    known_type = report.order_type in OrderType.__members__
    known_time = report.time_in_force in TimeInForce.__members__
    return RealOrder(
        id=report.client_id,
        strategy=strategy,
        role=role,
        symbol=report.symbol,
        side=report.side,
        order_type=OrderType(report.order_type) if known_type else report.order_type,
        original_quantity=report.original_quantity - (ZERO if before is None else before.quantity),
        quote_quantity=None,
        price=report.price or None,
        stop_price=report.stop_price or None,
        time_in_force=TimeInForce(report.time_in_force) if known_time else None,
        rests=True,
        state=OrderState.UNKNOWN,
        exchange_order_id=report.exchange_order_id,
        created_at=report.venue_at,
        updated_at=now_utc,
        before=before,
    )
