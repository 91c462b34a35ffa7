"""Placements whose answer says nothing: one order or none at the exchange, and the house soon knows which."""

import time
from typing import Any

import attrs
import pytest

from house.fault_kit import PATIENT, PLACE, QUERY, REPORTS, Stands, name_of
from house.kit import LOT, SYMBOL
from realtrading.domain.events import OrderDenied
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from waiting import wait_until

FOUND_S = 5.0
"""An order that lives is known to live so soon after the exchange answers (again)."""

GIVEN_UP_S = 28.0
"""An order that never lived is known to be absent so soon after it was signed: recvWindow + 25 s."""

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
    ("status", {"status": 409, "code": -2021, "msg": "Order cancel-replace partially failed."}),
    ("status", {"status": 409, "code": -2022, "msg": "Order cancel-replace failed."}),
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


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
@pytest.mark.matrix("C1", invariants="G1 G3 G5")
@pytest.mark.matrix("C3", invariants="G1 G5")
@pytest.mark.matrix("C5", invariants="G1")
@pytest.mark.matrix("C9", invariants="G16")
@pytest.mark.matrix("C17", invariants="G1")
def test_an_accepted_order_without_a_usable_answer_is_found(muted: bool, stand_at: Stands) -> None:
    """It was executed and the answer says nothing: the stream, or else a query, tells; it is never sent again."""
    stand = stand_at()
    if muted:
        stand.mute()
    tickets = []
    for action, params in AFTER:
        stand.fault(action, PLACE, **params)
        ticket = stand.buy()
        assert stand.until(ticket, OrderState.FILLED, deadline_s=FOUND_S).executed_quantity == LOT, (action, params)
        tickets.append(ticket)
    assert stand.healed().clean
    assert not muted or all(map(stand.was_unknown, tickets))
    assert stand.engine.circuit_breaker.error_count == 0, "a found success ends the row of errors"
    assert len(stand.asked("place")) == len(AFTER)
    stand.trades_on()


@pytest.mark.parametrize(("action", "params"), [AFTER[0], ("drop_after", {}), ("answer_garbage", {})], ids=name_of)
@pytest.mark.matrix("C1", invariants="G1 G3")
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


@pytest.mark.matrix("C6", invariants="G1")
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


@pytest.mark.matrix("C1", invariants="G5")
@pytest.mark.matrix("C3", invariants="G5")
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


@pytest.mark.slow
@pytest.mark.matrix("C2", invariants="G1")
@pytest.mark.matrix("C3", invariants="G1")
@pytest.mark.matrix("C5", invariants="G1")
@pytest.mark.matrix("C17", invariants="G1")
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
    signed = {each["client_order_id"]: each["at_ms"] for each in stand.asked("place")}
    for order in orders:
        waited_s = order.updated_at.timestamp() - signed[order.id] / 1000
        assert 22.9 <= waited_s <= GIVEN_UP_S, f"{order.id} was given up {waited_s} s after it was signed"
    assert stand.engine.circuit_breaker.error_count == len(BEFORE), "counted once, when they became unknown"
    assert stand.healed().clean
    assert sorted(stand.place_requests().values()) == [1] * len(BEFORE)
    stand.trades_on()


@pytest.mark.slow
@pytest.mark.matrix("C3", invariants="G1 G5")
@pytest.mark.matrix("C6", invariants="G1")
def test_outcomes_beyond_the_clients_own_patience(stand_at: Stands) -> None:
    """Answers later than the 15 s the client waits. Executed and told to nobody: asked about after 3 s, and found. Executed
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
    found = stand.until(lagging, OrderState.FILLED, deadline_s=20)
    assert (found.updated_at - found.created_at).total_seconds() >= 9.5
    found = stand.until(silent, OrderState.FILLED)
    assert not stand.was_unknown(silent)
    assert 2.9 <= (found.updated_at - found.created_at).total_seconds() <= FOUND_S
    absent = stand.until(late, OrderState.REJECTED, deadline_s=60)
    assert absent.reason == Reason.VENUE_ABSENT
    assert stand.was_unknown(late)
    assert not stand.ear.of(OrderDenied)
    assert stand.healed().clean


@pytest.mark.slow
@pytest.mark.matrix("C3", invariants="G1 G5")
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


@pytest.mark.slow
@pytest.mark.matrix("C1", invariants="G1 G3 G5")
@pytest.mark.matrix("C2", invariants="G1")
@pytest.mark.matrix("C3", invariants="G1 G5")
def test_after_the_exchange_was_away_it_is_soon_known_which_orders_live(stand_at: Stands) -> None:
    """One order was accepted, one never arrived, and questions hang for a minute each until both could be proved: once
    they are answered again the first is found within 5 s, the second given up within 10 s."""
    stand = stand_at()
    stand.mute()
    stand.fault("delay_before", QUERY, count=None, ms=60_000)
    stand.fault("drop_after", PLACE)
    lives = stand.buy()
    stand.until(lives, OrderState.UNKNOWN)
    stand.fault("drop_before", PLACE)
    never = stand.buy()
    stand.until(never, OrderState.UNKNOWN)
    signed = time.monotonic()
    wait_until(lambda: time.monotonic() > signed + 23, 30, "the horizon is passed")
    assert stand.state(lives) is stand.state(never) is OrderState.UNKNOWN
    stand.judge.heal()
    again = time.monotonic()
    stand.until(lives, OrderState.FILLED)
    assert time.monotonic() < again + FOUND_S
    absent = stand.until(never, OrderState.REJECTED, deadline_s=15)
    assert absent.reason == Reason.VENUE_ABSENT
    assert time.monotonic() < max(again + 10, signed + GIVEN_UP_S)
    assert stand.healed(fired=False).clean
