"""What a start believes: the records since the newest sound checkpoint, checked one by one, and the current rows, checked
against the last record's word. Rows that are damaged are made again from a checkpoint and the records after it; records
are the truth, and nothing makes them again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs

from realtrading.errors import BadInput
from realtrading.journal import checkpoints, history, reading, sealing
from realtrading.journal.checkpoints import Checkpoint, Rows
from realtrading.journal.codec import decode_row, rows_again
from realtrading.journal.errors import JournalDamaged
from realtrading.journal.files import transaction
from realtrading.journal.reading import Tail

_PUT = "INSERT INTO current VALUES (?, ?, ?, ?, ?)"
_NOTHING = Checkpoint(0, sealing.START_OF_CHAIN, sealing.state_bytes(sealing.EMPTY_STATE), {})


@attrs.frozen
class Recovered:
    """The journal's end, the record of the checkpoint that its records were checked from (0: there was none), and a
    sentence for each thing that was damaged and is whole again.
    """

    tail: Tail
    checkpoint: int
    notes: tuple[str, ...]


def recovered(connection: sqlite3.Connection, path: Path) -> Recovered:
    """Check the journal's end, and repair what can be repaired. Raises `JournalDamaged` naming what cannot."""
    bad = checkpoints.bad(connection)
    notes = [f"checkpoint {seq} of journal {path} was damaged: it is not used" for seq in bad]
    newest = next(checkpoints.sound(connection), _NOTHING)
    seq, chain, told = reading.walk(connection, path, after=newest.seq)
    try:
        tail = reading.state_checked(connection, path, seq, chain, told)
    except JournalDamaged as damage:
        point, rows = _made_again(connection, path, damage, seq, told)
        _replace(connection, rows)
        tail = reading.state_checked(connection, path, seq, chain, told)
        since = f"from checkpoint {point} and the records after it" if point else "from all records"
        notes.append(f"{damage}; all {len(rows)} rows were made again {since}")
    if bad:
        with transaction(connection):
            checkpoints.drop(connection, bad)
    return Recovered(tail, newest.seq, tuple(notes))


def rows_after(connection: sqlite3.Connection, path: Path, point: Checkpoint) -> Rows:
    """The rows that the records after a checkpoint leave behind, when put one after another over its rows.

    Raises `JournalDamaged` for a record that is not what was written, `Unreadable`, `ArchiveMissing`.
    """
    rows = dict(point.rows)
    seen_runs = {key: decode_row(table, value) for (table, key), (value, _) in rows.items() if table == "seen_runs"}
    seq, chain = point.seq, point.chain
    for record in history.records(connection, path, after=point.seq):
        reading.require_link(record, seq, chain, path)
        seq, chain = record.seq, record.chain
        for table, key, value in rows_again(record.payload, seen_runs):
            if value is None:
                rows.pop((table, key), None)
                continue
            rows[table, key] = (value, seq)
            if table == "seen_runs":
                seen_runs[key] = decode_row(table, value)
    return rows


def rows_of_all(connection: sqlite3.Connection, path: Path) -> Rows:
    """The rows that all records leave behind, no checkpoint used. Raises as `rows_after`."""
    return rows_after(connection, path, _NOTHING)


def _made_again(
    connection: sqlite3.Connection, path: Path, damage: JournalDamaged, seq: int, told: bytes
) -> tuple[int, Rows]:
    _require_not_ahead(connection, seq, damage)
    for point in _starts(connection):
        try:
            rows = rows_after(connection, path, point)
        except BadInput:
            continue  # records before an earlier checkpoint may be damaged or in an archive that is away
        if checkpoints.state_of(rows) == told:
            return point.seq, rows
    raise damage


def _require_not_ahead(connection: sqlite3.Connection, seq: int, damage: JournalDamaged) -> None:
    """Rows that know more than the records: it is records that are lost, and to make older rows would hide it."""
    for table, key, value, row_seq, crc in connection.execute(
        "SELECT tbl, key, value, seq, crc FROM current WHERE seq > ?", (seq,)
    ):
        if crc == sealing.checksum(table, key, value, row_seq):
            raise damage


def _starts(connection: sqlite3.Connection) -> Iterator[Checkpoint]:
    yield from checkpoints.sound(connection)
    yield _NOTHING


def _replace(connection: sqlite3.Connection, rows: Rows) -> None:
    with transaction(connection):
        connection.execute("DELETE FROM current")
        for (table, key), (value, seq) in sorted(rows.items()):
            connection.execute(_PUT, (table, key, value, seq, sealing.checksum(table, key, value, seq)))
