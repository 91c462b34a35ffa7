"""Commitments by merge, and the day of the loss limit."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictures import START, book, limits, order, quote, rules, valuation
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import OrderFill, OrderState, RealOrder
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
from realtrading.domain.values import EXACT, Side

D = Decimal
TODAY = START.date()


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with localcontext(EXACT):
        yield


def told(state: OrderState, executed: str, wanted: RealOrder | None = None) -> RealOrder:
    """The order as told in this state."""
    return attrs.evolve(wanted or order(quantity="10"), state=state, executed_quantity=D(executed))


# -- worst price --------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (order(price="123"), "123"),
        (order(), "50050"),
        (order(quantity="0", quote_quantity=D(50)), "50050"),
        (order(side=Side.SELL), "49990"),
        (order(side=Side.SELL, quantity="0", quote_quantity=D(50)), "49940.01"),
    ],
)
def test_the_worst_price_of_an_order(wanted: RealOrder, expected: str) -> None:
    """Limit: its price. Market: the ask plus default_slippage_percent; the bid; a sell by amount: the bid less it."""
    assert worst_price(wanted, quote(), RealTradingConfig()) == D(expected)


def test_default_slippage_percent_moves_the_worst_price() -> None:
    """1 % above an ask of 50,000."""
    config = limits(default_slippage_percent=D(1))
    assert worst_price(order(), quote(), config) == D(50500)


def test_a_market_order_without_a_quote_has_no_worst_price() -> None:
    """Neither without a quote nor with an empty side of the book; a limit order has its own."""
    assert worst_price(order(), None, RealTradingConfig()) is None
    assert worst_price(order(), quote(bid="0"), RealTradingConfig()) is None
    assert worst_price(order(), quote(ask="0"), RealTradingConfig()) is None
    assert worst_price(order(price="7"), None, RealTradingConfig()) == 7


# -- commitments --------------------------------------------------------------


def test_a_held_order_may_do_all_of_itself() -> None:
    """Its ceiling is the original quantity, nothing is applied."""
    held = hold(order(quantity="10"), D(5), reduces=False)
    assert (held.ceiling, held.applied, held.remaining, held.worst_price) == (10, 0, 10, 5)
    assert not held.spent


def test_what_positions_booked_is_no_longer_committed() -> None:
    """It counts as position from then on, and never twice."""
    held = with_booked(with_booked(hold(order(quantity="10"), D(5), False), D(4)), D(3))
    assert held.remaining == 6


def test_a_cancelled_order_frees_what_it_did_not_do_but_not_what_is_still_to_be_booked() -> None:
    """4 of 10 filled, 1 booked: 3 are still on their way into the position."""
    held = with_booked(with_order(hold(order(quantity="10"), D(5), False), told(OrderState.CANCELLED, "4")), D(1))
    assert (held.remaining, held.spent) == (3, False)
    assert with_booked(held, D(4)).spent


@pytest.mark.parametrize("state", [OrderState.PENDING, OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN])
def test_a_live_order_keeps_its_ceiling(state: OrderState) -> None:
    """Unknown is live: it may still do everything."""
    assert with_order(hold(order(quantity="10"), D(5), False), told(state, "4")).remaining == 10


@pytest.mark.parametrize(
    "state", [OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED]
)
def test_a_final_order_can_do_no_more_than_it_did(state: OrderState) -> None:
    """Its ceiling falls to the executed quantity, for good."""
    held = with_order(hold(order(quantity="10"), D(5), False), told(state, "4"))
    assert (held.final, held.ceiling) == (True, 4)
    assert with_order(held, told(OrderState.PARTIALLY_FILLED, "3")) == held


def test_more_executed_than_asked_counts() -> None:
    """A fill beyond the order's quantity is exposure too."""
    assert with_order(hold(order(quantity="10"), D(5), False), told(OrderState.PARTIALLY_FILLED, "12")).ceiling == 12


def test_an_order_by_amount_is_held_as_amount_over_worst_price_rounded_up() -> None:
    """100 quote units at 3 may be 33.3… base units; rounding down would hold too little."""
    held = hold(order(quantity="0", quote_quantity=D(100)), D(3), False)
    assert held.ceiling == D("33.3333333333333334")
    assert held.ceiling * 3 >= 100
    assert hold(order(quantity="0", quote_quantity=D(100)), D(4), False).ceiling == 25
    final = with_order(held, told(OrderState.FILLED, "34"))
    assert final.ceiling == 34


def test_a_commitment_without_a_price_gets_it_once() -> None:
    """Recovered before any quote: 0 until told, then fixed; an amount's quantity follows from it."""
    by_amount = order(quantity="0", quote_quantity=D(100))
    held = hold(by_amount, None, False)
    assert (held.worst_price, held.ceiling) == (0, 0)
    known = priced(held, by_amount, D(4))
    assert (known.worst_price, known.ceiling) == (4, 25)
    assert priced(known, by_amount, D(8)) == known


def test_a_final_commitment_keeps_its_ceiling_when_priced_late() -> None:
    """What was executed is known better than what was asked."""
    held = with_order(hold(order(quantity="10"), None, False), told(OrderState.CANCELLED, "4"))
    assert priced(held, order(quantity="10"), D(2)).ceiling == 4


WORDS = st.one_of(
    st.tuples(
        st.sampled_from(list(OrderState)),
        st.integers(0, 12).map(str),
    ),
    st.integers(0, 12).map(D),
)


def merged(words: list[tuple[OrderState, str] | Decimal]) -> Commitment:
    """A commitment after these words, in their order."""
    held = hold(order(quantity="10"), D(5), False)
    for word in words:
        held = with_booked(held, word) if isinstance(word, Decimal) else with_order(held, told(*word))
    return held


@given(st.data())
def test_order_repetition_and_lateness_of_words_do_not_matter(data: st.DataObject) -> None:
    """Any permutation, with any words repeated, gives the same commitment."""
    words = data.draw(st.lists(WORDS, max_size=6))
    again = data.draw(st.lists(st.sampled_from(words), max_size=4)) if words else []
    shuffled = data.draw(st.permutations(words + again))
    assert merged(words) == merged(shuffled)


def test_booked_quantity_is_the_sum_of_the_fills_the_book_knows() -> None:
    """Gross quantities, whatever fee was taken; fills the book has not seen do not count, nor another order's."""
    fills = tuple(
        OrderFill(
            trade_id=number,
            price=D(1),
            quantity=D(number),
            quote_quantity=D(number),
            commission=D("0.1"),
            commission_asset="BTC",
            is_maker=False,
            timestamp=START,
        )
        for number in (1, 2, 4)
    )
    filled = attrs.evolve(order("a"), fills=fills)
    assert booked_quantity(book(booked={"a": frozenset({1, 4}), "b": frozenset({2})}), filled) == 5
    assert booked_quantity(book(), filled) == 0


# -- the day ------------------------------------------------------------------


def day(start: dict[str, str] | None = None) -> RiskDay:
    """Today, with these starting values."""
    return RiskDay(day=TODAY, start={key: D(value) for key, value in (start or {}).items()})


def test_results_are_realised_plus_unrealised_at_the_mark() -> None:
    """Long 2 from 100, marked 90, 7 realised: -13. A flat book needs no quote."""
    books = [book("2", "100", realized_total=D(7)), book(base="ETH", realized_total=D(-3))]
    quotes = {"BTCUSDT": quote(bid="90", ask="90")}
    assert day_results(books, quotes) == {"s/BTCUSDT": -13, "s/ETHUSDT": -3}


def test_a_short_wins_when_the_mark_falls() -> None:
    """Signed quantity times price change."""
    assert day_results([book("-2", "100")], {"BTCUSDT": quote(bid="90", ask="90")}) == {"s/BTCUSDT": 20}


def test_an_open_position_without_a_mark_has_no_result() -> None:
    """Not zero: not known."""
    assert day_results([book("2", "100")], {}) is None
    assert day_results([book("2", "100")], {"BTCUSDT": quote(bid="0", ask="0", last="0")}) is None


def test_only_third_asset_fees_are_results_of_their_own() -> None:
    """Fees in base or quote are inside quantity and realised result already."""
    books = [book(commissions={"BNB": D("0.1"), "BTC": D(1), "USDT": D(2)})]
    assert day_results(books, {}) == {"s/BTCUSDT": 0, "s/BTCUSDT:BNB": D("0.1")}


def result_of(books: list[object], start: dict[str, str], **prices: str) -> Decimal | None:
    """The day's result with these books, starting values and prices."""
    quotes = tuple(quote(symbol, price, price) for symbol, price in prices.items())
    worth = valuation(quotes, (rules(), rules("BNB"), rules("ETH", "BTC")))
    results = day_results(books, worth.quotes)  # type: ignore[arg-type]
    assert results is not None
    return day_result(day(start), results, books, worth)  # type: ignore[arg-type]


def test_the_days_result_is_the_change_since_the_start() -> None:
    """Realised 7 and unrealised -20 against a start of 5: -18."""
    assert result_of([book("2", "100", realized_total=D(7))], {"s/BTCUSDT": "5"}, BTCUSDT="90") == -18


def test_a_book_that_began_today_began_at_nothing() -> None:
    """No entry in `start` counts as 0."""
    assert result_of([book(realized_total=D(-4))], {}) == -4


def test_results_in_another_quote_are_valued_in_the_reporting_asset() -> None:
    """ETHBTC lost 0.01 BTC, at 500 USDT."""
    books: list[object] = [book(base="ETH", quote="BTC", realized_total=D("-0.01"))]
    assert result_of(books, {}, BTCUSDT="500") == -5


def test_fees_of_today_in_a_third_asset_are_part_of_the_loss() -> None:
    """0.3 BNB since the start, at 600."""
    books: list[object] = [book(commissions={"BNB": D("1.3")})]
    assert result_of(books, {"s/BTCUSDT:BNB": "1"}, BNBUSDT="600") == -180


def test_a_fee_coin_that_rises_makes_no_loss_of_old_fees() -> None:
    """100 BNB of fees before the roll are worth more today: that is nobody's loss of today."""
    books: list[object] = [book(commissions={"BNB": D(100)})]
    assert result_of(books, {"s/BTCUSDT:BNB": "100"}, BNBUSDT="900") == 0


def test_two_strategies_in_one_symbol_are_counted_each() -> None:
    """The key holds the strategy."""
    books: list[object] = [book(realized_total=D(-1)), book(strategy="other", realized_total=D(-2))]
    assert result_of(books, {"s/BTCUSDT": "1"}) == -4


def test_a_change_without_a_price_path_has_no_result() -> None:
    """Not known is not zero."""
    assert result_of([book(commissions={"BNB": D(1)})], {}) is None


def test_the_limit_is_reached_at_minus_max_daily_loss() -> None:
    """-49.99 is not yet, -50 is."""
    config = limits(max_daily_loss_usdt=D(50))
    assert not breached(D("-49.99"), config)
    assert breached(D(-50), config)


def test_a_new_day_starts_from_the_results_of_the_roll() -> None:
    """And unbreached: what stays shut is the breaker's cause, which waits for a person."""
    old = attrs.evolve(day({"s/BTCUSDT": "1"}), breached=True)
    rolled = roll_day(old, date(2026, 3, 2), {"s/BTCUSDT": D(9)})
    assert rolled == RiskDay(day=date(2026, 3, 2), start={"s/BTCUSDT": D(9)})


def test_the_same_day_and_a_clock_set_back_roll_nothing() -> None:
    """A breached day stays breached."""
    old = attrs.evolve(day(), breached=True)
    assert roll_day(old, TODAY, {"x": D(1)}) is old
    assert roll_day(old, date(2026, 2, 28), {"x": D(1)}) is old


def test_the_first_day_begins_when_it_is_asked() -> None:
    """Without a day before it."""
    assert roll_day(None, datetime(2026, 3, 1, tzinfo=UTC).date(), {}) == day()
