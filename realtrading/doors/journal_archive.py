"""`realtrading journal archive` in words and as JSON: what was moved out of a journal, and where it is now."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from realtrading.journal.archiving import archive

from .verdicts import SCHEMA, Told

MIB = 2**20


def archived(path: Path, before: date) -> Told:
    """Move what is older than a day into an archive beside the journal."""
    moved = archive(path, before)
    made = moved.archive
    object_ = {
        "schema": SCHEMA,
        "command": "journal archive",
        "path": str(path),
        "before": before.isoformat(),
        "archive": None if made is None else str(path.with_name(made.file)),
        "first": None if made is None else made.first_seq,
        "last": None if made is None else made.last_seq,
        "bytes_before": moved.bytes_before,
        "bytes_after": moved.bytes_after,
    }
    if made is None:
        return object_, [f"nothing to move: {path} begins with a record of {before} or later, or holds only one"]
    size = f"{moved.bytes_before / MIB:.1f} MiB before, {moved.bytes_after / MIB:.1f} MiB now"
    kept = "" if moved.given_back else "; no room to shrink the file, so it will fill its free pages first"
    return object_, [
        f"records {made.first_seq} to {made.last_seq} are in {path.with_name(made.file)}",
        f"{path}: {size}{kept}",
        "next: back both up; where the journal goes, its archives go with it",
    ]
