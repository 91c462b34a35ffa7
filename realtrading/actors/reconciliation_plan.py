"""What reconciliation keeps between two letters: the plan, the round in progress, and what it says of a difference."""
from __future__ import annotations

from collections.abc import Iterable

import attrs

from realtrading.domain.events import BalancesCompared, Entry, Event, OrdersCompared
from realtrading.domain.reconciliation import WEIGHT_PER_S, Discrepancy, Resolution

AGAIN_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses before a round is repeated because something was pending, suspected, unresolved or unanswered."""


@attrs.frozen(kw_only=True)
class Round:
    """A round in progress. `compared` is set once only the answer for the cause of its differences is waited for."""

    token: str
    trigger: str
    generation: int
    covers: tuple[str, ...]
    started_mono: float
    orders: OrdersCompared | None = None
    compared: BalancesCompared | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """Reconciliation's whole protocol state: wishes not yet covered, the round in progress, suspicions, the next date.

    `asked_about` are the differences whose cause was asked for last, at `asked_mono`; `unanswered` is what could not be.
    `spent` is the weight used and not made good yet, as of `spent_mono`.
    """

    generation: int | None = None
    wishes: tuple[str, ...] = ()
    trigger: str = "start"
    round: Round | None = None
    suspects: tuple[Discrepancy, ...] = ()
    not_before_mono: float = 0.0
    last_done_mono: float | None = None
    counter: int = 0
    repeats: int = 0
    skipped: bool = False
    asked_about: tuple[tuple[str, str], ...] = ()
    asked_mono: float = 0.0
    unanswered: tuple[str, ...] = ()
    spent: float = 0.0
    spent_mono: float = 0.0

    def spending(self, weight: float, now_mono: float) -> Plan:
        """With so much more of the venue's weight used; what was used is made good with time."""
        left = max(0.0, self.spent - WEIGHT_PER_S * (now_mono - self.spent_mono))
        return attrs.evolve(self, spent=left + weight, spent_mono=now_mono)

    @property
    def pause_s(self) -> float:
        """Seconds to wait before the next repetition."""
        return AGAIN_S[min(self.repeats, len(AGAIN_S) - 1)]


@attrs.frozen(kw_only=True)
class PlanChanged(Event):
    """The plan's new total (ephemeral: after a restart everything is looked at again anyway)."""

    durable = False
    plan: Plan

    def entries(self) -> Iterable[Entry]:
        """The one row."""
        return (("plan", "plan", self.plan),)


def unresolved(found: Iterable[Discrepancy]) -> tuple[Discrepancy, ...]:
    """Those that nobody can explain so far."""
    return tuple(each for each in found if each.resolution is Resolution.UNRESOLVED)


def because(found: Discrepancy, why: str) -> Discrepancy:
    """The difference with its cause."""
    return attrs.evolve(found, resolution=Resolution.EXPLAINED, detail=f"{found.detail}: {why}")


def wondering(found: Discrepancy, unanswered: tuple[str, ...]) -> Discrepancy:
    """The difference with what is not known about it."""
    asked = f"no history explains it; not answered: {', '.join(unanswered)}" if unanswered else "no history explains it"
    return attrs.evolve(found, detail=f"{found.detail}; {asked}")


def united(*groups: tuple[str, ...]) -> tuple[str, ...]:
    """All tokens once, in the order in which they were first wished."""
    return tuple(dict.fromkeys(token for group in groups for token in group))
