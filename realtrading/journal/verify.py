"""Looks at every byte that matters of a journal and says whether it is what was written, else where it first is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import attrs

from realtrading.journal import archives, checkpoints, reading, sealing
from realtrading.journal.archives import Archive, ArchiveMissing
from realtrading.journal.errors import JournalDamaged
from realtrading.journal.files import connected_for_reading


@attrs.frozen(kw_only=True)
class VerifyReport:
    """`problem` is None for a sound journal, else one sentence naming the first bad record, row or fact.

    `records` and `rows` count what was read; `chain` is the last record's chain value in hexadecimal: noted elsewhere,
    it proves later that nothing before it was changed or cut off. `digest` is that of all current rows, as
    `Journal.last_state_digest`. The first `archived` records are in archives; of these `missing` are not beside the
    journal, and their records were not read. `rows_only`: all records are sound, so the next start makes whole again what
    is not, unless records are lost at the end.
    """

    records: int
    rows: int
    chain: str
    digest: str
    problem: str | None
    # where its archives lie is no part of what a journal is: a copy may be made without them
    archived: int = attrs.field(default=0, eq=False)
    missing: tuple[str, ...] = attrs.field(default=(), eq=False)
    rows_only: bool = attrs.field(default=False, eq=False)

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
    archived, missing, rows_only = 0, [], False
    try:
        for archive in archives.listed(connection, path):
            archived = archive.last_seq
            try:
                _walk_archive(archive, path, chain)
            except ArchiveMissing:
                missing.append(archive.file)
            chain = archive.chain
        seq, chain, told = reading.walk(connection, path)
        reading.read_meta(connection, path)
        reading.read_runs(connection, path)
        problem = _structure(connection, path)
        rows_only = problem is None
        for row in reading.raw_rows(connection, path):
            state ^= sealing.row_digest(*row)
            rows += 1
        if sealing.state_bytes(state) != told:
            raise reading.not_the_state_of(seq, path)
        problem = problem or _bad_checkpoint(connection, path)
    except JournalDamaged as damage:
        problem = str(damage)
    digest = sealing.state_bytes(state).hex()
    return VerifyReport(
        records=seq,
        rows=rows,
        chain=chain.hex(),
        digest=digest,
        problem=problem,
        archived=archived,
        missing=tuple(missing),
        rows_only=rows_only and problem is not None,
    )


def _walk_archive(archive: Archive, path: Path, chain: bytes) -> None:
    """Check that an archive holds what the journal says of it, and continues the chain. Raises `JournalDamaged`."""
    file = path.with_name(archive.file)
    seq, state = archive.first_seq - 1, b""
    with archives.opened(archive, path) as opened:
        for record in archives.records(opened, file):
            if record.seq != seq + 1:
                raise JournalDamaged(f"archive {file} is damaged: record {seq + 1} is missing")
            reading.require_link(record, seq, chain, file)
            seq, chain, state = record.seq, record.chain, record.state
    if (seq, chain, state) != (archive.last_seq, archive.chain, archive.state):
        raise JournalDamaged(f"archive {file} does not end with record {archive.last_seq} as journal {path} names it")


def _bad_checkpoint(connection: sqlite3.Connection, path: Path) -> str | None:
    bad = checkpoints.bad(connection)
    return f"journal {path} is damaged: its checkpoint {bad[0]} was altered" if bad else None


def _structure(connection: sqlite3.Connection, path: Path) -> str | None:
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if finding == "ok" else f"journal {path} is damaged: {finding}"
