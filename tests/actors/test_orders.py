"""The orders keeper: what it says to each fact, in whatever order the facts come."""
from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from bench import CONFIG, RULES, START, Bench, D, a_board, of, one
from realtrading.actors.orders import OrdersActor
from realtrading.domain.commands import (
    CancelOrder,
    CompareBalances,
    OrderIntent,
    PlaceCancel,
    PrepareSnapshot,
    QueryOrder,
    Reconcile,
    SubmitOrder,
    TakeSnapshot,
    VetOrder,
)
from realtrading.domain.events import (
    DiscrepancyFound,
    EngineStarted,
    ExternalTradeSeen,
    OrderAdmitted,
    OrderAdopted,
    OrderArchived,
    OrderBlocked,
    OrderCancelled,
    OrderCancelRequested,
    OrderDenied,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPlaced,
    OrderRecorded,
    OrderRejected,
    OrderRevised,
    OrdersCompared,
    OrdersStated,
    OrderSubmitted,
    OrderUnknown,
    OrderVetoed,
    TradesCursorMoved,
)
from realtrading.domain.identity import OwnRuns
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    CancelAnswered,
    ClockMeasured,
    ExecutionReport,
    ExecutionReported,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    SnapshotTaken,
    StreamConnected,
    TradeReport,
)
from realtrading.domain.values import OrderType, Role, Side
from realtrading.runtime.ticker import Tick

ID = "rt_1_grid_n1"
TICK = Tick("orders")


@pytest.fixture
def bench() -> Bench:
    actor = OrdersActor(config=CONFIG, board=a_board(), prefix="rt", symbols=("BTCUSDT",), own_runs=OwnRuns())
    actor.tables.put("rules", "BTCUSDT", RULES)
    return Bench(actor)


def an_intent(**changes: Any) -> SubmitOrder:
    what: dict[str, Any] = {
        "id": ID,
        "strategy": "grid",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "role": Role.ENTRY,
        "quantity": D("1"),
        "price": D("100"),
    }
    return SubmitOrder(intent=OrderIntent(**{**what, **changes}))


def a_trade(trade_id: int, quantity: str, exchange_order_id: int = 7, at_s: float = 0.0) -> TradeReport:
    return TradeReport(
        symbol="BTCUSDT",
        trade_id=trade_id,
        exchange_order_id=exchange_order_id,
        side=Side.BUY,
        price=D("100"),
        quantity=D(quantity),
        quote_quantity=D(quantity) * 100,
        commission=D("0"),
        commission_asset="BTC",
        is_maker=False,
        venue_at=START + timedelta(seconds=at_s),
    )


def a_report(status: str, executed: str = "0", *trades: TradeReport, **changes: Any) -> ExecutionReport:
    what: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "client_id": ID,
        "exchange_order_id": 7,
        "side": Side.BUY,
        "order_type": "LIMIT",
        "status": status,
        "price": D("100"),
        "stop_price": D("0"),
        "original_quantity": D("1"),
        "executed_quantity": D(executed),
        "cumulative_quote": D(executed) * 100,
        "time_in_force": "GTC",
        "trades": trades,
        "venue_at": START,
    }
    return ExecutionReport(**{**what, **changes})


def a_snapshot(**changes: Any) -> SnapshotTaken:
    what: dict[str, Any] = {
        "token": "round-1",
        "generation": 1,
        "account_uid": 1,
        "asked_at": START + timedelta(seconds=50),
        "answered_at": START + timedelta(seconds=51),
        "open_orders": (),
        "trades": (),
        "cursors": {"BTCUSDT": 0},
        "balances": {},
    }
    return SnapshotTaken(**{**what, **changes})


def submitted(bench: Bench, **changes: Any) -> None:
    bench.tell(an_intent(**changes))
    bench.tell(OrderRecorded(id=changes.get("id", ID)))


def placed(bench: Bench, **changes: Any) -> None:
    submitted(bench, **changes)
    bench.tell(ExecutionReported(report=a_report("NEW"), generation=1))


def looked_up(bench: Bench, report: ExecutionReport | None, in_history: bool | None = None) -> list[Any]:
    return bench.tell(
        OrderLookedUp(
            id=ID, report=report, trades=(), in_history=in_history, asked_at=bench.now.utc, answered_at=bench.now.utc
        )
    )


# -- the way out ---------------------------------------------------------------


def test_an_intent_is_admitted_once(bench: Bench) -> None:
    """The same intent told twice is vetted once: its id is the order's id."""
    first = bench.tell(an_intent())
    second = bench.tell(an_intent())

    assert one(first, VetOrder).order.id == ID
    assert one(first, OrderAdmitted).order.state is OrderState.PENDING
    assert second == []


def test_a_limit_without_a_price_is_priced_at_the_touch_with_the_default_slippage(bench: Bench) -> None:
    """default_slippage_percent: a buy may pay that much above the ask, a sell take that much below the bid."""
    buy = one(bench.tell(an_intent(price=None)), VetOrder).order
    sell = one(bench.tell(an_intent(id="rt_1_grid_x2", side=Side.SELL, price=None)), VetOrder).order

    slip = CONFIG.default_slippage_percent / 100
    assert buy.price >= 101 * (1 + slip) > buy.price - RULES.tick
    assert sell.price <= 100 * (1 - slip) < sell.price + RULES.tick


def test_a_limit_without_a_price_and_without_a_quote_is_denied(bench: Bench) -> None:
    """Nothing is guessed: no quote, no price, no order."""
    bench.keeper.board = a_board(symbol="ETHUSDT")  # type: ignore[attr-defined]

    denied = one(bench.tell(an_intent(price=None)), OrderDenied)

    assert denied.reason is Reason.RISK_PRICE_MISSING


def test_valid_until_is_five_seconds_in_the_venues_time(bench: Bench) -> None:
    """The last moment of signing is told in server time: our clock plus the measured offset."""
    bench.tell(ClockMeasured(offset_s=0.25, uncertainty_s=0.01))

    order = one(bench.tell(an_intent()), VetOrder).order

    assert order.valid_until == bench.now.utc + timedelta(seconds=5.25)


def test_a_veto_ends_the_order_before_it_was(bench: Bench) -> None:
    """Vetoed means: not in the tables any more, and one public word with the reason."""
    order = one(bench.tell(an_intent()), VetOrder).order

    said = bench.tell(OrderVetoed(order=order, reason=Reason.RISK_ORDER_VALUE_MAX, detail="600 > 500"))

    denied = one(said, OrderDenied)
    assert (denied.reason, denied.detail) == (Reason.RISK_ORDER_VALUE_MAX, "600 > 500")
    assert bench.row("orders", ID) is None


def test_setting_our_clock_moves_no_moment_in_the_venues_time(bench: Bench) -> None:
    """Somebody sets the clock on the wall ahead by an hour: the venue's is known by what monotonic time has passed."""
    bench.tell(ClockMeasured(offset_s=0.25, uncertainty_s=0.01))
    heard, after = bench.now, attrs.evolve(bench.now, mono=bench.mono + 2, utc=bench.now.utc + timedelta(hours=1, seconds=2))

    order = one(list(bench.keeper.handle(an_intent(), after)), VetOrder).order

    assert order.valid_until == heard.utc + timedelta(seconds=7.25)


@pytest.mark.parametrize("said_by", [OrderVetoed, OrderBlocked])
def test_a_no_that_comes_after_the_record_denies_nothing(bench: Bench, said_by: type[OrderVetoed | OrderBlocked]) -> None:
    """A ladder's letter that came twice is blocked the second time; the first has been recorded and may be live."""
    order = one(bench.tell(an_intent()), VetOrder).order
    bench.tell(OrderRecorded(id=ID))

    assert bench.tell(said_by(order=order, reason=Reason.HOUSE_DUPLICATE, detail="recorded before")) == []
    assert bench.row("orders", ID).state is OrderState.PENDING


def test_the_first_public_word_comes_after_the_record(bench: Bench) -> None:
    """Recorded, then OrderSubmitted; the record told twice says it once."""
    bench.tell(an_intent())

    first = bench.tell(OrderRecorded(id=ID))

    assert one(first, OrderSubmitted).order.state is OrderState.PENDING


def test_a_fact_that_overtakes_the_record_says_submitted_first(bench: Bench) -> None:
    """An answer may be faster than the journal's word to us; listeners still hear Submitted before Filled."""
    bench.tell(an_intent())

    said = bench.tell(PlacementAcknowledged(id=ID, report=a_report("FILLED", "1", a_trade(1, "1")), latency_s=0.01))

    kinds = [type(word) for word in said if type(word) in (OrderSubmitted, OrderFilled)]
    assert kinds == [OrderSubmitted, OrderFilled]


# -- facts ----------------------------------------------------------------------


def test_the_same_fill_over_three_roads_is_one_fill(bench: Bench) -> None:
    """Answer, stream and query tell the same trade; it is known once."""
    submitted(bench)
    report = a_report("PARTIALLY_FILLED", "0.4", a_trade(1, "0.4"))

    first = bench.tell(PlacementAcknowledged(id=ID, report=report, latency_s=0.01))
    second = bench.tell(ExecutionReported(report=report, generation=1))
    third = looked_up(bench, a_report("PARTIALLY_FILLED", "0.4"))

    assert one(first, OrderPartiallyFilled).order.executed_quantity == D("0.4")
    assert of(second, OrderPartiallyFilled) == []
    assert of(third, OrderPartiallyFilled) == []
    assert len(bench.row("orders", ID).fills) == 1


def test_a_gap_that_the_exchange_answers_is_asked_about(bench: Bench) -> None:
    """An answer says 1 executed, we know trades over 0.4: the missing ones are fetched."""
    submitted(bench)

    said = bench.tell(PlacementAcknowledged(id=ID, report=a_report("FILLED", "1", a_trade(1, "0.4")), latency_s=0.1))

    assert one(said, QueryOrder).id == ID
    assert bench.row("orders", ID).missing_quantity == D("0.6")


def test_a_refusal_ends_a_pending_order(bench: Bench) -> None:
    """Refused by the venue: rejected with our code and its words."""
    submitted(bench)

    said = bench.tell(
        PlacementRefused(id=ID, reason=Reason.VENUE_INSUFFICIENT_BALANCE, code=-2010, message="no money", sent=True)
    )

    rejected = one(said, OrderRejected)
    assert rejected.order.state is OrderState.REJECTED
    assert "-2010" in rejected.reason


def test_a_refusal_that_contradicts_the_stream_is_asked_about(bench: Bench) -> None:
    """The stream already showed it live: the faster evidence stands and the venue is asked."""
    bench.tell(an_intent())
    bench.tell(OrderRecorded(id=ID))
    bench.tell(PlacementUnknown(id=ID, detail="time-out"))
    bench.keeper.tables.put(
        "orders", ID, __import__("attrs").evolve(bench.row("orders", ID), exchange_order_id=7)
    )

    said = bench.tell(
        PlacementRefused(id=ID, reason=Reason.VENUE_REJECTED, code=-1, message="no", sent=True)
    )

    assert of(said, OrderRejected) == []
    assert one(said, QueryOrder).id == ID


def test_a_fill_after_the_cancel_is_applied_and_revised(bench: Bench) -> None:
    """Late evidence contradicts an end: it is booked, and an alarm says so."""
    placed(bench)
    bench.tell(ExecutionReported(report=a_report("CANCELED"), generation=1))

    said = bench.tell(ExecutionReported(report=a_report("CANCELED", "0.5", a_trade(9, "0.5")), generation=1))

    revised = one(said, OrderRevised)
    assert revised.order.fills_quantity == D("0.5")


def test_an_unknown_status_is_asked_about_and_changes_nothing(bench: Bench) -> None:
    """A word the venue invents tomorrow never crashes us."""
    placed(bench)

    said = bench.tell(ExecutionReported(report=a_report("FROZEN_IN_AMBER"), generation=1))

    assert bench.row("orders", ID).state is OrderState.NEW
    assert one(said, QueryOrder).id == ID


# -- unknown outcomes ------------------------------------------------------------


def test_a_time_out_is_unknown_and_asked_about_at_once(bench: Bench) -> None:
    """Unknown counts as live; the first question goes out in the same breath."""
    submitted(bench)

    said = bench.tell(PlacementUnknown(id=ID, detail="no answer"))

    assert one(said, OrderUnknown).order.state is OrderState.UNKNOWN
    assert one(said, QueryOrder).id == ID


def test_silence_makes_a_pending_order_unknown(bench: Bench) -> None:
    """Recorded, and then nothing: past the deadline it is unknown, never gone."""
    submitted(bench)
    bench.later(11)
    early = bench.tell(TICK)
    bench.later(2)
    late = bench.tell(TICK)

    assert of(early, OrderUnknown) == []
    assert one(late, OrderUnknown).order.id == ID


def test_an_order_on_its_way_is_asked_about_before_it_is_doubted(bench: Bench) -> None:
    """After 3 s its answer may be lost: asked every 2 s, still pending, and what the question finds stands."""
    submitted(bench)
    bench.later(2.9)
    assert bench.tell(TICK) == []
    asked = []
    for _ in range(5):
        bench.later(0.1 if not asked else 2)
        asked += of(bench.tell(TICK), QueryOrder)

    assert [ID] * 5 == [each.id for each in asked]
    assert bench.row("orders", ID).state is OrderState.PENDING
    looked_up(bench, a_report("NEW"))
    assert bench.row("orders", ID).state is OrderState.NEW


def test_the_lists_are_read_only_when_they_can_prove(bench: Bench) -> None:
    """They cost many times what the question costs: from the horizon on, 23 s after the order was made, and not before."""
    submitted(bench)
    proving = [one(bench.tell(PlacementUnknown(id=ID, detail="no answer")), QueryOrder).prove]
    for _ in range(13):
        bench.later(2)
        proving.append(one(bench.tell(TICK), QueryOrder).prove)

    assert [False] * 12 + [True] * 2 == proving


def test_an_order_that_never_arrived_is_given_up_within_28_seconds_of_its_signing(bench: Bench) -> None:
    """recvWindow + 25 s: the venue answers "does not exist" all the time, so the first look over the horizon is enough."""
    submitted(bench)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))
    passed_s = 0.0
    while bench.row("orders", ID).state is OrderState.UNKNOWN:
        bench.later(0.1)
        passed_s += 0.1
        for question in of(bench.tell(TICK), QueryOrder):
            looked_up(bench, None, in_history=False if question.prove else None)

    assert bench.row("orders", ID).reason == Reason.VENUE_ABSENT
    assert 23 <= passed_s <= 26


@pytest.mark.parametrize("away_s", [25.0, 60.3, 600.7])
def test_after_a_venue_that_was_away_absence_takes_two_looks_five_seconds_apart(away_s: float, bench: Bench) -> None:
    """No answer at all until long after the horizon: given up within 10 s of the first one, and never within 5."""
    submitted(bench)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))
    passed_s = 0.0
    while bench.row("orders", ID).state is OrderState.UNKNOWN:
        bench.later(0.1)
        passed_s += 0.1
        for question in of(bench.tell(TICK), QueryOrder):
            if passed_s >= away_s:
                looked_up(bench, None, in_history=False if question.prove else None)

    assert 5 <= passed_s - away_s <= 7.5


def test_absence_is_proved_and_never_counted(bench: Bench) -> None:
    """Any number of "does not exist" before the horizon proves nothing; two readings over the horizon do."""
    submitted(bench)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))
    for _ in range(6):
        bench.later(3)
        assert of(looked_up(bench, None, in_history=False), OrderRejected) == []
    bench.later(10)

    rejected = one(looked_up(bench, None, in_history=False), OrderRejected)

    assert rejected.order.reason == Reason.VENUE_ABSENT


def test_an_order_seen_in_history_is_never_absent(bench: Bench) -> None:
    """One list that shows it outweighs every -2013."""
    submitted(bench)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))
    looked_up(bench, None, in_history=True)
    bench.later(60)

    assert of(looked_up(bench, None, in_history=False), OrderRejected) == []
    bench.later(2)
    assert [True] == [each.prove for each in of(bench.tell(TICK), QueryOrder)], "and it is asked about in no hurry"
    assert bench.tell(TICK) == []


def test_an_unknown_order_found_by_query_goes_on(bench: Bench) -> None:
    """The query finds it filled: the fill is booked as if nothing had happened."""
    submitted(bench)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))

    said = bench.tell(
        OrderLookedUp(
            id=ID,
            report=a_report("FILLED", "1"),
            trades=(a_trade(3, "1"),),
            in_history=None,
            asked_at=bench.now.utc,
            answered_at=bench.now.utc,
        )
    )

    assert bench.row("orders", ID).state is OrderState.FILLED
    assert [word.order.missing_quantity for word in of(said, OrderFilled)][-1] == 0


def test_after_a_restart_a_pending_order_is_doubted(bench: Bench) -> None:
    """A recorded order without an answer, found in the journal, becomes unknown at the first tick."""
    order = one(bench.tell(an_intent()), VetOrder).order
    fresh = Bench(OrdersActor(config=CONFIG, board=a_board(), prefix="rt", symbols=("BTCUSDT",), own_runs=OwnRuns()))
    fresh.keeper.tables.put("orders", ID, order)

    said = fresh.tell(TICK)

    assert one(said, OrderUnknown).order.id == ID
    assert one(said, OrderUnknown).ours is True
    assert one(said, QueryOrder).id == ID


# -- cancels ---------------------------------------------------------------------


def test_a_live_order_is_cancelled_by_exchange_id_under_our_cancel_id(bench: Bench) -> None:
    """The cancel's id is the order's with the role of a cancel."""
    placed(bench)

    said = bench.tell(CancelOrder(id=ID, by="test"))

    cancel = one(said, PlaceCancel)
    assert (cancel.exchange_order_id, cancel.cancel_id) == (7, "rt_1_grid_c1")
    assert one(said, OrderCancelRequested).order.cancel_requested_at is not None


def test_a_cancel_of_a_pending_order_is_remembered(bench: Bench) -> None:
    """Nothing is cancelled blindly; as soon as it is known to live, the cancel goes out."""
    submitted(bench)
    before = bench.tell(CancelOrder(id=ID, by="test"))

    after = bench.tell(ExecutionReported(report=a_report("NEW"), generation=1))

    assert of(before, PlaceCancel) == []
    assert one(after, PlaceCancel).id == ID


def test_an_unknown_cancel_outcome_is_asked_about_and_tried_again(bench: Bench) -> None:
    """-2011 is no "cancelled": ask; still live, cancel once more."""
    placed(bench)
    bench.tell(CancelOrder(id=ID, by="test"))

    asked = bench.tell(CancelAnswered(id=ID, certain=False, report=None, code=-2011, message="Unknown order sent."))
    again = looked_up(bench, a_report("NEW"))

    assert one(asked, QueryOrder).id == ID
    assert one(again, PlaceCancel).id == ID


def test_an_order_that_waits_too_long_is_cancelled(bench: Bench) -> None:
    """order_timeout_secs: unfilled for so long, an order is cancelled, unless it is meant to rest."""
    placed(bench)
    bench.later(CONFIG.order_timeout_secs + 1)

    assert one(bench.tell(TICK), PlaceCancel).id == ID


def test_a_resting_order_has_no_time_out(bench: Bench) -> None:
    """A deliberate resting order is never stale."""
    placed(bench, rests=True)
    bench.later(CONFIG.stale_order_timeout_secs + 1000)

    assert of(bench.tell(TICK), PlaceCancel) == []


# -- reconciliation ----------------------------------------------------------------


def test_a_round_asks_from_the_cursors(bench: Bench) -> None:
    """The first round only finds the newest trade id (-1); later ones ask above the cursor."""
    first = one(bench.tell(PrepareSnapshot(token="a", generation=1)), TakeSnapshot)
    bench.keeper.tables.put("cursors", "BTCUSDT", 41)
    second = one(bench.tell(PrepareSnapshot(token="b", generation=1)), TakeSnapshot)

    assert (first.cursors, second.cursors) == ({"BTCUSDT": -1}, {"BTCUSDT": 41})


def test_an_order_written_before_our_clock_was_set_back_is_compared(bench: Bench) -> None:
    """Its moment lies an hour ahead: it is asked about at once when the account does not show it."""
    bench.tell(StreamConnected(generation=1))
    bench.later(3600)
    placed(bench)
    bench.later(-3540)

    said = bench.tell(a_snapshot(trades=(), cursors={}))

    assert one(said, CompareBalances).in_flight_assets == frozenset()
    assert one(said, QueryOrder).id == ID


def test_a_missed_fill_is_healed_by_the_snapshot(bench: Bench) -> None:
    """The trade list shows a fill no report told: it is booked and recorded as found."""
    bench.tell(StreamConnected(generation=1))
    placed(bench)
    bench.later(60)

    said = bench.tell(a_snapshot(trades=(a_trade(5, "1"),), cursors={"BTCUSDT": 5}))

    assert one(said, OrderFilled).order.executed_quantity == D("1")
    assert [word.discrepancy.kind for word in of(said, DiscrepancyFound)] == ["fill_missed"]
    assert one(said, TradesCursorMoved).trade_id == 5
    assert one(said, CompareBalances).in_flight_assets == {"BTC", "USDT", "BNB"}


def test_a_live_order_that_is_not_open_any_more_is_asked_about(bench: Bench) -> None:
    """Missing in the open orders is no fact about its end: the by-id answer is."""
    bench.tell(StreamConnected(generation=1))
    placed(bench)
    bench.later(60)

    said = bench.tell(a_snapshot())

    assert one(said, QueryOrder).id == ID
    assert one(said, OrdersCompared).pending == (ID,)
    assert bench.row("orders", ID).state is OrderState.NEW


def test_an_unknown_order_does_not_hold_the_round_up(bench: Bench) -> None:
    """An order in flight is not comparable this round, so it is no open end of it either."""
    bench.tell(StreamConnected(generation=1))
    submitted(bench)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))

    assert one(bench.tell(a_snapshot()), OrdersCompared).pending == ()


def test_a_snapshot_of_another_generation_is_void(bench: Bench) -> None:
    """Its facts may be older than what the new stream told."""
    bench.tell(StreamConnected(generation=2))

    said = bench.tell(a_snapshot(generation=1))

    assert one(said, OrdersCompared).pending == ("generation changed",)
    assert of(said, CompareBalances) == []


def test_an_order_with_our_prefix_is_adopted(bench: Bench) -> None:
    """An open order of ours that this journal does not know is taken in, under its own strategy."""
    bench.tell(StreamConnected(generation=1))

    said = bench.tell(a_snapshot(open_orders=(a_report("NEW", client_id="rt_1_grid_n9"),)))

    assert one(said, OrderAdopted).order.strategy == "grid"
    assert one(said, OrderPlaced).order.id == "rt_1_grid_n9"


def test_a_trade_of_nobody_we_know_is_asked_about_and_then_external(bench: Bench) -> None:
    """The cursor waits for the answer; a foreign order's trade moves the wallet only."""
    bench.tell(StreamConnected(generation=1))
    bench.keeper.tables.put("cursors", "BTCUSDT", 3)
    told = a_snapshot(trades=(a_trade(4, "1", 99), a_trade(5, "1", 99)), cursors={"BTCUSDT": 5})
    said = bench.tell(told)
    question = one(said, QueryOrder)
    assert of(said, TradesCursorMoved) == []

    answer = OrderLookedUp(
        id=question.id,
        report=a_report("FILLED", "1", client_id="web_abc", exchange_order_id=99),
        trades=(),
        in_history=None,
        asked_at=bench.now.utc,
        answered_at=bench.now.utc,
    )
    said = bench.tell(answer)

    assert [seen.deltas for seen in of(said, ExternalTradeSeen)] == [{"BTC": D("1"), "USDT": D("-100")}] * 2
    assert one(said, Reconcile).trigger == "foreign"
    again = bench.tell(attrs.evolve(told, token="round-2"))
    assert one(again, OrdersCompared).pending == ()
    assert one(again, TradesCursorMoved).trade_id == 5


def test_the_cursor_does_not_pass_a_trade_that_the_list_does_not_show_yet(bench: Bench) -> None:
    """A lagging copy lists a trade while an older one is missing: nothing younger than 15 s is passed, and it is found."""
    bench.tell(StreamConnected(generation=1))
    placed(bench)
    bench.keeper.tables.put("cursors", "BTCUSDT", 3)
    old, young = a_trade(4, "0.1", at_s=34), a_trade(6, "0.1", at_s=36)
    first = bench.tell(a_snapshot(trades=(old, young), cursors={"BTCUSDT": 6}))
    assert one(first, TradesCursorMoved).trade_id == 4

    hidden, later = a_trade(5, "0.1", 99, at_s=35), START + timedelta(seconds=60)
    second = bench.tell(a_snapshot(token="round-2", trades=(hidden, young), cursors={"BTCUSDT": 6}, asked_at=later))
    assert "#BTCUSDT:99" in one(second, OrdersCompared).pending
    assert of(second, TradesCursorMoved) == []


def test_a_question_without_an_answer_does_not_stay_open_when_the_order_shows_itself(bench: Bench) -> None:
    """Asked whose trade it was, and never answered; meanwhile our own order turns out to have made it: nothing is open."""
    bench.tell(StreamConnected(generation=1))
    submitted(bench)
    bench.keeper.tables.put("cursors", "BTCUSDT", 0)
    bench.tell(PlacementUnknown(id=ID, detail="no answer"))
    asked = bench.tell(a_snapshot(trades=(a_trade(5, "1", 7),), cursors={"BTCUSDT": 5}))
    assert one(asked, OrdersCompared).pending == ("#BTCUSDT:7",)
    looked_up(bench, a_report("FILLED", "1"))
    bench.later(60)

    said = bench.tell(a_snapshot(token="round-2", trades=(a_trade(5, "1", 7),), cursors={"BTCUSDT": 5}))

    assert one(said, OrdersCompared).pending == ()
    assert one(said, TradesCursorMoved).trade_id == 5
    assert bench.row("orders", ID).fills_quantity == D("1")


def test_a_trade_of_a_lost_order_of_ours_is_adopted(bench: Bench) -> None:
    """The trade's order carries our prefix: its fill becomes a position, not a foreign trade."""
    bench.tell(StreamConnected(generation=1))
    bench.keeper.tables.put("cursors", "BTCUSDT", 4)
    key = one(bench.tell(a_snapshot(trades=(a_trade(5, "1", 99),), cursors={"BTCUSDT": 5})), QueryOrder).id

    said = bench.tell(
        OrderLookedUp(
            id=key,
            report=a_report("FILLED", "1", client_id="rt_1_grid_n9", exchange_order_id=99),
            trades=(),
            in_history=None,
            asked_at=bench.now.utc,
            answered_at=bench.now.utc,
        )
    )

    assert bench.row("orders", "rt_1_grid_n9").fills_quantity == D("1")
    assert of(said, ExternalTradeSeen) == []


def test_a_stale_order_is_cancelled_by_the_round(bench: Bench) -> None:
    """stale_order_timeout_secs: what reconciliation finds older than that is cancelled, unless it is meant to rest."""
    bench.tell(StreamConnected(generation=1))
    placed(bench)
    placed_at = bench.mono
    bench.later(CONFIG.stale_order_timeout_secs + 1)
    asked_at = START + timedelta(seconds=bench.mono - 100)
    assert bench.mono > placed_at

    said = bench.tell(a_snapshot(open_orders=(a_report("NEW"),), asked_at=asked_at))

    assert one(said, PlaceCancel).id == ID


# -- memory --------------------------------------------------------------------------


def test_a_final_order_leaves_the_tables_when_the_cursor_has_passed(bench: Bench) -> None:
    """Closed orders are cleaned up (seed S-103), but not before their fills are accounted for."""
    submitted(bench)
    bench.tell(ExecutionReported(report=a_report("FILLED", "1", a_trade(5, "1")), generation=1))
    bench.keeper.tables.put("cursors", "BTCUSDT", 4)
    bench.later(3600)
    early = bench.tell(TICK)
    bench.keeper.tables.put("cursors", "BTCUSDT", 5)
    late = bench.tell(TICK)

    assert of(early, OrderArchived) == []
    assert one(late, OrderArchived).id == ID
    assert bench.row("orders", ID) is None


def test_a_final_order_stays_its_minute_whatever_our_clock_says(bench: Bench) -> None:
    """Set ahead by an hour our clock archives nothing early: who missed its last word is still to hear it from a round."""
    submitted(bench)
    bench.tell(ExecutionReported(report=a_report("FILLED", "1", a_trade(5, "1")), generation=1))
    bench.keeper.tables.put("cursors", "BTCUSDT", 5)
    ahead = attrs.evolve(bench.now, utc=bench.now.utc + timedelta(hours=1))

    assert of(list(bench.keeper.handle(TICK, ahead)), OrderArchived) == []
    assert one(list(bench.keeper.handle(TICK, attrs.evolve(ahead, mono=ahead.mono + 60))), OrderArchived).id == ID


def test_a_late_repetition_about_an_archived_order_is_not_adopted_again(bench: Bench) -> None:
    """All it tells lies below the cursor: it was accounted for."""
    bench.keeper.tables.put("cursors", "BTCUSDT", 5)

    said = bench.tell(ExecutionReported(report=a_report("FILLED", "1", a_trade(5, "1")), generation=1))

    assert said == []


def test_a_late_word_about_an_archived_order_is_no_news_whatever_it_says(bench: Bench) -> None:
    """A report that was on its way for minutes says "partly filled" of an order long over: adopted, it would book twice."""
    submitted(bench)
    bench.tell(ExecutionReported(report=a_report("FILLED", "1", a_trade(5, "1")), generation=1))
    bench.keeper.tables.put("cursors", "BTCUSDT", 5)
    bench.later(3600)
    assert of(bench.tell(TICK), OrderArchived)

    late = a_report("PARTIALLY_FILLED", "0.4", a_trade(4, "0.4"))

    assert bench.tell(ExecutionReported(report=late, generation=1)) == []


def test_the_start_states_everything(bench: Bench) -> None:
    """A run begins with the total of totals, so that every listener has what was recovered."""
    placed(bench)

    stated = one(bench.tell(EngineStarted(run=1, mode="simulated")), OrdersStated)

    assert [order.id for order in stated.orders] == [ID]


def test_a_cancelled_order_says_so_with_its_fills(bench: Bench) -> None:
    """Cancelled after a part: the event carries the order with what was filled."""
    placed(bench)
    bench.tell(ExecutionReported(report=a_report("PARTIALLY_FILLED", "0.4", a_trade(1, "0.4")), generation=1))

    said = bench.tell(ExecutionReported(report=a_report("CANCELED", "0.4"), generation=1))

    assert one(said, OrderCancelled).order.fills_quantity == D("0.4")
