"""What a snapshot means: which facts to merge, whom to ask about, what differs, and when that counts."""
from __future__ import annotations

from datetime import datetime

import attrs
import pytest

from order_factories import EXCHANGE_ID, ORDER_ID, SYMBOL, D, a_report, a_snapshot, a_trade, an_order, at
from realtrading.domain.balances import LedgerLine, opening
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reconciliation import (
    Discrepancy,
    DiscrepancyKind,
    Resolution,
    changed_since,
    confirm,
    diff_balances,
    diff_orders,
)

KIND, DONE = DiscrepancyKind, Resolution


def placed(id: str = ORDER_ID, exchange_id: int = EXCHANGE_ID, **changes: object) -> RealOrder:
    """An order that the venue has confirmed."""
    report = a_report("NEW", client_id=id, exchange_id=exchange_id)
    return attrs.evolve(an_order(id=id).update_from_execution_report(report, at(2)), **changes)  # type: ignore[arg-type]


def by_id(*orders: RealOrder) -> dict[str, RealOrder]:
    """The orders' table."""
    return {order.id: order for order in orders}


def found(discrepancies: tuple[Discrepancy, ...] | list[Discrepancy]) -> list[tuple[DiscrepancyKind, str, Resolution]]:
    """Kinds, keys and resolutions."""
    return [(each.kind, each.key, each.resolution) for each in discrepancies]


# -- orders -------------------------------------------------------------------


def test_agreement_is_no_discrepancy() -> None:
    """An open order both sides see alike is merged and nothing is said."""
    report = a_report("NEW")
    diff = diff_orders(by_id(placed()), a_snapshot(report), "rt")
    assert (diff.discrepancies, diff.missing, diff.foreign, diff.adoptable) == ((), (), (), ())
    assert diff.merges == ((ORDER_ID, report),)


def test_a_state_that_differs_is_healed_by_merging() -> None:
    """The venue shows a fill we did not hear of: its report is to be merged, and the difference is named."""
    report = a_report("PARTIALLY_FILLED", "0.4", seconds=50)
    diff = diff_orders(by_id(placed()), a_snapshot(report), "rt")
    (difference,) = diff.discrepancies
    assert (difference.kind, difference.resolution) == (KIND.ORDER_STATE, DONE.HEALED)
    assert (difference.engine, difference.exchange) == ("New 0", "PARTIALLY_FILLED 0.4")
    assert diff.merges == ((ORDER_ID, report),)


def test_what_is_not_comparable_is_merged_and_not_counted() -> None:
    """In flight or changed since the question: its facts are taken, its differences are none."""
    orders = by_id(placed(), placed("rt_1_grid_n2", 901))
    diff = diff_orders(orders, a_snapshot(a_report("PARTIALLY_FILLED", "0.4")), "rt", set(orders))
    assert (diff.discrepancies, diff.missing) == ((), ())
    assert [order_id for order_id, _ in diff.merges] == [ORDER_ID]


def test_an_open_order_the_venue_does_not_show_is_asked_about() -> None:
    """It may have ended in any way: only its own answer can tell."""
    diff = diff_orders(by_id(placed()), a_snapshot(), "rt")
    assert (diff.missing, found(diff.discrepancies)) == (
        (ORDER_ID,),
        [(KIND.ORDER_MISSING_AT_VENUE, ORDER_ID, DONE.WATCHED)],
    )


def test_an_order_of_a_symbol_the_snapshot_left_out_is_only_asked_about() -> None:
    """What was not looked at cannot be missing."""
    diff = diff_orders(by_id(placed()), a_snapshot(cursors={"ETHUSDT": 1}), "rt")
    assert (diff.missing, diff.discrepancies) == ((ORDER_ID,), ())


@pytest.mark.parametrize(
    ("state", "missing"),
    [
        (OrderState.UNKNOWN, (ORDER_ID,)),
        (OrderState.PENDING, ()),
        (OrderState.FILLED, ()),
        (OrderState.CANCELLED, ()),
    ],
)
def test_who_is_asked_about_when_nothing_is_shown(state: OrderState, missing: tuple[str, ...]) -> None:
    """An Unknown order needs an answer, a pending one has its own deadline, a final one is rightly absent."""
    diff = diff_orders(by_id(placed(state=state)), a_snapshot(), "rt")
    assert (diff.missing, diff.discrepancies) == (missing, ())


def test_an_unknown_order_that_is_shown_is_merged() -> None:
    """The snapshot itself is the fact that ends its doubt; it is found by its client id."""
    order = an_order().moved(OrderState.UNKNOWN, at(20))
    diff = diff_orders(by_id(order), a_snapshot(a_report("NEW")), "rt", {ORDER_ID})
    assert (diff.missing, [order_id for order_id, _ in diff.merges]) == ((), [ORDER_ID])


def test_a_gap_is_told_and_asked_about_until_it_is_closed() -> None:
    """Executed without a trade: watched in one round, unresolved when the next finds it again."""
    order = placed(state=OrderState.FILLED, executed_quantity=D(1))
    first = diff_orders(by_id(order), a_snapshot(), "rt")
    assert (first.missing, found(first.discrepancies)) == ((ORDER_ID,), [(KIND.FILL_GAP, ORDER_ID, DONE.WATCHED)])
    assert (first.discrepancies[0].engine, first.discrepancies[0].exchange) == ("0", "1")
    again = confirm(first.discrepancies, diff_orders(by_id(order), a_snapshot(), "rt").discrepancies)
    assert found(again) == [(KIND.FILL_GAP, ORDER_ID, DONE.UNRESOLVED)]
    assert diff_orders(by_id(order), a_snapshot(), "rt", {ORDER_ID}).discrepancies == ()


def test_a_gap_of_an_open_order_is_one_discrepancy() -> None:
    """The same open order with the same gap is not also a difference of state."""
    report = a_report("PARTIALLY_FILLED", "0.4", seconds=5)
    order = placed().update_from_execution_report(report, at(6))
    diff = diff_orders(by_id(order), a_snapshot(report), "rt")
    assert (diff.missing, found(diff.discrepancies)) == ((ORDER_ID,), [(KIND.FILL_GAP, ORDER_ID, DONE.WATCHED)])


def test_a_final_order_that_the_venue_shows_open_is_watched() -> None:
    """Our end and its life contradict each other: merging asks, the difference stays until it is explained."""
    cancelled = placed().update_from_execution_report(a_report("CANCELED", seconds=5), at(6))
    diff = diff_orders(by_id(cancelled), a_snapshot(a_report("NEW", seconds=50)), "rt")
    assert found(diff.discrepancies) == [(KIND.ORDER_STATE, ORDER_ID, DONE.WATCHED)]
    assert "lives" in diff.discrepancies[0].detail


def test_strangers_are_told_apart_by_their_name() -> None:
    """Our prefix without our memory is to be adopted, every other order is foreign and explained."""
    ours = a_report("NEW", client_id="rt_1_grid_n7", exchange_id=907)
    other_house = a_report("NEW", client_id="zz_1_grid_n7", exchange_id=908)
    by_hand = a_report("NEW", client_id="web_abc", exchange_id=909)
    diff = diff_orders({}, a_snapshot(ours, other_house, by_hand), "rt")
    assert (diff.adoptable, diff.foreign, diff.merges) == ((ours,), (other_house, by_hand), ())
    assert found(diff.discrepancies) == [
        (KIND.ORDER_UNKNOWN_TO_US, "rt_1_grid_n7", DONE.HEALED),
        (KIND.FOREIGN_ORDER, f"{SYMBOL}:908", DONE.EXPLAINED),
        (KIND.FOREIGN_ORDER, f"{SYMBOL}:909", DONE.EXPLAINED),
    ]


def test_an_order_is_found_by_its_exchange_id_first() -> None:
    """A renamed order is still ours; a twin that carries our client id under another exchange id is not."""
    renamed, twin = a_report("NEW", client_id="web_1"), a_report("NEW", exchange_id=999)
    diff = diff_orders(by_id(placed()), a_snapshot(renamed, twin), "rt")
    assert diff.merges == ((ORDER_ID, renamed),)
    assert (diff.adoptable, diff.foreign) == ((), (twin,))
    assert found(diff.discrepancies) == [(KIND.ORDER_UNKNOWN_TO_US, f"{SYMBOL}:999", DONE.UNRESOLVED)]


def test_the_same_client_id_on_another_symbol_is_not_our_order() -> None:
    """Client ids are unique per symbol only."""
    elsewhere = a_report("NEW", symbol="ETHUSDT")
    diff = diff_orders(by_id(an_order()), a_snapshot(elsewhere), "rt")
    assert (diff.merges, diff.adoptable, diff.foreign) == ((), (), (elsewhere,))


# -- balances -----------------------------------------------------------------


def lines(**amounts: str) -> dict[str, LedgerLine]:
    """Ledger lines by asset."""
    return {asset: opening(asset, D(amount), D(0), at(0)) for asset, amount in amounts.items()}


def test_equal_balances_say_nothing() -> None:
    """Free and locked together are what is compared; an asset of zero needs no line, and the reverse."""
    snapshot = a_snapshot(balances={"USDT": (D(90), D(10)), "ETH": (D(0), D(0))})
    assert diff_balances(lines(USDT="100.00", BNB="0"), snapshot) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "detail"),
    [("100", "100.00000001", "0.00000001"), ("100", "99.99999999", "-0.00000001")],
)
def test_the_smallest_difference_is_drift(ours: str, theirs: str, detail: str) -> None:
    """There is no tolerance, and the sign tells who has more."""
    (drift,) = diff_balances(lines(USDT=ours), a_snapshot(balances={"USDT": (D(theirs), D(0))}))
    assert (drift.kind, drift.key, drift.resolution) == (KIND.BALANCE_DRIFT, "USDT", DONE.WATCHED)
    assert (drift.engine, drift.exchange, drift.detail) == (ours, theirs, f"exchange - engine = {detail}")


def test_an_asset_only_one_side_has_is_zero_on_the_other() -> None:
    """A coin that vanished from the answer, and one that appeared without a cause, are both drift."""
    differences = diff_balances(lines(BTC="1"), a_snapshot(balances={"ETH": (D(2), D(0))}))
    assert [(each.key, each.engine, each.exchange) for each in differences] == [("BTC", "1", "0"), ("ETH", "0", "2")]


@pytest.mark.parametrize(("changed_at", "hidden"), [(at(99), False), (at(100), True), (at(101), True), (at(102), False)])
def test_what_changed_since_the_question_is_not_compared(changed_at: datetime, hidden: bool) -> None:
    """From the question until now; a moment ahead of our clock was written before somebody set it back."""
    assert changed_since(changed_at, at(100), at(101)) is hidden


def test_drift_counts_when_a_second_look_repeats_it() -> None:
    """Once is watched, twice is unresolved, a third time it stays so; another asset or a healed one is not affected."""
    first = diff_balances(lines(USDT="100", BTC="1"), a_snapshot(balances={"USDT": (D(99), D(0)), "BTC": (D(1), D(0))}))
    second = diff_balances(lines(USDT="100", BTC="1"), a_snapshot(balances={"USDT": (D(99), D(0))}))
    twice = confirm(first, second)
    assert found(twice) == [(KIND.BALANCE_DRIFT, "BTC", DONE.WATCHED), (KIND.BALANCE_DRIFT, "USDT", DONE.UNRESOLVED)]
    assert found(confirm(twice, second)) == [
        (KIND.BALANCE_DRIFT, "BTC", DONE.UNRESOLVED),
        (KIND.BALANCE_DRIFT, "USDT", DONE.UNRESOLVED),
    ]
    assert confirm([], first) == tuple(first)


def test_another_amount_is_a_new_suspicion_until_it_is_unresolved() -> None:
    """While the house trades each photograph may miss another fill; what is unresolved stays so by any amount."""
    first = diff_balances(lines(USDT="100"), a_snapshot(balances={"USDT": (D(99), D(0))}))
    other = diff_balances(lines(USDT="100"), a_snapshot(balances={"USDT": (D(98), D(0))}))

    assert found(confirm(first, other)) == [(KIND.BALANCE_DRIFT, "USDT", DONE.WATCHED)]
    assert found(confirm(confirm(first, first), other)) == [(KIND.BALANCE_DRIFT, "USDT", DONE.UNRESOLVED)]


def test_what_was_healed_before_is_news_again() -> None:
    """A difference that was explained or healed in the last round starts its count anew."""
    (missing,) = diff_orders(by_id(placed()), a_snapshot(), "rt").discrepancies
    assert confirm([attrs.evolve(missing, resolution=DONE.HEALED)], [missing]) == (missing,)
    healed = attrs.evolve(missing, resolution=DONE.HEALED)
    assert confirm([missing], [healed]) == (healed,)


def test_trades_of_a_report_are_not_needed_to_compare() -> None:
    """An order whose fills we know agrees with a snapshot that carries none."""
    known = placed().update_from_execution_report(
        a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4"), seconds=4), at(5)
    )
    diff = diff_orders(by_id(known), a_snapshot(a_report("PARTIALLY_FILLED", "0.4", seconds=4)), "rt")
    assert diff.discrepancies == ()
