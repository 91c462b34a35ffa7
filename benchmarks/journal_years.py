"""How long a start takes after 10^5, 10^6 and 10^7 events, and that its digest is the one of all records folded anew.

    python benchmarks/journal_years.py [FOLDER] [EVENTS ...] [--fold-to EVENTS]

The journal grows in FOLDER (about 0.8 KB per event) from one size to the next. The records are written by the journal's
own writer, fed with texts that are made from one order's by replacing its numbers: each start and `verify` prove that
they are what the house writes. "Without checkpoints" a start checks every record; "folded" makes all rows again from the
first record on. Each measure is taken in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from journal_start import START, life, opened

from realtrading.domain.values import ClientId, Role
from realtrading.journal import checkpoints, recovery, store
from realtrading.journal.codec import ROWS, Encoded, encode_with_rows
from realtrading.journal.files import connected_for_reading
from realtrading.journal.store import Journal, Record
from realtrading.journal.verify import verify
from realtrading.journal.writer import Prepared, iso

SIZES = (100_000, 1_000_000, 10_000_000)
TOKEN = 600_000_000_001
"""The order of which the texts are made: none of its numbers occurs in them for another reason."""
BATCH = 2000


def client_id(run: int, counter: int) -> str:
    """The id of an order."""
    return str(ClientId(prefix="rt", run=run, strategy="bench", role=Role.ENTRY, counter=counter))


def prepared(run: int, first: int) -> Iterator[Prepared]:
    """Orders one after another as the writer wants them, without making each value first."""
    seen = {"rt": run}
    template = [(event, encode_with_rows(event, seen)) for event in life(run, TOKEN, archived=True)]
    old = client_id(run, TOKEN), str(TOKEN), iso(START + timedelta(milliseconds=TOKEN))
    letter, counter = 4 * first, first
    while True:
        counter += 1
        at = START + timedelta(milliseconds=counter)
        new = client_id(run, counter), str(counter), iso(at)

        def changed(text: str, new: tuple[str, ...] = new) -> str:
            for was, now in zip(old, new, strict=True):
                text = text.replace(was, now)
            return text

        for event, encoded in template:
            letter += 1
            rows = tuple((table, changed(key), None if text is None else changed(text)) for table, key, text in encoded.rows)
            yield Prepared(
                Record(letter_seq=letter, cause=letter - 1, sender="orders", at=at, event=event),
                new[2],
                new[0],
                Encoded(encoded.type, changed(encoded.payload), rows),
            )


def grow(path: Path, events: int) -> None:
    """Write until the journal holds so many records."""
    began = time.perf_counter()
    with opened(path) as journal:
        run = journal.begin_run()
        before = journal.last_seq
        for event in life(run, 1, archived=True):  # the run's first order is written by the house's own way
            journal.append([Record(letter_seq=1, cause=None, sender="orders", at=START, event=event)])
        source = prepared(run, 1)
        writer = journal._writer
        while journal.last_seq < events:
            writer.execute("BEGIN IMMEDIATE")
            for _ in range(min(BATCH, events - journal.last_seq)):
                writer._write(run, next(source))
            writer.execute("COMMIT")
            journal.checkpoint()
        written = journal.last_seq - before
    took = time.perf_counter() - began
    size = path.stat().st_size / 2**20
    print(f"{events} events: {written} written in {took:.0f} s, file {size:.0f} MiB", flush=True)


def same_as_the_house() -> None:
    """Compare what the replacing gives with what the journal encodes itself, record by record."""
    both = prepared(1, 6)
    for counter in range(7, 40):
        for event in life(1, counter, archived=True):
            assert encode_with_rows(event, {"rt": 1}) == next(both).encoded, event


def start(path: Path, *, without: bool) -> str:
    """What a start does before its run begins: check, and read every table."""
    if without:
        checkpoints._numbers = lambda connection: []  # as if none had ever been made
        store.KEPT_EVERY = store.KEPT_FORCED = 10**12
    began = time.perf_counter()
    journal: Journal = opened(path)
    for table in ROWS:
        journal.rows(table)
    took = time.perf_counter() - began
    digest = journal.last_state_digest()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kind = "without checkpoints" if without else "with checkpoints"
    return f"  start {kind}: {took:.2f} s, peak memory {peak:.0f} MiB, digest {digest[:16]}"


def fold(path: Path) -> str:
    """All rows made again from the first record on, compared with those that the journal has."""
    began = time.perf_counter()
    with connected_for_reading(path) as connection:
        digest = checkpoints.state_of(recovery.rows_of_all(connection, path)).hex()
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"  all records folded: {took:.1f} s, peak memory {peak:.0f} MiB, digest {digest[:16]}"


def whole(path: Path) -> str:
    """`verify`."""
    began = time.perf_counter()
    report = verify(path)
    took = time.perf_counter() - began
    return f"  verify: {took:.1f} s, {report.records} records, sound: {report.ok}, digest {report.digest[:16]}"


def main() -> None:
    """Grow and measure, or take one measure in this process."""
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", nargs="?")
    asked.add_argument("events", nargs="*", type=int)
    asked.add_argument("--fold-to", type=int, default=1_000_000)
    asked.add_argument("--only", choices=("grow", "start", "without", "fold", "verify"))
    given = asked.parse_args()
    if given.only:
        one(Path(given.folder), given.only, given.events)
        return
    same_as_the_house()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(given.folder or temporary) / "journal.db"
        for events in given.events or SIZES:
            steps = ["grow", "start", "without", "verify", *(["fold"] if events <= given.fold_to else [])]
            for step in steps:
                subprocess.run([sys.executable, __file__, str(path), str(events), "--only", step], check=True)


def one(path: Path, step: str, events: list[int]) -> None:
    """Take one measure."""
    if step == "grow":
        grow(path, events[0])
    elif step in ("start", "without"):
        print(start(path, without=step == "without"), flush=True)
        os._exit(0)  # as a kill would: the measure leaves no orderly end behind
    else:
        print(fold(path) if step == "fold" else whole(path), flush=True)


if __name__ == "__main__":
    main()
