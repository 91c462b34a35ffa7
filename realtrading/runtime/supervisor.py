"""The supervisor: hears of every end of an actor, fences, closes, starts the successor, or gives up."""

from __future__ import annotations

import logging
import random
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import attrs

from realtrading.errors import HouseError
from realtrading.runtime.desk import Desk
from realtrading.runtime.events import ActorDied, ActorGivenUp, ActorRestarted, Backlog, Cause, LetterSetAside
from realtrading.runtime.mailbox import Incarnation, Letter, Mailbox, Tick
from realtrading.runtime.post import PostOffice
from realtrading.runtime.restarts import Account, Ladder, Verdict
from realtrading.runtime.shift import Bell

ROUND_S = 0.05
LATE_S = 0.5
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


class _Ward:
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


class Supervisor:
    """All restarts happen here, one after another. `round` judges once; with `open` a thread of its own calls it."""

    def __init__(self, house: Supervised, callbacks: Callbacks, dice: random.Random) -> None:
        self._house = house
        self._callbacks = callbacks
        self._dice = dice
        self._wards: dict[str, _Ward] = {}
        self._desks: list[Desk] = []
        self._deaths: deque[tuple[Incarnation, BaseException]] = deque()
        self._bell = Bell()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._judge_from_mono = 0.0
        self._fatal_told = False
        self.heartbeat_mono = house.mono()

    def take_in(self, mailbox: Mailbox, desk: Desk) -> None:
        """Look after this mailbox."""
        self._wards[mailbox.name] = _Ward(mailbox, desk)
        if desk not in self._desks:
            self._desks.append(desk)

    def wake(self) -> None:
        """Have a round now."""
        self._bell.ring()

    def report_death(self, life: Incarnation, failure: BaseException) -> None:
        """A life whose pen the caller took has failed. Any thread."""
        self._deaths.append((life, failure))
        self._bell.ring()

    def report_start(self, life: Incarnation) -> None:
        """A life has started. The desk's thread."""
        ward = self._wards[life.mailbox.name]
        ward.account.started()
        cause, ward.cause = ward.cause, None
        if cause is not None:
            self._event(ActorRestarted(life.mailbox.name, life.epoch, cause))
        self._house.tell_news()

    def start(self, mailbox: Mailbox) -> None:
        """Have a first or next life started by its desk."""
        ward = self._wards[mailbox.name]
        ward.due_mono = None
        mailbox.epoch += 1
        mailbox.incumbent = Incarnation(mailbox, mailbox.epoch, self._house.post_office)
        ward.desk.request_start(mailbox.incumbent)

    def request_restart(self, name: str) -> None:
        """Fence this actor in the next round, busy or not, and start a successor. Costs no budget."""
        self._wards[name].wanted = True
        self._bell.ring()

    # --- rounds --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the thread."""
        self.heartbeat_mono = self._house.mono()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """End the thread; True if it is gone in time. Called by itself, it ends after this round."""
        self._ending = True
        self._bell.ring()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def _run(self) -> None:
        while not self._ending:
            self.round()
            self._bell.wait(ROUND_S)

    def round(self) -> None:
        """Judge everybody once. A round that comes late itself judges nobody: time stood still, not the actors."""
        now_mono = self._house.mono()
        if now_mono - self.heartbeat_mono > LATE_S:
            self._judge_from_mono = now_mono
        self.heartbeat_mono = now_mono
        while self._deaths:
            life, failure = self._deaths.popleft()
            self._end(life, "crash", failure)
        if self._house.frozen or self._house.closing:
            return
        for desk in self._desks:
            if desk.is_dead():
                self._thread_died(desk)
            else:
                self._look_for_hang(desk, now_mono)
        for ward in self._wards.values():
            if ward.wanted:
                self._fence_on_request(ward)
            if ward.due_mono is not None and now_mono >= ward.due_mono:
                self.start(ward.mailbox)
            self._look_at_size(ward)

    def _look_for_hang(self, desk: Desk, now_mono: float) -> None:
        life = desk.is_stuck(self._judge_from_mono, now_mono)
        if life is None:
            return
        shift = desk.shift
        busy, beat = shift.busy, shift.heartbeat_mono
        shift.held = True
        still_there = shift.busy is busy and (busy is not None or shift.heartbeat_mono == beat)
        if not still_there or not life.take_pen():  # it moved on, or it is committing right now
            shift.held = False
            return
        self._replace_shift(
            desk, life, "hang", Hang(f"{life.mailbox.name}: busy for more than {life.mailbox.spec.hang_s} s")
        )

    def _thread_died(self, desk: Desk) -> None:
        busy = desk.shift.busy
        if busy is None:
            self._replace_shift(desk, None, "crash", ThreadDied(f"desk {desk.name}: its thread ended"))
            return
        busy[0].take_pen()  # gone already if it died in its commit
        self._replace_shift(desk, busy[0], "crash", ThreadDied(f"{busy[0].mailbox.name}: its thread ended"))

    def _replace_shift(self, desk: Desk, culprit: Incarnation | None, cause: Cause, failure: BaseException) -> None:
        """New thread for the desk, new life for the culprit (its pen is ours) and for whoever depends on the thread."""
        dependent = (
            [box.incumbent for box in desk.mailboxes if box.incumbent is not None]
            if desk.loses_all_with_thread()
            else []
        )
        fenced = [
            life for life in dependent if life is not culprit and life.take_pen()
        ]  # before the new shift can serve them
        try:
            desk.relieve()
        except RuntimeError as refused:  # no thread to be had: the shift counts as dead, the next round tries again
            log.error("desk %s gets no thread: %s", desk.name, refused)
        if culprit is not None:
            self._end(culprit, cause, failure)
        for life in fenced:
            self._end(life, "requested", Requested(f"{life.mailbox.name}: its thread was replaced"))

    def _fence_on_request(self, ward: _Ward) -> None:
        life = ward.mailbox.incumbent
        if life is None or not life.running:
            return
        shift = ward.desk.shift
        shift.held = True  # from here on it takes no new letter, so what `busy` says stays true until it is released
        busy = shift.busy
        inside = busy is not None and busy[0] is life
        if not life.take_pen():  # committing right now: next round
            shift.held = False
            return
        ward.wanted = False
        asked = Requested(f"{life.mailbox.name}: restart requested")
        if inside and shift.busy is busy:
            self._replace_shift(ward.desk, life, "requested", asked)
            return
        shift.held = False
        self._end(life, "requested", asked)

    def _look_at_size(self, ward: _Ward) -> None:
        mailbox, spec = ward.mailbox, ward.mailbox.spec
        waiting = mailbox.waiting()
        if waiting > spec.soft_cap and not ward.backlog_told:
            ward.backlog_told = True
            self._event(Backlog(mailbox.name, waiting, spec.soft_cap))
        elif ward.backlog_told and waiting < spec.soft_cap / 2:
            ward.backlog_told = False
        if waiting > spec.hard_cap and spec.critical and not spec.drop_oldest and not mailbox.given_up:
            self._give_up(ward, f"{waiting} letters wait, the hard cap is {spec.hard_cap}")

    # --- one end -------------------------------------------------------------------------------------------------

    def _end(self, life: Incarnation, cause: Cause, failure: BaseException) -> None:
        """A life is over, its pen ours: finish what it had committed, close, arrange the successor."""
        mailbox = life.mailbox
        if mailbox.incumbent is not life or life.ended:
            return
        life.ended = True
        ward = self._wards[mailbox.name]
        life.running, life.fenced = False, True
        letters = life.in_hand
        beside: tuple[Letter, ...] = ()
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
            self._event(
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
            self._give_up(ward, f"{type(broken).__name__} while closing the restart")
            return
        self._arrange(ward, cause, had_started=life.started)

    def _close(self, ward: _Ward, in_hand: tuple[Letter, ...], beside: tuple[Letter, ...], cause: Cause) -> None:
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
        self._event(LetterSetAside(mailbox.name, letter))

    def _arrange(self, ward: _Ward, cause: Cause, *, had_started: bool) -> None:
        mailbox, now_mono = ward.mailbox, self._house.mono()
        mailbox.restarts[cause] += 1
        ward.cause = cause
        if cause != "requested" and not ward.account.spend(now_mono):
            if mailbox.spec.critical:
                self._give_up(ward, "the restart budget is spent")
                return
            self._event(ActorGivenUp(mailbox.name, "the restart budget is spent", critical=False))
            ward.due_mono = ward.account.allowed_from_mono()
            self._house.tell_news()
            return
        ward.due_mono = now_mono if had_started else now_mono + ward.account.start_failed(self._dice)
        if had_started and not self._house.closing:
            self.start(mailbox)

    def _give_up(self, ward: _Ward, reason: str) -> None:
        mailbox = ward.mailbox
        if mailbox.given_up:
            return
        mailbox.given_up = True
        mailbox.escalations += 1
        log.critical("%s: %s", mailbox.name, reason)
        self._event(ActorGivenUp(mailbox.name, reason, critical=True))
        self._guarded(lambda: self._callbacks.on_escalate(mailbox.name))
        self._house.tell_news()

    def _fatal(self, mailbox: Mailbox, failure: BaseException) -> None:
        self._house.freeze()
        mailbox.given_up = True
        log.critical("%s: %s ends the process", mailbox.name, type(failure).__name__)
        if not self._fatal_told:
            self._fatal_told = True
            self._guarded(lambda: self._callbacks.on_fatal(mailbox.name, failure))
        self._house.tell_news()

    def _event(self, event: object) -> None:
        self._guarded(lambda: self._callbacks.on_event(event))

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException:  # the owner's mistake must not end supervision
            log.error("a callback of the owner failed:\n%s", traceback.format_exc())
