"""`realtrading journal rebase` in words and as JSON: a new opening balance after the exchange has reset the account."""
from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import attrs

from realtrading.domain.settings import Mode, Settings
from realtrading.domain.values import plain
from realtrading.errors import BadInput
from realtrading.journal.rebase import Rebased, look, rebase
from realtrading.opening import open_journal

from .verdicts import SCHEMA, Told

EXIT_USAGE = 2
EXIT_CONFIGURATION = 4
EXIT_CREDENTIALS = 5
REASON_MAX = 200


@attrs.frozen(kw_only=True)
class Wish:
    """What a person typed."""

    reason: str
    account: int | None
    dry_run: bool


def rebased(settings: Settings, wish: Wish) -> Told:
    """Rebase the settings' journal, or tell what that would end. Raises `BadInput`, and then nothing was changed."""
    path = Path(settings.journal_path)
    reason = _reason(wish.reason)
    if not path.exists():
        raise BadInput(f"there is no journal {path}", exit_code=EXIT_CONFIGURATION)
    with open_journal(settings, Path()) as journal:
        _require_account(settings, wish.account, journal.binding.account_uid)
        done = look(journal) if wish.dry_run else rebase(journal, author(), reason)
    return _facts(path, done, reason, wish), [*_lines(path, done, wish)]


def author() -> str:
    """Who runs this process, as the system knows it."""
    uid = os.getuid()
    try:
        return f"uid {uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"uid {uid}"


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason or len(reason) > REASON_MAX or not reason.isprintable():
        raise BadInput(f"--reason must be one line of 1 to {REASON_MAX} characters that can be printed", exit_code=EXIT_USAGE)
    return reason


def _require_account(settings: Settings, typed: int | None, bound: int | None) -> None:
    """In mode live the uid must be typed; typed anywhere, it must be the journal's."""
    if typed is None and settings.mode is Mode.LIVE:
        raise BadInput("mode live: type the account's uid too: --account UID", exit_code=EXIT_USAGE)
    if typed is not None and typed != bound:
        owner = "no account yet" if bound is None else f"account {bound}"
        raise BadInput(f"--account {typed}: the journal belongs to {owner}", exit_code=EXIT_CREDENTIALS)


def _facts(path: Path, done: Rebased, reason: str, wish: Wish) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": "journal rebase",
        "path": str(path),
        "dry_run": wish.dry_run,
        "reason": reason,
        "reset_recognised": done.named,
        "orders": list(done.orders),
        "positions": {key: plain(quantity) for key, quantity in done.positions.items()},
        "ledger": {asset: plain(total) for asset, total in done.ledger.items()},
        "cursors": dict(done.cursors),
    }


def _lines(path: Path, done: Rebased, wish: Wish) -> list[str]:
    ends = "would end" if wish.dry_run else "ended"
    positions = ", ".join(f"{key} {plain(quantity)}" for key, quantity in done.positions.items())
    ledger = ", ".join(f"{asset} {plain(total)}" for asset, total in done.ledger.items())
    lines = [f"{path}: {ends} {len(done.orders)} live orders, {len(done.positions)} positions, {len(done.ledger)} ledger lines"]
    lines += [f"  order {order_id}" for order_id in done.orders]
    lines += [f"  positions: {positions}"] if positions else []
    lines += [f"  ledger: {ledger}"] if ledger else []
    if not done.named:
        lines.append("the engine has not recognised a reset of this account: what it holds there becomes unmanaged")
    again = "the same without --dry-run does it" if wish.dry_run else "start the daemon; it takes a new opening balance"
    return [*lines, f"next: {again}"]
