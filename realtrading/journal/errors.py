"""What can go wrong with the journal; the type names the culprit."""

from __future__ import annotations

from realtrading.errors import BadInput, HouseError

EXIT_CONFIGURATION = 4
EXIT_CREDENTIALS = 5
EXIT_DAMAGED = 65
EXIT_IN_USE = 75


class JournalFailed(HouseError):
    """The disk refused: nothing of the batch is acknowledged and the journal takes nothing more in this process.

    Never retried: after a failed fsync the kernel may have dropped the pages, and the next one succeeds over nothing.
    """


class Unwritable(HouseError):
    """A value that is not in the closed registry, or holds something its type forbids. Nothing was written."""


class Unreadable(BadInput):
    """A record this version cannot read: an unknown class, field or version, so most likely written by a newer one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=EXIT_CONFIGURATION)


class JournalDamaged(BadInput):
    """What is on disk is not what was written. The sentence names the first bad record."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=EXIT_DAMAGED)
