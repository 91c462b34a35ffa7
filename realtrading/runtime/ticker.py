"""The ticker: tells actors that time has passed, and never twice before they have listened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from realtrading.runtime.mailbox import Mailbox, Tick
from realtrading.runtime.post import PostOffice

__all__ = ["Tick", "Ticker"]


class Ticker:
    """Posts `Tick(name)` to each mailbox with `tick_s`. `round` does what is due; with `open` a thread calls it."""

    def __init__(self, mailboxes: Sequence[Mailbox], post: PostOffice, mono: Callable[[], float]) -> None:
        self._mailboxes = [box for box in mailboxes if box.spec.tick_s is not None]
        self._post = post
        self._mono = mono
        self._due_mono: dict[str, float] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def round(self) -> float | None:
        """Put the ticks that are due; returns the seconds until the next one, None if nobody ticks.

        A tick that is due while the last one still waits is left out, not saved up.
        """
        now_mono = self._mono()
        for box in self._mailboxes:
            period_s = box.spec.tick_s or 0.0
            due_mono = self._due_mono.setdefault(box.name, now_mono + period_s)
            if now_mono < due_mono:
                continue
            self._due_mono[box.name] = now_mono + period_s
            if not box.tick_waiting and box.running:
                box.tick_waiting = True  # before it is put: it may be consumed at once
                if not box.accept(self._post.write(Tick(box.name), sender="ticker", cause=None)):
                    box.tick_waiting = False
        if not self._due_mono:
            return None
        return max(0.0, min(self._due_mono.values()) - now_mono)

    def open(self) -> None:
        """Start the thread, if anybody ticks."""
        if self._mailboxes:
            thread = threading.Thread(target=self._run, name="ticker", daemon=True)
            thread.start()
            self._thread = thread  # one that was refused must not be waited for

    def close(self, timeout_s: float) -> bool:
        """End the thread; True if it is gone in time."""
        self._ending.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = self.round()
        while pause_s is not None and not self._ending.wait(pause_s):
            pause_s = self.round()
