"""`realtrading journal …`: look at a journal, check it, copy it and bring it back, beside a running daemon or without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

PATH = click.argument("path", type=click.Path(path_type=Path))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
EXIT_VERDICT = 11


@click.group()
def journal() -> None:
    """Look at a journal, check it, copy it, bring it back.

    Exit codes: 0 done, 2 usage, 4 not a journal or not writable, 6 refused (in the way, or in use), 8 no such order,
    11 damaged.
    """


@journal.command()
@PATH
@AS_JSON
def verify(path: Path, as_json: bool) -> int:
    """Check every record, the chain and the current rows of the journal at PATH."""
    from realtrading.doors.journal_files import verified

    found = _tell(lambda: verified(path), as_json)
    return 0 if found["sound"] else EXIT_VERDICT


@journal.command()
@PATH
@click.argument("destination", type=click.Path(path_type=Path), metavar="DEST")
@AS_JSON
def backup(path: Path, destination: Path, as_json: bool) -> int:
    """Copy the journal at PATH to the new file DEST, also while a daemon runs, and verify the copy."""
    from realtrading.doors.journal_files import backed_up

    _tell(lambda: backed_up(path, destination), as_json)
    return 0


@journal.command()
@click.argument("backup", type=click.Path(path_type=Path))
@PATH
@AS_JSON
def restore(backup: Path, path: Path, as_json: bool) -> int:
    """Make the journal PATH, where none is, out of BACKUP; verified before and after."""
    from realtrading.doors.journal_files import restored

    _tell(lambda: restored(backup, path), as_json)
    return 0


@journal.command()
@PATH
@AS_JSON
def orders(path: Path, as_json: bool) -> int:
    """List the orders that the journal at PATH holds now."""
    from realtrading.doors.journal_orders import orders_told

    _tell(lambda: orders_told(path), as_json)
    return 0


@journal.command()
@PATH
@click.argument("order_id", metavar="ID")
@AS_JSON
def order(path: Path, order_id: str, as_json: bool) -> int:
    """Tell the life of one order, from intent to ledger.

    Each line is a record: its number, its time, run:letter < the letter that caused it, its kind, and the order's
    state and quantities after it.
    """
    from realtrading.doors.journal_orders import life_told

    _tell(lambda: life_told(path, order_id), as_json)
    return 0


@journal.command()
@PATH
@click.option("--before", required=True, metavar="DATE", help="A day in UTC, as 2026-11-30.")
@AS_JSON
def archive(path: Path, before: str, as_json: bool) -> int:
    """Move the records before DATE out of the journal at PATH, while no daemon runs.

    They go, deflated, into a file beside it that `verify` and `order` go on reading; a start needs no archive.
    """
    from realtrading.doors.journal_archive import archived

    try:
        day = date.fromisoformat(before)
    except ValueError:
        raise click.BadParameter(f"{before!r:.40} is no day; write it as 2026-11-30", param_hint="--before") from None
    _tell(lambda: archived(path, day), as_json)
    return 0


@journal.command()
@click.option("--config", "config_file", required=True, type=click.Path(path_type=Path), help="The engine's TOML file.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@click.option("--account", type=int, metavar="UID", help="The account's uid; mode live needs it.")
@click.option("--dry-run", is_flag=True, help="Tell what would end, and change nothing.")
@AS_JSON
def rebase(config_file: Path, reason: str, account: int | None, dry_run: bool, as_json: bool) -> int:
    """Begin a new opening balance after the exchange has RESET the account, while no daemon runs.

    Live orders are closed as gone with the account, positions as what they were, and the ledger and the trade cursors
    begin anew at the next start. History, ids, the day's loss and the breaker's other causes stay.
    """
    from realtrading.config import load
    from realtrading.doors.journal_rebase import Wish, rebased

    settings = load(config_file)
    _tell(lambda: rebased(settings, Wish(reason=reason, account=account, dry_run=dry_run)), as_json)
    return 0


def _tell(work: Callable[[], tuple[dict[str, Any], list[str]]], as_json: bool) -> dict[str, Any]:
    """Do the work and print what it found."""
    from realtrading.doors.verdicts import guarded

    found, lines = guarded(work)
    # a file name may hold bytes that are no text
    click.echo(json.dumps(found) if as_json else "\n".join(lines).encode("utf-8", "replace").decode())
    return found
