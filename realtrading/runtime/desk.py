"""Desks: a desk is a thread that serves mailboxes in turn, each letter to completion."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from realtrading.runtime.mailbox import Incarnation, Mailbox
from realtrading.runtime.post import PostOffice
from realtrading.runtime.shift import Shift


class Office(Protocol):
    """What a desk needs of the house it stands in."""

    post_office: PostOffice
    clock: Callable[[], Any]
    mono: Callable[[], float]
    frozen: bool
    closing: bool

    def freeze(self) -> None:
        """Serve nobody from now on."""

    def report_death(self, life: Incarnation, failure: BaseException) -> None:
        """A life ended by its own failure; the caller took its pen."""

    def report_start(self, life: Incarnation) -> None:
        """A life has started and takes letters."""

    def report_shift(self) -> None:
        """A shift's thread is at its end."""

    def tell_news(self) -> None:
        """An actor's state has changed."""

    def note_failure(self, mailbox: Mailbox, failure: BaseException) -> None:
        """Count and log a failure that changes nothing."""


class Desk:
    """What every desk can do; how its shift runs is the subclass's."""

    def __init__(self, name: str, office: Office) -> None:
        self.name = name
        self.office = office
        self.mailboxes: list[Mailbox] = []
        # Orders of the supervisor (start, stop). The head stays in place while it is carried out, like a letter.
        self.chores: deque[Callable[[Shift], bool]] = deque()
        self.shift = self.new_shift()
        self.retired_shifts: list[Shift] = []
        self.opened = False

    def take_in(self, mailbox: Mailbox) -> None:
        """Serve this mailbox from now on. Before the desk opens."""
        self.mailboxes.append(mailbox)
        mailbox.ring = self.ring
        mailbox.busy_since = self._busy_since

    def _busy_since(self, mailbox: Mailbox) -> float | None:
        busy = self.shift.busy
        return busy[1] if busy is not None and busy[0].mailbox is mailbox else None

    def new_shift(self) -> Shift:
        """A shift that has not begun."""
        return Shift(self.office)

    def open(self) -> None:
        """Begin the shift: start its thread. Raises RuntimeError if the system has no thread left."""
        self.opened = True
        shift = self.shift
        shift.thread = threading.Thread(target=self._run, args=(shift,), name=f"desk-{self.name}", daemon=True)
        try:
            shift.thread.start()
        except RuntimeError:
            shift.thread = None
            raise

    def relieve(self) -> None:
        """Give the desk a new thread; the old one can serve nobody any more."""
        old = self.shift
        old.held = True
        self.retired_shifts = [shift for shift in self.retired_shifts if shift.thread is not None and shift.thread.is_alive()]
        self.retired_shifts.append(old)
        self.shift = self.new_shift()
        self.dismiss(old)
        self.open()

    def dismiss(self, shift: Shift) -> None:
        """Tell a held shift, wherever it waits, to go home."""
        shift.dismissed.set()
        shift.bell.ring()

    def request_start(self, life: Incarnation) -> None:
        """Have the desk's thread start a new life."""

        def start(shift: Shift) -> bool:
            shift.start(life)
            return True

        self._order(start)

    def request_stop(self, life: Incarnation) -> None:
        """Have the desk's thread stop a life in order."""

        def stop(shift: Shift) -> bool:
            shift.stop(life)
            return True

        self._order(stop)

    def _order(self, chore: Callable[[Shift], bool]) -> None:
        self.chores.append(chore)
        self.ring()

    def do_chores(self, shift: Shift) -> bool:
        """Carry out waiting orders; False if the shift goes home or an order must wait."""
        while self.chores:
            if shift.goes_home() or not self.chores[0](shift) or shift.goes_home():
                return False
            self.chores.popleft()
        return True

    def has_work(self) -> bool:
        """Whether anything could be served now."""
        return bool(self.chores) or self.mail_waits()

    def mail_waits(self) -> bool:
        """Whether a running actor has a letter."""
        return any(box.has_work() for box in self.mailboxes)

    def is_dead(self) -> bool:
        """Whether the thread of the present shift has ended, or could not be had."""
        thread = self.shift.thread
        return self.opened and (thread is None or not thread.is_alive())

    def loses_all_with_thread(self) -> bool:
        """Whether a new thread means a new life for every actor of this desk."""
        return False

    def is_stuck(self, judge_from_mono: float, now_mono: float) -> Incarnation | None:
        """The life whose letter takes longer than it may, if any."""
        busy = self.shift.busy
        if busy is not None and now_mono - max(busy[1], judge_from_mono) > busy[0].mailbox.spec.hang_s:
            return busy[0]
        return None

    def ring(self) -> None:
        """Wake the desk's thread if it sleeps."""
        shift = self.shift
        if shift.asleep:
            shift.bell.ring()

    def close(self, timeout_s: float) -> bool:
        """End the thread; True if it (and every relieved one) is gone in time."""
        self.shift.held = True
        shifts = [*self.retired_shifts, self.shift]
        for shift in shifts:
            self.dismiss(shift)
        deadline_mono = self.office.mono() + timeout_s
        gone = True
        for shift in shifts:
            if shift.thread is not None and shift.thread is not threading.current_thread():
                shift.thread.join(max(0.0, deadline_mono - self.office.mono()))
                gone = gone and not shift.thread.is_alive()
        return gone

    def _run(self, shift: Shift) -> None:
        try:
            self.work(shift)
        except BaseException as failure:
            self.office.note_failure(self._served_by(shift), failure)
        finally:
            self.office.report_shift()

    def _served_by(self, shift: Shift) -> Mailbox:
        busy = shift.busy
        return self.mailboxes[0] if busy is None else busy[0].mailbox

    def work(self, shift: Shift) -> None:
        """Serve until dismissed. The subclass's loop; an exception out of it is a dead thread."""
        mailboxes = self.mailboxes
        while not shift.goes_home():
            self.do_chores(shift)
            served = False
            for mailbox in mailboxes:
                if shift.goes_home():
                    return
                served = shift.serve(mailbox) or served
            if served:
                continue
            shift.asleep = True
            if not self.has_work() or self.office.frozen:
                shift.bell.wait()
            shift.asleep = False
