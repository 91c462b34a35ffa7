"""The gateway hand: the last look, then one order or cancel to the venue, once."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from realtrading.domain.commands import PlaceCancel, PlaceOrder
from realtrading.domain.events import InstanceSuperseded
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import CancelAnswered, ClockMeasured, PlacementRefused, PlacementUnknown
from realtrading.domain.values import Now
from realtrading.errors import RealTradingError
from realtrading.runtime.actor import Hand
from realtrading.venue.port import Venue

SUPERSEDED = "a newer instance trades on this account"

RULES_IN_DOUBT = (Reason.VENUE_FILTER, Reason.VENUE_PARAMETER, Reason.VENUE_REJECTED)
"""Refusals that our own rules should have foreseen: the venue's may have changed since we read them."""

RULES_AGAIN_S = 5.0
"""However many orders are refused, the rules are not read more often."""


class GatewayActor(Hand):
    """Signs and sends. Its memory holds the ids it has seen until they could not be signed any more anyway."""

    def __init__(self, *, venue: Venue, gate: Callable[[], int], mono: Callable[[], float], observe: bool) -> None:
        super().__init__()
        self.venue = venue
        self.gate = gate
        self.mono = mono
        self.observe = observe

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """Begin one placement or cancel; the answer is sent when it comes. Beside a newer instance nothing is begun."""
        if isinstance(message, InstanceSuperseded):
            self.memory["superseded"] = True
            return ()
        if isinstance(message, PlaceCancel):
            self.spawn(self.cancel(message))
            return ()
        assert isinstance(message, PlaceOrder)
        seen: dict[str, float] = self.memory.setdefault("seen", {})
        for order_id in [known for known, until in seen.items() if until < now.mono]:
            del seen[order_id]
            self.memory.get("signed", {}).pop(order_id, None)
        if message.order.id in seen:
            return ()
        seen[message.order.id] = message.valid_until_mono
        self.spawn(self.place(message))
        return ()

    async def place(self, message: PlaceOrder) -> None:
        """The last look, and then the wire: nothing lies between them.

        What is about to be signed is noted before the look. So whoever fences this gateway and then finds no note knows
        that nothing was sent: a life that notes later will see that it is fenced.
        """
        order = message.order
        self.memory.setdefault("signed", {})[order.id] = message.valid_until_mono
        refusal = self.last_look(message)
        if refusal is None:
            # what passed shut gates only reduces: a lost stream must not keep it in
            answer = await self.venue.place(order, unheard=message.gate is None)
            self.send(answer)
            if isinstance(answer, PlacementRefused) and answer.reason is Reason.VENUE_CLOCK:
                await self.tell_clock()
            elif isinstance(answer, PlacementRefused) and answer.sent and answer.reason in RULES_IN_DOUBT:
                await self.tell_rules(order.symbol)
        else:
            reason, text = refusal
            self.memory["signed"].pop(order.id, None)
            self.send(PlacementRefused(id=order.id, reason=reason, code=0, message=text, sent=False))

    async def tell_clock(self) -> None:
        """The venue does not believe our clock: measure it now, so that the breaker need not wait for the next tick."""
        clock = await self.venue.measure_clock()
        if isinstance(clock, ClockMeasured):
            self.send(clock)

    async def tell_rules(self, symbol: str) -> None:
        """The venue's rules are not what we think: read them now, so that the next order is made by them."""
        asked: dict[str, float] = self.memory.setdefault("rules_asked", {})
        if self.mono() - asked.get(symbol, -RULES_AGAIN_S) < RULES_AGAIN_S:
            return
        asked[symbol] = self.mono()
        try:
            self.send(await self.venue.rules((symbol,)))
        except RealTradingError:
            return  # the next refusal, or the next regular reading, asks again

    def last_look(self, message: PlaceOrder) -> tuple[Reason, str] | None:
        """Why this order must not be signed now, or None. Reads the clock: this is a hand."""
        if "superseded" in self.memory:
            return Reason.HOUSE_SUPERSEDED, SUPERSEDED
        if self.observe:
            return Reason.HOUSE_OBSERVING, "mode observe sends nothing"
        if self.fenced or not self.has_pen:
            return Reason.HOUSE_FAULT, "this gateway was replaced"
        if self.mono() > message.valid_until_mono:
            return Reason.HOUSE_EXPIRED, "it waited too long inside the house"
        gate = self.gate()
        if message.gate is not None and message.gate != gate:
            return Reason.BREAKER_GATE_MOVED, f"the gate moved from {message.gate} to {gate} after it had passed"
        return None

    async def cancel(self, message: PlaceCancel) -> None:
        """Cancels ignore gates and ages, but a newer instance's orders are not ours to cancel."""
        if "superseded" in self.memory:
            self.send(CancelAnswered(id=message.id, certain=True, report=None, code=0, message=SUPERSEDED))
            return
        self.send(await self.venue.cancel(message))


def set_aside(message: object, memory: Mapping[str, Any]) -> Iterable[object]:
    """What to answer for a letter this hand died over: it may have been sent, unless it was not even noted for signing."""
    if isinstance(message, PlaceOrder):
        if message.order.id not in memory.get("signed", {}):
            text = "the gateway died before it signed"
            return (
                PlacementRefused(id=message.order.id, reason=Reason.HOUSE_FAULT, code=0, message=text, sent=False),
            )
        return (PlacementUnknown(id=message.order.id, detail="the gateway died over it", ours=True),)
    if isinstance(message, PlaceCancel):
        text = "the gateway died over the cancel"
        return (CancelAnswered(id=message.id, certain=False, report=None, code=0, message=text),)
    return ()
