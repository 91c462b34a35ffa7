"""Actors: real Pykka actors whose inbox is a durable mailbox and whose loop is a desk's.

`Keeper` owns state and is pure; `Hand` touches the world. Every incarnation is a new object with a new `ActorRef`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pykka

from realtrading.errors import HouseError
from realtrading.runtime.mailbox import Incarnation, Letter, Mailbox
from realtrading.runtime.spec import ActorSpec
from realtrading.runtime.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pykka import ActorRef, Future

CURRENT_LETTER: ContextVar[Letter | None] = ContextVar("current_letter", default=None)
"""The letter being handled here; a task inherits it from the handler that spawned it."""

_staffing: ContextVar[Incarnation | None] = ContextVar("staffing", default=None)


class Fenced(HouseError):
    """This incarnation was replaced: what it wanted to do belongs to its successor now."""


@contextmanager
def staffing(incarnation: Incarnation) -> Iterator[None]:
    """While it lasts, an actor made on this thread takes `incarnation`'s mailbox as its inbox."""
    token = _staffing.set(incarnation)
    try:
        yield
    finally:
        _staffing.reset(token)


class Actor(pykka.Actor):
    """Base of both kinds. Subclasses call `super().__init__()`, and implement `handle` (or `handle_batch`)."""

    owns: ClassVar[tuple[type, ...]] = ()

    def __init__(self) -> None:
        incarnation = _staffing.get()
        if incarnation is None:  # made outside a house, by a unit test: it gets a private mailbox nobody serves
            incarnation = Incarnation(Mailbox(ActorSpec(type(self).__name__, type(self), "money")), 0)
        self._incarnation = incarnation
        super().__init__()
        incarnation.actor = self

    # --- Pykka's hooks for implementors --------------------------------------------------------------------------

    def _create_actor_inbox(self) -> Mailbox:  # type: ignore[override]  # Pykka calls it on the instance
        return self._incarnation.mailbox

    @staticmethod
    def _create_future() -> Future[Any]:
        raise HouseError("nobody asks an actor; read its tables")

    def _start_actor_loop(self) -> None:
        """The desk that made this actor is its loop; here its life in that desk begins."""
        self.on_start()

    # --- what subclasses implement -------------------------------------------------------------------------------

    def handle(self, message: Any, now: Any) -> Iterable[object] | None:
        """Answer one message with the messages it causes; they are sent, in order, by the commit."""
        raise HouseError(f"{type(self).__name__} has no handler for {type(message).__name__}")

    def handle_batch(self, messages: list[Any], now: Any) -> Iterable[object] | None:
        """Answer several messages with one commit (`batch_max` above 1)."""
        raise HouseError(f"{type(self).__name__} has no batch handler")

    def on_start(self) -> None:
        """Runs on the desk's thread before the first letter. Raising counts as a death."""

    def on_stop(self) -> None:
        """Runs on the desk's thread at an orderly stop; not at a crash and not after fencing."""

    # --- what subclasses use -------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The actor's name in ACTORS."""
        return self._incarnation.mailbox.name

    @property
    def letter(self) -> Letter | None:
        """The letter being handled (in a batch: the last), or the one whose handler spawned this task."""
        return CURRENT_LETTER.get()

    @property
    def letters(self) -> tuple[Letter, ...]:
        """All letters of the batch being handled, in the order of the messages."""
        return self._letters

    _letters: tuple[Letter, ...] = ()

    @property
    def fenced(self) -> bool:
        """True once this incarnation has been replaced or stopped: it must not touch the world any more."""
        return self._incarnation.fenced

    @property
    def has_pen(self) -> bool:
        """The last look before touching the world: False once this life is fenced. Exact on the actor's desk."""
        return bool(self._incarnation.pen)

    # --- what the desk uses --------------------------------------------------------------------------------------

    def decide(self, letters: tuple[Letter, ...], now: Any) -> Sequence[object]:
        """Run the handler over the letters and return what it wants to send. Nothing is committed here."""
        self._letters = letters
        if self._incarnation.mailbox.spec.batch_max > 1:
            answer = self.handle_batch([letter.message for letter in letters], now)
        else:
            answer = self.handle(letters[0].message, now)
        return () if answer is None else list(answer)

    def begin(self) -> ActorRef[Any]:
        """Register with Pykka and start, as `pykka.Actor.start` does for a class."""
        pykka.ActorRegistry.register(self.actor_ref)
        self._start_actor_loop()
        return cast("ActorRef[Any]", self.actor_ref)

    def retire(self) -> None:
        """Leave Pykka's registry; the ref says dead from here on. Any thread, any number of times."""
        if not self.actor_stopped.is_set():
            pykka.ActorRegistry.unregister(self.actor_ref)
            self.actor_stopped.set()

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """What runs beside the handler."""
        return ()

    def open_letters(self) -> tuple[Letter, ...]:
        """Letters whose handling goes on beside the handler, in tasks. Any thread."""
        return ()

    def cancel_tasks(self) -> None:
        """Cancel what runs beside the handler. Any thread."""


class Keeper(Actor):
    """Owns state. `handle(message, now)` is pure; only the commit of events whose class is in `owns` changes state."""

    @property
    def tables(self) -> Tables:
        """Committed state: `tables["orders"][key]`. Handlers read it and never write it."""
        return self._incarnation.mailbox.tables


class Hand(Actor):
    """Touches the world, owns no money state. Its `memory` (protocol state) lives in the mailbox, over restarts."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[asyncio.Task[None], Letter | None] = {}
        self._broken_letters: tuple[Letter, ...] = ()

    @property
    def memory(self) -> dict[str, Any]:
        """Protocol state, kept across restarts."""
        return self._incarnation.mailbox.memory

    def send(self, message: object) -> None:
        """Put a message into the routes now, from any thread or task.

        Raises Fenced once this incarnation was replaced, HouseError if nobody is named for the message's type.
        """
        incarnation = self._incarnation
        if incarnation.fenced:
            raise Fenced(f"{self.name}: epoch {incarnation.epoch} was replaced")
        if incarnation.office is None:
            raise HouseError(f"{self.name} belongs to no house")
        letter = CURRENT_LETTER.get()
        incarnation.office.post(message, sender=self.name, cause=None if letter is None else letter.seq)

    def spawn(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine on the wire desk's loop. Its exception crashes this actor; stop and restart cancel it.

        Cancelling the returned task is no crash; a `CancelledError` nobody asked for is. Raises HouseError elsewhere.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            coro.close()
            raise HouseError(f"{self.name}: only the wire desk runs tasks") from None
        task = loop.create_task(self._guard(coro), name=self.name)
        self._tasks[task] = CURRENT_LETTER.get()
        task.add_done_callback(lambda done: self._task_done(done, coro.close))
        return task

    async def pause(self, seconds: float) -> None:
        """Let a task wait without holding the desk; ended like everything in a task by stop and restart."""
        await asyncio.sleep(seconds)

    async def _guard(self, coro: Coroutine[Any, Any, None]) -> None:
        try:
            await coro
        except asyncio.CancelledError as stray:
            task = asyncio.current_task()
            if task is not None and task.cancelling() > 0:
                raise
            self._task_crashed(stray)
        except BaseException as failure:  # SystemExit would otherwise end the loop, and with it every neighbour
            self._task_crashed(failure)

    def _task_crashed(self, failure: BaseException) -> None:
        letter = CURRENT_LETTER.get()
        if letter is not None:
            self._broken_letters += (letter,)
        if self._incarnation.on_crash is not None:
            self._incarnation.on_crash(failure)

    def _task_done(self, task: asyncio.Task[None], close: Callable[[], None]) -> None:
        self._tasks.pop(task, None)
        close()  # cancelled before its first step it was never awaited

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """The tasks that still run."""
        return tuple(self._tasks.copy())

    def open_letters(self) -> tuple[Letter, ...]:
        """The letters of the task that broke and of every task still running."""
        letters = self._broken_letters + tuple(letter for letter in self._tasks.copy().values() if letter is not None)
        return tuple({letter.seq: letter for letter in letters}.values())

    def cancel_tasks(self) -> None:
        """Ask every task to end."""
        for task in self.tasks:
            with suppress(RuntimeError):  # its loop is closed: it has ended
                task.get_loop().call_soon_threadsafe(task.cancel)
