"""How a life ends: its commit is finished, the restart closed, its letter judged, a successor arranged."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import attrs

from realtrading.errors import HouseError
from realtrading.runtime.desk import Desk
from realtrading.runtime.events import ActorDied, ActorGivenUp, Cause, LetterSetAside
from realtrading.runtime.mailbox import Incarnation, Letter, Mailbox, Tick
from realtrading.runtime.post import PostOffice
from realtrading.runtime.restarts import Account, Ladder, Verdict
from realtrading.runtime.words import log_failure

log = logging.getLogger("realtrading.runtime")


class Hang(HouseError):
    """A letter took longer than it may."""


class ThreadDied(HouseError):
    """A desk's thread ended while it served this actor."""


class Requested(HouseError):
    """Somebody asked for a restart."""


@attrs.frozen(kw_only=True)
class Callbacks:
    """What the owner of a house decides, on the supervisor's thread (`on_event`: any): hand the news on, do not wait.

    `on_lost(name, letter, token)`: a life ended; its message goes the front road before the successor starts.
    `on_set_aside(letter, name)`: a letter is not tried again; the messages that answer it.
    `on_rebuild(name)`: the memory is the suspect; the tables as the journal knows them, or None to leave them.
    `on_escalate(name)`: a critical actor cannot be kept alive: stop in order, exit non-zero.
    `on_fatal(name, failure)`: the house is frozen; end the process now.
    `on_event(event)`: anything of `events.py`; any thread.
    """

    on_lost: Callable[[str, Letter | None, int], object | None] = lambda _name, _letter, _token: None
    on_set_aside: Callable[[Letter, str], Iterable[object]] = lambda _letter, _name: ()
    on_rebuild: Callable[[str], Mapping[str, Mapping[str, Any]] | None] = lambda _name: None
    on_escalate: Callable[[str], object] = lambda _name: None
    on_fatal: Callable[[str, BaseException], object] = lambda _name, _failure: None
    on_event: Callable[[object], object] = lambda _event: None


class Supervised(Protocol):
    """What the supervisor needs of the house."""

    post_office: PostOffice
    mono: Callable[[], float]
    frozen: bool
    closing: bool

    def freeze(self) -> None:
        """Serve nobody from now on."""

    def tell_news(self) -> None:
        """Wake whoever waits for an actor's state."""

    def note_failure(self, mailbox: Mailbox, failure: BaseException) -> None:
        """Count and log a failure."""


class Ward:
    """One mailbox in the supervisor's care."""

    def __init__(self, mailbox: Mailbox, desk: Desk) -> None:
        self.mailbox = mailbox
        self.desk = desk
        self.account = Account(mailbox.spec.budget)
        self.ladder = Ladder(mailbox)
        self.due_mono: float | None = None
        self.cause: Cause | None = None
        self.wanted = False
        self.backlog_told = False


class Endings:
    """Everything that follows when a life is over. Only the supervisor's thread comes here; `wards` is its list."""

    def __init__(self, house: Supervised, callbacks: Callbacks, dice: random.Random, start: Callable[[Mailbox], None]) -> None:
        self._house = house
        self._callbacks = callbacks
        self._dice = dice
        self._start = start
        self._fatal_told = False
        self.wards: dict[str, Ward] = {}

    def end(self, life: Incarnation, cause: Cause, failure: BaseException) -> None:
        """A life is over, its pen ours: finish what it had committed, close, arrange the successor."""
        mailbox = life.mailbox
        if mailbox.incumbent is not life or life.ended:
            return
        life.ended = True
        ward = self.wards[mailbox.name]
        life.running, life.fenced = False, True
        letters = life.in_hand
        beside: tuple[Letter, ...] = ()
        if cause != "requested":
            self._house.note_failure(mailbox, failure)
        if life.actor is not None:
            beside = life.actor.open_letters()
            life.actor.cancel_tasks()
            life.actor.retire()
        if mailbox.spec.fatal:
            self._fatal(mailbox, failure)
        if self._house.frozen or self._house.closing:
            return
        try:
            if mailbox.commit is not None:
                mailbox.commit.finish()
                letters = ()
            self.event(
                ActorDied(
                    mailbox.name,
                    life.epoch,
                    cause,
                    type(failure).__name__,
                    str(failure),
                    (letters + beside + (None,))[0],
                )
            )
            self._close(ward, letters, beside, cause)
        except BaseException as broken:  # without the closing no successor may run
            self._house.note_failure(mailbox, broken)
            self.give_up(ward, f"{type(broken).__name__} while closing the restart")
            return
        self._arrange(ward, cause, had_started=life.started)

    def _close(self, ward: Ward, in_hand: tuple[Letter, ...], beside: tuple[Letter, ...], cause: Cause) -> None:
        """Tell who must know before a successor runs; decide about the letter in hand and those answered in tasks."""
        mailbox, post = ward.mailbox, self._house.post_office
        first = (in_hand + beside + (None,))[0]
        lost = self._callbacks.on_lost(mailbox.name, first, post.next_seq())
        if lost is not None:
            post.post(lost, sender="supervisor", cause=None if first is None else first.seq, front=True)
        verdict = Verdict()
        if cause != "requested" or not mailbox.spec.retry_letter:
            verdict = ward.ladder.judge(in_hand)
        for letter in {letter.seq: letter for letter in verdict.set_aside + beside}.values():
            self._set_aside(mailbox, letter)
        rows = self._callbacks.on_rebuild(mailbox.name) if verdict.rebuild else None
        if rows is not None:
            mailbox.tables.restore(rows)

    def _set_aside(self, mailbox: Mailbox, letter: Letter) -> None:
        mailbox.remove_head(letter)
        if type(letter.message) is Tick:
            return
        mailbox.set_aside += 1
        for answer in self._callbacks.on_set_aside(letter, mailbox.name):
            self._house.post_office.post(answer, sender="supervisor", cause=letter.seq)
        self.event(LetterSetAside(mailbox.name, letter))

    def _arrange(self, ward: Ward, cause: Cause, *, had_started: bool) -> None:
        mailbox, now_mono = ward.mailbox, self._house.mono()
        mailbox.restarts[cause] += 1
        ward.cause = cause
        if cause != "requested" and not ward.account.spend(now_mono):
            if mailbox.spec.critical:
                self.give_up(ward, "the restart budget is spent")
                return
            self.event(ActorGivenUp(mailbox.name, "the restart budget is spent", critical=False))
            ward.due_mono = ward.account.allowed_from_mono()
            self._house.tell_news()
            return
        ward.due_mono = now_mono if had_started else now_mono + ward.account.start_failed(self._dice)
        if had_started and not self._house.closing:
            self._start(mailbox)

    def give_up(self, ward: Ward, reason: str) -> None:
        """A critical actor cannot be kept alive: say so once."""
        mailbox = ward.mailbox
        if mailbox.given_up:
            return
        mailbox.given_up = True
        mailbox.escalations += 1
        log.critical("%s: %s", mailbox.name, reason)
        self.event(ActorGivenUp(mailbox.name, reason, critical=True))
        self.guarded(lambda: self._callbacks.on_escalate(mailbox.name))
        self._house.tell_news()

    def _fatal(self, mailbox: Mailbox, failure: BaseException) -> None:
        self._house.freeze()
        mailbox.given_up = True
        log.critical("%s: %s ends the process", mailbox.name, type(failure).__name__)
        if not self._fatal_told:
            self._fatal_told = True
            self.guarded(lambda: self._callbacks.on_fatal(mailbox.name, failure))
        self._house.tell_news()

    def supervision_broke(self, failure: BaseException) -> None:
        """A round of the supervisor failed: a bug of ours, told as an escalation of "supervisor"."""
        log_failure(log, "supervisor", failure, logging.CRITICAL)
        self.guarded(lambda: self._callbacks.on_escalate("supervisor"))

    def event(self, event: object) -> None:
        """Tell the owner."""
        self.guarded(lambda: self._callbacks.on_event(event))

    def guarded(self, call: Callable[[], object]) -> None:
        """Call the owner back; its mistakes are logged."""
        try:
            call()
        except BaseException as mistake:  # the owner's mistake must not end supervision
            log_failure(log, "a callback of the owner", mistake)
