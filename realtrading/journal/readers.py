"""Opens a journal for looking only: beside the running house or after its death; never writes, never checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from realtrading.domain.orders import RealOrder
from realtrading.journal import files, history, reading
from realtrading.journal.binding import Binding
from realtrading.journal.codec import EVENTS
from realtrading.journal.fold import EngineLedger, fold_ledger
from realtrading.journal.records import Run, Stored

_MONEY = tuple(name for name in EVENTS if name.startswith(("Order", "Position", "BalanceUpdated", "AccountRebased")))


@attrs.frozen(kw_only=True)
class LifeStep:
    """One record about an order: letter `letter_seq` of run `run`, produced while letter `cause` was handled."""

    seq: int
    run: int
    letter_seq: int
    cause: int | None
    sender: str
    type: str
    at: datetime


class JournalReader:
    """A journal opened for looking; every method raises `JournalDamaged` or `Unreadable` rather than give a wrong
    value.
    """

    def __init__(self, path: Path, connection: Any) -> None:
        """For `opened`."""
        self.path = path
        self._connection = connection

    def binding(self) -> Binding:
        """Whose journal it is."""
        return reading.binding_of(self._connection, self.path)

    def runs(self) -> list[Run]:
        """The book of runs, oldest first."""
        return reading.read_runs(self._connection, self.path)

    def last_seq(self) -> int:
        """The number of the last record; 0 when there is none."""
        return reading.last_seq(self._connection, self.path)

    def rows(self, table: str) -> dict[str, Any]:
        """A table's current rows, checked against the last record's word, so that none is missing either."""
        return self.tables(table)[0]

    def tables(self, *names: str) -> list[dict[str, Any]]:
        """The rows of several tables at one moment, checked as by `rows`."""
        self._connection.execute("BEGIN")  # one moment for all
        try:
            reading.checked_tail(self._connection, self.path)
            return [reading.current_rows(self._connection, self.path, name) for name in names]
        finally:
            self._connection.rollback()

    def events(self, after: int = 0, types: Sequence[str] | None = None, order_id: str | None = None) -> Iterator[Stored]:
        """Records with `seq` above `after`, in order, of these types and this order only when given."""
        return history.events(self._connection, self.path, after=after, types=types, order_id=order_id)

    def rare_events(self, types: Sequence[str], *, since_last: tuple[int, Sequence[str]] | None = None) -> Iterator[Stored]:
        """Records of these rare types in order, by index, out of the journal itself and no archive; with `since_last`
        only those from the so-manyth newest record of other types on.
        """
        after = 0 if since_last is None else reading.newest_of(self._connection, since_last[1], since_last[0]) - 1
        for record in reading.rare_records(self._connection, self.path, types, after=after):
            yield reading.stored(record, self.path)


@contextmanager
def opened(path: Path | str) -> Iterator[JournalReader]:
    """A `JournalReader` for the length of the block. Raises `BadInput` when `path` is not a journal this version
    reads.
    """
    path = Path(path).resolve()
    with files.connected_for_reading(path) as connection:
        yield JournalReader(path, connection)


def read_orders(path: Path | str) -> dict[str, RealOrder]:
    """The orders the house holds now, by client id."""
    with opened(path) as reader:
        return reader.rows("orders")


def order_life(path: Path | str, client_id: str) -> list[LifeStep]:
    """Every record about one order, oldest first; empty when the journal knows no such order."""
    with opened(path) as reader:
        return [
            LifeStep(
                seq=one.seq,
                run=one.run,
                letter_seq=one.letter_seq,
                cause=one.cause,
                sender=one.sender,
                type=one.type,
                at=one.at,
            )
            for one in reader.events(order_id=client_id)
        ]


def fold_engine_ledger(path: Path | str, symbols: Mapping[str, tuple[str, str]] | None = None) -> EngineLedger:
    """What the house's own book says it holds: opening + fills - fees out of the recorded events alone
    (`fold_ledger`).
    """
    with opened(path) as reader:
        return fold_ledger((stored.event for stored in reader.events(types=_MONEY)), symbols)
