"""What all commands that read a journal share: the form of what they found, and the exit code when they cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtrading.errors import BadInput
from realtrading.journal.errors import EXIT_IN_USE, JournalDamaged

SCHEMA = 1
EXIT_REFUSED = 6
EXIT_VERDICT = 11

Told = tuple[dict[str, Any], list[str]]
"""What a command found: as one JSON object, and as lines for a person."""


def guarded(work: Callable[[], Told]) -> Told:
    """Run one command on a journal; damage found ends with the exit code of a failed verdict, a lock with that of a
    refusal.
    """
    try:
        return work()
    except JournalDamaged as damage:
        raise BadInput(str(damage), exit_code=EXIT_VERDICT) from damage
    except BadInput as wrong:
        if wrong.exit_code == EXIT_IN_USE:
            raise BadInput(str(wrong), exit_code=EXIT_REFUSED) from wrong
        raise
