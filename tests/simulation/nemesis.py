"""The nemesis: which faults a run has, when it acts, and what becomes of each request and each event on the way."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .acts import Acts
from .faults import ACTS, EVENT_FAULTS, FAULTS, REQUEST_FAULTS, UNKNOWN_BODIES, Fate
from .people import People

if TYPE_CHECKING:
    from .world import World

GARBLED: tuple[dict[str, Any], ...] = (
    {"X": "HALF_FILLED"}, {"x": "TELEPORTED"}, {"z": "-1"}, {"q": "NaN"}, {"L": "1e400"}, {"T": "soon"}, {"S": "HOLD"},
)  # fmt: skip
"""Fields of a report as no exchange would send them."""


class Nemesis:
    """Acts while `on`; every happening has its slot in the script. `done` counts what it did."""

    def __init__(self, world: "World") -> None:
        self.world, self.script = world, world.script
        dice = self.script.dice("nemesis")
        self.enabled = frozenset(dice.sample(FAULTS, dice.randint(7, 16)))
        self.request_rate = dice.choice((0.03, 0.06, 0.12, 0.25))
        self.event_rate = dice.choice((0.03, 0.1, 0.25))
        self.pause_s = dice.choice((1.0, 2.0, 4.0))
        self.acts, self.people = Acts(self), People(self)
        self.done: Counter[str] = Counter()
        self.on = False
        self.late = 0
        self.too_late = False
        self.banned_until, self.ban_status = 0.0, 429
        self.mute_until = self.refusing_until = self.lagging_until = 0.0
        self.quote_streams: dict[object, asyncio.Future[None]] = {}
        self._count: Counter[str] = Counter()

    def did(self, fault: str) -> None:
        """Count a fault that really happened."""
        self.done[fault] += 1

    def slot(self, place: str) -> str:
        """The next slot of this kind of place."""
        self._count[place] += 1
        return f"{place} {self._count[place]}"

    # -- what it does by itself -----------------------------------------------------------

    def start(self) -> None:
        """Begin, until `stop`."""
        self.on = True
        self._again()

    def stop(self) -> None:
        """No fault from now on; what is under way goes on."""
        self.on = False
        self.acts.disarm()
        now = self.world.loop.time()
        self.world.skew_s = max(-0.3, min(0.3, self.world.skew_s))  # somebody repairs the clock, not to the millisecond
        self.banned_until = min(self.banned_until, now)
        self.mute_until = self.refusing_until = self.lagging_until = 0.0

    def _again(self) -> None:
        if self.on:
            slot = self.slot("act")
            dice = self.script.dice(slot)
            self.world.loop.call_later(dice.expovariate(1 / self.pause_s), self._act, slot, dice)

    def _act(self, slot: str, dice: random.Random) -> None:
        if not self.on:
            return
        name = self.script.happens(slot, dice.choice([name for name in ACTS if name in self.enabled] or [None]))
        if name is not None:
            act = getattr(self, f"_{name}", None) or getattr(self.acts, name, None) or getattr(self.people, name)
            if act(dice):
                self.did(name)
                self.world.note(f"nemesis: {name} ({slot})")
        self._again()

    # -- requests -------------------------------------------------------------------------

    def fate(self, kind: str) -> Fate:
        """What becomes of this request."""
        slot = self.slot(kind)
        dice = self.script.dice(slot)
        fate = Fate(there_s=latency_s(dice), back_s=latency_s(dice))
        names = [name for name in REQUEST_FAULTS if name in self.enabled]
        rate = self.request_rate if kind in ("post order", "delete order") else self.request_rate / 2
        drawn = dice.choice(names) if names and dice.random() < rate else None
        if not self.on or not self._possible(drawn, kind):
            drawn = None
        fault = self.script.happens(slot, drawn)
        if fault is not None and self.on and self._possible(fault, kind):
            self.did(fault)
            self._doom(fate, fault, dice)
        return fate

    def _possible(self, fault: str | None, kind: str) -> bool:
        if fault == "too_late":
            return kind == "post order" and not self.too_late
        return fault != "slow_engine" or kind != "get time"

    def _doom(self, fate: Fate, fault: str, dice: random.Random) -> None:
        if fault in ("lost_there", "lost_back", "never_leaves"):
            setattr(fate, fault, True)
        elif fault == "reset":
            fate.reset_s = dice.uniform(0.0, 0.08)
            fate.there_s = dice.uniform(0.002, 0.08)
        elif fault == "unknown_after":
            fate.answer = dice.choice(UNKNOWN_BODIES)
        elif fault == "unknown_before":
            fate.refused = dice.choice(UNKNOWN_BODIES)
        elif fault == "slow_engine":
            fate.inside_s = dice.uniform(0.2, 9.9)
        elif fault == "too_late":  # no exchange does that; if one did, the house must find out and say so
            self.too_late = True
            fate.inside_s = dice.uniform(26.0, 40.0)
            self.late += 1
            self.world.loop.call_later(fate.inside_s + 1.0, self._late_is_over)
        elif fault == "slow_net":
            fate.there_s, fate.back_s = dice.uniform(0.05, 3.5), dice.uniform(0.05, 4.0)
        elif fault == "redirect":
            fate.refused = (dice.choice((301, 302, 307, 308)), b"")
        else:
            fate.refused = (403, b"<html>Forbidden</html>")

    def _late_is_over(self) -> None:
        self.late -= 1

    def ban_left_s(self) -> int:
        """Whole seconds for which every request is answered by 429 or 418."""
        return max(0, int(self.banned_until - self.world.loop.time() + 0.999))

    def query_lag_ms(self, client_id: str) -> int:
        """How long queries do not know a fresh order."""
        if self.world.loop.time() >= self.lagging_until:
            return 0
        self.did("query_lag")
        return self.script.dice(f"lag {client_id}").choice((300, 1000, 3500, 9000))

    # -- events ---------------------------------------------------------------------------

    def event_delays(self, event: Mapping[str, Any]) -> tuple[tuple[float, ...], bool, Mapping[str, Any]]:
        """When copies of a stream event arrive (none: lost), whether they keep their place, and what arrives."""
        slot, flow = self.slot(event["e"]), event["e"] == "balanceUpdate"
        dice = self.script.dice(slot)
        usual = (latency_s(dice),)
        dear = flow and not self.world.floor.has_wallet  # nobody could ever explain it again
        if self.world.loop.time() < self.mute_until and not dear:
            self.did("event_muted")
            return (), True, event
        names = [name for name in EVENT_FAULTS if name in self.enabled]
        drawn = dice.choice(names) if names and dice.random() < self.event_rate else None
        if not self.on or (dear and drawn in ("event_lost", "event_garbled")):
            drawn = None
        fault = self.script.happens(slot, drawn)
        if not self.on or fault is None:
            return usual, True, event
        self.did(fault)
        if fault == "event_lost":
            return (), True, event
        if fault == "event_doubled":
            return (usual[0], dice.uniform(0.0, 3.0)), False, event
        if fault == "event_swapped":
            return (dice.uniform(0.03, 0.6),), False, event
        if fault == "event_garbled":
            return usual, True, {**event, **dice.choice(GARBLED)}
        return (dice.uniform(0.5, 8.0),), dice.random() < 0.5, event

    # -- the network as a whole -----------------------------------------------------------

    def refuses_connections(self) -> bool:
        """New streams fail."""
        return self.world.loop.time() < self.refusing_until

    def _stream_cut(self, dice: random.Random) -> bool:
        streams = [stream for stream in self.world.net.streams if stream.ended is None]
        for stream in streams:
            if dice.random() < 0.5:
                stream.end("cut")
            else:  # half open: nothing comes any more, and the end is noticed only later
                stream.subscribed = False
                stream.drop()
                self.world.loop.call_later(dice.uniform(0.5, 6.0), stream.end, "half open")
        return bool(streams)

    def _stream_ended(self, dice: random.Random) -> bool:
        """The exchange says that it ends the stream, and does."""
        streams = [stream for stream in self.world.net.streams if stream.ended is None]
        word = dice.choice(("serverShutdown", "eventStreamTerminated"))
        for stream in streams:
            stream.tell_end({"e": word, "E": self.world.loop.true_ms()})
        return bool(streams)

    def _mute(self, dice: random.Random) -> bool:
        self.mute_until = self.world.loop.time() + dice.choice((1.0, 4.0, 8.0, 25.0))
        return True  # how much was lost by it is counted as event_muted

    def _quote_cut(self, dice: random.Random) -> bool:
        for ended in self.quote_streams.values():
            if not ended.done():
                ended.set_result(None)
        return bool(self.quote_streams)

    def _no_connections(self, dice: random.Random) -> bool:
        self.refusing_until = self.world.loop.time() + dice.uniform(0.5, 5.0)
        return True

    def _ban(self, dice: random.Random) -> bool:
        self.banned_until, self.ban_status = self.world.loop.time() + dice.uniform(1.0, 6.0), 429
        return True

    def _ban_418(self, dice: random.Random) -> bool:
        self.banned_until, self.ban_status = self.world.loop.time() + dice.uniform(4.0, 15.0), 418
        return True

    def _query_lag(self, dice: random.Random) -> bool:
        self.lagging_until = self.world.loop.time() + dice.uniform(1.0, 8.0)
        return True


def latency_s(dice: random.Random) -> float:
    """One way over the network."""
    return dice.uniform(0.002, 0.03)
