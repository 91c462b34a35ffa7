"""One seed's world: virtual clock, exchange, nemesis, and one life of the house after the other on one journal."""

import asyncio
import contextvars
import decimal
import hashlib
import itertools
import os
import random
import shutil
import tempfile
from collections import Counter, deque
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtrading import assembly
from realtrading.actors import orders, streams
from realtrading.actors.board import Board
from realtrading.actors.feed import Listeners
from realtrading.actors.gateway import GatewayActor
from realtrading.actors.tally import Tally
from realtrading.assembly import Parts, StrategyPart
from realtrading.domain.commands import CancelOrder, OrderIntent, SubmitOrder
from realtrading.domain.events import EngineStarted
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.values import EXACT, ClientId, Now, OrderType, Role, Side, round_down
from realtrading.errors import BadInput, RealTradingError
from realtrading.journal.store import Binding, Journal
from realtrading.opening import symbols_to_know
from realtrading.preflight import ask
from realtrading.runtime.actor import Actor
from realtrading.runtime.endings import Hang
from realtrading.runtime.events import ActorDied, ActorGivenUp, ActorRestarted, LetterSetAside
from realtrading.runtime.house import House
from realtrading.runtime.shift import InjectedFault
from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule
from realtrading.sim.market import Market
from realtrading.sim.tape import Tape
from realtrading.topology import STRATEGY

from . import settings
from .clockwork import EPOCH, VirtualLoop
from .invariants import Invariants
from .nemesis import Nemesis
from .traders import Trader
from .wires import UID, Exchanges, PaperVenue

OPERATOR = "operator"
STRATEGIES = {"ana": ("BTCUSDT", "BNBUSDT"), "bob": ("BTCUSDT",)}
TRACE = 60
ORDERS_MIN, FAULTS_MIN, MORE_S = 20, 5, 40.0
"""What a phase should have at least, and how much longer it may take to get there."""


class Poison(Exception):
    """What the nemesis makes a handler raise."""


class Killed(BaseException):
    """Ends the process right after a commit."""


class World:
    """Everything of one seed. `run` lives it to the end and raises `Violation`."""

    def __init__(self, seed: int, *, phases: int = 1, fault_s: float = 30.0) -> None:
        self.seed, self.phases, self.fault_s = seed, phases, fault_s
        self.loop = VirtualLoop()
        self.dice = random.Random(f"{seed}/world")
        self.desk_dice = random.Random(f"{seed}/desk")
        self.symbols = ("BTCUSDT", "BNBUSDT")
        self.limits: RealTradingConfig = settings.limits(self.dice)
        self.nemesis = Nemesis(seed)
        self.nemesis.world = self
        self.exchange = self._exchange()
        self.flows: dict[str, list[tuple[datetime, Decimal]]] = {}
        self.net = Exchanges(self.loop, self.exchange, self.nemesis, self._placing, self._flowed)
        self.invariants = Invariants(self)
        self.net.heard = self.invariants.exposure
        self.folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_fast_folder()))
        self.skew_s = 0.0
        self.alive = False
        self.house: House = None  # type: ignore[assignment]
        self.parts: Parts = None  # type: ignore[assignment]
        self.store: Journal | None = None
        self.lives = 0
        self.recovering = False
        self._killed_recovering = False
        self.foreign: dict[str, Decimal] = {}
        self.wanted = [True]
        self.trader_dice = {name: random.Random(f"{seed}/{name}") for name in STRATEGIES}
        self.door_dice = random.Random(f"{seed}/door")
        self.trace: deque[tuple[float, str, Any, Any]] = deque(maxlen=TRACE)
        self.digest = hashlib.sha256()
        self.letters = 0
        self.branches: Counter[str] = Counter()
        self._context = contextvars.copy_context()
        self._pump: asyncio.TimerHandle | asyncio.Handle | None = None
        self._awake = False
        self._stalled_until = 0.0
        self._read: tuple[Any, Any] = (None, None)
        self._backup: Path | None = None
        self.old_journals = 0
        self.told: list[OrderIntent] = []
        self.soft_cap = 8 if self.dice.random() < 0.3 else STRATEGY.soft_cap
        self._counter = itertools.count(1)
        self._boot: asyncio.Task[None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._main: asyncio.Task[Any] | None = None

    # -- the exchange ------------------------------------------------------------------

    def _exchange(self) -> Exchange:
        tapes = [Tape.synthetic(symbol, self.seed, trades=300, span_ms=300_000) for symbol in self.symbols]
        with_bnb = self.dice.random() < 0.5
        exchange = Exchange(
            [tape.rules() for tape in tapes], fee=FeeSchedule(), now_ms=self.loop.true_ms(), seed=self.seed,
            lookup_after_cancel=self.dice.random() < 0.5,
        )  # fmt: skip
        funds = {"USDT": Decimal(self.dice.choice((3000, 20000)))}
        if with_bnb:
            funds["BNB"] = Decimal(self.dice.choice(("0.002", "5")))
        exchange.add_account(UID, funds)
        exchange.set_bnb_fees(UID, with_bnb)
        self.fees_in_bnb = with_bnb
        self.markets = [Market(exchange, tape, tape.symbol, self.seed, loop=True) for tape in tapes]
        for market in self.markets:
            market.open(self.loop.true_ms())
        return exchange

    def _play(self) -> None:
        """The market moves, for ever."""
        with decimal.localcontext(EXACT):
            for market in self.markets:
                if self.dice.random() < 0.7:
                    market.step(self.dice.choice((1, 1, 2, 5)), self.loop.true_ms())
            self.net.spread()
        self.loop.call_later(self.dice.uniform(0.1, 0.9), self._play)

    def price(self, symbol: str, factor: Decimal) -> Decimal:
        """The best bid times a factor, on the tick."""
        rules = self.exchange.rules[symbol]
        return round_down(Decimal(self.exchange.ticker_book(symbol)["bidPrice"]) * factor, rules.tick)

    def rounded(self, symbol: str, quantity: Decimal) -> Decimal:
        """A quantity on the step."""
        return round_down(quantity, self.exchange.rules[symbol].step)

    def lot(self, symbol: str, worth: int) -> Decimal:
        """So much quote in base units."""
        return self.rounded(symbol, Decimal(worth) / self.price(symbol, Decimal(1)))

    def foreign_held(self, symbol: str) -> Decimal:
        """What people have bought by hand of the symbol and still hold, about."""
        return self.foreign.get(symbol, Decimal(0))

    def exchange_orders(self) -> list[Any]:
        """Every order of the account, whoever placed it."""
        return [order for pair in self.exchange.core.pairs.values() for order in pair.orders.values() if order.uid == UID]

    # -- a life of the house ---------------------------------------------------------------

    def utc(self) -> datetime:
        """The house's own clock, which may be wrong."""
        return self.loop.true_utc() + timedelta(seconds=self.skew_s)

    def clock(self) -> Now:
        """Both readings; the very same value while no time passes."""
        at = (self.loop.time(), self.skew_s)
        if self._read[0] != at:
            self._read = (at, Now(mono=at[0], utc=self.utc()))
        return self._read[1]

    def _venue(self) -> PaperVenue:
        return PaperVenue(self.net, utc=self.utc, mono=self.loop.time)

    async def _live(self) -> None:
        """Start until it works, as systemd does."""
        while True:
            try:
                await self._begin()
                return
            except (BadInput, RealTradingError) as failure:
                self.note(f"start failed: {failure}")
                self._close_store()
                await self.loop.passing(0.5)

    async def _begin(self) -> None:
        self.recovering = True
        self.store = store = Journal.open(
            self.folder / "journal.db", binding=Binding(mode="simulated", account_uid=None), durability="process",
            code_version="simulated", config_digest="-", utc=self.utc,
        )  # fmt: skip
        known = symbols_to_know(settings.of(self.symbols, self.limits), store)
        asked = await ask(self._venue, known)
        store.bind(asked.uid)
        run = store.begin_run(int((self.utc() - EPOCH).total_seconds()))
        self.parts = Parts(
            limits=self.limits, symbols=self.symbols, reporting_asset="USDT", prefix="rt", run=run, rules=asked.rules,
            durability="process", observe=False, venue=self._venue(), store=store,
            board=Board(), listeners=Listeners(), tally=Tally(), clock=self.clock,
            strategies=tuple(
                StrategyPart(name=name, symbols=symbols, factory=lambda name=name: Trader(self.trader_dice[name], self.wanted))
                for name, symbols in STRATEGIES.items()
            ),
        )  # fmt: skip
        self._watch_commits(store)
        self.house = assembly.build(
            self.parts, on_escalate=self._escalated, on_fatal=self._fatal, on_news=self._news,
            seed=self.desk_dice.randrange(2**32),
        )  # fmt: skip
        for name in self.house.names:
            self.house.mailbox(name).ring = self._ring
        self.lives += 1
        self.alive = True
        self.invariants.born()
        self.house.start()
        self.house.post(EngineStarted(run=run, mode="simulated"), sender="engine")
        self._ring()

    def _watch_commits(self, store: Journal) -> None:
        append = store.append

        def watched(records: Any) -> Any:
            done = append(records)
            if self.nemesis.kill_next_commit and any(type(each.event).__name__ == "IntentRecorded" for each in records):
                self.nemesis.kill_next_commit = False
                self.nemesis.did("kill_after_commit")
                raise Killed("right after a commit")
            return done

        store.append = watched  # type: ignore[method-assign]

    def kill(self, why: str) -> None:
        """The process ends now: what is committed is on disk, what is on the wire goes on, all else is gone."""
        booting = self._boot is not None and not self._boot.done()
        if not self.alive and not booting:
            return  # it is down already
        self.branches["killed"] += 1
        self.branches["recovery killed"] += int(self.recovering)
        self.branches["recovery killed twice in a row"] += int(self.recovering and self._killed_recovering)
        self._killed_recovering = self.recovering
        self.note(f"--- {why}")
        self.alive = False
        for task in asyncio.all_tasks(self.loop):
            if task is not self._main:
                task.cancel()
        for stream in list(self.net.streams):
            stream.ended = why
            stream.drop()
        self.net.watchers.clear()
        if self.house is not None:
            for name in self.house.names:
                life = self.house.mailbox(name).incumbent
                if life is not None and life.actor is not None:
                    life.actor.retire()
        self._close_store()
        if self._pump is not None:
            self._pump.cancel()
        self._awake = False
        if self.nemesis.old_journal_next and self._backup is not None:
            self._restore_backup()
        self.loop.call_later(self.dice.uniform(0.05, 2.0), self._rise, context=self._context)

    def _rise(self) -> None:
        if not self.alive:
            self._boot = self.loop.create_task(self._live(), context=self._context)

    def _close_store(self) -> None:
        """As the end of the process closes it: without a word."""
        store, self.store = self.store, None
        if store is not None and store._lock is not None:
            store._writer.connection.close()
            os.close(store._lock)
            store._lock = None

    def backup(self) -> bool:
        """Copy the journal, as a person would; nothing is being written at this moment."""
        if not self.alive or self.store is None or len(self.store.rows("cursors")) < len(self.symbols):
            return False  # a copy from before the first round is a new journal: what the account holds then is not managed
        self._backup = self.folder / "backup"
        self._backup.mkdir(exist_ok=True)
        for name in ("journal.db", "journal.db-wal"):
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, self._backup / name)
        return True

    def _restore_backup(self) -> None:
        assert self._backup is not None
        self.nemesis.old_journal_next = False
        self.nemesis.did("old_journal")
        self.old_journals += 1
        self.told.clear()  # a door that remembers what the journal forgot is no door of ours
        for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
            if (self._backup / name).exists():
                shutil.copyfile(self._backup / name, self.folder / name)

    def _escalated(self, actor: str) -> None:
        self.branches["escalated"] += 1
        self.loop.call_soon(self._ended_by_itself, f"{actor} cannot be kept alive", context=self._context)

    def _fatal(self, actor: str, failure: BaseException) -> None:
        if not isinstance(failure, (Killed, InjectedFault, Poison, Hang)) and "injected" not in str(failure):
            self.invariants.violated("journal", f"{actor}: {type(failure).__name__}: {failure}")
        self.loop.call_soon(self._ended_by_itself, f"{actor} ended the house", context=self._context)

    def _ended_by_itself(self, why: str) -> None:
        if self.alive:
            self.kill(why)

    def _news(self, event: object) -> None:
        if isinstance(event, ActorDied):
            self.branches[f"died: {event.cause}"] += 1
            foreseen = event.exception in ("InjectedFault", "Poison", "Hang", "Killed", "Requested")
            if not foreseen and event.message != "injected":
                self.invariants.violated("crash", f"{event.name}: {event.exception}: {event.message} over {event.letter}")
        elif isinstance(event, ActorRestarted):
            self.invariants.restarted(event.name)
        elif isinstance(event, LetterSetAside):
            self.branches["letter set aside"] += 1
        elif isinstance(event, ActorGivenUp) and not event.critical:
            self.branches["strategy given up for a while"] += 1

    # -- driving the seeded desk --------------------------------------------------------------

    def _ring(self) -> None:
        if not self.alive or self._awake:
            return
        self._awake = True
        if self._pump is not None:
            self._pump.cancel()
        self._pump = self.loop.call_at(max(self.loop.time(), self._stalled_until), self._serve, context=self._context)

    def stall(self, seconds: float) -> None:
        """The house does nothing for a while: the machine was paused, or a disk was slow."""
        self._stalled_until = max(self._stalled_until, self.loop.time() + seconds)

    def _serve(self) -> None:
        """Some letters, then the network has its turn."""
        if not self.alive:
            return
        self._awake = True
        house, count = self.house, self.desk_dice.randrange(1, 16)
        # as House.step, without judging everybody again after each letter of one and the same moment
        house.supervisor.round()
        house._ticker.round()
        while count and house.seeded.step() is not None:
            count -= 1
            if house.supervisor._deaths:
                house.supervisor.round()
        house.supervisor.round()
        house.seeded.do_chores(house.seeded.shift)
        if not count:
            pause = self.desk_dice.random() * 0.002
            self._pump = self.loop.call_at(
                max(self.loop.time() + pause, self._stalled_until), self._serve, context=self._context
            )
            return
        self._awake = False
        pause_s = house._ticker.round()
        if any(box.has_work() for box in house.seeded.mailboxes):
            pause_s = 0.0
        wards = [w.due_mono for w in house.supervisor._endings.wards.values() if w.due_mono is not None]
        at = self.loop.time() + (pause_s if pause_s is not None else 1.0)
        at = max(min([at, *wards]), self.loop.time() + 1e-6)
        self._pump = self.loop.call_at(max(at, self._stalled_until), self._serve, context=self._context)

    def decide(self, actor: Actor, letters: Any, now: Any, original: Any) -> Any:
        """Around every handler of the house: count, poison, watch."""
        poison = self.nemesis.poisons.get(actor.name) if self.nemesis.on else None
        poisoned = poison is not None and type(letters[0].message).__name__ != "Tick"
        if poisoned:
            how, left = poison
            if left > 1:
                self.nemesis.poisons[actor.name] = (how, left - 1)
            else:
                del self.nemesis.poisons[actor.name]
            if how == "before":
                raise Poison("before the handler")
        answer = original(actor, letters, now)
        if poisoned:
            if how == "after":
                raise Poison("after the handler")
            life = actor._incarnation
            if life.fence():
                self.house.supervisor._endings.end(life, "hang", Hang(f"{actor.name}: simulated"))
                return answer
        self.letters += len(letters)
        for letter in letters:
            self.digest.update(f"{self.loop.time():.6f} {actor.name} {letter.seq} {type(letter.message).__name__}".encode())
        self.invariants.handled(actor, letters, answer, now)
        return answer

    def _placing(self, params: Any, stamped: datetime) -> None:
        self.invariants.signed(params, stamped)

    def _flowed(self, asset: str, at: datetime, amount: Decimal) -> None:
        self.flows.setdefault(asset, []).append((at, amount))

    def note(self, text: str) -> None:
        """A line of the trace."""
        self.trace.append((self.loop.time(), text, (), ()))

    # -- doors -------------------------------------------------------------------------------

    def _door(self) -> None:
        """A person at the house's own door: submits (sometimes twice), cancels."""
        self.loop.call_later(self.door_dice.uniform(0.5, 3.0), self._door, context=self._context)
        if not self.alive or not self.wanted[0]:
            return
        dice = self.door_dice
        symbol = dice.choice(self.symbols)
        order_id = ClientId(prefix="rt", run=self.parts.run, strategy=OPERATOR, role=Role.ENTRY, counter=next(self._counter))
        price = None if dice.random() < 0.4 else self.price(symbol, Decimal(dice.choice(("0.99", "1", "1.0002"))))
        intent = OrderIntent(
            id=str(order_id), strategy=OPERATOR, symbol=symbol, side=dice.choice((Side.BUY, Side.BUY, Side.SELL)),
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT, role=Role.ENTRY,
            quantity=self.lot(symbol, dice.choice((60, 300))), price=price, rests=dice.random() < 0.5,
        )  # fmt: skip
        if self.told and dice.random() < 0.25:
            self.house.post(SubmitOrder(intent=dice.choice(self.told)), sender="engine")
            self.branches["old intent told again"] += 1
        self.told.append(intent)
        times = 2 if dice.random() < 0.2 else 1
        for _ in range(times):
            self.house.post(SubmitOrder(intent=intent), sender="engine")
        if times == 2:
            self.branches["intent told twice"] += 1
        if dice.random() < 0.3:
            delay = dice.choice((0.0, 0.003, 0.05, 1.0))
            self.loop.call_later(delay, self._cancel, intent.id, self.lives, context=self._context)

    def _cancel(self, order_id: str, life: int) -> None:
        if self.alive and life == self.lives:
            self.house.post(CancelOrder(id=order_id, by="user"), sender="engine")

    # -- the whole ----------------------------------------------------------------------------

    def run(self) -> None:
        """Live it. Raises `Violation`."""
        original = Actor.decide

        def decide(actor: Actor, letters: Any, now: Any) -> Any:
            return self.decide(actor, letters, now, original)

        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(self._broken)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Actor, "decide", decide)
            patch.setattr(GatewayActor, "last_look", self._counted(GatewayActor.last_look))
            patch.setattr(assembly, "STRATEGY", attrs.evolve(STRATEGY, soft_cap=self.soft_cap))
            patch.setattr(streams, "FLUSH_S", 0.1)
            patch.setattr(orders, "ARCHIVE_AFTER", timedelta(seconds=20))  # beyond any delay of an event
            try:
                self._main = self.loop.create_task(self._story())
                self.loop.run_until_complete(self._main)
            finally:
                self._end()

    def _counted(self, last_look: Any) -> Any:
        def counted(gateway: GatewayActor, message: Any) -> Any:
            found = last_look(gateway, message)
            self.branches["last look passed" if found is None else f"last look: {found[0]}"] += 1
            return found

        return counted

    def _end(self) -> None:
        self.alive = False
        if self._pump is not None:
            self._pump.cancel()
        if self.house is not None:
            for name in self.house.names:
                life = self.house.mailbox(name).incumbent
                if life is not None and life.actor is not None:
                    life.actor.retire()
        tasks = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        for task in tasks:
            task.cancel()
        self.loop.set_exception_handler(lambda loop, context: None)
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._close_store()
        asyncio.set_event_loop(None)
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _broken(self, loop: Any, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        if failure is not None and not isinstance(failure, ConnectionResetError):
            self.fail(failure)

    def fail(self, failure: BaseException) -> None:
        """Something is wrong: the story ends here."""
        if self._over is not None and not self._over.done():
            self._over.set_exception(failure)

    async def _story(self) -> None:
        self._over = self.loop.create_future()
        self.loop.call_soon(self._play, context=self._context)
        self.loop.call_later(1.0, self._door, context=self._context)
        if self.dice.random() < 0.7:
            self._rise()
            await self._until_orders(self.dice.choice((1, 5, 10)), 12.0)
            self.nemesis.start()
        else:  # from the first moment on
            self.nemesis.start()
            self._rise()
        for phase in range(self.phases):
            if phase:
                self.wanted[0] = True
                self.nemesis.start()
            await self._pass(self.fault_s)
            while sum(self.nemesis.done.values()) < FAULTS_MIN * (phase + 1):
                await self._pass(2.0)
            self.nemesis.stop()
            await self._until_orders(ORDERS_MIN * (phase + 1), MORE_S)
            self.wanted[0] = False
            await self.converge()

    async def _until_orders(self, count: int, seconds: float) -> None:
        """Trade on until so many orders were sent, but no longer than this."""
        ends = self.loop.time() + seconds
        while self.branches["orders"] < count and self.loop.time() < ends:
            await self._pass(1.0)

    async def _pass(self, seconds: float) -> None:
        assert self._over is not None
        await self.loop.passing(0.0)
        done, _ = await asyncio.wait([self._over], timeout=seconds)
        if done:
            self._over.result()

    async def converge(self) -> None:
        """Within a virtual minute after the last fault everything agrees."""
        while self.nemesis.late:  # what is still to be executed is a fault that has not ended
            await self._pass(0.5)
        since = self.loop.time()
        await self._pass(1.0)
        wrong = ["never looked"]
        while self.loop.time() - since < settings.CONVERGED_S:
            await self._pass(0.5)
            wrong = self.invariants.differences()
            if not wrong:
                break
        self.invariants.converged(wrong, self.loop.time() - since)
        await self._pass(0.0)  # a violation ends the story here


def _fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
