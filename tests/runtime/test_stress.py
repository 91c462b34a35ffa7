"""The two proofs by number: nothing is lost but the poison, and nothing is booked twice."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import attrs

from realtrading.runtime.actor import Keeper
from realtrading.runtime.mailbox import Letter
from realtrading.runtime.spec import FaultKind
from villains import (
    Books,
    Done,
    ExitsOrCrashesOnPoison,
    Job,
    Listens,
    Naps,
    Recorder,
    booked,
    row,
    villain_house,
)
from waiting import wait_until

SENDERS = 4
LETTERS = 80_000
POISONS = 160


def test_eighty_thousand_letters_with_poisons_lose_only_the_poisons() -> None:
    """Four threads outrun an actor that 160 poisons kill 320 times, half of them SystemExit: all else is booked once,
    heard once, and each sender's letters stay in order."""
    recorder = Recorder()
    # as many letters wait here as the senders can write
    house = villain_house(
        row("books", ExitsOrCrashesOnPoison, hard_cap=2 * LETTERS),
        row("ear", Listens, "own:ear", hard_cap=2 * LETTERS),
        recorder=recorder,
    )
    poisons = set(random.Random(7).sample(range(LETTERS), POISONS))
    house.start()

    def send(sender: int) -> None:
        for number in range(sender, LETTERS, SENDERS):
            house.post(Job(number, poison=number in poisons), sender=str(sender))

    threads = [threading.Thread(target=send, args=(sender,), daemon=True) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert house.settled(60)
    assert booked(house) == {number: 1 for number in range(LETTERS) if number not in poisons}
    heard = [done.number for done in house.mailbox("ear").memory["heard"]]
    assert len(heard) == len(set(heard)) == LETTERS - POISONS
    for sender in range(SENDERS):
        of_sender = [number for number in heard if number % SENDERS == sender]
        assert of_sender == sorted(of_sender)
    assert {letter.message.number for letter, _ in recorder.set_aside} == poisons
    assert house.mailbox("books").restarts["crash"] == 2 * POISONS
    assert house.stop()


def test_fifteen_hundred_napping_letters_under_hundreds_of_fences_are_booked_once() -> None:
    """While letters nap, their living threads are fenced again and again: nothing is lost, nothing booked twice."""
    house = villain_house(row("books", Naps), row("quiet", Books), row("ear", Listens))
    dice = random.Random(11)
    for number in range(1500):
        house.post(Job(number, nap_s=0.002 if number % 2 else 0.0002))
    house.start()
    box = house.mailbox("books")
    ending = threading.Event()

    def fence() -> None:
        while not ending.wait(dice.uniform(0.002, 0.012)):
            house.restart("books")

    fencer = threading.Thread(target=fence, daemon=True)
    fencer.start()
    wait_until(lambda: box.waiting() == 0, 60, "all letters are handled")
    ending.set()
    fencer.join(5)
    assert house.settled(10)
    assert booked(house) == dict.fromkeys(range(1500), 1)
    assert [done.number for done in house.mailbox("ear").memory["heard"]] == list(range(1500))
    assert box.restarts["requested"] >= 200
    assert house.stop(20)


def test_letters_of_the_dead_are_traceable() -> None:
    """Each letter's cause is the seq of the letter that produced it, through a restart as well."""
    recorder = Recorder()
    house = villain_house(row("books", ExitsOrCrashesOnPoison), row("ear", Listens), recorder=recorder)
    house.start()
    seqs = {number: house.post(Job(number, poison=number == 1)).seq for number in range(3)}
    assert house.settled(10)
    heard: list[Letter] = list(house.mailbox("ear").recent)
    assert [(letter.message, letter.cause, letter.sender) for letter in heard] == [
        (Done(0), seqs[0], "books"),
        (Done(2), seqs[2], "books"),
    ]
    assert [letter.seq for letter, _ in recorder.set_aside] == [seqs[1]]
    assert house.stop()


def test_any_mixture_of_faults_loses_and_doubles_nothing() -> None:
    """A chain over three kinds of desks, under hundreds of crashes, killed threads, hangs and restarts at random moments:
    every actor books every letter exactly once, in order, and no letter is set aside."""

    @attrs.frozen
    class Passed:
        number: int
        hop: int

        def entries(self) -> Iterator[tuple[str, str, int]]:
            yield "jobs", str(self.number), 1

    class Passes(Keeper):
        owns = (Passed,)

        def handle(self, message: Any, now: Any) -> list[object]:
            hop = message.hop + 1 if isinstance(message, Passed) else 0
            assert str(message.number) not in self.tables["jobs"], "handled twice"
            return [Passed(message.number, hop)]

    desks = ["money", "money", "own:c", "wire", "money", "wire", "own:g"]
    names = [f"hop{index}" for index in range(len(desks))]
    recorder = Recorder()
    house = villain_house(
        *(row(name, Passes, desk, hang_s=0.1) for name, desk in zip(names, desks, strict=True)),
        row("ear", Listens, "listen"),
        recorder=recorder,
        routes={Job: (names[0],), Passed: (lambda event: [[*names, "ear"][event.hop + 1]],)},
    )
    dice = random.Random(5)
    house.start()
    number = 0
    for _ in range(300):
        for _ in range(dice.randrange(12)):
            house.post(Job(number))
            number += 1
        name, kind = dice.choice(names), dice.choice(list(FaultKind))
        if kind is FaultKind.HANG and dice.random() < 0.8:  # each takes its tenth of a second
            house.restart(name)
        elif kind is not FaultKind.FAILS_TO_START or dice.random() < 0.1:  # and so do these
            house.inject(name, kind)
        threading.Event().wait(dice.random() * 0.004)
    assert house.settled(60)
    assert recorder.set_aside == []
    assert recorder.escalated == []
    for name in names:
        assert booked(house, name) == dict.fromkeys(range(number), 1)
    assert [event.number for event in house.mailbox("ear").memory["heard"]] == list(range(number))
    assert sum(sum(house.mailbox(name).restarts.values()) for name in names) >= 100
    assert house.healthy()
    assert house.stop(20)
