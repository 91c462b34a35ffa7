"""The closed registry of everything durable, and its bytes: `{"type", "value", "version"}` as JSON with sorted keys.

A field that is missing on reading takes its default, so old journals stay readable; an unknown class, field or version
is refused: guessing at what a newer version meant could cost money. `VERSION` rises when the meaning of a written field
changes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from realtrading.domain import events as domain_events
from realtrading.domain.balances import LedgerLine
from realtrading.domain.breaker import BreakerCause, CircuitBreakerState
from realtrading.domain.events import Event
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.risk import RiskDay
from realtrading.journal.errors import Unreadable, Unwritable
from realtrading.journal.leaves import Misfit, Shape
from realtrading.journal.records import AccountRebased, IntentRecorded, RunBegan, rows_of
from realtrading.journal.shapes import record_shape, shape_of

VERSION = 1

_BASES = frozenset({"Event", "OrderEvent", "PositionEvent"})


def _durable_events() -> dict[str, type[Event]]:
    found = {
        name: kind
        for name, kind in vars(domain_events).items()
        if isinstance(kind, type) and issubclass(kind, Event) and kind.durable and name not in _BASES
    }
    own = (AccountRebased, IntentRecorded, RunBegan)
    return {**found, **{kind.__name__: kind for kind in own}}


EVENTS: Mapping[str, type[Event]] = _durable_events()
"""Every event that may be in a journal, by the name it has there."""

ROWS: Mapping[str, tuple[str, Any]] = {
    "orders": ("RealOrder", RealOrder),
    "positions": ("PositionBook", PositionBook),
    "ledger": ("LedgerLine", LedgerLine),
    "cursors": ("int", int),
    "breaker": ("Breaker", tuple[CircuitBreakerState, tuple[BreakerCause, ...]]),
    "gate": ("int", int),
    "day": ("RiskDay", RiskDay),
    "journal": ("int", int),
    "seen_runs": ("int", int),
}
"""Every table of `current`: the name of its values and their type. The last two are the journal's own."""

_ROW_SHAPES: Mapping[str, tuple[str, Shape]] = {table: (name, shape_of(hint)) for table, (name, hint) in ROWS.items()}
_encoder = msgspec.json.Encoder(order="deterministic")


@functools.cache
def _event_shape(name: str) -> Shape:
    """Made when first needed: whoever only reads rows needs none."""
    return record_shape(EVENTS[name])


@attrs.frozen
class Encoded:
    """An event ready to be written: its type, its payload, and its rows as (table, key, text); text None deletes the
    row.
    """

    type: str
    payload: str
    rows: tuple[tuple[str, str, str | None], ...]


def encode_event(event: Event) -> str:
    """The event's bytes as text. Raises `Unwritable` for a class outside the registry or a field that breaks its
    type.
    """
    name, fields = _event_fields(event)
    return _text(name, fields)


def encode_with_rows(event: Event, seen_runs: Mapping[str, int]) -> Encoded:
    """The event and every row of `current` it is. Raises `Unwritable`."""
    name, fields = _event_fields(event)
    return Encoded(name, _text(name, fields), _rows(event, fields, seen_runs))


def rows_again(payload: str, seen_runs: Mapping[str, int]) -> tuple[tuple[str, str, str | None], ...]:
    """The rows that a written event is, as `encode_with_rows` told them then: a field that its classes got later is not
    added. Raises `Unreadable`.
    """
    name, fields = _opened(payload)
    return _rows(_event(name, fields), fields, seen_runs)


def encode_row(table: str, value: object) -> str:
    """A row's value as text. Raises `Unwritable` for an unknown table or a value that is not the table's."""
    name, shape = _row_shape(table)
    return _text(name, _encoded(shape, value, name))


def decode_event(text: str | bytes) -> Event:
    """The event. Raises `Unreadable` for an unknown class, field or version."""
    return _event(*_opened(text))


def decode_row(table: str, text: str | bytes) -> Any:
    """The row's value. Raises `Unreadable` for an unknown table, class, field or version."""
    if table not in _ROW_SHAPES:
        raise Unreadable(f"this version of realtrading knows no table {table!r}: written by a newer version?")
    expected, shape = _ROW_SHAPES[table]
    name, fields = _opened(text)
    if name != expected:
        raise Unreadable(f"a row of table {table!r} is a {name!r} instead of a {expected!r}")
    return _decoded(shape, fields, name)


def _event(name: str, fields: Any) -> Event:
    if name not in EVENTS:
        raise Unreadable(f"this version of realtrading knows no event {name!r}: written by a newer version?")
    event: Event = _decoded(_event_shape(name), fields, name)
    return event


def _event_fields(event: Event) -> tuple[str, Any]:
    name = type(event).__name__
    if EVENTS.get(name) is not type(event):
        raise Unwritable(f"{name} is not a durable event of the journal's registry")
    return name, _encoded(_event_shape(name), event, name)


def _rows(event: Event, fields: Mapping[str, Any], seen_runs: Mapping[str, int]) -> tuple[tuple[str, str, str | None], ...]:
    return tuple(
        (table, key, None if value is None else _row_text(table, value, event, fields))
        for table, key, value in rows_of(event, seen_runs)
    )


def _row_text(table: str, value: object, event: Event, fields: Mapping[str, Any]) -> str:
    """A row is mostly one of its event's fields, which is encoded already."""
    name, shape = _row_shape(table)
    for field in attrs.fields(type(event)):
        if getattr(event, field.name) is value and type(value).__name__ == name and field.name in fields:
            return _text(name, fields[field.name])
    return _text(name, _encoded(shape, value, name))


def _row_shape(table: str) -> tuple[str, Shape]:
    if table not in _ROW_SHAPES:
        raise Unwritable(f"table {table!r} is not in the journal's registry")
    return _ROW_SHAPES[table]


def _text(name: str, fields: Any) -> str:
    try:
        return _encoder.encode({"type": name, "value": fields, "version": VERSION}).decode()
    except (msgspec.EncodeError, UnicodeEncodeError, OverflowError) as error:
        raise Unwritable(f"{name} cannot be written as JSON: {error}") from error


def _opened(text: str | bytes) -> tuple[str, Any]:
    try:
        record = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"not a record of a journal: {error}") from error
    if not isinstance(record, dict) or set(record) != {"type", "value", "version"}:
        raise Unreadable("not a record of a journal: it has not exactly type, value and version")
    name, version = record["type"], record["version"]
    if type(version) is not int or not 1 <= version <= VERSION:
        raise Unreadable(f"{name} is written in version {version!r}; this realtrading reads up to version {VERSION}")
    return str(name), record["value"]


def _encoded(shape: Shape, value: object, name: str) -> Any:
    try:
        return shape.encode(value)
    except Misfit as misfit:
        raise Unwritable(f"{name}{misfit}") from misfit


def _decoded(shape: Shape, fields: Any, name: str) -> Any:
    try:
        return shape.decode(fields)
    except Misfit as misfit:
        raise Unreadable(f"{name}{misfit}: written by a newer version?") from misfit
    except (TypeError, ValueError) as error:
        raise Unreadable(f"{name}: {error}") from error
