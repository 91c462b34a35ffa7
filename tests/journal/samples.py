"""Values for the journal's tests: orders by hand, any durable class from its type hints, by seed or by hypothesis."""

from __future__ import annotations

import enum
import random
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
from hypothesis import strategies as st

from realtrading.domain.events import Event, OrderFilled, OrderPlaced
from realtrading.domain.orders import OrderFill, OrderState, RealOrder
from realtrading.domain.values import ClientId, OrderType, Role, Side
from realtrading.journal.records import IntentRecorded
from realtrading.journal.store import Binding, Journal, Record

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def client_id(counter: int, run: int = 1) -> str:
    """An id minted by our house."""
    return str(ClientId(prefix="rt", run=run, strategy="demo", role=Role.ENTRY, counter=counter))


def order(counter: int = 1, *, run: int = 1, side: Side = Side.BUY, fills: tuple[OrderFill, ...] = ()) -> RealOrder:
    """A market order of BTCUSDT."""
    return RealOrder(
        id=client_id(counter, run),
        strategy="demo",
        role=Role.ENTRY,
        symbol="BTCUSDT",
        side=side,
        order_type=OrderType.MARKET,
        original_quantity=Decimal("0.50"),
        quote_quantity=None,
        price=None,
        state=OrderState.FILLED if fills else OrderState.PENDING,
        executed_quantity=sum((fill.quantity for fill in fills), Decimal(0)),
        fills=fills,
        created_at=START,
        updated_at=START + timedelta(milliseconds=counter),
    )


def fill(trade_id: int, quantity: str, price: str, commission: str, asset: str) -> OrderFill:
    """One trade; its quote amount is price times quantity."""
    return OrderFill(
        trade_id=trade_id,
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(price) * Decimal(quantity),
        commission=Decimal(commission),
        commission_asset=asset,
        is_maker=False,
        timestamp=START,
    )


def intent(counter: int, run: int = 1) -> Record:
    """The record of an order let through."""
    return record(IntentRecorded(order=order(counter, run=run), gate=7), counter)


def placed(counter: int, run: int = 1) -> Record:
    """The record of an order that the exchange confirmed."""
    return record(OrderPlaced(order=attrs.evolve(order(counter, run=run), state=OrderState.NEW)), counter)


def filled(counter: int, side: Side, *fills: OrderFill) -> Record:
    """The record of a filled order."""
    return record(OrderFilled(order=order(counter, side=side, fills=fills), fills=fills), counter)


def record(event: Event, letter: int = 1, sender: str = "orders") -> Record:
    """The event as a letter brought it."""
    return Record(letter_seq=letter, cause=letter - 1 or None, sender=sender, at=START, event=event)


def opened(path: Path, **changes: Any) -> Journal:
    """A journal as the house opens it, with `process` durability unless changed."""
    given: dict[str, Any] = {
        "binding": Binding(mode="simulated"),
        "durability": "process",
        "code_version": "0.1.0",
        "config_digest": "c0ffee",
        "utc": lambda: START,
    }
    return Journal.open(path, **{**given, **changes})


# -- any class, from its type hints ---------------------------------------------------------------------------------


def strategy_of(hint: Any) -> st.SearchStrategy[Any]:
    """Hypothesis values of a type hint that the domain uses."""
    leaf = _LEAVES.get(hint)
    if leaf is not None:
        return leaf
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if isinstance(hint, type) and attrs.has(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: strategy_of(hints[field.name]) for field in attrs.fields(hint)})
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(strategy_of(argument) for argument in arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(strategy_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(strategy_of(argument) for argument in arguments))
    if origin is frozenset:
        return st.frozensets(strategy_of(arguments[0]), max_size=3)
    assert origin is Mapping, hint
    return st.dictionaries(st.text(max_size=6), strategy_of(arguments[1]), max_size=3)


_ZONES = st.sampled_from([UTC, *(_zone for _zone in (datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo,) if _zone)])
_LEAVES: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    bool: st.booleans(),
    int: st.integers(-(2**63) + 1, 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=None).filter(
        lambda number: number.adjusted() > -40
    ),
    datetime: st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=_ZONES),  # noqa: DTZ001 - zones are drawn
    date: st.dates(),
    type(None): st.none(),
}


def seeded(hint: Any, chance: random.Random) -> Any:
    """One value of a type hint, the same for the same seed on every machine and every version of our tools."""
    for kind, make in _SEEDED.items():
        if hint is kind:
            return make(chance)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return chance.choice(list(hint))
    if isinstance(hint, type) and attrs.has(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{field.name: seeded(hints[field.name], chance) for field in attrs.fields(hint)})
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return seeded(chance.choice(arguments), chance)
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(seeded(arguments[0], chance) for _ in range(chance.randint(0, 2)))
    if origin is tuple:
        return tuple(seeded(argument, chance) for argument in arguments)
    if origin is frozenset:
        return frozenset(seeded(arguments[0], chance) for _ in range(2))
    assert origin is Mapping, hint
    return {seeded(str, chance): seeded(arguments[1], chance) for _ in range(chance.randint(0, 2))}


_SEEDED: Mapping[Any, Callable[[random.Random], Any]] = {
    str: lambda chance: chance.choice(["BTC", "ETH", "größe", 'a "q"']) + str(chance.randint(0, 999)),
    bool: lambda chance: chance.random() < 0.5,
    int: lambda chance: chance.randint(0, 10**12),
    float: lambda chance: chance.randint(0, 10**6) / 1024,
    Decimal: lambda chance: Decimal(chance.randint(-(10**9), 10**12)).scaleb(-chance.randint(0, 8)),
    datetime: lambda chance: START + timedelta(microseconds=chance.randint(0, 10**12)),
    date: lambda chance: START.date() + timedelta(days=chance.randint(0, 400)),
    type(None): lambda chance: None,
}
