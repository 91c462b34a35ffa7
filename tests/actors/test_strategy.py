"""A strategy's actor: what its author's code is told, what it may propose, and what becomes of its mistakes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import attrs
import pytest

from order_factories import a_round
from realtrading.actors.board import Board
from realtrading.actors.strategy import StrategyActor
from realtrading.domain.commands import CancelOrder, StopStrategies, SubmitOrder
from realtrading.domain.events import (
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderPlaced,
    OrdersStated,
    OrderSubmitted,
    PositionClosed,
    PositionCut,
    PositionOpened,
    PositionsStated,
    ReconciliationComplete,
)
from realtrading.domain.orders import OrderFill, OrderState, RealOrder
from realtrading.domain.positions import PositionBook, book_order
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import QuotesMoved, RulesReported
from realtrading.domain.values import ClientId, Now, OrderType, Quote, Role, Side, SymbolRules, TimeInForce
from realtrading.errors import HouseError
from realtrading.runtime.actor import Keeper, staffing
from realtrading.runtime.house import House
from realtrading.runtime.mailbox import Incarnation, Mailbox, Missed, Tick
from realtrading.runtime.spec import ActorSpec
from realtrading.strategies import Context, IntentRefused, Strategy
from realtrading.strategies.failures import StrategyFailed
from realtrading.strategies.view import UNHEARD_S, View

BTC, ETH = "BTCUSDT", "ETHUSDT"
T0 = datetime(2026, 3, 1, tzinfo=UTC)
TICK = Tick("strategy:grid")


def now(seconds: float = 0.0) -> Now:
    return Now(mono=100.0 + seconds, utc=T0 + timedelta(seconds=seconds))


def rules(symbol: str, **given: Any) -> SymbolRules:
    return SymbolRules(
        symbol=symbol, base=symbol[:3], quote="USDT", status="TRADING", tick=D("0.01"), step=D("0.001"),
        quantity_min=D("0.001"), quantity_max=D(100), price_min=D("0.01"), price_max=D(10**6), notional_min=D(5),
        **given,
    )  # fmt: skip


def quote(symbol: str = BTC, bid: str = "99.99", ask: str = "100.01") -> Quote:
    return Quote(symbol=symbol, bid=D(bid), ask=D(ask), last=D(bid), at=T0, mono=100.0)


class Scripted(Strategy):
    """Notes every callback as (name, argument), then does what the test planned for it, once per plan."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []
        self.plans: dict[str, list[Callable[[Context], object]]] = {}
        self.ctx: Context | None = None

    def note(self, name: str, ctx: Context, what: Any) -> None:
        self.ctx = ctx
        self.told.append((name, what))
        if self.plans.get(name):
            self.plans[name].pop(0)(ctx)

    def on_start(self, ctx: Context) -> None:
        self.note("start", ctx, None)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.note("quote", ctx, quote)

    def on_order(self, ctx: Context, event: Any) -> None:
        self.note("order", ctx, event)

    def on_position(self, ctx: Context, event: Any) -> None:
        self.note("position", ctx, event)

    def on_timer(self, ctx: Context) -> None:
        self.note("timer", ctx, None)

    def on_stop(self, ctx: Context) -> None:
        self.note("stop", ctx, None)


class Stage:
    """One strategy's actor, handled directly, and its successor on the same mailbox when asked."""

    def __init__(self, *, in_flight_max: int = 20, ready: bool = True) -> None:
        self.board = Board()
        self.in_flight_max = in_flight_max
        self.mailbox = Mailbox(ActorSpec("strategy:grid", StrategyActor, "own:grid"))
        self.actor = self.incarnate()
        if ready:
            self.hear(RulesReported(rules=(rules(BTC), rules(ETH))))
            self.hear(OrdersStated(orders=()))
            self.hear(PositionsStated(books=()))
            self.hear(a_round())

    def incarnate(self) -> StrategyActor:
        """A fresh actor and a fresh user's object on the mailbox that stays."""
        self.strategy = Scripted()
        with staffing(Incarnation(self.mailbox, 0)):
            return StrategyActor(
                factory=lambda: self.strategy, name="grid", symbols=(BTC, ETH), prefix="rt", run=3, board=self.board,
                in_flight_max=self.in_flight_max,
            )  # fmt: skip

    def hear(self, message: object, seconds: float = 0.0) -> list[Any]:
        return list(self.actor.handle(message, now(seconds)))

    def on(self, name: str, *plans: Callable[[Context], object]) -> Stage:
        self.strategy.plans.setdefault(name, []).extend(plans)
        return self

    def do(self, plan: Callable[[Context], object], seconds: float = 0.0) -> list[Any]:
        """Let the strategy do this in its timer; returns what left."""
        return self.on("timer", plan).hear(TICK, seconds)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.strategy.told]

    @property
    def view(self) -> View:
        view: View = self.mailbox.memory["view"]
        return view

    @property
    def ctx(self) -> Context:
        assert self.strategy.ctx is not None
        return self.strategy.ctx


def an_order(
    state: OrderState = OrderState.NEW, *, id: str = "rt_3_grid_n9", side: Side = Side.BUY, **given: Any
) -> RealOrder:
    order = RealOrder.new(
        id=id, strategy="grid", role=Role.ENTRY, symbol=BTC, side=side, order_type=OrderType.LIMIT, quantity=D(1),
        price=D(100), now_utc=T0,
    )  # fmt: skip
    return attrs.evolve(order, state=state, exchange_order_id=5, **given)


def filled(order: RealOrder, trade_id: int = 1, price: str = "100") -> RealOrder:
    fill = OrderFill(
        trade_id=trade_id, price=D(price), quantity=D(1), quote_quantity=D(price), commission=D("0.001"),
        commission_asset="BTC" if order.side is Side.BUY else "USDT", is_maker=False, timestamp=T0,
    )  # fmt: skip
    return attrs.evolve(order, state=OrderState.FILLED, executed_quantity=D(1), cumulative_quote=D(price), fills=(fill,))


def a_book() -> PositionBook:
    return PositionBook(strategy="grid", symbol=BTC, base="BTC", quote="USDT")


def opened(order: RealOrder, book: PositionBook | None = None) -> PositionOpened:
    """What positions says of a filled buy."""
    step = book_order(book or a_book(), order, "BTC", "USDT", T0).steps[0]
    return PositionOpened(position=step.position, book=step.book, order=order)


def holding_one() -> Stage:
    """A strategy that has bought 1 BTC, less the fee of 0.001."""
    stage = Stage()
    order = filled(an_order())
    stage.hear(OrderFilled(order=order))
    stage.hear(opened(order))
    return stage


class Scribe(Keeper):
    """Stands where orders stands, and keeps what it gets."""

    def __init__(self, got: list[Any]) -> None:
        super().__init__()
        self.got = got

    def handle(self, message: Any, now: Any) -> tuple[object, ...]:
        self.got.append(message)
        return ()


# -- what it is told ----------------------------------------------------------


def test_nothing_is_told_before_rules_orders_and_positions_are_known() -> None:
    """on_start is the first callback; it waits for what a strategy decides by, and for books that agree with the venue."""
    stage = Stage(ready=False)
    stage.board.put(quote())
    early = [TICK, QuotesMoved(symbols=frozenset({BTC})), RulesReported(rules=(rules(BTC),)), OrdersStated(orders=()),
             PositionsStated(books=()), RulesReported(rules=(rules(ETH),)), a_round(clean=False), TICK]  # fmt: skip
    for message in early:
        stage.hear(message)
        assert stage.names == []

    stage.hear(a_round())

    assert stage.names == ["start"]
    stage.hear(TICK)
    assert stage.names == ["start", "timer"]


def test_quotes_of_own_symbols_come_from_the_board() -> None:
    """A letter that names several symbols becomes one call for each own one that has a quote."""
    stage = Stage()
    stage.board.put(quote(BTC, "1", "2"))
    stage.board.put(quote("LTCUSDT"))

    stage.hear(QuotesMoved(symbols=frozenset({BTC, ETH, "LTCUSDT"})))

    assert stage.strategy.told[1:] == [("quote", quote(BTC, "1", "2"))]


def test_an_order_is_seen_from_the_proposal_to_its_fill() -> None:
    """PENDING when proposed, then as orders tells it; gone when final, settled when the position has booked it."""
    stage = Stage()
    seen: list[tuple[RealOrder, ...]] = []
    stage.do(lambda ctx: (ctx.buy(BTC, quantity=D(1)), seen.append(ctx.orders)))
    (pending,) = seen[0]
    assert (pending.state, pending.original_quantity, stage.ctx.orders) == (OrderState.PENDING, D(1), (pending,))

    stage.hear(OrderSubmitted(order=pending))
    placed = attrs.evolve(pending, state=OrderState.NEW)
    stage.hear(OrderPlaced(order=placed))
    assert (stage.ctx.orders, stage.ctx.settled(BTC), stage.ctx.settled(ETH)) == ((placed,), False, True)

    done = filled(placed)
    stage.hear(OrderFilled(order=done))
    assert (stage.ctx.orders, stage.ctx.settled(BTC), stage.ctx.position(BTC)) == ((), False, D(0))

    event = opened(done)
    stage.hear(event)
    assert (stage.ctx.settled(BTC), stage.ctx.position(BTC)) == (True, D("0.999"))
    assert stage.ctx.position_of(BTC) == event.position
    assert stage.strategy.told[-1] == ("position", event)
    assert stage.names[1:] == ["timer", "order", "order", "order", "position"]


def test_a_closed_position_is_none() -> None:
    """When the last of it is sold, quantity is 0 and there is no position."""
    stage = Stage()
    bought = filled(an_order())
    stage.hear(opened(bought))
    sold = attrs.evolve(filled(an_order(id="rt_3_grid_xa", side=Side.SELL), 2), fills=(
        attrs.evolve(filled(an_order(side=Side.SELL), 2).fills[0], quantity=D("0.999")),))  # fmt: skip
    step = book_order(opened(bought).book, sold, "BTC", "USDT", T0).steps[0]

    stage.hear(PositionClosed(position=step.position, book=step.book, order=sold, pnl=D(0)))

    assert (stage.ctx.position(BTC), stage.ctx.position_of(BTC)) == (D(0), None)


def test_a_denied_order_was_never_there() -> None:
    """The strategy hears the reason, and nothing of the order is left in its view."""
    stage = Stage()
    (said,) = stage.do(lambda ctx: ctx.buy(BTC, quantity=D(1)))
    (order,) = stage.ctx.orders
    event = OrderDenied(order=order, reason=Reason.BREAKER_STREAM_LOST, detail="")

    stage.hear(event)

    assert said.intent.id == order.id
    assert (stage.strategy.told[-1], stage.ctx.orders, stage.ctx.settled(BTC)) == (("order", event), (), True)


def test_other_strategies_are_nobodys_business() -> None:
    """Events of another strategy's orders and positions reach neither the code nor the view."""
    stage = Stage()
    other = attrs.evolve(filled(an_order()), strategy="other")
    book = attrs.evolve(a_book(), strategy="other")

    stage.hear(OrderPlaced(order=attrs.evolve(an_order(), strategy="other")))
    stage.hear(opened(other, book))
    stage.hear(OrdersStated(orders=(attrs.evolve(an_order(), strategy="other"),)))
    stage.hear(PositionsStated(books=(opened(other, book).book,)))

    assert (stage.names, stage.ctx.orders, stage.ctx.position(BTC)) == (["start"], (), D(0))


# -- healing ------------------------------------------------------------------


def test_totals_are_taken_as_they_are() -> None:
    """An order that is not stated is dropped, one that is stated appears; the same for positions."""
    stage = holding_one()
    stage.hear(OrderPlaced(order=an_order()))
    other = an_order(id="rt_3_grid_nb")

    stage.hear(OrdersStated(orders=(other,)))
    stage.hear(PositionsStated(books=()))

    assert (stage.ctx.orders, stage.ctx.position(BTC)) == ((other,), D(0))
    stage.hear(PositionsStated(books=(opened(filled(an_order())).book,)))
    assert stage.ctx.position(BTC) == D("0.999")


def test_a_cut_position_is_seen_by_its_own_strategy_only() -> None:
    """Coins that left the wallet leave the view, of the strategy whose position was cut."""
    stage = holding_one()
    stage.hear(PositionCut(book=attrs.evolve(a_book(), strategy="other"), detail=""))
    assert stage.ctx.position(BTC) == D("0.999")

    stage.hear(PositionCut(book=a_book(), detail=""))
    assert stage.ctx.position(BTC) == D(0)


def test_a_proposal_on_its_way_survives_a_total_that_is_older() -> None:
    """What was asked a moment ago cannot be in the total yet; what was asked long ago would be, so it is gone."""
    stage = Stage()
    stage.do(lambda ctx: ctx.buy(BTC, quantity=D(1)))

    stage.hear(OrdersStated(orders=()), seconds=UNHEARD_S)
    assert len(stage.ctx.orders) == 1
    stage.hear(OrdersStated(orders=()), seconds=UNHEARD_S + 1)
    assert stage.ctx.orders == ()


def test_a_stated_fill_counts_as_settled_only_when_it_is_booked() -> None:
    """A total with a filled order the position has not booked leaves the symbol unsettled until it has."""
    stage = Stage()
    order = filled(an_order())

    stage.hear(OrdersStated(orders=(order,)))
    assert not stage.ctx.settled(BTC)
    stage.hear(PositionsStated(books=(opened(order).book,)))
    assert stage.ctx.settled(BTC)


def test_lost_letters_make_the_view_stale_until_both_totals_are_told() -> None:
    """`stale` is set by a loss and cleared by the totals; the callbacks go on meanwhile."""
    stage = Stage()
    stale = []
    for message in (Missed(3), TICK, OrdersStated(orders=()), PositionsStated(books=())):
        stage.hear(message)
        stale.append(stage.ctx.stale)

    assert (stale, stage.names) == ([True, True, True, False], ["start", "timer"])


# -- proposing ----------------------------------------------------------------


def test_a_proposal_becomes_an_intent_with_a_minted_id() -> None:
    """Side, size and price as asked; roles by side; ids count on and tell run, strategy and role."""
    stage = Stage()
    first, second, third = stage.do(
        lambda ctx: (
            ctx.buy(BTC, quote_quantity=D(50)),
            ctx.sell(ETH, quantity=D(2), price=D(9), time_in_force=TimeInForce.IOC, rests=True),
            ctx.buy(BTC, quantity=D(1), price=D(8), order_type=OrderType.LIMIT_MAKER, role=Role.TARGET),
        )
    )

    buy, sell, maker = first.intent, second.intent, third.intent
    assert (buy.side, buy.order_type, buy.quote_quantity, buy.role) == (Side.BUY, OrderType.MARKET, D(50), Role.ENTRY)
    assert (sell.side, sell.order_type, sell.quantity, sell.price) == (Side.SELL, OrderType.LIMIT, D(2), D(9))
    assert (sell.time_in_force, sell.rests, sell.role) == (TimeInForce.IOC, True, Role.EXIT)
    assert (maker.order_type, maker.role) == (OrderType.LIMIT_MAKER, Role.TARGET)
    ids = [ClientId.parse(intent.id) for intent in (buy, sell, maker)]
    assert ids == [
        ClientId(prefix="rt", run=3, strategy="grid", role=role, counter=counter)
        for counter, role in enumerate((Role.ENTRY, Role.EXIT, Role.TARGET), 1)
    ]


def test_an_own_order_can_be_cancelled_once() -> None:
    """The cancel names the strategy; a second one, or one after the house has heard the first, sends nothing."""
    stage = Stage()
    stage.hear(OrderPlaced(order=an_order()))

    assert stage.do(lambda ctx: (ctx.cancel("rt_3_grid_n9"), ctx.cancel("rt_3_grid_n9"))) == [
        CancelOrder(id="rt_3_grid_n9", by="strategy grid")
    ]
    stage.hear(OrderPlaced(order=an_order(cancel_requested_at=T0)))
    assert stage.do(lambda ctx: ctx.cancel("rt_3_grid_n9")) == []


def refused(stage: Stage, plan: Callable[[Context], object]) -> str:
    """The sentence with which the plan is refused, in the strategy's face."""
    words: list[str] = []

    def attempt(ctx: Context) -> None:
        with pytest.raises(IntentRefused) as refusal:
            plan(ctx)
        words.append(str(refusal.value))

    assert stage.do(attempt) == []
    return words[0]


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (lambda ctx: ctx.buy(BTC), "buy BTCUSDT: give either quantity or quote_quantity"),
        (
            lambda ctx: ctx.sell(BTC, quantity=D(1), quote_quantity=D(1)),
            "sell BTCUSDT: give either quantity or quote_quantity",
        ),
        (lambda ctx: ctx.buy(BTC, quantity=0.5), "buy BTCUSDT: quantity must be a Decimal, not float 0.5"),
        (lambda ctx: ctx.buy(BTC, quantity=D(0)), "buy BTCUSDT: quantity 0 is not above zero"),
        (lambda ctx: ctx.buy(BTC, quantity=D("NaN")), "buy BTCUSDT: quantity is not a finite number: NaN"),
        (
            lambda ctx: ctx.buy(BTC, quantity=D("0." + "1" * 60)),
            f"buy BTCUSDT: quantity is more than 20 digits after the point: 0.{'1' * 38}… (62 characters)",
        ),
        (
            lambda ctx: ctx.buy(BTC, quantity=D(1), price=D("1e60")),
            "buy BTCUSDT: price is more than 20 digits before the point: 1E+60",
        ),
        (lambda ctx: ctx.buy(BTC, quantity=D(1), price=D(-1)), "buy BTCUSDT: price -1 is not above zero"),
        (
            lambda ctx: ctx.buy("LTCUSDT", quantity=D(1)),
            "'LTCUSDT' is not a symbol of strategy grid (BTCUSDT, ETHUSDT)",
        ),
        (lambda ctx: ctx.position("LTCUSDT"), "'LTCUSDT' is not a symbol of strategy grid (BTCUSDT, ETHUSDT)"),
        (lambda ctx: ctx.cancel("rt_3_grid_n1"), "cancel: no order 'rt_3_grid_n1' of strategy grid lives"),
    ],
)
def test_a_senseless_proposal_is_refused_on_the_spot(plan: Callable[[Context], object], sentence: str) -> None:
    """One sentence says what is wrong; nothing is sent and nothing shows in the view."""
    stage = Stage()

    assert refused(stage, plan) == sentence
    assert stage.ctx.orders == ()


def test_only_so_many_orders_may_be_under_way() -> None:
    """Live orders, unanswered ones and those proposed just now count together."""
    stage = Stage(in_flight_max=3)
    stage.hear(OrderPlaced(order=an_order()))
    stage.do(lambda ctx: ctx.buy(BTC, quantity=D(1)))

    said = stage.on("quote", lambda ctx: ctx.buy(BTC, quantity=D(2))).board.put(quote()) or stage.hear(
        QuotesMoved(symbols=frozenset({BTC}))
    )
    assert [message.intent.quantity for message in said] == [D(2)]
    sentence = "buy BTCUSDT: 3 orders of strategy grid already live or wait"
    assert refused(stage, lambda ctx: ctx.buy(BTC, quantity=D(1))) == sentence

    stage.hear(OrderCancelled(order=an_order(OrderState.CANCELLED)))
    assert len(stage.do(lambda ctx: ctx.buy(BTC, quantity=D(1)))) == 1


def test_amounts_are_rounded_to_what_the_venue_takes() -> None:
    """Quantities down to the coarser of the steps, prices down or up to the tick; unknown rules are refused."""
    stage = Stage()
    stage.hear(RulesReported(rules=(rules(BTC, market_step=D("0.01")),)))

    assert stage.ctx.round_quantity(BTC, D("1.0199")) == D("1.01")
    assert stage.ctx.round_quantity(ETH, D("1.0199")) == D("1.019")
    assert stage.ctx.round_price(BTC, D("1.019")) == D("1.01")
    assert stage.ctx.round_price(BTC, D("1.011"), up=True) == D("1.02")
    del stage.view.rules[ETH]
    with pytest.raises(IntentRefused, match="the rules of ETHUSDT are not known yet"):
        stage.ctx.round_quantity(ETH, D(1))


# -- failing ------------------------------------------------------------------


def test_a_failing_callback_sends_nothing_and_names_its_line() -> None:
    """What it had proposed is gone, its ids are not used again, and the error points at the author's line."""
    stage = Stage()

    def breaks(ctx: Context) -> None:
        ctx.buy(BTC, quantity=D(1))
        raise ZeroDivisionError("no\nway")

    with pytest.raises(StrategyFailed) as failure:
        stage.do(breaks)

    line = breaks.__code__.co_firstlineno + 2
    assert str(failure.value) == f"strategy grid: {__file__} line {line}: ZeroDivisionError: no way"
    assert (stage.view.asked, stage.view.live) == ({}, {})
    (said,) = stage.do(lambda ctx: ctx.buy(BTC, quantity=D(1)))
    assert said.intent.id == "rt_3_grid_n2"


def test_a_refusal_nobody_catches_is_a_failure() -> None:
    """A refused proposal that leaves the callback fails the strategy, with the sentence and the author's line."""
    stage = Stage()

    with pytest.raises(StrategyFailed, match=rf"{__file__} line \d+: IntentRefused: buy BTCUSDT: give either"):
        stage.do(lambda ctx: ctx.buy(BTC))


def test_an_object_that_cannot_be_made_fails_the_start() -> None:
    """What the author's __init__ raises comes out of the actor's start, with file and line."""

    class Unmakeable(Strategy):
        def __init__(self) -> None:
            raise KeyError("colour")

    actor = StrategyActor(factory=Unmakeable, name="grid", symbols=(BTC,), prefix="rt", run=1, board=Board())

    with pytest.raises(StrategyFailed, match=rf"strategy grid: {__file__} line \d+: KeyError: 'colour'"):
        actor.on_start()


def test_an_unknown_letter_is_our_bug() -> None:
    """A message that no route should bring here is not swallowed."""
    stage = Stage()

    with pytest.raises(HouseError, match="no handler for str"):
        stage.hear("hello")


def test_a_successor_knows_the_orders_and_is_started_again() -> None:
    """A new object on the old mailbox: on_start again, with orders and positions as heard, and ids that go on."""
    stage = holding_one()
    stage.hear(OrderPlaced(order=an_order(id="rt_3_grid_nb")))
    stage.do(lambda ctx: ctx.buy(ETH, quantity=D(1)))
    before = stage.ctx.orders

    stage.actor = stage.incarnate()
    (said,) = stage.on("start", lambda ctx: ctx.buy(ETH, quantity=D(2))).hear(TICK)

    assert stage.names == ["start", "timer"]
    assert stage.ctx.orders[:2] == before
    assert (stage.ctx.position(BTC), said.intent.id) == (D("0.999"), "rt_3_grid_n2")


def test_a_replaced_incarnation_leaves_no_trace() -> None:
    """When it was fenced while its code ran, its proposals are neither sent nor remembered."""
    stage = Stage()

    def hangs(ctx: Context) -> None:
        stage.actor._incarnation.fenced = True
        ctx.buy(BTC, quantity=D(1))

    assert (stage.do(hangs), stage.view.asked) == ([], {})


def test_the_house_restarts_a_strategy_that_crashes() -> None:
    """In a real (seeded) house: the letter is set aside, its proposals never arrive, a fresh object goes on."""
    made: list[Scripted] = []
    clock = [now()]
    board = Board()

    def factory() -> Scripted:
        made.append(Scripted())
        if len(made) == 1:
            made[0].plans["timer"] = [lambda ctx: (ctx.buy(BTC, quantity=D(7)), 1 / 0)]
        else:
            made[-1].plans["timer"] = [lambda ctx: ctx.buy(BTC, quantity=D(1))]
        return made[-1]

    def actor() -> StrategyActor:
        return StrategyActor(factory=factory, name="grid", symbols=(BTC,), prefix="rt", run=3, board=board)

    placed: list[Any] = []

    name = "strategy:grid"
    spec = ActorSpec(name, actor, "own:grid", critical=False, retry_letter=False)
    told = (RulesReported, OrdersStated, PositionsStated, ReconciliationComplete, Tick)
    routes = {SubmitOrder: ("orders",), **dict.fromkeys(told, (name,))}
    house = House([ActorSpec("orders", lambda: Scribe(placed), "money"), spec], routes, clock=lambda: clock[0], seed=1)
    house.start()
    for message in (RulesReported(rules=(rules(BTC),)), OrdersStated(orders=()), PositionsStated(books=()), a_round(), TICK):
        house.post(message)
    house.run_until_idle()
    for seconds in range(1, 5):
        clock[0] = now(seconds)
        house.run_until_idle()
    house.post(TICK)
    house.run_until_idle()
    house.stop()

    assert [strategy.told for strategy in made] == [[("start", None), ("timer", None)]] * 2
    assert [message.intent.quantity for message in placed] == [D(1)]
    assert house.mailbox(name).restarts["crash"] == 1


# -- stopping -----------------------------------------------------------------


def test_after_the_stop_only_cancels_and_exits_are_taken() -> None:
    """on_stop is told once; a sell up to the position passes, a buy or a larger sell is refused and harms nobody."""
    stage = holding_one()
    stage.hear(OrderPlaced(order=an_order(id="rt_3_grid_nb")))
    stop = StopStrategies(by="demo")
    assert stage.hear(stop) == stage.hear(stop) == []
    assert stage.names.count("stop") == 1
    assert stage.ctx.stopping

    sentence = refused(stage, lambda ctx: ctx.buy(BTC, quantity=D(1)))
    assert sentence.startswith("buy BTCUSDT: demo has stopped strategy grid; only cancels and orders that reduce")
    assert "now up to 0.999" in refused(stage, lambda ctx: ctx.sell(BTC, quantity=D(1)))
    assert stage.do(lambda ctx: ctx.cancel("rt_3_grid_nb")) == [CancelOrder(id="rt_3_grid_nb", by="strategy grid")]
    assert stage.do(lambda ctx: (ctx.cancel("rt_3_grid_nb"), ctx.buy(BTC, quantity=D(1)))) == []
    (half,) = stage.do(lambda ctx: ctx.sell(BTC, quantity=D("0.5")))
    assert half.intent.side is Side.SELL
    assert "now up to 0.499" in refused(stage, lambda ctx: ctx.sell(BTC, quantity=D("0.5")))


def test_an_object_made_after_the_stop_is_told_to_stop() -> None:
    """A strategy that is restarted while it winds down is told on_stop, and no on_start."""
    stage = Stage()
    stage.hear(StopStrategies(by="demo"))

    stage.actor = stage.incarnate()
    stage.hear(TICK)

    assert stage.names == ["stop", "timer"]
