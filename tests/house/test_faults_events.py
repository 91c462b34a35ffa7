"""A user stream that lies, stutters and falls silent: both ledgers agree all the same."""

import time
from decimal import Decimal
from typing import Any

import pytest

from house.fault_kit import (
    CANCEL,
    EVENTS,
    PLACE,
    REPORTS,
    Stand,
    Stands,
)
from house.kit import LOT, SYMBOL
from realtrading.actors import order_echoes, order_polls
from realtrading.domain.events import OrderRevised, ReconciliationComplete
from realtrading.domain.orders import OrderState
from realtrading.domain.reconciliation import DiscrepancyKind
from realtrading.domain.reports import StreamLost
from waiting import wait_until


def busy(stand: Stand) -> None:
    """Orders of every kind of fate, at once: filled by taking, filled in parts while resting, cancelled in between."""
    resting = stand.resting()
    touching = stand.touching()
    taken = [stand.buy() for _ in range(3)]
    stand.step_until(touching, "FILLED")
    stand.engine.cancel(resting.id)
    sold = stand.engine.sell(SYMBOL, quantity=LOT)
    wait_until(lambda: stand.truth(resting)["status"] == "CANCELED", 10, "cancelled at the exchange")
    for ticket in (*taken, sold):
        assert ticket.wait(15) is not None
    assert stand.healed().clean
    assert stand.state(touching) is stand.state(sold) is OrderState.FILLED
    assert stand.state(resting) is OrderState.CANCELLED


@pytest.mark.matrix("D1", invariants="G3")
@pytest.mark.matrix("D2", invariants="G3 G6")
@pytest.mark.parametrize(("action", "match", "params"), [
    ("duplicate_event", EVENTS, {}),
    ("duplicate_event", EVENTS, {"times": 9}),
    ("delay_event", EVENTS, {"ms": 150}),
    ("delay_event", {**EVENTS, "execution": "TRADE"}, {"ms": 250}),
    ("delay_event", {**EVENTS, "execution": "NEW"}, {"ms": 250}),
    ("reorder_events", {**EVENTS, "execution": "NEW"}, {"ms": 200}),
    ("reorder_events", {**EVENTS, "execution": "TRADE"}, {"ms": 200}),
    ("reorder_events", {**EVENTS, "event": "outboundAccountPosition"}, {"ms": 200}),
    ("drop_event", {**EVENTS, "execution": "NEW"}, {}),
    ("drop_event", {**EVENTS, "event": "outboundAccountPosition"}, {}),
], ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value)  # fmt: skip
def test_events_in_any_number_and_order_come_to_the_same(
    action: str, match: dict[str, str], params: dict[str, Any], stand_at: Stands
) -> None:
    """Twice, late, in another order, or without those that tell nothing new: the same orders, fills and balances."""
    stand = stand_at()
    stand.fault(action, match, count=None, **params)
    busy(stand)
    assert not stand.ear.of(OrderRevised), "nothing that was final was taken back"


@pytest.mark.matrix("D3", invariants="G3 G4")
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_one_lost_trade_is_noticed_by_the_next_and_fetched(nth: int, stand_at: Stands) -> None:
    """The cumulative quantity of the next report shows the gap; the missing trade is asked for, not guessed."""
    stand = stand_at()
    ticket = stand.touching()
    stand.fault("drop_event", {**REPORTS, "execution": "TRADE", "nth": nth})
    stand.step_until(ticket, "FILLED")
    stand.until(ticket, OrderState.FILLED)
    assert stand.healed().clean
    assert len(stand.truth(ticket)) > 0
    order = ticket.order
    assert order is not None
    assert len(order.fills) > nth, "the market was kind: another trade followed the lost one"


def test_the_last_trade_lost_is_found_by_a_round(stand_at: Stands) -> None:
    """No event follows the one that was lost: the order looks alive until a reconciliation finds the trade and says so."""
    stand = stand_at()
    ticket = stand.touching()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    stand.until(ticket, OrderState.PARTIALLY_FILLED)
    stand.mute()
    stand.step_until(ticket, "FILLED")
    assert stand.state(ticket) is OrderState.PARTIALLY_FILLED
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.FILLED
    assert stand.causes() == set(), "what a round heals shuts nothing"


def test_an_old_lost_trade_is_named(stand_at: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trade older than what could still be under way is a missed fill, named by order and trade id."""
    monkeypatch.setattr(order_polls, "POLL_EVERY_S", 600.0)
    stand = stand_at()
    ticket = stand.touching()
    stand.mute()
    stand.step_until(ticket, "FILLED")
    last_ms = max(int(trade["time"]) for trade in stand.judge.truth()["trades"])
    wait_until(lambda: stand.judge.call("state")["now_ms"] > last_ms + 2_200, 5, "it is old")
    assert stand.healed().clean
    missed = stand.found(DiscrepancyKind.FILL_MISSED)
    order = ticket.order
    assert order is not None
    assert missed == [f"{ticket.id} trade {fill.trade_id}" for fill in order.fills]


@pytest.mark.matrix("D3", invariants="G3 G4")
def test_a_mute_stream_is_made_up_for_by_answers_and_rounds(stand_at: Stands) -> None:
    """Not one event comes through: every order still ends in the truth."""
    stand = stand_at()
    stand.mute()
    busy(stand)
    assert "user_data" not in stand.engine.gauges.heard_at, "not one event was heard"


def test_a_stream_that_is_silent_for_a_moment_is_made_up_for(stand_at: Stands) -> None:
    """The connection lives and says nothing for a while; what was lost in it is found by a round on demand."""
    stand = stand_at()
    ticket = stand.touching()
    stand.judge.call("silence", streams="user", ms=700)
    stand.step_until(ticket, "FILLED")
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.FILLED


# -- nobody asks for a round: the keepers find out by themselves --------------------------------------------------------

FOUND_WITHIN_S = 15.0


def of_this_generation(stand: Stand) -> int:
    """The generation, once it is connected for so long that it owes whatever happens from now on."""
    since = stand.engine.rows("orders", "generation")["since"] + 1.5 * order_echoes.CONNECTED_MARGIN
    wait_until(lambda: stand.judge.call("state")["now_ms"] > since.timestamp() * 1000, 5, "it owes all that happens")
    return stand.generation


def replaced(stand: Stand, generation: int, since: float) -> None:
    """The mute generation is given up for its silence, in time, and the next one trades."""
    wait_until(lambda: stand.generation > generation, FOUND_WITHIN_S, "another generation")
    assert time.monotonic() - since < FOUND_WITHIN_S
    [lost] = stand.ear.of(StreamLost)
    assert (lost.generation, "the stream has not told it" in lost.detail) == (generation, True)


@pytest.mark.matrix("D5", invariants="G13")
@pytest.mark.matrix("D3", invariants="G3 G4")
def test_a_mute_stream_is_found_out_by_an_order_that_it_does_not_tell(stand_at: Stands) -> None:
    """Pings are answered, no event comes: the order's own answer is the evidence."""
    stand = stand_at()
    generation, since = of_this_generation(stand), time.monotonic()
    stand.mute()
    ticket = stand.buy()
    stand.until(ticket, OrderState.FILLED)
    replaced(stand, generation, since)
    assert stand.healed().clean
    assert stand.causes() == {"STREAM_LOST"}
    stand.trades_on()


@pytest.mark.matrix("D5", invariants="G13")
@pytest.mark.matrix("D3", invariants="G3 G4")
@pytest.mark.parametrize("lost", ["all", "the last one"])
def test_a_fill_that_no_event_tells_is_found_by_the_poll(
    lost: str, stand_at: Stands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order rests and is filled while the stream is mute, or loses just the last report: found within 15 s without
    anybody's asking for a round, and the stream that did not tell it is replaced."""
    if lost != "all":
        monkeypatch.setattr(order_polls, "POLL_EVERY_S", 1.0)
    stand = stand_at()
    ticket = stand.touching()
    generation = of_this_generation(stand)
    if lost == "all":
        stand.mute()
        stand.step_until(ticket, "FILLED")
    else:
        stand.step_until(ticket, "PARTIALLY_FILLED")
        stand.until(ticket, OrderState.PARTIALLY_FILLED)
        stand.fault("drop_event", {**REPORTS, "execution": "TRADE"}, count=None)
        stand.step_until(ticket, "FILLED")
    since = time.monotonic()
    stand.until(ticket, OrderState.FILLED, deadline_s=FOUND_WITHIN_S)
    replaced(stand, generation, since)
    assert not any(asked.trigger == "operator" for asked in stand.ear.of(ReconciliationComplete))
    assert stand.healed().clean


@pytest.mark.matrix("D3", invariants="G3 G4")
def test_an_end_that_no_event_tells_is_found_by_the_poll(stand_at: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person cancels our order and the stream does not say so."""
    monkeypatch.setattr(order_polls, "POLL_EVERY_S", 1.0)
    stand = stand_at()
    ticket = stand.resting()
    generation, since = of_this_generation(stand), time.monotonic()
    stand.mute()
    stand.judge.call("cancel", symbol=SYMBOL, orderId=str(stand.truth(ticket)["orderId"]))
    stand.until(ticket, OrderState.CANCELLED, deadline_s=FOUND_WITHIN_S)
    replaced(stand, generation, since)
    assert stand.healed().clean


def test_polls_cost_little_and_only_while_something_rests(stand_at: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading of open orders (weight 6) per symbol and interval, none when nothing of ours is there."""
    monkeypatch.setattr(order_polls, "POLL_EVERY_S", 0.5)
    stand = stand_at()

    def polls() -> int:
        asked = stand.asked("open_orders")
        assert {each["weight"] for each in asked} <= {6}
        return len(asked)

    ticket = stand.resting()
    began, before = time.monotonic(), polls()
    wait_until(lambda: polls() >= before + 4, 10, "polls")
    assert polls() - before <= (time.monotonic() - began) / 0.5 + 1
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    rounds = len(stand.ear.of(ReconciliationComplete))
    wait_until(lambda: not stand.engine.rows("orders", "polls"), 5, "nothing rests")
    before = polls()
    stand.trades_on()
    assert polls() - before <= len(stand.ear.of(ReconciliationComplete)) - rounds
    assert stand.healed().clean


# -- races --------------------------------------------------------------------------------------------------------------


@pytest.mark.matrix("D10", invariants="G3")
@pytest.mark.parametrize("first", ["answer", "stream"])
def test_answer_and_report_come_to_the_same_whichever_is_first(first: str, stand_at: Stands) -> None:
    """Of a placement and of a cancel: the same states, fills and balances."""
    stand = stand_at()
    if first == "answer":
        stand.fault("delay_event", EVENTS, count=None, ms=300)
    else:
        stand.fault("delay_after", PLACE, count=None, ms=300)
        stand.fault("delay_after", CANCEL, count=None, ms=300)
    busy(stand)
    assert not stand.ear.of(OrderRevised)


@pytest.mark.matrix("D11", invariants="G3 G6")
@pytest.mark.parametrize("late", ["report", "answer"])
def test_a_cancel_that_races_with_fills_ends_in_the_exact_quantity(late: str, stand_at: Stands) -> None:
    """Fills go on until the cancel arrives; what was filled before is told after the cancel was confirmed, or the cancel
    is confirmed after everything else was told."""
    stand = stand_at()
    ticket = stand.touching()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    if late == "report":
        stand.fault("delay_event", {**EVENTS, "execution": "TRADE"}, count=None, ms=500)
        executed = stand.truth(ticket)["executedQty"]
        while stand.truth(ticket)["executedQty"] == executed:
            stand.step()
    else:
        stand.fault("delay_after", CANCEL, ms=500)
        stand.fault("delay_before", CANCEL, ms=100)
    stand.engine.cancel(ticket.id)
    for _ in range(3):
        stand.step()
    stand.until(ticket, OrderState.CANCELLED, OrderState.FILLED)
    assert stand.healed().clean
    order, truth = ticket.order, stand.truth(ticket)
    assert order is not None
    assert order.executed_quantity == sum(fill.quantity for fill in order.fills) == Decimal(truth["executedQty"])


@pytest.mark.matrix("D14", invariants="G6")
@pytest.mark.parametrize(("mode", "ours"), [
    ("EXPIRE_MAKER", OrderState.EXPIRED),
    ("EXPIRE_BOTH", OrderState.EXPIRED),
    ("EXPIRE_TAKER", OrderState.NEW),
    ("DECREMENT", OrderState.NEW),
])  # fmt: skip
def test_self_trade_prevention_is_an_end_only_when_it_is_one(mode: str, ours: OrderState, stand_at: Stands) -> None:
    """A person's order would meet ours: expired in the match, or less is left of it, but nothing was traded."""
    stand = stand_at()
    ticket = stand.touching(Decimal("0.3"))
    price = str(ticket.order.price) if ticket.order is not None else ""
    taker = {"type": "LIMIT", "timeInForce": "IOC", "price": price, "selfTradePreventionMode": mode}
    stand.by_hand("SELL", "0.2", **taker)
    stand.until(ticket, ours)
    assert stand.truth(ticket)["status"] == ("EXPIRED_IN_MATCH" if ours is OrderState.EXPIRED else "NEW")
    assert stand.healed().clean
    assert stand.state(ticket) is ours
