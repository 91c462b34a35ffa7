"""The page is true: whoever is named understands what comes, and whatever can be said is heard or is a note to oneself."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from realtrading import topology
from realtrading.actors import order_claims, order_events, order_facts, order_rounds
from realtrading.actors import reconciliation as reconciliation_actor
from realtrading.actors.keeper import MoneyKeeper
from realtrading.domain import commands, event, events, reports
from realtrading.runtime.actor import Hand, Keeper
from realtrading.runtime.spec import ActorSpec
from realtrading.runtime.ticker import Tick
from realtrading.topology import ACTORS, ALL, MINE, ROUTES, STRATEGY, Row, routes

ROWS = {row.name: row for row in ACTORS}
KEEPERS = [row for row in ACTORS if issubclass(row.kind, Keeper)]
HANDS = [row for row in (*ACTORS, STRATEGY) if issubclass(row.kind, Hand)]

ANYTHING = {"journal", "feed"}
"""Two hands take every message alike: the one writes what is durable, the other spreads it."""

UNDERSTOOD: dict[str, set[type]] = {
    "gateway": {commands.PlaceOrder, commands.PlaceCancel, events.InstanceSuperseded},
    "lookup": {commands.QueryOrder, commands.TakeSnapshot, commands.ListOpenOrders, commands.QueryMovements},
    "user_stream": {commands.CloseVenue, commands.EndGeneration},
    "market_stream": set(),
    STRATEGY.name: {
        commands.StopStrategies, reports.RulesReported, reports.QuotesMoved, events.OrdersStated, events.PositionsStated,
        events.OrderSubmitted, events.OrderPlaced, events.OrderPartiallyFilled, events.OrderFilled, events.OrderCancelled,
        events.OrderExpired, events.OrderRevised, events.OrderRejected, events.OrderUnknown, events.OrderAdopted,
        events.OrderCancelRequested, events.OrderDenied, events.PositionOpened, events.PositionUpdated,
        events.PositionClosed, events.PositionCut, events.ReconciliationComplete,
    },
}  # fmt: skip
"""What the other hands look at, each by its own `handle`."""

BASES = {event.Event, events.OrderEvent, events.PositionEvent}
"""Classes that only others are made from."""

VALUES = {commands.OrderIntent, reports.ExecutionReport, reports.TradeReport}
"""What messages carry; never sent alone."""

FROM_ELSEWHERE = {events.Missed}
"""The machinery's own, put by the mailbox itself."""


def classes(module: ModuleType) -> Iterator[type]:
    """The public classes a vocabulary module makes or passes on as its own."""
    for name, value in vars(module).items():
        if inspect.isclass(value) and not name.startswith("_") and value.__module__.startswith("realtrading."):
            yield value


def heard_by(name: str) -> set[type]:
    """Every type that is routed to this receiver."""
    keys = {MINE, ALL} if name == STRATEGY.name else {name}
    return {kind for kind, receivers in ROUTES.items() if keys & set(receivers)}


@pytest.mark.parametrize("row", KEEPERS, ids=lambda row: row.name)
def test_every_keeper_handles_exactly_what_is_routed_to_it(row: Row) -> None:
    """No message without a handler, which would crash it; no handler that can never run; a tick where it ticks."""
    assert issubclass(row.kind, MoneyKeeper)
    handled = set(row.kind.handlers)
    assert handled - {Tick} == heard_by(row.name)
    assert (Tick in handled) == (row.tick_s is not None)


@pytest.mark.parametrize("row", HANDS, ids=lambda row: row.name)
def test_every_hand_is_sent_only_what_it_understands(row: Row) -> None:
    """By a table here, as a hand's `handle` looks at types by itself."""
    if row.name in ANYTHING:
        assert heard_by(row.name)
    else:
        assert heard_by(row.name) == UNDERSTOOD[row.name]


def test_every_receiver_is_an_actor_and_every_actor_hears_something() -> None:
    """Names in ROUTES are names in ACTORS, or one of the two that are looked up; the market stream alone only tells."""
    named = {name for receivers in ROUTES.values() for name in receivers}
    assert named - {MINE, ALL} <= set(ROWS)
    assert set(ROWS) - named == {"market_stream"}


COMMANDS = [kind for kind in classes(commands) if kind.__module__ == commands.__name__ and kind not in VALUES]


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_every_command_has_one_receiver(kind: type) -> None:
    """A command is for one actor; only the strategies' stop goes to all of one kind."""
    assert len(ROUTES[kind]) == 1
    assert (ROUTES[kind] == (ALL,)) == (kind is commands.StopStrategies)


@pytest.mark.parametrize("module", [commands, reports, events, order_events, reconciliation_actor], ids=lambda m: m.__name__)
def test_every_message_class_is_routed(module: ModuleType) -> None:
    """What a vocabulary module makes is on the page, unless it is a base, a value, or put by the machinery."""
    if module in (commands, reports):
        messages = {kind for kind in classes(module) if kind.__module__ == module.__name__}
    else:
        messages = {kind for kind in classes(module) if issubclass(kind, event.Event)}
    assert messages
    assert messages - BASES - VALUES - FROM_ELSEWHERE <= set(ROUTES)
    assert not (BASES | VALUES) & set(ROUTES)


@pytest.mark.parametrize("row", KEEPERS, ids=lambda row: row.name)
def test_what_a_keeper_owns_is_routed(row: Row) -> None:
    """A keeper's word about its state can always be sent, if only to itself."""
    assert row.kind.owns
    assert set(row.kind.owns) <= set(ROUTES)


def test_an_event_that_changes_durable_state_has_one_owner() -> None:
    """One sender per key: no two keepers own the same event, but for notes that each keeps of what it heard."""
    owners: dict[type, list[str]] = {}
    for row in KEEPERS:
        for kind in row.kind.owns:
            owners.setdefault(kind, []).append(row.name)
    shared = {kind for kind, names in owners.items() if len(names) > 1}
    assert shared == {events.RulesHeard}
    assert not events.RulesHeard.durable
    assert ROUTES[events.RulesHeard] == ()


def said(row: Row) -> set[str]:
    """The classes of messages a keeper's own module makes, by name."""
    modules = [inspect.getmodule(row.kind)]
    if row.name == "orders":
        modules += [order_facts, order_claims, order_rounds, order_events]
    tree = [ast.walk(ast.parse(textwrap.dedent(inspect.getsource(module)))) for module in modules if module is not None]
    return {node.func.id for nodes in tree for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_each_rung_of_the_ladder_is_uttered_by_one_keeper() -> None:
    """Holding the next command is the permission: orders vets, risk gates, the breaker records, the journal places."""
    rungs = {"VetOrder": "orders", "GateOrder": "risk", "RecordOrder": "breaker", "PlaceOrder": "journal"}
    utterances = {row.name: said(row) for row in ACTORS}
    for command, only in rungs.items():
        assert [name for name, words in utterances.items() if command in words] == [only], command


def test_durable_events_of_keepers_are_written_down() -> None:
    """Whatever puts a durable row goes to the journal, or a cold start would not find it."""
    for row in KEEPERS:
        for kind in row.kind.owns:
            durable: Any = kind.durable
            if durable and kind is not events.OrderAdmitted:
                assert "journal" in ROUTES[kind], kind.__name__


def test_every_row_makes_a_valid_spec() -> None:
    """Desks, budgets and limits are what the machinery accepts; names are unique; the journal alone is fatal."""
    rows = (*ACTORS, STRATEGY)
    for row in rows:
        spec = ActorSpec(row.name, row.kind, row.desk, hang_s=row.hang_s, tick_s=row.tick_s, batch_max=row.batch_max)
        assert spec.desk == row.desk
    assert len({row.name for row in rows}) == len(rows)
    assert [row.name for row in rows if row.fatal] == ["journal"]
    assert all(row.retry_letter for row in KEEPERS)
    assert [row.name for row in HANDS if row.retry_letter] == ["feed"], "it touches nothing, so hearing twice does no harm"


def test_routes_look_strategies_up() -> None:
    """An order's event goes to its own strategy only, a stop to all, an operator's order to none of them."""
    found = routes(["one", "two"])
    (mine,) = [receiver for receiver in found[events.OrderSubmitted] if not isinstance(receiver, str)]
    (every,) = found[commands.StopStrategies]
    assert not isinstance(every, str)

    class Word:
        def __init__(self, strategy: str) -> None:
            self.order = self
            self.strategy = strategy

    assert list(mine(Word("one"))) == ["strategy:one"]
    assert list(mine(Word("user"))) == []
    assert list(every(object())) == ["strategy:one", "strategy:two"]


def test_the_map_shows_every_row_and_every_message() -> None:
    """Nothing on the page is missing from what is printed (that the README shows it is tests/doors/test_readme.py)."""
    words = set(topology.the_map().replace(",", " ").split())
    assert {row.name for row in (*ACTORS, STRATEGY)} <= words
    assert {kind.__name__ for kind in ROUTES} <= words
