"""Looks at every byte that matters of a journal and says whether it is what was written, else where it first is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import attrs

from realtrading.journal import checkpoints, reading, sealing
from realtrading.journal.errors import JournalDamaged
from realtrading.journal.files import connected_for_reading


@attrs.frozen(kw_only=True)
class VerifyReport:
    """`problem` is None for a sound journal, else one sentence naming the first bad record, row or fact.

    `records` and `rows` count what was read; `chain` is the last record's chain value in hexadecimal: noted elsewhere,
    it proves later that nothing before it was changed or cut off. `digest` is that of all current rows, as
    `Journal.last_state_digest`.
    """

    records: int
    rows: int
    chain: str
    digest: str
    problem: str | None

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return self.problem is None


def verify(path: Path) -> VerifyReport:
    """Check all records, the chain, the current rows against the last record, the facts, the runs, and SQLite's own
    structure.

    Raises `BadInput` when `path` is not a journal at all. What no file can know by itself: that its end was cut off, or
    that an old copy was put in its place; run numbers at the exchange and a noted `chain` tell that.
    """
    try:
        with connected_for_reading(path) as connection:
            connection.execute("BEGIN")  # one moment for everything that is read
            return _examined(connection, path)
    except JournalDamaged as damage:
        return VerifyReport(records=0, rows=0, chain="", digest="", problem=str(damage))


def _examined(connection: sqlite3.Connection, path: Path) -> VerifyReport:
    seq, chain = 0, sealing.START_OF_CHAIN
    rows, state = 0, sealing.EMPTY_STATE
    try:
        seq, chain, told = reading.walk(connection, path)
        for row in reading.raw_rows(connection, path):
            state ^= sealing.row_digest(*row)
            rows += 1
        if sealing.state_bytes(state) != told:
            raise reading.not_the_state_of(seq, path)
        reading.read_meta(connection, path)
        reading.read_runs(connection, path)
        problem = _bad_checkpoint(connection, path) or _structure(connection, path)
    except JournalDamaged as damage:
        problem = str(damage)
    digest = sealing.state_bytes(state).hex()
    return VerifyReport(records=seq, rows=rows, chain=chain.hex(), digest=digest, problem=problem)


def _bad_checkpoint(connection: sqlite3.Connection, path: Path) -> str | None:
    bad = checkpoints.bad(connection)
    return f"journal {path} is damaged: its checkpoint {bad[0]} was altered; the next start will do without it" if bad else None


def _structure(connection: sqlite3.Connection, path: Path) -> str | None:
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if finding == "ok" else f"journal {path} is damaged: {finding}"
