"""What cannot be read on the user stream costs only itself, and books nothing wrong."""

from typing import Any

from house.fault_kit import (
    Stands,
)
from house.kit import SYMBOL
from realtrading.domain.orders import OrderState
from realtrading.domain.reports import StreamLost
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


def test_garbage_does_not_kill_the_stream(stand_at: Stands) -> None:
    """What cannot be read is dropped, whatever it is; after each piece the same connection still tells what can."""
    stand = stand_at()
    ticket = stand.touching()
    generation = stand.generation
    for count, (what, frame) in enumerate(GARBAGE.items(), 1):
        assert stand.judge.call("frame", frame=frame) == {"sent": 1}
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
