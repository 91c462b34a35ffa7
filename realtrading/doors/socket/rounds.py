"""Gathers what the house said about its reconciliation rounds into readable reports, live or out of a journal."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from realtrading.domain.events import (
    DifferenceAccepted,
    DiscrepancyFound,
    Event,
    ExternalTradeSeen,
    PositionCut,
    ReconciliationComplete,
    ReconciliationFailed,
)
from realtrading.domain.values import ZERO, plain

from .facts import discrepancy_facts

HEARD = (DifferenceAccepted, DiscrepancyFound, ExternalTradeSeen, PositionCut, ReconciliationComplete, ReconciliationFailed)
"""The events that reports are made of."""

Report = dict[str, Any]


class Rounds:
    """Hears events in order. What is said between two ends of rounds belongs to the later one, a cut to the earlier one."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._found: list[dict[str, Any]] = []

    def hear(self, event: Event, at: datetime) -> Report | None:
        """The finished report if this event ends a round."""
        found = discrepancy_of(event)
        if found is not None:
            follows = isinstance(event, PositionCut) and self.reports  # from the wallet that the last round stated
            add(self.reports[-1]["discrepancies"] if follows else self._found, found)
        elif isinstance(event, ReconciliationFailed):
            return self._end(event, at, result="failed", detail=event.detail, covers=[])
        elif isinstance(event, ReconciliationComplete):
            return self._end(
                event,
                at,
                result="clean" if event.clean else "unclean",
                detail="",
                covers=list(event.covers),
                unresolved=[discrepancy_facts(each) for each in event.unresolved],
                duration_s=round(event.duration_s, 3),
            )
        return None

    def finished(self) -> list[Report]:
        """All reports; what was said after the last end is told with it."""
        if self.reports:
            for found in self._found:
                add(self.reports[-1]["discrepancies"], found)
            self._found = []
        return self.reports

    def _end(self, event: ReconciliationComplete | ReconciliationFailed, at: datetime, **more: Any) -> Report:
        report = {
            "round": event.token,
            "trigger": event.trigger,
            "at": at.isoformat(),
            "discrepancies": self._found,
            "unresolved": [],
            **more,
        }
        self._found = []
        self.reports.append(report)
        return report


def add(told: list[dict[str, Any]], found: dict[str, Any]) -> None:
    """Put a difference to the others; a further trade of the same foreign order joins what is told of that order."""
    before = next((each for each in told if each["key"] == found["key"] and "moved" in each and "moved" in found), None)
    if before is None:
        told.append(found)
        return
    moved = {asset: Decimal(amount) for asset, amount in before["moved"].items()}
    for asset, amount in found["moved"].items():
        moved[asset] = moved.get(asset, ZERO) + Decimal(amount)
    before |= _moved(moved, [*before["trades"], *found["trades"]])


def discrepancy_of(event: Event) -> dict[str, Any] | None:
    """A difference, or what others did and what came of it in the words of one; None for any other event."""
    if isinstance(event, DiscrepancyFound):
        return discrepancy_facts(event.discrepancy)
    if isinstance(event, ExternalTradeSeen):
        return _trade(event)
    if isinstance(event, DifferenceAccepted):
        return _accepted(event)
    return _cut(event) if isinstance(event, PositionCut) else None


def _accepted(event: DifferenceAccepted) -> dict[str, Any]:
    return {
        "kind": "balance_drift",
        "key": event.asset,
        "engine": "did not know",
        "exchange": plain(event.amount),
        "resolution": "explained",
        "detail": f"{event.by} accepted it: {event.reason}",
    }


def _trade(event: ExternalTradeSeen) -> dict[str, Any]:
    key = f"{event.symbol}:{event.exchange_order_id}"
    told = {"kind": "external_trade", "key": key, "engine": "not ours", "resolution": "explained"}
    return {**told, **_moved(event.deltas, [event.trade_id])}


def _moved(deltas: Mapping[str, Decimal], trades: list[int]) -> dict[str, Any]:
    """What these trades of one foreign order moved."""
    which = f"trade {trades[0]}" if len(trades) == 1 else f"{len(trades)} trades, {trades[0]} to {trades[-1]}"
    moved = {asset: plain(amount) for asset, amount in deltas.items()}
    words = ", ".join(f"{amount} {asset}" for asset, amount in moved.items())
    return {"exchange": which, "detail": f"moved {words}", "trades": trades, "moved": moved}


def _cut(event: PositionCut) -> dict[str, Any]:
    return {
        "kind": "position_cut",
        "key": event.book.key,
        "engine": plain(event.book.quantity),
        "exchange": "less than was managed",
        "resolution": "healed",
        "detail": event.detail,
    }
