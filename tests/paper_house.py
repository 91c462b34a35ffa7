"""A strategy's actor against the exchange core: no threads, no sockets, and a clock that only the test moves."""

from __future__ import annotations

import decimal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs

from order_factories import a_round
from realtrading.actors.board import Board
from realtrading.actors.order_events import event_of
from realtrading.actors.strategy import StrategyActor
from realtrading.domain.commands import CancelOrder, SubmitOrder
from realtrading.domain.events import (
    OrderCancelRequested,
    OrderDenied,
    OrderEvent,
    OrderRejected,
    OrdersStated,
    OrderSubmitted,
    PositionClosed,
    PositionEvent,
    PositionOpened,
    PositionsStated,
    PositionUpdated,
)
from realtrading.domain.orders import OrderState, RealOrder, merge
from realtrading.domain.positions import BookChange, PositionBook, book_order
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import QuotesMoved, RulesReported
from realtrading.domain.values import EXACT, ZERO, Now, Quote, SymbolRules, plain
from realtrading.runtime.actor import staffing
from realtrading.runtime.mailbox import Incarnation, Mailbox, Tick
from realtrading.runtime.spec import ActorSpec
from realtrading.sim.errors import BinanceError
from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule
from realtrading.sim.market import Market
from realtrading.sim.tape import Tape
from realtrading.strategies import Strategy
from realtrading.venue.translate import execution_from_event

UID = 7
START = datetime(2026, 1, 1, tzinfo=UTC)
STEP_S = 0.02
HEARD_PER_STEP = 3


def rules_of(exchange: Exchange, symbol: str) -> SymbolRules:
    """The exchange's rules in the house's words."""
    own = exchange.rules[symbol]
    return SymbolRules(
        symbol=symbol, base=own.base, quote=own.quote, status=own.status, tick=own.tick, step=own.step,
        quantity_min=own.min_qty, quantity_max=own.max_qty, price_min=own.min_price, price_max=own.max_price,
        notional_min=own.min_notional, market_quantity_max=own.market_max_qty, order_types=own.order_types,
    )  # fmt: skip


class PaperHouse:
    """Plays a tape, scaled to `seconds`, and carries messages between one strategy and the exchange.

    Only a few messages are heard per step of the clock, so what is heard lags behind what has happened, as in the real
    house. While `refuse` is set every order is denied before it is sent, or rejected by the exchange; while `mute`
    is set nothing is answered at all.
    """

    def __init__(self, tape: Tape, strategy: Strategy, *, seconds: float, funds: Decimal) -> None:
        self.tape, self.symbol, self.seconds = tape, tape.symbol, seconds
        self.now = Now(mono=1000.0, utc=START)
        self.exchange = Exchange([tape.rules()], fee=FeeSchedule(), now_ms=self.ms)
        self.exchange.add_account(UID, {tape.quote: funds})
        self.market = Market(self.exchange, tape, self.symbol, seed=1)
        self.board = Board()
        self.mailbox = Mailbox(ActorSpec("strategy:paper", StrategyActor, "own:paper"))
        self.actor = self.incarnate(strategy)
        self.orders: dict[str, RealOrder] = {}
        self.book = PositionBook(strategy="paper", symbol=self.symbol, base=tape.base, quote=tape.quote)
        self.inbox: list[Any] = []
        self.outbox: list[SubmitOrder | CancelOrder] = []
        self.events: list[OrderEvent | OrderDenied | PositionEvent] = []
        self.sent: list[SubmitOrder | CancelOrder] = []
        self.live_max = 0
        self.refuse: type[OrderDenied | OrderRejected] | None = None
        self.mute = False
        self.begun_mono = self.now.mono
        self.market.open(self.ms)
        self.inbox += [
            RulesReported(rules=(rules_of(self.exchange, self.symbol),)),
            OrdersStated(orders=()),
            PositionsStated(books=()),
            a_round(),
        ]

    def incarnate(self, strategy: Strategy) -> StrategyActor:
        """A fresh actor on the mailbox that stays."""
        with staffing(Incarnation(self.mailbox, 0)):
            return StrategyActor(
                factory=lambda: strategy, name="paper", symbols=(self.symbol,), prefix="rt", run=1, board=self.board
            )

    @property
    def ms(self) -> int:
        """The exchange's clock."""
        return int(self.now.utc.timestamp() * 1000)

    @property
    def live(self) -> list[RealOrder]:
        """Orders that live now."""
        return [order for order in self.orders.values() if order.is_live()]

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        for _ in range(round(seconds / STEP_S)):
            self.step()

    def step(self) -> None:
        """One step: the tape moves, the exchange gets what was sent, the strategy hears of it, then quotes."""
        self.now = Now(mono=self.now.mono + STEP_S, utc=self.now.utc + timedelta(seconds=STEP_S))
        passed = (self.now.mono - self.begun_mono) / self.seconds
        self.market.play_until(int(passed * self.tape.span_ms), self.ms)
        outbox, self.outbox = self.outbox, []
        with decimal.localcontext(EXACT):
            for command in outbox:
                self.carry(command)
            self.hear_exchange()
        heard, self.inbox = self.inbox[:HEARD_PER_STEP], self.inbox[HEARD_PER_STEP:]
        for message in heard:
            self.tell(message)
        self.tell(QuotesMoved(symbols=frozenset({self.symbol})))
        if round(self.now.mono / STEP_S) % 12 == 0:
            self.tell(Tick("strategy:paper"))
        self.live_max = max(self.live_max, len(self.live))

    def tell(self, message: object) -> None:
        """The strategy hears it now."""
        said = list(self.actor.handle(message, self.now))
        self.outbox += said  # type: ignore[arg-type]
        self.sent += said  # type: ignore[arg-type]

    def say(self, event: OrderEvent | OrderDenied | PositionEvent) -> None:
        """The strategy will hear it."""
        self.events.append(event)
        self.inbox.append(event)

    # -- the house in between -------------------------------------------------

    def carry(self, command: SubmitOrder | CancelOrder) -> None:
        """Orders, gateway and exchange in one."""
        if self.mute:
            return
        if isinstance(command, CancelOrder):
            order = self.orders[command.id]
            if order.exchange_order_id is None:  # on its way: remembered until the exchange has named it
                self.outbox.append(command)
            elif order.is_live() and order.cancel_requested_at is None:
                self.orders[order.id] = attrs.evolve(order, cancel_requested_at=self.now.utc)
                self.say(OrderCancelRequested(order=self.orders[order.id]))
                params = {"symbol": self.symbol, "orderId": str(order.exchange_order_id)}
                with suppress(BinanceError):  # it was filled while the cancel was under way
                    self.exchange.cancel(UID, params, self.ms)
            return
        intent = command.intent
        order = RealOrder.new(
            id=intent.id, strategy=intent.strategy, role=intent.role, symbol=intent.symbol, side=intent.side,
            order_type=intent.order_type, now_utc=self.now.utc, quantity=intent.quantity, price=intent.price,
            time_in_force=intent.time_in_force, rests=intent.rests,
        )  # fmt: skip
        if self.refuse is OrderDenied:
            denied = attrs.evolve(order, state=OrderState.REJECTED)
            self.say(OrderDenied(order=denied, reason=Reason.BREAKER_STREAM_LOST, detail="the test says no"))
            return
        if self.refuse is OrderRejected:
            self.say(OrderSubmitted(order=order))
            self.say(OrderRejected(order=attrs.evolve(order, state=OrderState.REJECTED), reason="VENUE_REJECTED"))
            return
        self.orders[order.id] = order
        self.say(OrderSubmitted(order=order))
        params = {"symbol": intent.symbol, "side": str(intent.side), "type": str(intent.order_type),
                  "newClientOrderId": intent.id}  # fmt: skip
        if intent.quantity is not None:
            params["quantity"] = plain(intent.quantity)
        if intent.price is not None:
            params |= {"price": plain(intent.price), "timeInForce": str(intent.time_in_force)}
        self.exchange.place(UID, params, self.ms)

    def hear_exchange(self) -> None:
        """The user stream and the book ticker."""
        for audience, whom, event in self.exchange.take_events():
            if audience == "user" and whom == UID and event["e"] == "executionReport":
                self.merge_report(event)
            elif audience == "market" and event["kind"] == "bookTicker":
                touch = event["data"]
                bid, ask = Decimal(touch["b"]), Decimal(touch["a"])
                self.board.put(
                    Quote(symbol=self.symbol, bid=bid, ask=ask, last=bid, at=self.now.utc, mono=self.now.mono)
                )

    def merge_report(self, payload: dict[str, Any]) -> None:
        """Orders and positions in one."""
        report = execution_from_event(payload)
        merged = merge(self.orders[report.client_id], report, self.now.utc)
        self.orders[merged.order.id] = merged.order
        event = event_of(merged, "")
        if event is not None:
            self.say(event)
        booked = book_order(self.book, merged.order, self.book.base, self.book.quote, self.now.utc)
        for step in booked.steps:
            if step.change is BookChange.CLOSED:
                self.say(
                    PositionClosed(position=step.position, book=step.book, order=merged.order, pnl=ZERO)
                )
            else:
                kind = PositionOpened if step.change is BookChange.OPENED else PositionUpdated
                self.say(kind(position=step.position, book=step.book, order=merged.order))
        self.book = booked.book
