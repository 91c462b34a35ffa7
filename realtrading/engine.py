"""RealTradingEngine: the embeddable handle. It starts and stops one house and reads its committed state."""
from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from realtrading.actors.board import Board
from realtrading.actors.feed import Listeners
from realtrading.actors.tally import Tally
from realtrading.assembly import Parts, StrategyPart, build
from realtrading.clock import clock, utc_now
from realtrading.config import Credentials, load_credentials, simulated
from realtrading.domain.breaker import CauseKind
from realtrading.domain.commands import CancelOrder, CloseVenue, OrderIntent, Reconcile, StopStrategies, SubmitOrder
from realtrading.domain.events import (
    ActorRestarted,
    BreakerChanged,
    EngineStarted,
    EngineStopped,
    Error,
    InstanceSuperseded,
    Missed,
    ReconciliationComplete,
)
from realtrading.domain.identity import EXIT_SUPERSEDED, superseded
from realtrading.domain.reports import VenueClosed
from realtrading.domain.settings import Mode, RealTradingConfig, Settings
from realtrading.domain.values import ClientId, OrderType, Role, Side, TimeInForce, amount
from realtrading.errors import BadInput, HouseError
from realtrading.journal.store import Journal
from realtrading.opening import begin_run, new_venue, open_journal, symbols_to_know
from realtrading.preflight import EXIT_UNREACHABLE, preflight
from realtrading.runtime.house import House
from realtrading.runtime.spec import FaultKind
from realtrading.state import EXIT_HOUSE_DEAD, EngineState
from realtrading.strategies.loader import load_strategy
from realtrading.tickets import Ticket, Tickets

OPERATOR = "user"
"""The strategy name under which orders submitted by the embedding program run."""


class RealTradingEngine(EngineState):
    """One engine: settings in, supervised actors inside, events and read-only state out.

    Several may live in one process. Usable as a context manager: enters started and ready, leaves stopped.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials | None = None,
        *,
        base_dir: Path | str = ".",
        on_fatal: Callable[[str, BaseException], object] | None = None,
    ) -> None:
        """`credentials` None: read as the settings say. `base_dir` is what the settings' relative paths are relative to.

        `on_fatal(actor, error)` is called when the house cannot go on (the journal died); a daemon ends its process there.
        """
        self.settings = settings
        self.base_dir = Path(base_dir)
        self._credentials = credentials
        self._on_fatal = on_fatal
        self._listeners = Listeners()
        self._tally = Tally()
        self._board = Board()
        self._tickets = Tickets(self._order)
        self._counter = itertools.count(1)
        self._house: House | None = None
        self._parts: Parts | None = None
        self._store: Journal | None = None
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._closed = threading.Event()
        self._failure: str | None = None
        self._failure_code = EXIT_HOUSE_DEAD
        self._running = False
        self._stopping = False
        self._scratch: Path | None = None
        self._listeners.add(self._hear)

    @classmethod
    def simulated(
        cls,
        ready: str | Mapping[str, Any],
        limits: RealTradingConfig | None = None,
        *,
        symbols: Iterable[str] | None = None,
        state_dir: Path | str | None = None,
    ) -> Self:
        """An engine for the simulated exchange that printed the line `ready` (`realtrading sim serve`).

        `symbols` None: all it has. `state_dir` None: a folder that is gone after `stop`, as the simulated account is
        after the simulator. Raises `BadInput` when `ready` is no such line, or the settings contradict themselves.
        """
        scratch = Path(tempfile.gettempdir()) / f"realtrading-{secrets.token_hex(8)}" if state_dir is None else None
        engine = cls(*simulated(ready, limits or RealTradingConfig(), symbols, scratch or state_dir or "."))
        engine._scratch = scratch
        return engine

    # -- life -----------------------------------------------------------------

    def start(self, ready_timeout_s: float | None = 60.0) -> Self:
        """Check the account, open the journal, start the actors, and wait until the first reconciliation is clean.

        Raises `BadInput` (with its exit code) for a wrong account, journal, credential or an unreachable venue, and
        `HouseError` when an actor cannot start. `ready_timeout_s` None does not wait.
        """
        if self._house is not None:
            raise HouseError("an engine starts once")
        strategies = tuple(
            StrategyPart(
                name=part.name,
                symbols=part.symbols,
                factory=load_strategy(part.use, part.config, self.base_dir, name=part.name),
            )
            for part in self.settings.strategies
        )
        credentials = self._credentials or load_credentials(self.settings, self.base_dir)
        venue = partial(new_venue, self.settings, credentials, self._tally.request)
        self._store = open_journal(self.settings, self.base_dir)
        try:
            asked = preflight(venue, symbols_to_know(self.settings, self._store))
            self._store.bind(asked.uid)
            run = begin_run(self._store, asked.client_ids, self.settings.prefix, utc_now())
            self._parts = Parts(
                limits=self.settings.limits,
                symbols=self.settings.symbols,
                reporting_asset=self.settings.reporting_asset,
                prefix=self.settings.prefix,
                run=run,
                own_runs=self._store.own_runs(),
                rules=asked.rules,
                durability=self.settings.durability,
                observe=self.settings.mode is Mode.OBSERVE,
                venue=venue(),
                store=self._store,
                board=self._board,
                listeners=self._listeners,
                tally=self._tally,
                strategies=strategies,
                clock=clock,
            )
            self._house = build(
                self._parts, on_escalate=self._escalated, on_fatal=self._fatal, on_news=self._tally.news
            )
            self._house.start()
            for word in (EngineStarted(run=run, mode=self.settings.mode.value), *(Error(message=n) for n in self._store.notes)):
                self._house.post(word, sender="engine")
        except BaseException:
            self._put_away(self._store)
            raise
        self._running = True
        if ready_timeout_s is not None:
            self._await_ready(ready_timeout_s)
        return self

    def _await_ready(self, timeout_s: float) -> None:
        """Wait for the first clean round; stop again when it does not come, or when the wait is interrupted."""
        try:
            if not self._ready.wait(timeout_s):
                why = self.failure or self.why_not_ready()
                raise BadInput(f"not ready within {timeout_s:g} s: {why}", exit_code=EXIT_UNREACHABLE)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout_s: float = 20.0) -> bool:
        """Stop strategies, let what is under way settle, drop the connection, stop the actors, close the journal.

        Working orders stay at the exchange. Returns True when no thread is left. Idempotent.
        """
        house = self._house
        if house is None or self._stopping:
            return True
        self._stopping = True
        self._running = False
        assert self._parts is not None
        assert self._store is not None
        if not house.frozen:
            house.post(StopStrategies(by="engine stop"), sender="engine")
            house.settled(min(5.0, timeout_s))
            house.post(CloseVenue(), sender="engine")
            self._closed.wait(min(5.0, timeout_s))
            house.post(EngineStopped(run=self._parts.run), sender="engine")
            house.settled(min(5.0, timeout_s))
        clean = house.stop(timeout_s)
        self._put_away(self._store)
        self._ended.set()
        return clean

    def __enter__(self) -> Self:
        return self if self._running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the engine has failed or was stopped; False if neither comes in time."""
        return self._ended.wait(timeout_s)

    # -- commands -------------------------------------------------------------

    def submit(
        self,
        symbol: str,
        side: Side | str,
        *,
        quantity: Decimal | str | int | None = None,
        quote_quantity: Decimal | str | int | None = None,
        price: Decimal | str | int | None = None,
        order_type: OrderType | str | None = None,
        time_in_force: TimeInForce | str | None = None,
        role: Role = Role.ENTRY,
        rests: bool = False,
    ) -> Ticket:
        """Propose one order. With a `price` it is a LIMIT, else a MARKET, unless `order_type` says otherwise.

        Amounts are decimals or decimal texts, never floats. Raises `BadInput` for what is no order at all, and when the
        engine does not run. Whether it goes to the exchange is decided inside; the ticket tells.
        """
        house, parts = self._working_house()
        kind = order_type or (OrderType.LIMIT if price is not None else OrderType.MARKET)
        order_id = ClientId(
            prefix=parts.prefix, run=parts.run, strategy=OPERATOR, role=role, counter=next(self._counter)
        )
        try:
            intent = OrderIntent(
                id=str(order_id),
                strategy=OPERATOR,
                symbol=symbol,
                side=Side(side),
                order_type=OrderType(kind),
                role=role,
                quantity=None if quantity is None else amount(quantity),
                quote_quantity=None if quote_quantity is None else amount(quote_quantity),
                price=None if price is None else amount(price),
                time_in_force=None if time_in_force is None else TimeInForce(time_in_force),
                rests=rests,
            )
        except ValueError as wrong:
            raise BadInput(f"no order: {wrong}") from wrong
        ticket = self._tickets.issue(intent.id)
        house.post(SubmitOrder(intent=intent), sender="engine")
        return ticket

    def buy(self, symbol: str, **what: Any) -> Ticket:
        """`submit` with side BUY."""
        return self.submit(symbol, Side.BUY, **what)

    def sell(self, symbol: str, **what: Any) -> Ticket:
        """`submit` with side SELL; its role is an exit unless said otherwise."""
        return self.submit(symbol, Side.SELL, **{"role": Role.EXIT, **what})

    def cancel(self, order_id: str) -> None:
        """Ask for an order's end; the events tell what came of it."""
        house, _ = self._working_house()
        house.post(CancelOrder(id=order_id, by="user"), sender="engine")

    def reconcile(self, timeout_s: float = 30.0) -> ReconciliationComplete | None:
        """Look now, and wait for the round that covers this wish; None if it does not end in time."""
        house, _ = self._working_house()
        token = f"wish-{next(self._counter)}"
        done: list[ReconciliationComplete] = []
        heard = threading.Event()

        def hear(event: object) -> None:
            if isinstance(event, ReconciliationComplete) and token in event.covers:
                done.append(event)
                heard.set()

        remove = self._listeners.add(hear)
        try:
            house.post(Reconcile(trigger="operator", token=token), sender="engine")
            heard.wait(timeout_s)
        finally:
            remove()
        return done[0] if done else None

    def stop_strategies(self) -> None:
        """Tell every strategy to say good-bye; the house goes on."""
        house, _ = self._working_house()
        house.post(StopStrategies(by="user"), sender="engine")

    def subscribe(self, listener: Callable[[object], None]) -> Callable[[], None]:
        """Hear every public event, on the feed's thread; returns the function that ends it. Must not block for long."""
        return self._listeners.add(listener)

    def inject(self, actor: str, kind: FaultKind) -> None:
        """Make an actor fail once, on purpose. Mode simulated only; raises `BadInput` elsewhere or for no such actor."""
        house, _ = self._working_house()
        if self.settings.mode is not Mode.SIMULATED:
            raise BadInput("faults are injected in mode simulated only")
        if actor not in house.names:
            raise BadInput(f"no actor {actor!r} (there are: {', '.join(house.names)})")
        house.inject(actor, kind)

    # -- inside ---------------------------------------------------------------

    def _working_house(self) -> tuple[House, Parts]:
        """The house that takes commands; one that has failed would swallow them. Raises `BadInput`."""
        if self._failure is not None and not self._stopping:
            raise BadInput(f"the engine cannot go on: {self._failure}")
        return self._running_house()

    def _put_away(self, store: Journal) -> None:
        """Close the journal, and remove it when nobody was promised to find it again."""
        store.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _hear(self, event: object) -> None:
        """The engine's own ear on the feed."""
        self._tickets.hear(event)
        if isinstance(event, BreakerChanged) and not any(cause.kind is CauseKind.UNCONFIRMED for cause in event.causes):
            self._ready.set()
        elif isinstance(event, VenueClosed):
            self._closed.set()
        elif isinstance(event, InstanceSuperseded):
            self._fail(superseded(event.run, event.client_id), EXIT_SUPERSEDED)
        elif isinstance(event, Missed) or (isinstance(event, ActorRestarted) and event.name == "feed"):
            self._tickets.look_again()  # the letter over which the feed died is told to nobody

    def _escalated(self, actor: str) -> None:
        """A critical actor cannot be kept alive: the owner stops us."""
        self._fail(f"actor {actor} cannot be kept alive")

    def _fatal(self, actor: str, failure: BaseException) -> None:
        """The house is frozen: nothing is sent any more."""
        self._fail(f"actor {actor} ended the house: {failure}")
        if self._on_fatal is not None:
            self._on_fatal(actor, failure)

    def _fail(self, text: str, exit_code: int = EXIT_HOUSE_DEAD) -> None:
        self._failure = text
        self._failure_code = exit_code
        self._running = False
        self._ended.set()
