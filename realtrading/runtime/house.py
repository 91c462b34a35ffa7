"""The house: mailboxes and desks built from ACTORS and ROUTES, their start and stop, and their state for readers."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from realtrading.errors import HouseError
from realtrading.runtime.desk import Desk
from realtrading.runtime.endings import Callbacks
from realtrading.runtime.mailbox import Incarnation, Letter, Mailbox
from realtrading.runtime.metrics import Histogram
from realtrading.runtime.post import PostOffice
from realtrading.runtime.seeded import SeededDesk
from realtrading.runtime.snapshot import ActorSnapshot, take_snapshot
from realtrading.runtime.spec import ActorSpec, FaultKind, Receiver
from realtrading.runtime.supervisor import Supervisor
from realtrading.runtime.tables import TablesView
from realtrading.runtime.ticker import Ticker
from realtrading.runtime.wire import WireDesk
from realtrading.runtime.words import log_failure

WATCHFUL_S = 2.0
POLL_S = 0.002
log = logging.getLogger("realtrading.runtime")


class House:
    """Actors at their desks.

    `clock()` gives the `now` handed to handlers; it must have `.mono` (seconds). For the callbacks see `Callbacks`.
    With `seed` no thread is ever started: the caller drives everything with `step` and `run_until_idle`, all times
    come from
    `clock().mono`, and the same seed with the same posts handles the same letters in the same order.
    Raises HouseError for two actors of one name and for a route to nobody.
    """

    def __init__(
        self,
        actors: Sequence[ActorSpec],
        routes: Mapping[type, tuple[Receiver, ...]],
        *,
        clock: Callable[[], Any],
        on_lost: Callable[[str, Letter | None, int], object | None] | None = None,
        on_set_aside: Callable[[Letter, str], Iterable[object]] | None = None,
        on_rebuild: Callable[[str], Mapping[str, Mapping[str, Any]] | None] | None = None,
        on_escalate: Callable[[str], object] | None = None,
        on_fatal: Callable[[str, BaseException], object] | None = None,
        on_event: Callable[[object], object] | None = None,
        seed: int | None = None,
    ) -> None:
        self.clock = clock
        self.mono: Callable[[], float] = time.monotonic if seed is None else lambda: float(clock().mono)
        self.frozen = False
        self.closing = False
        self._started = False
        self._news = threading.Condition()
        self._mailboxes = {spec.name: Mailbox(spec) for spec in actors}
        if len(self._mailboxes) != len(actors):
            raise HouseError("ACTORS: two rows have the same name")
        self.post_office = PostOffice(routes, self._mailboxes, self.mono)
        self._prepare_histograms(routes)
        dice = random.Random(seed)
        given = {
            "on_lost": on_lost,
            "on_set_aside": on_set_aside,
            "on_rebuild": on_rebuild,
            "on_escalate": on_escalate,
            "on_fatal": on_fatal,
            "on_event": on_event,
        }
        chosen: dict[str, Any] = {name: call for name, call in given.items() if call is not None}
        callbacks = Callbacks(**chosen)
        self.supervisor = Supervisor(self, callbacks, dice)
        self.seeded = None if seed is None else SeededDesk(self, dice)
        self._desks: dict[str, Desk] = {}
        for mailbox in self._mailboxes.values():
            desk = self._desk(mailbox.spec.desk)
            desk.take_in(mailbox)
            self.supervisor.take_in(mailbox, desk)
        self._ticker = Ticker(list(self._mailboxes.values()), self.post_office, self.mono)

    def _desk(self, name: str) -> Desk:
        if self.seeded is not None:
            name = self.seeded.name
            return self._desks.setdefault(name, self.seeded)
        if name not in self._desks:
            self._desks[name] = WireDesk(name, self) if name == "wire" else Desk(name, self)
        return self._desks[name]

    def _prepare_histograms(self, routes: Mapping[type, tuple[Receiver, ...]]) -> None:
        for kind, receivers in routes.items():
            for receiver in receivers:
                if isinstance(receiver, str):
                    self._mailboxes[receiver].durations[kind] = Histogram()

    # --- life ----------------------------------------------------------------------------------------------------

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the actors in the order of ACTORS, each after the one before it runs.

        Raises HouseError, with everything stopped again, if a critical actor does not start within its budget or
        `timeout_s`, and if the system gives no thread.
        """
        if self._started:
            raise HouseError("a house starts once")
        self._started = True
        deadline_mono = time.monotonic() + timeout_s
        if self.seeded is None:
            self._open(*self._desks.values(), self.supervisor)
        for mailbox in self._mailboxes.values():
            self.supervisor.start(mailbox)
            if not self._wait_for(partial(self._settled_start, mailbox), deadline_mono) or mailbox.given_up:
                self.stop(5.0)
                raise HouseError(f"actor {mailbox.name} does not start: {_seen(mailbox) or 'no answer'}")
        if self.seeded is None:
            self._open(self._ticker)

    def _open(self, *threads: Desk | Supervisor | Ticker) -> None:
        try:
            for each in threads:
                each.open()
        except RuntimeError as refusal:
            self.stop(5.0)
            raise HouseError(f"the system gives no thread: {refusal}") from refusal

    def _settled_start(self, mailbox: Mailbox) -> bool:
        if self.seeded is not None:
            self.seeded.do_chores(self.seeded.shift)
            self.supervisor.round()
            self.seeded.do_chores(self.seeded.shift)
            return True  # a failing start is tried again in later steps, as the injected clock allows
        return mailbox.running or mailbox.given_up or (not mailbox.spec.critical and bool(_seen(mailbox)))

    def _wait_for(self, ready: Callable[[], bool], deadline_mono: float) -> bool:
        with self._news:
            while not ready():
                left_s = deadline_mono - time.monotonic()
                if left_s <= 0:
                    return False
                self._news.wait(min(left_s, 0.05))
        return True

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Stop the actors in the reverse order of ACTORS, then the desks. Letters that still wait stay unhandled.

        True if every thread is gone in time. Call `settled` first to finish what is under way. Any thread but a desk's.
        """
        deadline_mono = time.monotonic() + timeout_s
        self.closing = True
        clean = self._ticker.close(timeout_s)
        clean = self.supervisor.close(timeout_s) and clean
        for mailbox in reversed(self._mailboxes.values()):
            clean = self._stop_actor(mailbox, deadline_mono) and clean
        for desk in self._desks.values():
            clean = desk.close(max(0.0, deadline_mono - time.monotonic())) and clean
        return clean

    def _stop_actor(self, mailbox: Mailbox, deadline_mono: float) -> bool:
        life, desk = mailbox.incumbent, self._desk(mailbox.spec.desk)
        if life is None or mailbox.stopped:
            return True
        if desk.is_dead():
            if life.actor is not None:
                life.actor.retire()
            return True
        desk.request_stop(life)
        if self.seeded is not None:
            return desk.do_chores(desk.shift)
        share_s = max(0.0, deadline_mono - time.monotonic()) / 2  # one that hangs must leave time for the others
        return self._wait_for(lambda: mailbox.stopped, time.monotonic() + share_s)

    def restart(self, name: str) -> None:
        """Fence this actor and start a successor, costing no budget. Raises KeyError for an unknown name."""
        self.mailbox(name)
        self.supervisor.request_restart(name)

    def inject(self, name: str, kind: FaultKind) -> None:
        """Make an actor fail once, on purpose. Raises KeyError for an unknown name."""
        mailbox = self.mailbox(name)
        if kind is FaultKind.FAILS_TO_START:
            mailbox.start_faults += 1
            kind = FaultKind.EXCEPTION
        mailbox.fault = kind
        mailbox.ring()

    # --- letters -------------------------------------------------------------------------------------------------

    def post(self, message: object, sender: str = "outside") -> Letter:
        """Put a message into the routes from any thread. Raises HouseError if its type has no route."""
        return self.post_office.post(message, sender=sender, cause=None)

    def settled(self, timeout_s: float = 5.0) -> bool:
        """Wait until every mailbox is empty, every critical actor runs and nobody is busy; False if that takes longer.

        Empty means that all consequences were put; the work of a hand's tasks is not counted.
        """
        if self.seeded is not None:
            return self._is_settled()
        return self._poll(self._is_settled, timeout_s)

    def _poll(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        deadline_mono = time.monotonic() + timeout_s
        pause = threading.Event()
        while not ready():
            if time.monotonic() >= deadline_mono:
                return False
            pause.wait(POLL_S)
        return True

    def _is_settled(self) -> bool:
        """Whether nothing was written while we looked and every mailbox was empty as we passed it."""
        before = self.post_office.next_seq()
        for mailbox in self._mailboxes.values():
            if not mailbox.running and not mailbox.spec.critical:
                continue  # a listener that is down must not keep the house from being settled
            if mailbox.waiting() or mailbox.commit is not None or not mailbox.running or mailbox.fault is not None:
                return False
        return self.post_office.next_seq() == before + 1

    # --- the seeded house ----------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Seeded houses: judge, tick, handle one letter. False if there was none. Raises HouseError with threads."""
        if self.seeded is None:
            raise HouseError("only a house with a seed is stepped")
        self.supervisor.round()
        self._ticker.round()
        served = self.seeded.step()
        self.supervisor.round()
        self.seeded.do_chores(self.seeded.shift)
        return served is not None

    def run_until_idle(self, steps_max: int = 1_000_000) -> int:
        """Seeded houses: step until nothing waits; returns the letters tried. Raises HouseError after `steps_max`."""
        for count in range(steps_max):
            if not self.step():
                return count
        raise HouseError(f"not idle after {steps_max} steps")

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The actors in the order of ACTORS."""
        return tuple(self._mailboxes)

    def mailbox(self, name: str) -> Mailbox:
        """One actor's mailbox. Raises KeyError for an unknown name."""
        return self._mailboxes[name]

    def tables(self, name: str) -> TablesView:
        """One actor's committed state, read-only, for any thread. Raises KeyError for an unknown name."""
        return TablesView(self._mailboxes[name].tables)

    def snapshot(self) -> tuple[ActorSnapshot, ...]:
        """Every actor now. Never asks and never waits."""
        now_mono, now_utc_s = self.mono(), time.time()
        return tuple(take_snapshot(box, now_mono, now_utc_s) for box in self._mailboxes.values())

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether every critical actor runs and progresses and the supervisor makes its rounds, and the particulars."""
        silent_s = self.mono() - self.supervisor.heartbeat_mono
        bad = [a.name for a in self.snapshot() if a.critical and (not a.alive or a.overdue)]
        watched = self.seeded is not None or silent_s < WATCHFUL_S
        return not bad and watched and not self.frozen, {
            "down": bad,
            "supervisor_silent_s": round(silent_s, 3),
            "frozen": self.frozen,
        }

    def healthy(self) -> bool:
        """`health()[0]`: what the systemd watchdog wants to know."""
        return self.health()[0]

    # --- what desks and supervisor tell us -----------------------------------------------------------------------

    def freeze(self) -> None:
        """Serve nobody from now on: the journal is dead."""
        self.frozen = True
        for mailbox in self._mailboxes.values():
            if mailbox.incumbent is not None:
                mailbox.incumbent.fence()

    def report_death(self, life: Incarnation, failure: BaseException) -> None:
        """Hand a death on to the supervisor."""
        self.supervisor.report_death(life, failure)

    def report_start(self, life: Incarnation) -> None:
        """Hand a start on to the supervisor."""
        self.supervisor.report_start(life)

    def report_shift(self) -> None:
        """A desk's thread is at its end: have a look."""
        self.supervisor.wake()

    def tell_news(self) -> None:
        """Wake whoever waits for an actor's state."""
        with self._news:
            self._news.notify_all()

    def note_failure(self, mailbox: Mailbox, failure: BaseException) -> None:
        """Count a failure by its class and say in one line where it came from."""
        kind = type(failure).__name__
        mailbox.failures[kind] = mailbox.failures.get(kind, 0) + 1
        log_failure(log, mailbox.name, failure)


def _seen(mailbox: Mailbox) -> str:
    return ", ".join(kind for kind, count in mailbox.failures.items() if count)
