"""The journal's file: who may open it, what it must look like, how it comes into being, how SQLite is set.

SQLite before 3.51.3 can corrupt a WAL database that two connections write or checkpoint at once, so exactly one
connection of one process ever writes: it holds a lock on a file beside the journal for as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from realtrading.errors import BadInput
from realtrading.journal.errors import EXIT_CONFIGURATION, EXIT_IN_USE, JournalDamaged, Unreadable
from realtrading.journal.sealing import checksum

Durability = Literal["power", "process"]
"""`power`: an acknowledged record survives the loss of power. `process`: it survives the process, however that ends."""

APPLICATION_ID = 0x7274_6A6C
SCHEMA_VERSION = 2
_UNREAD = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS)
SYNCHRONOUS: Mapping[Durability, int] = {"power": 2, "process": 1}
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100


def take_lock(path: Path) -> int:
    """Lock the journal for this process and return the lock's descriptor. Raises `BadInput` (75) when another one has
    it.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _bad(f"journal {path} cannot be opened: {lock}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        by = f" (pid {owner})" if owner else ""
        raise BadInput(f"journal {path} is already in use by another process{by}", exit_code=EXIT_IN_USE) from error
    with suppress(OSError):  # who has it is only told to people; a full disk must not hide behind that
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def examine(path: Path) -> None:
    """Refuse whatever is not a journal this version reads, without touching it. Raises `BadInput`.

    SQLite is not asked: after a death in the middle of a checkpoint the file is whole only together with its log, and
    looking at both would change them.
    """
    require_file(path)
    if not os.access(path, os.R_OK | os.W_OK):
        raise _bad(f"journal {path} cannot be read and written: permission denied")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise _bad(f"journal {path} cannot be read: {error.strerror}") from error
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise _no_database(path)
    # where SQLite's file format has application_id and user_version
    _require_ours(int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"), path)


def require_file(path: Path) -> None:
    """Raise `BadInput` unless `path` is a regular file with something in it."""
    try:
        found = path.stat()
    except OSError as error:
        raise _bad(f"journal {path} cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(found.st_mode):
        raise _bad(f"journal {path} is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise _bad(f"journal {path} is not a regular file")
    if not found.st_size:
        raise _bad(f"journal {path} is an empty file: remove it, or restore it from a backup")


def require_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `BadInput` unless the database is a journal in a schema this version knows."""
    try:
        (identity,) = connection.execute("PRAGMA application_id").fetchone()
        schema = schema_of(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise _no_database(path) from error
        raise trouble(path, error) from error
    _require_ours(identity, schema, path)


def _require_ours(identity: int, schema: int, path: Path) -> None:
    if identity != APPLICATION_ID:
        raise _bad(f"journal {path} is an SQLite database, but not a journal of realtrading")
    if schema > SCHEMA_VERSION:
        raise Unreadable(
            f"journal {path} has schema {schema}, written by a newer version and left untouched; "
            f"this version reads up to {SCHEMA_VERSION}"
        )


def create(path: Path, meta: Mapping[str, str]) -> None:
    """Make a new journal. It appears under its name whole or not at all."""
    unfinished = path.with_name(path.name + ".new")
    try:
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            # SQLite would play the log of the lost journal into the new one
            raise _bad(f"journal {path} is missing, but its log {log.name} is there: restore the one or remove the other")
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            # an unfinished file is thrown away, never rolled back
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN")
            _bring_to_present(connection, 0)
            for key, value in meta.items():
                connection.execute("INSERT INTO meta VALUES (?, ?, ?)", (key, value, checksum(key, value)))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("COMMIT")
        os.rename(unfinished, path)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise _bad(f"journal {path} cannot be created: {error}") from error


def connect_for_writing(path: Path, durability: Durability) -> sqlite3.Connection:
    """The one connection that writes; what was asked of SQLite is read back."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0, cached_statements=64)
    try:
        _tune(connection)
        require_identity(connection, path)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
        # SQLite swallows errors of its own checkpoints; ours are made by hand and heard
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        if (mode, level) != ("wal", SYNCHRONOUS[durability]):
            given = f"this file system gives journal_mode {mode} and synchronous {level}"
            raise _bad(f"journal {path}: {given}, but durability {durability} needs more")
    except BaseException:
        connection.close()
        raise
    return connection


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older journal to the present schema, wholly or not at all. Raises `BadInput` when the disk refuses."""
    found = schema_of(connection)
    if found == SCHEMA_VERSION:
        return
    try:
        with transaction(connection):
            _bring_to_present(connection, found)
    except sqlite3.Error as error:
        raise _bad(f"journal {path} cannot be brought from schema {found} to {SCHEMA_VERSION}: {error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's statements, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


def schema_of(connection: sqlite3.Connection) -> int:
    """The schema the journal is in."""
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    return int(schema)


@contextmanager
def connected_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can neither write nor checkpoint, closed at the end; works beside the writer and after its
    death. It may leave an empty log and its index beside the file.
    """
    require_file(path)
    uri = f"file:{quote(str(path))}?mode=ro"
    with reading(path), closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2.0)) as connection:
        _tune(connection)
        connection.execute("PRAGMA query_only = ON")
        require_identity(connection, path)
        yield connection


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints while reading into the room's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise trouble(path, error) from error


def trouble(path: Path, error: sqlite3.Error) -> BadInput:
    """SQLite's complaint as one sentence with its culprit."""
    exact = getattr(error, "sqlite_errorcode", 0)
    code = exact & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BadInput(f"journal {path} is already in use by another process", exit_code=EXIT_IN_USE)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return _bad(f"journal {path} cannot be opened: {error}")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and exact not in _UNREAD):
        return _bad(f"journal {path} cannot be written: {error}")
    return JournalDamaged(f"journal {path} is damaged: {error}")


def _tune(connection: sqlite3.Connection) -> None:
    # a damaged text must reach our checksum instead of failing in the driver
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _no_database(path: Path) -> BadInput:
    return _bad(f"journal {path} is not a journal: it is not an SQLite database")


def _bad(sentence: str) -> BadInput:
    return BadInput(sentence, exit_code=EXIT_CONFIGURATION)


def _bring_to_present(connection: sqlite3.Connection, found: int) -> None:
    """Run the scripts after schema `found`; inside the caller's transaction."""
    folder = Path(__file__).with_name("schema")
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for statement in _statements(folder.joinpath(f"{version:04}.sql").read_text("utf-8")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; `executescript` would commit the transaction around them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that a new name in it survives the loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
