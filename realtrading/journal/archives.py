"""Archives: files beside the journal that hold its oldest records, deflated in pages. Each continues the one before, and
the journal's first record continues the last.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import attrs
import msgspec

from realtrading.errors import BadInput
from realtrading.journal import sealing
from realtrading.journal.errors import EXIT_CONFIGURATION, JournalDamaged
from realtrading.journal.files import schema_of
from realtrading.journal.sealing import Sealed

APPLICATION_ID = 0x7274_6A61
VERSION = 1
SCHEMA = (
    # records: deflated MessagePack, a list of the columns of the journal's `events`
    "CREATE TABLE pages (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, records BLOB NOT NULL) STRICT",
    # the pages on which an order is spoken of
    "CREATE TABLE orders (order_id TEXT NOT NULL, page INTEGER NOT NULL, PRIMARY KEY (order_id, page)) STRICT, WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

_COLUMNS = "last_seq, first_seq, file, run, last_at, chain, state, crc"
_page = msgspec.msgpack.Decoder(list[tuple[int, int, int, int | None, str, str, str, str | None, str, bytes, int, bytes]])


@attrs.frozen(kw_only=True)
class Archive:
    """One archive as the journal knows it: what it holds, and the chain and state that its last record ends with."""

    last_seq: int
    first_seq: int
    file: str
    run: int
    last_at: str
    chain: bytes
    state: bytes

    def crc(self) -> int:
        """The checksum of its row in the journal."""
        return zlib.crc32("\x1f".join(map(str, attrs.astuple(self))).encode("utf-8", "surrogateescape"))


class ArchiveMissing(BadInput):
    """The file of an archive is not beside its journal; the journal itself may be sound."""

    def __init__(self, archive: Archive, path: Path) -> None:
        super().__init__(
            f"journal {path}: records {archive.first_seq} to {archive.last_seq} are in archive {archive.file}, "
            f"which is not in {path.parent}",
            exit_code=EXIT_CONFIGURATION,
        )


def listed(connection: sqlite3.Connection, path: Path) -> list[Archive]:
    """The journal's archives, oldest first. Raises `JournalDamaged`."""
    if schema_of(connection) < 2:
        return []
    found = []
    expected = 1
    for last_seq, first_seq, file, run, last_at, chain, state, crc in connection.execute(
        f"SELECT {_COLUMNS} FROM archives ORDER BY last_seq"
    ):
        archive = Archive(
            last_seq=last_seq, first_seq=first_seq, file=file, run=run, last_at=last_at, chain=chain, state=state
        )
        if archive.crc() != crc or first_seq != expected:
            raise JournalDamaged(f"journal {path} is damaged: what it says of archive {file} was altered")
        found.append(archive)
        expected = last_seq + 1
    return found


def base_of(connection: sqlite3.Connection, path: Path) -> tuple[int, bytes, bytes]:
    """Number, chain and state before the first record that the journal itself holds."""
    known = listed(connection, path)
    if not known:
        return 0, sealing.START_OF_CHAIN, sealing.state_bytes(sealing.EMPTY_STATE)
    return known[-1].last_seq, known[-1].chain, known[-1].state


def runs_over(connection: sqlite3.Connection, path: Path) -> int:
    """The highest run that an archive holds a record of: whatever carries it or a lower one was recorded, if ever, then."""
    return max((archive.run for archive in listed(connection, path)), default=0)


def require_all(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `ArchiveMissing` for the first archive that is not beside the journal."""
    for archive in listed(connection, path):
        if not path.with_name(archive.file).is_file():
            raise ArchiveMissing(archive, path)


@contextmanager
def opened(archive: Archive, path: Path) -> Iterator[sqlite3.Connection]:
    """The archive's file, for reading. Raises `ArchiveMissing`, `JournalDamaged`."""
    file = path.with_name(archive.file)
    if not file.is_file():
        raise ArchiveMissing(archive, path)
    with opened_file(file) as connection:
        yield connection


@contextmanager
def opened_file(file: Path) -> Iterator[sqlite3.Connection]:
    """An archive's file, for reading, without leaving anything beside it. Raises `JournalDamaged`."""
    with _sound(file), closing(_connected(file)) as connection:
        (identity,) = connection.execute("PRAGMA application_id").fetchone()
        if identity != APPLICATION_ID or schema_of(connection) != VERSION:
            raise JournalDamaged(f"archive {file} is damaged: it is not an archive of a journal in version {VERSION}")
        yield connection


def records(connection: sqlite3.Connection, file: Path, *, after: int = 0) -> Iterator[Sealed]:
    """Every record of an opened archive above `after`. Raises `JournalDamaged` for a page that is not what was written."""
    numbers = connection.execute("SELECT first_seq FROM pages WHERE last_seq > ? ORDER BY first_seq", (after,)).fetchall()
    for (first,) in numbers:
        yield from (record for record in _on_page(connection, file, first) if record.seq > after)


def records_of(connection: sqlite3.Connection, file: Path, order_id: str) -> Iterator[Sealed]:
    """Every record of an opened archive that is about one order."""
    pages = connection.execute("SELECT page FROM orders WHERE order_id = ? ORDER BY page", (order_id,)).fetchall()
    for (first,) in pages:
        yield from (record for record in _on_page(connection, file, first) if record.order_id == order_id)


def _on_page(connection: sqlite3.Connection, file: Path, first: int) -> list[Sealed]:
    row = connection.execute("SELECT records FROM pages WHERE first_seq = ?", (first,)).fetchone()
    try:
        found = [Sealed(*columns) for columns in _page.decode(zlib.decompress(row[0]))]
    except (TypeError, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalDamaged(f"archive {file} is damaged: its page of record {first} was altered") from error
    for record in found:
        if record.crc != sealing.crc(record.body()):
            raise JournalDamaged(f"archive {file} is damaged: record {record.seq} was altered")
    return found


@contextmanager
def _sound(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalDamaged(f"archive {file} is damaged: {error}") from error


def _connected(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro&immutable=1", uri=True, isolation_level=None)
