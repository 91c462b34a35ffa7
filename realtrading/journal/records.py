"""What goes into the journal and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from realtrading.domain.events import Entry, Event
from realtrading.domain.orders import RealOrder
from realtrading.domain.values import ClientId


@attrs.frozen(kw_only=True)
class IntentRecorded(Event):
    """The breaker's `RecordOrder` on disk: exactly what may now be signed. `gate` is the breaker's gate number or None.

    The journal holds one such record per client id, ever.
    """

    order: RealOrder
    gate: int | None

    def entries(self) -> Iterable[Entry]:
        """The order's row, as it was when it was let through."""
        return (("orders", self.order.id, self.order),)


@attrs.frozen(kw_only=True)
class RunBegan(Event):
    """A process took the journal over under a run number never used before.

    `adopts`: the journal was restored from a backup, so orders of runs it never had are its own, up to this run.
    """

    run: int
    code_version: str
    config_digest: str
    adopts: bool = False

    def entries(self) -> Iterable[Entry]:
        """The journal's own rows: the last run, and up to which one all are its own."""
        last = ("journal", "run", self.run)
        return (last, ("journal", "adopted", self.run - 1)) if self.adopts else (last,)


@attrs.frozen(kw_only=True)
class AccountRebased(Event):
    """A person began a new opening balance, because the exchange had reset the account.

    Named is what ended: ids of live orders, positions (key -> base quantity), ledger totals and trade cursors.
    """

    author: str
    reason: str
    account_uid: int | None
    orders: tuple[str, ...]
    positions: Mapping[str, Decimal]
    ledger: Mapping[str, Decimal]
    cursors: Mapping[str, int]

    def entries(self) -> Iterable[Entry]:
        """The ledger's and the cursors' rows go away: the next start opens them anew."""
        lines = (("ledger", asset, None) for asset in self.ledger)
        return (*lines, *(("cursors", symbol, None) for symbol in self.cursors))


@attrs.frozen(kw_only=True)
class Record:
    """One event on its way to disk, with the letter that brought it (`letter_seq`, `cause`, `sender`) and its UTC
    moment.
    """

    letter_seq: int
    cause: int | None
    sender: str
    at: datetime
    event: Event


@attrs.frozen(kw_only=True)
class Stored:
    """One event as read back. `seq` is its place in the journal; `letter_seq` and `cause` are letters of its `run`."""

    seq: int
    run: int
    letter_seq: int
    cause: int | None
    sender: str
    type: str
    at: datetime
    order_id: str | None
    event: Event


@attrs.frozen(kw_only=True)
class Appended:
    """The outcome of one `append`: everything is on disk but the intents whose ids were recorded before.

    `last_seq` is the journal's last record now. `recorded` are the ids of the intents that this call wrote: each may be
    placed, once. `duplicates` are the ids that were refused; an id told twice within one call stands in both.
    """

    last_seq: int
    recorded: frozenset[str]
    duplicates: frozenset[str]


@attrs.frozen(kw_only=True)
class Run:
    """One life of the house. `stopped` is None when it runs or died."""

    run: int
    started: datetime
    code_version: str
    config_digest: str
    stopped: datetime | None


def order_id_of(event: Event) -> str | None:
    """The client id of the order an event is about, or None."""
    order = getattr(event, "order", None)
    if isinstance(order, RealOrder):
        return order.id
    ident = getattr(event, "id", None)
    return ident if isinstance(ident, str) else None


def seen_run_of(event: Event) -> tuple[str, int] | None:
    """Prefix and run in the client id of the order an event is about, when a house like ours minted it."""
    order_id = order_id_of(event)
    parts = None if order_id is None else ClientId.parse(order_id)
    return None if parts is None else (parts.prefix, parts.run)


def rows_of(event: Event, seen_runs: Mapping[str, int]) -> tuple[Entry, ...]:
    """Every row of `current` that an event is: its own entries, and the highest run seen among client ids if it rose.

    `seen_runs` maps a client id's prefix to the highest run so far.
    """
    entries = tuple(event.entries())
    seen = seen_run_of(event)
    if seen is None or seen_runs.get(seen[0], -1) >= seen[1]:
        return entries
    return (*entries, ("seen_runs", *seen))
