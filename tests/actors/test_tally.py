"""The tally: what the scrape will say is counted once, from totals, under labels of closed sets."""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from order_factories import T0, D, a_report, a_trade, an_order
from realtrading.actors import tally as t
from realtrading.actors.board import Board
from realtrading.actors.tally import Tally, why_lost
from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.domain.breaker import BreakerCause, CauseKind, CircuitBreakerState
from realtrading.domain.orders import MergeKind, OrderState, RealOrder, merge
from realtrading.domain.reasons import Reason
from realtrading.domain.reconciliation import Discrepancy, DiscrepancyKind, Resolution
from realtrading.domain.values import Now, Quote
from realtrading.runtime import events as machinery
from realtrading.runtime.mailbox import Missed
from realtrading.venue.port import RequestSeen

NOW = Now(mono=50.0, utc=T0 + timedelta(seconds=30))
BUY = ("BTCUSDT", "BUY")


def told(tally: Tally, *messages: object, board: Board | None = None) -> Tally:
    for message in messages:
        tally.count(message, NOW, board or Board())
    return tally


def later(order: RealOrder, seconds: float) -> RealOrder:
    return attrs.evolve(order, updated_at=T0 + timedelta(seconds=seconds))


def submitted(order: RealOrder, seconds: float = 0.002) -> e.OrderSubmitted:
    return e.OrderSubmitted(order=later(order, seconds))


def filled_in_two() -> tuple[e.OrderPartiallyFilled, e.OrderFilled]:
    """An order of 1 at 100, filled in two trades: 0.4 at 100 and 0.6 at 101."""
    first = merge(an_order(), a_report("PARTIALLY_FILLED", "0.4", a_trade(1, "0.4", fee="0.1")), T0 + timedelta(seconds=2))
    trade = a_trade(2, "0.6", "101", fee="0.2")
    second = merge(first.order, a_report("FILLED", "1", trade, quote="100.6", seconds=2), T0 + timedelta(seconds=3))
    assert (first.kind, second.kind) == (MergeKind.PARTIALLY_FILLED, MergeKind.FILLED)
    return (
        e.OrderPartiallyFilled(order=first.order, fills=first.new_fills),
        e.OrderFilled(order=second.order, fills=second.new_fills),
    )


def test_an_order_is_counted_where_it_is_sent_filled_and_over() -> None:
    """One order, two trades: one submission, two fills with their amounts and fees, one end, one pass of the rules."""
    tally = told(Tally(), submitted(an_order()), *filled_in_two())

    assert dict(tally.submitted) == {(*BUY, "LIMIT", "grid"): 1}
    assert dict(tally.fills) == {(*BUY, "taker"): 2}
    assert dict(tally.traded) == {BUY: D("100.6")}
    assert dict(tally.commission) == {("BNB",): D("0.3")}
    assert dict(tally.closed) == {(*BUY, "filled"): 1}
    assert dict(tally.decisions) == {("all", "pass"): 1}


def test_the_same_news_twice_counts_once() -> None:
    """A repeated total adds no fill and no end."""
    partly, filled = filled_in_two()
    tally = told(Tally(), submitted(an_order()), partly, partly, filled, filled)

    assert dict(tally.fills) == {(*BUY, "taker"): 2}
    assert dict(tally.closed) == {(*BUY, "filled"): 1}


def test_a_missed_event_is_made_up_by_the_next_total() -> None:
    """The event of the first trade was dropped; the second one carries both trades, and both are counted."""
    _, filled = filled_in_two()
    tally = told(Tally(), submitted(an_order()), e.OrderPlaced(order=an_order()), filled)

    assert dict(tally.fills) == {(*BUY, "taker"): 2}


def test_fills_of_an_earlier_run_are_not_counted_again() -> None:
    """An order that this process did not send brings only its new trades."""
    _, filled = filled_in_two()
    tally = told(Tally(), filled)

    assert dict(tally.fills) == {(*BUY, "taker"): 1}
    assert dict(tally.traded) == {BUY: D("60.6")}


def test_our_share_and_the_exchanges_are_timed_by_the_orders_own_moments() -> None:
    """Admission to record is ours, record to first word the exchange's; the feed's own delay is in neither."""
    placed = e.OrderPlaced(order=later(an_order(), 0.052))
    tally = told(Tally(), submitted(an_order(), 0.002), placed, placed)

    assert tally.intents.value().sum == pytest.approx(0.002)
    assert tally.acknowledged[("LIMIT",)].value().count == 1
    assert tally.acknowledged[("LIMIT",)].value().sum == pytest.approx(0.05)


@pytest.mark.parametrize("reason", [Reason.HOUSE_EXPIRED, Reason.BREAKER_GATE_MOVED])
def test_a_doubt_or_our_own_refusal_is_no_answer_of_the_exchange(reason: Reason) -> None:
    """Neither an unknown outcome nor a refusal before the wire says how fast the exchange is."""
    unknown = e.OrderUnknown(order=later(an_order(), 5), detail="timeout")
    refused = e.OrderRejected(order=an_order().moved(OrderState.REJECTED, T0, str(reason)), reason="late")
    doubted = told(Tally(), submitted(an_order()), unknown, e.OrderPlaced(order=later(an_order(), 9)))
    stopped = told(Tally(), submitted(an_order()), refused)

    assert doubted.acknowledged[("LIMIT",)].value().count == 0
    assert stopped.acknowledged[("LIMIT",)].value().count == 0


def test_a_trade_is_held_to_the_quote_at_sending_and_to_the_exchanges_clock() -> None:
    """Bought at 100 and 101 with the ask at 100: no slippage and 1 %; the lag counts the clocks' difference."""
    board = Board()
    board.put(Quote(symbol="BTCUSDT", bid=D(99), ask=D(100), last=D(99), at=T0, mono=1.0))
    tally = told(Tally(), r.ClockMeasured(offset_s=0.25, uncertainty_s=0.01), submitted(an_order()), board=board)
    told(tally, *filled_in_two(), board=board)

    value = tally.slippage[("LIMIT",)].value()
    by_edge = dict(zip(value.edges, value.counts, strict=False))
    assert (by_edge[-0.0005], by_edge[0.0], by_edge[0.005], by_edge[0.01]) == (0, 1, 1, 2)
    assert tally.lag.value().sum == pytest.approx(2 * 1.25)


@pytest.mark.parametrize(
    ("reason", "origin", "decision"),
    [
        (Reason.RISK_ORDER_VALUE_MAX, "risk", ("order_value_max", "deny")),
        (Reason.BREAKER_DRIFT, "breaker", ("all", "pass")),
        (Reason.HOUSE_FAULT, "state", None),
    ],
)
def test_a_refusal_names_who_said_no(reason: Reason, origin: str, decision: tuple[str, str] | None) -> None:
    """Risk's refusals are decisions of a rule; what the breaker stopped had passed every rule."""
    tally = told(Tally(), e.OrderDenied(order=an_order(), reason=reason, detail=""))

    assert dict(tally.rejections) == {("BTCUSDT", origin, str(reason)): 1}
    assert dict(tally.decisions) == ({} if decision is None else {decision: 1})


def test_the_exchanges_refusal_is_an_end_and_a_rejection() -> None:
    """A rejected order is closed as rejected, under the exchange's reason; a text of its own is never a label."""
    refused = an_order().moved(OrderState.REJECTED, T0, str(Reason.VENUE_FILTER))
    strange = attrs.evolve(refused, id="rt_1_grid_n2", reason="Account has insufficient balance for order 4711")
    tally = told(Tally(), *(e.OrderRejected(order=order, reason="-1013") for order in (refused, strange)))

    assert dict(tally.closed) == {(*BUY, "rejected"): 2}
    assert dict(tally.rejections) == {
        ("BTCUSDT", "exchange", "VENUE_FILTER"): 1,
        ("BTCUSDT", "exchange", "other"): 1,
    }


def breaker(*causes: tuple[CauseKind, str, str]) -> e.BreakerChanged:
    found = tuple(BreakerCause(kind=kind, scope=scope, token=token, detail="", opened_at=T0) for kind, scope, token in causes)
    return e.BreakerChanged(state=CircuitBreakerState(), causes=found, gate=1, changed="")


def test_a_cause_trips_once_when_it_opens() -> None:
    """What was open when we began to listen is no trip; a new cause is one; the same one renewed is not a second."""
    start = (CauseKind.UNCONFIRMED, "account", "run-7")
    lost = (CauseKind.KEEPER_LOST, "account", "keeper-orders-12")
    renewed = (CauseKind.KEEPER_LOST, "account", "keeper-risk-13")
    tally = told(Tally(), breaker(start), breaker(), breaker(lost), breaker(renewed), breaker(), breaker(lost))

    assert dict(tally.trips) == {("KEEPER_LOST", "keeper"): 2}


def test_after_missed_events_trips_are_counted_from_what_is_open_then() -> None:
    """A cause that may have opened in what was missed is not counted as if it had just opened."""
    tally = told(Tally(), breaker(), Missed(5), breaker((CauseKind.DRIFT, "asset:BTC", "round-1-4")))

    assert dict(tally.trips) == {}


def test_a_stream_reconnects_with_the_reason_it_was_lost_for() -> None:
    """The first connection is none; the one after a loss is."""
    tally = told(
        Tally(),
        r.StreamConnected(generation=1),
        r.MarketStreamConnected(generation=1),
        r.StreamLost(generation=1, detail="connection lost (no close frame)"),
    )
    assert tally.connected == {("user_data",): 0, ("market",): 1}
    told(tally, r.StreamConnected(generation=2))

    assert tally.connected == {("user_data",): 1, ("market",): 1}
    assert dict(tally.reconnects) == {("user_data", "connection"): 1}


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ("the stream actor was restarted", "actor"),
        ("connection is older than 23 h", "age"),
        ("the venue said serverShutdown", "venue"),
        ("the market stream ended", "venue"),
        ("connection lost (received 1006)", "connection"),
        ("Binance did not connect to the user stream: 4711.", "connection"),
    ],
)
def test_why_a_stream_ended_is_one_of_four_words(detail: str, reason: str) -> None:
    """Whatever the text, the label is of a closed set."""
    assert why_lost(detail) == reason
    assert reason in t.REASONS_LOST


def a_round(*, clean: bool, unresolved: tuple[Discrepancy, ...] = ()) -> e.ReconciliationComplete:
    return e.ReconciliationComplete(
        discrepancies=0, unresolved=unresolved, trigger="timer", token="round-1-1", generation=1, covers=(), clean=clean,
        duration_s=0.2,
    )  # fmt: skip


def a_discrepancy(kind: DiscrepancyKind, resolution: Resolution) -> Discrepancy:
    return Discrepancy(kind=kind, key="x", engine="1", exchange="2", resolution=resolution, detail="")


def test_rounds_say_how_they_ended_and_only_a_clean_one_is_a_success() -> None:
    """Clean, unclean and failed rounds; unresolved is the last round's word, and the last success stays."""
    drift = a_discrepancy(DiscrepancyKind.BALANCE_DRIFT, Resolution.UNRESOLVED)
    failed = e.ReconciliationFailed(trigger="stream", token="round-1-2", generation=1, detail="lost")
    tally = told(Tally(), a_round(clean=False, unresolved=(drift, drift)), failed)
    assert tally.clean_at is None
    assert tally.unresolved == {("balance_drift",): 2}
    told(tally, a_round(clean=True))

    assert tally.clean_at == NOW.utc
    assert tally.unresolved == {}
    assert dict(tally.runs) == {("timer", "unclean"): 1, ("stream", "failed"): 1, ("timer", "clean"): 1}
    assert tally.round_seconds.value().count == 2


def test_a_fill_that_a_snapshot_had_to_tell_is_a_gap_of_the_stream() -> None:
    """Other discrepancies are counted, but are no gaps."""
    tally = told(
        Tally(),
        e.DiscrepancyFound(discrepancy=a_discrepancy(DiscrepancyKind.FILL_MISSED, Resolution.HEALED)),
        e.DiscrepancyFound(discrepancy=a_discrepancy(DiscrepancyKind.ORDER_STATE, Resolution.HEALED)),
    )

    assert dict(tally.gaps) == {("user_data",): 1}
    assert dict(tally.discrepancies) == {("fill_missed", "healed"): 1, ("order_state", "healed"): 1}


def test_requests_are_counted_by_template_and_errors_by_known_code() -> None:
    """A code nobody listed is `other`; an answer without one is no error of the exchange."""
    tally = Tally()
    for status, code in (("2xx", 0), ("4xx", -2010), ("4xx", -9999)):
        tally.request(RequestSeen(endpoint="/api/v3/order", method="POST", status=status, code=code, seconds=0.02))

    assert dict(tally.requests) == {("/api/v3/order", "POST", "2xx"): 1, ("/api/v3/order", "POST", "4xx"): 2}
    assert dict(tally.errors) == {("-2010",): 1, ("other",): 1}
    assert tally.request_seconds[("/api/v3/order", "POST")].value().count == 3


def test_the_rest_of_what_a_scrape_wants_to_know() -> None:
    """Commits are timed, surrenders of the supervisor counted, and the moment of the rules kept."""
    tally = told(Tally(), r.RulesReported(rules=()))
    tally.committed(0.004)
    tally.news(machinery.ActorGivenUp("feed", "the restart budget is spent", critical=False))

    assert tally.rules_at == NOW.utc
    assert tally.commits.value().sum == 0.004
    assert dict(tally.escalations) == {("feed",): 1}


def test_memory_of_orders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many orders there were, only the newest are remembered, and all were counted."""
    monkeypatch.setattr(t, "SEEN_MAX", 3)
    tally = Tally()
    for number in range(10):
        order = an_order(id=f"rt_1_grid_n{number}")
        told(tally, submitted(order), e.OrderCancelled(order=order.moved(OrderState.CANCELLED, T0)))

    assert dict(tally.closed) == {(*BUY, "cancelled"): 10}
    assert max(map(len, (tally._over, tally._counted, tally._sent))) <= 3


def test_a_foreign_type_is_other() -> None:
    """An adopted order may have a type we never send; it opens no new label."""
    order = attrs.evolve(an_order(), order_type="STOP_LOSS_LIMIT")
    tally = told(Tally(), submitted(order))

    assert dict(tally.submitted) == {(*BUY, "other", "grid"): 1}
    assert Decimal(0) == tally.traded[BUY]
