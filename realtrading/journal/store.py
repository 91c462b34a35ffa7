"""The journal as the house knows it: open it, begin a run, append, read back, close."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from realtrading.domain.identity import OwnRuns
from realtrading.errors import BadInput, HouseError
from realtrading.journal import files, history, reading, sealing
from realtrading.journal.binding import RESTORED, Binding, joined
from realtrading.journal.checkpoints import KEPT_EVERY, KEPT_FORCED
from realtrading.journal.codec import ROWS
from realtrading.journal.errors import EXIT_CONFIGURATION, JournalDamaged, JournalFailed, Unreadable, Unwritable
from realtrading.journal.files import Durability
from realtrading.journal.records import Appended, IntentRecorded, Record, Run, RunBegan, Stored
from realtrading.journal.verify import VerifyReport, verify
from realtrading.journal.writer import Writer, iso

__all__ = [  # the room's public names: other rooms import them from here
    "Appended",
    "Binding",
    "Durability",
    "IntentRecorded",
    "Journal",
    "JournalDamaged",
    "JournalFailed",
    "Record",
    "Run",
    "Stored",
    "Unreadable",
    "Unwritable",
    "VerifyReport",
]

CHECKPOINT_DUE = 500
"""Records after which a checkpoint is worth an idle moment."""
CHECKPOINT_FORCED = 4 * CHECKPOINT_DUE
"""Records after which `append` makes one itself, busy or not."""

_FORGET = "DELETE FROM meta WHERE key = ?"
_FACT = "INSERT INTO meta VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_RUN_BEGINS = "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)"
_RUN = "SELECT run, started, code_version, config_digest FROM runs WHERE run = ?"
_RUN_ENDS = "UPDATE runs SET stopped = ?, crc = ? WHERE run = ?"


class Journal:
    """The house's memory. Open it with `Journal.open`; used by one thread at a time.

    After any failure of the disk it refuses everything (`JournalFailed`): nothing of that batch may be acknowledged,
    and the process should end.
    """

    def __init__(
        self,
        writer: Writer,
        lock: int,
        *,
        binding: Binding,
        code_version: str,
        config_digest: str,
        utc: Callable[[], datetime],
    ) -> None:
        """For `open`, which checks what is handed in here."""
        self.path = writer.path
        self._writer = writer
        self._lock: int | None = lock
        self._binding = binding
        self._code_version = code_version
        self._config_digest = config_digest
        self._utc = utc
        self._run: int | None = None

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
        connection: sqlite3.Connection | None = None
        try:
            if os.path.lexists(path):
                files.examine(path)
            else:
                files.create(path, _birth(binding, utc()))
            with files.reading(path):
                connection = files.connect_for_writing(path, durability)
                held = joined(reading.binding_of(connection, path), binding, path)
                files.upgrade(connection, path)
                writer = Writer(connection, path)
            journal = cls(writer, lock, binding=held, code_version=code_version, config_digest=config_digest, utc=utc)
            if held.account_uid is not None:
                journal.bind(held.account_uid)
            return journal
        except BaseException:
            if connection is not None:
                connection.close()
            os.close(lock)
            raise

    def bind(self, account_uid: int) -> None:
        """Say whose account it is, as soon as the venue told it. Raises `BadInput` (5) when it belongs to another."""
        self._writer.require_usable()
        held = joined(self._binding, Binding(mode=self._binding.mode, account_uid=account_uid), self.path)
        fact = ("account_uid", str(account_uid))
        self._writer.execute(_FACT, (*fact, sealing.checksum(*fact)))
        self._binding = held

    def begin_run(self, seen_run: int = 0) -> int:
        """Begin a run and return its number: above every run of this journal and of its client ids, and above
        `seen_run`, the highest one that the exchange's client ids show. The first run of a restored journal adopts.
        """
        run: int = 1 + max(self.rows("journal").get("run", 0), self.client_runs_seen(), seen_run)
        began = self._utc()
        facts = (run, iso(began), self._code_version, self._config_digest, None)
        event = RunBegan(
            run=run, code_version=self._code_version, config_digest=self._config_digest, adopts=self.restored
        )
        first = Record(letter_seq=0, cause=None, sender="journal", at=began, event=event)
        line = (_RUN_BEGINS, (*facts, sealing.checksum(*map(str, facts))))
        self._writer.commit(run, self._writer.prepare([first]), line, (_FORGET, (RESTORED,)))
        self._run = run
        return run

    def close(self) -> None:
        """End the run in its book and close the file. After a failure nothing more is written."""
        if self._lock is None:
            return
        try:
            if self._writer.failure is None:
                if self._run is not None:
                    self._end_run(self._run)
                if self._writer.since_kept >= KEPT_EVERY:
                    self._writer.keep_checkpoint()
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._writer.connection.close()
            os.close(self._lock)
            self._lock = None
            self._writer.failure = self._writer.failure or "it is closed"

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def restored(self) -> bool:
        """True for a journal made of a backup that no run has begun on yet."""
        self._writer.require_usable()
        with files.reading(self.path):
            return RESTORED in reading.read_meta(self._writer.connection, self.path)

    def own_runs(self) -> OwnRuns:
        """The run numbers in client ids that are this journal's own; every one while it has begun none."""
        begun = frozenset(run.run for run in self.runs())
        if not begun:
            return OwnRuns()
        return OwnRuns(begun=begun, adopted=self.rows("journal").get("adopted", min(begun) - 1))

    # -- writing --------------------------------------------------------------

    def append(self, records: Sequence[Record]) -> Appended:
        """Write all records and their rows in one transaction; on return they are as safe as the durability says.

        An intent whose client id was recorded before is left out and named in the answer. Raises `Unwritable` when a
        value has no place in a journal (nothing is written, the journal stays usable) and `JournalFailed` when the disk
        refused.
        """
        self._writer.require_usable()
        if self._run is None:
            raise HouseError("the journal takes records only after begin_run")
        appended = self._writer.commit(self._run, self._writer.prepare(records))
        if self._writer.since_kept >= KEPT_FORCED:
            self.checkpoint()
        elif self._writer.since_checkpoint >= CHECKPOINT_FORCED:
            self._move_log()
        return appended

    @property
    def checkpoint_due(self) -> bool:
        """True when an idle moment should be spent on `checkpoint`."""
        return self._writer.since_checkpoint >= CHECKPOINT_DUE

    def checkpoint(self) -> None:
        """Move committed records from the write-ahead log into the file, and after many records keep all rows for the
        next start to begin from; waits for no reader. Raises `JournalFailed`.
        """
        self._writer.require_usable()
        if self._writer.since_kept >= KEPT_EVERY:
            self._writer.keep_checkpoint()
        self._move_log()

    def _move_log(self) -> None:
        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._writer.since_checkpoint = 0

    # -- reading --------------------------------------------------------------

    def rows(self, table: str) -> dict[str, Any]:
        """A table's current rows, for recovery. Raises `JournalDamaged` or `Unreadable` naming the row."""
        self._writer.require_usable()
        if table not in ROWS:
            raise HouseError(f"the journal has no table {table!r}")
        with files.reading(self.path):
            return reading.current_rows(self._writer.connection, self.path, table)

    def events(self, after: int = 0, types: Sequence[str] | None = None, order_id: str | None = None) -> Iterator[Stored]:
        """Records with `seq` above `after`, in order, of these types and this order only when given."""
        self._writer.require_usable()
        return history.events(self._writer.connection, self.path, after=after, types=types, order_id=order_id)

    def runs(self) -> list[Run]:
        """The book of runs, oldest first."""
        self._writer.require_usable()
        with files.reading(self.path):
            return reading.read_runs(self._writer.connection, self.path)

    def verify(self) -> VerifyReport:
        """Check everything on disk, through a connection of its own."""
        return verify(self.path)

    def now(self) -> datetime:
        """The moment by the journal's clock."""
        return self._utc()

    def client_runs_seen(self) -> int:
        """The highest run number in any client id of ours that a record is about; 0 when there is none."""
        return max(self._writer.seen_runs.values(), default=0)

    def last_state_digest(self) -> str:
        """Digest of all current rows, 64 hexadecimal digits: equal digests, equal rows."""
        return sealing.state_bytes(self._writer.state).hex()

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was found damaged at opening and is whole again; for the log."""
        return self._writer.notes

    @property
    def binding(self) -> Binding:
        """Whose journal it is."""
        return self._binding

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        return self._writer.seq

    # -- for the metrics, from any thread -------------------------------------

    @property
    def failed(self) -> bool:
        """True once the disk refused."""
        return self._writer.failure is not None and self._lock is not None

    @property
    def records_total(self) -> Mapping[str, int]:
        """Records written since opening, by type."""
        return dict(self._writer.written)

    @property
    def last_commit_s(self) -> float:
        """Seconds the last transaction took."""
        return self._writer.last_commit_s

    @property
    def size_bytes(self) -> int:
        """Bytes of the file and its write-ahead log."""
        return sum(_size(self.path.with_name(self.path.name + suffix)) for suffix in ("", "-wal"))

    @property
    def free_bytes(self) -> int:
        """Bytes a normal user may still write on the journal's file system."""
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    # -- inside ---------------------------------------------------------------

    def _end_run(self, run: int) -> None:
        (facts,) = self._writer.execute(_RUN, (run,))
        stopped = iso(self._utc())
        crc = sealing.checksum(*map(str, (*facts, stopped)))
        self._writer.execute(_RUN_ENDS, (stopped, crc, run))


def _birth(binding: Binding, now: datetime) -> dict[str, str]:
    meta = {"mode": binding.mode, "created": iso(now)}
    return meta if binding.account_uid is None else {**meta, "account_uid": str(binding.account_uid)}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
