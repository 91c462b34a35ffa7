"""Selects over a journal that check every checksum they pass: what comes back is what was written, or
`JournalDamaged`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from realtrading.journal import sealing
from realtrading.journal.archives import base_of
from realtrading.journal.binding import Binding
from realtrading.journal.codec import decode_event, decode_row
from realtrading.journal.errors import JournalDamaged, Unreadable
from realtrading.journal.records import Run, Stored
from realtrading.journal.sealing import Sealed

PAGE = 256
TAIL = 64
_COLUMNS = "seq, run, letter_seq, cause, sender, type, at, order_id, payload, state, crc, chain"
# the condition of the index rare_events, which serves a query only in the same words
_RARE = (
    "type NOT IN ('IntentRecorded', 'OrderSubmitted', 'OrderPlaced', 'OrderPartiallyFilled', 'OrderFilled', "
    "'OrderCancelRequested', 'OrderCancelled', 'OrderArchived', 'PositionOpened', 'PositionUpdated', 'PositionClosed', "
    "'PositionBookSettled', 'BalanceUpdated', 'RiskDayUpdated', 'TradesCursorMoved')"
)
_RUNS = "SELECT run, started, code_version, config_digest, stopped, crc FROM runs ORDER BY run"
_TYPES: tuple[Any, ...] = (int, int, int, (int, type(None)), str, str, str, (str, type(None)), str, bytes, int, bytes)


@attrs.frozen
class Tail:
    """Where the journal ends: its last record's number and chain, and the digest of each current row."""

    seq: int
    chain: bytes
    state: int
    digests: dict[tuple[str, str], int]


def sealed_records(connection: sqlite3.Connection, path: Path, *, after: int = 0) -> Iterator[Sealed]:
    """Records in order, fetched in pages, so that no read transaction stays open between them.

    Each checksum is checked, and that no number is missing. Raises `JournalDamaged`.
    """
    query = f"SELECT {_COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT {PAGE}"
    while page := connection.execute(query, (after,)).fetchall():
        for row in page:
            record = _checked(row, path)
            if record.seq != after + 1:
                raise JournalDamaged(f"journal {path} is damaged: record {after + 1} is missing")
            after = record.seq
            yield record


def records_of(connection: sqlite3.Connection, path: Path, order_id: str, *, after: int = 0) -> Iterator[Sealed]:
    """The records about one order, by index. What a damaged index hides, `verify` finds and this does not."""
    query = f"SELECT {_COLUMNS} FROM events WHERE order_id = ? AND seq > ? ORDER BY seq LIMIT {PAGE}"
    while page := connection.execute(query, (order_id, after)).fetchall():
        for row in page:
            record = _checked(row, path)
            after = record.seq
            yield record


def rare_records(connection: sqlite3.Connection, path: Path, types: Sequence[str], *, after: int) -> Iterator[Sealed]:
    """Records of these rare types, by index. What a damaged index hides, `verify` finds and this does not."""
    query = f"SELECT {_COLUMNS} FROM events WHERE {_RARE} AND {_of(types)} AND seq > ? ORDER BY seq LIMIT {PAGE}"
    while page := connection.execute(query, (*types, after)).fetchall():
        for row in page:
            record = _checked(row, path)
            after = record.seq
            yield record


def newest_of(connection: sqlite3.Connection, types: Sequence[str], count: int) -> int:
    """The number of the `count`-th newest record of these rare types; 0 when there are fewer."""
    query = f"SELECT seq FROM events WHERE {_RARE} AND {_of(types)} ORDER BY seq DESC LIMIT 1 OFFSET ?"
    row = connection.execute(query, (*types, count - 1)).fetchone()
    return 0 if row is None else int(row[0])


def _of(types: Sequence[str]) -> str:
    return f"type IN ({', '.join('?' * len(types))})"


def stored(sealed: Sealed, path: Path) -> Stored:
    """The record with its event decoded. Raises `Unreadable` naming the record."""
    try:
        event = decode_event(sealed.payload)
    except Unreadable as error:
        raise Unreadable(f"journal {path}, record {sealed.seq}: {error}") from error
    return Stored(
        seq=sealed.seq,
        run=sealed.run,
        letter_seq=sealed.letter_seq,
        cause=sealed.cause,
        sender=sealed.sender,
        type=sealed.type,
        at=datetime.fromisoformat(sealed.at),
        order_id=sealed.order_id,
        event=event,
    )


def current_rows(connection: sqlite3.Connection, path: Path, table: str) -> dict[str, Any]:
    """A table's current rows, decoded."""
    found: dict[str, Any] = {}
    for row in connection.execute("SELECT tbl, key, value, seq, crc FROM current WHERE tbl = ? ORDER BY key", (table,)):
        _, key, value, seq = _checked_row(row, path)
        try:
            found[key] = decode_row(table, value)
        except Unreadable as error:
            raise Unreadable(f"journal {path}, row {table}/{key} of record {seq}: {error}") from error
    return found


def raw_rows(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Every current row as (table, key, text, seq), in order."""
    for row in connection.execute("SELECT tbl, key, value, seq, crc FROM current ORDER BY tbl, key"):
        yield _checked_row(row, path)


def binding_of(connection: sqlite3.Connection, path: Path) -> Binding:
    """Whose journal it is."""
    meta = read_meta(connection, path)
    uid = meta.get("account_uid")
    return Binding(mode=meta["mode"], account_uid=None if uid is None else int(uid))


def read_meta(connection: sqlite3.Connection, path: Path) -> dict[str, str]:
    """The journal's own facts."""
    meta: dict[str, str] = {}
    for key, value, crc in connection.execute("SELECT key, value, crc FROM meta"):
        if crc != sealing.checksum(key, value):
            raise JournalDamaged(f"journal {path} is damaged: its fact {key!r} was altered")
        meta[key] = value
    if "mode" not in meta:
        raise JournalDamaged(f"journal {path} is damaged: it does not say its mode")
    return meta


def read_runs(connection: sqlite3.Connection, path: Path) -> list[Run]:
    """Every run there was."""
    runs = []
    for *facts, crc in connection.execute(_RUNS):
        if crc != sealing.checksum(*map(str, facts)):
            raise JournalDamaged(f"journal {path} is damaged: run {facts[0]} was altered")
        run, started, code_version, config_digest, stopped = facts
        runs.append(
            Run(
                run=run,
                started=datetime.fromisoformat(started),
                code_version=code_version,
                config_digest=config_digest,
                stopped=None if stopped is None else datetime.fromisoformat(stopped),
            )
        )
    return runs


def checked_tail(connection: sqlite3.Connection, path: Path) -> Tail:
    """Check the last records and every current row against the last record's word. Raises `JournalDamaged` naming the
    record.
    """
    seq, chain, told = walk(connection, path, after=last_seq(connection, path) - TAIL)
    return state_checked(connection, path, seq, chain, told)


def last_seq(connection: sqlite3.Connection, path: Path) -> int:
    """The number of the last record; 0 when there is none."""
    (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
    return base_of(connection, path)[0] if last is None else int(last)


def state_checked(connection: sqlite3.Connection, path: Path, seq: int, chain: bytes, told: bytes) -> Tail:
    """Check every current row against the word of the last record, `told`. Raises `JournalDamaged`."""
    state, digests = sealing.EMPTY_STATE, {}
    for table, key, value, row_seq in raw_rows(connection, path):
        digest = sealing.row_digest(table, key, value, row_seq)
        digests[table, key] = digest
        state ^= digest
    if sealing.state_bytes(state) != told:
        raise not_the_state_of(seq, path)
    return Tail(seq, chain, state, digests)


def not_the_state_of(seq: int, path: Path) -> JournalDamaged:
    """The complaint that a current row is missing, stale, doubled or altered."""
    return JournalDamaged(f"journal {path} is damaged: its current rows are not those that record {seq} left behind")


def walk(connection: sqlite3.Connection, path: Path, *, after: int = 0) -> tuple[int, bytes, bytes]:
    """Check checksum, number and chain of every record of the journal itself after `after`; returns the last one's
    number, chain and state.
    """
    seq, chain, state = _link_before(connection, path, after)
    for record in sealed_records(connection, path, after=seq):
        require_link(record, seq, chain, path)
        seq, chain, state = record.seq, record.chain, record.state
    return seq, chain, state


def require_link(record: Sealed, seq: int, chain: bytes, path: Path) -> None:
    """Raise `JournalDamaged` unless the record continues record `seq` with this chain."""
    if record.chain != sealing.link(chain, record.body()):
        raise JournalDamaged(f"journal {path} is damaged: record {record.seq} does not continue record {seq}")


def _link_before(connection: sqlite3.Connection, path: Path, after: int) -> tuple[int, bytes, bytes]:
    base = base_of(connection, path)
    if after <= base[0]:
        return base
    row = connection.execute(f"SELECT {_COLUMNS} FROM events WHERE seq = ?", (after,)).fetchone()
    if row is None:
        raise JournalDamaged(f"journal {path} is damaged: record {after} is missing")
    record = _checked(row, path)
    return record.seq, record.chain, record.state


def _checked(row: tuple[Any, ...], path: Path) -> Sealed:
    intact = all(isinstance(value, kind) for value, kind in zip(row, _TYPES, strict=True))
    if intact:
        record = Sealed(*row)
        if record.crc == sealing.crc(record.body()):
            return record
    raise JournalDamaged(f"journal {path} is damaged: record {row[0]} was altered")


def _checked_row(row: tuple[Any, ...], path: Path) -> tuple[str, str, str, int]:
    table, key, value, seq, crc = row
    types_hold = all(isinstance(text, str) for text in (table, key, value)) and isinstance(seq, int)
    if not types_hold or crc != sealing.checksum(table, key, value, seq):
        raise JournalDamaged(f"journal {path} is damaged: row {table}/{key} of record {seq} was altered")
    return table, key, value, seq
