"""The seeded desk: one single-threaded scheduler that serves every mailbox in an order drawn from a seed."""

from __future__ import annotations

import random

from realtrading.runtime.desk import Desk, Office
from realtrading.runtime.mailbox import Mailbox


class SeededDesk(Desk):
    """Serves all mailboxes on the caller's thread. The same seed and the same posts give the same order of handling."""

    def __init__(self, office: Office, dice: random.Random) -> None:
        super().__init__("seeded", office)
        self._dice = dice

    def open(self) -> None:
        """Nothing to start: the caller's thread steps."""

    def ring(self) -> None:
        """Nobody sleeps here."""

    def close(self, timeout_s: float) -> bool:
        """Nothing to end."""
        return True

    def step(self) -> Mailbox | None:
        """Carry out waiting orders, then serve one letter; returns its mailbox, or None if nothing waits."""
        self.do_chores(self.shift)
        ready = [box for box in self.mailboxes if box.has_work()]
        if not ready:
            return None
        mailbox = ready[self._dice.randrange(len(ready))]
        self.shift.serve(mailbox)
        return mailbox
