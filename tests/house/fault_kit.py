"""One engine at one simulator under scripted faults, and the judgement after they are healed: by the ledger of truth."""

import itertools
import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from house.invariants import expect_invariants
from house.kit import LOT, SYMBOL, WIDE, Ear, Judge, engine_for, folded, money_violations, quiet, settings_for, violations
from matrix.evidence import judged
from realtrading import assembly
from realtrading.domain.events import ActorRestarted, BreakerChanged, DiscrepancyFound, OrderUnknown, ReconciliationComplete
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reconciliation import DiscrepancyKind
from realtrading.engine import RealTradingEngine
from realtrading.tickets import Ticket
from waiting import wait_until

PATIENT = attrs.evolve(WIDE, circuit_breaker_errors=1_000)
"""Limits under which errors alone never open the breaker: for tests that are about something else."""

UNLIMITED = {"weight_1m": 10_000_000, "raw_5m": 10_000_000, "orders_10s": 100_000}
"""Many engines of one address share the simulator of a file; its limits are told when a test is about limits."""

MEAN = Decimal(40_000)
"""The price around which the simulator's market without a tape waves: from above it, it comes back below soon."""

LARGE = Decimal("0.25")
"""More than the largest trade of the simulator's generated market: it takes several to fill such an order."""

STEPS_MAX = 4_000

EVENTS = {"kind": "event"}
REPORTS = {"kind": "event", "event": "executionReport"}
PLACE = {"kind": "place"}
CANCEL = {"kind": "cancel"}
QUERY = {"kind": "query"}

Stands = Callable[..., "Stand"]


@attrs.define
class Stand:
    """What one test works with: the exchange's judge, the engine, and everything that the engine's feed told."""

    judge: Judge
    engine: RealTradingEngine
    ear: Ear
    began: int
    skewed: bool = False

    # -- acting -------------------------------------------------------------------

    def skew(self, ms: int) -> None:
        """Set the exchange's clock off, or right again with 0."""
        self.skewed = True
        self.judge.call("clock", skew_ms=ms)

    def fault(self, action: str, match: Mapping[str, Any], *, count: int | None = 1, **params: Any) -> None:
        """Script a fault."""
        self.judge.fault(action, match, count=count, **params)

    def mute(self) -> None:
        """Lose every event of the user stream, from now until `heal`."""
        self.fault("drop_event", EVENTS, count=None)

    def buy(self, quantity: Decimal = LOT) -> Ticket:
        """A market buy."""
        return self.engine.buy(SYMBOL, quantity=quantity)

    def resting(self, below: str = "0.9", quantity: Decimal = Decimal("0.002")) -> Ticket:
        """A limit buy far under the market, confirmed."""
        return self.limit(self.under(below), quantity)

    def touching(self, quantity: Decimal = LARGE) -> Ticket:
        """A limit buy at the bid, larger than any one trade, confirmed: the steps of the market fill it, in parts."""
        for _ in range(100):
            if judge_bid(self.judge) >= MEAN:
                break
            self.step(10)
        return self.limit(judge_bid(self.judge), quantity)

    def limit(self, price: Decimal, quantity: Decimal) -> Ticket:
        """A limit buy that rests, confirmed."""
        ticket = self.engine.buy(SYMBOL, quantity=quantity, price=price, rests=True)
        self.until(ticket, OrderState.NEW)
        return ticket

    def under(self, part: str) -> Decimal:
        """A price at this part of the bid."""
        return (self.bid * Decimal(part)).quantize(Decimal("0.01"))

    @property
    def bid(self) -> Decimal:
        """The board's best bid."""
        wait_until(lambda: SYMBOL in self.engine.quotes, 5, "a quote")
        return self.engine.quotes[SYMBOL].bid

    def step(self, trades: int = 1) -> None:
        """Move the market."""
        self.judge.call("step", trades=trades)

    def step_until(self, ticket: Ticket, *statuses: str) -> None:
        """Move the market until the exchange's own record of the order says one of these."""
        for _ in range(STEPS_MAX):
            self.step()
            if self.truth(ticket)["status"] in statuses:
                return
        raise AssertionError(f"after {STEPS_MAX} trades the exchange still does not say {statuses}")

    def by_hand(self, side: str = "BUY", quantity: str = "0.003", **more: str) -> dict[str, Any]:
        """An order that somebody else gives on this account."""
        wanted = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quantity": quantity, **more}
        placed: dict[str, Any] = self.judge.call("orders", **wanted)
        return placed

    # -- seeing -------------------------------------------------------------------

    def truth(self, ticket: Ticket) -> dict[str, Any]:
        """The exchange's own record of an order."""
        (found,) = self.judge.orders(self.engine.settings.prefix)[ticket.id]
        return found

    def state(self, ticket: Ticket) -> OrderState | None:
        """The order's committed state in the engine."""
        order = ticket.order
        return None if order is None else order.state

    def until(self, ticket: Ticket, *states: OrderState, deadline_s: float = 10) -> RealOrder:
        """Wait until the engine says one of these states."""
        wait_until(lambda: self.state(ticket) in states, deadline_s, f"{ticket.id} is {states}: {ticket.detail}")
        order = ticket.order
        assert order is not None
        return order

    def was_unknown(self, ticket: Ticket) -> bool:
        """Whether the engine ever said that nobody knows this order's outcome."""
        return any(event.order.id == ticket.id for event in self.ear.of(OrderUnknown))

    def asked(self, kind: str) -> list[dict[str, Any]]:
        """The requests of a kind that the exchange saw since the engine was made."""
        return self.judge.requests(self.began, kind)

    def flow(self, asset: str, kind: str) -> Decimal | None:
        """What moved of an asset without a trade of ours, as the ledger classified it; None when nothing of the kind did."""
        line = self.engine.rows("balances", "ledger").get(asset)
        found: Decimal | None = None if line is None else line.flows.get(kind)
        return found

    def causes(self) -> set[str]:
        """Every kind of cause that was ever open since the engine was first ready."""
        first = next((n for n, kinds in enumerate(self.ear.causes()) if not kinds), 0)
        return {kind for kinds in self.ear.causes()[first:] for kind in kinds}

    def now_open(self) -> set[str]:
        """The kinds of causes that are open."""
        return {str(cause.kind) for cause in self.engine.breaker_book.causes}

    @property
    def generation(self) -> int:
        """The stream generation that orders knows of."""
        found: int = self.engine.rows("orders", "generation").get("generation", 0)
        return found

    # -- judging ------------------------------------------------------------------

    def healed(self, *, fired: bool = True) -> ReconciliationComplete:
        """Heal the exchange, then demand: the breaker shut nobody in, nothing is unknown, and both ledgers are one.

        Unless told otherwise every scripted fault must have happened, or the test proved nothing.
        """
        if fired:
            idle = [each["name"] for each in self.judge.call("faults")["faults"] if not each["fired"]]
            assert not idle, f"these faults never happened: {idle}"
        heal(self.judge)
        wait_until(lambda: self.engine.is_ready, 45, "the breaker reopened")
        quiet(self.engine, 45)
        with judged("G13"):
            found = wait_until(lambda: self.clean_round(), 30, "a clean round")
            quiet(self.engine, 10)
        assert self.wrong() == []
        assert all(placed <= 1 for placed in self.place_requests().values())
        expect_invariants(self.judge, self.engine, self.ear, skewed=self.skewed)
        assert self.engine.failure is None
        assert [event.name for event in self.ear.of(ActorRestarted)] == []
        assert self.judge.call("state")["internal_errors"] == []
        return found

    def wrong(self) -> list[str]:
        """Where orders or money differ; what moved without a trade of ours counts as what the engine classified it as."""
        money = money_violations(self.judge, self.engine)
        found = [each for each in violations(self.judge, self.engine) if each not in money]
        exchange, memory, book = self.judge.totals(), self.engine.balances, folded(self.engine)
        for asset in sorted({*exchange, *memory, *book.totals}):
            flows = sum(book.flows.get(asset, {}).values(), Decimal(0))
            amounts = [exchange.get(asset, 0), memory.get(asset, 0), book.totals.get(asset, 0) + flows]
            if len(set(amounts)) > 1:
                found.append(f"{asset}: exchange {amounts[0]}, memory {amounts[1]}, folded with flows {amounts[2]}")
        return found

    def clean_round(self) -> ReconciliationComplete | None:
        """A reconciliation round on demand, if it was clean."""
        found = self.engine.reconcile(10)
        return found if found is not None and found.clean else None

    def place_requests(self) -> dict[str, int]:
        """Client id -> place requests that the exchange ever saw, of this engine."""
        prefix = f"{self.engine.settings.prefix}_"
        return {
            name: seen["place_requests"] for name, seen in self.judge.places().items() if name.startswith(prefix)
        }

    def trades_on(self) -> None:
        """Another order goes all the way."""
        ticket = self.buy()
        order = ticket.wait(10)
        assert order is not None
        assert order.state is OrderState.FILLED, ticket.detail

    def found(self, kind: DiscrepancyKind) -> list[str]:
        """Keys of the discrepancies of a kind that rounds have found."""
        return [e.discrepancy.key for e in self.ear.of(DiscrepancyFound) if e.discrepancy.kind is kind]

    def shut_since(self, mark: int) -> bool:
        """Whether the breaker changed after the feed had told `mark` things."""
        return any(isinstance(event, BreakerChanged) for _, event in self.ear.heard[mark:])


def name_of(value: object) -> str:
    """A short name for a fault, or its parameters, as a case of a test."""
    if isinstance(value, dict):
        return "-".join(str(part) for key, part in value.items() if key != "msg") or "plain"
    return str(value)


def quick_ticks(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Let some actors' clocks tick faster than the page says, so that a test need not wait for the next tick."""
    rows = tuple(attrs.evolve(row, tick_s=seconds.get(row.name, row.tick_s)) for row in assembly.ACTORS)
    monkeypatch.setattr(assembly, "ACTORS", rows)


def judge_bid(judge: Judge) -> Decimal:
    """The exchange's own best bid."""
    url = f"{judge.ready['rest_url']}/v3/ticker/bookTicker?symbol={SYMBOL}"
    with urllib.request.urlopen(url, timeout=10) as response:
        return Decimal(json.load(response)["bidPrice"])


def heal(judge: Judge) -> None:
    """No fault, no skew, no limit that was used up."""
    judge.heal()
    judge.call("clock", skew_ms=0)
    judge.call("limits", **UNLIMITED)


@contextmanager
def stands(judge: Judge, folder: Path) -> Iterator[Stands]:
    """Makes running engines at the simulator; all are stopped at the end and must leave nothing."""
    made: list[RealTradingEngine] = []
    numbers = itertools.count()

    def make(before_start: Callable[[RealTradingEngine], object] = lambda engine: None, **given: Any) -> Stand:
        heal(judge)
        state = folder / str(next(numbers))
        state.mkdir()
        began = judge.call("requests")["seq"]
        engine = engine_for(settings_for(judge, state, **{"limits": PATIENT, **given}))
        ear = Ear()
        engine.subscribe(ear)
        made.append(engine)
        before_start(engine)
        engine.start()
        return Stand(judge, engine, ear, began)

    try:
        yield make
    finally:
        heal(judge)
        left = [engine.failure for engine in made if not engine.stop(10)]
    assert not left, f"threads are left: {left}"
