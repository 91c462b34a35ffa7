"""Puts one house together: rows become specs, the journal's rows become tables, supervisor's questions get answers."""
from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from realtrading.actors import gateway, lookup
from realtrading.actors.board import Board
from realtrading.actors.breaker import HEALED_BY_ROUND, book_of
from realtrading.actors.feed import Listeners
from realtrading.actors.reconciliation_plan import Plan
from realtrading.actors.tally import Tally
from realtrading.domain.breaker import ACCOUNT, CauseKind, open_cause, restored
from realtrading.domain.commands import CompareBalances, ExplainBalances, GateOrder, PrepareSnapshot, SubmitOrder, VetOrder
from realtrading.domain.events import (
    ActorRestarted,
    BalancesExplained,
    KeeperLost,
    MailboxFilled,
    OrderBlocked,
    OrderDenied,
)
from realtrading.domain.identity import OwnRuns
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import LookupFailed, MovementsFound, StreamConnected
from realtrading.domain.values import Now, SymbolRules
from realtrading.journal.store import Journal
from realtrading.runtime import events as machinery
from realtrading.runtime.actor import Actor
from realtrading.runtime.house import House
from realtrading.runtime.mailbox import Letter
from realtrading.runtime.spec import ActorSpec
from realtrading.strategies.base import Strategy
from realtrading.topology import ACTORS, STRATEGY, Row, routes
from realtrading.venue.port import Venue

DRAIN_S = 0.005
DRAIN_STEPS = 40
UNCONFIRMED = "nothing is confirmed yet after the start"


@attrs.frozen(kw_only=True)
class StrategyPart:
    """One strategy as the house runs it."""

    name: str
    symbols: tuple[str, ...]
    factory: Callable[[], Strategy]


@attrs.define(kw_only=True)
class Parts:
    """Everything the rows of ACTORS are made from."""

    limits: RealTradingConfig
    symbols: tuple[str, ...]
    reporting_asset: str
    prefix: str
    run: int
    rules: tuple[SymbolRules, ...]
    durability: str
    observe: bool
    venue: Venue
    store: Journal
    board: Board
    listeners: Listeners
    tally: Tally
    strategies: tuple[StrategyPart, ...]
    clock: Callable[[], Now]
    own_runs: OwnRuns = attrs.field(factory=OwnRuns)
    house: House | None = None

    def gate(self) -> int:
        """The breaker's committed gate number, for the last look; -1 while it has yet to read of a loss.

        Orders that wait for a lost gateway have passed already: its successor must not be faster than the breaker.
        """
        assert self.house is not None
        if self.house.mailbox("breaker").front:
            return -1
        number: int = self.house.tables("breaker")["gate"].get("gate", 0)
        return number

    def crowded(self) -> bool:
        """True while risk has more to read than it should be given quotes on top of."""
        assert self.house is not None
        return self.house.mailbox("risk").waiting() > 32

    def mono(self) -> float:
        """Monotonic seconds."""
        return self.clock().mono


def makers(parts: Parts) -> dict[str, Callable[[Row], Actor]]:
    """Actor name -> how a fresh incarnation is made."""
    limits, symbols, board, venue = parts.limits, parts.symbols, parts.board, parts.venue
    began = parts.clock()
    known = tuple(rules.symbol for rules in parts.rules)  # what may be traded, and what is still held in other symbols
    return {
        "journal": lambda row: row.kind(store=parts.store, tally=parts.tally),
        "orders": lambda row: row.kind(
            config=limits, board=board, prefix=parts.prefix, symbols=symbols, own_runs=parts.own_runs
        ),
        "positions": lambda row: row.kind(),
        "balances": lambda row: row.kind(),
        "risk": lambda row: row.kind(
            config=limits, board=board, symbols=symbols, reporting_asset=parts.reporting_asset
        ),
        "breaker": lambda row: row.kind(config=limits, began=began),
        "reconciliation": lambda row: row.kind(config=limits, run=parts.run, symbols=len(known)),
        "gateway": lambda row: row.kind(
            venue=venue, gate=parts.gate, mono=parts.mono, observe=parts.observe
        ),
        "lookup": lambda row: row.kind(venue=venue),
        "user_stream": lambda row: row.kind(venue=venue, symbols=known),
        "market_stream": lambda row: row.kind(venue=venue, board=board, symbols=known, crowded=parts.crowded),
        "feed": lambda row: row.kind(listeners=parts.listeners, tally=parts.tally, board=board),
    }


def strategy_maker(parts: Parts, part: StrategyPart) -> Callable[[Row], Actor]:
    """How a fresh incarnation of one strategy's actor is made."""
    return lambda row: row.kind(
        factory=part.factory,
        name=part.name,
        symbols=part.symbols,
        prefix=parts.prefix,
        run=parts.run,
        board=parts.board,
    )


def specs(parts: Parts) -> tuple[ActorSpec, ...]:
    """ACTORS and the strategies as the machinery wants them."""
    make = makers(parts)
    rows = [(row, make[row.name]) for row in ACTORS]
    for part in parts.strategies:
        name = f"strategy:{part.name}"
        row = attrs.evolve(STRATEGY, name=name, desk=f"own:{part.name}")
        rows.append((row, strategy_maker(parts, part)))
    return tuple(spec_of(row, maker, parts.durability) for row, maker in rows)


def spec_of(row: Row, maker: Callable[[Row], Actor], durability: str) -> ActorSpec:
    """One row; the journal shares the money desk when nothing waits for a disk."""
    desk = "money" if row.name == "journal" and durability == "process" else row.desk
    return ActorSpec(
        name=row.name,
        make=functools.partial(maker, row),
        desk=desk,
        critical=row.critical,
        budget=row.budget,
        tick_s=row.tick_s,
        hang_s=row.hang_s,
        retry_letter=row.retry_letter,
        drop_oldest=row.drop_oldest,
        soft_cap=row.soft_cap,
        batch_max=row.batch_max,
        fatal=row.fatal,
    )


# -- recovery -----------------------------------------------------------------


def recovered(row: Row, parts: Parts, read: Callable[[str], Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """An actor's tables as the journal knows them, and the symbols' rules where it keeps some. No handler runs."""
    tables: dict[str, dict[str, Any]] = {}
    for kept, own in row.recovers:
        tables[own] = dict(read(kept))
    if row.name in ("orders", "positions", "balances", "risk"):
        tables["rules"] = {rules.symbol: rules for rules in parts.rules}
    return tables


def restore(house: House, parts: Parts) -> None:
    """Fill every mailbox's tables before the house starts, and open the breaker: nothing is confirmed yet.

    The first round covers that cause, and those an earlier run left behind.
    """
    for row in ACTORS:
        house.mailbox(row.name).tables.restore(recovered(row, parts, parts.store.rows))
    tables = house.mailbox("breaker").tables
    book = book_of(tables["breaker"].get("state"), tables["gate"].get("gate"))
    token = restored(parts.run) if parts.own_runs.adopted_by(parts.run) else f"run-{parts.run}"
    book = open_cause(book, CauseKind.UNCONFIRMED, ACCOUNT, token, UNCONFIRMED, parts.clock(), sealed=True)
    tables.put("breaker", "state", (book.state, book.causes))
    tables.put("gate", "gate", book.gate)
    wishes = tuple(cause.token for cause in book.causes if cause.kind in HEALED_BY_ROUND and cause.token != restored(parts.run))
    house.mailbox("reconciliation").tables.put("plan", "plan", Plan(wishes=wishes))


# -- answers to the supervisor ------------------------------------------------


def on_lost(name: str, letter: Letter | None, token: int) -> KeeperLost:
    """What the breaker hears before the successor starts."""
    kind = "nothing" if letter is None else type(letter.message).__name__
    return KeeperLost(name=name, cause="incarnation ended", letter=kind, token=token)


def on_set_aside(
    letter: Letter, name: str, now: Now, orders: Mapping[str, RealOrder], memory: Mapping[str, Any]
) -> Iterable[object]:
    """Answer a letter that nobody will handle: refused where it is provably not sent, asked about where it may be.

    `orders` are the known ones: an intent told again is not refused, its order lives its own life. `memory` is that of the
    actor that failed.
    """
    message = letter.message
    if name == "gateway":
        return gateway.set_aside(message, memory)
    if name == "lookup":
        return lookup.set_aside(message)
    text = f"{name} failed on it"
    if isinstance(message, SubmitOrder):
        if message.intent.id in orders:
            return ()
        order = shell_of(message, now.utc)
        return (OrderDenied(order=order, reason=Reason.HOUSE_FAULT, detail=text),)
    if isinstance(message, VetOrder | GateOrder):
        return (OrderBlocked(order=message.order, reason=Reason.HOUSE_FAULT, detail=text),)
    if isinstance(message, PrepareSnapshot | CompareBalances):
        return (LookupFailed(subject=message.token, detail=text),)
    if isinstance(message, ExplainBalances | MovementsFound):
        return (BalancesExplained(token=message.token, explained={}, unanswered=(text,)),)
    return ()


def shell_of(message: SubmitOrder, at: datetime) -> RealOrder:
    """An order for an intent that orders could not even look at."""
    intent = message.intent
    return RealOrder(
        id=intent.id,
        strategy=intent.strategy,
        role=intent.role,
        symbol=intent.symbol,
        side=intent.side,
        order_type=intent.order_type,
        original_quantity=intent.quantity or Decimal(0),
        quote_quantity=intent.quote_quantity,
        price=intent.price,
        state=OrderState.REJECTED,
        reason=str(Reason.HOUSE_FAULT),
        created_at=at,
        updated_at=at,
    )


def translated(event: object) -> object | None:
    """The machinery's news in the house's words; None for what has none."""
    if isinstance(event, machinery.ActorRestarted):
        return ActorRestarted(name=event.name, cause=event.cause, incarnation=event.epoch)
    if isinstance(event, machinery.Backlog) and not event.name.startswith("strategy:") and event.name != "feed":
        return MailboxFilled(name=event.name, waiting=event.waiting)
    return None


def wait_for_journal(house: House) -> None:
    """Give the journal a moment to write what it was told: a rebuild reads what is on disk. Supervisor's thread only."""
    journal, pause = house.mailbox("journal"), threading.Event()
    for _ in range(DRAIN_STEPS):
        if not journal.waiting() or house.seeded is not None:
            return
        pause.wait(DRAIN_S)


def build(
    parts: Parts,
    *,
    on_escalate: Callable[[str], object],
    on_fatal: Callable[[str, BaseException], object],
    on_news: Callable[[object], object],
    seed: int | None = None,
) -> House:
    """The house, filled and ready to start."""
    readers = {row.name: row for row in ACTORS}

    def rebuild(name: str) -> Mapping[str, Mapping[str, Any]] | None:
        row = readers.get(name)
        if row is None or not row.recovers:
            return None
        wait_for_journal(house)
        tables = recovered(row, parts, parts.store.rows)
        kept = house.mailbox(name).tables
        return {**{table: rows for table, rows in kept.items() if table in ("clock", "generation")}, **tables}

    def news(event: object) -> None:
        on_news(event)
        if isinstance(event, machinery.LetterSetAside) and isinstance(event.letter.message, StreamConnected):
            house.restart("user_stream")  # somebody will never hear of this generation: there must be another
        message = translated(event)
        if message is not None and not house.frozen and not house.closing:
            house.post(message, sender="supervisor")

    house = House(
        specs(parts),
        routes(part.name for part in parts.strategies),
        clock=parts.clock,
        on_lost=on_lost,
        on_set_aside=lambda letter, name: on_set_aside(
            letter, name, parts.clock(), house.mailbox("orders").tables["orders"], house.mailbox(name).memory
        ),
        on_rebuild=rebuild,
        on_escalate=on_escalate,
        on_fatal=on_fatal,
        on_event=news,
        seed=seed,
    )
    parts.house = house
    restore(house, parts)
    return house
