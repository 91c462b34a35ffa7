"""A restart is closed: who commits is not fenced, and who must know of a loss has it in the mailbox before a successor runs."""

import threading
from typing import Any

import pytest

from realtrading.runtime.mailbox import Letter, Mailbox
from villains import Books, CrashesOnPoison, Done, Job, Listens, Lost, booked, row, villain_house
from waiting import wait_until


def test_a_life_in_its_commit_is_not_fenced_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what it said is out: a successor would handle the letter again and say it twice."""
    inside, gate, accept = threading.Event(), threading.Event(), Mailbox.accept

    def slow(box: Mailbox, letter: Letter, *, front: bool = False) -> bool:
        if letter.message == Done(1) and not inside.is_set():
            inside.set()
            gate.wait(30.0)
        return accept(box, letter, front=front)

    monkeypatch.setattr(Mailbox, "accept", slow)
    house = villain_house(row("books", Books, hang_s=0.05), row("ear", Listens, desk="listen"))
    house.start()
    house.post(Job(1))
    wait_until(inside.is_set, 5, "it commits")
    judged_mono = house.mono() + 0.5
    wait_until(lambda: house.supervisor.heartbeat_mono > judged_mono, 5, "the supervisor has judged it many times")
    epoch = house.mailbox("books").epoch
    gate.set()
    house.post(Job(2))

    assert house.settled(5)
    assert epoch == 1
    assert booked(house) == {1: 1, 2: 1}
    assert house.mailbox("ear").memory["heard"] == [Done(1), Done(2)]
    assert house.stop()


def test_a_loss_is_told_before_the_successor_starts() -> None:
    """The successor finds the word of its predecessor's end in the other's mailbox, or there already read."""
    found: list[list[Any]] = []

    class LooksAround(CrashesOnPoison):
        def on_start(self) -> None:
            other = house.mailbox("breaker")
            waiting = [letter.message for letter in other.front]
            found.append([type(message) for message in (*waiting, *other.memory.get("heard", ()))])

    house = villain_house(
        row("breaker", Listens, desk="listen"),
        row("books", LooksAround),
        row("ear", Listens),
        on_lost=lambda name, letter, token: Lost(name, token),
    )
    house.start()
    house.post(Job(1, poison=True))

    wait_until(lambda: len(found) == 3, 5, "the letter failed twice")
    assert house.settled(5)
    assert found == [[], [Lost], [Lost, Lost]]
    assert house.stop()
