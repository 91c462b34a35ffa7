"""Positions: the seed's methods, and the book as a function of the set of its fills."""
from __future__ import annotations

import decimal
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_factories import BASE, QUOTE, SYMBOL, D, a_book, a_trade, an_order, at
from realtrading.domain.fills import fill_of
from realtrading.domain.orders import RealOrder
from realtrading.domain.position_fold import ENTRY_ORDERS_KEPT
from realtrading.domain.positions import (
    FILLS_KEPT,
    BookChange,
    Booked,
    PositionBook,
    RealPosition,
    book_order,
    cut,
    cut_to,
    is_dust,
    settle,
)
from realtrading.domain.reports import TradeReport
from realtrading.domain.values import EXACT, Side, SymbolRules
from realtrading.errors import HouseError

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """Handlers run in the house's exact context."""
    with decimal.localcontext(EXACT):
        yield


def a_position(side: str = "LONG", quantity: str = "2", price: str = "100") -> RealPosition:
    """A position just opened."""
    return RealPosition.new(
        id="grid-BTCUSDT-1",
        strategy="grid",
        symbol=SYMBOL,
        side=side,
        quantity=D(quantity),
        price=D(price),
        order_id="o1",
        now_utc=at(0),
    )


def filled(id: str, side: Side, *trades: TradeReport) -> RealOrder:
    """An order with these trades."""
    return attrs.evolve(an_order(side, id=id), fills=tuple(fill_of(trade) for trade in trades))


def buy(trade_id: int, quantity: str, price: str = "100", **more: object) -> RealOrder:
    """An order filled by one buy."""
    return filled(f"b{trade_id}", BUY, a_trade(trade_id, quantity, price, **more))  # type: ignore[arg-type]


def sell(trade_id: int, quantity: str, price: str = "100", **more: object) -> RealOrder:
    """An order filled by one sell."""
    return filled(f"s{trade_id}", SELL, a_trade(trade_id, quantity, price, side=SELL, **more))  # type: ignore[arg-type]


def book(start: PositionBook, order: RealOrder) -> Booked:
    """The order booked."""
    return book_order(start, order, BASE, QUOTE, at(500))


def booked(*orders: RealOrder, start: PositionBook | None = None) -> PositionBook:
    """The book after these orders, one after the other."""
    result = a_book() if start is None else start
    for order in orders:
        result = book(result, order).book
    return result


def changes(result: Booked) -> list[BookChange]:
    """What a booking did, in order."""
    return [step.change for step in result.steps]


def state(result: PositionBook) -> tuple[object, ...]:
    """What a book says, without how it came to it."""
    position = result.position
    seen = None if position is None else (position.entry_price, position.realized_pnl, position.created_at, position.id)
    return result.quantity, result.cost, result.realized_total, dict(result.commissions), result.positions_closed, seen


# -- the seed's tests ---------------------------------------------------------


def test_position_average_entry_price() -> None:
    """Fills on the open side average the entry price by quantity, in the value and in the book."""
    position = a_position(quantity="1").add_fill(D(130), D(2))
    assert (position.quantity, position.entry_price) == (D(3), D(120))
    opened = booked(buy(1, "1", "100"), buy(2, "2", "130")).position
    assert opened is not None
    assert (opened.side, opened.quantity, opened.entry_price) == ("LONG", D(3), D(120))
    assert (opened.entry_order_ids, opened.created_at) == (("b1", "b2"), at(1))


def test_position_unrealized_pnl_long() -> None:
    """A long position gains what the price gains, times quantity."""
    up = a_position().update_price(D("110.5"))
    assert (up.current_price, up.unrealized_pnl, up.calculate_pnl()) == (D("110.5"), D(21), D(21))
    assert a_position().update_price(D(90)).unrealized_pnl == D(-20)


def test_position_unrealized_pnl_short() -> None:
    """A short position gains what the price loses."""
    assert a_position("SHORT").update_price(D(90)).unrealized_pnl == D(20)
    assert a_position("SHORT").update_price(D(110)).unrealized_pnl == D(-20)
    marked = booked(sell(1, "2", "100")).marked(D(95)).position
    assert marked is not None
    assert (marked.side, marked.unrealized_pnl) == ("SHORT", D(10))


def test_position_partial_close_realized_pnl() -> None:
    """A partial close returns its leg's result, adds it to what is realised, and keeps the rest open at its entry."""
    rest, pnl = a_position().partial_close(D(110), D("0.5"))
    assert (pnl, rest.quantity, rest.entry_price, rest.realized_pnl) == (D(5), D("1.5"), D(100), D(5))
    assert rest.calculate_pnl() == D(5) + D(15)
    short, loss = a_position("SHORT").partial_close(D(110), D(2))
    assert (loss, short.quantity, short.calculate_pnl()) == (D(-20), D(0), D(-20))
    kept = booked(buy(1, "2", "100"), sell(2, "0.5", "110")).position
    assert kept is not None
    assert (kept.quantity, kept.realized_pnl, kept.entry_price) == (D("1.5"), D(5), D(100))


# -- values -------------------------------------------------------------------


def test_methods_leave_the_value_as_it_was() -> None:
    """Every method returns a new position."""
    position = a_position()
    position.add_fill(D(1), D(1)), position.partial_close(D(1), D(1)), position.update_price(D(1))
    assert position == a_position()


@pytest.mark.parametrize("quantity", ["0", "-1", "2.1"])
def test_a_close_of_nothing_or_too_much_is_a_bug(quantity: str) -> None:
    """More than is open would be a position on the other side: the book knows how, the value refuses."""
    with pytest.raises(HouseError):
        a_position().partial_close(D(100), D(quantity))


def test_a_position_without_side_or_quantity_is_a_bug() -> None:
    """Neither BUY nor a quantity of zero makes a position, nor does a fill of nothing add to one."""
    with pytest.raises(HouseError):
        a_position("BUY")
    with pytest.raises(HouseError):
        a_position(quantity="0")
    with pytest.raises(HouseError):
        a_position().add_fill(D(100), D(0))


# -- the book -----------------------------------------------------------------


def test_an_order_told_twice_is_booked_once() -> None:
    """The order's total may come again and again, with more fills each time; each trade counts once."""
    first = book(a_book(), buy(1, "1"))
    again = book(first.book, buy(1, "1"))
    assert again.steps == ()
    assert again.book is first.book
    more = book(first.book, filled("b1", BUY, a_trade(1, "1"), a_trade(2, "0.5")))
    assert changes(first) == [BookChange.OPENED]
    assert changes(more) == [BookChange.UPDATED]
    assert more.book.quantity == D("1.5")
    assert more.book.booked == {"b1": frozenset({1, 2})}


def test_several_fills_of_an_order_are_one_step() -> None:
    """A listener hears what the whole booking did, not each trade."""
    result = book(a_book(), filled("b1", BUY, a_trade(2, "1"), a_trade(1, "1", "90")))
    assert changes(result) == [BookChange.OPENED]
    assert result.steps[0].position == result.book.position
    assert result.steps[0].book is result.book
    assert result.steps[0].position.quantity == D(2)


def test_the_last_close_releases_the_cost_to_the_last_digit() -> None:
    """Amounts finer than the rounding of ratios still leave nothing behind."""
    flat = booked(buy(1, "0.0000000003", "0.0000000007"), sell(2, "0.0000000003", "0.0000000009"))
    assert flat.realized_total == D("0.0000000003") * D("0.0000000002")


def test_an_order_is_named_once_among_the_entries() -> None:
    """However many fills an order has."""
    position = booked(filled("b1", BUY, a_trade(1, "1"), a_trade(2, "1")), buy(3, "1")).position
    assert position is not None
    assert position.entry_order_ids == ("b1", "b3")


def test_an_exact_close_ends_the_position() -> None:
    """The closed position is told with its whole result; the book is flat and counts it."""
    result = book(booked(buy(1, "1", "100"), sell(2, "0.5", "110")), sell(3, "0.5", "120"))
    (step,) = result.steps
    assert (step.change, step.position.quantity, step.position.side) == (BookChange.CLOSED, D(0), "LONG")
    assert (step.position.realized_pnl, step.position.unrealized_pnl) == (D(15), D(0))
    assert (result.book.position, result.book.quantity, result.book.cost) == (None, D(0), D(0))
    assert (result.book.positions_closed, result.book.realized_total) == (1, D(15))


def test_the_next_position_has_its_own_id_and_result() -> None:
    """Results are per position; the book's total goes on."""
    second = booked(buy(1, "1", "100"), sell(2, "1", "110"), buy(3, "1", "50"), sell(4, "0.5", "60"))
    assert second.position is not None
    assert (second.position.id, second.position.realized_pnl) == ("grid-BTCUSDT-2", D(5))
    assert second.realized_total == D(15)


def test_an_over_close_flips() -> None:
    """What exceeds the open quantity opens the other side with the rest of the same fill."""
    result = book(booked(buy(1, "1", "100")), sell(2, "3", "110"))
    closed, opened = result.steps
    assert (closed.change, closed.position.realized_pnl, closed.position.side) == (BookChange.CLOSED, D(10), "LONG")
    assert (opened.change, opened.position.side, opened.position.quantity) == (BookChange.OPENED, "SHORT", D(2))
    assert (opened.position.entry_price, opened.position.entry_order_ids) == (D(110), ("s2",))
    assert closed.position.id != opened.position.id
    back = book(result.book, buy(3, "3", "100"))
    assert changes(back) == [BookChange.CLOSED, BookChange.OPENED]
    assert (back.steps[0].position.realized_pnl, back.book.quantity) == (D(20), D(1))


def test_a_flip_shares_its_quote_fee_between_both_positions() -> None:
    """The fee of the flipping fill is split by quantity, exactly in sum."""
    result = book(booked(buy(1, "1", "100")), sell(2, "3", "110", fee="0.33", fee_asset=QUOTE))
    closed, opened = result.steps
    assert (closed.position.realized_pnl, opened.position.realized_pnl) == (D("9.89"), D("-0.22"))
    assert result.book.realized_total == D("9.67")


def test_a_base_fee_on_a_buy_reduces_what_was_received() -> None:
    """The entry price is quote spent per unit received; a later sell can only sell the net quantity."""
    position = booked(buy(1, "1", "99.9", fee="0.001", fee_asset=BASE)).position
    assert position is not None
    assert (position.quantity, position.entry_price) == (D("0.999"), D(100))
    assert position.realized_pnl == 0
    assert position.commissions == {}


def test_a_base_fee_on_a_sell_leaves_with_the_quantity() -> None:
    """The wallet falls by quantity and fee; both leave the position."""
    result = booked(buy(1, "2", "100"), sell(2, "1", "110", fee="0.5", fee_asset=BASE))
    assert (result.quantity, result.realized_total) == (D("0.5"), D(110) - D(150))


def test_a_quote_fee_costs_result_and_not_entry() -> None:
    """A fee in the quote asset is a loss at once, for opening and for closing."""
    opened = booked(buy(1, "1", "100", fee="0.1", fee_asset=QUOTE))
    assert opened.position is not None
    assert (opened.position.entry_price, opened.position.realized_pnl) == (D(100), D("-0.1"))
    closed = booked(sell(2, "1", "110", fee="0.11", fee_asset=QUOTE), start=opened)
    assert closed.realized_total == D("9.79")


def test_a_fee_in_a_third_asset_is_listed() -> None:
    """It touches neither quantity nor result; position and book list it by asset."""
    result = booked(buy(1, "1", fee="0.01"), sell(2, "0.5", fee="0.02"), buy(3, "1", fee="1", fee_asset="FDUSD"))
    assert result.position is not None
    assert result.position.commissions == result.commissions == {"BNB": D("0.03"), "FDUSD": D(1)}
    flat = booked(sell(4, "1.5"), buy(5, "1", fee="0.01"), start=result)
    assert flat.position is not None
    assert flat.position.commissions == {"BNB": D("0.01")}
    assert flat.commissions == {"BNB": D("0.04"), "FDUSD": D(1)}


def test_a_fee_that_eats_the_whole_fill_opens_nothing() -> None:
    """A crumb bought and taken as fee is a closed position with the loss of its price."""
    result = book(a_book(), buy(1, "0.001", "100", fee="0.001", fee_asset=BASE))
    assert changes(result) == [BookChange.CLOSED]
    assert (result.book.quantity, result.book.realized_total) == (D(0), D("-0.1"))


def test_thirds_round_only_while_open() -> None:
    """A partial close of a cost that does not divide is rounded; the flat result is exact again."""
    part = booked(buy(1, "3", "33.33"), buy(2, "4", "11.11"), sell(3, "1", "20"))
    assert part.realized_total != part.realized_total.quantize(D("1e-10"))
    flat = booked(sell(4, "6", "20"), start=part)
    assert flat.realized_total == D("-4.43")


def test_stops_stay_attached_to_their_position() -> None:
    """A further fill keeps what was attached; the next position starts bare."""
    opened = booked(buy(1, "1"))
    assert opened.position is not None
    guarded = attrs.evolve(
        opened, position=attrs.evolve(opened.position, stop_loss=D(90), stop_loss_order_id="stop-1", take_profit=D(120))
    )
    grown = booked(buy(2, "1"), start=guarded).position
    assert grown is not None
    assert (grown.stop_loss, grown.stop_loss_order_id, grown.take_profit) == (D(90), "stop-1", D(120))
    flipped = booked(sell(3, "2"), start=guarded).position
    assert flipped is not None
    assert flipped.stop_loss is None


def test_marking_changes_only_what_is_open() -> None:
    """The same price, or no position, gives the same book back."""
    flat, opened = a_book(), booked(buy(1, "1"))
    assert flat.marked(D(5)) is flat
    assert opened.marked(D(100)) is opened
    moved = opened.marked(D(90)).position
    assert moved is not None
    assert moved.unrealized_pnl == D(-10)


def test_an_order_of_another_book_is_a_bug() -> None:
    """Booking into the wrong pair would mix two truths."""
    with pytest.raises(HouseError, match="grid/BTCUSDT"):
        book_order(a_book("other"), buy(1, "1"), BASE, QUOTE, at(1))
    with pytest.raises(HouseError):
        book_order(a_book(), buy(1, "1"), "ETH", QUOTE, at(1))


# -- late fills ---------------------------------------------------------------


def test_a_late_fill_finds_its_place_in_the_open_leg() -> None:
    """Buy, sell, then an earlier buy is told: the result is as if it had come in time; the market price stays."""
    in_time = booked(buy(1, "1", "100"), buy(2, "1", "200"), sell(3, "1", "300"))
    late = book(booked(buy(1, "1", "100"), sell(3, "0.5", "300")), buy(2, "1", "200"))
    assert changes(late) == [BookChange.UPDATED]
    assert late.book.position is not None
    assert late.book.position.current_price == D(300)
    assert state(booked(buy(1, "1", "100"), sell(3, "1", "300"), buy(2, "1", "200"))) == state(in_time)


def test_a_late_fill_leaves_a_newer_market_price_alone() -> None:
    """The mark heard since is newer than any fill that was late; a fill in time is the newest price there is."""
    marked = booked(buy(1, "1", "100"), sell(3, "0.5", "300")).marked(D(250))
    late, in_time = booked(buy(2, "1", "200"), start=marked).position, booked(buy(4, "1", "200"), start=marked).position
    assert late is not None
    assert in_time is not None
    assert (late.current_price, in_time.current_price) == (D(250), D(200))


def test_a_late_fill_reopens_what_seemed_closed() -> None:
    """The sell did not end the position after all: what is open now is the same position."""
    closed = booked(buy(1, "1", "100"), sell(3, "1", "300"))
    late = book(closed, buy(2, "1", "200"))
    assert changes(late) == [BookChange.OPENED]
    assert late.book.position is not None
    assert (late.book.position.id, late.book.position.entry_price) == ("grid-BTCUSDT-1", D(150))
    assert (late.book.positions_closed, late.book.realized_total) == (0, D(150))


def test_a_late_fill_that_swallows_a_position_closes_it() -> None:
    """A short that never was, because its buy came late, is told as closed and takes the difference with it."""
    short = booked(buy(1, "1", "100"), sell(3, "2", "110"))
    late = book(short, buy(2, "1", "90"))
    assert changes(late) == [BookChange.CLOSED]
    assert (late.steps[0].position.id, late.steps[0].position.quantity) == ("grid-BTCUSDT-2", D(0))
    assert late.steps[0].position.realized_pnl == D(20)
    assert (late.book.position, late.book.realized_total, late.book.positions_closed) == (None, D(30), 1)


def test_a_late_fill_that_splits_the_open_leg_tells_both_positions() -> None:
    """An earlier sell ends the position there and then; what followed it was another one."""
    opened = booked(buy(1, "1", "100"), buy(3, "1", "120"))
    late = book(opened, sell(2, "1", "110"))
    assert changes(late) == [BookChange.CLOSED, BookChange.OPENED]
    assert [step.position.id for step in late.steps] == ["grid-BTCUSDT-1", "grid-BTCUSDT-2"]
    assert (late.steps[0].position.realized_pnl, late.book.realized_total) == (D(10), D(10))


def test_the_newest_fills_are_kept_and_older_ones_folded() -> None:
    """The row stays small however long a position lives, and its numbers are those of all fills."""
    count = FILLS_KEPT + 8
    result = booked(*(buy(number, "1", str(number)) for number in range(1, count + 1)))
    assert len(result.leg) == FILLS_KEPT
    assert result.leg[0].trade_id == 9
    assert result.settled.leg is not None
    assert result.settled.leg.quantity == D(8)
    assert result.quantity == count
    assert result.cost == sum(range(1, count + 1))
    late = booked(filled("late", BUY, a_trade(3, "1", "7", seconds=0.5)), start=result)
    assert late.quantity == count + 1
    assert late.cost == result.cost + 7


def test_only_the_newest_entry_orders_are_named() -> None:
    """A position that never goes flat does not grow for ever."""
    result = booked(*(buy(number, "1") for number in range(1, ENTRY_ORDERS_KEPT + 3)))
    assert result.position is not None
    assert result.position.entry_order_ids[0] == "b3"
    assert len(result.position.entry_order_ids) == ENTRY_ORDERS_KEPT


def test_settling_forgets_archived_orders_and_changes_no_number() -> None:
    """Archived orders leave the list of booked ones and their oldest fills the tail; a living order's fills stay."""
    full = booked(buy(1, "1"), buy(2, "1"), sell(3, "0.5", "120"))
    shorter = settle(full, ["b1", "s3"])
    assert set(shorter.booked) == {"b2"}
    assert [fill.trade_id for fill in shorter.leg] == [2, 3]
    assert state(shorter) == state(full)
    assert settle(shorter, ["b2"]).leg == ()
    late = booked(buy(2, "1"), sell(4, "1", "130"), start=settle(full, ["b1"]))
    assert state(late) == state(booked(sell(4, "1", "130"), start=full))


# -- cutting ------------------------------------------------------------------


def test_a_cut_takes_quantity_out_at_cost() -> None:
    """Coins that are gone are neither sold nor lost here: entry and result stay, cost and quantity leave."""
    result = cut(booked(buy(1, "2", "100"), buy(2, "2", "200")), D(1), at(50))
    assert changes(result) == [BookChange.UPDATED]
    assert result.book.position is not None
    assert (result.book.quantity, result.book.position.entry_price, result.book.cost) == (D(3), D(150), D(450))
    assert result.book.realized_total == 0
    sold = booked(sell(60, "3", "150"), start=result.book)
    assert sold.realized_total == 0


def test_a_cut_of_everything_closes_and_of_nothing_does_nothing() -> None:
    """At most what is open leaves; a flat book has nothing to cut."""
    opened = booked(buy(1, "2", "100"))
    result = cut(opened, D(5), at(50))
    assert changes(result) == [BookChange.CLOSED]
    assert result.book.quantity == 0
    assert cut(opened, D(0), at(50)).steps == ()
    assert cut(a_book(), D(1), at(50)).steps == ()
    short = cut(booked(sell(1, "2", "100")), D(1), at(50))
    assert short.book.quantity == D(-1)


def test_a_cut_survives_a_late_fill() -> None:
    """Folded again behind an earlier fill, the cut still takes its quantity, and never more than there is."""
    result = cut(booked(buy(1, "2", "100")), D(1), at(50))
    assert booked(buy(2, "1", "100", seconds=0.5), start=result.book).quantity == D(2)
    gone = booked(filled("late", SELL, a_trade(7, "2", side=SELL, seconds=2)), start=result.book)
    assert gone.quantity == 0
    flipped = booked(filled("late", SELL, a_trade(7, "3", side=SELL, seconds=2)), start=result.book)
    assert flipped.quantity == D(-1)


def test_a_cut_comes_after_every_fill_that_is_known() -> None:
    """Our clock may be behind the venue's: the cut still takes from what is open now, and stays behind late fills."""
    result = cut(booked(buy(1, "1"), sell(20, "1"), buy(30, "2", "50")), D(1), at(5))
    assert (result.book.quantity, result.book.cost) == (D(1), D(50))
    assert (result.book.realized_total, result.book.positions_closed) == (D(0), 1)
    assert booked(buy(10, "1", "100"), start=result.book).quantity == D(2)


def test_a_cut_of_a_settled_book_needs_no_tail() -> None:
    """When no fills are kept any more, the fold alone is cut."""
    result = cut(settle(booked(buy(1, "2", "100")), ["b1"]), D(1), at(50))
    assert (result.book.quantity, result.book.cost) == (D(1), D(100))


def test_the_newest_position_is_cut_first() -> None:
    """Two strategies share a wallet that fell short: the younger position gives first, the others follow."""
    old = booked(buy(1, "1"))
    young = booked(attrs.evolve(buy(2, "1"), strategy="other"), start=a_book("other"))
    short = booked(attrs.evolve(sell(3, "1"), strategy="third"), start=a_book("third"))
    books = [old, young, short, a_book("fourth")]
    assert [(c.book.strategy, c.book.quantity) for c in cut_to(books, D("1.4"), at(9))] == [("other", D("0.4"))]
    assert [(c.book.strategy, c.book.quantity) for c in cut_to(books, D("0.4"), at(9))] == [
        ("other", D(0)),
        ("grid", D("0.4")),
    ]
    assert cut_to(books, D(2), at(9)) == []


@pytest.mark.parametrize(
    ("quantity", "dust"), [("0.000009", True), ("0.00009", True), ("0.0001", False), ("0.5", False)]
)
def test_dust_is_what_the_venue_would_not_take(quantity: str, dust: bool) -> None:
    """Below one step, the least quantity or the least value it cannot be sold; without a step only those two count."""
    rules = SymbolRules(
        symbol=SYMBOL,
        base=BASE,
        quote=QUOTE,
        status="TRADING",
        tick=D("0.01"),
        step=D("0.00001"),
        quantity_min=D("0.00001"),
        quantity_max=D(0),
        price_min=D(0),
        price_max=D(0),
        notional_min=D(5),
    )
    assert is_dust(D(quantity), rules, D(50_000)) is dust
    assert is_dust(D("0.00001"), attrs.evolve(rules, notional_min=D(0)), D(50_000)) is False
    assert is_dust(D("0.000009"), attrs.evolve(rules, notional_min=D(0), step=D(0)), D(50_000)) is True


# -- properties ---------------------------------------------------------------

_TRADES = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, 9),
        st.integers(90, 110),
        st.sampled_from([("0", "BNB"), ("0.01", "BNB"), ("0.5", QUOTE), ("0.25", BASE)]),
    ),
    min_size=1,
    max_size=10,
)


def _orders(told: Iterable[tuple[Side, int, int, tuple[str, str]]]) -> list[RealOrder]:
    return [
        filled(f"o{number}", side, a_trade(number, str(q), str(p), side=side, fee=fee, fee_asset=asset))
        for number, (side, q, p, (fee, asset)) in enumerate(told, start=1)
    ]


def _cash(orders: list[RealOrder], result: PositionBook) -> Decimal:
    """Quote received minus spent and paid as fee, plus what is still tied up in the open position."""
    total = Decimal(0)
    for order in orders:
        for fill in order.fills:
            total += fill.quote_quantity if order.side is SELL else -fill.quote_quantity
            total -= fill.commission if fill.commission_asset == QUOTE else 0
    return total + (result.cost if result.quantity > 0 else -result.cost)


@settings(max_examples=60)
@given(_TRADES)
def test_nothing_is_won_or_lost_by_counting(told: list[tuple[Side, int, int, tuple[str, str]]]) -> None:
    """Quantity is the sum of net fills, and realised result plus tied-up cost is the cash that moved: exactly."""
    orders = _orders(told)
    result = booked(*orders)
    net = sum(
        (fill.quantity if order.side is BUY else -fill.quantity)
        - (fill.commission if fill.commission_asset == BASE else 0)
        for order in orders
        for fill in order.fills
    )
    assert result.quantity == net
    assert result.realized_total == _cash(orders, result)


@settings(max_examples=60)
@given(_TRADES, st.data())
def test_a_book_is_a_function_of_the_set_of_its_fills(
    told: list[tuple[Side, int, int, tuple[str, str]]], data: st.DataObject
) -> None:
    """In whatever order and however often orders are told, the book says the same as in time."""
    orders = _orders(told)
    shuffled = data.draw(st.permutations(orders + orders[:2]))
    assert state(booked(*shuffled)) == state(booked(*orders))


@settings(max_examples=40)
@given(_TRADES)
def test_partial_results_agree_with_fractions(told: list[tuple[Side, int, int, tuple[str, str]]]) -> None:
    """Against exact rational arithmetic the rounding of open positions stays below 1e-12."""
    quantity = cost = realized = Fraction(0)
    orders = _orders([(side, q, p, ("0", "BNB")) for side, q, p, _ in told])
    for order in orders:
        (fill,) = order.fills
        delta = Fraction(fill.quantity) * (1 if order.side is BUY else -1)
        price = Fraction(fill.price)
        closing = min(abs(delta), abs(quantity)) if quantity * delta < 0 else Fraction(0)
        if closing:
            sign = 1 if quantity > 0 else -1
            average = cost / abs(quantity)
            realized += sign * (price - average) * closing
            cost -= average * closing
        cost += (abs(delta) - closing) * price
        quantity += delta
    result = booked(*orders)
    assert result.quantity == quantity
    assert abs(Fraction(result.realized_total) - realized) < Fraction(1, 10**12)
    assert abs(Fraction(result.cost) - cost) < Fraction(1, 10**12)


@settings(max_examples=40)
@given(_TRADES, st.data())
def test_following_the_steps_leads_to_the_book(
    told: list[tuple[Side, int, int, tuple[str, str]]], data: st.DataObject
) -> None:
    """A listener that knows only the steps knows at each moment which position is open, and how large it is."""
    open_now: dict[str, Decimal] = {}
    result = a_book()
    for order in data.draw(st.permutations(_orders(told))):
        moved = book(result, order)
        for step in moved.steps:
            if step.change is BookChange.CLOSED:
                open_now.pop(step.position.id, None)
            else:
                open_now[step.position.id] = step.position.quantity
        result = moved.book
        expected = {} if result.position is None else {result.position.id: result.position.quantity}
        assert open_now == expected
