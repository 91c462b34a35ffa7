"""An order's life: the table, what can be read from an order, merging in any order, the proof of absence."""
from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_factories import EXCHANGE_ID, D, a_report, a_trade, an_order, at
from realtrading.domain.orders import (
    LIVE,
    REVISIONS,
    STATE_OF_STATUS,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    MergeKind,
    OrderState,
    RealOrder,
    absence_proved,
    checked_move,
    merge,
    merge_trades,
    order_from_report,
)
from realtrading.domain.values import OrderType, Role, Side, TimeInForce

S = OrderState


def after(order: RealOrder, *reports: object) -> RealOrder:
    """The order with reports merged one after the other."""
    for report in reports:
        order = order.update_from_execution_report(report, at(50))  # type: ignore[arg-type]
    return order


# -- the seed's tests ---------------------------------------------------------


def test_order_new_to_filled() -> None:
    """A confirmed order that is filled in one trade is Filled, with its price, and nothing remains."""
    new = after(an_order(), a_report("NEW"))
    merged = merge(new, a_report("FILLED", "1", a_trade(5, "1", "99"), quote="99", seconds=5), at(6))
    assert (new.state, new.is_active(), new.exchange_order_id) == (S.NEW, True, EXCHANGE_ID)
    assert (merged.kind, merged.order.state, merged.ask) == (MergeKind.FILLED, S.FILLED, False)
    assert (merged.order.average_fill_price, merged.order.remaining_quantity) == (D(99), D(0))
    assert [fill.trade_id for fill in merged.new_fills] == [5]
    assert (merged.order.updated_at, merged.order.venue_at) == (at(6), at(5))
    assert merged.order.is_terminal()
    assert not merged.order.is_active()


def test_order_new_to_cancelled() -> None:
    """A cancelled order keeps what was filled before, names the venue's reason, and is over."""
    part = after(an_order(), a_report("NEW"), a_report("PARTIALLY_FILLED", "0.4", a_trade(5, "0.4"), seconds=5))
    merged = merge(part, a_report("CANCELED", "0.4", seconds=8, reason="EXCHANGE_CANCELED"), at(9))
    assert (merged.kind, merged.order.state) == (MergeKind.CANCELLED, S.CANCELLED)
    assert merged.order.reason == "EXCHANGE_CANCELED"
    assert (merged.order.executed_quantity, merged.order.remaining_quantity) == (D("0.4"), D("0.6"))
    assert merged.new_fills == ()
    assert not merged.ask


def test_order_partial_fill_accumulation() -> None:
    """Partial fills add up exactly: quantity, quote amount and average price."""
    order = after(
        an_order(),
        a_report("PARTIALLY_FILLED", "0.1", a_trade(1, "0.1", "100"), quote="10"),
        a_report("PARTIALLY_FILLED", "0.3", a_trade(2, "0.2", "103"), quote="30.6", seconds=2),
    )
    assert (order.state, order.executed_quantity, order.fills_quantity) == (S.PARTIALLY_FILLED, D("0.3"), D("0.3"))
    assert (order.cumulative_quote, order.average_fill_price) == (D("30.6"), D(102))
    assert (order.missing_quantity, order.remaining_quantity) == (D(0), D("0.7"))


# -- the table ----------------------------------------------------------------


def test_table_covers_every_state() -> None:
    """Every state has a row, no row leads back to Pending or to itself, and ends lead nowhere."""
    assert set(TRANSITIONS) == set(S)
    assert all(S.PENDING not in targets and state not in targets for state, targets in TRANSITIONS.items())
    assert {state for state, targets in TRANSITIONS.items() if not targets} == TERMINAL
    assert TRANSITIONS[S.UNKNOWN] == set(S) - {S.UNKNOWN, S.PENDING}
    assert TERMINAL | LIVE == set(S)
    assert not TERMINAL & LIVE
    assert set(REVISIONS) < TERMINAL


@pytest.mark.parametrize(("old", "new"), list(itertools.product(S, S)))
def test_moved_follows_the_table_and_nothing_else(old: OrderState, new: OrderState) -> None:
    """A legal move gives a new order; an illegal one raises and leaves the order as it was."""
    order = attrs.evolve(an_order(), state=old)
    if new is old or new in TRANSITIONS[old]:
        checked_move(old, new)
        assert order.moved(new, at(9)).state is new
    else:
        with pytest.raises(IllegalTransition, match=f"from {old} to {new}"):
            order.moved(new, at(9))
        assert order == attrs.evolve(an_order(), state=old)


def test_moved_keeps_the_reason_unless_one_is_given() -> None:
    """The house's own word may say why."""
    unknown = an_order().moved(S.UNKNOWN, at(3), "no answer")
    assert (unknown.reason, unknown.updated_at) == ("no answer", at(3))
    assert unknown.moved(S.REJECTED, at(4)).reason == "no answer"


@pytest.mark.parametrize("state", S)
def test_questions_about_a_state(state: OrderState) -> None:
    """Active is what the venue confirmed, live is what may trade, terminal is the rest."""
    order = attrs.evolve(an_order(), state=state)
    assert order.is_active() == (state in {S.NEW, S.PARTIALLY_FILLED})
    assert order.is_live() == (state in {S.PENDING, S.UNKNOWN, S.NEW, S.PARTIALLY_FILLED})
    assert order.is_terminal() == (state in {S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED})


def test_a_fresh_order_has_no_numbers_yet() -> None:
    """Before anything is executed the average price is 0 and an order by amount has no quantity."""
    order = an_order(quantity=None, quote_quantity="50", price=None)
    assert (order.state, order.exchange_order_id, order.order_type) == (S.PENDING, None, OrderType.MARKET)
    assert (order.original_quantity, order.remaining_quantity, order.average_fill_price) == (D(0), D(0), D(0))


# -- merging ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "executed", "state", "kind"),
    [
        ("NEW", "0", S.NEW, MergeKind.PLACED),
        ("PENDING_NEW", "0", S.NEW, MergeKind.PLACED),
        ("PENDING_CANCEL", "0", S.NEW, MergeKind.PLACED),
        ("PENDING_CANCEL", "0.5", S.PARTIALLY_FILLED, MergeKind.PARTIALLY_FILLED),
        ("PARTIALLY_FILLED", "0.5", S.PARTIALLY_FILLED, MergeKind.PARTIALLY_FILLED),
        ("FILLED", "1", S.FILLED, MergeKind.FILLED),
        ("CANCELED", "0", S.CANCELLED, MergeKind.CANCELLED),
        ("CANCELED", "0.5", S.CANCELLED, MergeKind.CANCELLED),
        ("CANCELED", "1", S.FILLED, MergeKind.FILLED),
        ("REJECTED", "0", S.REJECTED, MergeKind.REJECTED),
        ("EXPIRED", "0", S.EXPIRED, MergeKind.EXPIRED),
        ("EXPIRED", "0.5", S.EXPIRED, MergeKind.EXPIRED),
        ("EXPIRED_IN_MATCH", "0", S.EXPIRED, MergeKind.EXPIRED),
    ],
)
@pytest.mark.parametrize("first", [S.PENDING, S.UNKNOWN])
def test_every_status_may_be_the_first_word(
    first: OrderState, status: str, executed: str, state: OrderState, kind: MergeKind
) -> None:
    """Whatever is heard first of an order, even its end, is understood; fills stay with it."""
    trades = (a_trade(5, executed),) if D(executed) else ()
    merged = merge(attrs.evolve(an_order(), state=first), a_report(status, executed, *trades), at(6))
    assert (merged.kind, merged.order.state, merged.ask) == (kind, state, False)
    assert merged.order.executed_quantity == merged.order.fills_quantity == D(executed)
    assert status in STATE_OF_STATUS


@pytest.mark.parametrize("state", [S.PENDING, S.NEW, S.UNKNOWN, S.CANCELLED])
def test_an_unknown_status_keeps_the_state_and_asks(state: OrderState) -> None:
    """A status nobody has told us about never crashes and decides nothing."""
    order = attrs.evolve(an_order(), state=state, venue_at=at(1))
    merged = merge(order, a_report("SUSPENDED_BY_MOON", seconds=2), at(3))
    assert merged.order is order or merged.order.state is state
    assert merged.ask
    assert "SUSPENDED_BY_MOON" in merged.detail


def test_an_unknown_status_still_brings_its_fill() -> None:
    """The quantity of a report is a fact even when its status is not understood."""
    merged = merge(an_order(), a_report("ODD", "0.5", a_trade(5, "0.5")), at(6))
    assert (merged.kind, merged.order.state, merged.ask) == (MergeKind.PARTIALLY_FILLED, S.PARTIALLY_FILLED, True)


def test_the_same_report_twice_changes_nothing() -> None:
    """A repetition gives the very same order back."""
    report = a_report("PARTIALLY_FILLED", "0.5", a_trade(5, "0.5"), seconds=5)
    order = after(an_order(), report)
    again = merge(order, report, at(99))
    assert again.order is order
    assert (again.kind, again.new_fills, again.ask) == (MergeKind.NOTHING, (), False)


def test_late_reports_change_nothing() -> None:
    """Neither the confirmation nor an earlier fill turns a further order back."""
    first = a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4"), seconds=4)
    filled = after(an_order(), first, a_report("FILLED", "1", a_trade(5, "0.6"), seconds=5))
    for late in (a_report("NEW"), first):
        assert merge(filled, late, at(9)).order is filled


def test_a_fill_may_come_before_the_confirmation() -> None:
    """The stream can be faster than the answer."""
    order = after(an_order(), a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4"), seconds=4), a_report("NEW"))
    assert (order.state, order.executed_quantity) == (S.PARTIALLY_FILLED, D("0.4"))


def test_a_lost_fill_leaves_a_gap_that_is_asked_about_and_closed() -> None:
    """More executed than traded before our eyes: it asks; the trade list closes the gap without a new quantity."""
    gap = merge(an_order(), a_report("PARTIALLY_FILLED", "0.6", a_trade(6, "0.2"), seconds=6), at(7))
    assert (gap.order.missing_quantity, gap.ask, gap.kind) == (D("0.4"), True, MergeKind.PARTIALLY_FILLED)
    assert "0.4" in gap.detail
    again = merge(gap.order, a_report("PARTIALLY_FILLED", "0.6", seconds=6), at(8))
    assert (again.kind, again.ask, again.order) == (MergeKind.ASK, True, gap.order)
    closed = merge_trades(gap.order, [a_trade(5, "0.4"), a_trade(6, "0.2")], at(9))
    assert (closed.order.missing_quantity, closed.ask) == (D(0), False)
    assert [fill.trade_id for fill in closed.new_fills] == [5]
    assert [fill.trade_id for fill in closed.order.fills] == [5, 6]


def test_a_gap_of_a_final_order_is_closed_without_alarm() -> None:
    """A cancel's answer that told of a fill first is no contradiction when the fill comes."""
    cancelled = after(an_order(), a_report("NEW"), a_report("CANCELED", "0.3", seconds=5, reason="BY_HAND"))
    closed = merge(cancelled, a_report("PARTIALLY_FILLED", "0.3", a_trade(4, "0.3"), seconds=4), at(6))
    assert (closed.kind, closed.order.state, closed.ask) == (MergeKind.CANCELLED, S.CANCELLED, False)
    assert (closed.order.reason, closed.order.venue_at) == ("BY_HAND", at(5))


def test_a_fill_after_the_cancel_is_applied_and_revised() -> None:
    """Late evidence against an end already told is booked, and an alarm."""
    cancelled = after(an_order(), a_report("CANCELED", seconds=5))
    revised = merge(cancelled, a_report("PARTIALLY_FILLED", "0.3", a_trade(4, "0.3"), seconds=4), at(6))
    assert (revised.kind, revised.order.state) == (MergeKind.REVISED, S.CANCELLED)
    assert revised.order.executed_quantity == D("0.3")
    assert "0 -> 0.3" in revised.detail


@pytest.mark.parametrize("end", ["CANCELED", "EXPIRED"])
def test_an_end_that_turns_out_full_becomes_filled(end: str) -> None:
    """When all of a cancelled or expired order proves executed, it is Filled, and revised."""
    ended = after(an_order(), a_report(end, seconds=5))
    revised = merge(ended, a_report("FILLED", "1", a_trade(4, "1"), seconds=6), at(7))
    assert (revised.kind, revised.order.state) == (MergeKind.REVISED, S.FILLED)


@pytest.mark.parametrize(
    ("status", "executed", "state"),
    [
        ("NEW", "0", S.NEW),
        ("CANCELED", "0", S.CANCELLED),
        ("CANCELED", "1", S.FILLED),
        ("EXPIRED", "0.2", S.EXPIRED),
        ("FILLED", "1", S.FILLED),
        ("PARTIALLY_FILLED", "0.2", S.PARTIALLY_FILLED),
        ("ODD", "0.2", S.PARTIALLY_FILLED),
    ],
)
def test_a_refused_order_that_lives_is_revived(status: str, executed: str, state: OrderState) -> None:
    """An order the house held for absent and the venue knows counts again, and is an alarm."""
    absent = an_order().moved(S.REJECTED, at(40), "VENUE_ABSENT")
    trades = (a_trade(5, executed),) if D(executed) else ()
    merged = merge(absent, a_report(status, executed, *trades), at(41))
    assert (merged.kind, merged.order.state, merged.order.reason) == (MergeKind.REVISED, state, "")


def test_the_venues_own_rejection_is_not_undone_by_old_news() -> None:
    """A confirmation older than the rejection is late, not a revival."""
    rejected = after(an_order(), a_report("REJECTED", seconds=5))
    for seconds in (1, 5):
        assert merge(rejected, a_report("NEW", seconds=seconds), at(6)).order is rejected
    assert merge(rejected, a_report("REJECTED", seconds=6), at(7)).order is rejected


def test_an_overfill_is_applied_and_revised() -> None:
    """More than was asked for is booked all the same: it is ours."""
    filled = after(an_order(), a_report("FILLED", "1", a_trade(5, "1"), seconds=5))
    over = merge_trades(filled, [a_trade(6, "0.2")], at(7))
    assert (over.kind, over.order.state, over.order.executed_quantity) == (MergeKind.REVISED, S.FILLED, D("1.2"))
    assert over.order.remaining_quantity == 0
    assert over.detail.endswith("of 1")
    live = merge(an_order(), a_report("PARTIALLY_FILLED", "1.2", a_trade(5, "1.2")), at(6))
    assert (live.kind, live.order.state) == (MergeKind.REVISED, S.FILLED)


def test_life_after_an_end_is_asked_about() -> None:
    """A newer report that shows a cancelled order open is not believed and not ignored."""
    cancelled = after(an_order(), a_report("CANCELED", seconds=5))
    merged = merge(cancelled, a_report("NEW", seconds=9), at(10))
    assert (merged.kind, merged.ask, merged.order) == (MergeKind.ASK, True, cancelled)


def test_an_order_by_amount_learns_its_quantity_and_only_the_venue_says_full() -> None:
    """A market order over quote units has quantity 0 until told; a partial report does not end it."""
    order = an_order(quantity=None, quote_quantity="50", price=None)
    part = after(order, a_report("PARTIALLY_FILLED", "0.25", a_trade(5, "0.25"), original="0.25"))
    assert (part.state, part.original_quantity) == (S.PARTIALLY_FILLED, D("0.25"))
    assert after(part, a_report("PARTIALLY_FILLED", "0.25", original="0")) is part
    done = after(part, a_report("FILLED", "0.5", a_trade(6, "0.25"), original="0.5", seconds=6))
    assert (done.state, done.original_quantity, done.remaining_quantity) == (S.FILLED, D("0.5"), D(0))


def test_a_market_order_that_emptied_the_book_is_expired_with_its_fills() -> None:
    """EXPIRED with something executed is an end that keeps what was bought."""
    order = after(an_order(), a_report("EXPIRED", "0.7", a_trade(5, "0.7"), reason="INSUFFICIENT_LIQUIDITY"))
    assert (order.state, order.executed_quantity, order.reason) == (S.EXPIRED, D("0.7"), "INSUFFICIENT_LIQUIDITY")
    assert order.is_terminal()
    assert order.missing_quantity == 0


@pytest.mark.parametrize(
    ("report", "state", "word"),
    [
        (a_report("REJECTED", seconds=9), S.PARTIALLY_FILLED, "rejected"),
        (a_report("CANCELED", "0.1", seconds=9), S.CANCELLED, "over with 0.1"),
    ],
)
def test_ends_that_contradict_what_is_known_are_asked_about(report: object, state: OrderState, word: str) -> None:
    """An end that denies a known fill is taken as far as it can be true, and asked about."""
    part = after(an_order(), a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4")))
    merged = merge(part, report, at(10))  # type: ignore[arg-type]
    assert (merged.order.state, merged.order.executed_quantity, merged.ask) == (state, D("0.4"), True)
    assert word in merged.detail


def test_the_venue_may_call_less_than_asked_for_filled() -> None:
    """An order made smaller by hand is filled when the venue says so, though less was executed than we asked for."""
    order = after(an_order(), a_report("FILLED", "0.6", a_trade(5, "0.6"), original="0.6"))
    assert (order.state, order.original_quantity, order.remaining_quantity) == (S.FILLED, D(1), D("0.4"))
    assert order.missing_quantity == 0


def test_filled_without_anything_executed_is_not_believed() -> None:
    """A report that contradicts itself only makes us ask."""
    order = an_order()
    merged = merge(order, a_report("FILLED", "0"), at(2))
    assert (merged.kind, merged.order, merged.ask) == (MergeKind.ASK, order, True)


@pytest.mark.parametrize(
    "report",
    [
        a_report("FILLED", "1", exchange_id=901),
        a_report("FILLED", "1", symbol="ETHUSDT"),
        a_report("FILLED", "1", side=Side.SELL),
    ],
)
def test_a_report_of_another_order_changes_nothing(report: object) -> None:
    """The exchange's id decides: a twin with our client id is another order."""
    order = after(an_order(), a_report("NEW"))
    merged = merge(order, report, at(3))  # type: ignore[arg-type]
    assert (merged.kind, merged.order, merged.ask) == (MergeKind.ASK, order, True)


def test_a_cancel_from_elsewhere_is_matched_by_exchange_id() -> None:
    """A foreign cancel renames the order in its report (M-12); before the exchange id is known only our id matches."""
    renamed = a_report("CANCELED", client_id="web_123", seconds=5)
    assert after(an_order(), a_report("NEW"), renamed).state is S.CANCELLED
    assert merge(an_order(), renamed, at(6)).kind is MergeKind.ASK


def test_no_trade_and_strange_trades_are_no_fills() -> None:
    """Trade id -1 means "no trade" (M-11), and a trade of another order is not ours."""
    order = after(an_order(), a_report("NEW", "0", a_trade(-1, "0"), a_trade(7, "1", exchange_id=901)))
    assert (order.state, order.fills) == (S.NEW, ())
    assert merge_trades(order, [a_trade(7, "1", exchange_id=901)], at(8)).order is order


def test_trades_before_the_exchange_id_is_known_are_asked_about() -> None:
    """Without the exchange's id nobody can tell whose a trade is."""
    order = an_order()
    assert merge_trades(order, [a_trade(5, "1")], at(6)).kind is MergeKind.ASK
    assert merge_trades(order, [], at(6)).kind is MergeKind.NOTHING


def test_trades_alone_fill_an_order() -> None:
    """The trade list can end a base-quantity order; an Unknown one lives when it has traded."""
    new = after(an_order(), a_report("NEW"))
    assert merge_trades(new, [a_trade(5, "1")], at(6)).order.state is S.FILLED
    unknown = new.moved(S.UNKNOWN, at(3))
    assert merge_trades(unknown, [a_trade(5, "0.5")], at(6)).order.state is S.PARTIALLY_FILLED


def test_a_doubt_ends_with_a_fact_and_not_with_old_news() -> None:
    """An Unknown order becomes New by the venue's latest word, not by an earlier one; a fill always ends the doubt."""
    part = after(an_order(), a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4"), seconds=4))
    unknown = part.moved(S.UNKNOWN, at(20))
    for late in (a_report("NEW", seconds=1), a_report("NEW", seconds=9)):
        assert merge(unknown, late, at(21)).order is unknown
    doubted = after(an_order(), a_report("NEW", seconds=4)).moved(S.UNKNOWN, at(20))
    assert merge(doubted, a_report("NEW", seconds=1), at(21)).order is doubted
    assert after(doubted, a_report("NEW", seconds=4)).state is S.NEW
    assert after(unknown, a_report("PARTIALLY_FILLED", "0.4", seconds=4)).state is S.PARTIALLY_FILLED
    late_fill = a_report("PARTIALLY_FILLED", "0.3", a_trade(3, "0.3"), seconds=3)
    assert after(unknown, late_fill).executed_quantity == D("0.7")


def test_closing_the_gap_of_an_unknown_order_keeps_the_doubt() -> None:
    """Its missing trades are news even when nobody knows whether it still lives."""
    gap = after(an_order(), a_report("PARTIALLY_FILLED", "0.4", seconds=4)).moved(S.UNKNOWN, at(20))
    merged = merge_trades(gap, [a_trade(4, "0.4")], at(21))
    assert (merged.kind, merged.order.state, merged.ask) == (MergeKind.PARTIALLY_FILLED, S.UNKNOWN, False)


def test_the_quote_total_comes_from_the_report_until_trades_are_known() -> None:
    """A query tells what was paid before anybody tells the trades; a report without that number takes nothing away."""
    gap = after(an_order(), a_report("PARTIALLY_FILLED", "0.4", quote="41.2"))
    assert (gap.cumulative_quote, gap.average_fill_price) == (D("41.2"), D(103))
    more = after(gap, a_report("PARTIALLY_FILLED", "0.5", quote="0", seconds=3))
    assert more.cumulative_quote == D("41.2")


def test_the_first_telling_of_a_trade_stands() -> None:
    """A trade id told twice, even in one list and with other numbers, is the fill that was booked first."""
    order = after(an_order(), a_report("NEW"))
    merged = merge_trades(order, [a_trade(5, "0.2", "100"), a_trade(5, "0.2", "101")], at(6))
    assert [(fill.trade_id, fill.price) for fill in merged.order.fills] == [(5, D(100))]


def test_a_negative_quote_total_means_not_available() -> None:
    """Old history writes a negative cumulative quote amount; it never lowers what is known."""
    order = after(an_order(), a_report("PARTIALLY_FILLED", "0.5", a_trade(5, "0.5"), quote="-1"))
    assert order.cumulative_quote == D(50)


# -- properties ---------------------------------------------------------------


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[object], list[object]]:
    """The true reports of one order's life, and a shuffled telling of them with repetitions."""
    parts = draw(st.lists(st.integers(1, 5), min_size=0, max_size=5))
    whole = sum(parts) + draw(st.integers(0, 3))
    reports: list[object] = [a_report("NEW", original=str(max(whole, 1)), seconds=1)]
    done = 0
    for number, part in enumerate(parts, start=2):
        done += part
        status = "FILLED" if done == whole else "PARTIALLY_FILLED"
        trade = a_trade(number, str(part))
        reports.append(a_report(status, str(done), trade, original=str(whole), seconds=number))
    if done < whole and draw(st.booleans()):
        end = draw(st.sampled_from(["CANCELED", "EXPIRED"]))
        reports.append(a_report(end, str(done), original=str(whole), seconds=20))
    told = draw(st.permutations(reports + draw(st.lists(st.sampled_from(reports), max_size=4))))
    return reports, told


def _facts(order: RealOrder) -> tuple[object, ...]:
    return order.state, order.executed_quantity, order.cumulative_quote, order.fills, order.missing_quantity


@settings(max_examples=60)
@given(lives())
def test_any_order_and_repetition_of_reports_ends_the_same(life: tuple[list[object], list[object]]) -> None:
    """However the reports of a life arrive, the order ends as if they had come once and in time; nothing ever falls."""
    reports, told = life
    order = an_order(quantity=str(reports[0].original_quantity))  # type: ignore[attr-defined]
    expected = after(order, *reports)
    executed, fills = Decimal(0), 0
    for report in told:
        order = after(order, report)
        assert order.executed_quantity >= executed
        assert len(order.fills) >= fills
        assert order.missing_quantity >= 0
        executed, fills = order.executed_quantity, len(order.fills)
    assert _facts(order) == _facts(expected)


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*STATE_OF_STATUS, "NONSENSE"]), st.integers(0, 3), st.integers(1, 6), st.integers(0, 9)
        ),
        max_size=8,
    )
)
def test_no_sequence_of_reports_crashes_or_breaks_the_table(told: list[tuple[str, int, int, int]]) -> None:
    """Whatever the venue says, each step is a row of the tables, and quantities never fall."""
    order = an_order(quantity="2")
    for status, executed, trade_id, seconds in told:
        trade = (a_trade(trade_id, "1"),) if executed else ()
        merged = merge(order, a_report(status, str(executed), *trade, original="2", seconds=seconds), at(50))
        new = merged.order
        if new.state is not order.state:
            revised = merged.kind is MergeKind.REVISED
            assert new.state in TRANSITIONS[order.state] or (revised and new.state in REVISIONS[order.state])
        if merged.kind in (MergeKind.NOTHING, MergeKind.ASK):
            assert new is order
        assert new.executed_quantity >= order.executed_quantity
        order = new


# -- adoption -----------------------------------------------------------------


def test_an_adopted_order_begins_unknown_and_is_then_merged() -> None:
    """Its record says what it was, when it began and that no time-out of ours ends it; merging tells the rest."""
    report = a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4"), seconds=4)
    order = order_from_report(report, at(90), strategy="grid", role=Role.ENTRY)
    assert (order.state, order.exchange_order_id, order.rests) == (S.UNKNOWN, EXCHANGE_ID, True)
    assert (order.created_at, order.updated_at, order.fills) == (at(4), at(90), ())
    assert (order.order_type, order.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
    assert (order.price, order.stop_price) == (D(100), None)
    merged = merge(order, report, at(91))
    assert (merged.kind, merged.order.state) == (MergeKind.PARTIALLY_FILLED, S.PARTIALLY_FILLED)


def test_an_adopted_order_of_a_strange_kind_keeps_its_words() -> None:
    """A type the house does not send stays as the venue writes it."""
    report = a_report("NEW", order_type="STOP_LOSS_LIMIT", time_in_force="GTX", price="0")
    order = order_from_report(report, at(9), strategy="grid", role=Role.STOP)
    assert (order.order_type, order.time_in_force, order.price) == ("STOP_LOSS_LIMIT", None, None)


# -- absence ------------------------------------------------------------------

VALID = at(0)
PROVABLE = 18


def proof(looks: list[tuple[float, bool | None]], now: float, order: RealOrder | None = None) -> bool:
    """Whether these looks (seconds after `valid_until`, found in a list) prove absence at `now`."""
    order = an_order(valid_until=VALID) if order is None else order
    return absence_proved(order, [(VALID + timedelta(seconds=s), found) for s, found in looks], at(now))


@pytest.mark.parametrize(
    ("looks", "now", "proved"),
    [
        ([(18, False), (23, False)], 23, True),
        ([(13, None), (18, False)], 18, True),
        ([(23, False), (18, False)], 23, True),
        ([(12.9, False), (17.9, False)], 30, False),
        ([(18, False), (22.9, False)], 30, False),
        ([(18, False)], 60, False),
        ([], 60, False),
        ([(18, False), (23, None)], 30, False),
        ([(18, True), (23, False)], 30, False),
        ([(18, False), (23, False)], 17, False),
    ],
)
def test_absence_needs_every_part_of_the_proof(
    looks: list[tuple[float, bool | None]], now: float, proved: bool
) -> None:
    """Late enough, two looks far enough apart, the newest with both lists read, and no look that found it."""
    assert proof(looks, now) is proved


@pytest.mark.parametrize(
    "changes", [{"valid_until": None}, {"exchange_order_id": 5}, {"executed_quantity": D(1)}]
)
def test_an_order_that_was_heard_of_is_never_absent(changes: dict[str, datetime | int | Decimal | None]) -> None:
    """An exchange id or a fill outweighs any silence; without `valid_until` there is no clock to wait for."""
    order = attrs.evolve(an_order(valid_until=VALID), **changes)  # type: ignore[arg-type]
    assert not proof([(18, False), (30, False)], 60, order)
