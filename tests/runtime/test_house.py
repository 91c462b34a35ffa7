"""The house: start and stop, routes, commits, batches, caps, ticks, and reading without asking."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from realtrading.errors import HouseError
from realtrading.runtime.actor import Hand, Keeper
from realtrading.runtime.events import Backlog
from realtrading.runtime.house import House
from realtrading.runtime.mailbox import Letter, Missed, Tick
from realtrading.runtime.post import Commit
from realtrading.runtime.spec import ActorSpec, Budget, FaultKind
from villains import (
    Books,
    CrashesOnPoison,
    Done,
    Job,
    Listens,
    Recorder,
    Refused,
    booked,
    real_clock,
    row,
    villain_house,
)
from waiting import wait_until


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """stop() leaves no thread."""
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before, 5, "no thread is left")


@pytest.mark.parametrize("given", range(5))
def test_a_house_that_gets_too_few_threads_is_stopped_again(given: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three desks, the supervisor, the ticker: whichever thread the system refuses first, no other is left, and it is told."""
    house = villain_house(*(attrs.evolve(row(name, Listens, name), tick_s=1.0) for name in ("money", "journal", "wire")))
    start, left = threading.Thread.start, iter(range(given))

    def grudging(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", grudging)
    with pytest.raises(HouseError, match="the system gives no thread: can't start new thread"):
        house.start()


def test_actors_start_in_the_order_of_the_rows_and_stop_in_reverse() -> None:
    """Across desks: each starts after the one before it runs, and on_stop goes backwards."""
    diary: list[str] = []

    def telling(name: str) -> type[Listens]:
        class Telling(Listens):
            def on_start(self) -> None:
                diary.append(f"+{name}")

            def on_stop(self) -> None:
                diary.append(f"-{name}")

        return Telling

    desks = {"a": "money", "b": "own:b", "c": "wire", "d": "money", "e": "journal"}
    house = villain_house(*(row(name, telling(name), desk) for name, desk in desks.items()))
    house.start()
    assert house.stop()
    assert diary == ["+a", "+b", "+c", "+d", "+e", "-e", "-d", "-c", "-b", "-a"]


def test_an_on_stop_that_raises_does_not_keep_the_others() -> None:
    """The failure is counted; every other actor is stopped, and every thread ends."""
    diary: list[str] = []

    class Stops(Listens):
        def on_stop(self) -> None:
            diary.append(self.name)
            raise SystemExit(1)

    house = villain_house(row("a", Stops), row("b", Stops, "wire"), row("c", Stops, "own:c"))
    house.start()
    assert house.stop()
    assert diary == ["c", "b", "a"]
    assert house.mailbox("b").failures["SystemExit"] == 1


def test_stop_does_not_wait_for_an_actor_that_hangs() -> None:
    """Within its time-out it stops the others and says that not everything ended."""
    gate = threading.Event()
    diary: list[str] = []

    class Hangs(Listens):
        def handle(self, message: Any, now: Any) -> None:
            gate.wait(30)

    class Stops(Listens):
        def on_stop(self) -> None:
            diary.append("stopped")

    house = villain_house(row("a", Stops, "own:a"), row("books", Hangs, hang_s=60.0))
    house.start()
    house.post(Job(1))
    wait_until(lambda: house.mailbox("books").busy_since_mono is not None, 5, "it hangs")
    began = time.monotonic()
    assert not house.stop(0.4)
    assert time.monotonic() - began < 2.0
    assert diary == ["stopped"]
    gate.set()


class TestRoutes:
    """Who hears what."""

    def test_a_route_to_nobody_is_refused_at_construction(self) -> None:
        """The name of the missing actor is in the message."""
        with pytest.raises(HouseError, match=r"Job goes to 'bocks'"):
            House([row("books", Books)], {Job: ("bocks",)}, clock=real_clock)

    def test_two_rows_of_one_name_are_refused(self) -> None:
        """Names are addresses."""
        with pytest.raises(HouseError, match="same name"):
            House([row("books", Books), row("books", Books)], {}, clock=real_clock)

    def test_posting_what_nobody_hears_raises_in_the_sender(self) -> None:
        """An unknown type raises; a type routed to nobody is fine."""
        house = House([row("books", Books)], {Refused: ()}, clock=real_clock, seed=1)
        house.start()
        house.post(Refused(1))
        with pytest.raises(HouseError, match="nobody is named for Job"):
            house.post(Job(1))
        assert house.settled()

    def test_a_key_function_chooses_the_receivers(self) -> None:
        """Even jobs to one actor, odd ones to the other; a name it invents is our bug."""
        house = villain_house(
            row("even", Listens),
            row("odd", Listens),
            routes={Job: (lambda job: [("even", "odd", "nobody")[job.number % 3]],)},
            seed=1,
        )
        house.start()
        for number in (0, 1, 3):
            house.post(Job(number))
        with pytest.raises(HouseError, match="nobody"):
            house.post(Job(2))
        house.run_until_idle()
        assert house.mailbox("even").memory["heard"] == [Job(0), Job(3)]
        assert house.mailbox("odd").memory["heard"] == [Job(1)]


@attrs.frozen
class Wiped:
    """An event that deletes a job."""

    number: int

    def entries(self) -> Iterator[tuple[str, str, None]]:
        yield "jobs", str(self.number), None


class TestCommit:
    """Events of the owner become state."""

    def test_only_the_owners_events_change_tables_and_none_deletes(self) -> None:
        """A forwarded event changes nothing; a value of None removes its key."""

        class Forwards(Keeper):
            owns = (Wiped,)

            def handle(self, message: Any, now: Any) -> list[object]:
                return [Wiped(message.number)] if isinstance(message, Job) else [Refused(message.number)]

        house = villain_house(
            row("books", Books), row("other", Forwards), routes={Done: ("other",), Wiped: (), Refused: ()}, seed=3
        )
        house.start()
        house.mailbox("other").tables.restore({"jobs": {"1": 1, "5": 1}})
        house.post(Job(1))
        house.run_until_idle()
        assert (booked(house), booked(house, "other")) == ({1: 1}, {1: 1, 5: 1})
        house.post_office.receivers(Job(1))
        house.mailbox("other").accept(house.post_office.write(Job(5), sender="test", cause=None))
        house.run_until_idle()
        assert booked(house, "other") == {1: 1}

    @pytest.mark.parametrize("handled_meanwhile", [False, True])
    def test_a_letter_that_arrived_before_its_sender_died_does_not_arrive_again(self, handled_meanwhile: bool) -> None:
        """Whoever finishes the commit finds it waiting, or among the last that were handled; the rest is sent."""
        house = villain_house(row("books", Books), row("ear", Listens), routes={Refused: ("ear",)}, seed=1)
        house.start()
        books, ear = house.mailbox("books"), house.mailbox("ear")
        letters = [house.post_office.write(Refused(number), sender="books", cause=None) for number in (1, 2, 3)]
        commit = Commit(books, (), [], [(ear, letter) for letter in letters])

        def rings_no_more() -> None:
            if letters[1] in ear.letters:
                raise RuntimeError("the thread dies")

        ear.ring, ring = rings_no_more, ear.ring
        with pytest.raises(RuntimeError, match="dies"):
            commit.finish()
        ear.ring = ring
        if handled_meanwhile:
            house.run_until_idle()
        commit.finish()
        house.run_until_idle()
        assert [letter.seq for letter in ear.recent] == [letter.seq for letter in letters]

    def test_readers_see_tables_without_asking_and_cannot_write_them(self) -> None:
        """A view reads live values, walks a copy, and an unknown table is empty."""
        house = villain_house(row("books", Books), seed=1)
        house.start()
        house.post(Job(1))
        house.run_until_idle()
        view = house.tables("books")
        assert (view["jobs"]["1"], view["jobs"].get("2"), len(view["none"]), list(view)) == (1, None, 0, ["jobs"])
        walked = []
        for key in view["jobs"]:
            walked.append(key)
            house.post(Job(len(walked) + 1))
            house.run_until_idle()
        assert walked == ["1"]
        with pytest.raises(TypeError):
            view["jobs"]["1"] = 2  # type: ignore[index]

    def test_the_letter_in_hand_is_known_while_handling(self) -> None:
        """Sequence, cause and sender are there for whoever records them; nothing is in hand outside."""
        seen: list[Letter | None] = []

        class Looks(Listens):
            def handle(self, message: Any, now: Any) -> None:
                seen.append(self.letter)

        made: list[Looks] = []
        house = villain_house(row("books", Books), row("ear", lambda: made.append(Looks()) or made[-1]), seed=1)
        house.start()
        posted = house.post(Job(1), sender="door")
        house.run_until_idle()
        assert seen[0] is not None
        assert (seen[0].message, seen[0].cause, seen[0].sender) == (Done(1), posted.seq, "books")
        assert seen[0].seq > posted.seq
        assert (posted.sender, made[0].letter) == ("door", None)

    def test_now_is_taken_when_handling_starts(self) -> None:
        """The clock's value, not the time of posting."""
        clock = SimpleNamespace(mono=1.0)
        nows: list[Any] = []

        class Looks(Listens):
            def handle(self, message: Any, now: Any) -> None:
                nows.append(now.mono)

        house = villain_house(row("books", Looks), seed=1, clock=lambda: SimpleNamespace(mono=clock.mono))
        house.start()
        house.post(Job(1))
        clock.mono = 2.5
        house.run_until_idle()
        assert nows == [2.5]


class Batches(Keeper):
    """Books what it gets in one go and remembers the sizes."""

    owns = (Done,)
    sizes: list[int]

    def handle_batch(self, messages: list[Any], now: Any) -> list[Done]:
        self.sizes.append(len(messages))
        if any(message.poison for message in messages):
            raise RuntimeError("poison")
        assert [letter.message for letter in self.letters] == messages
        return [Done(message.number, self.tables["jobs"].get(str(message.number), 0) + 1) for message in messages]


def batching() -> type[Batches]:
    return type("Batching", (Batches,), {"sizes": []})


class TestBatch:
    """Several letters, one commit."""

    def test_waiting_letters_are_handled_together_up_to_the_limit(self) -> None:
        """Ten letters with a limit of four: batches of 4, 4 and 2."""
        kind = batching()
        house = villain_house(row("books", kind, batch_max=4), row("ear", Listens), seed=1)
        house.start()
        for number in range(10):
            house.post(Job(number))
        house.run_until_idle()
        assert kind.sizes == [4, 4, 2]
        assert booked(house) == dict.fromkeys(range(10), 1)
        assert [done.number for done in house.mailbox("ear").memory["heard"]] == list(range(10))

    def test_a_failed_batch_is_tried_one_by_one_so_only_the_poison_is_lost(self) -> None:
        """The batch commits nothing; each letter alone does; the poison is set aside at its second failure."""
        kind, recorder = batching(), Recorder()
        house = villain_house(row("books", kind, batch_max=8), recorder=recorder, seed=1)
        house.start()
        for number in range(6):
            house.post(Job(number, poison=number == 2))
        house.run_until_idle()
        assert booked(house) == dict.fromkeys([0, 1, 3, 4, 5], 1)
        assert [letter.message.number for letter, _ in recorder.set_aside] == [2]
        assert kind.sizes[:4] == [6, 1, 1, 1]


class TestCaps:
    """Mailboxes are bounded."""

    def test_a_listener_drops_its_oldest_and_is_told_first(self) -> None:
        """Above its cap it keeps the newest half and handles Missed(n) before them."""
        house = villain_house(row("ear", Listens, soft_cap=10, drop_oldest=True), routes={Job: ("ear",)}, seed=1)
        house.start()
        for number in range(25):
            house.post(Job(number))
        house.run_until_idle()
        assert house.mailbox("ear").memory["heard"] == [Missed(20), *(Job(number) for number in range(20, 25))]
        assert house.mailbox("ear").dropped == 20

    def test_refused_newcomers_are_counted_as_missed_too(self) -> None:
        """At the hard cap a listener takes nothing more; the next Missed covers those as well."""
        house = villain_house(row("ear", Listens, soft_cap=4, hard_cap=6, drop_oldest=True), routes={Job: ("ear",)}, seed=1)
        house.start()
        for number in range(10):
            house.post(Job(number))
        house.run_until_idle()
        assert house.mailbox("ear").memory["heard"] == [Missed(8), Job(4), Job(5)]

    def test_a_money_mailbox_reports_its_soft_cap_once_per_passing_and_loses_nothing(self) -> None:
        """Backlog is told when the cap is passed, and again only after the mailbox fell below half of it."""
        recorder = Recorder()
        house = villain_house(row("books", Books, soft_cap=10), recorder=recorder, seed=1)
        house.start()
        for passing in range(2):
            for number in range(20):
                house.post(Job(20 * passing + number))
            house.run_until_idle()
        assert recorder.of(Backlog) == [Backlog("books", 20, 10)] * 2
        assert booked(house) == dict.fromkeys(range(40), 1)

    def test_a_money_mailbox_at_its_hard_cap_escalates_and_still_loses_nothing(self) -> None:
        """The house is to stop in order; the letters are all there."""
        recorder = Recorder()
        house = villain_house(row("books", Books, soft_cap=10, hard_cap=20), recorder=recorder, seed=1)
        house.start()
        for number in range(30):
            house.post(Job(number))
        house.run_until_idle()
        assert recorder.escalated == ["books"]
        assert booked(house) == dict.fromkeys(range(30), 1)

    def test_an_actor_that_is_not_critical_refuses_at_its_hard_cap(self) -> None:
        """It keeps what it has and counts what it refused."""
        house = villain_house(row("books", Books, hard_cap=5, critical=False), seed=1)
        house.start()
        for number in range(9):
            house.post(Job(number))
        house.run_until_idle()
        assert (sorted(booked(house)), house.mailbox("books").dropped) == ([0, 1, 2, 3, 4], 4)


class TestTicks:
    """Time passes as a letter."""

    def test_a_tick_is_put_only_when_the_last_one_was_consumed(self) -> None:
        """Three periods with a busy desk give one tick, behind the letters that waited."""
        clock = SimpleNamespace(mono=0.0)
        house = villain_house(row("books", Listens, tick_s=1.0), seed=1, clock=lambda: clock)
        house.start()
        house.step()
        house.post(Job(1))
        for clock.mono in (1.0, 2.0, 3.0):
            house._ticker.round()
        house.post(Job(2))
        house.run_until_idle()
        assert house.mailbox("books").memory["heard"] == [Job(1), Tick("books"), Job(2)]
        clock.mono = 4.5
        house.run_until_idle()
        assert house.mailbox("books").memory["heard"][3:] == [Tick("books")]

    def test_the_ticker_thread_ticks(self) -> None:
        """With threads, ticks come by themselves and end with stop()."""
        house = villain_house(row("books", Listens, tick_s=0.005), row("ear", Listens))
        house.start()
        wait_until(lambda: len(house.mailbox("books").memory.get("heard", ())) >= 5, 5, "five ticks")
        assert set(house.mailbox("books").memory["heard"]) == {Tick("books")}
        assert house.stop()


class TestSettled:
    """When nothing is under way."""

    def test_it_is_false_while_anybody_works_and_true_after(self) -> None:
        """A letter in hand counts, however empty the mailboxes look."""
        gate = threading.Event()

        class Waits(Books):
            def handle(self, message: Any, now: Any) -> Any:
                gate.wait(10)
                return super().handle(message, now)

        house = villain_house(row("books", Waits, hang_s=60.0), row("ear", Listens, "own:ear"))
        house.start()
        assert house.settled(1)
        house.post(Job(1))
        assert not house.settled(0.05)
        gate.set()
        assert house.settled(5)
        assert house.mailbox("ear").memory["heard"] == [Done(1)]
        assert house.stop()

    def test_settled_never_overlooks_a_letter_on_its_way(self) -> None:
        """Whenever it says yes after a post, everything that post causes down a chain of desks has been handled."""

        @attrs.frozen
        class Step:
            left: int

        class Passes(Hand):
            def handle(self, message: Any, now: Any) -> list[object]:
                return [Step(message.left - 1)] if message.left else []

        names = ["a", "b", "c", "d"]
        house = villain_house(
            *(row(name, Passes, f"own:{name}") for name in names),
            routes={Step: (lambda step: [names[step.left % 4]],)},
        )
        house.start()
        for count in range(1, 60):
            house.post(Step(20))
            assert house.settled(10)
            assert sum(house.mailbox(name).handled for name in names) == 21 * count
        assert house.stop()

    def test_an_actor_that_is_down_keeps_the_house_unsettled(self) -> None:
        """Its letters wait for a successor."""
        house = villain_house(row("books", CrashesOnPoison, budget=Budget(0, 60.0)), seed=1)
        house.start()
        assert house.settled()
        house.post(Job(1, poison=True))
        house.run_until_idle()
        assert not house.settled()


class TestSeeded:
    """One scheduler, one thread: the caller's."""

    @staticmethod
    def order_of(seed: int) -> tuple[list[tuple[str, object]], int]:
        order: list[tuple[str, object]] = []
        recorder = Recorder()

        class Writes(CrashesOnPoison):
            def handle(self, message: Any, now: Any) -> Any:
                order.append((self.name, message))
                return super().handle(message, now)

        names = ["a", "b", "c", "d"]
        house = villain_house(
            *(row(name, Writes, desk) for name, desk in zip(names, ["money", "wire", "own:c", "listen"], strict=True)),
            routes={Job: tuple(names)},
            recorder=recorder,
            seed=seed,
        )
        before = threading.active_count()
        house.start()
        for number in range(12):
            house.post(Job(number, poison=number == 5))
        house.run_until_idle()
        assert threading.active_count() == before
        assert house.settled()
        assert house.stop()
        return order, len(recorder.set_aside)

    def test_the_same_seed_gives_the_same_order_and_another_seed_another(self) -> None:
        """Through crashes, restarts and letters set aside, on rows of every desk, without a thread."""
        first, again, other = self.order_of(1), self.order_of(1), self.order_of(2)
        assert first == again
        assert first[0] != other[0]
        assert sorted(map(str, first[0])) == sorted(map(str, other[0]))
        assert (len(first[0]), first[1]) == (4 * 12 + 4, 4)

    @pytest.mark.parametrize("kind", list(FaultKind))
    def test_injected_faults_are_crashes_here(self, kind: FaultKind) -> None:
        """There is no thread to hang or to kill: each kind ends the actor, and it comes back."""
        clock = SimpleNamespace(mono=0.0)
        house = villain_house(row("books", Books), seed=1, clock=lambda: clock)
        house.start()
        house.inject("books", kind)
        house.post(Job(1))
        house.run_until_idle()
        clock.mono += 1.0  # past the pause after a failing start
        house.run_until_idle()
        assert booked(house) == {1: 1}
        assert house.mailbox("books").epoch > 1

    def test_an_endless_conversation_is_an_error(self) -> None:
        """run_until_idle gives up instead of running for ever."""

        class Echoes(Books):
            def handle(self, message: Any, now: Any) -> list[object]:
                return [message]

        house = villain_house(row("books", Echoes), seed=1)
        house.start()
        house.post(Job(1))
        with pytest.raises(HouseError, match="100 steps"):
            house.run_until_idle(100)

    def test_only_a_seeded_house_is_stepped(self) -> None:
        """A house with threads runs by itself."""
        house = villain_house(row("books", Books))
        with pytest.raises(HouseError, match="seed"):
            house.step()


class TestRows:
    """What a row of ACTORS may say."""

    @pytest.mark.parametrize("desk", ["", "own:", "mony", "own"])
    def test_an_unknown_desk_is_refused(self, desk: str) -> None:
        """Desks are money, journal, listen, wire, or own:NAME."""
        with pytest.raises(ValueError, match="desk"):
            ActorSpec("a", Books, desk)

    @pytest.mark.parametrize(
        "fields",
        [{"tick_s": 0.0}, {"hang_s": 0.0}, {"batch_max": 0}, {"name": ""}],
        ids=lambda fields: next(iter(fields)),
    )
    def test_senseless_numbers_are_refused(self, fields: dict[str, Any]) -> None:
        """Periods, limits and batches are positive; a name is not empty."""
        with pytest.raises(ValueError):
            ActorSpec(**{"name": "a", "make": Books, "desk": "money", **fields})

    def test_an_actor_outside_a_house_can_be_tried_by_hand(self) -> None:
        """A unit test calls `handle` of a fresh keeper without any house."""
        keeper = Books()
        assert list(keeper.handle(Job(3), None)) == [Done(3, 1)]
        keeper.tables.put("jobs", "3", 4)
        assert list(keeper.handle(Job(3), None)) == [Done(3, 5)]
