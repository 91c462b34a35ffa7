"""What cannot be read on the user stream costs only itself, and books nothing wrong."""

from decimal import Decimal
from typing import Any

import pytest

from house.fault_kit import REPORTS, Stands
from house.kit import SYMBOL
from realtrading.domain.events import OrderEvent, OrderRevised, ReconciliationComplete
from realtrading.domain.orders import OrderState
from realtrading.domain.reports import StreamLost
from realtrading.tickets import Ticket
from waiting import wait_until


def event(**given: Any) -> dict[str, Any]:
    """An event in the envelope of the first subscription of a connection."""
    return {"subscriptionId": 0, "event": given}


def report(**given: Any) -> dict[str, Any]:
    """An execution report of an order that exists nowhere, with some fields changed."""
    usual = {
        "e": "executionReport", "E": 1, "s": SYMBOL, "c": "somebody", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "1",
        "p": "1", "P": "0", "F": "0", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 990000001, "l": "0",
        "z": "0", "L": "0", "n": "0", "N": None, "T": 1, "t": -1, "m": False, "O": 1, "Z": "0", "Y": "0",
    }  # fmt: skip
    return event(**{**usual, **given})


GARBAGE: dict[str, Any] = {
    "no JSON": "{\"subscriptionId\":0,\"event\":{",
    "nothing": "",
    "a list": "[1, 2, 3]",
    "a number": "7",
    "NaN": '{"subscriptionId":0,"event":{"e":"balanceUpdate","a":"BTC","d":NaN,"T":1}}',
    "deep": "[" * 5_000 + "]" * 5_000,
    "no event": {"subscriptionId": 0, "event": None},
    "no kind": event(E=1),
    "a kind nobody knows": event(e="marsLanding", E=1),
    "another subscription": {"subscriptionId": 77, "event": {"e": "balanceUpdate", "a": "BTC", "d": "1", "T": 1}},
    "ten million bytes": '{"subscriptionId":0,"event":{"e":"executionReport","c":"',
    "a name twice": '{"subscriptionId":0,"event":{"e":"balanceUpdate","a":"BTC","d":"1","d":"2","T":1}}',
    "an answer nobody waits for": {"id": "not-asked", "status": 200, "result": {}},
    "a late error": {"id": "not-asked", "status": 504, "error": {"code": -1007, "msg": "Timeout"}},
    "an empty report": event(e="executionReport"),
    "a quantity that is none": report(q="NaN"),
    "an endless quantity": report(z="1e400"),
    "a negative quantity": report(z="-1"),
    "full-width digits": report(q="１２"),
    "a trade without id": report(x="TRADE", X="FILLED", l="1", L="1", z="1"),
    "a state nobody knows": report(X="MARTIAN"),
    "a symbol nobody knows": report(s="NOSUCHUSDT", x="TRADE", X="FILLED", t=5, l="1", L="1", z="1", Z="1", Y="1"),
    "an amount that is none": event(e="balanceUpdate", E=1, a="BTC", d="1_000", T=1),
    "a balance without asset": event(e="outboundAccountPosition", E=1, u=1, B=[{"f": "1", "l": "0"}]),
}


MORE: dict[str, dict[str, Any]] = {"ten million bytes": {"length": 10_000_000}}
"""How a frame is stretched."""

STORM = 20_000


@pytest.mark.matrix("D9", invariants="G16")
def test_garbage_does_not_kill_the_stream(stand_at: Stands) -> None:
    """What cannot be read is dropped, whatever it is; after each piece the same connection still tells what can."""
    stand = stand_at()
    ticket = stand.touching()
    generation = stand.generation
    for count, (what, frame) in enumerate(GARBAGE.items(), 1):
        assert stand.judge.call("frame", frame=frame, **MORE.get(what, {})) == {"sent": 1}
        stand.judge.call("deposit", asset="DUST", amount="1")
        wait_until(lambda seen=count: stand.engine.balances.get("DUST") == seen, 5, f"heard after {what}")
        assert stand.generation == generation, what
    stand.judge.call("withdraw", asset="DUST", amount=str(len(GARBAGE)))
    stand.step_until(ticket, "FILLED")
    stand.until(ticket, OrderState.FILLED)
    assert stand.generation == generation
    assert not stand.ear.of(StreamLost)
    assert stand.healed().clean
    assert stand.causes() == set()


CORRUPTIONS: dict[str, dict[str, Any]] = {
    "a state nobody knows": {"set": {"X": "MARTIAN"}},
    "an execution nobody knows": {"set": {"x": "TRADE_BUST"}},
    "another state": {"set": {"X": "CANCELED"}},
    "an end": {"set": {"x": "CANCELED", "X": "CANCELED", "z": "0.20000000", "t": -1, "l": "0", "L": "0"}},
    "another symbol": {"set": {"s": "ETHUSDT"}},
    "the other side": {"set": {"S": "SELL"}},
    "a negative quantity": {"set": {"l": "-0.001"}},
    "more than was told": {"set": {"z": "0.24000000", "Z": "10000"}},
    "more than was asked for": {"set": {"z": "99"}},
    "all of it": {"set": {"z": "0.25000000", "Z": "10000", "X": "FILLED"}},
    "another price": {"set": {"L": "1.00000000"}},
    "another quantity": {"set": {"l": "0.00000001"}},
    "no quantity": {"drop": ["l"]},
    "no order id": {"drop": ["i"]},
    "NaN": {"raw": {"z": "NaN"}},
    "endless": {"raw": {"l": "1e400"}},
    "endless as text": {"set": {"l": "Infinity"}},
    "sixty digits": {"set": {"l": "0." + "1" * 60}},
    "a name twice": {"raw": {"l": '"0.001","l":"0.002"'}},
    "torn": {"raw": {"M": "tr"}},
}
"""What may be wrong with the report of a trade of ours."""


@pytest.mark.matrix("D4", invariants="G6 G16")
@pytest.mark.matrix("D9", invariants="G16")
def test_a_corrupted_report_of_our_trade_books_nothing_wrong_and_has_the_order_read(stand_at: Stands) -> None:
    """The trade happened, its report came broken: the order is asked for by its id at once, and then it is what the
    exchange says, although nobody asked for a round; the connection goes on."""
    stand = stand_at()
    generation = stand.generation
    for what, params in CORRUPTIONS.items():
        ticket = stand.touching()
        stand.fault("corrupt_event", {**REPORTS, "execution": "TRADE", "client_order_id": ticket.id}, **params)
        asked = len(stand.asked("query"))
        stand.step_until(ticket, "PARTIALLY_FILLED", "FILLED")
        truth = Decimal(stand.truth(ticket)["executedQty"])
        wait_until(lambda seen=ticket, told=truth: executed(seen) == told, 5, f"{what}: the truth, {truth}")
        assert len(stand.asked("query")) > asked, what
        stand.engine.cancel(ticket.id)
        stand.until(ticket, OrderState.CANCELLED, OrderState.FILLED)
        told = [each.order.executed_quantity for each in stand.ear.of(OrderEvent) if each.order.id == ticket.id]
        assert max(told) == truth, what
        assert stand.generation == generation, what
    rounds = [done.trigger for done in stand.ear.of(ReconciliationComplete)]
    assert set(rounds) <= {"start", "foreign"}
    assert not stand.ear.of(OrderRevised)
    assert not stand.ear.of(StreamLost)
    assert stand.healed().clean


def executed(ticket: Ticket) -> Decimal | None:
    """What the engine says is executed, once a trade stands for all of it."""
    order = ticket.order
    assert order is not None
    return None if order.missing_quantity else order.executed_quantity


def test_a_report_about_our_order_in_a_state_nobody_knows_is_asked_about(stand_at: Stands) -> None:
    """A status that Binance invented since changes nothing by itself: the order is asked for, and stays what it is."""
    stand = stand_at()
    ticket = stand.resting()
    asked = len(stand.asked("query"))
    order_id, now_ms = stand.truth(ticket)["orderId"], stand.judge.call("state")["now_ms"]
    stand.judge.call("frame", frame=report(c=ticket.id, i=order_id, q="0.002", X="MARTIAN", T=now_ms))
    wait_until(lambda: len(stand.asked("query")) > asked, 5, "asked")
    assert stand.state(ticket) is OrderState.NEW
    assert stand.healed().clean


@pytest.mark.matrix("D8", invariants="G18")
def test_a_storm_of_reports_loses_none_and_trading_goes_on(stand_at: Stands) -> None:
    """20,000 reports as fast as they go: all are heard, the connection stands, an order goes all the way meanwhile."""
    stand = stand_at()
    ticket = stand.resting()
    generation = stand.generation
    order_id, now_ms = stand.truth(ticket)["orderId"], stand.judge.call("state")["now_ms"]
    frame = report(c=ticket.id, i=order_id, q="0.00200000", p=str(ticket.order.price), T=now_ms)  # type: ignore[union-attr]
    before = stand.engine.gauges.heard[("user_data", "execution")]
    for _ in range(STORM // 500):
        stand.judge.call("frame", frame=frame, times=500)
    stand.trades_on()
    wait_until(lambda: stand.engine.gauges.heard[("user_data", "execution")] >= before + STORM, 30, "all are heard")
    assert stand.generation == generation
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.NEW
