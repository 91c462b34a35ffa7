"""The nemesis: draws from the seed which faults a run has, and what becomes of each request, event, actor and house."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from realtrading.domain.values import plain
from realtrading.runtime.spec import FaultKind
from realtrading.sim.errors import BinanceError

from .wires import UID

if TYPE_CHECKING:
    from .world import World

REQUEST_FAULTS = (
    "lost_there", "lost_back", "reset", "unknown_after", "unknown_before", "slow_engine", "slow_net", "never_leaves", "html",
    "too_late",
)  # fmt: skip
EVENT_FAULTS = ("event_lost", "event_doubled", "event_swapped", "event_late")
ACTIONS = (
    "stream_cut", "mute", "quote_cut", "no_connections", "ban", "crash", "poison", "poison_twice", "hang", "restart",
    "stall", "kill", "kill_after_commit", "clock", "foreign_trade", "foreign_order", "hand_cancel", "deposit", "withdraw",
    "raid", "query_lag", "old_journal",
)  # fmt: skip
FAULTS = (*REQUEST_FAULTS, *EVENT_FAULTS, *ACTIONS)

KEEPERS = ("orders", "positions", "balances", "risk", "breaker", "reconciliation")
HANDS = ("gateway", "lookup", "user_stream", "market_stream", "feed", "strategy:ana", "strategy:bob")
UNKNOWN_BODIES: tuple[tuple[int, Any], ...] = (
    (503, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    (500, {"code": -1000, "msg": "An unknown error occurred."}),
    (400, {"code": -1006, "msg": "An unexpected response was received from the message bus."}),
    (502, b"<html>Bad Gateway</html>"),
    (504, b""),
)


@attrs.define
class Fate:
    """What becomes of one request; seconds."""

    there_s: float
    back_s: float
    never_leaves: bool = False
    lost_there: bool = False
    lost_back: bool = False
    reset_s: float | None = None
    refused: tuple[int, Any] | None = None
    answer: tuple[int, Any] | None = None
    inside_s: float = 0.0


class Nemesis:
    """Seeded; `on` only while faults are wanted. Counts what it did."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"{seed}/nemesis")
        self.net_dice = random.Random(f"{seed}/net")
        self.on = False
        self.done: Counter[str] = Counter()
        self.enabled = frozenset(self.dice.sample(FAULTS, self.dice.randint(6, 14)))
        self.request_rate = self.dice.choice((0.03, 0.06, 0.12, 0.25))
        self.event_rate = self.dice.choice((0.03, 0.1, 0.25))
        self.pause_s = self.dice.choice((1.0, 2.0, 4.0))
        self.banned_until = 0.0
        self.mute_until = 0.0
        self.refusing_until = 0.0
        self.lagging_until = 0.0
        self.quote_streams: dict[object, asyncio.Future[None]] = {}
        self.poisons: dict[str, tuple[str, int]] = {}
        self.raided: set[str] = set()
        self.kill_next_commit = False
        self.old_journal_next = False
        self.too_late = False
        self.late = 0
        self.world: World = None  # type: ignore[assignment]

    def did(self, fault: str) -> None:
        """Count a fault that really happened."""
        self.done[fault] += 1

    # -- the network ------------------------------------------------------------------

    def latency_s(self) -> float:
        """One way over the network."""
        return self.net_dice.uniform(0.002, 0.03)

    def refuses_connections(self) -> bool:
        """New streams fail."""
        return self.world.loop.time() < self.refusing_until

    def ban_left_s(self) -> int:
        """Whole seconds for which every request is answered by 429."""
        return max(0, int(self.banned_until - self.world.loop.time() + 0.999))

    def query_lag_ms(self) -> int:
        """How long queries do not know a fresh order."""
        if self.world.loop.time() >= self.lagging_until:
            return 0
        self.did("query_lag")
        return self.net_dice.randint(200, 3500)

    def fate(self, kind: str) -> Fate:
        """What becomes of this request."""
        dice = self.net_dice
        fate = Fate(there_s=self.latency_s(), back_s=self.latency_s())
        faults = [name for name in REQUEST_FAULTS if name in self.enabled]
        rate = self.request_rate if kind in ("post order", "delete order") else self.request_rate / 2
        if not self.on or not faults or dice.random() >= rate:
            return fate
        fault = dice.choice(faults)
        if fault in ("slow_engine", "too_late") and kind == "get time":
            return fate
        if fault == "too_late" and (kind != "post order" or self.too_late):
            return fate
        self.did(fault)
        if fault == "lost_there":
            fate.lost_there = True
        elif fault == "lost_back":
            fate.lost_back = True
        elif fault == "never_leaves":
            fate.never_leaves = True
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
        else:
            fate.refused = (403, b"<html>Forbidden</html>")
        return fate

    def event_delays(self, event: Mapping[str, Any]) -> tuple[tuple[float, ...], bool]:
        """When copies of a stream event arrive (none: lost), and whether they keep their place in the queue."""
        dice, flow = self.net_dice, event["e"] == "balanceUpdate"
        if self.world.loop.time() < self.mute_until and not flow:
            self.did("event_muted")
            return (), True
        usual = (self.latency_s(),)
        faults = [name for name in EVENT_FAULTS if name in self.enabled]
        if not self.on or not faults or dice.random() >= self.event_rate:
            return usual, True
        fault = dice.choice(faults)
        if fault == "event_lost" and flow:
            return usual, True
        self.did(fault)
        if fault == "event_lost":
            return (), True
        if fault == "event_doubled":
            return (usual[0], dice.uniform(0.0, 3.0)), False
        if fault == "event_swapped":
            return (dice.uniform(0.03, 0.6),), False
        return (dice.uniform(0.5, 8.0),), dice.random() < 0.5

    def _late_is_over(self) -> None:
        self.late -= 1

    # -- what it does by itself -----------------------------------------------------------

    def start(self) -> None:
        """Begin, until `stop`."""
        self.on = True
        self._again()

    def stop(self) -> None:
        """No fault from now on; what is under way goes on."""
        self.on = False
        self.poisons.clear()
        self.kill_next_commit = self.old_journal_next = False
        now = self.world.loop.time()
        self.world.skew_s = max(-0.3, min(0.3, self.world.skew_s))  # somebody repairs the clock, not to the millisecond
        self.banned_until = min(self.banned_until, now)
        self.mute_until = self.refusing_until = self.lagging_until = 0.0

    def _again(self) -> None:
        if self.on:
            self.world.loop.call_later(self.dice.expovariate(1 / self.pause_s), self._act)

    def _act(self) -> None:
        if not self.on:
            return
        names = [name for name in ACTIONS if name in self.enabled]
        if names:
            name = self.dice.choice(names)
            if getattr(self, f"_{name}")():
                self.did(name)
                self.world.note(f"nemesis: {name}")
        self._again()

    def _stream_cut(self) -> bool:
        streams = [stream for stream in self.world.net.streams if stream.ended is None]
        for stream in streams:
            if self.dice.random() < 0.5:
                stream.end("cut")
            else:  # half open: nothing comes any more, and the end is noticed only later
                stream.subscribed = False
                stream.drop()
                self.world.loop.call_later(self.dice.uniform(0.5, 6.0), stream.end, "half open")
        return bool(streams)

    def _mute(self) -> bool:
        self.mute_until = self.world.loop.time() + self.dice.uniform(0.5, 8.0)
        return True  # how much was lost by it is counted as event_muted

    def _quote_cut(self) -> bool:
        for ended in self.quote_streams.values():
            if not ended.done():
                ended.set_result(None)
        return bool(self.quote_streams)

    def _no_connections(self) -> bool:
        self.refusing_until = self.world.loop.time() + self.dice.uniform(0.5, 5.0)
        return True

    def _ban(self) -> bool:
        self.banned_until = self.world.loop.time() + self.dice.uniform(1.0, 6.0)
        return True

    def _query_lag(self) -> bool:
        self.lagging_until = self.world.loop.time() + self.dice.uniform(1.0, 8.0)
        return True

    def _victim(self) -> str:
        return self.dice.choice(KEEPERS if self.dice.random() < 0.6 else HANDS)

    def _crash(self) -> bool:
        if self.world.alive:
            kind = self.dice.choice((FaultKind.EXCEPTION, FaultKind.SYSTEM_EXIT, FaultKind.CANCELLED, FaultKind.FAILS_TO_START))
            self.world.house.inject(self._victim(), kind)
        return self.world.alive

    def _poison(self) -> bool:
        self.poisons[self._victim()] = (self.dice.choice(("before", "after")), 1)
        return True

    def _poison_twice(self) -> bool:
        self.poisons[self._victim()] = (self.dice.choice(("before", "after")), 2)
        return True

    def _hang(self) -> bool:
        self.poisons[self._victim()] = ("hang", 1)
        return True

    def _restart(self) -> bool:
        if self.world.alive:
            self.world.house.restart(self._victim())
        return self.world.alive

    def _stall(self) -> bool:
        self.world.stall(self.dice.choice((0.3, 2.0, 5.5, 8.0)))
        return True

    def _kill(self) -> bool:
        self.world.kill("kill -9")
        return True

    def _kill_after_commit(self) -> bool:
        self.kill_next_commit = True
        return False  # counted when it happens

    def _old_journal(self) -> bool:
        if self.world.backup():  # and some seconds later the house dies and gets the copy back
            self.world.loop.call_later(self.dice.uniform(1.0, 8.0), self._old_journal_back, context=self.world._context)
        return False  # counted when it happens

    def _old_journal_back(self) -> None:
        if self.on:
            self.old_journal_next = True
            self.world.kill("killed, and an old copy of the journal comes back")

    def _clock(self) -> bool:
        self.world.skew_s += self.dice.choice((-1, 1)) * self.dice.choice((0.1, 0.4, 0.9, 3.0))
        return True

    # -- people on the same account ----------------------------------------------------------

    def _by_hand(self, **params: str) -> bool:
        given = {name: plain(Decimal(value)) if name in ("quantity", "price") else value for name, value in params.items()}
        try:
            self.world.net.exchange.place(UID, given, self.world.loop.true_ms())
        except BinanceError:
            return False
        finally:
            self.world.net.spread()
        return True

    def _foreign_trade(self) -> bool:
        side, symbol = self.dice.choice(("BUY", "SELL")), self.dice.choice(self.world.symbols)
        if side == "SELL" and self.world.foreign_held(symbol) < self.world.lot(symbol, 12):
            side = "BUY"
        quantity = self.world.lot(symbol, 12)
        done = self._by_hand(symbol=symbol, side=side, type="MARKET", quantity=str(quantity))
        if done:
            change = quantity * Decimal("0.998") if side == "BUY" else -quantity
            self.world.foreign[symbol] = self.world.foreign_held(symbol) + change
        return done

    def _foreign_order(self) -> bool:
        symbol = self.dice.choice(self.world.symbols)
        price = self.world.price(symbol, Decimal(self.dice.choice(("0.97", "0.9999", "0.999"))))
        return self._by_hand(
            symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", price=str(price),
            quantity=str(self.world.lot(symbol, 15)),
        )

    def _hand_cancel(self) -> bool:
        found = [order for order in self.world.exchange_orders() if order.is_live]
        if not found:
            return False
        order = self.dice.choice(found)
        params = {"symbol": order.symbol, "orderId": str(order.order_id)}
        self.world.net.exchange.cancel(UID, params, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def _deposit(self) -> bool:
        asset = self.dice.choice(("USDT", "BTC", "BNB"))
        amount = Decimal(self.dice.randint(1, 999_999)).scaleb(-4 if asset == "USDT" else -7)
        self.world.net.exchange.deposit(UID, asset, amount, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def _withdraw(self) -> bool:
        free = self.world.net.exchange.core.ledger.accounts[UID].free("USDT")
        amount = min(free, Decimal(self.dice.randint(1, 999_999)).scaleb(-4))
        if not amount:
            return False
        self.world.net.exchange.withdraw(UID, "USDT", amount, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def _raid(self) -> bool:
        """Somebody sells coins that the house manages."""
        symbol = self.dice.choice(self.world.symbols)
        base = self.world.net.exchange.rules[symbol].base
        free = self.world.net.exchange.core.ledger.accounts[UID].free(base)
        quantity = self.world.rounded(symbol, free * Decimal(self.dice.choice(("0.3", "0.6", "1"))))
        if quantity <= 0:
            return False
        done = self._by_hand(symbol=symbol, side="SELL", type="MARKET", quantity=str(quantity))
        if done:
            self.raided.add(base)
        return done
