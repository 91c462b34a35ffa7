"""The ledger: what an order does to each asset, told any number of times, beside what the venue says."""
from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from order_factories import BASE, QUOTE, D, a_trade, an_order, at
from realtrading.domain.balances import (
    FLOWS_REMEMBERED,
    LedgerLine,
    drift,
    effects,
    line_with_order,
    opening,
    settle,
    with_flow,
    with_report,
)
from realtrading.domain.fills import fill_of
from realtrading.domain.orders import RealOrder
from realtrading.domain.reports import TradeReport
from realtrading.domain.values import Side


def filled(side: Side, *trades: TradeReport, id: str = "o1") -> RealOrder:
    """An order with these trades."""
    return attrs.evolve(an_order(side, id=id), fills=tuple(fill_of(trade) for trade in trades))


def a_line(asset: str = QUOTE, amount: str = "1000") -> LedgerLine:
    """The line of an asset that opened with `amount`."""
    return opening(asset, D(amount), D(0), at(0))


def with_orders(line: LedgerLine, *orders: RealOrder) -> LedgerLine:
    """The line after these orders."""
    for order in orders:
        line = line_with_order(line, order, BASE, QUOTE)
    return line


def test_an_opening_counts_free_and_locked() -> None:
    """What is locked at first sight is held all the same."""
    line = opening("USDT", D("10.5"), D(2), at(3))
    assert line.total == D("12.5")
    assert (line.reported_free, line.reported_locked, line.reported_at) == (D("10.5"), D(2), at(3))
    assert drift(line) == 0


def test_a_buy_brings_base_and_costs_quote_and_fee() -> None:
    """Each asset's change includes the fee paid in it; a third asset appears by itself."""
    order = filled(
        Side.BUY,
        a_trade(1, "0.5", "100", fee="0.0005", fee_asset=BASE),
        a_trade(2, "0.5", "102", fee="0.01", fee_asset="BNB"),
    )
    assert effects(order, BASE, QUOTE) == {
        BASE: (D("0.9995"), D("0.0005")),
        QUOTE: (D(-101), D(0)),
        "BNB": (D("-0.01"), D("0.01")),
    }


def test_a_sell_goes_the_other_way() -> None:
    """A quote fee comes off what was received; without fills nothing has moved."""
    order = filled(Side.SELL, a_trade(1, "2", "100", fee="0.2", fee_asset=QUOTE))
    assert effects(order, BASE, QUOTE) == {BASE: (D(-2), D(0)), QUOTE: (D("199.8"), D("0.2"))}
    assert effects(an_order(), BASE, QUOTE) == {BASE: (D(0), D(0)), QUOTE: (D(0), D(0))}


def test_an_orders_effect_is_replaced_and_never_added() -> None:
    """The order's total may be told again, and with more fills; the line holds the newest total once."""
    first = filled(Side.BUY, a_trade(1, "1", "100", fee="0.1", fee_asset=QUOTE))
    more = filled(
        Side.BUY,
        a_trade(1, "1", "100", fee="0.1", fee_asset=QUOTE),
        a_trade(2, "1", "90", fee="0.2", fee_asset=QUOTE),
    )
    line = with_orders(a_line(), first)
    assert (line.total, line.fees) == (D("899.9"), D("0.1"))
    assert line_with_order(line, first, BASE, QUOTE) is line
    grown = with_orders(line, more)
    assert (grown.total, grown.fees, grown.fees_by_order) == (D("809.7"), D("0.3"), {"o1": D("0.3")})


def test_an_order_that_does_not_touch_an_asset_leaves_its_line() -> None:
    """Neither an order without fills nor another pair's order moves a line."""
    line = a_line("BNB", "5")
    assert with_orders(line, an_order(), filled(Side.BUY, a_trade(1, "1"))) is line


def test_settling_moves_an_effect_and_keeps_the_total() -> None:
    """After archiving, the order's share stands in the settled sum; its fees stay counted."""
    order = filled(Side.BUY, a_trade(1, "1", "100", fee="0.1", fee_asset=QUOTE))
    other = filled(Side.SELL, a_trade(2, "1", "110"), id="o2")
    line = with_orders(a_line(), order, other)
    settled = settle(line, "o1")
    assert (settled.total, settled.fees, settled.settled) == (line.total, D("0.1"), D("-100.1"))
    assert (settled.orders, settled.fees_by_order) == ({"o2": D(110)}, {})
    assert settle(settled, "o1") is settled


def test_a_flow_counts_once_and_by_kind() -> None:
    """The same deposit told twice is one deposit; kinds are summed apart."""
    line = with_flow(a_line(), "deposit", "d1", D(50))
    assert with_flow(line, "deposit", "d1", D(50)) is line
    line = with_flow(with_flow(line, "deposit", "d2", D(5)), "external_trade", "t9", D(-20))
    assert (line.flows, line.total) == ({"deposit": D(55), "external_trade": D(-20)}, D(1035))


def test_only_the_newest_flows_are_remembered_by_name() -> None:
    """The sum keeps all, the list of identities is bounded."""
    line = a_line(amount="0")
    for number in range(FLOWS_REMEMBERED + 10):
        line = with_flow(line, "deposit", f"d{number}", D(1))
    assert (line.total, len(line.seen), line.seen[-1]) == (D(266), 256, "d265")


def test_the_venues_word_is_evidence_only() -> None:
    """A report never moves the total: what differs is drift, with its sign."""
    line = with_report(a_line(), D("990.5"), D("9.5"), at(5))
    assert (line.total, drift(line)) == (D(1000), D(0))
    low = with_report(line, D(990), D(9), at(6))
    assert (low.total, drift(low)) == (D(1000), D(-1))
    assert with_report(low, D(5), D(5), at(4)) is low


def test_nothing_said_is_no_drift() -> None:
    """A line the venue never spoke of contradicts nobody."""
    assert drift(LedgerLine(asset="BTC", opening=D(3))) == 0


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side),
            st.integers(1, 9),
            st.integers(1, 20),
            st.sampled_from([("0", BASE), ("0.3", BASE), ("0.7", QUOTE), ("0.01", "BNB")]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.data(),
)
def test_the_ledger_is_a_function_of_the_set_of_fills(
    told: list[tuple[Side, int, int, tuple[str, str]]], data: st.DataObject
) -> None:
    """Prefixes of orders told in any order, repeated and settled at the end, sum to the same exact totals."""
    orders = []
    for number, (side, quantity, price, (fee, asset)) in enumerate(told):
        trades = [
            a_trade(10 * number + part, str(quantity), str(price), side=side, fee=fee, fee_asset=asset)
            for part in range(2)
        ]
        orders.append(filled(side, *trades, id=f"o{number}"))
    early = [attrs.evolve(order, fills=order.fills[:1]) for order in orders]
    tellings = data.draw(st.permutations(early)) + data.draw(st.permutations(orders + orders[:2]))
    for asset in (BASE, QUOTE, "BNB"):
        expected = D(100) + sum(effects(order, BASE, QUOTE).get(asset, (D(0), D(0)))[0] for order in orders)
        paid = sum(effects(order, BASE, QUOTE).get(asset, (D(0), D(0)))[1] for order in orders)
        line = with_orders(a_line(asset, "100"), *tellings)
        for order in orders:
            line = settle(line, order.id)
        assert (line.total, line.fees, line.orders) == (expected, paid, {})
