"""The journal: one writer, one file, every batch one transaction; the truth (`events`) and its fold (`current`) move
together.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs

from realtrading.errors import BadInput, HouseError
from realtrading.journal import files, reading, sealing
from realtrading.journal.binding import Binding, joined
from realtrading.journal.codec import ROWS, Encoded, decode_row, encode_with_rows
from realtrading.journal.errors import EXIT_CONFIGURATION, JournalFailed, Unwritable
from realtrading.journal.files import Durability
from realtrading.journal.records import (
    Appended,
    IntentRecorded,
    Record,
    Run,
    RunBegan,
    Stored,
    order_id_of,
    seen_run_of,
)
from realtrading.journal.verify import VerifyReport, verify

CHECKPOINT_DUE = 500
"""Records after which a checkpoint is worth an idle moment."""
CHECKPOINT_FORCED = 4 * CHECKPOINT_DUE
"""Records after which `append` makes one itself, busy or not."""

_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SEEN = "SELECT 1 FROM events WHERE order_id = ? AND type = 'IntentRecorded'"
_PUT = (
    "INSERT INTO current VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value, seq = excluded.seq, crc = excluded.crc"
)
_FACT = "INSERT INTO meta VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_RUN = "SELECT run, started, code_version, config_digest FROM runs WHERE run = ?"
_DROP = "DELETE FROM current WHERE tbl = ? AND key = ?"


@attrs.frozen
class _Prepared:
    """A record encoded before the transaction begins, so that nothing but the disk can fail inside it."""

    record: Record
    at: str
    order_id: str | None
    encoded: Encoded


class Journal:
    """The house's memory. Open it with `Journal.open`; used by one thread at a time.

    After any failure of the disk it refuses everything (`JournalFailed`): nothing of that batch may be acknowledged,
    and the process should end. Reading methods never see an unfinished batch.
    """

    def __init__(
        self,
        path: Path,
        lock: int,
        connection: sqlite3.Connection,
        *,
        binding: Binding,
        code_version: str,
        config_digest: str,
        utc: Callable[[], datetime],
    ) -> None:
        """For `open`, which checks what is handed in here."""
        self.path = path
        self._lock: int | None = lock
        self._connection = connection
        self._binding = binding
        self._code_version = code_version
        self._config_digest = config_digest
        self._utc = utc
        self._run: int | None = None
        self._failure: str | None = None
        self._records: Counter[str] = Counter()
        self._since_checkpoint = 0
        self._last_commit_s = 0.0
        with files.reading(path):
            tail = reading.checked_tail(connection, path)
            self._seen_runs: dict[str, int] = reading.current_rows(connection, path, "seen_runs")
        self._seq, self._chain, self._state, self._digests = tail.seq, tail.chain, tail.state, tail.digests

    # -- life -----------------------------------------------------------------

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        binding: Binding,
        durability: Durability,
        code_version: str,
        config_digest: str,
        utc: Callable[[], datetime],
    ) -> Journal:
        """Open the journal at `path`, or create it there, for this process alone. `utc` tells the time for the book of
        runs.

        Raises `BadInput`: in use by another process (exit code 75); another mode or account (5); not a journal,
        unreadable, or of a newer schema, untouched (4). Raises `JournalDamaged` when the last records or the current
        rows are not what was written.
        """
        path = Path(path).resolve()
        if not path.parent.is_dir():
            missing = f"journal {path} cannot be opened: there is no folder {path.parent}"
            raise BadInput(missing, exit_code=EXIT_CONFIGURATION)
        lock = files.take_lock(path)
        connection = None
        try:
            if os.path.lexists(path):
                files.examine(path)
            else:
                files.create(path, _birth(binding, utc()))
            with files.reading(path):
                connection = files.connect_for_writing(path, durability)
                held = joined(reading.binding_of(connection, path), binding, path)
            journal = cls(
                path, lock, connection, binding=held, code_version=code_version, config_digest=config_digest, utc=utc
            )
            if held.account_uid is not None:
                journal.bind(held.account_uid)
            return journal
        except BaseException:
            if connection is not None:
                connection.close()
            os.close(lock)
            raise

    def bind(self, account_uid: int) -> None:
        """Say whose account it is, as soon as the venue told it. Raises `BadInput` (5) when it belongs to another
        one.
        """
        self._require_usable()
        held = joined(self._binding, Binding(mode=self._binding.mode, account_uid=account_uid), self.path)
        self._binding = held
        value = str(account_uid)
        with self._disk():
            self._connection.execute(_FACT, ("account_uid", value, sealing.checksum("account_uid", value)))

    def begin_run(self, seen_run: int = 0) -> int:
        """Begin a run and return its number: above every run of this journal and of its client ids, and above
        `seen_run`, the highest one that the exchange's client ids show.
        """
        self._require_usable()
        last = self.rows("journal").get("run", 0)
        run: int = 1 + max(last, self.client_runs_seen(), seen_run)
        began = self._utc()
        facts = (run, _iso(began), self._code_version, self._config_digest, None)
        event = RunBegan(run=run, code_version=self._code_version, config_digest=self._config_digest)
        self._run = run
        self._commit(
            self._prepared([Record(letter_seq=0, cause=None, sender="journal", at=began, event=event)]),
            ("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", (*facts, sealing.checksum(*map(str, facts)))),
        )
        return run

    def close(self) -> None:
        """End the run in its book and close the file. After a failure nothing more is written."""
        if self._lock is None:
            return
        try:
            if self._failure is None:
                if self._run is not None:
                    self._stop_run(self._run)
                with self._disk():
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._connection.close()
            os.close(self._lock)
            self._lock = None
            self._failure = self._failure or "it is closed"

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- writing --------------------------------------------------------------

    def append(self, records: Sequence[Record]) -> Appended:
        """Write all records and their rows in one transaction; on return they are as safe as the durability says.

        An intent whose client id was recorded before is left out and named in the answer. Raises `Unwritable` when a
        value has no place in a journal (nothing is written, the journal stays usable) and `JournalFailed` when the disk
        refused.
        """
        self._require_usable()
        if self._run is None:
            raise HouseError("the journal takes records only after begin_run")
        appended = self._commit(self._prepared(records))
        if self._since_checkpoint >= CHECKPOINT_FORCED:
            self.checkpoint()
        return appended

    @property
    def checkpoint_due(self) -> bool:
        """True when an idle moment should be spent on `checkpoint`."""
        return self._since_checkpoint >= CHECKPOINT_DUE

    def checkpoint(self) -> None:
        """Move committed records from the write-ahead log into the file. Waits for no reader. Raises
        `JournalFailed`.
        """
        self._require_usable()
        with self._disk():
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._since_checkpoint = 0

    # -- reading --------------------------------------------------------------

    def rows(self, table: str) -> dict[str, Any]:
        """A table's current rows, for recovery. Raises `JournalDamaged` or `Unreadable` naming the row."""
        self._require_usable()
        if table not in ROWS:
            raise HouseError(f"the journal has no table {table!r}")
        with files.reading(self.path):
            return reading.current_rows(self._connection, self.path, table)

    def events(
        self, after: int = 0, types: Sequence[str] | None = None, order_id: str | None = None
    ) -> Iterator[Stored]:
        """Records with `seq` above `after`, in order, of these types and this order only when given."""
        self._require_usable()
        with files.reading(self.path):
            for sealed in reading.sealed_records(
                self._connection, self.path, after=after, types=types, order_id=order_id
            ):
                yield reading.stored(sealed, self.path)

    def runs(self) -> list[Run]:
        """The book of runs, oldest first."""
        self._require_usable()
        with files.reading(self.path):
            return reading.read_runs(self._connection, self.path)

    def client_runs_seen(self) -> int:
        """The highest run number in any client id of ours that an event of this journal is about; 0 when there is
        none.
        """
        return max(self._seen_runs.values(), default=0)

    def last_state_digest(self) -> str:
        """Digest of all current rows, 64 hexadecimal digits: equal digests, equal rows."""
        return sealing.state_bytes(self._state).hex()

    def verify(self) -> VerifyReport:
        """Check everything on disk, through a connection of its own."""
        return verify(self.path)

    @property
    def binding(self) -> Binding:
        """Whose journal it is."""
        return self._binding

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        return self._seq

    # -- for the metrics ------------------------------------------------------

    @property
    def records_total(self) -> Mapping[str, int]:
        """Records written since opening, by type."""
        return dict(self._records)

    @property
    def last_commit_s(self) -> float:
        """Seconds the last transaction took."""
        return self._last_commit_s

    @property
    def size_bytes(self) -> int:
        """Bytes of the file and its write-ahead log."""
        return sum(_size(self.path.with_name(self.path.name + suffix)) for suffix in ("", "-wal"))

    @property
    def free_bytes(self) -> int:
        """Bytes a normal user may still write on the journal's file system."""
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    @property
    def failed(self) -> bool:
        """True once the disk refused."""
        return self._failure is not None and self._lock is not None

    # -- inside ---------------------------------------------------------------

    def _prepared(self, records: Sequence[Record]) -> list[_Prepared]:
        seen_runs = dict(self._seen_runs)
        prepared = []
        for record in records:
            encoded = encode_with_rows(record.event, seen_runs)
            seen = seen_run_of(record.event)
            if seen is not None:
                seen_runs[seen[0]] = max(seen[1], seen_runs.get(seen[0], 0))
            prepared.append(_Prepared(record, _iso(record.at), order_id_of(record.event), encoded))
        return prepared

    def _commit(self, batch: Sequence[_Prepared], extra: tuple[str, tuple[Any, ...]] | None = None) -> Appended:
        """One transaction. What the object remembers moves inside it, so any failure at all makes the object
        useless.
        """
        started = time.perf_counter()
        duplicates = set()
        with self._disk():
            self._connection.execute("BEGIN IMMEDIATE")
            if extra is not None:
                self._connection.execute(*extra)
            for prepared in batch:
                event = prepared.record.event
                if isinstance(event, IntentRecorded) and self._is_recorded(event.order.id):
                    duplicates.add(event.order.id)
                    continue
                self._write(prepared)
            self._connection.execute("COMMIT")
        self._last_commit_s = time.perf_counter() - started
        return Appended(last_seq=self._seq, duplicates=frozenset(duplicates))

    def _is_recorded(self, order_id: str) -> bool:
        return self._connection.execute(_SEEN, (order_id,)).fetchone() is not None

    def _write(self, prepared: _Prepared) -> None:
        record, encoded = prepared.record, prepared.encoded
        self._seq += 1
        for table, key, value in encoded.rows:
            self._put(table, key, value)
        assert self._run is not None
        facts = (self._seq, self._run, record.letter_seq, record.cause, record.sender, encoded.type, prepared.at)
        sealed = (*facts, prepared.order_id, encoded.payload, sealing.state_bytes(self._state))
        body = sealing.event_body(*sealed)
        self._chain = sealing.link(self._chain, body)
        self._connection.execute(_INSERT, (*sealed, sealing.crc(body), self._chain))
        self._records[encoded.type] += 1
        self._since_checkpoint += 1

    def _put(self, table: str, key: str, value: str | None) -> None:
        self._state ^= self._digests.pop((table, key), 0)
        if value is None:
            self._connection.execute(_DROP, (table, key))
            return
        digest = sealing.row_digest(table, key, value, self._seq)
        self._state ^= digest
        self._digests[table, key] = digest
        if table == "seen_runs":
            self._seen_runs[key] = decode_row(table, value)
        self._connection.execute(_PUT, (table, key, value, self._seq, sealing.checksum(table, key, value, self._seq)))

    def _stop_run(self, run: int) -> None:
        with self._disk():
            facts = self._connection.execute(_RUN, (run,)).fetchone()
            stopped = _iso(self._utc())
            crc = sealing.checksum(*map(str, (*facts, stopped)))
            self._connection.execute("UPDATE runs SET stopped = ?, crc = ? WHERE run = ?", (stopped, crc, run))

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Whatever ends this block early, a refusing disk or a killed thread, ends the journal: nobody knows what is on
        disk.
        """
        try:
            yield
        except BaseException as error:
            self._failure = f"{type(error).__name__}: {error}"
            with suppress(sqlite3.Error):
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise JournalFailed(f"journal {self.path} failed: {error}") from error
            raise

    def _require_usable(self) -> None:
        if self._failure is not None:
            raise JournalFailed(f"journal {self.path} takes nothing more: {self._failure}")


def _birth(binding: Binding, now: datetime) -> dict[str, str]:
    meta = {"mode": binding.mode, "created": _iso(now)}
    return meta if binding.account_uid is None else {**meta, "account_uid": str(binding.account_uid)}


def _iso(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise Unwritable(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
