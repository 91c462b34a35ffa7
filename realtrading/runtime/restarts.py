"""How often an actor may be restarted, and what becomes of the letter it failed on: the ladder's first three steps."""

from __future__ import annotations

import random
from collections import deque

import attrs

from realtrading.runtime.mailbox import Letter, Mailbox, Tick
from realtrading.runtime.spec import Budget

BACKOFF_MIN_S = 0.05
BACKOFF_MAX_S = 1.0
TRIES_MAX = 2


class Account:
    """One actor's restart budget over a sliding window, and its back-off after failing starts."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._spent_mono: deque[float] = deque()
        self._start_failures = 0

    def spend(self, now_mono: float) -> bool:
        """Take one restart out of the budget; False if there was none left."""
        while self._spent_mono and now_mono - self._spent_mono[0] > self._budget.within_s:
            self._spent_mono.popleft()
        self._spent_mono.append(now_mono)
        return len(self._spent_mono) <= self._budget.restarts

    def allowed_from_mono(self) -> float:
        """When the window has moved on far enough for another restart."""
        index = len(self._spent_mono) - max(1, self._budget.restarts)
        return self._spent_mono[max(0, index)] + self._budget.within_s

    def start_failed(self, dice: random.Random) -> float:
        """Seconds to wait before the next start: doubled each time, with up to a fifth of jitter."""
        pause_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0**self._start_failures) * (1.0 + 0.2 * dice.random())
        self._start_failures += 1
        return min(BACKOFF_MAX_S, pause_s)

    def started(self) -> None:
        """A start succeeded."""
        self._start_failures = 0


@attrs.frozen
class Verdict:
    """What to do before the successor starts: letters nobody tries again, and whether the memory is the suspect."""

    set_aside: tuple[Letter, ...] = ()
    rebuild: bool = False


class Ladder:
    """Remembers one actor's failures well enough to tell a poisonous letter from a poisoned memory."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._last_failure: tuple[int, int] | None = None  # (seq of the letter, letters handled until then)

    def judge(self, letters: tuple[Letter, ...]) -> Verdict:
        """Count a failure on these letters.

        A keeper's letter is tried twice, a hand's once. A tick is never tried again and makes the memory suspect,
        and so do two different letters that fail with no success between them. After a failed batch its letters are
        tried one by one.
        """
        if not letters:
            return Verdict()
        mailbox = self._mailbox
        aside: list[Letter] = []
        rebuild = False
        for letter in letters:
            if type(letter.message) is Tick:
                aside.append(letter)
                rebuild = True
                continue
            tries = mailbox.tries.get(letter.seq, 0) + 1
            mailbox.tries[letter.seq] = tries
            if tries >= TRIES_MAX or not mailbox.spec.retry_letter:
                aside.append(letter)
        if len(letters) > 1:
            mailbox.singles = len(letters)
        seq = letters[0].seq
        if self._last_failure is not None and self._last_failure[0] != seq and self._last_failure[1] == mailbox.handled:
            rebuild = True
        self._last_failure = (seq, mailbox.handled)
        return Verdict(tuple(aside), rebuild)
