"""The risk keeper: holds commitments by merge, frees them by fact, and halts on the day's loss."""
from __future__ import annotations

import decimal
import itertools
from typing import Any

import attrs
import pytest

from bench import CONFIG, RULES, START, Bench, D, a_board, of, one
from order_factories import an_order
from realtrading.actors.risk import RiskActor
from realtrading.domain.balances import opening
from realtrading.domain.commands import GateOrder, VetOrder
from realtrading.domain.events import (
    BalanceUpdated,
    CommitmentHeld,
    LimitBreached,
    OrderCancelled,
    OrderDenied,
    OrderFilled,
    OrderPlaced,
    OrdersStated,
    OrderVetoed,
    PositionOpened,
)
from realtrading.domain.fills import OrderFill
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.positions import PositionBook, book_order
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import QuotesMoved
from realtrading.domain.values import EXACT, OrderType, Side

ID = "rt_1_grid_n1"


@pytest.fixture
def bench() -> Bench:
    actor = RiskActor(config=CONFIG, board=a_board(), symbols=("BTCUSDT",), reporting_asset="USDT")
    actor.tables.put("rules", "BTCUSDT", RULES)
    bench = Bench(actor)
    bench.tell(balance("USDT", "10000"))
    return bench


def balance(asset: str, total: str) -> BalanceUpdated:
    line = opening(asset, D(total), D(0), START)
    return BalanceUpdated(asset=asset, free=D(total), locked=D(0), line=line)


def vet(order: RealOrder) -> VetOrder:
    return VetOrder(order=order, valid_until_mono=105.0)


def filled(order: RealOrder, price: str = "100") -> RealOrder:
    fill = OrderFill(
        trade_id=1,
        price=D(price),
        quantity=order.original_quantity,
        quote_quantity=order.original_quantity * D(price),
        commission=D(0),
        commission_asset="BTC",
        is_maker=False,
        timestamp=START,
    )
    return attrs.evolve(
        order,
        state=OrderState.FILLED,
        exchange_order_id=7,
        executed_quantity=order.original_quantity,
        cumulative_quote=fill.quote_quantity,
        fills=(fill,),
    )


def position_of(order: RealOrder) -> PositionOpened:
    empty = PositionBook(strategy="grid", symbol="BTCUSDT", base="BTC", quote="USDT")
    with decimal.localcontext(EXACT):
        step = book_order(empty, order, "BTC", "USDT", START).steps[-1]
    return PositionOpened(position=step.position, book=step.book, order=order)


def held(bench: Bench, order_id: str = ID) -> Any:
    return bench.row("commitments", order_id)


def test_an_order_within_limits_is_held_and_goes_to_the_gate(bench: Bench) -> None:
    """Judged once: the commitment is held before the order goes on, its deadline with it."""
    said = bench.tell(vet(an_order(quantity="2")))

    gate = one(said, GateOrder)
    assert (gate.reduces, gate.valid_until_mono) == (False, 105.0)
    assert held(bench).remaining == D(2)


def test_a_veto_names_its_rule_and_holds_nothing(bench: Bench) -> None:
    """max_order_value_usdt 500: an order of 600 is vetoed with its code and numbers."""
    said = bench.tell(vet(an_order(quantity="6")))

    veto = one(said, OrderVetoed)
    assert veto.reason is Reason.RISK_ORDER_VALUE_MAX
    assert "600" in veto.detail
    assert held(bench) is None


def test_commitments_count_against_the_limit(bench: Bench) -> None:
    """Two orders of 400 pass, the third would make 1200 of a position of at most 1000."""
    for index in (1, 2):
        assert of(bench.tell(vet(an_order(quantity="4", id=f"rt_1_grid_n{index}"))), GateOrder)

    veto = one(bench.tell(vet(an_order(quantity="4", id="rt_1_grid_n3"))), OrderVetoed)

    assert veto.reason is Reason.RISK_POSITION_MAX


def test_a_denied_order_frees_its_hold_at_once(bench: Bench) -> None:
    """It was never sent."""
    order = an_order(quantity="4")
    bench.tell(vet(order))

    bench.tell(OrderDenied(order=order, reason=Reason.BREAKER_MANUAL, detail=""))

    assert held(bench) is None


def test_a_cancelled_order_frees_what_was_not_filled(bench: Bench) -> None:
    """Final at nothing: nothing more can come of it."""
    order = an_order(quantity="4")
    bench.tell(vet(order))
    cancelled = attrs.evolve(order, state=OrderState.CANCELLED, exchange_order_id=7)

    bench.tell(OrderCancelled(order=cancelled))

    assert held(bench) is None


def test_commitment_becomes_exposure_in_any_order_of_the_words(bench: Bench) -> None:
    """Placed, filled, booked: told in any order and twice, nothing is held at the end and nothing is counted twice."""
    order = an_order(quantity="4")
    done = filled(order)
    words = (OrderPlaced(order=attrs.evolve(order, state=OrderState.NEW)), OrderFilled(order=done), position_of(done))
    ends = []
    for permutation in itertools.permutations(words):
        actor = RiskActor(config=CONFIG, board=a_board(), symbols=("BTCUSDT",), reporting_asset="USDT")
        actor.tables.put("rules", "BTCUSDT", RULES)
        each = Bench(actor)
        each.tell(balance("USDT", "10000"))
        each.tell(vet(order))
        for word in (*permutation, *permutation):
            each.tell(word)
        ends.append((held(each), each.row("positions_heard", "grid/BTCUSDT").quantity))

    assert ends == [(None, D(4))] * 6


def test_until_it_is_booked_a_filled_order_stays_held(bench: Bench) -> None:
    """Between the fill and positions' word it is still a commitment: it is never in neither."""
    order = an_order(quantity="4")
    bench.tell(vet(order))

    bench.tell(OrderFilled(order=filled(order)))

    assert held(bench).remaining == D(4)


def test_a_sell_of_what_is_not_managed_is_vetoed(bench: Bench) -> None:
    """Spot, and only what the house bought: the wallet's own coins are not for sale."""
    bench.tell(balance("BTC", "2"))

    veto = one(bench.tell(vet(an_order(Side.SELL, "1", id="rt_1_grid_x1"))), OrderVetoed)

    assert veto.reason is Reason.RISK_POSITION_INSUFFICIENT


def test_a_sell_of_managed_quantity_reduces(bench: Bench) -> None:
    """What only reduces is marked so; what live sells already hold cannot be sold twice."""
    bench.tell(position_of(filled(an_order(quantity="4"))))

    first = bench.tell(vet(an_order(Side.SELL, "3", id="rt_1_grid_x1")))
    second = bench.tell(vet(an_order(Side.SELL, "3", id="rt_1_grid_x2")))

    assert one(first, GateOrder).reduces is True
    assert one(second, OrderVetoed).reason is Reason.RISK_POSITION_INSUFFICIENT


def test_a_stale_quote_denies(bench: Bench) -> None:
    """quote_age_max_secs: an old price is no price for a market order."""
    bench.later(float(CONFIG.quote_age_max_secs) + 1)
    market = attrs.evolve(an_order(quantity="1"), price=None, order_type=OrderType.MARKET)

    assert one(bench.tell(vet(market)), OrderVetoed).reason in (Reason.RISK_PRICE_STALE, Reason.RISK_PRICE_MISSING)


def test_the_total_of_totals_drops_what_is_not_in_it(bench: Bench) -> None:
    """A hold whose last word was lost is freed by OrdersStated; a live order nobody vetted gets its hold."""
    bench.tell(vet(an_order(quantity="4")))
    live = attrs.evolve(an_order(quantity="2", id="rt_1_grid_n9"), state=OrderState.NEW, exchange_order_id=9)

    bench.tell(OrdersStated(orders=(live,)))

    assert held(bench) is None
    assert held(bench, "rt_1_grid_n9").remaining == D(2)


def test_the_daily_loss_is_said_once(bench: Bench) -> None:
    """max_daily_loss_usdt 100: a position of 4 that falls by 30 each breaches once, not at every quote."""
    bench.tell(position_of(filled(an_order(quantity="4"))))
    bench.tell(QuotesMoved(symbols=frozenset({"BTCUSDT"})))
    bench.keeper.board = a_board("70", "70.1")  # type: ignore[attr-defined]

    first = bench.tell(QuotesMoved(symbols=frozenset({"BTCUSDT"})))
    second = bench.tell(QuotesMoved(symbols=frozenset({"BTCUSDT"})))

    breach = one(first, LimitBreached)
    assert (breach.limit, breach.value) == (D(100), D(120))
    assert of(second, LimitBreached) == []


def test_a_breached_day_denies_entries(bench: Bench) -> None:
    """After the breach risk itself says no, whatever the breaker says."""
    bench.tell(position_of(filled(an_order(quantity="4"))))
    bench.keeper.board = a_board("70", "70.1")  # type: ignore[attr-defined]
    bench.tell(QuotesMoved(symbols=frozenset({"BTCUSDT"})))

    veto = one(bench.tell(vet(an_order(quantity="1", id="rt_1_grid_n5"))), OrderVetoed)

    assert veto.reason is Reason.RISK_DAILY_LOSS


def test_an_unpriced_recovered_order_is_priced_by_the_first_quote(bench: Bench) -> None:
    """Recovered without a quote its hold has no price; entries wait, and the first quote gives it one."""
    bench.keeper.board = a_board(symbol="ETHUSDT")  # type: ignore[attr-defined]
    market = attrs.evolve(
        an_order(quantity="2", id="rt_1_grid_n9"), price=None, order_type=OrderType.MARKET, state=OrderState.UNKNOWN
    )
    bench.tell(OrdersStated(orders=(market,)))
    before = held(bench, "rt_1_grid_n9").worst_price
    bench.keeper.board = a_board()  # type: ignore[attr-defined]

    said = bench.tell(QuotesMoved(symbols=frozenset({"BTCUSDT"})))

    assert before == 0
    assert held(bench, "rt_1_grid_n9").worst_price >= D(101)
    assert of(said, CommitmentHeld)
