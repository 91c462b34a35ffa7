"""The house's lives, one after the other on one journal: each is started, killed, or ends itself, and rises again."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from realtrading import assembly
from realtrading.actors.board import Board
from realtrading.actors.feed import Listeners
from realtrading.actors.tally import Tally
from realtrading.assembly import Parts, StrategyPart
from realtrading.domain.events import EngineStarted
from realtrading.errors import BadInput, RealTradingError
from realtrading.journal.backup import backup, restore
from realtrading.journal.errors import JournalFailed
from realtrading.journal.store import Binding, Journal
from realtrading.opening import begin_run, symbols_to_know
from realtrading.preflight import ask
from realtrading.runtime.endings import Hang, ThreadDied
from realtrading.runtime.events import ActorDied, ActorGivenUp, LetterSetAside
from realtrading.runtime.house import House
from realtrading.runtime.shift import InjectedFault

from . import settings
from .acts import Killed
from .desk import Poison
from .traders import Trader
from .wires import PaperVenue

if TYPE_CHECKING:
    from .world import World

FILES = ("journal.db", "journal.db-wal")
FORESEEN = ("InjectedFault", "Poison", "Hang", "Killed", "Requested", "ThreadDied")
"""Deaths of actors that the nemesis causes."""


class Life:
    """The life that is lived now, and its journal. `count` lives were begun."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.alive = False
        self.recovering = False
        self.count = 0
        self.house: House = None  # type: ignore[assignment]
        self.parts: Parts = None  # type: ignore[assignment]
        self.store: Journal | None = None
        self.old_journals = 0
        self.torn: tuple[Path, int] | None = None
        self.runs: list[int] = []
        self._backup: Path | None = None
        self._boot: asyncio.Task[None] | None = None
        self._killed_recovering = 0

    # -- begin ---------------------------------------------------------------------------

    def rise(self) -> None:
        """Start until it works, as systemd does."""
        if not self.alive:
            self._boot = self.world.loop.create_task(self._live(), context=self.world.context)

    async def _live(self) -> None:
        while True:
            try:
                await self._begin()
                return
            except (BadInput, RealTradingError) as failure:
                self.world.note(f"start failed: {failure}")
                self.world.reached["start failed"] += 1
                self._close_store()
                await self.world.loop.passing(0.5)

    def _opened(self) -> Journal:
        world = self.world
        if world.loop.time() < world.nemesis.acts.full_until:
            raise JournalFailed("database or disk is full (simulated)")
        return Journal.open(
            world.folder / "journal.db", binding=Binding(mode="simulated", account_uid=None), durability="process",
            code_version="simulated", config_digest="-", utc=world.utc,
        )  # fmt: skip

    async def _begin(self) -> None:
        world = self.world
        self.recovering = True
        again_s = world.nemesis.acts.dies_again()
        if again_s is not None:
            world.loop.call_later(again_s, self.kill, "killed while it recovers", context=world.context)
        self.store = store = self._opened()
        known = symbols_to_know(settings.of(world.floor.symbols, world.limits), store)
        asked = await ask(self._venue, known)
        store.bind(asked.uid)
        run = begin_run(store, asked.client_ids, "rt", world.utc())
        world.invariants.run_began(run, self.runs)
        self.runs.append(run)
        self.parts = Parts(
            limits=world.limits, symbols=world.floor.symbols, reporting_asset="USDT", prefix="rt", run=run, rules=asked.rules,
            own_runs=store.own_runs(),
            durability="process", observe=False, venue=self._venue(), store=store,
            board=Board(), listeners=Listeners(), tally=Tally(), clock=world.clock,
            strategies=tuple(
                StrategyPart(name=name, symbols=symbols, factory=self._trader(name))
                for name, symbols in settings.STRATEGIES.items()
            ),
        )  # fmt: skip
        append = store.append
        store.append = lambda records: world.nemesis.acts.append(store, records, append)  # type: ignore[method-assign]
        self.house = assembly.build(
            self.parts, on_escalate=self._escalated, on_fatal=self._fatal, on_news=self._news,
            seed=world.script.dice(f"desk {self.count}").randrange(2**32),
        )  # fmt: skip
        for name in self.house.names:
            self.house.mailbox(name).ring = world.desk.ring
        endings = self.house.supervisor._endings
        start = endings._start
        endings._start = lambda mailbox: (world.invariants.restarting(mailbox.name), start(mailbox))[1]
        self.count += 1
        self.alive = True
        world.invariants.born()
        self.house.start()
        self.house.post(EngineStarted(run=run, mode="simulated"), sender="engine")
        world.desk.ring()

    def _venue(self) -> PaperVenue:
        return PaperVenue(self.world.net, utc=self.world.utc, mono=self.world.loop.time)

    def _trader(self, name: str) -> Callable[[], Trader]:
        return lambda: Trader(name, self.world)

    # -- end -----------------------------------------------------------------------------

    def kill(self, why: str) -> None:
        """The process ends now: what is committed is on disk, what is on the wire goes on, all else is gone."""
        world = self.world
        booting = self._boot is not None and not self._boot.done()
        if not self.alive and not booting:
            return  # it is down already
        self._killed_recovering = self._killed_recovering + 1 if self.recovering else 0
        world.reached["killed"] += 1
        world.reached["recovery killed"] += int(self.recovering)
        world.reached["recovery killed twice in a row"] += int(self._killed_recovering == 2)
        world.note(f"--- {why}")
        self.alive = False
        for task in asyncio.all_tasks(world.loop):
            if task is not world.main:
                task.cancel()
        for stream in list(world.net.streams):
            stream.ended = why
            stream.drop()
        world.net.watchers.clear()
        self.bury()
        self._touch_disk()
        world.loop.call_later(world.script.dice(f"rise {self.count}").uniform(0.05, 2.0), self.rise, context=world.context)

    def bury(self) -> None:
        """Nobody is served any more, and the file is let go without a word."""
        self.alive = False
        self.world.desk.rest()
        if self.house is not None:
            for name in self.house.names:
                life = self.house.mailbox(name).incumbent
                if life is not None and life.actor is not None:
                    life.actor.retire()
        self._close_store()

    def _close_store(self) -> None:
        store, self.store = self.store, None
        if store is not None and store._lock is not None:
            kept = {path: path.read_bytes() for path in self._files()} if self.torn else {}
            store._writer.connection.close()
            os.close(store._lock)
            store._lock = None
            for path, data in kept.items():
                path.write_bytes(data)  # the last connection tidies up when it is closed; a killed process does not

    def _files(self) -> list[Path]:
        return [path for path in (self.world.folder / name for name in FILES) if path.exists()]

    def _touch_disk(self) -> None:
        """What else the end did to the disk: half a commit, or an old copy that somebody puts back."""
        torn, self.torn = self.torn, None
        if torn is not None and torn[0].exists():
            with torn[0].open("r+b") as wal:
                wal.truncate(torn[1])
            (self.world.folder / "journal.db-shm").unlink(missing_ok=True)
        acts = self.world.nemesis.acts
        if acts.old_journal_next and self._backup is not None:
            acts.old_journal_next = False
            self.world.nemesis.did("old_journal")
            self.old_journals += 1
            self.world.door.forget()  # a door that remembers what the journal forgot is no door of ours
            (self.world.folder / "journal.db-shm").unlink(missing_ok=True)
            for name in FILES:
                (self.world.folder / name).unlink(missing_ok=True)
            restore(self._backup, self.world.folder / "journal.db")
            self.world.invariants.memory.forget()

    def backup(self) -> bool:
        """Copy the journal, as a person would; nothing is being written at this moment."""
        if not self.alive or self.store is None or len(self.store.rows("cursors")) < len(self.world.floor.symbols):
            return False  # a copy from before the first round is a new journal: what the account holds then is not managed
        self._backup = self.world.folder / "backup.db"
        self._backup.unlink(missing_ok=True)
        backup(self.world.folder / "journal.db", self._backup)
        return True

    # -- what the supervisor says ----------------------------------------------------------

    def _escalated(self, actor: str) -> None:
        self.world.reached["escalated"] += 1
        self.world.loop.call_soon(self._ended_by_itself, f"{actor} cannot be kept alive", context=self.world.context)

    def _fatal(self, actor: str, failure: BaseException) -> None:
        foreseen = isinstance(failure, (Killed, InjectedFault, Poison, Hang, ThreadDied)) or "simulated" in str(failure)
        if not foreseen and "injected" not in str(failure):
            self.world.invariants.violated("journal", f"{actor}: {type(failure).__name__}: {failure}")
        self.world.loop.call_soon(self._ended_by_itself, f"{actor} ended the house", context=self.world.context)

    def _ended_by_itself(self, why: str) -> None:
        if self.alive:
            self.kill(why)

    def _news(self, event: object) -> None:
        reached = self.world.reached
        if isinstance(event, ActorDied):
            reached[f"died: {event.cause}"] += 1
            if event.exception not in FORESEEN and event.message != "injected" and "simulated" not in event.message:
                text = f"{event.name}: {event.exception}: {event.message} over {event.letter}"
                self.world.invariants.violated("crash", text)
        elif isinstance(event, LetterSetAside):
            reached["letter set aside"] += 1
        elif isinstance(event, ActorGivenUp) and not event.critical:
            reached["strategy given up for a while"] += 1
