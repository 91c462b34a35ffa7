"""Positions and balances: both fold what orders tells, once, however often it is told."""
from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from bench import RULES, START, Bench, D, of, one
from order_factories import an_order
from realtrading.actors.balances import BalancesActor
from realtrading.actors.positions import PositionsActor
from realtrading.domain.commands import CompareBalances
from realtrading.domain.events import (
    BalancesCompared,
    BalanceUpdated,
    ExternalTradeSeen,
    OrderArchived,
    OrderFilled,
    OrderPartiallyFilled,
    OrdersStated,
    PositionBookSettled,
    PositionClosed,
    PositionCut,
    PositionOpened,
    PositionsStated,
    PositionUpdated,
    WalletStated,
)
from realtrading.domain.fills import OrderFill
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reports import AccountReported, FlowReported, SnapshotTaken
from realtrading.domain.values import Side


def fill(trade_id: int, quantity: str, price: str, fee: str = "0", fee_asset: str = "BTC") -> OrderFill:
    return OrderFill(
        trade_id=trade_id,
        price=D(price),
        quantity=D(quantity),
        quote_quantity=D(quantity) * D(price),
        commission=D(fee),
        commission_asset=fee_asset,
        is_maker=False,
        timestamp=START + timedelta(seconds=trade_id),
    )


def executed(order: RealOrder, *fills: OrderFill, state: OrderState = OrderState.FILLED) -> RealOrder:
    return attrs.evolve(
        order,
        state=state,
        exchange_order_id=7,
        fills=fills,
        executed_quantity=sum((each.quantity for each in fills), D(0)),
        cumulative_quote=sum((each.quote_quantity for each in fills), D(0)),
    )


def bought(*fills: OrderFill) -> RealOrder:
    return executed(an_order(quantity="1"), *fills)


@pytest.fixture
def positions() -> Bench:
    actor = PositionsActor()
    actor.tables.put("rules", "BTCUSDT", RULES)
    return Bench(actor)


@pytest.fixture
def balances() -> Bench:
    actor = BalancesActor()
    actor.tables.put("rules", "BTCUSDT", RULES)
    bench = Bench(actor)
    bench.tell(compare({"USDT": "1000", "BTC": "2"}))
    return bench


def compare(held: dict[str, str], *moving: str, asked_s: float = 0.0) -> CompareBalances:
    snapshot = SnapshotTaken(
        token="round-1",
        generation=1,
        account_uid=1,
        asked_at=START + timedelta(seconds=asked_s),
        answered_at=START + timedelta(seconds=asked_s + 1),
        open_orders=(),
        trades=(),
        cursors={},
        balances={asset: (D(amount), D(0)) for asset, amount in held.items()},
    )
    return CompareBalances(
        snapshot=snapshot, token="round-1", in_flight_assets=frozenset(moving), asked_at=snapshot.asked_at
    )


# -- positions ------------------------------------------------------------------


def test_a_fill_opens_and_a_second_one_grows_the_position(positions: Bench) -> None:
    """The event names the position, the order and what is booked of it."""
    opened = positions.tell(OrderPartiallyFilled(order=bought(fill(1, "0.4", "100"))))
    grown = positions.tell(OrderFilled(order=bought(fill(1, "0.4", "100"), fill(2, "0.6", "200"))))

    assert one(opened, PositionOpened).position.quantity == D("0.4")
    assert one(grown, PositionUpdated).position.entry_price == D("160")


def test_a_fill_told_twice_is_booked_once(positions: Bench) -> None:
    """Totals are told, not changes."""
    order = bought(fill(1, "1", "100"))
    positions.tell(OrderFilled(order=order))

    assert positions.tell(OrderFilled(order=order)) == []


def test_an_exit_closes_with_its_result(positions: Bench) -> None:
    """The closing event carries the whole position's realised result."""
    positions.tell(OrderFilled(order=bought(fill(1, "1", "100"))))
    exit_order = executed(an_order(Side.SELL, "1", id="rt_1_grid_x2"), fill(2, "1", "110", "0.11", "USDT"))

    closed = one(positions.tell(OrderFilled(order=exit_order)), PositionClosed)

    assert closed.pnl == D("9.89")


def test_stated_orders_heal_what_was_missed(positions: Bench) -> None:
    """A fill whose event was lost is booked from the total of totals, and everything is stated."""
    said = positions.tell(OrdersStated(orders=(bought(fill(1, "1", "100")),)))

    assert one(said, PositionOpened).position.quantity == D("1")
    assert one(said, PositionsStated).books[0].quantity == D("1")


def test_an_archived_order_leaves_the_book_but_not_the_position(positions: Bench) -> None:
    """Book-keeping shrinks, the position stays."""
    positions.tell(OrderFilled(order=bought(fill(1, "1", "100"))))

    said = positions.tell(OrderArchived(id="rt_1_grid_n1", strategy="grid", symbol="BTCUSDT"))

    book = one(said, PositionBookSettled).book
    assert (dict(book.booked), book.quantity) == ({}, D("1"))


# -- balances -------------------------------------------------------------------


def test_the_first_snapshot_opens_the_ledger(balances: Bench) -> None:
    """What the account holds when it is first seen is the opening; nothing has drifted."""
    assert balances.row("ledger", "USDT").total == D("1000")
    assert balances.row("ledger", "BTC").total == D("2")


def test_a_line_written_before_our_clock_was_set_back_is_compared(balances: Bench) -> None:
    """Its moment lies an hour ahead: that must not hide it for an hour, while a clean round is told."""
    balances.later(3600)
    balances.tell(OrderFilled(order=bought(fill(1, "1", "100"))))
    balances.later(-3540)

    said = balances.tell(compare({"BTC": "3", "USDT": "1000"}, asked_s=59))

    assert one(said, BalancesCompared).skipped == ()
    assert [(found.key, found.engine, found.exchange) for found in one(said, BalancesCompared).discrepancies] == [
        ("USDT", "900", "1000")
    ]


def test_a_fill_moves_base_quote_and_the_fees_asset(balances: Bench) -> None:
    """A buy of 1 at 100 with its fee in BNB touches three lines, exactly."""
    said = balances.tell(OrderFilled(order=bought(fill(1, "1", "100", "0.001", "BNB"))))

    told = {word.asset: word.line.total for word in of(said, BalanceUpdated)}
    assert told == {"BTC": D("3"), "USDT": D("900"), "BNB": D("-0.001")}


def test_the_same_total_changes_nothing(balances: Bench) -> None:
    """An order's effect is replaced, never added."""
    order = bought(fill(1, "1", "100"))
    balances.tell(OrderFilled(order=order))

    assert balances.tell(OrderFilled(order=order)) == []


def test_the_venues_word_is_evidence_only(balances: Bench) -> None:
    """AccountReported never moves the ledger."""
    said = balances.tell(
        AccountReported(balances={"USDT": (D("1"), D("2"))}, venue_at=START + timedelta(seconds=9), generation=1)
    )

    line = one(said, BalanceUpdated).line
    assert (line.total, line.reported_free, line.reported_locked) == (D("1000"), D("1"), D("2"))


def test_a_deposit_is_a_flow_and_counts_once(balances: Bench) -> None:
    """The stream may tell it twice; its identity is asset, time and amount."""
    flow = FlowReported(asset="USDT", amount=D("50"), venue_at=START, generation=1)
    balances.tell(flow)
    balances.tell(flow)

    assert balances.row("ledger", "USDT").total == D("1050")


def test_an_external_trade_moves_the_wallet(balances: Bench) -> None:
    """Somebody else's trade on this account is a classified flow."""
    trade = ExternalTradeSeen(
        symbol="BTCUSDT", trade_id=4, exchange_order_id=9, deltas={"BTC": D("-1"), "USDT": D("100")}, venue_at=START
    )
    balances.tell(trade)
    balances.tell(trade)

    assert balances.row("ledger", "BTC").total == D("1")
    assert balances.row("ledger", "USDT").flows == {"external_trade": D("100")}


def test_a_snapshot_that_agrees_finds_nothing(balances: Bench) -> None:
    """Equal to the last digit."""
    compared = one(balances.tell(compare({"USDT": "1000", "BTC": "2"}, asked_s=60)), BalancesCompared)

    assert compared.discrepancies == ()


def test_a_difference_of_one_satoshi_is_found(balances: Bench) -> None:
    """There is no tolerance where errors could live."""
    compared = one(balances.tell(compare({"USDT": "1000.00000001", "BTC": "2"}, asked_s=60)), BalancesCompared)

    assert [found.key for found in compared.discrepancies] == ["USDT"]


def test_what_is_in_flight_is_not_compared(balances: Bench) -> None:
    """A moving asset is skipped this round, and said to be."""
    compared = one(balances.tell(compare({"USDT": "7", "BTC": "2"}, "USDT", asked_s=60)), BalancesCompared)

    assert (compared.discrepancies, compared.skipped) == ((), ("USDT",))


def test_what_changed_since_the_question_is_not_compared(balances: Bench) -> None:
    """A line that moved while the snapshot was taken proves nothing either way."""
    balances.later(100)
    balances.tell(OrderFilled(order=bought(fill(1, "1", "100"))))

    compared = one(balances.tell(compare({"USDT": "1000", "BTC": "2"}, asked_s=99.5)), BalancesCompared)

    assert compared.discrepancies == ()
    assert {"BTC", "USDT"} <= set(compared.skipped)


# -- somebody else's hand in the wallet --------------------------------------------


def wallet(token: str, **totals: str) -> WalletStated:
    return WalletStated(token=token, totals={asset: D(total) for asset, total in totals.items()})


def test_a_position_is_cut_to_what_the_wallet_holds(positions: Bench) -> None:
    """Half of the coins were sold by hand: the house manages the other half, and names why."""
    order = bought(fill(1, "1", "100"))
    positions.tell(OrderFilled(order=order))
    positions.tell(OrdersStated(orders=(order,), token="round-1"))

    cut = one(positions.tell(wallet("round-1", BTC="0.5")), PositionCut)

    assert cut.book.quantity == D("0.5")
    assert "0.5 BTC" in cut.detail


def test_a_wallet_with_more_than_is_managed_cuts_nothing(positions: Bench) -> None:
    """The rest is unmanaged: shown, never touched."""
    order = bought(fill(1, "1", "100"))
    positions.tell(OrdersStated(orders=(order,), token="round-1"))

    assert positions.tell(wallet("round-1", BTC="3")) == []


def test_a_position_sold_between_the_round_and_the_wallets_word_needs_no_cut(positions: Bench) -> None:
    """Somebody took coins, and the house sold all of its own before the wallet's word came: nothing is left to cut."""
    order = bought(fill(1, "1", "100"))
    positions.tell(OrdersStated(orders=(order,), token="round-1"))
    sale = executed(an_order(Side.SELL, "1", id="rt_1_grid_x2"), fill(2, "1", "100"))
    positions.tell(OrderFilled(order=sale))

    assert positions.tell(wallet("round-1", BTC="0.5")) == []


def test_a_fill_between_the_round_and_the_wallets_word_is_not_cut(positions: Bench) -> None:
    """The word is about the round's moment: what was bought since then is not missing from it."""
    order = bought(fill(1, "1", "100"))
    positions.tell(OrdersStated(orders=(order,), token="round-1"))
    positions.tell(OrderFilled(order=executed(an_order(quantity="2", id="rt_1_grid_n2"), fill(2, "2", "100"))))

    assert positions.tell(wallet("round-1", BTC="1")) == []
    assert positions.row("positions", "grid/BTCUSDT").quantity == D("3")


def test_the_word_of_another_round_is_void(positions: Bench) -> None:
    """Only the last stated round can be compared."""
    order = bought(fill(1, "1", "100"))
    positions.tell(OrdersStated(orders=(order,), token="round-2"))

    assert positions.tell(wallet("round-1", BTC="0")) == []


def test_balances_state_only_what_agreed(balances: Bench) -> None:
    """An asset that drifts or moves is no measure for anybody's position."""
    said = balances.tell(compare({"USDT": "999", "BTC": "2"}, "BNB", asked_s=60))

    assert one(said, WalletStated).totals == {"BTC": D("2")}
