"""What explains a difference: exactly, once, and never what the stream has told already."""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_factories import D, at
from realtrading.domain.balances import FLOWS_REMEMBERED, LedgerLine, opening, remembering, with_flow
from realtrading.domain.flows import NEAR, Explanation, explain, is_history_of
from realtrading.domain.movements import FlowKind, Movement, flow_key, trade_key

SINCE = at(0)


def moved(kind: FlowKind, id: str, seconds: float, **deltas: str) -> Movement:
    """One movement."""
    return Movement(kind=kind, id=id, at=at(seconds), deltas={asset: D(amount) for asset, amount in deltas.items()})


def deposit(id: str, seconds: float, **deltas: str) -> Movement:
    """A deposit."""
    return moved(FlowKind.DEPOSIT, id, seconds, **deltas)


def a_line(asset: str = "USDT", *keys: str) -> LedgerLine:
    """A line of 1000 that remembers these identities."""
    line = opening(asset, D(1000), D(0), at(-9))
    for key in keys:
        line = remembering(line, key)
    return line


def told(seconds: float, amount: str) -> str:
    """What a line remembers of the stream's word."""
    return flow_key(at(seconds), D(amount))


def ids(explanation: Explanation) -> list[str]:
    """What was booked."""
    return [each.id for each in explanation.booked]


def test_a_movement_that_is_the_whole_difference_explains_it() -> None:
    """A deposit of 5 and nothing else: 5 more at the exchange are that deposit."""
    assert ids(explain({"USDT": D(5)}, [deposit("a", 1, USDT="5")], {"USDT": a_line()}, SINCE)) == ["a"]


@pytest.mark.parametrize("residual", ["5.00000001", "-5", "4"])
def test_nearly_is_not_at_all(residual: str) -> None:
    """Amounts are compared exactly: what does not fit stays a difference."""
    found = explain({"USDT": D(residual)}, [deposit("a", 1, USDT="5")], {"USDT": a_line()}, SINCE)
    assert found == Explanation(booked=(), told=())


def test_only_those_that_fit_are_booked() -> None:
    """What happened after the photograph is in the history and not in the difference."""
    listed = [deposit("a", 1, USDT="5"), deposit("b", 2, USDT="7"), deposit("late", 3, USDT="11")]
    assert ids(explain({"USDT": D(12)}, listed, {"USDT": a_line()}, SINCE)) == ["a", "b"]
    assert ids(explain({"USDT": D(16)}, listed, {"USDT": a_line()}, SINCE)) == ["a", "late"]


def test_what_the_stream_told_is_not_booked_again() -> None:
    """One of two equal deposits was told: one is left, and the told one is remembered under its own name."""
    line = a_line("USDT", told(1.4, "100"))
    listed = [deposit("a", 1, USDT="100"), deposit("b", 60, USDT="100")]

    found = explain({"USDT": D(100)}, listed, {"USDT": line}, SINCE)

    assert ids(found) == ["b"]
    assert found.told == (("USDT", listed[0].key("USDT")),)


def test_a_told_deposit_does_not_explain_another_difference() -> None:
    """100 more at the exchange, and the only deposit of 100 is booked already: that is a drift."""
    line = a_line("USDT", told(1.4, "100"))
    assert explain({"USDT": D(100)}, [deposit("a", 1, USDT="100")], {"USDT": line}, SINCE).booked == ()


def test_a_word_far_away_in_time_is_another_movement() -> None:
    """Beyond hours an equal amount is no repetition."""
    line = a_line("USDT", flow_key(at(0) - NEAR - timedelta(seconds=2), D(100)))
    assert ids(explain({"USDT": D(100)}, [deposit("a", 1, USDT="100")], {"USDT": line}, SINCE)) == ["a"]


def test_each_identity_is_booked_once() -> None:
    """The same history is read again and again; what is in the line explains nothing any more, whatever its time says."""
    one = deposit("a", 1, USDT="5")
    line = with_flow(a_line(), "deposit", one.key("USDT"), D(5))
    again = attrs.evolve(one, at=at(30))
    assert explain({"USDT": D(5)}, [one, again], {"USDT": line}, SINCE).booked == ()
    twice = explain({"USDT": D(10)}, [one, one], {"USDT": a_line()}, SINCE)
    assert twice.booked == ()


def test_a_late_word_about_what_a_history_told_moves_nothing() -> None:
    """The stream was slow: the deposit is in the line already. A second, equal deposit told later is a new one."""
    line = with_flow(a_line(), "deposit", deposit("a", 1, USDT="5").key("USDT"), D(5))
    assert is_history_of(line, at(1.2), D(5))
    assert not is_history_of(line, at(1.2), D(6))
    after = remembering(line, told(1.2, "5"))
    assert not is_history_of(after, at(9), D(5))


def test_one_movement_explains_several_assets() -> None:
    """A conversion takes of one and gives of another; a trade pays its fee in a third."""
    convert = moved(FlowKind.CONVERSION, "c", 1, USDT="-20", BNB="0.05")
    trade = moved(FlowKind.EXTERNAL_TRADE, "ETHUSDT:7", 2, ETH="1", USDT="-3000", BNB="-0.001")
    lines = {"USDT": a_line(), "BNB": a_line("BNB")}
    residuals = {"USDT": D(-3020), "BNB": D("0.049"), "ETH": D(1)}
    assert ids(explain(residuals, [trade, convert], lines, SINCE)) == ["c", "ETHUSDT:7"]
    assert ids(explain({"USDT": D(-3000), "ETH": D(1), "BNB": D("-0.001")}, [trade, convert], lines, SINCE)) == ["ETHUSDT:7"]


def test_what_would_disturb_an_asset_that_agrees_is_not_booked() -> None:
    """BNB agrees: a conversion into BNB cannot be what took the dollars."""
    convert = moved(FlowKind.CONVERSION, "c", 1, USDT="-20", BNB="0.05")
    lines = {"USDT": a_line(), "BNB": a_line("BNB")}
    assert explain({"USDT": D(-20)}, [convert], lines, SINCE).booked == ()
    assert ids(explain({"USDT": D(-20)}, [convert], lines, SINCE, free=["BNB"])) == ["c"]


def test_one_asset_is_explained_though_another_is_not() -> None:
    """Half a truth is booked: the deposit is a fact, and the rest stays a drift of its own asset."""
    listed = [deposit("a", 1, USDT="5"), deposit("b", 1, BTC="1")]
    lines = {"USDT": a_line(), "BTC": a_line("BTC")}
    assert ids(explain({"USDT": D(6), "BTC": D(1)}, listed, lines, SINCE)) == ["b"]


def test_a_leg_that_was_told_is_left_out() -> None:
    """Should the exchange tell one side of a conversion on the stream, only the other side is booked."""
    convert = moved(FlowKind.CONVERSION, "c", 1, USDT="-20", BNB="0.05")
    lines = {"USDT": a_line("USDT", told(1, "-20")), "BNB": a_line("BNB")}
    (booked,) = explain({"BNB": D("0.05")}, [convert], lines, SINCE).booked
    assert dict(booked.deltas) == {"BNB": D("0.05")}


def test_what_is_older_than_the_last_agreement_comes_last() -> None:
    """It was in both sides when they agreed; it explains only what nothing younger does."""
    listed = [deposit("old", -60, USDT="5"), deposit("new", 60, USDT="5")]
    assert ids(explain({"USDT": D(5)}, listed, {"USDT": a_line()}, SINCE)) == ["new"]
    assert ids(explain({"USDT": D(5)}, listed[:1], {"USDT": a_line()}, SINCE)) == ["old"]


def test_hundreds_of_trades_are_explained_up_to_a_moment() -> None:
    """Somebody's program trades all the time: everything up to the photograph, nothing after it."""
    trades = [moved(FlowKind.EXTERNAL_TRADE, f"ETHUSDT:{n}", n, ETH="0.1", USDT=f"-{n + 1}.01") for n in range(400)]
    upto = trades[:300]
    residuals = {asset: sum((each.deltas[asset] for each in upto), Decimal(0)) for asset in ("ETH", "USDT")}
    assert len(explain(residuals, trades, {"USDT": a_line()}, SINCE).booked) == 300


def test_trades_do_not_make_a_line_forget_its_flows() -> None:
    """Both are remembered by number, each by its own."""
    line = a_line("USDT", "deposit|x|5|a")
    for number in range(FLOWS_REMEMBERED + 3):
        line = remembering(line, trade_key(f"ETHUSDT:{number}"))
    assert line.seen[0] == "deposit|x|5|a"
    assert len(line.seen) == FLOWS_REMEMBERED + 1
    assert trade_key("ETHUSDT:2") not in line.seen


@given(
    st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.booleans(), st.integers(0, 3000)), max_size=9),
    st.integers(0, 9),
)
def test_booking_never_goes_beyond_the_truth(flows: list[tuple[int, bool, int]], later: int) -> None:
    """Any deposits and withdrawals, any part of them told, any part too young: after booking the ledger is exact, or
    nothing was booked at all.
    """
    listed = [
        moved(FlowKind.DEPOSIT if amount > 0 else FlowKind.WITHDRAWAL, f"{n}", seconds, USDT=f"{amount}")
        for n, (amount, _, seconds) in enumerate(sorted(flows, key=lambda each: each[2]))
    ]
    in_photograph = listed[: max(0, len(listed) - later)]
    line = opening("USDT", D(0), D(0), at(-9))
    for each, (amount, heard, seconds) in zip(listed, sorted(flows, key=lambda each: each[2]), strict=True):
        if heard and each in in_photograph:
            line = with_flow(line, "deposit", flow_key(at(seconds), D(amount)), D(amount))
    residual = sum((each.deltas["USDT"] for each in in_photograph), Decimal(0)) - line.total

    found = explain({"USDT": residual} if residual else {}, listed, {"USDT": line}, SINCE)

    booked = sum((each.deltas["USDT"] for each in found.booked), Decimal(0))
    assert booked in (residual, 0)
    assert not booked or residual
