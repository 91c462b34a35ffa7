"""The whole life of one order in a journal: the records about it, and those that book it into the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

from realtrading.domain.events import BalanceUpdated
from realtrading.journal import archives, history, reading
from realtrading.journal.files import connected_for_reading
from realtrading.journal.records import Stored
from realtrading.journal.sealing import Sealed

_LEDGER = "BalanceUpdated"
_OVER = "OrderArchived"


def life_of(path: Path | str, order_id: str) -> list[Stored]:
    """Every record about the order, from intent to ledger, oldest first; empty when the journal knows no such order.

    A ledger line is told when the order's effect in it changed, not each time it is repeated. Raises `BadInput` when
    `path` is not a journal, `JournalDamaged` rather than give a wrong value, `ArchiveMissing` when the rest, or all of
    it, may be in an archive that is not there.
    """
    if not order_id.isprintable():
        return []  # bytes of a command line that are no text are no id either
    path = Path(path).resolve()
    with connected_for_reading(path) as connection:
        connection.execute("BEGIN")  # one moment: records may move into an archive meanwhile
        own = [reading.stored(record, path) for record in history.records_of(connection, path, order_id)]
        if not own:
            archives.require_all(connection, path)
            return []
        named = f'"{order_id}"'
        ledger = (
            reading.stored(record, path)
            for record in _until_over(history.records(connection, path, after=own[0].seq - 1), own[-1])
            # most lines are about other orders: those are not worth decoding
            if record.type == _LEDGER and named in record.payload
        )
        return sorted([*own, *_changes(ledger, order_id)], key=lambda one: one.seq)


def effect_of(stored: Stored, order_id: str) -> tuple[str, Decimal] | None:
    """Asset and signed total effect, fees included, that a ledger line gives the order; None for any other record."""
    event = stored.event
    if not isinstance(event, BalanceUpdated) or order_id not in event.line.orders:
        return None
    return event.asset, event.line.orders[order_id]


def _until_over(records: Iterator[Sealed], last: Stored) -> Iterator[Sealed]:
    """Of an order that left the tables no later record speaks."""
    return takewhile(lambda record: record.seq <= last.seq, records) if last.type == _OVER else records


def _changes(ledger: Iterator[Stored], order_id: str) -> Iterator[Stored]:
    last: dict[str, Decimal] = {}
    for one in ledger:
        effect = effect_of(one, order_id)
        if effect is not None and last.get(effect[0]) != effect[1]:
            last[effect[0]] = effect[1]
            yield one
