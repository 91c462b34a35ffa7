"""Villains: small actors that fail in one named way, the honest actors around them, and a house to put them in."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import attrs

from realtrading.runtime.actor import Actor, Hand, Keeper
from realtrading.runtime.house import House
from realtrading.runtime.mailbox import Letter
from realtrading.runtime.spec import ActorSpec, Budget

PLENTY = Budget(restarts=100_000)


@attrs.frozen
class Job:
    """Something to do. `poison` makes a villain misbehave; `nap_s` is how long a napper naps, in seconds."""

    number: int
    poison: bool = False
    nap_s: float = 0.0


@attrs.frozen
class Done:
    """A keeper's event: job `number` is booked; `times` is the total of how often."""

    number: int
    times: int = 1

    def entries(self) -> Iterator[tuple[str, str, int]]:
        yield "jobs", str(self.number), self.times


@attrs.frozen
class Lost:
    """The message of `on_lost`."""

    name: str
    token: int


@attrs.frozen
class Refused:
    """The answer to a letter set aside."""

    number: int


class Books(Keeper):
    """An honest keeper: counts how often each job was booked."""

    owns = (Done,)

    def handle(self, message: Any, now: Any) -> Iterable[object]:
        return [Done(message.number, self.tables["jobs"].get(str(message.number), 0) + 1)]


class Listens(Hand):
    """Keeps what it hears, in order, in its memory."""

    def handle(self, message: Any, now: Any) -> None:
        self.memory.setdefault("heard", []).append(message)


class CrashesOnPoison(Books):
    """Raises an ordinary exception."""

    def misbehave(self) -> None:
        raise RuntimeError("poison")

    def handle(self, message: Any, now: Any) -> Iterable[object]:
        if getattr(message, "poison", False):
            self.misbehave()
        return super().handle(message, now)


class ExitsOnPoison(CrashesOnPoison):
    """Raises SystemExit."""

    def misbehave(self) -> None:
        raise SystemExit(3)


class CancelsOnPoison(CrashesOnPoison):
    """Raises a stray CancelledError."""

    def misbehave(self) -> None:
        raise asyncio.CancelledError


class InterruptsOnPoison(CrashesOnPoison):
    """Raises KeyboardInterrupt."""

    def misbehave(self) -> None:
        raise KeyboardInterrupt


class ExitsOrCrashesOnPoison(CrashesOnPoison):
    """SystemExit for even poisons, an ordinary exception for odd ones."""

    def handle(self, message: Any, now: Any) -> Iterable[object]:
        if message.poison:
            raise SystemExit(3) if message.number % 2 == 0 else RuntimeError("poison")
        return super().handle(message, now)


class AnswersNonsenseOnPoison(Books):
    """Answers with a message that has no route, after one that has."""

    def handle(self, message: Any, now: Any) -> Iterable[object]:
        booked = super().handle(message, now)
        return [*booked, object()] if message.poison else booked


class HangsOnPoison(Books):
    """Waits on an event nobody sets, until the test opens the gate."""

    gate: threading.Event

    def handle(self, message: Any, now: Any) -> Iterable[object]:
        if message.poison:
            self.gate.wait(60.0)
        return super().handle(message, now)


class Naps(Books):
    """Every letter takes its `nap_s`."""

    def handle(self, message: Any, now: Any) -> Iterable[object]:
        threading.Event().wait(message.nap_s)
        return super().handle(message, now)


class FailsToStart(Books):
    """`on_start` raises as long as `failures` is not used up."""

    failures: list[BaseException]

    def on_start(self) -> None:
        if self.failures:
            raise self.failures.pop()


class HangsInStart(Books):
    """The first start hangs until the test opens the gate."""

    gate: threading.Event
    starts: list[int]

    def on_start(self) -> None:
        self.starts.append(1)
        if len(self.starts) == 1:
            self.gate.wait(60.0)


class PlacesByTask(Hand):
    """A hand of the wire desk: each job is a task. A poisoned one waits until `doom` is set and then fails."""

    def handle(self, message: Any, now: Any) -> None:
        self.spawn(self.place(message))

    async def place(self, job: Job) -> None:
        if job.poison:
            raise RuntimeError("poison in a task")
        self.send(Done(job.number))


class BlocksTheLoop(PlacesByTask):
    """A poisoned task blocks the loop's thread."""

    gate: threading.Event

    async def place(self, job: Job) -> None:
        if job.poison:
            self.gate.wait(60.0)
        await super().place(attrs.evolve(job, poison=False))


class Recorder:
    """Collects what a house calls back with."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.lost: list[tuple[str, Letter | None, int]] = []
        self.set_aside: list[tuple[Letter, str]] = []
        self.rebuilt: list[str] = []
        self.escalated: list[str] = []
        self.fatal: list[tuple[str, BaseException]] = []

    def callbacks(self) -> dict[str, Callable[..., Any]]:
        """As keyword arguments for `House`."""
        return {
            "on_event": self.events.append,
            "on_lost": lambda name, letter, token: self.lost.append((name, letter, token)),
            "on_set_aside": lambda letter, name: self.set_aside.append((letter, name)) or (),
            "on_rebuild": self.rebuilt.append,
            "on_escalate": self.escalated.append,
            "on_fatal": lambda name, failure: self.fatal.append((name, failure)),
        }

    def of(self, kind: type) -> list[Any]:
        """The events of one class."""
        return [event for event in self.events if type(event) is kind]


def real_clock() -> Any:
    """`now` with the machine's monotonic clock."""
    return SimpleNamespace(mono=time.monotonic())


def row(name: str, make: Callable[[], Actor], desk: str = "money", **fields: Any) -> ActorSpec:
    """A row of ACTORS with a budget that no test spends by accident."""
    return ActorSpec(name, make, desk, **{"budget": PLENTY, **fields})


def villain_house(*actors: ActorSpec, recorder: Recorder | None = None, **fields: Any) -> House:
    """A house where "books" hears jobs and "ear" hears what is done, as far as they are among `actors`."""
    names = {actor.name for actor in actors}
    routes: dict[type, tuple[Any, ...]] = {
        Job: ("books",) if "books" in names else (),
        Done: ("ear",) if "ear" in names else (),
        Lost: ("breaker",) if "breaker" in names else (),
        Refused: ("ear",) if "ear" in names else (),
    }
    routes.update(fields.pop("routes", {}))
    calls = {**(recorder.callbacks() if recorder is not None else {}), **fields}
    return House(actors, routes, clock=calls.pop("clock", real_clock), **calls)


def booked(house: House, name: str = "books") -> dict[int, int]:
    """Job number -> how often it was booked."""
    return {int(number): times for number, times in house.tables(name)["jobs"].snapshot().items()}
