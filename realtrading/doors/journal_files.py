"""`realtrading journal verify`, `backup` and `restore` in words and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from realtrading.journal import backup as copies
from realtrading.journal.verify import VerifyReport, verify

from .verdicts import SCHEMA, Told

RESTORE = "realtrading journal restore BACKUP PATH makes a new journal of a backup"


def verified(path: Path) -> Told:
    """Whether the journal is what was written."""
    report = verify(path)
    object_ = {"schema": SCHEMA, "command": "journal verify", "path": str(path), **_facts(report)}
    if report.problem is not None:
        cure = "a start makes its rows again from its records" if report.rows_only else RESTORE
        return object_, [report.problem, f"next: {cure}"]
    away = [f"archive {file} is not beside it: its records were not read" for file in report.missing]
    return object_, [f"sound: {_words(report)}", *away, f"next: note the chain elsewhere: {report.chain}"]


def backed_up(path: Path, destination: Path) -> Told:
    """Make a copy of a journal that may be in use."""
    report = copies.backup(path, destination)
    object_ = {"schema": SCHEMA, "command": "journal backup", "path": str(path), "backup": str(destination)}
    return {**object_, **_facts(report)}, [
        f"{destination}: {_words(report)}",
        f"next: realtrading journal restore {destination} PATH makes a journal of it where none is",
    ]


def restored(copy: Path, path: Path) -> Told:
    """Make a journal of a backup."""
    report = copies.restore(copy, path)
    object_ = {"schema": SCHEMA, "command": "journal restore", "backup": str(copy), "path": str(path)}
    return {**object_, **_facts(report)}, [
        f"{path}: {_words(report)}",
        "next: start the engine with this journal, and never again with the one it was copied from",
    ]


def _facts(report: VerifyReport) -> dict[str, Any]:
    return {
        "sound": report.ok,
        "problem": report.problem,
        "records": report.records,
        "rows": report.rows,
        "chain": report.chain,
        "digest": report.digest,
        "archived": report.archived,
        "missing_archives": list(report.missing),
    }


def _words(report: VerifyReport) -> str:
    archived = f" ({report.archived} of them in archives)" if report.archived else ""
    return f"{report.records} records{archived}, {report.rows} current rows, digest {report.digest[:16]}"
