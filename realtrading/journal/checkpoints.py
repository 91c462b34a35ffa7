"""Checkpoints: all current rows as they were after one record. A start verifies from the newest sound one, and makes the
current rows again from it when they are damaged. Each proves itself; one that cannot counts as not there.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator

import attrs
import msgspec

from realtrading.journal import sealing
from realtrading.journal.files import schema_of

KEPT_EVERY = 20_000
"""Records after which an idle moment is spent on a new checkpoint; about as many are verified at a start."""
KEPT_FORCED = 5 * KEPT_EVERY
"""Records after which one is made busy or not."""
KEPT = 3
"""So many stay: should the newest be bad, the one before serves."""

_COLUMNS = "seq, chain, state, rows, crc"
_PUT = "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)"
_DROP_OLD = "DELETE FROM checkpoints WHERE seq NOT IN (SELECT seq FROM checkpoints ORDER BY seq DESC LIMIT ?)"
_RECORD = "SELECT chain, state FROM events WHERE seq = ?"

Rows = dict[tuple[str, str], tuple[str, int]]
"""(table, key) -> (text, the record that said so)."""

_rows = msgspec.json.Decoder(list[tuple[str, str, str, int]])


@attrs.frozen
class Checkpoint:
    """All current rows after record `seq`, whose chain and state are those."""

    seq: int
    chain: bytes
    state: bytes
    rows: Rows


def put(connection: sqlite3.Connection, point: Checkpoint) -> None:
    """Write a checkpoint and drop the oldest; inside the caller's transaction."""
    told = [(table, key, value, seq) for (table, key), (value, seq) in point.rows.items()]
    packed = zlib.compress(msgspec.json.encode(told), 1)
    crc = _crc(point.seq, point.chain, point.state, packed)
    connection.execute(_PUT, (point.seq, point.chain, point.state, packed, crc))
    connection.execute(_DROP_OLD, (KEPT,))


def sound(connection: sqlite3.Connection) -> Iterator[Checkpoint]:
    """Checkpoints that prove themselves and agree with their record, newest first."""
    for seq in _numbers(connection):
        point = _proved(connection, seq)
        if point is not None:
            yield point


def bad(connection: sqlite3.Connection) -> list[int]:
    """The numbers of checkpoints that are not what was written."""
    return [seq for seq in _numbers(connection) if _proved(connection, seq) is None]


def drop(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Forget checkpoints; inside the caller's transaction."""
    connection.executemany("DELETE FROM checkpoints WHERE seq = ?", [(seq,) for seq in numbers])


def state_of(rows: Rows) -> bytes:
    """The digest of all rows."""
    state = sealing.EMPTY_STATE
    for (table, key), (value, seq) in rows.items():
        state ^= sealing.row_digest(table, key, value, seq)
    return sealing.state_bytes(state)


def _numbers(connection: sqlite3.Connection) -> list[int]:
    if schema_of(connection) < 2:
        return []
    return [seq for (seq,) in connection.execute("SELECT seq FROM checkpoints ORDER BY seq DESC")]


def _proved(connection: sqlite3.Connection, seq: int) -> Checkpoint | None:
    _, chain, state, packed, crc = connection.execute(f"SELECT {_COLUMNS} FROM checkpoints WHERE seq = ?", (seq,)).fetchone()
    if connection.execute(_RECORD, (seq,)).fetchone() != (chain, state):
        return None
    try:
        if crc != _crc(seq, chain, state, packed):
            return None
        rows: Rows = {(table, key): (value, row) for table, key, value, row in _rows.decode(zlib.decompress(packed))}
    except (TypeError, zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Checkpoint(seq, chain, state, rows) if state_of(rows) == state else None


def _crc(seq: int, chain: bytes, state: bytes, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(f"{seq}\x1f".encode() + chain + state))
