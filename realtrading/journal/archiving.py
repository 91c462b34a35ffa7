"""Moves a journal's oldest records into an archive beside it, without the house.

The archive is whole, synced, read back and compared before the journal forgets a record: whenever this is killed, each
record is in the journal, or in an archive that the journal names.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import date
from pathlib import Path

import attrs
import msgspec

from realtrading.errors import BadInput
from realtrading.journal import archives, checkpoints, files, reading
from realtrading.journal.archives import Archive
from realtrading.journal.checkpoints import Checkpoint
from realtrading.journal.errors import EXIT_CONFIGURATION, JournalDamaged
from realtrading.journal.recovery import recovered
from realtrading.journal.sealing import Sealed

EXIT_REFUSED = 6
PAGE = 256
"""Records on a page: about what one deflation does well, and what finding one order reads."""

_LIST = "INSERT INTO archives VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


@attrs.frozen(kw_only=True)
class Archived:
    """What was moved (None: there was nothing before that day), and whether the disk's space could be given back."""

    archive: Archive | None
    bytes_before: int
    bytes_after: int
    given_back: bool


def archive(path: Path | str, before: date) -> Archived:
    """Move the records before the first one of `before` (UTC) or later into a new file beside the journal at `path`.

    The last record stays. Raises `BadInput`: no journal, or the disk refuses (4), another process has it (75), a file is
    in the way (6); `JournalDamaged` for a record that is not what was written: then nothing is moved.
    """
    path = Path(path).resolve()
    files.require_file(path)
    lock = files.take_lock(path)
    try:
        files.examine(path)
        with files.reading(path), closing(files.connect_for_writing(path, "power")) as connection:
            files.upgrade(connection, path)
            return _archive(connection, path, before)
    finally:
        os.close(lock)


def _archive(connection: sqlite3.Connection, path: Path, before: date) -> Archived:
    size = path.stat().st_size
    tail = recovered(connection, path).tail
    base = archives.base_of(connection, path)
    last = _last_before(connection, path, base[0], tail.seq, before.isoformat())
    if last == base[0]:
        return Archived(archive=None, bytes_before=size, bytes_after=size, given_back=True)
    made = _made(connection, path, last)
    try:
        _forget(connection, path, made, tail)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise _unwritable(path, error) from error
    given_back = _give_back(connection)
    return Archived(archive=made, bytes_before=size, bytes_after=path.stat().st_size, given_back=given_back)


def _last_before(connection: sqlite3.Connection, path: Path, base: int, last: int, day: str) -> int:
    """The record before the first one of that day or later; clocks step, so the order of records decides."""
    query = "SELECT min(seq) FROM events WHERE at >= ?"  # moments have one spelling, so texts compare as they do
    (first,) = connection.execute(query, (day,)).fetchone()
    return max(base, min(last, first if first is not None else last) - 1)


def _made(connection: sqlite3.Connection, path: Path, last: int) -> Archive:
    """The file with every record up to `last`, on disk under its name, read back and found equal."""
    base, _, _ = archives.base_of(connection, path)
    target = path.with_name(f"{path.name}.{base + 1}-{last}.archive")
    if os.path.lexists(target):
        # a killed run left it, whole; whatever else it may be is not ours to overwrite
        return _compared(connection, path, target.name, last, "is in the way")
    unfinished = target.with_name(target.name + ".new")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _fill(connection, path, unfinished, base, last)
        made = _compared(connection, path, unfinished.name, last, "cannot be read back")
        os.rename(unfinished, target)
        files.sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise _unwritable(target, error) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return attrs.evolve(made, file=target.name)


def _fill(connection: sqlite3.Connection, path: Path, unfinished: Path, base: int, last: int) -> None:
    page: list[Sealed] = []
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = MEMORY")  # an unfinished file is thrown away, never rolled back
        copy.execute("PRAGMA synchronous = FULL")
        copy.execute("BEGIN")
        for statement in archives.SCHEMA:
            copy.execute(statement)
        for record in reading.sealed_records(connection, path, after=base):
            page.append(record)
            if len(page) == PAGE or record.seq == last:
                _put_page(copy, page)
                page = []
            if record.seq == last:
                break
        copy.execute("COMMIT")


def _put_page(copy: sqlite3.Connection, page: list[Sealed]) -> None:
    first = page[0].seq
    packed = zlib.compress(msgspec.msgpack.encode([attrs.astuple(record) for record in page]), 6)
    copy.execute("INSERT INTO pages VALUES (?, ?, ?)", (first, page[-1].seq, packed))
    orders = {(record.order_id, first) for record in page if record.order_id is not None}
    copy.executemany("INSERT INTO orders VALUES (?, ?)", sorted(orders))


def _compared(connection: sqlite3.Connection, path: Path, file: str, last: int, blame: str) -> Archive:
    """Read the file back beside the journal. Raises `BadInput` (6) unless it holds exactly the journal's records up to
    `last`, and `JournalDamaged` when these do not continue each other.
    """
    seq, chain, state = archives.base_of(connection, path)
    first, run, at = seq + 1, 0, ""
    theirs = _read_back(path.with_name(file))
    sentence = f"{path.with_name(file)} {blame}: it is not the archive of records {first} to {last}"
    other = BadInput(sentence, exit_code=EXIT_REFUSED)
    for record in reading.sealed_records(connection, path, after=seq):
        reading.require_link(record, seq, chain, path)
        if next(theirs, None) != record:
            raise other
        seq, chain, state = record.seq, record.chain, record.state
        run, at = max(run, record.run), record.at
        if seq == last:
            break
    if next(theirs, None) is not None:
        raise other
    return Archive(last_seq=last, first_seq=first, file=file, run=run, last_at=at, chain=chain, state=state)


def _read_back(file: Path) -> Iterator[Sealed]:
    """What can be read of a file that ought to be an archive."""
    with suppress(JournalDamaged), archives.opened_file(file) as opened:
        yield from archives.records(opened, file)


def _forget(connection: sqlite3.Connection, path: Path, made: Archive, tail: reading.Tail) -> None:
    """In one commit the journal names the archive, keeps a checkpoint of now, and lets the archived records go."""
    rows = {(table, key): (value, seq) for table, key, value, seq in reading.raw_rows(connection, path)}
    now = Checkpoint(tail.seq, tail.chain, checkpoints.state_of(rows), rows)
    with files.transaction(connection):
        row = (made.last_seq, made.first_seq, made.file, made.run, made.last_at, made.chain, made.state, made.crc())
        connection.execute(_LIST, row)
        connection.execute("DELETE FROM checkpoints WHERE seq <= ?", (made.last_seq,))
        checkpoints.put(connection, now)
        connection.execute("DELETE FROM events WHERE seq <= ?", (made.last_seq,))


def _give_back(connection: sqlite3.Connection) -> bool:
    """Shrink the file to what it holds; without room for that, its free pages are written over in time."""
    try:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        return False
    return True


def _unwritable(target: Path, error: Exception) -> BadInput:
    return BadInput(f"{target} cannot be written: {error}; nothing was moved", exit_code=EXIT_CONFIGURATION)
