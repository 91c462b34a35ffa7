"""The one who writes: every batch is one transaction in which the truth (`events`) and its fold (`current`) move
together.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from realtrading.domain.values import ClientId
from realtrading.journal import archives, checkpoints, reading, sealing
from realtrading.journal.checkpoints import Checkpoint
from realtrading.journal.codec import Encoded, decode_row, encode_with_rows
from realtrading.journal.errors import JournalFailed, Unwritable
from realtrading.journal.records import Appended, IntentRecorded, Record, order_id_of, seen_run_of
from realtrading.journal.recovery import recovered

_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SEEN = "SELECT 1 FROM events WHERE order_id = ? AND type = 'IntentRecorded'"
_PUT = (
    "INSERT INTO current VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value, seq = excluded.seq, crc = excluded.crc"
)
_DROP = "DELETE FROM current WHERE tbl = ? AND key = ?"


@attrs.frozen
class Prepared:
    """A record encoded before the transaction begins, so that nothing but the disk can fail inside it."""

    record: Record
    at: str
    order_id: str | None
    encoded: Encoded


class Writer:
    """Owns the writing connection and remembers where the journal ends. Any failure inside a transaction is final."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Check the journal's end and every current row. Raises `JournalDamaged` naming the first bad record."""
        found = recovered(connection, path)
        tail = found.tail
        self.notes = found.notes
        self.connection = connection
        self.path = path
        self.failure: str | None = None
        self.seq, self.state = tail.seq, tail.state
        self.seen_runs: dict[str, int] = reading.current_rows(connection, path, "seen_runs")
        self.written: Counter[str] = Counter()
        self.since_checkpoint = 0
        self.since_kept = tail.seq - found.checkpoint
        self.last_commit_s = 0.0
        self._chain, self._digests = tail.chain, tail.digests
        self._runs_over = archives.runs_over(connection, path)

    def require_usable(self) -> None:
        """Raise `JournalFailed` once something failed, and after `close`."""
        if self.failure is not None:
            raise JournalFailed(f"journal {self.path} takes nothing more: {self.failure}")

    def prepare(self, records: Sequence[Record]) -> list[Prepared]:
        """Encode everything. Raises `Unwritable`; nothing is written then, and nothing is lost but the batch."""
        seen_runs = dict(self.seen_runs)
        prepared = []
        for record in records:
            encoded = encode_with_rows(record.event, seen_runs)
            seen = seen_run_of(record.event)
            if seen is not None:
                seen_runs[seen[0]] = max(seen[1], seen_runs.get(seen[0], 0))
            prepared.append(Prepared(record, iso(record.at), order_id_of(record.event), encoded))
        return prepared

    def commit(self, run: int, batch: Sequence[Prepared], *extra: tuple[str, tuple[Any, ...]]) -> Appended:
        """Write the batch, and the statements `extra` before it, in one transaction. Raises `JournalFailed`."""
        started = time.perf_counter()
        recorded: set[str] = set()
        duplicates: set[str] = set()
        with self.disk():
            self.connection.execute("BEGIN IMMEDIATE")
            for statement in extra:
                self.connection.execute(*statement)
            for prepared in batch:
                event = prepared.record.event
                if isinstance(event, IntentRecorded):
                    if self._is_recorded(event.order.id):
                        duplicates.add(event.order.id)
                        continue
                    recorded.add(event.order.id)
                self._write(run, prepared)
            self.connection.execute("COMMIT")
        self.last_commit_s = time.perf_counter() - started
        return Appended(last_seq=self.seq, recorded=frozenset(recorded), duplicates=frozenset(duplicates))

    def execute(self, statement: str, given: tuple[Any, ...] = ()) -> list[Any]:
        """One statement in a transaction of its own. Raises `JournalFailed`."""
        with self.disk():
            return self.connection.execute(statement, given).fetchall()

    def keep_checkpoint(self) -> None:
        """Write all current rows as a checkpoint. Raises `JournalFailed`."""
        with self.disk():
            self.connection.execute("BEGIN IMMEDIATE")
            raw = reading.raw_rows(self.connection, self.path)
            rows = {(table, key): (value, seq) for table, key, value, seq in raw}
            state = sealing.state_bytes(self.state)
            if checkpoints.state_of(rows) != state:
                raise reading.not_the_state_of(self.seq, self.path)
            checkpoints.put(self.connection, Checkpoint(self.seq, self._chain, state, rows))
            self.connection.execute("COMMIT")
        self.since_kept = 0

    @contextmanager
    def disk(self) -> Iterator[None]:
        """Whatever ends this block early, a refusing disk or a killed thread, ends the journal: nobody knows what is on
        disk.
        """
        try:
            yield
        except BaseException as error:
            self.failure = f"{type(error).__name__}: {error}"
            with suppress(sqlite3.Error):
                self.connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise JournalFailed(f"journal {self.path} failed: {error}") from error
            raise

    def _is_recorded(self, order_id: str) -> bool:
        minted = ClientId.parse(order_id) if self._runs_over else None
        if minted is not None and minted.run <= self._runs_over:
            return True  # its run is over, and its record may lie in an archive
        return self.connection.execute(_SEEN, (order_id,)).fetchone() is not None

    def _write(self, run: int, prepared: Prepared) -> None:
        record, encoded = prepared.record, prepared.encoded
        self.seq += 1
        for table, key, value in encoded.rows:
            self._put(table, key, value)
        facts = (self.seq, run, record.letter_seq, record.cause, record.sender, encoded.type, prepared.at)
        sealed = (*facts, prepared.order_id, encoded.payload, sealing.state_bytes(self.state))
        body = sealing.event_body(*sealed)
        self._chain = sealing.link(self._chain, body)
        self.connection.execute(_INSERT, (*sealed, sealing.crc(body), self._chain))
        self.written[encoded.type] += 1
        self.since_checkpoint += 1
        self.since_kept += 1

    def _put(self, table: str, key: str, value: str | None) -> None:
        self.state ^= self._digests.pop((table, key), 0)
        if value is None:
            self.connection.execute(_DROP, (table, key))
            return
        digest = sealing.row_digest(table, key, value, self.seq)
        self.state ^= digest
        self._digests[table, key] = digest
        if table == "seen_runs":
            self.seen_runs[key] = decode_row(table, value)
        self.connection.execute(_PUT, (table, key, value, self.seq, sealing.checksum(table, key, value, self.seq)))


def iso(moment: datetime) -> str:
    """A moment's one spelling: UTC, ISO 8601. Raises `Unwritable` when it has no time zone."""
    if moment.tzinfo is None:
        raise Unwritable(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat()
