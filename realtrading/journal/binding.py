"""Whose journal it is: one mode, one account; checked before any request that could trade."""

from __future__ import annotations

from pathlib import Path

import attrs

from realtrading.errors import BadInput
from realtrading.journal.errors import EXIT_CREDENTIALS

RESTORED = "restored"
"""The fact that `restore` writes into a journal, and that its first run removes: what the exchange shows beyond it is ours."""


@attrs.frozen(kw_only=True)
class Binding:
    """What a journal belongs to. `account_uid` is None until the venue has told it; an API key may be rotated for one
    uid.
    """

    mode: str
    account_uid: int | None = None


def joined(recorded: Binding, asked: Binding, path: Path) -> Binding:
    """The binding that holds when a house that is `asked` opens a journal that is `recorded`.

    Raises `BadInput` (exit code 5) when they contradict each other; a uid unknown on either side contradicts nothing.
    """
    if recorded.mode != asked.mode:
        raise BadInput(
            f"journal {path} belongs to mode {recorded.mode}, not to mode {asked.mode}: give each mode its own journal",
            exit_code=EXIT_CREDENTIALS,
        )
    known, told = recorded.account_uid, asked.account_uid
    if known is not None and told is not None and known != told:
        raise BadInput(
            f"journal {path} belongs to account {known}, but these credentials are of account {told}",
            exit_code=EXIT_CREDENTIALS,
        )
    return Binding(mode=recorded.mode, account_uid=told if known is None else known)
