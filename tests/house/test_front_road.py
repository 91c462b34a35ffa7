"""A restart is closed: what waited while an actor died meets the loss of that actor first."""

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from house.conftest import Engines
from house.kit import LOT, SYMBOL, Judge, quiet, violations, wait_ready
from realtrading import assembly
from realtrading.actors.breaker import BreakerActor
from realtrading.domain import commands as c
from realtrading.domain import events as e
from realtrading.domain.breaker import ACCOUNT, BreakerCause, CauseKind, CircuitBreakerState
from realtrading.domain.orders import RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.values import Now, OrderType, Role, Side
from realtrading.runtime.actor import Hand
from realtrading.runtime.house import House
from realtrading.runtime.spec import ActorSpec, FaultKind
from waiting import wait_until

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Collects(Hand):
    """Keeps all it hears."""

    def handle(self, message: Any, now: Any) -> tuple[object, ...]:
        self.memory.setdefault("heard", []).append(message)
        return ()


def entry(number: int) -> RealOrder:
    """An order that adds exposure."""
    return RealOrder.new(
        id=f"rt_1_user_n{number}", strategy="user", role=Role.ENTRY, symbol=SYMBOL, side=Side.BUY,
        order_type=OrderType.MARKET, quantity=Decimal(1), now_utc=NOON,
    )  # fmt: skip


def breaker_house(seed: int, limits: Any) -> House:
    """The breaker alone; orders and journal only listen. No thread: the test steps it."""
    ticks = itertools.count()
    routes = {
        c.GateOrder: ("breaker",), e.KeeperLost: ("breaker",), c.RecordOrder: ("journal",), e.OrderBlocked: ("orders",),
        e.BreakerChanged: (), e.CircuitBreakerOpened: (), c.Reconcile: (),
    }  # fmt: skip
    specs = (
        ActorSpec("orders", Collects, "money"),
        ActorSpec("journal", Collects, "money"),
        ActorSpec("breaker", lambda: BreakerActor(config=limits, began=Now(mono=0.0, utc=NOON)), "money"),
    )
    house = House(specs, routes, clock=lambda: Now(mono=next(ticks) * 0.01, utc=NOON), on_lost=assembly.on_lost, seed=seed)
    house.start()
    return house


def drive(house: House) -> None:
    """Far enough for everything, a failing start's back-off included: each reading of the clock is 10 ms later."""
    for _ in range(200):
        house.step()


def heard(house: House, name: str) -> list[Any]:
    return list(house.mailbox(name).memory.get("heard", []))


@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.value)
@pytest.mark.parametrize("seed", range(5))
def test_no_order_that_waits_for_the_breaker_passes_its_successor(kind: FaultKind, seed: int, wide: Any) -> None:
    """Four orders wait in the breaker's mailbox when it dies: the successor reads of its own loss before any of them."""
    house = breaker_house(seed, wide)
    for number in range(4):
        house.post(c.GateOrder(order=entry(number), reduces=False, valid_until_mono=1e9))
    house.inject("breaker", kind)
    drive(house)
    assert heard(house, "journal") == []
    assert [blocked.reason for blocked in heard(house, "orders")] == [Reason.BREAKER_KEEPER_LOST] * 4
    (cause,) = house.tables("breaker")["breaker"]["state"][1]
    assert (cause.kind, cause.scope) == (CauseKind.KEEPER_LOST, ACCOUNT)


def test_the_same_orders_pass_a_breaker_that_did_not_die(wide: Any) -> None:
    """The counterpart: nothing but the loss stopped them."""
    house = breaker_house(1, wide)
    for number in range(4):
        house.post(c.GateOrder(order=entry(number), reduces=False, valid_until_mono=1e9))
    drive(house)
    assert [record.order.id for record in heard(house, "journal")] == [entry(number).id for number in range(4)]
    assert heard(house, "orders") == []


def test_orders_that_reduce_pass_a_breaker_that_died(wide: Any) -> None:
    """A shut door never keeps anyone in the room."""
    house = breaker_house(1, wide)
    house.post(c.GateOrder(order=entry(1), reduces=True, valid_until_mono=1e9))
    house.inject("breaker", FaultKind.EXCEPTION)
    drive(house)
    assert [(record.order.id, record.gate) for record in heard(house, "journal")] == [(entry(1).id, None)]


def test_an_opened_breaker_survives_its_own_death(wide: Any) -> None:
    """Causes live in the mailbox: the successor has those that were open, and its own loss besides."""
    house = breaker_house(1, wide)
    old = BreakerCause(kind=CauseKind.MANUAL, scope=ACCOUNT, token="t", detail="by hand", opened_at=NOON)
    house.mailbox("breaker").tables.restore(
        {"breaker": {"state": (CircuitBreakerState(is_open=True, opened_at=NOON), (old,))}, "gate": {"gate": 7}}
    )
    house.inject("breaker", FaultKind.EXCEPTION)
    drive(house)
    state, causes = house.tables("breaker")["breaker"]["state"]
    assert [cause.kind for cause in causes] == [CauseKind.MANUAL, CauseKind.KEEPER_LOST]
    assert state.is_open
    assert house.tables("breaker")["gate"]["gate"] == 8


def test_orders_that_wait_for_a_lost_gateway_are_not_sent_before_the_breaker_has_heard_of_the_loss(
    engines: Engines, judge: Judge, hang_soon: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They passed the old gate; the last look sees that a loss waits at the breaker, however slow the breaker is."""
    hang_soon("gateway")
    released, reached = threading.Event(), threading.Event()
    usual = BreakerActor.handlers[e.KeeperLost]

    def slow(self: Any, message: Any, now: Any, draft: Any) -> None:
        reached.set()
        released.wait(1.5)
        usual(self, message, now, draft)

    engine = engines().start()
    monkeypatch.setitem(BreakerActor.handlers, e.KeeperLost, slow)  # type: ignore[arg-type]
    engine.inject("gateway", FaultKind.HANG)
    tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(4)]
    box = engine.house.mailbox("gateway")
    wait_until(lambda: box.waiting() == 4, 5, "four orders wait for the gateway")
    assert reached.wait(5)
    wait_until(lambda: box.running and box.waiting() == 0, 5, "the successor has served them")
    released.set()
    for ticket in tickets:
        order = ticket.wait(5)
        assert order is not None
        assert order.reason == Reason.BREAKER_GATE_MOVED, ticket.detail
    wait_ready(engine)
    quiet(engine)
    assert not {ticket.id for ticket in tickets} & set(judge.places())
    assert violations(judge, engine) == []
