"""A shift: one thread's turn at a desk. Every letter of every desk goes through this code."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from realtrading.errors import HouseError
from realtrading.runtime.actor import CURRENT_LETTER, staffing
from realtrading.runtime.mailbox import Incarnation, Mailbox
from realtrading.runtime.spec import FaultKind

if TYPE_CHECKING:
    from realtrading.runtime.desk import Office


class ThreadKilled(SystemExit):
    """Ends a shift's thread for good. A `SystemExit`, because an event loop lets only that through its callbacks."""


class InjectedFault(Exception):
    """The injected faults `exception` and `fails_to_start`."""


class Bell:
    """Wakes one sleeping thread: a lock that is held while nobody rang. Ringing twice is ringing once."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the sleeper, or let its next sleep end at once."""
        try:
            self._lock.release()
        except RuntimeError:
            return

    def wait(self, timeout_s: float | None = None) -> None:
        """Sleep until rung, or for `timeout_s` seconds."""
        self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s)


class Shift:
    """One thread's turn at a desk.

    `busy` names the life being served and since when. The protocol with the supervisor needs no lock: the shift
    says `busy` and *then* looks at `held` before it takes a letter; the supervisor sets `held` and *then* looks at
    `busy`. So while a shift is held, what
    `busy` says stays true: it is inside that very handler, or takes nothing. Then it is either let go on, or
    dismissed for good, and two shifts of one desk never serve at the same time except for the one handler that was
    fenced.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.bell = Bell()
        self.asleep = False
        self.held = False
        self.busy: tuple[Incarnation, float] | None = None
        self.thread: threading.Thread | None = None
        self.heartbeat_mono = office.mono()
        self.dismissed = threading.Event()

    def goes_home(self) -> bool:
        """While held: wait for the supervisor's decision. True if it was dismissed."""
        while self.held:
            if self.dismissed.wait(0.005):
                return True
        return False

    def serve(self, mailbox: Mailbox) -> bool:
        """Handle the mailbox's next letter (or batch), if there is one. Returns whether anything was tried."""
        life = mailbox.incumbent
        if life is None or not life.running or not (mailbox.front or mailbox.letters or mailbox.fault is not None):
            return False
        started_mono = self.office.mono()
        self.busy = (life, started_mono)
        if self.held or not life.pen or self.office.frozen:
            self.busy = None
            return False
        self._serve(mailbox, life, started_mono)
        self.busy = None
        return True

    def _serve(self, mailbox: Mailbox, life: Incarnation, started_mono: float) -> None:
        post = self.office.post_office
        if mailbox.fault is not None:
            self._fail_on_purpose(mailbox, life)
            return
        if mailbox.spec.drop_oldest and len(mailbox.letters) > mailbox.spec.soft_cap:
            if life.take_pen():
                mailbox.shed(post.next_seq(), started_mono)
                life.return_pen()
            return
        queue, letters = mailbox.next_letters()
        actor = life.actor
        assert actor is not None, "a running life has an actor"
        current = CURRENT_LETTER.set(letters[-1])
        life.in_hand = letters
        try:
            answer = actor.decide(letters, self.office.clock())
            commit = post.plan(mailbox, letters, answer, actor.owns)
        except BaseException as failure:  # whatever it is, it ends this actor and nothing else
            self.crashed(life, failure)
            return
        finally:
            CURRENT_LETTER.reset(current)
        if not life.take_pen():
            return  # fenced meanwhile: nothing was committed, the letter is still in place for the successor
        if queue and queue[0] is letters[0]:
            mailbox.commit = commit
            commit.finish()
            mailbox.note_handled(letters, started_mono, self.office.mono())
        life.in_hand = ()
        life.return_pen()

    def crashed(self, life: Incarnation, failure: BaseException) -> None:
        """End a life by its own failure, unless somebody fenced it first."""
        if not life.fence():
            return
        if life.mailbox.spec.fatal:
            self.office.freeze()
        self.office.report_death(life, failure)

    def start(self, life: Incarnation) -> None:
        """Make and start the actor of a new life, on this thread."""
        if not life.pen:
            return
        mailbox = life.mailbox
        self.busy = (life, self.office.mono())
        life.on_crash = lambda failure: self.crashed(life, failure)
        try:
            if mailbox.start_faults > 0:
                mailbox.start_faults -= 1
                raise InjectedFault("fails to start")
            with staffing(life):
                actor = mailbox.spec.make()
            if life.actor is not actor:
                raise HouseError(f"{mailbox.name}: make() must build a new actor each time")
            actor.begin()
        except BaseException as failure:  # a failing start is a death like any other
            self.crashed(life, failure)
        else:
            if life.take_pen():
                life.running = life.started = True
                mailbox.heartbeat_mono = self.office.mono()
                life.return_pen()
                self.office.report_start(life)
            else:
                actor.retire()
        self.busy = None

    def stop(self, life: Incarnation) -> None:
        """Stop an actor in order: no more letters, then `on_stop`. Does nothing for a life that is over."""
        self.busy = (life, self.office.mono())
        if life.take_pen():
            try:
                if life.actor is not None and life.running:
                    life.actor.on_stop()
            except BaseException as failure:  # an orderly stop goes on whatever one actor thinks of it
                self.office.note_failure(life.mailbox, failure)
        life.running, life.fenced = False, True
        if life.actor is not None:
            life.actor.cancel_tasks()
            life.actor.retire()
        life.mailbox.stopped = True
        self.busy = None
        self.office.tell_news()

    def _fail_on_purpose(self, mailbox: Mailbox, life: Incarnation) -> None:
        kind, mailbox.fault = mailbox.fault, None
        if kind is FaultKind.HANG and self.thread is not None:
            self.dismissed.wait()
        elif kind is FaultKind.DEAD_THREAD and self.thread is not None:
            raise ThreadKilled
        elif kind is FaultKind.SYSTEM_EXIT:
            self.crashed(life, SystemExit("injected"))
        elif kind is FaultKind.CANCELLED:
            self.crashed(life, asyncio.CancelledError("injected"))
        else:
            self.crashed(life, InjectedFault("injected"))
