"""Requests that go wrong in every way: one request per client id, no false absence, and two ledgers that agree."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from house.fault_kit import CANCEL, PATIENT, PLACE, QUERY, REPORTS, Stands, quick_ticks, stands
from house.kit import LOT, SYMBOL, Judge
from realtrading.domain.events import CircuitBreakerClosed, CircuitBreakerOpened, OrderDenied, ReconciliationFailed
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from waiting import wait_until

Fault = tuple[str, dict[str, Any]]

UNSURE: tuple[Fault, ...] = (
    ("status", {"status": 500}),
    ("status", {"status": 502, "body": "html"}),
    ("status", {"status": 503}),
    ("status", {"status": 504, "body": "empty"}),
    ("status", {"status": 504, "code": -1007, "msg": "Timeout waiting for response from backend server."}),
    ("status", {"status": 500, "code": -1006, "msg": "An unexpected response was received from the message bus."}),
    ("status", {"status": 400, "code": -1006, "msg": "An unexpected response was received from the message bus."}),
    ("status", {"status": 400, "code": -1000, "msg": "An unknown error occurred while processing the request."}),
    ("status", {"status": 400, "code": -1001, "msg": "Internal error; unable to process your request."}),
    ("status", {"status": 400, "code": -1008, "msg": "Server is currently overloaded with other requests."}),
    ("status", {"status": 400, "code": -9999, "msg": "A code that nobody has written down."}),
    ("status", {"status": 403}),
    ("drop", {}),
)
"""Answers that do not tell whether the order lives; `status` and `drop` happen before or after it was executed."""

AFTER: tuple[Fault, ...] = (
    *((f"{action}_after", params) for action, params in UNSURE),
    ("answer_garbage", {}),
    ("answer_garbage", {"body": "html"}),
    ("answer_garbage", {"body": "empty"}),
)
BEFORE: tuple[Fault, ...] = tuple((f"{action}_before", params) for action, params in UNSURE)


BAD_CANCELS: tuple[Fault, ...] = (
    ("drop_after", {}),
    ("status_after", {"status": 504, "code": -1007}),
    ("status_after", {"status": 502, "body": "html"}),
    ("answer_garbage", {"body": "html"}),
    ("drop_before", {}),
    ("status_before", {"status": 503}),
    ("status_before", {"status": 403}),
    ("status_before", {"status": 429, "retry_after": 1}),
    ("status_before", {"status": 400, "code": -2011, "msg": "Unknown order sent."}),
)


def name_of(value: object) -> str:
    if isinstance(value, dict):
        return "-".join(str(part) for key, part in value.items() if key != "msg") or "plain"
    return str(value)


@pytest.fixture
def stand_at(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stands]:
    """Makes running engines at the file's simulator."""
    quick_ticks(monkeypatch, reconciliation=0.05)
    with stands(judge, tmp_path) as make:
        yield make


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's clock is measured every 0.2 s instead of every 30 s."""
    quick_ticks(monkeypatch, user_stream=0.2)


# -- the answer to a placement is lost, the order is not ------------------------------------------------------------


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
def test_an_accepted_order_without_a_usable_answer_is_found(muted: bool, stand_at: Stands) -> None:
    """It was executed and the answer says nothing: the stream, or else a query, tells; it is never sent again."""
    stand = stand_at()
    if muted:
        stand.mute()
    tickets = []
    for action, params in AFTER:
        stand.fault(action, PLACE, **params)
        ticket = stand.buy()
        assert stand.until(ticket, OrderState.FILLED).executed_quantity == LOT, (action, params)
        tickets.append(ticket)
    assert stand.healed().clean
    assert not muted or all(map(stand.was_unknown, tickets))
    assert stand.engine.circuit_breaker.error_count == 0, "a found success ends the row of errors"
    assert len(stand.asked("place")) == len(AFTER)
    stand.trades_on()


@pytest.mark.parametrize(("action", "params"), [AFTER[0], ("drop_after", {}), ("answer_garbage", {})], ids=name_of)
def test_a_resting_order_without_a_usable_answer_is_found_and_can_be_cancelled(
    action: str, params: dict[str, Any], stand_at: Stands
) -> None:
    """It rests at the exchange and nobody said so: asked about, known, cancelled on wish while it was still unknown."""
    stand = stand_at()
    stand.mute()
    stand.fault("query_lag", PLACE, ms=400)
    stand.fault(action, PLACE, **params)
    ticket = stand.engine.buy(SYMBOL, quantity=LOT, price=stand.under("0.9"), rests=True)
    stand.until(ticket, OrderState.UNKNOWN)
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    assert stand.truth(ticket)["status"] == "CANCELED"
    assert stand.healed().clean
    assert len(stand.asked("cancel")) == 1


def test_a_lagging_query_is_no_proof_of_absence(stand_at: Stands) -> None:
    """Two seconds of "does not exist" about an order that lives: it stays unknown and is found, not given up."""
    stand = stand_at()
    stand.mute()
    stand.fault("query_lag", PLACE, ms=2_000)
    stand.fault("drop_after", PLACE)
    ticket = stand.buy()
    stand.until(ticket, OrderState.UNKNOWN)
    wait_until(lambda: any(each["code"] == -2013 for each in stand.asked("query")), 5, "asked in vain")
    assert stand.state(ticket) is OrderState.UNKNOWN
    stand.until(ticket, OrderState.FILLED)
    assert sum(each["code"] == -2013 for each in stand.asked("query")) >= 2
    assert stand.healed().clean


def test_an_unknown_order_counts_as_exposure_until_a_fact_ends_it(stand_at: Stands) -> None:
    """While nobody knows its outcome it fills the limit: the next order has no room; found, it is the position."""
    limits = attrs.evolve(PATIENT, max_positions=1, max_position_size_usdt="150", max_total_exposure_usdt="150")
    stand = stand_at(limits=limits)
    stand.mute()
    stand.fault("query_lag", PLACE, ms=1_000)
    stand.fault("drop_after", PLACE)
    first = stand.buy(LOT * 2)
    stand.until(first, OrderState.UNKNOWN)
    second = stand.buy(LOT * 2)
    denied = second.wait(5)
    assert denied is not None
    assert denied.reason == Reason.RISK_POSITION_MAX, second.detail
    stand.until(first, OrderState.FILLED)
    third = stand.buy(LOT * 2)
    assert third.wait(5) is not None
    assert third.detail.startswith(str(Reason.RISK_POSITION_MAX))
    assert stand.healed().clean
    assert len(stand.asked("place")) == 1


def test_an_answer_that_takes_long_is_waited_for(stand_at: Stands) -> None:
    """Executed at once, answered 1.5 s later, no event in between: pending that long, then filled by the answer."""
    stand = stand_at()
    stand.mute()
    stand.fault("delay_after", PLACE, ms=1_500)
    ticket = stand.buy()
    wait_until(lambda: stand.asked("place"), 5, "it was sent")
    assert stand.state(ticket) is OrderState.PENDING
    stand.until(ticket, OrderState.FILLED)
    assert not stand.was_unknown(ticket)
    assert stand.healed().clean


def test_the_stream_overtakes_a_slow_answer(stand_at: Stands) -> None:
    """The fill is told before the answer: booked once, and the answer adds nothing."""
    stand = stand_at()
    stand.fault("delay_after", PLACE, ms=700)
    ticket = stand.buy()
    wait_until(lambda: stand.state(ticket) is OrderState.FILLED, 0.6, "the event is enough")
    wait_until(lambda: stand.asked("place")[0]["answered"], 5, "the answer came")
    assert stand.healed().clean


# -- refused ----------------------------------------------------------------------------------------------------------


def test_three_unknown_outcomes_open_the_breaker_and_a_probe_closes_it(stand_at: Stands) -> None:
    """The seed's rule on the wire: three errors in a row open it, after the cooldown one probe's success closes it."""
    stand = stand_at(limits=attrs.evolve(PATIENT, circuit_breaker_errors=3, circuit_breaker_cooldown_secs=1))
    stand.fault("status_before", PLACE, count=3, status=401, code=-2015, msg="Invalid API-key, IP, or permissions.")
    refused = [stand.buy().wait(5) for _ in range(3)]
    assert [order and order.reason for order in refused] == [Reason.VENUE_CREDENTIALS] * 3
    wait_until(lambda: stand.now_open() == {"ERRORS"}, 5, "open")
    blocked = stand.buy()
    assert blocked.wait(5) is not None
    assert blocked.detail.startswith(str(Reason.BREAKER_ERRORS))
    assert len(stand.asked("place")) == 3
    wait_until(lambda: stand.engine.circuit_breaker.half_open, 5, "the cooldown is over")
    stand.trades_on()
    wait_until(lambda: stand.engine.is_ready, 5, "closed by its probe")
    assert len(stand.ear.of(CircuitBreakerOpened)) == 1
    assert len(stand.ear.of(CircuitBreakerClosed)) == 2, "at the start and now"
    assert stand.healed().clean


@pytest.mark.parametrize("status", [429, 418])
def test_a_throttled_placement_is_refused_and_the_house_is_silent_as_long_as_asked(status: int, stand_at: Stands) -> None:
    """Refused for sure; until the venue's Retry-After has passed no request at all leaves the house, then it goes on."""
    stand = stand_at()
    stand.fault("status_before", PLACE, status=status, retry_after=2)
    first = stand.buy()
    refused = first.wait(5)
    assert refused is not None
    assert refused.reason == Reason.VENUE_THROTTLED
    seen = stand.judge.call("requests")["seq"]
    second = stand.buy()
    also = second.wait(5)
    assert also is not None
    assert also.reason == Reason.VENUE_THROTTLED
    assert stand.judge.requests(seen) == [], "nothing was sent during the silence"
    asked_at = stand.asked("place")[0]["at_ms"]
    wait_until(lambda: stand.engine.gauges.silent_until_utc and stand.engine.reconcile(1), 10, "the silence is over")
    later = stand.judge.requests(seen)
    assert min(each["at_ms"] for each in later) >= asked_at + 1_900
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.parametrize(("action", "params"), [
    ("status_before", {"status": 429, "retry_after": 1}),
    ("status_before", {"status": 418, "retry_after": 1}),
    ("status_before", {"status": 503}),
    ("status_before", {"status": 403}),
    ("answer_garbage", {"body": "html"}),
    ("drop_after", {}),
], ids=name_of)  # fmt: skip
def test_a_query_without_an_answer_is_asked_again(action: str, params: dict[str, Any], stand_at: Stands) -> None:
    """An order of unknown outcome whose question fails too stays unknown and is asked about until a fact answers."""
    stand = stand_at()
    stand.mute()
    stand.fault("drop_after", PLACE)
    stand.fault(action, QUERY, count=1 if "retry_after" in params else 3, **params)
    ticket = stand.buy()
    stand.until(ticket, OrderState.FILLED, deadline_s=15)
    assert stand.healed().clean
    assert stand.was_unknown(ticket)


@pytest.mark.parametrize(("action", "params", "path"), [
    ("status_before", {"status": 429, "retry_after": 1}, "/api/v3/openOrders"),
    ("status_before", {"status": 418, "retry_after": 1}, "/api/v3/account"),
    ("status_before", {"status": 503, "body": "html"}, "/api/v3/account"),
    ("drop_after", {}, "/api/v3/myTrades"),
    ("answer_garbage", {}, "/api/v3/time"),
], ids=name_of)  # fmt: skip
def test_a_snapshot_without_an_answer_fails_its_round_and_another_follows(
    action: str, params: dict[str, Any], path: str, stand_at: Stands
) -> None:
    """A round that lacks any answer concludes nothing; what was wished is looked at again until it is answered."""
    stand = stand_at()
    stand.trades_on()
    stand.fault(action, {"path": path}, **params)
    found = stand.engine.reconcile(15)
    assert found is not None
    assert found.clean
    assert stand.ear.of(ReconciliationFailed)
    assert stand.causes() == set(), "a failed look shuts nothing by itself"
    assert stand.healed().clean


# -- clock ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew_ms", [4_000, -4_000])
def test_a_clock_that_is_off_shuts_the_door_until_it_is_right(skew_ms: int, stand_at: Stands, quick_clock: None) -> None:
    """-1021 is a sure no; the clock is measured at once, orders wait outside while it is off, and pass when it is not."""
    stand = stand_at()
    stand.skew(skew_ms)
    first = stand.buy()
    refused = first.wait(5)
    assert refused is not None
    assert refused.reason in (Reason.VENUE_CLOCK, Reason.BREAKER_CLOCK)
    wait_until(lambda: stand.now_open() == {"CLOCK"}, 5, "the cause is open")
    blocked = stand.buy()
    assert blocked.wait(5) is not None
    assert blocked.detail.startswith(str(Reason.BREAKER_CLOCK))
    assert stand.engine.gauges.clock_offset_s == pytest.approx(skew_ms / 1000, abs=0.3)
    stand.skew(0)
    wait_until(lambda: stand.engine.is_ready, 5, "measured well again")
    stand.trades_on()
    assert stand.healed().clean


def test_a_refused_timestamp_is_told_to_the_breaker_without_waiting_for_the_next_measurement(stand_at: Stands) -> None:
    """The measurement that follows a -1021 opens CLOCK at once: the regular one would come half a minute later."""
    stand = stand_at()
    stand.skew(4_000)
    refused = stand.buy().wait(5)
    assert refused is not None
    assert refused.reason == Reason.VENUE_CLOCK
    wait_until(lambda: stand.now_open() == {"CLOCK"}, 3, "the breaker knows")
    stand.skew(0)
    stand.judge.call("cut", streams="user")
    wait_until(lambda: stand.engine.is_ready, 5, "a new connection measures again")
    assert stand.healed().clean


def test_a_cancel_with_a_wrong_timestamp_is_sent_again_with_a_right_one(stand_at: Stands) -> None:
    """Refused for its time only, so nothing was done: measured, sent again, cancelled."""
    stand = stand_at()
    ticket = stand.resting()
    stand.skew(4_000)
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    assert [each["code"] for each in stand.asked("cancel")] == [-1021, 0]
    stand.skew(0)
    stand.judge.call("cut", streams="user")
    assert stand.healed().clean


# -- cancels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
def test_a_cancel_without_a_usable_answer_ends_in_the_truth(muted: bool, stand_at: Stands) -> None:
    """Executed or not, told or not: the order is asked about and ends cancelled, by the exchange's record too."""
    stand = stand_at()
    tickets = [stand.resting() for _ in BAD_CANCELS]
    if muted:
        stand.mute()
    for ticket, (action, params) in zip(tickets, BAD_CANCELS, strict=True):
        seen = stand.judge.call("requests")["seq"]
        stand.fault(action, CANCEL, **params)
        stand.engine.cancel(ticket.id)
        stand.until(ticket, OrderState.CANCELLED, deadline_s=15)
        assert stand.truth(ticket)["status"] == "CANCELED", (action, params)
        sent = stand.judge.requests(seen, "cancel")
        assert [each["executed"] for each in sent].count(True) == 1, (action, params)
        assert len(sent) == 1 or action.endswith("before"), "nobody below sent the DELETE again"
    assert stand.healed().clean


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
def test_a_cancel_that_comes_too_late_finds_the_order_filled(muted: bool, stand_at: Stands) -> None:
    """The order fills while its cancel is under way: -2011 is a question, and the answer is the fill."""
    stand = stand_at()
    ticket = stand.touching(Decimal("0.001"))
    if muted:
        stand.mute()
    stand.fault("delay_before", CANCEL, ms=2_000)
    stand.engine.cancel(ticket.id)
    wait_until(lambda: stand.asked("cancel"), 5, "the cancel is under way")
    stand.step_until(ticket, "FILLED")
    stand.until(ticket, OrderState.FILLED)
    wait_until(lambda: stand.asked("cancel")[0]["answered"], 10, "the cancel was answered")
    assert stand.asked("cancel")[0]["code"] == -2011
    assert stand.state(ticket) is OrderState.FILLED
    assert stand.healed().clean


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
def test_a_partly_filled_order_is_cancelled_with_exactly_its_fills(muted: bool, stand_at: Stands) -> None:
    """Fills that came in before the cancel count, told by whoever; the rest does not."""
    stand = stand_at()
    ticket = stand.touching()
    if muted:
        stand.mute()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    assert stand.healed().clean
    order = ticket.order
    assert order is not None
    assert 0 < order.executed_quantity == order.fills_quantity < order.original_quantity


def test_an_order_that_somebody_cancelled_unheard_is_found_cancelled(stand_at: Stands) -> None:
    """Our cancel gets -2011 because a person was faster and the event was lost: asked, and cancelled."""
    stand = stand_at()
    ticket = stand.resting()
    stand.mute()
    stand.judge.call("cancel", symbol=SYMBOL, orderId=str(stand.truth(ticket)["orderId"]))
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    assert [each["code"] for each in stand.asked("cancel")] == [-2011]
    assert stand.healed().clean


# -- proofs that take their time --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_never_arrived_is_absent_only_after_the_proof(stand_at: Stands) -> None:
    """Requests that died before the exchange executed them: unknown, counted as live, and given up only when the venue's
    clock has passed the last moment at which they could still have been accepted, by 15 s."""
    stand = stand_at()
    tickets = []
    for action, params in BEFORE:
        stand.fault(action, {"kind": "place", "nth": 1}, **params)
        ticket = stand.buy()
        stand.until(ticket, OrderState.UNKNOWN)
        tickets.append(ticket)
    orders = [stand.until(ticket, OrderState.REJECTED, deadline_s=60) for ticket in tickets]
    assert {order.reason for order in orders} == {Reason.VENUE_ABSENT}
    for order in orders:
        assert order.valid_until is not None
        waited_s = (order.updated_at - order.valid_until).total_seconds()
        assert 17.9 <= waited_s <= 30, f"{order.id} was given up after {waited_s} s"
    assert stand.engine.circuit_breaker.error_count == len(BEFORE), "counted once, when they became unknown"
    assert stand.healed().clean
    assert sorted(stand.place_requests().values()) == [1] * len(BEFORE)
    stand.trades_on()


@pytest.mark.slow
def test_outcomes_beyond_the_clients_own_patience(stand_at: Stands) -> None:
    """Answers later than the 15 s the client waits. Executed and told to nobody: unknown after 12 s, then found. Executed
    and visible to queries 10 s later: found then. Late at the exchange, past its window: refused there, absent here."""
    stand = stand_at()
    stand.fault("drop_event", REPORTS, count=None)
    stand.fault("delay_after", PLACE, ms=17_000)
    silent = stand.buy()
    wait_until(lambda: len(stand.asked("place")) == 1, 5, "the first is out")
    stand.fault("query_lag", PLACE, ms=10_000)
    stand.fault("drop_after", PLACE)
    lagging = stand.buy()
    stand.until(lagging, OrderState.UNKNOWN)
    stand.fault("delay_before", PLACE, ms=16_000)
    late = stand.buy()
    wait_until(lambda: len(stand.asked("place")) == 3, 5, "the last is out")
    assert stand.state(silent) is OrderState.PENDING
    found = stand.until(lagging, OrderState.FILLED, deadline_s=20)
    assert (found.updated_at - found.created_at).total_seconds() >= 9.5
    found = stand.until(silent, OrderState.FILLED, deadline_s=20)
    assert stand.was_unknown(silent)
    assert 11.5 <= (found.updated_at - found.created_at).total_seconds() <= 15
    absent = stand.until(late, OrderState.REJECTED, deadline_s=60)
    assert absent.reason == Reason.VENUE_ABSENT
    assert not stand.ear.of(OrderDenied)
    assert stand.healed().clean


@pytest.mark.slow
def test_an_order_accepted_long_after_it_was_sent_is_ours_all_the_same(stand_at: Stands) -> None:
    """It reaches the exchange 2.5 s after signing, inside its window, and its answer is lost: live, found, accounted for."""
    stand = stand_at()
    stand.mute()
    stand.fault("delay_before", PLACE, ms=2_500)
    stand.fault("drop_after", PLACE)
    ticket = stand.buy()
    stand.until(ticket, OrderState.FILLED, deadline_s=20)
    assert stand.healed().clean
    assert stand.was_unknown(ticket)
