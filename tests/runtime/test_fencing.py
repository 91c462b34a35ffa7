"""Fences: a thread that hangs, dies, or comes back late can neither lose a letter nor commit one twice."""

import asyncio
import ctypes
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from realtrading.runtime.actor import Fenced
from realtrading.runtime.events import ActorDied
from realtrading.runtime.mailbox import Letter, Mailbox
from realtrading.runtime.shift import ThreadKilled
from realtrading.runtime.spec import FaultKind
from realtrading.runtime.supervisor import LATE_S
from villains import (
    BlocksTheLoop,
    Books,
    Done,
    HangsInStart,
    HangsOnPoison,
    Job,
    Listens,
    PlacesByTask,
    Recorder,
    Refused,
    booked,
    row,
    villain_house,
)
from waiting import wait_until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hanging villain waits for; opened at the end of every test."""
    event = threading.Event()
    yield event
    event.set()


def hanging(gate: threading.Event, kind: type[Any] = HangsOnPoison) -> Any:
    """A villain of class `kind` that hangs on `gate`."""
    return type(kind.__name__, (kind,), {"gate": gate, "starts": []})


def test_a_hang_is_fenced_and_the_desk_goes_on_with_a_new_thread(gate: threading.Event) -> None:
    """Within the limit and half a second the neighbours are served again; the late thread commits nothing and ends."""
    recorder = Recorder()
    house = villain_house(
        row("books", hanging(gate), hang_s=0.2), row("ear", Listens), recorder=recorder, routes={Refused: ("ear",)}
    )
    house.start()
    (old_thread,) = [thread for thread in threading.enumerate() if thread.name == "desk-money"]
    house.post(Job(1))
    assert house.settled(5)
    began = time.monotonic()
    house.post(Job(2, poison=True))
    house.post(Refused(3))
    wait_until(lambda: Refused(3) in house.mailbox("ear").memory["heard"], 5, "the neighbour is served")
    assert time.monotonic() - began < 0.2 + 0.5
    wait_until(lambda: len(recorder.of(ActorDied)) == 2, 5, "the second try hung too")
    assert house.settled(5)
    assert [event.cause for event in recorder.of(ActorDied)] == ["hang", "hang"]
    assert [letter.message.number for letter, _ in recorder.set_aside] == [2]
    gate.set()
    wait_until(lambda: not old_thread.is_alive(), 5, "the fenced thread went home")
    assert booked(house) == {1: 1}
    assert house.stop()


def test_a_late_thread_does_not_book_what_its_successor_booked(gate: threading.Event) -> None:
    """The successor handles the same letter; when the fenced handler returns at last, its answer is thrown away."""
    first = threading.Event()

    class HangsOnce(Books):
        def handle(self, message: Any, now: Any) -> Any:
            answer = list(super().handle(message, now))
            if not first.is_set():
                first.set()
                gate.wait(30)
            return answer

    house = villain_house(row("books", HangsOnce, hang_s=0.1), row("ear", Listens))
    house.start()
    house.post(Job(1))
    wait_until(lambda: booked(house) == {1: 1}, 5, "the successor booked it")
    gate.set()
    for number in range(2, 50):
        house.post(Job(number))
    assert house.settled(5)
    assert booked(house) == dict.fromkeys(range(1, 50), 1)
    assert [done.number for done in house.mailbox("ear").memory["heard"]] == list(range(1, 50))
    assert house.stop()


def test_a_start_that_hangs_is_fenced_like_a_letter(gate: threading.Event) -> None:
    """The desk gets a new thread, the next start succeeds, and the late starter is retired."""
    house = villain_house(row("books", hanging(gate, HangsInStart), hang_s=0.1), row("ear", Listens))
    house.start()
    house.post(Job(1))
    assert house.settled(5)
    assert house.mailbox("books").epoch == 2
    gate.set()
    assert booked(house) == {1: 1}
    assert house.stop()


def test_a_thread_that_died_while_waiting_is_replaced_and_nobody_restarts() -> None:
    """An idle desk whose thread is killed serves again; its actors keep their incarnation."""
    house = villain_house(row("books", Books), row("ear", Listens))
    house.start()
    house.post(Job(1))
    assert house.settled(5)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "desk-money"]
    assert thread.ident is not None
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)) == 1
    for number in range(2, 30):
        house.post(Job(number))
    wait_until(lambda: not thread.is_alive() or house.mailbox("books").epoch > 1, 5, "the exception has struck")
    assert house.settled(5)
    assert booked(house) == dict.fromkeys(range(1, 30), 1)
    assert house.stop()


@pytest.mark.parametrize("deaths", [1, 2, 3])
@pytest.mark.parametrize("desk", ["money", "wire"])
def test_a_thread_that_dies_in_its_commit_leaves_a_commit_that_is_finished(
    desk: str, deaths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put stays put, the unsent rest is sent first, in order; the letter is neither lost nor handled again."""
    left = [deaths]
    accept = Mailbox.accept

    def dying_accept(box: Mailbox, letter: Letter, *, front: bool = False) -> bool:
        if box.name == "ear" and letter.message == Done(2) and left[0] > 0:
            left[0] -= 1
            raise ThreadKilled
        return accept(box, letter, front=front)

    class BooksThree(Books):
        owns = (Done,)

        def handle(self, message: Any, now: Any) -> Any:
            return [Done(number, self.tables["jobs"].get(str(number), 0) + 1) for number in (1, 2, 3)]

    recorder = Recorder()
    house = villain_house(row("books", BooksThree, desk), row("ear", Listens, "own:ear"), recorder=recorder)
    house.start()
    monkeypatch.setattr(Mailbox, "accept", dying_accept)
    house.post(Job(0))
    if deaths == 1:
        assert house.settled(5)
        assert booked(house) == {1: 1, 2: 1, 3: 1}
        assert [done.number for done in house.mailbox("ear").memory["heard"]] == [1, 2, 3]
        assert recorder.set_aside == []
    else:  # it cannot even be finished: nothing more may happen here
        wait_until(lambda: recorder.escalated == ["books"], 5, "escalation")
        assert [done.number for done in house.mailbox("ear").memory["heard"]] == [1]
    assert house.stop()


def test_a_dying_loop_serves_nobody_while_it_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that died in a commit, with letters for its neighbour waiting, is still known to have died in that commit."""
    left = [1]
    accept = Mailbox.accept

    def dying_accept(box: Mailbox, letter: Letter, *, front: bool = False) -> bool:
        if box.name == "ear" and left[0] > 0:
            left[0] -= 1
            for number in range(5):
                house.post(Refused(number))  # the loop will look at its mailboxes once more
            raise ThreadKilled
        return accept(box, letter, front=front)

    house = villain_house(
        row("books", Books, "wire"),
        row("neighbour", Listens, "wire"),
        row("ear", Listens),
        routes={Refused: ("neighbour",)},
    )
    house.start()
    monkeypatch.setattr(Mailbox, "accept", dying_accept)
    for number in range(5):
        house.post(Job(number))
    assert house.settled(5)
    assert booked(house) == dict.fromkeys(range(5), 1)
    assert [done.number for done in house.mailbox("ear").memory["heard"]] == list(range(5))
    assert house.mailbox("neighbour").memory["heard"] == [Refused(number) for number in range(5)]
    assert house.stop()


def test_a_desk_that_gets_no_thread_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the system refuses threads the letters wait; once it gives one, they are handled, once."""
    house = villain_house(row("books", Books, "wire"), row("ear", Listens))
    house.start()
    refused: list[str] = []
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "desk-wire" and len(refused) < 3:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    house.inject("books", FaultKind.DEAD_THREAD)
    house.post(Job(1))
    wait_until(lambda: len(refused) == 3 and house.settled(0.1), 5, "the desk works again")
    assert booked(house) == {1: 1}
    assert house.stop()


def test_a_late_round_judges_nobody(gate: threading.Event) -> None:
    """After the process stood still (SIGSTOP), a letter that only seems to take long is not fenced."""
    recorder = Recorder()
    now = [1000.0]
    house = villain_house(row("books", hanging(gate), hang_s=2.0), recorder=recorder)
    house.mono = house.supervisor._house.mono = lambda: now[0]
    supervisor = house.supervisor
    house.start()
    supervisor.close(5)
    house.post(Job(1, poison=True))
    wait_until(lambda: house.mailbox("books").busy_since_mono is not None, 5, "it hangs")
    supervisor.round()
    now[0] += 60.0
    supervisor.round()
    now[0] += LATE_S
    supervisor.round()
    assert recorder.events == []
    for _ in range(5):
        now[0] += LATE_S
        supervisor.round()
    assert [event.cause for event in recorder.of(ActorDied)] == ["hang"]
    gate.set()
    assert house.stop()


class TestWire:
    """The asyncio desk."""

    def test_tasks_send_with_the_letter_that_spawned_them_as_cause(self) -> None:
        """The cause survives the way through the event loop."""
        house = villain_house(row("books", PlacesByTask, "wire", retry_letter=False), row("ear", Listens))
        house.start()
        letters = [house.post(Job(number)) for number in range(20)]
        ear = house.mailbox("ear")
        wait_until(lambda: len(ear.memory.get("heard", ())) == 20, 5, "all are placed")
        assert house.settled(5)
        assert {(letter.message.number, letter.cause) for letter in ear.recent} == {
            (letter.message.number, letter.seq) for letter in letters
        }
        assert house.stop()

    def test_a_tasks_exception_restarts_its_actor_and_sets_its_letter_aside(self) -> None:
        """The neighbour on the same loop goes on; the letters of the cancelled tasks are set aside as well."""
        recorder = Recorder()
        waiting = threading.Event()

        class PlacesSlowly(PlacesByTask):
            async def place(self, job: Job) -> None:
                if job.number == 1:
                    waiting.set()
                    await asyncio.Event().wait()
                await super().place(job)

        house = villain_house(
            row("books", PlacesSlowly, "wire", retry_letter=False),
            row("neighbour", Listens, "wire"),
            row("ear", Listens),
            recorder=recorder,
            routes={Refused: ("neighbour",)},
        )
        house.start()
        house.post(Job(1))
        assert waiting.wait(5)
        house.post(Job(2, poison=True))
        house.post(Refused(1))
        wait_until(lambda: house.mailbox("books").epoch == 2 and house.settled(0.1), 5, "the actor is back")
        assert sorted(letter.message.number for letter, _ in recorder.set_aside) == [1, 2]
        assert house.mailbox("neighbour").epoch == 1
        house.post(Job(3))
        wait_until(lambda: house.mailbox("ear").memory.get("heard") == [Done(3)], 5, "the successor works")
        assert house.stop()

    def test_a_blocked_loop_is_a_hang_of_the_task_that_blocks_it(self, gate: threading.Event) -> None:
        """A new loop, a new life for every actor of the desk; the blocked one is told apart by its task."""
        recorder = Recorder()
        house = villain_house(
            row("neighbour", Listens, "wire"),
            row("books", hanging(gate, BlocksTheLoop), "wire", retry_letter=False, hang_s=0.2),
            row("ear", Listens),
            recorder=recorder,
            routes={Refused: ("neighbour",)},
        )
        house.start()
        house.post(Job(1, poison=True))
        wait_until(lambda: house.mailbox("books").epoch == 2 and house.settled(0.1), 5, "the actors are back")
        assert {(event.name, event.cause) for event in recorder.of(ActorDied)} == {
            ("books", "hang"),
            ("neighbour", "requested"),
        }
        assert [letter.message.number for letter, _ in recorder.set_aside] == [1]
        house.post(Refused(7))
        wait_until(lambda: house.mailbox("neighbour").memory.get("heard") == [Refused(7)], 5, "it hears again")
        gate.set()
        assert house.stop()
        assert "heard" not in house.mailbox("ear").memory  # the late task found itself fenced

    def test_cancelling_ones_own_task_is_no_crash_but_a_stray_cancelled_error_is(self) -> None:
        """Only cancellation that was asked for is quiet."""

        class Cancels(PlacesByTask):
            def handle(self, message: Any, now: Any) -> None:
                task = self.spawn(self.place(message))
                if message.number == 1:
                    task.cancel()

            async def place(self, job: Job) -> None:
                if job.number == 2:
                    raise asyncio.CancelledError
                await super().place(job)

        recorder = Recorder()
        house = villain_house(row("books", Cancels, "wire", retry_letter=False), row("ear", Listens), recorder=recorder)
        house.start()
        house.post(Job(1))
        house.post(Job(3))
        wait_until(lambda: house.mailbox("ear").memory.get("heard") == [Done(3)], 5, "the other task has run")
        assert recorder.events == []
        house.post(Job(2))
        wait_until(lambda: recorder.of(ActorDied), 5, "the stray error is a crash")
        assert [event.exception for event in recorder.of(ActorDied)] == ["CancelledError"]
        assert house.settled(5)
        assert house.stop()

    def test_a_fenced_hand_cannot_send(self) -> None:
        """Its send raises Fenced, and its last look says that the pen is gone."""
        made: list[Listens] = []

        def make() -> Listens:
            made.append(Listens())
            return made[-1]

        house = villain_house(row("hand", make), row("ear", Listens))
        house.start()
        assert made[0].has_pen
        made[0].send(Done(1))
        house.restart("hand")
        wait_until(lambda: house.mailbox("hand").epoch == 2 and house.settled(0.1), 5, "a successor runs")
        assert (made[0].fenced, made[0].has_pen, made[1].fenced, made[1].has_pen) == (True, False, False, True)
        with pytest.raises(Fenced):
            made[0].send(Done(2))
        assert house.mailbox("ear").memory["heard"] == [Done(1)]
        assert house.stop()
