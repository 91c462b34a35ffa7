"""The feed: spreads events to whoever listens outside the house, and counts them for the scrape."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from realtrading.domain.values import Now
from realtrading.runtime.actor import Hand

from .board import Board
from .tally import Tally

log = logging.getLogger("realtrading.feed")

Listener = Callable[[object], None]


class Listeners:
    """Callbacks of the embedding program. Any thread may add and remove: each is one step of a dict."""

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add one; returns the function that removes it, and only this one if it was added twice."""
        place = object()
        self._listeners[place] = listener

        def remove() -> None:
            self._listeners.pop(place, None)

        return remove

    def tell(self, event: object) -> None:
        """Call everybody; a listener's own mistake is logged and hurts nobody else."""
        for listener in list(self._listeners.values()):
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %s", type(event).__name__)


class FeedActor(Hand):
    """Listeners may be slow: its mailbox drops the oldest letters and says so with `Missed`."""

    def __init__(self, *, listeners: Listeners, tally: Tally, board: Board) -> None:
        super().__init__()
        self.listeners = listeners
        self.tally = tally
        self.board = board

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """Count and spread one event."""
        self.tally.count(message, now, self.board)
        self.listeners.tell(message)
        return ()
