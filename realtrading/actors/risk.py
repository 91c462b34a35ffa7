"""The risk keeper: vets orders against the limits, holds their commitments, watches the day's loss."""
from __future__ import annotations

from typing import ClassVar

import attrs

from realtrading.domain.breaker import ACCOUNT
from realtrading.domain.commands import GateOrder, VetOrder
from realtrading.domain.events import (
    BalanceHeard,
    BalancesStated,
    BalanceUpdated,
    CommitmentHeld,
    LimitBreached,
    OrderAdopted,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderHeard,
    OrderPartiallyFilled,
    OrderPlaced,
    OrderRejected,
    OrderRevised,
    OrdersStated,
    OrderUnknown,
    OrderVetoed,
    PositionBookSettled,
    PositionClosed,
    PositionCut,
    PositionEvent,
    PositionHeard,
    PositionOpened,
    PositionsStated,
    PositionUpdated,
    RiskDayUpdated,
    RulesHeard,
)
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import QuotesMoved, RulesReported
from realtrading.domain.risk import (
    Commitment,
    RiskDay,
    booked_quantity,
    breached,
    day_result,
    day_results,
    hold,
    priced,
    roll_day,
    with_booked,
    with_order,
    worst_price,
)
from realtrading.domain.risk_rules import Picture, judge
from realtrading.domain.valuation import Valuation
from realtrading.domain.values import Now, Side
from realtrading.runtime.ticker import Tick

from .board import Board
from .keeper import Draft, Handler, MoneyKeeper, hear_rules


class RiskActor(MoneyKeeper):
    """Risk. Tables: day (durable); commitments, orders_heard, positions_heard, balances_heard, rules (ephemeral)."""

    owns = (CommitmentHeld, OrderHeard, PositionHeard, BalanceHeard, RulesHeard, RiskDayUpdated)

    def __init__(
        self, *, config: RealTradingConfig, board: Board, symbols: tuple[str, ...], reporting_asset: str
    ) -> None:
        super().__init__()
        self.config = config
        self.board = board
        self.symbols = frozenset(symbols)
        self.reporting_asset = reporting_asset

    def valuation(self, draft: Draft) -> Valuation:
        """What things are worth by the board as it is now."""
        return Valuation(
            reporting_asset=self.reporting_asset, quotes=self.board.quotes(), rules=draft.rows("rules")
        )

    def vet(self, message: VetOrder, now: Now, draft: Draft) -> None:
        """Judge an order; hold its commitment and send it to the gate, or veto it."""
        self.roll(draft, now)
        order = message.order
        judgement = judge(
            Picture(
                order=order,
                rules=draft.row("rules", order.symbol),
                quote=self.board.get(order.symbol),
                positions=draft.rows("positions_heard"),
                commitments=draft.rows("commitments"),
                ledger=draft.rows("balances_heard"),
                day=draft.row("day", "day"),
                config=self.config,
                symbols=self.symbols,
                valuation=self.valuation(draft),
                now=now,
            )
        )
        if judgement.verdict is not None:
            verdict = judgement.verdict
            draft.say(OrderVetoed(order=order, reason=verdict.reason, detail=verdict.detail))
            return
        draft.say(CommitmentHeld(order_id=order.id, commitment=judgement.commitment))
        draft.say(
            GateOrder(order=order, reduces=judgement.reduces, valid_until_mono=message.valid_until_mono)
        )

    # -- commitments ----------------------------------------------------------

    def order_told(self, message: OrderEvent, now: Now, draft: Draft) -> None:
        """An order's new total; one without a hold is over, and an old word about it changes nothing."""
        if draft.row("commitments", message.order.id) is not None:
            self.merge_order(draft, message.order)

    def adopted(self, message: OrderAdopted, now: Now, draft: Draft) -> None:
        """A live order nobody vetted."""
        self.merge_order(draft, message.order)

    def merge_order(self, draft: Draft, order: RealOrder) -> None:
        """Merge an order's total into its commitment; a live order nobody vetted (adopted, recovered) gets one."""
        held: Commitment | None = draft.row("commitments", order.id)
        if held is None:
            if order.is_terminal():
                return
            price = worst_price(order, self.board.get(order.symbol), self.config)
            held = hold(order, price, order.side is Side.SELL)
            if price is None:
                draft.say(OrderHeard(order_id=order.id, order=order))
            book = draft.row("positions_heard", f"{order.strategy}/{order.symbol}")
            if book is not None:
                held = with_booked(held, booked_quantity(book, order))
        self.keep(draft, with_order(held, order))

    def keep(self, draft: Draft, commitment: Commitment) -> None:
        """Keep a commitment while anything can still come of it."""
        old = draft.row("commitments", commitment.order_id)
        new = None if commitment.spent else commitment
        if new != old:
            draft.say(CommitmentHeld(order_id=commitment.order_id, commitment=new))

    def denied(self, message: OrderDenied, now: Now, draft: Draft) -> None:
        """Never sent: the hold is free at once."""
        if draft.row("commitments", message.order.id) is not None:
            draft.say(CommitmentHeld(order_id=message.order.id, commitment=None))

    def orders_stated(self, message: OrdersStated, now: Now, draft: Draft) -> None:
        """Heal from the total of totals: exactly these orders can still do anything."""
        stated = {order.id for order in message.orders}
        for order in message.orders:
            self.merge_order(draft, order)
        for order_id in draft.rows("commitments"):
            if order_id not in stated:
                draft.say(CommitmentHeld(order_id=order_id, commitment=None))

    # -- positions and balances -----------------------------------------------

    def position_told(self, message: PositionEvent, now: Now, draft: Draft) -> None:
        """A position's new total, and how much of the order it has booked: commitment becomes exposure."""
        draft.say(PositionHeard(book=message.book))
        held: Commitment | None = draft.row("commitments", message.order.id)
        if held is not None:
            held = with_order(held, message.order)
            self.keep(draft, with_booked(held, booked_quantity(message.book, message.order)))
        self.watch_loss(draft, now)

    def book_told(self, message: PositionCut | PositionBookSettled, now: Now, draft: Draft) -> None:
        """A position changed without an order of ours."""
        draft.say(PositionHeard(book=message.book))

    def positions_stated(self, message: PositionsStated, now: Now, draft: Draft) -> None:
        """Every position."""
        for book in message.books:
            if draft.row("positions_heard", book.key) != book:
                draft.say(PositionHeard(book=book))

    def balance_told(self, message: BalanceUpdated, now: Now, draft: Draft) -> None:
        """A ledger line's new total."""
        draft.say(BalanceHeard(line=message.line))

    def balances_stated(self, message: BalancesStated, now: Now, draft: Draft) -> None:
        """Every ledger line."""
        for line in message.lines:
            if draft.row("balances_heard", line.asset) != line:
                draft.say(BalanceHeard(line=line))

    # -- the day's loss -------------------------------------------------------

    def roll(self, draft: Draft, now: Now) -> None:
        """Begin the day's count when the UTC date has moved on and every open position has a price."""
        day: RiskDay | None = draft.row("day", "day")
        if day is not None and now.utc.date() <= day.day:
            return
        results = day_results(draft.rows("positions_heard").values(), self.board.quotes())
        if results is not None:
            draft.say(RiskDayUpdated(day=roll_day(day, now.utc.date(), results)))

    def watch_loss(self, draft: Draft, now: Now) -> None:
        """Say once a day that the loss limit is reached."""
        self.roll(draft, now)
        day: RiskDay | None = draft.row("day", "day")
        books = list(draft.rows("positions_heard").values())
        results = day_results(books, self.board.quotes())
        if day is None or day.breached or results is None:
            return
        result = day_result(day, results, books, self.valuation(draft))
        if result is not None and breached(result, self.config):
            draft.say(RiskDayUpdated(day=attrs.evolve(day, breached=True)))
            draft.say(
                LimitBreached(
                    reason=Reason.RISK_DAILY_LOSS,
                    scope=ACCOUNT,
                    limit=self.config.max_daily_loss_usdt,
                    value=-result,
                    day=day.day,
                )
            )

    def quotes_moved(self, message: QuotesMoved, now: Now, draft: Draft) -> None:
        """New prices: value what could not be valued, and look at the day's loss."""
        for order in draft.rows("orders_heard").values():
            price = worst_price(order, self.board.get(order.symbol), self.config)
            if price is None:
                continue
            held: Commitment | None = draft.row("commitments", order.id)
            if held is not None:
                self.keep(draft, priced(held, order, price))
            draft.say(OrderHeard(order_id=order.id, order=None))
        self.watch_loss(draft, now)

    def tick(self, message: Tick, now: Now, draft: Draft) -> None:
        """The day may have turned."""
        self.watch_loss(draft, now)

    handlers: ClassVar[dict[type, Handler]] = {
        VetOrder: vet,
        OrderPlaced: order_told,
        OrderPartiallyFilled: order_told,
        OrderFilled: order_told,
        OrderCancelled: order_told,
        OrderExpired: order_told,
        OrderRejected: order_told,
        OrderRevised: order_told,
        OrderAdopted: adopted,
        OrderUnknown: order_told,
        OrderDenied: denied,
        OrdersStated: orders_stated,
        PositionOpened: position_told,
        PositionUpdated: position_told,
        PositionClosed: position_told,
        PositionCut: book_told,
        PositionBookSettled: book_told,
        PositionsStated: positions_stated,
        BalanceUpdated: balance_told,
        BalancesStated: balances_stated,
        RulesReported: hear_rules,
        QuotesMoved: quotes_moved,
        Tick: tick,
    }
