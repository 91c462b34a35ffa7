"""What breaker, reconciliation and the house itself say."""
from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import attrs

from .breaker import BreakerCause, CircuitBreakerState
from .event import Entry, Event
from .reconciliation import Discrepancy, DiscrepancyKind


@attrs.frozen(kw_only=True)
class BreakerChanged(Event):
    """The breaker's new total: all causes, the error count, the gate number and the seed's view of it."""

    state: CircuitBreakerState
    causes: tuple[BreakerCause, ...]
    gate: int
    changed: str

    def entries(self) -> Iterable[Entry]:
        """The breaker's one row, and the gate number beside it for the last look."""
        return (("breaker", "state", (self.state, self.causes)), ("gate", "gate", self.gate))


@attrs.frozen(kw_only=True)
class CircuitBreakerOpened(Event):
    """The first cause appeared (seed)."""

    reason: str


@attrs.frozen(kw_only=True)
class CircuitBreakerClosed(Event):
    """The last cause is gone (seed)."""


@attrs.frozen(kw_only=True)
class OrdersCompared(Event):
    """orders' word to reconciliation after merging a snapshot.

    `pending` ids still need a by-id answer before the round can be clean. `confirmed`: every trade above the cursors has
    found its order, so positions are what was traded.
    """

    durable: ClassVar[bool] = False
    token: str
    discrepancies: tuple[Discrepancy, ...]
    pending: tuple[str, ...]
    confirmed: bool = False


@attrs.frozen(kw_only=True)
class AccountResetSeen(Event):
    """balances' word: it looks as if the account had been reset; `certain` once no other reading is left."""

    durable: ClassVar[bool] = False
    token: str
    certain: bool
    detail: str


@attrs.frozen(kw_only=True)
class BalancesCompared(Event):
    """balances' answer. `skipped` assets were not comparable this round."""

    durable: ClassVar[bool] = False
    token: str
    discrepancies: tuple[Discrepancy, ...]
    skipped: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ReconciliationComplete(Event):
    """A round ended with every comparable key compared (seed: `discrepancies`). `clean` when nothing unexplained is left.

    `covers` are the tokens of the causes and requests that were known before the round's first question was asked.
    `confirmed`: all trades of the account have been given to their orders, whatever else is open.
    """

    discrepancies: int
    unresolved: tuple[Discrepancy, ...]
    trigger: str
    token: str
    generation: int
    covers: tuple[str, ...]
    clean: bool
    duration_s: float
    confirmed: bool = False

    @property
    def settled(self) -> bool:
        """True when at most balances are unexplained, each of which keeps its own asset shut and nothing else."""
        drifts = all(found.kind is DiscrepancyKind.BALANCE_DRIFT for found in self.unresolved)
        return self.clean or (bool(self.covers) and drifts)


@attrs.frozen(kw_only=True)
class ReconciliationFailed(Event):
    """A round could not be finished; nothing was concluded from it."""

    trigger: str
    token: str
    generation: int
    detail: str


@attrs.frozen(kw_only=True)
class DiscrepancyFound(Event):
    """Something differed between the house and the venue, and what was done about it."""

    discrepancy: Discrepancy


@attrs.frozen(kw_only=True)
class KeeperLost(Event):
    """An actor's incarnation ended; said to the breaker before its successor starts. `token` is the incarnation's number."""

    name: str
    cause: str
    letter: str
    token: int


@attrs.frozen(kw_only=True)
class MailboxFilled(Event):
    """A money mailbox passed its soft cap."""

    name: str
    waiting: int


@attrs.frozen(kw_only=True)
class ActorRestarted(Event):
    """A new incarnation serves the old mailbox."""

    name: str
    cause: str
    incarnation: int


@attrs.frozen(kw_only=True)
class EngineStarted(Event):
    """A run began."""

    run: int
    mode: str


@attrs.frozen(kw_only=True)
class InstanceSuperseded(Event):
    """The exchange shows an order with our prefix of a run that this journal never had: a newer instance trades there."""

    run: int
    client_id: str


@attrs.frozen(kw_only=True)
class EngineStopped(Event):
    """A run ended in order."""

    run: int


@attrs.frozen(kw_only=True)
class OperatorCommanded(Event):
    """A person asked the running engine for something. `by` is who, as the system vouches for it; `detail` is what exactly."""

    command: str
    by: str
    detail: str


@attrs.frozen(kw_only=True)
class Error(Event):
    """Something went wrong that has no better word (seed)."""

    message: str


@attrs.frozen(kw_only=True)
class Missed(Event):
    """A slow listener lost `count` events; fresh totals follow."""

    durable: ClassVar[bool] = False
    count: int
