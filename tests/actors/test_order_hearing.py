"""The orders keeper and a stream that is mute, lies or cannot be read: what it compares, whom it asks, and its verdict."""
from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from actors.test_orders import ID, TICK, a_report, a_snapshot, a_trade, placed, submitted
from bench import CONFIG, RULES, START, Bench, D, a_board, of, one
from realtrading.actors.order_echoes import ECHO_AT_LEAST_S, ECHO_WITHIN_S
from realtrading.actors.order_polls import POLL_EVERY_S, REREAD_EVERY_S
from realtrading.actors.orders import OrdersActor
from realtrading.domain.commands import EndGeneration, ListOpenOrders, QueryOrder
from realtrading.domain.events import OrderFilled, OrderPartiallyFilled
from realtrading.domain.identity import OwnRuns
from realtrading.domain.orders import Before, OrderState
from realtrading.domain.reports import (
    EventUnreadable,
    ExecutionReport,
    ExecutionReported,
    OpenOrdersListed,
    OrderLookedUp,
    PlacementAcknowledged,
    StreamConnected,
    TradeReport,
)


@pytest.fixture
def bench() -> Bench:
    """A keeper whose stream is connected since long before anything happens."""
    actor = OrdersActor(config=CONFIG, board=a_board(), prefix="rt", symbols=("BTCUSDT",), own_runs=OwnRuns())
    actor.tables.put("rules", "BTCUSDT", RULES)
    bench = Bench(actor)
    bench.mono -= 60
    bench.tell(StreamConnected(generation=4))
    bench.mono += 60
    return bench


def ticks(bench: Bench, seconds: float) -> list[Any]:
    """What is said while so much time passes."""
    said = []
    for _ in range(round(seconds * 10)):
        bench.later(0.1)
        said += bench.tell(TICK)
    return said


def acknowledged(bench: Bench, report: ExecutionReport) -> list[Any]:
    """An order that the exchange's answer tells first."""
    submitted(bench)
    return bench.tell(PlacementAcknowledged(id=ID, report=report, latency_s=0.1))


def answered(bench: Bench, report: ExecutionReport | None, *trades: TradeReport) -> list[Any]:
    """The answer to a question about it."""
    now = bench.now.utc
    return bench.tell(
        OrderLookedUp(id=ID, report=report, trades=trades, in_history=None, asked_at=now, answered_at=now)
    )


def heard(bench: Bench, report: ExecutionReport) -> list[Any]:
    """The stream tells it."""
    return bench.tell(ExecutionReported(report=report, generation=4))


def unreadable(*clients: str, numbers: tuple[int, ...] = ()) -> EventUnreadable:
    """Something that cannot be used, and what it seems to name."""
    return EventUnreadable(what="frame", detail="torn", client_ids=clients, exchange_order_ids=numbers, generation=4)


# -- what the stream owes ----------------------------------------------------------------------------------------------


def test_an_order_that_only_the_answer_tells_is_asked_about_and_then_the_stream_is_given_up(bench: Bench) -> None:
    """No report within 3 s of the answer: one question; when the exchange answers it, the stream is what is mute."""
    acknowledged(bench, a_report("NEW"))
    assert of(ticks(bench, ECHO_WITHIN_S - 0.2), QueryOrder) == []
    assert one(ticks(bench, 0.4), QueryOrder).id == ID

    said = answered(bench, a_report("NEW"))

    verdict = one(said, EndGeneration)
    assert verdict.generation == 4
    assert ID in verdict.detail
    assert of(ticks(bench, 5), EndGeneration) == [], "said once"


def test_a_question_that_nobody_answers_is_no_evidence_against_the_stream(bench: Bench) -> None:
    """The exchange is as mute as the stream: asked again and again, nothing is concluded; nor from "does not exist"."""
    acknowledged(bench, a_report("NEW"))
    said = ticks(bench, 10)
    assert len(of(said, QueryOrder)) >= 2
    assert of(said, EndGeneration) == []
    assert of(answered(bench, None), EndGeneration) == []


@pytest.mark.parametrize("when", ["before", "after", "while it is asked about"])
def test_a_report_settles_what_is_owed(bench: Bench, when: str) -> None:
    """The report may come before the answer, after it, or as late as with the question's answer."""
    if when == "before":
        submitted(bench)
        heard(bench, a_report("NEW"))
        bench.tell(PlacementAcknowledged(id=ID, report=a_report("NEW"), latency_s=0.1))
    else:
        acknowledged(bench, a_report("NEW"))
        ticks(bench, 1 if when == "after" else ECHO_WITHIN_S + 0.1)
        heard(bench, a_report("NEW"))
    assert of(answered(bench, a_report("NEW")), EndGeneration) == []
    said = ticks(bench, 10)
    assert (of(said, QueryOrder), of(said, EndGeneration)) == ([], [])


def test_every_part_of_what_an_answer_told_is_owed(bench: Bench) -> None:
    """The stream that told the order's birth and not its end has not told its end."""
    fill = a_trade(1, "1")
    acknowledged(bench, a_report("FILLED", "1", fill))
    heard(bench, a_report("NEW"))
    assert of(ticks(bench, ECHO_WITHIN_S + 0.1), QueryOrder) != []
    assert of(answered(bench, a_report("FILLED", "1"), fill), EndGeneration) != []


def test_what_happened_before_the_stream_was_connected_is_not_owed(bench: Bench) -> None:
    """A round after a reconnect finds what nobody could have told."""
    placed(bench)
    bench.later(5)
    bench.tell(StreamConnected(generation=5))
    bench.later(1)
    bench.tell(a_snapshot(generation=5, asked_at=bench.now.utc, trades=(a_trade(1, "1", at_s=4.0),), cursors={"BTCUSDT": 1}))
    assert bench.row("orders", ID).state is OrderState.FILLED
    said = ticks(bench, 5)
    assert of(said, QueryOrder) == []


def test_another_generation_owes_nothing_for_the_last_one(bench: Bench) -> None:
    """The expectation ends with the generation."""
    acknowledged(bench, a_report("NEW"))
    bench.tell(StreamConnected(generation=5))
    said = ticks(bench, 10)
    assert of(said, QueryOrder) == []


# -- the canary --------------------------------------------------------------------------------------------------------


def listed(bench: Bench, *reports: ExecutionReport) -> list[Any]:
    """The answer to a poll."""
    return bench.tell(OpenOrdersListed(symbol="BTCUSDT", orders=reports, asked_at=bench.now.utc))


def test_open_orders_are_read_while_one_of_ours_rests(bench: Bench) -> None:
    """Every 8 s, one symbol at a time; not for orders that are over or on their way."""
    assert of(ticks(bench, 20), ListOpenOrders) == []
    placed(bench)
    polls = of(ticks(bench, 3 * POLL_EVERY_S + 1), ListOpenOrders)
    assert [poll.symbol for poll in polls] == ["BTCUSDT"] * 3
    heard(bench, a_report("CANCELED"))
    assert of(ticks(bench, 20), ListOpenOrders) == []


def test_a_fill_that_nobody_told_is_found_by_the_poll_and_the_stream_is_given_up(bench: Bench) -> None:
    """Missing in the list: asked by its id; the answer fills it; the stream, which does not tell it a second later
    either, is asked about once more and is over. All of it within 15 s of the fill."""
    placed(bench)
    one(ticks(bench, POLL_EVERY_S + 0.2), ListOpenOrders)
    filled_s = 0.5
    fill = a_trade(1, "1", at_s=filled_s)
    assert one(listed(bench), QueryOrder).id == ID
    over = a_report("FILLED", "1", venue_at=START + timedelta(seconds=filled_s))
    assert of(answered(bench, over, fill), OrderFilled)[-1].order.missing_quantity == 0
    assert one(ticks(bench, ECHO_AT_LEAST_S + 0.1), QueryOrder).id == ID
    assert one(answered(bench, over, fill), EndGeneration).generation == 4
    assert (bench.now.utc - START).total_seconds() - filled_s < 15


@pytest.mark.parametrize(
    ("report", "asked"),
    [(a_report("NEW"), 0), (a_report("PARTIALLY_FILLED", "0.5"), 1), (a_report("NEW", exchange_order_id=9), 1)],
    ids=["as we know it", "further executed", "somebody else's"],
)
def test_a_poll_asks_only_where_it_differs(bench: Bench, report: ExecutionReport, asked: int) -> None:
    """The same quantity is no news; more of it, or no such order, is asked about by its id."""
    placed(bench)
    ticks(bench, 1)
    assert len(of(listed(bench, report), QueryOrder)) == asked


def test_an_order_that_changed_since_the_poll_is_not_compared(bench: Bench) -> None:
    """The list is older than what we know."""
    placed(bench)
    ticks(bench, 1)
    asked_at = bench.now.utc
    bench.later(0.1)
    heard(bench, a_report("PARTIALLY_FILLED", "0.4", a_trade(1, "0.4")))
    assert of(bench.tell(OpenOrdersListed(symbol="BTCUSDT", orders=(), asked_at=asked_at)), QueryOrder) == []


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_a_quantity_that_no_trade_covers_is_asked_about_and_not_believed(bench: Bench) -> None:
    """Executed never falls, so one wrong word would stay for ever: the trade counts, the rest is the exchange's to say."""
    placed(bench)
    fill = a_trade(1, "0.1")
    said = heard(bench, a_report("FILLED", "1", fill))
    order = bench.row("orders", ID)
    assert (order.state, order.executed_quantity, order.missing_quantity) == (OrderState.PARTIALLY_FILLED, D("0.1"), 0)
    assert one(said, OrderPartiallyFilled).fills[0].trade_id == 1
    assert one(said, QueryOrder).id == ID

    answered(bench, a_report("PARTIALLY_FILLED", "0.1"), fill)

    order = bench.row("orders", ID)
    assert (order.state, order.executed_quantity, order.missing_quantity) == (OrderState.PARTIALLY_FILLED, D("0.1"), 0)


def test_an_end_that_no_trade_covers_waits_for_the_exchange(bench: Bench) -> None:
    """Cancelled with more executed than we know of: the answer tells both the end and the trades."""
    placed(bench)
    said = heard(bench, a_report("CANCELED", "0.3"))
    assert bench.row("orders", ID).state is OrderState.NEW
    assert one(said, QueryOrder).id == ID
    answered(bench, a_report("CANCELED", "0.3"), a_trade(1, "0.3"))
    order = bench.row("orders", ID)
    assert (order.state, order.executed_quantity, order.missing_quantity) == (OrderState.CANCELLED, D("0.3"), 0)


def test_reports_that_overtook_each_other_need_no_answer(bench: Bench) -> None:
    """The second trade first: when the first one comes, both are covered and the order is full."""
    placed(bench)
    heard(bench, a_report("FILLED", "1", a_trade(2, "0.4")))
    said = heard(bench, a_report("PARTIALLY_FILLED", "0.6", a_trade(1, "0.6")))
    assert one(said, OrderFilled).order.executed_quantity == D("1")


def test_what_was_accounted_for_before_an_order_was_adopted_is_no_gap(bench: Bench) -> None:
    """Of an order that is half booked elsewhere, reports and polls tell the whole: only the rest counts here."""
    placed(bench)
    half = Before(trade_id=5, quantity=D("0.5"), quote=D("50"))
    order = attrs.evolve(bench.row("orders", ID), before=half, original_quantity=D("0.5"))
    bench.keeper.tables.put("orders", ID, order)
    ticks(bench, 1)
    assert of(listed(bench, a_report("PARTIALLY_FILLED", "0.5")), QueryOrder) == []
    said = heard(bench, a_report("PARTIALLY_FILLED", "0.7", a_trade(6, "0.2")))
    assert one(said, OrderPartiallyFilled).order.executed_quantity == D("0.2")
    assert of(said, QueryOrder) == []


def test_a_report_with_our_id_on_another_symbol_has_the_order_read_again(bench: Bench) -> None:
    """Nothing of it is booked."""
    placed(bench)
    trade = a_trade(1, "1")
    other = a_report("FILLED", "1", trade, symbol="ETHUSDT")
    said = heard(bench, other)
    assert one(said, QueryOrder).symbol == "BTCUSDT"
    assert bench.row("orders", ID).state is OrderState.NEW


# -- what cannot be read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [unreadable(ID), unreadable("else", numbers=(7,))], ids=["client id", "exchange id"])
def test_the_order_that_an_unreadable_event_names_is_read_again(bench: Bench, event: EventUnreadable) -> None:
    """By either of its names, at once."""
    placed(bench)
    assert one(bench.tell(event), QueryOrder).id == ID
    assert bench.row("orders", ID).state is OrderState.NEW


def test_a_flood_of_unreadable_events_asks_every_two_seconds(bench: Bench) -> None:
    """However many come; and once more after the last, for it may have been the one that mattered."""
    placed(bench)
    questions = 0
    for _ in range(40):
        for _ in range(20):
            questions += len(of(bench.tell(unreadable(ID)), QueryOrder))
        questions += len(of(ticks(bench, 0.1), QueryOrder))
        answered(bench, a_report("NEW"))
    assert 2 <= questions <= 1 + round(4 / REREAD_EVERY_S)
    assert of(ticks(bench, REREAD_EVERY_S), QueryOrder) != []
    answered(bench, a_report("NEW"))
    assert of(ticks(bench, 10), QueryOrder) == []


def test_an_unreadable_event_that_names_nobody_has_all_that_rests_read(bench: Bench) -> None:
    """Nobody can tell what it was about: the open orders of every symbol where something of ours rests are read now."""
    assert of(bench.tell(unreadable()), ListOpenOrders) == []
    placed(bench)
    ticks(bench, 0.2)
    bench.tell(unreadable())
    assert one(ticks(bench, 0.2), ListOpenOrders).symbol == "BTCUSDT"
