"""The machinery fails in the middle of trading: what an actor, its thread or the supervisor dies of costs no order."""

import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest

from house.conftest import Engines
from house.fault_kit import PATIENT
from house.invariants import expect_invariants, records, signed_while_shut, untold
from house.kit import LOT, SYMBOL, Ear, Judge, quiet, wait_ready
from matrix.evidence import judged
from realtrading import assembly
from realtrading.domain.breaker import CauseKind
from realtrading.domain.commands import VetOrder
from realtrading.domain.events import ActorRestarted
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.runtime.actor import CURRENT_LETTER, Actor
from realtrading.runtime.mailbox import Letter, Mailbox, Tick
from realtrading.runtime.shift import ThreadKilled
from realtrading.runtime.spec import Budget, FaultKind
from realtrading.tickets import Ticket
from realtrading.topology import ACTORS, ROUTES
from waiting import wait_until

NEVER = threading.Event()
CENT = Decimal("0.01")
FATAL = tuple(row.name for row in ACTORS if row.fatal)


def ear_of(engine: RealTradingEngine) -> Ear:
    ear: Ear = engine.ear  # type: ignore[attr-defined]
    return ear


def expect_whole(judge: Judge, engine: RealTradingEngine, tickets: list[Ticket]) -> None:
    """Every ticket has its end, the house trades, and every invariant holds against the exchange's ledger."""
    with judged("G13"):
        wait_ready(engine, 30)
        assert all(ticket.wait(30) is not None and ticket.is_final for ticket in tickets)
        quiet(engine)
        done = wait_until(lambda: clean_round(engine), 30, "a clean round")
        quiet(engine)
        assert done.clean
    expect_invariants(judge, engine, ear_of(engine))
    assert engine.failure is None


def clean_round(engine: RealTradingEngine) -> Any:
    found = engine.reconcile(10)
    return found if found is not None and found.clean else None


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets that many deaths on purpose do not exhaust."""
    rows = [attrs.evolve(row, budget=Budget(restarts=10_000)) for row in ACTORS]
    quick = {"user_stream": 0.2}  # it hears nothing else while the house lives
    rows = [attrs.evolve(row, tick_s=quick.get(row.name, row.tick_s)) for row in rows]
    monkeypatch.setattr(assembly, "ACTORS", tuple(rows))


class Saboteur:
    """Stands before every handler: raises once for each (actor, message type) that it is told to hit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failure: Callable[[], BaseException]) -> None:
        self.hit: set[tuple[str, str]] = set()
        self.wanted: Callable[[str, str], bool] = lambda actor, message: False
        usual = Actor.decide

        def decide(actor: Actor, letters: tuple[Letter, ...], now: Any) -> Any:
            for letter in letters:
                place = (actor.name, type(letter.message).__name__)
                if place not in self.hit and self.wanted(*place):
                    self.hit.add(place)
                    raise failure()
            return usual(actor, letters, now)

        monkeypatch.setattr(Actor, "decide", decide)


def life_of_orders(judge: Judge, engine: RealTradingEngine) -> list[Ticket]:
    """Orders of every fate: filled by taking, refused by a limit, cancelled while resting, sold."""
    tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(2)]
    bid = wait_until(lambda: engine.quotes.get(SYMBOL), 10, "a quote").bid
    resting = engine.buy(SYMBOL, quantity=LOT, price=(bid * 9 / 10).quantize(CENT), rests=True)
    tickets += [engine.buy(SYMBOL, quantity="900"), engine.sell(SYMBOL, quantity=LOT)]
    wait_until(lambda: resting.is_final or state(resting) == "New", 15, "it rests, or was refused")
    engine.cancel(resting.id)
    judge.call("step", trades=3)
    return [*tickets, resting]


def state(ticket: Ticket) -> str:
    order = ticket.order
    return "" if order is None else str(order.state)


HEARERS = tuple(row.name for row in ACTORS if not row.fatal and any(row.name in names for names in ROUTES.values()))


@pytest.mark.matrix("A1", invariants="G1 G2 G3 G4 G5 G6")
@pytest.mark.parametrize("actor", HEARERS)
def test_an_exception_in_every_message_type_of_an_actor_costs_nothing(
    actor: str, engines: Engines, judge: Judge, plenty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each type of letter that comes to this actor kills it once: tried again, or answered; each command is done once."""
    saboteur = Saboteur(monkeypatch, lambda: RuntimeError("sabotage"))
    engine = engines(limits=PATIENT).start()
    first = life_of_orders(judge, engine)
    quiet(engine)
    saboteur.wanted = lambda name, message: name == actor
    tickets: list[Ticket] = []
    for _ in range(2):  # what the first life did not reach, because a death stood before it, the second does
        tickets += life_of_orders(judge, engine)
        judge.call("cut", streams="user")
        wait_ready(engine, 30)
        assert all(ticket.wait(30) is not None for ticket in tickets)
    saboteur.wanted = lambda name, message: False
    assert saboteur.hit, "nothing was hit"
    assert {name for name, _ in saboteur.hit} == {actor}
    expect_whole(judge, engine, [*first, *tickets])
    assert engine.buy(SYMBOL, quantity=LOT).wait(10).state == "Filled"  # type: ignore[union-attr]


@pytest.mark.matrix("A2", invariants="G3 G7 G8")
@pytest.mark.parametrize("actor", ["orders", "positions", "balances", "breaker"])
def test_a_thread_that_dies_between_state_and_effects_leaves_nothing_half_done(
    actor: str, engines: Engines, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables put, no message sent yet, and the thread is gone: the rest of that commit is sent first, and once."""
    engine = engines(limits=PATIENT).start()
    engine.buy(SYMBOL, quantity=LOT).wait(10)
    left = [3]
    accept = Mailbox.accept

    def dying(box: Mailbox, letter: Letter, *, front: bool = False) -> bool:
        inside = CURRENT_LETTER.get() is None and threading.current_thread().name.startswith("desk")
        if left[0] and letter.sender == actor and engine.house.mailbox(actor).commit is not None and inside:
            left[0] -= 1
            raise ThreadKilled
        return accept(box, letter, front=front)

    monkeypatch.setattr(Mailbox, "accept", dying)
    tickets = []
    for number in (2, 1, 0):
        tickets += [engine.buy(SYMBOL, quantity=LOT) for _ in range(2)]
        wait_until(lambda: left[0] <= number, 10, "it died in a commit")  # noqa: B023
        wait_ready(engine, 15)
    expect_whole(judge, engine, tickets)
    assert [e.cause for e in ear_of(engine).of(ActorRestarted) if e.name == actor] == ["crash"] * 3


@pytest.mark.matrix("A3", invariants="G14")
def test_an_actor_that_fails_to_start_three_times_comes_back_after_growing_pauses(engines: Engines, judge: Judge) -> None:
    """Three failing starts within the budget: each told, counted and followed by a longer pause; then it trades on."""
    engine = engines().start()
    box = engine.house.mailbox("positions")
    box.start_faults = 3
    began = time.monotonic()
    engine.inject("positions", FaultKind.EXCEPTION)
    tickets = [engine.buy(SYMBOL, quantity=LOT)]
    wait_until(lambda: ear_of(engine).restarted("positions"), 10, "it runs again")
    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2
    assert box.failures["InjectedFault"] == 4
    expect_whole(judge, engine, tickets)


@pytest.mark.matrix("A3", invariants="G14")
def test_an_actor_that_never_starts_again_ends_the_house(engines: Engines, judge: Judge) -> None:
    """The budget is spent: the house says which actor it cannot keep alive, takes no more orders, and stops in order."""
    engine = engines().start()
    engine.house.mailbox("positions").start_faults = 1_000
    engine.inject("positions", FaultKind.EXCEPTION)
    wait_until(lambda: engine.failure is not None, 10, "it gave up")
    assert engine.failure == "actor positions cannot be kept alive"
    with pytest.raises(BadInput):
        engine.buy(SYMBOL, quantity=LOT)
    with judged("G14"):
        wait_until(lambda: not untold(engine, ear_of(engine), records(engine)), 5, "told everywhere")
        assert [each.escalations for each in engine.house.snapshot() if each.name == "positions"] == [1]
        assert not engine.house.healthy()
    assert engine.stop()


FAILURES: dict[str, Callable[[], BaseException]] = {"MemoryError": MemoryError, "RecursionError": RecursionError}


@pytest.mark.matrix("A5", invariants="G8")
@pytest.mark.parametrize("failure", FAILURES)
def test_an_actor_without_memory_or_stack_dies_alone(
    failure: str, engines: Engines, judge: Judge, plenty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every keeper and hand fails so once, in one run, on whatever it hears first: nothing acknowledged is lost."""
    saboteur = Saboteur(monkeypatch, FAILURES[failure])
    engine = engines(limits=PATIENT).start()
    done: set[str] = set()

    def once(name: str, message: str) -> bool:
        fresh = name not in done and name not in FATAL and message != Tick.__name__
        done.add(name) if fresh else None
        return fresh

    saboteur.wanted = once
    tickets: list[Ticket] = []
    while not {"orders", "risk", "breaker", "gateway", "positions", "balances"} <= done:
        assert len(tickets) < 100, f"only {done} were hit"
        tickets += life_of_orders(judge, engine)
        wait_ready(engine, 30)
    saboteur.wanted = lambda name, message: False
    expect_whole(judge, engine, tickets)


@pytest.mark.matrix("A5", invariants="G8")
def test_json_too_deep_for_the_stack_is_dropped(engines: Engines, judge: Judge) -> None:
    """100,000 brackets on the user stream: no actor dies of it, and the same connection goes on telling."""
    engine = engines().start()
    judge.call("frame", frame="[" * 100_000)
    judge.call("frame", frame='{"event":' * 50_000)
    ticket = engine.buy(SYMBOL, quantity=LOT)
    expect_whole(judge, engine, [ticket])
    assert ear_of(engine).of(ActorRestarted) == []


@pytest.mark.matrix("A7", invariants="G18")
def test_a_slow_actor_shuts_the_door_and_its_mailbox_stays_bounded(
    engines: Engines, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Risk takes 20 ms for each order, and far more come: its backlog is a cause, orders are refused for it, none is
    lost; what waits never exceeds what came, and once it is read the door opens again."""
    rows = tuple(attrs.evolve(row, soft_cap=40) if row.name == "risk" else row for row in ACTORS)
    monkeypatch.setattr(assembly, "ACTORS", rows)
    engine = engines(limits=PATIENT).start()
    usual, slow = Actor.decide, [True]

    def decide(actor: Actor, letters: tuple[Letter, ...], now: Any) -> Any:
        if slow[0] and actor.name == "risk" and isinstance(letters[0].message, VetOrder):
            NEVER.wait(0.02)
        return usual(actor, letters, now)

    monkeypatch.setattr(Actor, "decide", decide)
    tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(150)]
    wait_until(lambda: any(CauseKind.BACKLOG in kinds for kinds in ear_of(engine).causes()), 10, "the backlog is a cause")
    assert all(ticket.wait(30) is not None and ticket.is_final for ticket in tickets)
    slow[0] = False
    refused = [ticket for ticket in tickets if ticket.detail.startswith("BREAKER_BACKLOG")]
    assert refused, "the door was never shut"
    expect_whole(judge, engine, tickets)


@pytest.mark.matrix("A8", invariants="G8")
def test_letters_put_while_their_reader_is_being_replaced_are_read(engines: Engines, judge: Judge) -> None:
    """The reader dies between the sender's last look and the put, sixty times: every order has its end, nobody waits."""
    engine = engines(limits=PATIENT).start()
    tickets = []
    for number in range(60):
        engine.house.restart(("orders", "risk", "breaker", "gateway", "positions", "feed")[number % 6])
        tickets.append(engine.buy(SYMBOL, quantity=LOT))
    expect_whole(judge, engine, tickets)
    assert len(ear_of(engine).of(ActorRestarted)) >= 6


@pytest.mark.matrix("A9", invariants="G10")
def test_a_broken_supervisor_ends_the_house_within_two_seconds(
    engines: Engines, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody watches over the actors any more: no new order is taken, none is signed, and the house can be stopped."""
    engine = engines().start()
    engine.buy(SYMBOL, quantity=LOT).wait(10)

    def broken() -> None:
        raise RuntimeError("the supervisor's own bug")

    began = time.monotonic()
    monkeypatch.setattr(engine.house.supervisor, "round", broken)
    wait_until(lambda: engine.failure is not None, 2, "the house knows")
    assert engine.failure == "actor supervisor cannot be kept alive"
    sent = len(judge.requests(kind="place"))
    with judged("G10"):
        with pytest.raises(BadInput):
            engine.buy(SYMBOL, quantity=LOT)
        assert engine.stop(2)
        assert time.monotonic() - began < 2
        assert len(judge.requests(kind="place")) == sent
        assert [] == signed_while_shut(judge, engine, records(engine))


@pytest.mark.matrix("A10", invariants="G13")
def test_a_storm_of_restarts_of_the_user_stream_ends_the_run_and_touches_no_order(
    engines: Engines, judge: Judge
) -> None:
    """Twenty deaths a minute are more than its budget: the house gives up, its resting order rests on at the exchange,
    and the next run finds it and trades."""
    began = judge.call("requests")["seq"]
    first = engines(prefix="st", limits=PATIENT).start()
    bid = wait_until(lambda: first.quotes.get(SYMBOL), 10, "a quote").bid
    resting = first.buy(SYMBOL, quantity=LOT, price=(bid * 9 / 10).quantize(CENT), rests=True)
    wait_until(lambda: state(resting) == "New", 10, "it rests")
    for _ in range(20):
        epoch = first.house.mailbox("user_stream").epoch
        if first.failure is not None:
            break
        first.inject("user_stream", FaultKind.EXCEPTION)
        wait_until(lambda: first.failure or first.house.mailbox("user_stream").epoch > epoch, 10, "the next life")  # noqa: B023
    assert first.failure == "actor user_stream cannot be kept alive"
    assert first.stop()
    ((order,),) = judge.orders("st").values()
    assert order["status"] == "NEW"
    assert [] == [each for each in judge.requests(kind="cancel") if each["seq"] > began]
    second = engines(prefix="st", limits=PATIENT).start()
    with judged("G13"):
        wait_ready(second)
        assert str(second.orders[resting.id].state) == "New"
    second.cancel(resting.id)
    wait_until(lambda: str(second.orders[resting.id].state) == "Cancelled", 10, "it can be cancelled")
    expect_whole(judge, second, [second.buy(SYMBOL, quantity=LOT)])


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Once set, the system refuses every new thread."""
    refusing, start = threading.Event(), threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if refusing.is_set():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    yield refusing
    refusing.clear()


@pytest.mark.matrix("A11", invariants="G13")
def test_a_house_whose_desk_gets_no_thread_says_so_and_ends(
    engines: Engines, judge: Judge, no_threads: threading.Event
) -> None:
    """The money desk's thread dies and the system gives no other: no zombie, the house is unhealthy at once and ends."""
    engine = engines(limits=PATIENT).start()
    no_threads.set()
    engine.inject("positions", FaultKind.DEAD_THREAD)
    with judged("G13"):
        wait_until(lambda: not engine.house.healthy(), 3, "it is unhealthy")
        wait_until(lambda: engine.failure is not None, 5, "it ends")
        assert "cannot be kept alive" in str(engine.failure)
    no_threads.clear()
    engine.stop(5)


@pytest.mark.matrix("A11", invariants="G13")
def test_a_house_that_gets_a_thread_late_goes_on(engines: Engines, judge: Judge, no_threads: threading.Event) -> None:
    """Refused for half a second only: its letters waited, none is lost."""
    engine = engines(limits=PATIENT).start()
    no_threads.set()
    engine.inject("positions", FaultKind.DEAD_THREAD)
    tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(3)]
    wait_until(lambda: not engine.house.healthy(), 3, "it is unhealthy")
    no_threads.clear()
    expect_whole(judge, engine, tickets)
    assert engine.buy(SYMBOL, quantity=LOT).wait(10).state == "Filled"  # type: ignore[union-attr]
