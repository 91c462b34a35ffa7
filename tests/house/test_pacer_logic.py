"""The example strategy against the exchange core: it trades every way on any market, and knows when to be quiet."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from paper_house import PaperHouse, rules_of
from realtrading.domain.commands import CancelOrder, StopStrategies, SubmitOrder
from realtrading.domain.events import OrderDenied, OrderFilled, OrderPlaced, OrderRejected, PositionEvent
from realtrading.domain.orders import OrderState
from realtrading.domain.positions import is_dust
from realtrading.domain.values import OrderType, Side
from realtrading.sim.tape import Tape
from realtrading.sim.tape_file import Row
from realtrading.strategies import Pacer
from realtrading.strategies.failures import StrategyFailed
from realtrading.strategies.pacer import PacerConfig

SPAN_S = 20.0


def sliding(percent: int) -> Tape:
    """A market that goes one way all the time, by so much in all."""
    dice = random.Random(5)
    rows = []
    for index in range(3000):
        price = D(2000) * (1 + D(percent) * index / 300_000)
        offset_ms, quantity, buy = index * 20, D(dice.randint(10, 3000)) / 10_000, dice.random() < 0.5
        rows.append(Row(price.quantize(D("0.01")), quantity, 1_700_000_000_000 + offset_ms, buy))
    return Tape.of("ETHUSDT", "ETH", "USDT", rows)


MARKETS: dict[str, Callable[[], Tape]] = {
    "in dollars": lambda: Tape.synthetic("BTCUSDT", 3, trades=2000),
    "eight decimals, whole quantities, in BTC": lambda: Tape.synthetic("DOGEBTC", 3, trades=2000, price=D("0.00000423")),
    "tiny price, whole quantities": lambda: Tape.synthetic("SHIBUSDT", 3, trades=2000, price=D("0.00001234")),
    "in BTC": lambda: Tape.synthetic("ETHBTC", 3, trades=2000),
    "in yen": lambda: Tape.synthetic("XRPJPY", 4, trades=2000, price=D(80)),
    "unknown quote asset": lambda: Tape.synthetic("AAABBB", 5, trades=2000, base="AAA", quote="BBB"),
    "few trades": lambda: Tape.synthetic("BTCUSDT", 6, trades=300),
    "falling by a tenth": lambda: sliding(-10),
    "rising by a tenth": lambda: sliding(10),
}  # fmt: skip


def house(tape: Tape, *, smallest_orders: int = 100) -> PaperHouse:
    """Pacer on the tape, with a budget of so many smallest orders."""
    budget = tape.rules().min_notional * smallest_orders
    return PaperHouse(tape, Pacer(PacerConfig(budget=budget)), seconds=SPAN_S, funds=budget * 2)


def round_trips(played: PaperHouse) -> int:
    """How often a sale left nothing that could be sold, where there had been something."""
    rules = rules_of(played.exchange, played.symbol)
    told = [event for event in played.events if isinstance(event, PositionEvent)]
    flat = [is_dust(abs(event.book.quantity), rules, event.position.current_price) for event in told]
    return sum(now and not before for before, now in zip([True, *flat], flat, strict=False))


def expect_all_kinds_of_trade(played: PaperHouse) -> None:
    """What the demo promises its reader, and no more than one order at a time."""
    done = [order for order in played.orders.values() if order.fills]
    rested = {e.order.id for e in played.events if isinstance(e, OrderPlaced)}
    assert sum(order.side is Side.BUY for order in done) >= 5
    assert sum(order.side is Side.SELL for order in done) >= 5
    assert any(len(order.fills) > 1 for order in done)
    assert any(order.id in rested and any(fill.is_maker for fill in order.fills) for order in done)
    assert any(order.state is OrderState.CANCELLED for order in played.orders.values())
    assert {fill.commission_asset for order in done for fill in order.fills} == {played.tape.base, played.tape.quote}
    assert round_trips(played) >= 2
    assert played.live_max == 1


def expect_a_quiet_end(played: PaperHouse) -> None:
    """Stopped, it cancels, sells what can be sold, and then says nothing more."""
    played.tell(StopStrategies(by="the test"))
    played.run(2.5)
    said = len(played.sent)
    played.run(1.5)

    rules, quote = rules_of(played.exchange, played.symbol), played.board.get(played.symbol)
    assert quote is not None
    assert played.live == []
    assert is_dust(played.book.quantity, rules, quote.bid)
    assert len(played.sent) == said


@pytest.mark.parametrize("market", MARKETS)
def test_it_trades_every_way_on_any_market_and_ends_flat(market: str) -> None:
    """Any price scale, precision, quote asset or direction: every kind of order within 14 s, none refused, then peace."""
    played = house(MARKETS[market]())

    played.run(14)

    expect_all_kinds_of_trade(played)
    expect_a_quiet_end(played)


@pytest.mark.parametrize("smallest_orders", [20, 100, 1000])
def test_it_trades_every_way_on_the_recorded_tape(shared_dir: Path, smallest_orders: int) -> None:
    """The same on recorded trades, with a budget that is just enough, ordinary, or large."""
    tape = Tape.load(shared_dir / "tapes" / "BTCUSDT-trades-2021-01-08.csv")
    played = house(tape, smallest_orders=smallest_orders)

    played.run(14)

    expect_all_kinds_of_trade(played)
    expect_a_quiet_end(played)


def test_it_never_spends_more_than_its_budget() -> None:
    """What it holds and what it has asked to buy is never worth more than the budget."""
    played = house(MARKETS["in dollars"](), smallest_orders=10)
    highest = D(0)
    for _ in range(700):
        played.step()
        quote = played.board.get(played.symbol)
        wanted = sum((o.remaining_quantity for o in played.live if o.side is Side.BUY), D(0))
        if quote is not None:
            highest = max(highest, (played.book.quantity + wanted) * quote.bid)

    # the market moves a little while it holds
    assert D(25) < highest <= D(50) * D("1.01")


@pytest.mark.parametrize("kind", [OrderDenied, OrderRejected])
def test_a_no_makes_it_wait_longer_each_time(kind: Any) -> None:
    """While all is refused it asks a few times and never piles up; once orders pass it trades again."""
    played = house(MARKETS["in dollars"]())
    played.run(2)
    played.refuse = kind
    before = len(played.sent)
    played.run(8)
    asked = [said for said in played.sent[before:] if isinstance(said, SubmitOrder)]

    assert 2 <= len(asked) <= 8
    played.refuse = None
    fills = sum(isinstance(event, OrderFilled) for event in played.events)
    played.run(6)
    assert sum(isinstance(event, OrderFilled) for event in played.events) >= fills + 3


def test_an_order_nobody_answers_is_the_last_one() -> None:
    """An unanswered order counts as live, so nothing more is asked while it is; only a limit order's cancel."""
    played = house(MARKETS["in dollars"]())
    played.mute = True

    played.run(10)

    assert [type(said) for said in played.sent] in ([SubmitOrder], [SubmitOrder, CancelOrder])


def test_a_new_object_clears_up_after_the_old_one() -> None:
    """Restarted while an order rests: it cancels that order, once, and goes on trading."""
    played = house(MARKETS["in dollars"]())
    while not any(order.order_type is OrderType.LIMIT and order.is_active() for order in played.live):
        played.step()
    (rests,) = played.live
    before = len(played.sent)

    played.actor = played.incarnate(Pacer(PacerConfig(budget=D(100))))
    played.run(8)

    assert played.sent[before] == CancelOrder(id=rests.id, by="strategy paper")
    assert [said for said in played.sent[before + 1 :] if isinstance(said, CancelOrder) and said.id == rests.id] == []
    assert played.live_max == 1
    assert sum(isinstance(said, SubmitOrder) for said in played.sent[before:]) > 10


def test_a_budget_that_buys_nothing_is_refused_at_the_start() -> None:
    """A budget too small for the venue's smallest order fails the strategy with a sentence that says what it takes."""
    played = house(MARKETS["in dollars"](), smallest_orders=4)

    with pytest.raises(StrategyFailed, match=r"a budget of 20 USDT is too small for BTCUSDT, it takes 25$"):
        played.run(1)
