"""Cancels that go wrong in every way: the order ends in the truth, and its fills are exactly those of the exchange."""

from decimal import Decimal
from typing import Any

import pytest

from house.fault_kit import CANCEL, Stands
from house.kit import SYMBOL
from realtrading.domain.orders import OrderState
from waiting import wait_until

BAD_CANCELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_after", {}),
    ("status_after", {"status": 504, "code": -1007}),
    ("status_after", {"status": 502, "body": "html"}),
    ("status_after", {"status": 409, "code": -2021, "msg": "Order cancel-replace partially failed."}),
    ("answer_garbage", {"body": "html"}),
    ("drop_before", {}),
    ("status_before", {"status": 503}),
    ("status_before", {"status": 403}),
    ("status_before", {"status": 429, "retry_after": 1}),
    ("status_before", {"status": 400, "code": -2011, "msg": "Unknown order sent."}),
)


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
@pytest.mark.matrix("C5", invariants="G1")
@pytest.mark.matrix("C17", invariants="G1")
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
