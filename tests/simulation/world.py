"""One seed's world: clock, exchange, network, nemesis, house and judge, and the story they live."""

import asyncio
import contextvars
import hashlib
import itertools
import os
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtrading import assembly
from realtrading.actors import orders, streams
from realtrading.actors.gateway import GatewayActor
from realtrading.domain.values import Now
from realtrading.runtime.actor import Actor
from realtrading.topology import STRATEGY

from . import settings
from .clockwork import VirtualLoop
from .desk import Desk
from .door import Door
from .exchanges import Exchanges
from .floor import Floor
from .invariants import Invariants
from .life import Life
from .nemesis import Nemesis
from .script import Script

TRACE = 60
ORDERS_MIN, FAULTS_MIN = 20, 5
FAULTS_S, MORE_S = 30.0, 60
"""How long the nemesis acts, and how many seconds more the house may trade to get to its orders."""


class World:
    """Everything of one seed. `run` lives it to the end and raises `Violation`."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.loop = VirtualLoop()
        dice = script.dice("world")
        self.limits = settings.limits(dice)
        self.soft_cap = 8 if dice.random() < 0.3 else STRATEGY.soft_cap
        self._warm_up = dice.choice((0, 1, 5, 10))
        self.skew_s = 0.0
        self.wanted = True
        self.letters = 0
        self.reached: Counter[str] = Counter()
        self.trace: deque[tuple[float, str, Any, Any]] = deque(maxlen=TRACE)
        self.digest = hashlib.sha256()
        self.timers: Counter[str] = Counter()
        self.flows: dict[str, list[tuple[datetime, Decimal]]] = {}
        self.context = contextvars.copy_context()
        self.main: asyncio.Task[Any] | None = None
        self._over: asyncio.Future[None] | None = None
        self._read: tuple[Any, Any] = (None, None)
        self.folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_fast_folder()))
        self.floor = Floor(self)
        self.nemesis = Nemesis(self)
        self.invariants = Invariants(self)
        self.net = Exchanges(
            self.loop, self.floor.exchange, self.nemesis, self.invariants.wire.signed, self._flowed,
            has_wallet=self.floor.has_wallet,
        )  # fmt: skip
        self.net.heard = self.invariants.wire.exposure
        self.net.on_request = self.invariants.wire.requested
        self.desk, self.life, self.door = Desk(self), Life(self), Door(self)

    # -- clocks ----------------------------------------------------------------------------

    def utc(self) -> datetime:
        """The house's own clock, which may be wrong."""
        return self.loop.true_utc() + timedelta(seconds=self.skew_s)

    def clock(self) -> Now:
        """Both readings; the very same value while no time passes."""
        at = (self.loop.time(), self.skew_s)
        if self._read[0] != at:
            self._read = (at, Now(mono=at[0], utc=self.utc()))
        return self._read[1]  # type: ignore[no-any-return]

    # -- what is written down ---------------------------------------------------------------

    def note(self, text: str) -> None:
        """A line of the trace."""
        self.trace.append((self.loop.time(), text, (), ()))
        self.tell_apart(text)

    def tell_apart(self, text: str) -> None:
        """Something that another life would not do at this moment: part of the trace's digest."""
        self.digest.update(f"{self.loop.time():.6f} {text}\n".encode())

    def _flowed(self, asset: str, at: datetime, amount: Decimal) -> None:
        self.flows.setdefault(asset, []).append((at, amount))

    def fail(self, failure: BaseException) -> None:
        """Something is wrong: the story ends here."""
        if self._over is not None and not self._over.done():
            self._over.set_exception(failure)

    # -- the whole ----------------------------------------------------------------------------

    def run(self) -> None:
        """Live it. Raises `Violation`."""
        original = Actor.decide

        def decide(actor: Actor, letters: Any, now: Any) -> Any:
            return self.desk.decide(actor, letters, now, original)

        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(self._broken)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Actor, "decide", decide)
            patch.setattr(GatewayActor, "last_look", self._counted(GatewayActor.last_look))
            patch.setattr(assembly, "STRATEGY", attrs.evolve(STRATEGY, soft_cap=self.soft_cap))
            patch.setattr(streams, "FLUSH_S", 0.1)
            patch.setattr(orders, "ARCHIVE_AFTER", timedelta(seconds=20))  # beyond any delay of an event
            try:
                self.main = self.loop.create_task(self._story())
                self.loop.run_until_complete(self.main)
            finally:
                self._end()

    def _counted(self, last_look: Any) -> Any:
        def counted(gateway: GatewayActor, message: Any) -> Any:
            found = last_look(gateway, message)
            self.reached["last look passed" if found is None else f"last look: {found[0]}"] += 1
            return found

        return counted

    def _end(self) -> None:
        self.life.bury()
        tasks = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        for task in tasks:
            task.cancel()
        self.loop.set_exception_handler(lambda loop, context: None)
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        asyncio.set_event_loop(None)
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _broken(self, loop: Any, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        if failure is not None and not isinstance(failure, ConnectionResetError):
            self.fail(failure)

    # -- the story ----------------------------------------------------------------------------

    async def _story(self) -> None:
        self._over = self.loop.create_future()
        self.loop.call_soon(self.floor.play, context=self.context)
        self.loop.call_later(1.0, self.door.come, context=self.context)
        self.life.rise()
        await self._until("warm-up", 12, lambda: self.reached["orders"] >= self._warm_up)
        self.nemesis.start()
        await self._pass(FAULTS_S)
        await self._until("more faults", 300, lambda: sum(self.nemesis.done.values()) >= FAULTS_MIN)
        self.nemesis.stop()
        await self._until("more orders", MORE_S, lambda: self.reached["orders"] >= ORDERS_MIN)
        self.wanted = False
        # what is still to be executed is a fault that has not ended
        await self._until("late orders", 100, lambda: not self.nemesis.late)
        await self._converge()

    async def _until(self, part: str, limit: int, enough: Callable[[], bool]) -> None:
        for _ in self.script.steps(part, limit, enough):
            await self._pass(1.0)

    async def _pass(self, seconds: float) -> None:
        assert self._over is not None
        await self.loop.passing(0.0)
        done, _ = await asyncio.wait([self._over], timeout=seconds)
        if done:
            self._over.result()

    async def _converge(self) -> None:
        """Within a virtual minute after the last fault everything agrees."""
        since, wrong = self.loop.time(), ["never looked"]
        for step in itertools.count():
            await self._pass(0.5 if step else 1.0)
            wrong = self.invariants.agreement.differences()
            if not wrong or self.loop.time() - since >= settings.CONVERGED_S:
                break
        self.invariants.converged(wrong, self.loop.time() - since)
        await self._pass(0.0)  # a violation ends the story here


def _fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
