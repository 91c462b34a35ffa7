"""All records from the first one, wherever they lie: in the archives, then in the journal itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from realtrading.journal import archives, reading
from realtrading.journal.errors import JournalDamaged
from realtrading.journal.files import reading as guarded
from realtrading.journal.records import Stored
from realtrading.journal.sealing import Sealed


def records(connection: sqlite3.Connection, path: Path, *, after: int = 0) -> Iterator[Sealed]:
    """Every record above `after`, in order. Raises `JournalDamaged`, and `ArchiveMissing` for one that is needed."""
    for archive in archives.listed(connection, path):
        if archive.last_seq > after:
            with archives.opened(archive, path) as opened:
                for record in archives.records(opened, path.with_name(archive.file), after=after):
                    if record.seq != after + 1:
                        raise JournalDamaged(f"archive {path.with_name(archive.file)}: record {after + 1} is missing")
                    after = record.seq
                    yield record
            if after != archive.last_seq:
                raise JournalDamaged(f"archive {path.with_name(archive.file)}: record {after + 1} is missing")
    yield from reading.sealed_records(connection, path, after=after)


def records_of(connection: sqlite3.Connection, path: Path, order_id: str) -> Iterator[Sealed]:
    """The records about one order, by index, those in archives that are there included."""
    for archive in archives.listed(connection, path):
        if path.with_name(archive.file).is_file():
            with archives.opened(archive, path) as opened:
                yield from archives.records_of(opened, path.with_name(archive.file), order_id)
    yield from reading.records_of(connection, path, order_id)


def events(
    connection: sqlite3.Connection, path: Path, *, after: int, types: Sequence[str] | None, order_id: str | None
) -> Iterator[Stored]:
    """Records decoded, of these types and this order only when given."""
    with guarded(path):
        if order_id is None:
            found = records(connection, path, after=after)
        else:
            found = (record for record in records_of(connection, path, order_id) if record.seq > after)
        for sealed in found:
            # filtered here and not in SQL: an altered type must meet its checksum first
            if types is None or sealed.type in types:
                yield reading.stored(sealed, path)
