"""The supervisor: hears of every end of an actor, fences, closes, starts the successor, or gives up."""

from __future__ import annotations

import logging
import random
import sys
import threading
import traceback
from collections import deque
from pathlib import PurePath

from realtrading.runtime.desk import Desk
from realtrading.runtime.endings import Callbacks, Endings, Hang, Requested, Supervised, ThreadDied, Ward
from realtrading.runtime.events import ActorRestarted, Backlog, Cause
from realtrading.runtime.mailbox import Incarnation, Mailbox
from realtrading.runtime.shift import Bell, Shift
from realtrading.runtime.words import log_traceback

ROUND_S = 0.05
LATE_S = 0.5
THREADLESS_S = 1.5
STDLIB = str(PurePath(threading.__file__).parent)
log = logging.getLogger("realtrading.runtime")


class Supervisor:
    """All restarts happen here, one after another. `round` judges once; with `open` a thread of its own calls it."""

    def __init__(self, house: Supervised, callbacks: Callbacks, dice: random.Random) -> None:
        self._house = house
        self._callbacks = callbacks
        self._endings = Endings(house, callbacks, dice, self.start)
        self._desks: list[Desk] = []
        self._deaths: deque[tuple[Incarnation, BaseException]] = deque()
        self._bell = Bell()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._judge_from_mono = 0.0
        self._threadless: dict[Desk, float] = {}
        self.heartbeat_mono = house.mono()

    def take_in(self, mailbox: Mailbox, desk: Desk) -> None:
        """Look after this mailbox."""
        self._endings.wards[mailbox.name] = Ward(mailbox, desk)
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
        ward = self._endings.wards[life.mailbox.name]
        ward.account.started()
        cause, ward.cause = ward.cause, None
        if cause is not None:
            self._endings.event(ActorRestarted(life.mailbox.name, life.epoch, cause))
        self._house.tell_news()

    def start(self, mailbox: Mailbox) -> None:
        """Have a first or next life started by its desk."""
        ward = self._endings.wards[mailbox.name]
        ward.due_mono = None
        mailbox.epoch += 1
        mailbox.incumbent = Incarnation(mailbox, mailbox.epoch, self._house.post_office)
        ward.desk.request_start(mailbox.incumbent)

    def request_restart(self, name: str) -> None:
        """Fence this actor in the next round, busy or not, and start a successor. Costs no budget."""
        self._endings.wards[name].wanted = True
        self._bell.ring()

    # --- rounds --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the thread."""
        self.heartbeat_mono = self._house.mono()
        thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        thread.start()
        self._thread = thread  # one that was refused must not be waited for

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
            try:
                self.round()
            except BaseException as broken:  # supervision itself is broken: the process must not trade on without it
                self._endings.supervision_broke(broken)
            self._bell.wait(ROUND_S)

    def round(self) -> None:
        """Judge everybody once. A round that comes late itself judges nobody: time stood still, not the actors."""
        now_mono = self._house.mono()
        if now_mono - self.heartbeat_mono > LATE_S:
            self._judge_from_mono = now_mono
        self.heartbeat_mono = now_mono
        while self._deaths:
            life, failure = self._deaths.popleft()
            self._endings.end(life, "crash", failure)
        if self._house.frozen:
            self._house.freeze()  # again: somebody may have been committing when it froze
        if self._house.frozen or self._house.closing:
            return
        for desk in self._desks:
            if desk.is_dead():
                self._thread_died(desk)
            else:
                self._look_for_hang(desk, now_mono)
        for ward in self._endings.wards.values():
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
        if not still_there or not life.fence():  # it moved on, or it is committing right now
            shift.held = False
            return
        _log_stack(shift)
        hang = Hang(f"{life.mailbox.name}: busy for more than {life.mailbox.spec.hang_s} s")
        self._replace_shift(desk, [life], "hang", hang)

    def _thread_died(self, desk: Desk) -> None:
        """Whom the thread was serving, and whose pen it took with it into its commit, needs a new life."""
        busy = desk.shift.busy
        lives = [box.incumbent for box in desk.mailboxes if box.incumbent is not None and not box.incumbent.ended]
        hit = [life for life in lives if not life.pen or (busy is not None and life is busy[0])]
        for life in hit:
            if not life.fence():
                life.running, life.fenced = False, True
        self._replace_shift(desk, hit, "crash", ThreadDied(f"desk {desk.name}: its thread ended"))

    def _replace_shift(self, desk: Desk, hit: list[Incarnation], cause: Cause, failure: BaseException) -> None:
        """New thread for the desk, new life for those hit (their pens are ours) and for whoever depends on the thread."""
        if any(life.mailbox.spec.fatal for life in hit):
            self._house.freeze()
        dependent = desk.mailboxes if desk.loses_all_with_thread() else []
        lives = [box.incumbent for box in dependent if box.incumbent is not None and box.incumbent not in hit]
        fenced = [life for life in lives if life.fence()]  # before the new shift could serve them
        try:
            desk.relieve()
            self._threadless.pop(desk, None)
        except (RuntimeError, OSError) as refused:  # no thread or no loop: it counts as dead, the next round tries again
            self._without_thread(desk, refused)
        for life in hit:
            self._endings.end(life, cause, failure)
        for life in fenced:
            self._endings.end(life, "requested", Requested(f"{life.mailbox.name}: its thread was replaced"))

    def _without_thread(self, desk: Desk, refused: Exception) -> None:
        """Say so once; after a second and more the house cannot wait any longer: its letters are served by nobody."""
        now_mono = self._house.mono()
        if desk not in self._threadless:
            log.error("desk %s gets no thread: %s", desk.name, refused)
        if now_mono - self._threadless.setdefault(desk, now_mono) > THREADLESS_S:
            for mailbox in desk.mailboxes:
                if mailbox.spec.critical:
                    self._endings.give_up(self._endings.wards[mailbox.name], f"desk {desk.name} gets no thread")

    def _fence_on_request(self, ward: Ward) -> None:
        life = ward.mailbox.incumbent
        if life is None or not life.running:
            ward.wanted = False  # a successor is on its way anyway
            return
        shift = ward.desk.shift
        shift.held = True  # from here on it takes no new letter, so what `busy` says stays true until it is released
        busy = shift.busy
        inside = busy is not None and busy[0] is life
        if not life.fence():  # committing right now: next round
            shift.held = False
            return
        ward.wanted = False
        asked = Requested(f"{life.mailbox.name}: restart requested")
        if inside and shift.busy is busy:
            self._replace_shift(ward.desk, [life], "requested", asked)
            return
        shift.held = False
        self._endings.end(life, "requested", asked)

    def _look_at_size(self, ward: Ward) -> None:
        mailbox, spec = ward.mailbox, ward.mailbox.spec
        waiting = mailbox.waiting()
        if waiting > spec.soft_cap and not ward.backlog_told:
            ward.backlog_told = True
            self._endings.event(Backlog(mailbox.name, waiting, spec.soft_cap))
        elif ward.backlog_told and waiting < spec.soft_cap / 2:
            ward.backlog_told = False
        if waiting > spec.hard_cap and spec.critical and not spec.drop_oldest and not mailbox.given_up:
            self._endings.give_up(ward, f"{waiting} letters wait, the hard cap is {spec.hard_cap}")


def _log_stack(shift: Shift) -> None:
    """Say where the hanging thread is: after the fence nobody can ask any more."""
    ident = None if shift.thread is None else shift.thread.ident
    frame = sys._current_frames().get(ident) if ident is not None else None
    if frame is None:
        log.error("a thread hung and has just ended")
        return
    log_traceback("a thread hangs", "".join(traceback.format_stack(frame)))
    while frame.f_back is not None and frame.f_code.co_filename.startswith(STDLIB):
        frame = frame.f_back  # it waits in somebody's call, and that call is what people want to know
    where = PurePath(frame.f_code.co_filename).name
    log.error("a thread hangs in %s (%s:%s)", frame.f_code.co_qualname, where, frame.f_lineno)
