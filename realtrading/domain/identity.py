"""Whose run made an order: two houses that share prefix and account are told apart by the run number in client ids."""
from __future__ import annotations

from typing import Final

import attrs

from .values import ClientId

RUN_MAX: Final = 36**6 - 1
"""The highest run number that fits into a client id."""

EXIT_SUPERSEDED: Final = 7
"""A newer instance trades on this account."""


@attrs.frozen(kw_only=True)
class OwnRuns:
    """The run numbers that are this journal's own: those it has `begun`, and all up to `adopted`.

    `adopted` lies below the journal's first run: what is older was made by a memory that is gone. A restored backup
    adopts all runs up to its new one, because the disk that knew of them is lost.
    """

    begun: frozenset[int] = frozenset()
    adopted: int = RUN_MAX

    def __contains__(self, run: int) -> bool:
        return run <= self.adopted or run in self.begun

    def adopted_by(self, run: int) -> bool:
        """True for the first run of a restored journal: orders that it never had may turn up, and are its own."""
        return self.adopted == run - 1 and len(self.begun) > 1

    def strange(self, client_id: str, prefix: str) -> int | None:
        """The run in this id, when the prefix is ours and the run is not: another house trades on this account."""
        parts = ClientId.parse(client_id)
        if parts is None or parts.prefix != prefix or parts.run in self:
            return None
        return parts.run


def superseded(run: int, client_id: str) -> str:
    """The sentence for a house that has met a run it never had."""
    return (
        f"a newer instance trades on this account: order {client_id} is of run {run}, which this journal never had; "
        "this one signs nothing more. Go on with the newer one; to take over with this journal, "
        "make a new one of it with realtrading journal backup and journal restore"
    )
