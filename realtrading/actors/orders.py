"""The orders keeper: admits intents, owns every order's state, and is the only entrance for venue facts about orders."""
from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import attrs

from realtrading.domain.commands import (
    CancelOrder,
    OrderIntent,
    PrepareSnapshot,
    SubmitOrder,
    TakeSnapshot,
    VetOrder,
)
from realtrading.domain.events import (
    EngineStarted,
    OrderAdmitted,
    OrderAdopted,
    OrderArchived,
    OrderBlocked,
    OrderCancelled,
    OrderCancelRequested,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPlaced,
    OrderRecorded,
    OrderRejected,
    OrderRevised,
    OrdersStated,
    OrderSubmitted,
    OrderUnknown,
    OrderVetoed,
    RulesHeard,
    TradesCursorMoved,
)
from realtrading.domain.identity import OwnRuns
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    CancelAnswered,
    ClockMeasured,
    EventUnreadable,
    ExecutionReported,
    LookupFailed,
    OpenOrdersListed,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    RulesReported,
    SnapshotTaken,
    StreamConnected,
)
from realtrading.domain.settings import RealTradingConfig
from realtrading.domain.values import ZERO, Now, OrderType, Side, SymbolRules, TimeInForce, round_down, round_up
from realtrading.runtime.ticker import Tick

from . import order_claims, order_echoes, order_facts, order_hearing, order_polls, order_rounds
from .board import Board
from .keeper import Draft, Handler, MoneyKeeper, hear_rules
from .order_echoes import EchoAwaited
from .order_events import (
    ArchivedNoted,
    ClockHeard,
    FinalNoted,
    ForeignNoted,
    GenerationHeard,
    OrderWatched,
    TradesUnmatched,
    Watch,
    ask,
    send_cancel,
    server_now,
    submitted,
)
from .order_polls import PollPlanned, RereadNoted
from .order_reset import GoneNoted

VALID_S = 5.0
"""An order that is not signed this long after it was admitted is not signed any more: its price is old."""

ARCHIVED_KNOWN_S = 3600.0
"""So long a late report about an archived order is recognised, whatever it says."""

UNRECORDED_S = 3600.0
"""Before the record there is nothing to ask about: the watch of such an order is never due."""

ARCHIVE_AFTER = timedelta(seconds=60)
"""A final order stays so long, and until the trade cursor has passed its last fill; then its rows stop growing ours."""


class OrdersActor(MoneyKeeper):
    """Orders. Tables: orders, cursors (durable); watches, finals, archived, unmatched, explained, clock, generation, rules,
    echoes, polls, rereads, reset (ephemeral).
    """

    owns = (
        OrderAdmitted,
        OrderSubmitted,
        OrderPlaced,
        OrderPartiallyFilled,
        OrderFilled,
        OrderCancelled,
        OrderRejected,
        OrderExpired,
        OrderUnknown,
        OrderRevised,
        OrderAdopted,
        OrderCancelRequested,
        OrderDenied,
        OrderArchived,
        TradesCursorMoved,
        OrderWatched,
        ArchivedNoted,
        FinalNoted,
        TradesUnmatched,
        ForeignNoted,
        ClockHeard,
        GenerationHeard,
        RulesHeard,
        EchoAwaited,
        PollPlanned,
        RereadNoted,
        GoneNoted,
    )

    def __init__(
        self, *, config: RealTradingConfig, board: Board, prefix: str, symbols: tuple[str, ...], own_runs: OwnRuns
    ) -> None:
        super().__init__()
        self.config = config
        self.board = board
        self.prefix = prefix
        self.symbols = symbols
        self.own_runs = own_runs

    # -- commands -------------------------------------------------------------

    def submit(self, message: SubmitOrder, now: Now, draft: Draft) -> None:
        """Take the intent in once, price it if need be, and send it to risk."""
        intent = message.intent
        if draft.row("orders", intent.id) is not None:
            return
        order = self.order_of(intent, draft, now)
        if order.order_type == OrderType.LIMIT and order.price is None:
            draft.say(deny(order, Reason.RISK_PRICE_MISSING, f"no quote of {order.symbol} to price the limit with"))
            return
        draft.say(OrderAdmitted(order=order))
        draft.say(OrderWatched(id=order.id, watch=Watch(due_mono=now.mono + UNRECORDED_S, recorded=False)))
        draft.say(VetOrder(order=order, valid_until_mono=now.mono + VALID_S))

    def order_of(self, intent: OrderIntent, draft: Draft, now: Now) -> RealOrder:
        """The order an intent asks for; a limit without a price gets the touch plus the default slippage."""
        rules: SymbolRules | None = draft.row("rules", intent.symbol)
        price = intent.price
        if intent.order_type is OrderType.LIMIT and price is None and rules is not None:
            quote = self.board.get(intent.symbol)
            slip = self.config.default_slippage_percent / 100
            if quote is not None and intent.side is Side.BUY:
                price = round_up(quote.ask * (1 + slip), rules.tick)
            elif quote is not None:
                price = round_down(quote.bid * (1 - slip), rules.tick)
        time_in_force = intent.time_in_force
        if time_in_force is None and intent.order_type is OrderType.LIMIT:
            time_in_force = TimeInForce.GTC
        return RealOrder(
            id=intent.id,
            strategy=intent.strategy,
            role=intent.role,
            symbol=intent.symbol,
            side=intent.side,
            order_type=intent.order_type,
            original_quantity=ZERO if intent.quantity is None else intent.quantity,
            quote_quantity=intent.quote_quantity,
            price=price,
            time_in_force=time_in_force,
            rests=intent.rests,
            created_at=now.utc,
            updated_at=now.utc,
            valid_until=server_now(draft, now) + timedelta(seconds=VALID_S),
        )

    def cancel(self, message: CancelOrder, now: Now, draft: Draft) -> None:
        """Remember that the order shall end; a live one is cancelled at once, any other as soon as it is known to live."""
        order: RealOrder | None = draft.row("orders", message.id)
        if order is None or order.is_terminal() or order.cancel_requested_at is not None:
            return
        order = attrs.evolve(order, cancel_requested_at=now.utc, updated_at=now.utc)
        draft.say(OrderCancelRequested(order=order))
        if order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED):
            send_cancel(draft, order, now)

    # -- the ladder's answers -------------------------------------------------

    def vetoed(self, message: OrderVetoed | OrderBlocked, now: Now, draft: Draft) -> None:
        """Risk, breaker or journal said no before the record: the order never was.

        After the record it comes too late: the ladder's letter had come twice, and the first of the two went its way.
        """
        order: RealOrder | None = draft.row("orders", message.order.id)
        watch: Watch | None = draft.row("watches", message.order.id)
        if order is None or order.state is not OrderState.PENDING or watch is None or watch.recorded:
            return
        draft.say(OrderWatched(id=order.id, watch=None))
        draft.say(deny(attrs.evolve(order, updated_at=now.utc), message.reason, message.detail))

    def recorded(self, message: OrderRecorded, now: Now, draft: Draft) -> None:
        """It is on disk and on its way: from here on silence makes it Unknown, never gone."""
        order: RealOrder | None = draft.row("orders", message.id)
        if order is None or order.state is not OrderState.PENDING:
            return
        submitted(draft, attrs.evolve(order, updated_at=now.utc), now)

    # -- small facts ----------------------------------------------------------

    def clock(self, message: ClockMeasured, now: Now, draft: Draft) -> None:
        """Remember the venue's clock."""
        draft.say(ClockHeard(server_at=now.utc + timedelta(seconds=message.offset_s), mono=now.mono))

    def connected(self, message: StreamConnected, now: Now, draft: Draft) -> None:
        """Remember the generation: snapshots of another one are not merged, and it owes only what happens from now on."""
        draft.say(GenerationHeard(generation=message.generation, since=server_now(draft, now)))
        order_echoes.forget(draft)

    def lookup_failed(self, message: LookupFailed, now: Now, draft: Draft) -> None:
        """No answer is no answer: the watch asks again when it is due."""

    # -- time -----------------------------------------------------------------

    def tick(self, message: Tick, now: Now, draft: Draft) -> None:
        """Ask about what is silent, end what waited too long unfilled, archive what is long over."""
        for order in list(draft.rows("orders").values()):
            if order.is_terminal():
                self.age_final(order, now, draft)
            else:
                self.age_live(order, now, draft)
        for order_id, note in draft.rows("archived").items():
            if now.mono - note.at_mono > ARCHIVED_KNOWN_S:
                draft.say(ArchivedNoted(id=order_id, note=None))
        order_echoes.due(draft, now)
        order_polls.plan(draft, now)
        order_polls.reread(draft, now)

    def age_live(self, order: RealOrder, now: Now, draft: Draft) -> None:
        """One live order at a tick."""
        watch: Watch | None = draft.row("watches", order.id)
        if watch is None and order.state in (OrderState.PENDING, OrderState.UNKNOWN):
            order_facts.doubt(draft, order, now, "found after a restart without an answer", ours=True)
        elif watch is not None and watch.recorded and now.mono >= watch.due_mono:
            if order.state is OrderState.PENDING and now.mono >= watch.doubt_mono:
                order_facts.doubt(draft, order, now, "no answer in time")
            else:
                ask(draft, order, now)
        elif self.timed_out(order, now):
            self.cancel(CancelOrder(id=order.id, by="order_timeout_secs"), now, draft)

    def timed_out(self, order: RealOrder, now: Now) -> bool:
        """True for a confirmed order that is not meant to rest and waited longer than `order_timeout_secs`."""
        return (
            order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)
            and not order.rests
            and order.cancel_requested_at is None
            and now.utc - order.created_at > timedelta(seconds=self.config.order_timeout_secs)
        )

    def age_final(self, order: RealOrder, now: Now, draft: Draft) -> None:
        """One final order at a tick: a gap is asked about; an old one, wholly accounted for, leaves the tables."""
        watch: Watch | None = draft.row("watches", order.id)
        if order.missing_quantity > 0:
            if watch is None or now.mono >= watch.due_mono:
                ask(draft, order, now)
            return
        since: float | None = draft.row("finals", order.id)
        if since is None:
            draft.say(FinalNoted(id=order.id, at_mono=now.mono))
        if since is None or now.mono - since < ARCHIVE_AFTER.total_seconds():
            return
        newest = max((fill.trade_id for fill in order.fills), default=-1)
        cursor: int | None = draft.row("cursors", order.symbol)
        if newest < 0 or (cursor is not None and newest <= cursor):
            draft.say(OrderArchived(id=order.id, strategy=order.strategy, symbol=order.symbol))
            draft.say(ArchivedNoted(id=order.id, note=order_claims.note_of(order, now)))
            draft.say(FinalNoted(id=order.id, at_mono=None))

    # -- reconciliation -------------------------------------------------------

    def prepare(self, message: PrepareSnapshot, now: Now, draft: Draft) -> None:
        """Begin a round: ask for everything above the cursors, of every symbol that is traded or still held in an order."""
        symbols = sorted({*self.symbols, *(order.symbol for order in draft.rows("orders").values())})
        cursors = {symbol: order_rounds.cursor_of(draft, symbol) for symbol in symbols}
        draft.say(
            TakeSnapshot(
                token=message.token, generation=message.generation, symbols=tuple(symbols), cursors=cursors
            )
        )

    def begun(self, message: EngineStarted, now: Now, draft: Draft) -> None:
        """A run began: tell everybody what was recovered."""
        self.state_all(draft)

    def state_all(self, draft: Draft, token: str = "") -> None:
        """Say the total of totals."""
        draft.say(OrdersStated(orders=tuple(draft.rows("orders").values()), token=token))

    handlers: ClassVar[dict[type, Handler]] = {
        SubmitOrder: submit,
        CancelOrder: cancel,
        OrderVetoed: vetoed,
        OrderBlocked: vetoed,
        OrderRecorded: recorded,
        PlacementAcknowledged: order_hearing.answered(order_facts.acknowledged),
        PlacementRefused: order_facts.refused,
        PlacementUnknown: order_facts.unknown,
        ExecutionReported: order_hearing.reported,
        EventUnreadable: order_polls.unreadable,
        CancelAnswered: order_hearing.answered(order_facts.cancel_answered),
        OrderLookedUp: order_hearing.looked_up,
        OpenOrdersListed: order_polls.listed,
        LookupFailed: lookup_failed,
        ClockMeasured: clock,
        RulesReported: hear_rules,
        StreamConnected: connected,
        PrepareSnapshot: prepare,
        SnapshotTaken: order_hearing.snapshot,
        EngineStarted: begun,
        Tick: tick,
    }


def deny(order: RealOrder, reason: Reason, detail: str) -> OrderDenied:
    """Orders' public no."""
    return OrderDenied(
        order=attrs.evolve(order, state=OrderState.REJECTED, reason=str(reason)), reason=reason, detail=detail
    )

