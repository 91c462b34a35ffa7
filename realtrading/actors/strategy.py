"""One strategy's actor: folds what it hears into the view, calls the user's code, sends what that proposes."""
from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from realtrading.domain.commands import StopStrategies
from realtrading.domain.events import (
    OrderDenied,
    OrderEvent,
    OrdersStated,
    PositionCut,
    PositionEvent,
    PositionsStated,
    ReconciliationComplete,
)
from realtrading.domain.reports import QuotesMoved, RulesReported
from realtrading.domain.values import EXACT, Now
from realtrading.errors import HouseError
from realtrading.runtime.actor import Hand
from realtrading.runtime.mailbox import Missed, Tick
from realtrading.strategies.base import IntentRefused, Strategy
from realtrading.strategies.context import IN_FLIGHT_MAX, Context
from realtrading.strategies.failures import failed
from realtrading.strategies.view import View

from .board import Board


class StrategyActor(Hand):
    """Runs one user's `Strategy`. It is told of its own orders and positions only, and can only propose.

    Memory: "view", the strategy's `View`, and with it the counter of its ids. The user's object lives as long as one
    incarnation: `factory` makes a new one after a restart, which is told `on_start` again (or `on_stop`, when the stop
    has come already). Until all totals have been heard once and a reconciliation was clean, nothing is told: before that
    the gate is shut, and a first order would only be denied. What user code raises comes out as
    `StrategyFailed`, and nothing that the letter's callbacks proposed is sent.
    """

    def __init__(
        self,
        *,
        factory: Callable[[], Strategy],
        name: str,
        symbols: tuple[str, ...],
        prefix: str,
        run: int,
        board: Board,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        super().__init__()
        self.strategy_name = name
        self.board = board
        self._factory = factory
        self._ids = (prefix, run)
        self._in_flight_max = in_flight_max
        self._strategy: Strategy | None = None
        self._context: Context | None = None
        self._told_stop = False
        if "view" not in self.memory:
            self.memory["view"] = View(name=name, symbols=symbols)

    @property
    def view(self) -> View:
        """What the strategy knows."""
        view: View = self.memory["view"]
        return view

    def on_start(self) -> None:
        """Make the user's object, so that what fails in making it shows at the start."""
        with decimal.localcontext(EXACT):
            self._strategy = self._made()

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """Fold the message into the view, call the strategy, return what it proposes."""
        with decimal.localcontext(EXACT):
            news = self._fold(message, now)
            if self._context is None and not (self.view.ready and self.memory.get("confirmed")):
                return ()
            strategy = self._strategy = self._strategy or self._made()
            context = self._begun(strategy, now)
            for call in self._calls(strategy, context, message) if news else ():
                self._call(strategy, context, call)
            if self.fenced:  # the successor's view must not learn of orders that will never leave
                return ()
            self.view.note_asked(context.proposed().values(), now.mono)
            said = context.outbox()
            context.begin(now)
            return said

    # -- the view -------------------------------------------------------------

    def _fold(self, message: Any, now: Now) -> bool:
        """Put the message into the view; False when it is no news to this strategy."""
        view = self.view
        if isinstance(message, (OrderEvent, OrderDenied, PositionEvent)):
            if message.order.strategy != self.strategy_name:
                return False
            if isinstance(message, PositionEvent):
                view.hear_book(message.book)
            elif isinstance(message, OrderDenied):
                view.hear_denied(message)
            else:
                view.hear_order(message)
        elif isinstance(message, PositionCut):
            if message.book.strategy == self.strategy_name:
                view.hear_book(message.book)
        elif isinstance(message, OrdersStated):
            view.hear_orders(message, now.mono)
        elif isinstance(message, PositionsStated):
            view.hear_positions(message)
        elif isinstance(message, RulesReported):
            view.hear_rules(message.rules)
        elif isinstance(message, Missed):
            view.miss()
        elif isinstance(message, ReconciliationComplete):
            self.memory["confirmed"] = self.memory.get("confirmed") or message.settled
        elif isinstance(message, StopStrategies):
            view.stopping = view.stopping or message.by
        elif not isinstance(message, (QuotesMoved, Tick)):
            raise HouseError(f"{self.name} has no handler for {type(message).__name__}")
        return True

    # -- the strategy ---------------------------------------------------------

    def _made(self) -> Strategy:
        try:
            return self._factory()
        except Exception as failure:
            raise failed(self.strategy_name, None, failure) from failure

    def _begun(self, strategy: Strategy, now: Now) -> Context:
        """The context, ready for this letter; the object's first callback comes before anything else it is told."""
        if self._context is not None:
            self._context.begin(now)
            return self._context
        prefix, run = self._ids
        context = self._context = Context(
            self.view, self.board.get, now, prefix=prefix, run=run, in_flight_max=self._in_flight_max
        )
        if not context.stopping:
            self._call(strategy, context, partial(strategy.on_start, context))
        return context

    def _calls(self, strategy: Strategy, context: Context, message: Any) -> Iterable[Callable[[], None]]:
        """What this message means to the strategy, as calls."""
        if context.stopping and not self._told_stop:
            self._told_stop = True
            yield partial(strategy.on_stop, context)
        if isinstance(message, QuotesMoved):
            for symbol in context.symbols:
                quote = self.board.get(symbol) if symbol in message.symbols else None
                if quote is not None:
                    yield partial(strategy.on_quote, context, quote)
        elif isinstance(message, (OrderEvent, OrderDenied)):
            yield partial(strategy.on_order, context, message)
        elif isinstance(message, PositionEvent):
            yield partial(strategy.on_position, context, message)
        elif isinstance(message, Tick):
            yield partial(strategy.on_timer, context)

    def _call(self, strategy: Strategy, context: Context, call: Callable[[], None]) -> None:
        """Run one callback; a proposal that comes after the stop is refused, and that is no failure."""
        before = len(context.outbox())
        try:
            call()
        except IntentRefused as refusal:
            if not context.stopping:
                raise failed(self.strategy_name, type(strategy), refusal) from refusal
            context.keep_first(before)
        except Exception as failure:
            raise failed(self.strategy_name, type(strategy), failure) from failure
