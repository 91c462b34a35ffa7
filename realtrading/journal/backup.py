"""Copies of a journal: out of one that may be in use, and back to where none is. No living file is ever copied byte by
byte, nothing is ever overwritten, and a copy that does not verify never gets its name.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from realtrading.errors import BadInput
from realtrading.journal.binding import RESTORED
from realtrading.journal.errors import EXIT_CONFIGURATION, EXIT_IN_USE, JournalDamaged
from realtrading.journal.files import connected_for_reading, sync_folder, take_lock
from realtrading.journal.sealing import checksum
from realtrading.journal.verify import VerifyReport, verify

EXIT_REFUSED = 6

# what SQLite says of the file it writes; anything else is about the one it reads
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def backup(path: Path | str, destination: Path | str) -> VerifyReport:
    """Write what the journal at `path` holds at one moment to `destination`, a single file, while the house may go on.

    Returns what verifying the copy found. Raises `BadInput`: `destination` exists (6), cannot be written, or `path` is
    not a journal (4); `JournalDamaged` when what is there does not verify: then there is no copy.
    """
    source, target = Path(path).resolve(), Path(destination).absolute()
    _require_free(target)
    return _copied(source, target)


def restore(copy: Path | str, path: Path | str) -> VerifyReport:
    """Make the journal at `path` out of a backup that verifies, and verify it there; never over another journal. Its
    first run will take newer orders with our prefix for its own.

    Raises as `backup`; 75 when a process is about to open a journal at `path`.
    """
    source, target = Path(copy).resolve(), Path(path).absolute()
    if not target.parent.is_dir():
        raise _unwritable(target, f"there is no folder {target.parent}")
    before = verify(source)
    if before.problem is not None:
        raise JournalDamaged(f"{before.problem}; nothing was restored")
    _require_free(target)
    lock = take_lock(target)
    try:
        _require_free(target)
        after = _copied(source, target, (RESTORED, str(before.records)))
    finally:
        os.close(lock)
    if after != before:
        raise JournalDamaged(f"journal {target} was restored, but {source} changed meanwhile: remove the one and start over")
    return after


def _require_free(target: Path) -> None:
    """Raise `BadInput` (6) when something of this name is there, a lost journal's log included."""
    for each in (target, target.with_name(target.name + "-wal")):
        if os.path.lexists(each):
            raise BadInput(f"{each} is there already and is not overwritten", exit_code=EXIT_REFUSED)


def _copied(source: Path, target: Path, *facts: tuple[str, str]) -> VerifyReport:
    """Copy page by page inside one read transaction, add facts, flush, verify, and only then give the copy its name."""
    with connected_for_reading(source) as connection, _unfinished(target) as unfinished:
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = FULL")
            connection.backup(copy)
            for key, value in facts:
                copy.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (key, value, checksum(key, value)))
            # one file without a log, so that it may be carried and read anywhere, also where nothing can be written
            copy.execute("PRAGMA journal_mode = DELETE")
        report = verify(unfinished)
        if report.problem is not None:
            found = report.problem.replace(str(unfinished), str(source))
            raise JournalDamaged(f"{found}; no copy was made")
        os.rename(unfinished, target)
        sync_folder(target.parent)
        return report


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """An empty file beside `target` for this process alone; gone afterwards, unless it was given its name."""
    path = target.with_name(target.name + ".new")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(target, error.strerror) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadInput(f"{path} is being written by another process", exit_code=EXIT_IN_USE) from error
        os.ftruncate(descriptor, 0)
        try:
            yield path
        except OSError as error:
            raise _unwritable(target, error.strerror) from error
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in _OF_THE_DISK:
                raise _unwritable(target, str(error)) from error
            raise
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).unlink()
    finally:
        os.close(descriptor)


def _unwritable(target: Path, why: str | None) -> BadInput:
    return BadInput(f"{target} cannot be written: {why}", exit_code=EXIT_CONFIGURATION)
