"""The scripted faults: what is done to the exchange or the house, and how it shows that the house got over it."""
from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs

from realtrading.domain.events import ActorRestarted, OrderEvent, OrderRejected, OrderUnknown
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import StreamConnected
from realtrading.engine import RealTradingEngine
from realtrading.runtime.spec import FaultKind

from .simulator import Simulator
from .witness import Witness

SILENCE_MS = 100
"""Long enough to lose what the stream says about the order whose answer is lost: only a question can find it then."""

RETRY_AFTER_S = 1
SUBSCRIBE = "userDataStream.subscribe.signature"
FIRST_AT, LAST_AT = 0.12, 0.68
"""The first and the last fault come after these shares of the trading time."""


@attrs.frozen(kw_only=True)
class Stage:
    """Everything a fault can touch or look at."""

    simulator: Simulator
    engine: RealTradingEngine
    witness: Witness
    keeper: str
    """The actor that `actor_crash` makes fail."""


@attrs.frozen(kw_only=True)
class FaultRecord:
    """One fault as the verdict tells it. `failed`: why it does not count as survived; empty when it does."""

    name: str
    injected_at: str
    requests_seen_by_exchange: int
    outcome: str
    failed: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the verdict's object shows it."""
        return {
            "name": self.name,
            "injected_at": self.injected_at,
            "requests_seen_by_exchange": self.requests_seen_by_exchange,
            "outcome": self.outcome,
        }


class Fault:
    """One fault of the script: injected once, then looked at until the house is over it.

    `victim` is the client id of the order it hit; empty when it hits none, or has not yet.
    """

    name: ClassVar[str]

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.at_utc = datetime.now(UTC)
        self.at_mono = time.monotonic()
        self.mark = stage.witness.mark()
        self.seq = int(stage.simulator.look("state")["requests"])
        self.over_after_s: float | None = None
        self.victim = ""
        self.inject()

    def inject(self) -> None:
        """Do it."""
        raise TypeError(f"{type(self).__name__} does nothing")

    def survived(self) -> bool:
        """Is the house over it, as far as can be seen now?"""
        raise TypeError(f"{type(self).__name__} looks at nothing")

    def look(self) -> bool:
        """Is it over? Remembers how long that took."""
        if self.over_after_s is None and self.survived() and self.stage.engine.is_ready:
            self.over_after_s = time.monotonic() - self.at_mono
        return self.over_after_s is not None

    def outcome(self) -> str:
        """What came of it, in words."""
        raise TypeError(f"{type(self).__name__} tells nothing")

    def requests(self, log: Sequence[Mapping[str, Any]]) -> int:
        """How many requests about it the exchange saw."""
        return sum(1 for each in log if each["kind"] == "place" and each["client_order_id"] == self.victim)

    def record(self, log: Sequence[Mapping[str, Any]], by_client_id: Mapping[str, Mapping[str, int]]) -> FaultRecord:
        """The final word on it; `log` and `by_client_id` are the exchange's own."""
        failed = "" if self.over_after_s is not None else "the house did not get over it in time"
        return FaultRecord(
            name=self.name,
            injected_at=self.at_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            requests_seen_by_exchange=self.requests(log),
            outcome=failed or f"{self.outcome()}; trading again after {self.over_after_s:.2f} s",
            failed=failed or self.judged(by_client_id),
        )

    def judged(self, by_client_id: Mapping[str, Mapping[str, int]]) -> str:
        """What is wrong by the exchange's count; empty when nothing is."""
        return ""


class StreamDrop(Fault):
    """The user stream's connection is cut."""

    name = "stream_drop"

    def inject(self) -> None:
        """Cut it."""
        self.stage.simulator.tell("cut", streams="user")

    def survived(self) -> bool:
        """A new generation is connected."""
        return self.stage.witness.any_since(self.mark, StreamConnected)

    def outcome(self) -> str:
        """Which generation came."""
        generation = next(self.stage.witness.since(self.mark, StreamConnected)).generation
        return f"reconnected as generation {generation} and reconciled"

    def requests(self, log: Sequence[Mapping[str, Any]]) -> int:
        """New subscriptions."""
        return sum(1 for each in log if each["seq"] > self.seq and each["method"] == SUBSCRIBE)


class OrderFault(Fault):
    """A fault that hits the next place request; the simulator tells which that was."""

    actions: ClassVar[tuple[tuple[str, Mapping[str, Any]], ...]]

    def inject(self) -> None:
        """Wait for the next order with all actions at once."""
        self.label = f"{self.name} {self.seq}"
        for action, params in self.actions:
            match = {"kind": "place"}
            self.stage.simulator.tell("faults", name=self.label, action=action, match=match, params=params)

    def order(self) -> RealOrder | None:
        """The order it hit, as the engine last told it; None while it has hit none."""
        if not self.victim:
            for fault in self.stage.simulator.look("faults")["faults"]:
                if fault["name"] == self.label and fault["firings"]:
                    self.victim = str(fault["firings"][0]["client_order_id"])
        return self.stage.witness.orders.get(self.victim)


class SubmitTimeoutAccepted(OrderFault):
    """The exchange takes an order, the answer never comes, and the stream is silent about it."""

    name = "submit_timeout_accepted"
    actions = (("silent_stream", {"ms": SILENCE_MS, "streams": "user"}), ("drop_after", {}))

    def survived(self) -> bool:
        """The order was unknown, and is not any more."""
        order = self.order()
        if order is None or order.state in (OrderState.PENDING, OrderState.UNKNOWN):
            return False
        return self.stage.witness.any_since(self.mark, OrderUnknown, lambda event: event.order.id == order.id)

    def outcome(self) -> str:
        """What it turned out to be."""
        events = [event for event in self.stage.witness.since(self.mark, OrderEvent) if event.order.id == self.victim]
        doubted = next(index for index, event in enumerate(events) if isinstance(event, OrderUnknown))
        state = events[doubted + 1].order.state
        return f"{self.victim} was unknown, asked about by its id, and found: {state}; sent once"

    def judged(self, by_client_id: Mapping[str, Mapping[str, int]]) -> str:
        """Exactly one place request and one order."""
        seen = by_client_id.get(self.victim, {})
        if (seen.get("place_requests"), seen.get("orders_created")) == (1, 1):
            return ""
        return f"the exchange counted {dict(seen)} for {self.victim}, not one place request and one order"


class Throttled(OrderFault):
    """The exchange answers 429 with a Retry-After."""

    name = "throttled"
    actions = (("status_before", {"status": 429, "retry_after": RETRY_AFTER_S}),)

    def survived(self) -> bool:
        """The order was refused for it, and a later one was taken."""
        order = self.order()
        if order is None or order.reason != str(Reason.VENUE_THROTTLED):
            return False
        return any(
            later.created_at > order.updated_at and later.exchange_order_id is not None
            for later in self.stage.witness.all_orders()
        )

    def outcome(self) -> str:
        """How it was refused."""
        refused = self.stage.witness.since(self.mark, OrderRejected, lambda event: event.order.id == self.victim)
        text = next(refused).order.reason
        return f"{self.victim} was refused ({text}), and nothing was sent for {RETRY_AFTER_S} s"

    def judged(self, by_client_id: Mapping[str, Mapping[str, int]]) -> str:
        """One request, no order."""
        seen = by_client_id.get(self.victim, {})
        if (seen.get("place_requests"), seen.get("orders_created")) == (1, 0):
            return ""
        return f"the exchange counted {dict(seen)} for the throttled {self.victim}"


class ActorCrash(Fault):
    """A keeper of money raises in its handler."""

    name = "actor_crash"

    def inject(self) -> None:
        """Poison its next letter."""
        self.stage.engine.inject(self.stage.keeper, FaultKind.EXCEPTION)

    def survived(self) -> bool:
        """A successor serves."""
        return self.stage.witness.any_since(self.mark, ActorRestarted, lambda event: event.name == self.stage.keeper)

    def outcome(self) -> str:
        """Who it was."""
        events = self.stage.witness.since(self.mark, ActorRestarted, lambda event: event.name == self.stage.keeper)
        return f"{self.stage.keeper} was restarted as incarnation {next(events).incarnation} and reconciled"

    def requests(self, log: Sequence[Mapping[str, Any]]) -> int:
        """Everything asked from the crash until trading went on: the round that heals it among them."""
        end_ms = (self.at_utc.timestamp() + (self.over_after_s or 0.0)) * 1000
        return sum(1 for each in log if each["seq"] > self.seq and each["at_ms"] <= end_ms)


KINDS: Mapping[str, type[Fault]] = {
    kind.name: kind for kind in (StreamDrop, SubmitTimeoutAccepted, Throttled, ActorCrash)
}


class Script:
    """Injects the faults one after the other, each when its time has come and the one before is over."""

    def __init__(self, names: Sequence[str], stage: Stage, trading_s: float) -> None:
        self._stage = stage
        pause_s = (LAST_AT - FIRST_AT) * trading_s / max(1, len(names) - 1)
        self._waiting = [(FIRST_AT * trading_s + index * pause_s, KINDS[name]) for index, name in enumerate(names)]
        self.injected: list[Fault] = []

    def step(self, elapsed_s: float) -> None:
        """Do what is due."""
        if not self.at_rest or not self._waiting or elapsed_s < self._waiting[0][0]:
            return
        if self._stage.engine.is_ready:
            self.injected.append(self._waiting.pop(0)[1](self._stage))

    @property
    def at_rest(self) -> bool:
        """Is the house over all faults so far?"""
        return not self.injected or self.injected[-1].look()

    @property
    def left(self) -> tuple[str, ...]:
        """Faults that were not injected."""
        return tuple(kind.name for _, kind in self._waiting)
