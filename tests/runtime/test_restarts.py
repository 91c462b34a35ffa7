"""Deaths of every kind: the actor comes back, its neighbours notice nothing, nothing is lost but the poison."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pykka
import pytest

from realtrading.errors import HouseError
from realtrading.runtime.actor import Actor
from realtrading.runtime.events import ActorDied, ActorGivenUp, ActorRestarted, LetterSetAside
from realtrading.runtime.mailbox import Tick
from realtrading.runtime.restarts import Account
from realtrading.runtime.spec import Budget, FaultKind
from villains import (
    AnswersNonsenseOnPoison,
    Books,
    CancelsOnPoison,
    CrashesOnPoison,
    Done,
    ExitsOnPoison,
    FailsToStart,
    InterruptsOnPoison,
    Job,
    Listens,
    Lost,
    Recorder,
    Refused,
    booked,
    row,
    villain_house,
)
from waiting import wait_until

DESKS = ("money", "own:books", "wire")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.mark.parametrize("desk", DESKS)
@pytest.mark.parametrize(
    "villain",
    [CrashesOnPoison, ExitsOnPoison, CancelsOnPoison, InterruptsOnPoison, AnswersNonsenseOnPoison],
)
def test_whatever_a_handler_raises_ends_that_actor_alone(villain: type[Actor], desk: str, recorder: Recorder) -> None:
    """The poison is tried twice and set aside; other letters are handled once; the neighbour keeps its incarnation."""
    house = villain_house(row("books", villain, desk), row("ear", Listens, desk), recorder=recorder)
    house.start()
    for number in range(20):
        house.post(Job(number, poison=number == 7))
    assert house.settled(10)
    expected = [number for number in range(20) if number != 7]
    assert booked(house) == dict.fromkeys(expected, 1)
    assert [done.number for done in house.mailbox("ear").memory["heard"]] == expected
    assert [event.cause for event in recorder.of(ActorDied)] == ["crash", "crash"]
    assert [event.epoch for event in recorder.of(ActorRestarted)] == [2, 3]
    assert [event.letter.message.number for event in recorder.of(LetterSetAside)] == [7]
    assert (house.mailbox("books").epoch, house.mailbox("ear").epoch) == (3, 1)
    assert house.stop()


@pytest.mark.parametrize("desk", DESKS)
@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_injected_fault_is_survived_on_every_desk(kind: FaultKind, desk: str, recorder: Recorder) -> None:
    """The actor is replaced within a second and a hang's limit, and handles what waited for it, once."""
    house = villain_house(row("books", Books, desk, hang_s=0.2), row("ear", Listens), recorder=recorder)
    house.start()
    house.inject("books", kind)
    for number in range(10):
        house.post(Job(number))
    wait_until(lambda: house.mailbox("books").epoch > 1 and house.settled(0.1), 5, "the actor is back")
    assert booked(house) == dict.fromkeys(range(10), 1)
    causes = [event.cause for event in recorder.of(ActorDied)]
    assert causes[0] == ("hang" if kind is FaultKind.HANG else "crash")
    assert len(causes) == (2 if kind is FaultKind.FAILS_TO_START else 1)
    assert house.healthy()
    assert house.stop()


def test_each_incarnation_is_a_new_pykka_actor_on_the_old_mailbox() -> None:
    """New object, new registered ActorRef; the dead ref is unregistered and says so; Pykka drains nothing."""
    made: list[Actor] = []

    def make() -> Actor:
        made.append(CrashesOnPoison())
        return made[-1]

    house = villain_house(row("books", make))
    house.start()
    house.post(Job(1))
    house.post(Job(2, poison=True))
    assert house.settled(10)
    refs = [actor.actor_ref for actor in made]
    assert len({ref.actor_urn for ref in refs}) == 3
    assert [ref.is_alive() for ref in refs] == [False, False, True]
    assert [ref in pykka.ActorRegistry.get_all() for ref in refs] == [False, False, True]
    assert all(ref.actor_inbox is house.mailbox("books") for ref in refs)
    refs[-1].tell(Job(3))
    assert house.settled(10)
    assert booked(house) == {1: 1, 3: 1}
    with pytest.raises(HouseError, match="never a letter"):
        made[-1].stop()
    with pytest.raises(HouseError):
        refs[-1].ask(Job(4))
    assert house.stop()
    assert refs[-1] not in pykka.ActorRegistry.get_all()


def test_a_keepers_answer_is_all_or_nothing() -> None:
    """If the last message of an answer has no route, its first event is neither put nor sent."""
    house = villain_house(row("books", AnswersNonsenseOnPoison), row("ear", Listens))
    house.start()
    house.post(Job(1, poison=True))
    assert house.settled(10)
    assert booked(house) == {}
    assert "heard" not in house.mailbox("ear").memory
    assert house.stop()


class HandCrashes(Listens):
    """A hand that counts its tries and fails on poison."""

    def handle(self, message: Any, now: Any) -> None:
        super().handle(message, now)
        if message.poison:
            raise RuntimeError("poison")


def test_a_hands_letter_is_never_tried_again_but_answered() -> None:
    """It is handled once, set aside, and what `on_set_aside` returns is sent, caused by it."""
    house = villain_house(
        row("hand", HandCrashes, retry_letter=False),
        row("ear", Listens),
        routes={Job: ("hand",)},
        on_set_aside=lambda letter, name: [Refused(letter.message.number)],
    )
    house.start()
    letter = house.post(Job(5, poison=True))
    assert house.settled(10)
    assert house.mailbox("hand").memory["heard"] == [Job(5, poison=True)]  # once, and remembered by the successor
    assert [(heard.message, heard.cause) for heard in house.mailbox("ear").recent] == [(Refused(5), letter.seq)]
    assert house.stop()


def test_a_restart_is_closed_before_the_successor_speaks() -> None:
    """`on_lost`'s message is handled first, before anything the successor sends."""
    order: list[str] = []

    class Breaker(Listens):
        def handle(self, message: Any, now: Any) -> None:
            order.append(type(message).__name__)

    house = villain_house(
        row("books", ExitsOnPoison, "own:books"),
        row("breaker", Breaker, "own:breaker"),
        routes={Done: ("breaker",)},
        on_lost=lambda name, letter, token: Lost(name, token),
    )
    house.start()
    for _ in range(25):
        order.clear()
        house.post(Job(1, poison=True))
        house.post(Job(2))
        assert house.settled(10)
        assert order == ["Lost", "Lost", "Done"]
    assert house.stop()


def test_tokens_of_lost_actors_are_unique_and_grow() -> None:
    """Each death gets its own token, so that only the reconciliation it started can clear it."""
    recorder = Recorder()
    house = villain_house(row("books", CrashesOnPoison), recorder=recorder)
    house.start()
    letter = house.post(Job(1, poison=True))
    assert house.settled(10)
    tokens = [token for _, _, token in recorder.lost]
    assert [(name, lost.seq) for name, lost, _ in recorder.lost if lost] == [("books", letter.seq)] * 2
    assert tokens == sorted(set(tokens))
    assert house.stop()


def test_two_different_letters_in_a_row_make_the_memory_the_suspect() -> None:
    """The owner is asked to rebuild, and its rows replace the tables before the successor starts."""
    recorder = Recorder()
    house = villain_house(
        row("books", CrashesOnPoison),
        recorder=recorder,
        on_rebuild=lambda name: recorder.rebuilt.append(name) or {"jobs": {"41": 1}},
    )
    house.start()
    house.post(Job(1))
    house.post(Job(2, poison=True))
    house.post(Job(3))
    assert house.settled(10)
    assert recorder.rebuilt == []
    house.post(Job(4, poison=True))
    house.post(Job(5, poison=True))
    house.post(Job(6))
    assert house.settled(10)
    assert recorder.rebuilt == ["books"]
    assert booked(house) == {41: 1, 6: 1}
    assert house.stop()


class CrashesOnTick(Books):
    """Fails when time passes."""

    def handle(self, message: Any, now: Any) -> Any:
        if isinstance(message, Tick):
            raise RuntimeError("tick")
        return super().handle(message, now)


def test_a_tick_that_fails_is_not_tried_again_and_asks_for_a_rebuild() -> None:
    """A tick carries nothing: it is dropped, and what the actor remembers is suspected."""
    recorder = Recorder()
    house = villain_house(row("books", CrashesOnTick, tick_s=0.01), recorder=recorder)
    house.start()
    wait_until(lambda: len(recorder.rebuilt) >= 2, 5, "two ticks failed")
    assert recorder.set_aside == []
    assert house.stop()


def test_a_spent_budget_escalates_once_and_the_actor_stays_down() -> None:
    """The fourth death in a minute is one too many: on_escalate, no successor, an unhealthy house, letters kept."""
    recorder = Recorder()
    house = villain_house(row("books", CrashesOnPoison, budget=Budget(3, 60.0)), recorder=recorder)
    house.start()
    for number in range(3):
        house.post(Job(number, poison=True))
    wait_until(lambda: recorder.escalated, 5, "escalation")
    assert recorder.escalated == ["books"]
    assert [event.critical for event in recorder.of(ActorGivenUp)] == [True]
    assert house.mailbox("books").restarts["crash"] == 4
    assert not house.mailbox("books").running
    assert house.health()[1]["down"] == ["books"]
    house.post(Job(9))
    assert house.mailbox("books").waiting() == 2
    assert house.stop()


def test_a_non_critical_actor_waits_for_its_window_instead_of_escalating() -> None:
    """Its budget spent, it is tried again when the window has moved on; the house stays healthy and settled."""
    recorder = Recorder()
    house = villain_house(
        row("books", CrashesOnPoison, budget=Budget(1, 0.3), critical=False), row("ear", Listens), recorder=recorder
    )
    house.start()
    house.post(Job(1, poison=True))
    house.post(Job(2))
    wait_until(lambda: recorder.of(ActorGivenUp), 5, "the budget is spent")
    assert house.healthy()
    wait_until(lambda: booked(house) == {2: 1}, 5, "it was tried again")
    assert recorder.escalated == []
    assert house.stop()


def test_failing_starts_are_deaths_with_a_growing_pause() -> None:
    """A start that raises anything is tried again; the budget counts it; letters wait meanwhile."""
    recorder = Recorder()
    failures: list[BaseException] = [SystemExit(1), ValueError("no")]

    class Starts(FailsToStart):
        pass

    Starts.failures = failures
    house = villain_house(row("books", Starts), recorder=recorder)
    house.post(Job(1))
    house.start()
    assert house.settled(10)
    assert booked(house) == {1: 1}
    assert [event.exception for event in recorder.of(ActorDied)] == ["ValueError", "SystemExit"]
    assert house.mailbox("books").epoch == 3
    assert house.stop()


def test_an_actor_that_never_starts_stops_the_house() -> None:
    """start() raises, naming the actor, and everything started before is stopped again."""
    before = set(threading.enumerate())

    class Never(FailsToStart):
        failures = [ValueError("no")] * 50

    house = villain_house(row("ear", Listens), row("books", Never, "own:books", budget=Budget(1, 60.0)))
    with pytest.raises(HouseError, match="books does not start"):
        house.start()
    wait_until(lambda: set(threading.enumerate()) <= before, 5, "no thread is left")


def test_make_must_build_a_new_actor_each_time() -> None:
    """A make() that hands out the same object again counts as a failing start."""
    only: list[Actor] = []

    def make() -> Actor:
        if not only:
            only.append(CrashesOnPoison())
        return only[0]

    recorder = Recorder()
    house = villain_house(row("books", make, budget=Budget(2, 60.0)), recorder=recorder)
    house.start()
    house.post(Job(1, poison=True))
    wait_until(lambda: recorder.escalated, 5, "escalation")
    assert "HouseError" in house.mailbox("books").failures
    assert house.stop()


def test_the_death_of_a_fatal_actor_freezes_the_house_at_once() -> None:
    """on_fatal hears the exception; from then on nobody handles anything, whatever is posted."""
    recorder = Recorder()
    house = villain_house(row("books", CrashesOnPoison, fatal=True), row("ear", Listens, "own:ear"), recorder=recorder)
    house.start()
    house.post(Job(1, poison=True))
    wait_until(lambda: recorder.fatal, 2, "on_fatal")
    house.post(Refused(1))
    house.post(Job(2))
    ((name, failure),) = recorder.fatal
    assert (name, str(failure)) == ("books", "poison")
    assert not house.healthy()
    assert house.stop()
    assert "heard" not in house.mailbox("ear").memory
    assert booked(house) == {}
    assert house.mailbox("books").epoch == 1


@pytest.mark.parametrize("desk", ["money", "journal"])
@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fatal_actor_has_no_successor_whatever_ends_it(kind: FaultKind, desk: str) -> None:
    """Every kind of end of a journal freezes the house within two seconds; what was posted before is not handled after."""
    recorder = Recorder()
    house = villain_house(row("books", Books, desk, hang_s=0.1, fatal=True), row("ear", Listens, "own:ear"), recorder=recorder)
    house.start()
    house.inject("books", kind)
    house.post(Job(1))
    wait_until(lambda: recorder.fatal, 2, "on_fatal")
    assert [name for name, _ in recorder.fatal] == ["books"]
    assert house.frozen
    assert not house.healthy()
    assert house.stop()
    assert booked(house) == {}
    assert "heard" not in house.mailbox("ear").memory
    assert house.mailbox("books").epoch == 1


def test_without_closing_no_successor_runs() -> None:
    """If on_lost itself fails, the actor stays down and the house escalates."""
    recorder = Recorder()

    def on_lost(*_: object) -> None:
        raise SystemExit(9)

    house = villain_house(row("books", CrashesOnPoison), recorder=recorder, on_lost=on_lost)
    house.start()
    house.post(Job(1, poison=True))
    wait_until(lambda: recorder.escalated == ["books"], 5, "escalation")
    assert house.mailbox("books").epoch == 1
    assert house.stop()


def test_a_deaf_owner_does_not_stop_supervision() -> None:
    """Exceptions of on_event are logged and otherwise nothing."""

    def on_event(event: object) -> None:
        raise SystemExit(9)

    house = villain_house(row("books", CrashesOnPoison), on_event=on_event)
    house.start()
    house.post(Job(1, poison=True))
    house.post(Job(2))
    assert house.settled(10)
    assert booked(house) == {2: 1}
    assert house.stop()


class TestBudget:
    """The sliding window."""

    def test_restarts_come_back_as_the_window_moves(self) -> None:
        """Three in a minute are allowed, a fourth is not, and a minute after the first there is room again."""
        account = Account(Budget(3, 60.0))
        assert [account.spend(at) for at in (0.0, 1.0, 2.0, 3.0)] == [True, True, True, False]
        assert account.spend(63.5)

    def test_it_says_when_there_is_room(self) -> None:
        """With budget one, spent at 0 and 10 s, the next restart is allowed when the window has passed the latter."""
        account = Account(Budget(1, 60.0))
        assert [account.spend(0.0), account.spend(10.0)] == [True, False]
        assert account.allowed_from_mono() == 70.0

    def test_pauses_double_to_a_second_and_begin_anew_after_a_start(self) -> None:
        """0.05, 0.1, 0.2 … at most 1 s, each with up to a fifth more."""
        dice: Any = SimpleNamespace(random=lambda: 0.5)
        account = Account(Budget())
        pauses = [account.start_failed(dice) for _ in range(7)]
        assert pauses == pytest.approx([0.055, 0.11, 0.22, 0.44, 0.88, 1.0, 1.0])
        account.started()
        assert account.start_failed(dice) == pytest.approx(0.055)


@pytest.fixture(autouse=True)
def _no_actor_left() -> Iterator[None]:
    """Every test stops its house: Pykka's registry ends as it began."""
    before = set(pykka.ActorRegistry.get_all())
    yield
    assert set(pykka.ActorRegistry.get_all()) <= before
