"""A user stream that lies, stutters and falls silent: both ledgers agree all the same."""

from typing import Any

import pytest

from house.fault_kit import (
    EVENTS,
    REPORTS,
    Stand,
    Stands,
)
from house.kit import LOT, SYMBOL
from realtrading.domain.events import OrderRevised
from realtrading.domain.orders import OrderState
from realtrading.domain.reconciliation import DiscrepancyKind
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


@pytest.mark.parametrize(("action", "match", "params"), [
    ("duplicate_event", EVENTS, {}),
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


def test_an_old_lost_trade_is_named(stand_at: Stands) -> None:
    """A trade older than what could still be under way is a missed fill, named by order and trade id."""
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


def test_a_mute_stream_is_made_up_for_by_answers_and_rounds(stand_at: Stands) -> None:
    """Not one event comes through: every order still ends in the truth."""
    stand = stand_at()
    stand.mute()
    busy(stand)
    assert "user_data" not in stand.engine.gauges.heard_at, "not one event was heard"


def test_a_silent_but_open_stream_is_made_up_for(stand_at: Stands) -> None:
    """The connection lives and says nothing for a while; what was lost in it is found by a round."""
    stand = stand_at()
    ticket = stand.touching()
    generation = stand.generation
    stand.judge.call("silence", streams="user", ms=700)
    stand.step_until(ticket, "FILLED")
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.FILLED
    assert stand.generation == generation, "nobody noticed the silence; it did not matter"
