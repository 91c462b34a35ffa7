"""The lookup hand: asks the venue about single orders, takes snapshots and reads histories for reconciliation."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from realtrading.domain.commands import ListOpenOrders, QueryMovements, QueryOrder, TakeSnapshot
from realtrading.domain.reports import LookupFailed, MovementsFound
from realtrading.domain.values import Now
from realtrading.runtime.actor import Hand
from realtrading.venue.port import Venue

Question = QueryOrder | TakeSnapshot | ListOpenOrders | QueryMovements


class LookupActor(Hand):
    """Reads only. Two questions about one subject are never under way at the same time."""

    def __init__(self, *, venue: Venue) -> None:
        super().__init__()
        self.venue = venue
        self.asking: set[str] = set()

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """Begin one question; the answer is sent when it comes."""
        subject = subject_of(message)
        if subject not in self.asking:
            self.asking.add(subject)
            self.spawn(self.answer(message, subject))
        return ()

    async def answer(self, message: Question, subject: str) -> None:
        """Put the question to the venue."""
        try:
            if isinstance(message, QueryOrder):
                self.send(await self.venue.query(message))
            elif isinstance(message, ListOpenOrders):
                self.send(await self.venue.list_open(message))
            elif isinstance(message, QueryMovements):
                self.send(await self.venue.movements(message))
            else:
                self.send(await self.venue.snapshot(message))
        finally:
            self.asking.discard(subject)


def subject_of(message: Question) -> str:
    """What a question is about."""
    if isinstance(message, ListOpenOrders):
        return f"open orders of {message.symbol}"
    if isinstance(message, QueryMovements):
        return f"{message.token} movements"
    return message.id if isinstance(message, QueryOrder) else message.token


def set_aside(message: object) -> Iterable[object]:
    """What to answer for a letter this hand died over: no answer, which is never "none"."""
    if isinstance(message, QueryMovements):
        return (MovementsFound(token=message.token, movements=(), unanswered=("the lookup hand died over it",)),)
    if isinstance(message, QueryOrder | TakeSnapshot | ListOpenOrders):
        return (LookupFailed(subject=subject_of(message), detail="the lookup hand died over it"),)
    return ()
