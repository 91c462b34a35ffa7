"""The wire desk: an asyncio loop thread that serves mailboxes between its I/O and runs the hands' tasks."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from realtrading.runtime.desk import Desk, Office
from realtrading.runtime.mailbox import Incarnation
from realtrading.runtime.shift import Shift, ThreadKilled

BEAT_S = 0.1
BREATH_S = 0.005
GRACE_S = 0.5
CLEANUP_S = 1.0


class WireShift(Shift):
    """A shift with an event loop."""

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self.loop: asyncio.AbstractEventLoop | None = None  # made when the desk opens, so that an unused house owns nothing
        self.scheduled = False


class WireDesk(Desk):
    """Serves hands on an event loop. A loop that does not turn is a hang; all its tasks die with its thread."""

    shift: WireShift

    def __init__(self, name: str, office: Office) -> None:
        self._lives: dict[str, Incarnation] = {}
        super().__init__(name, office)

    def new_shift(self) -> WireShift:
        """A shift with a fresh loop."""
        return WireShift(self.office)

    def open(self) -> None:
        """Make the loop and start its thread."""
        loop = self.shift.loop = asyncio.new_event_loop()
        try:
            super().open()
        except RuntimeError:
            loop.close()
            raise

    def loses_all_with_thread(self) -> bool:
        """Tasks belong to the loop, so a new loop needs new actors."""
        return True

    def ring(self) -> None:
        """Have the loop look at the mailboxes."""
        shift = self.shift
        if shift.scheduled or shift.loop is None:  # an opening desk looks at everything anyway
            return
        shift.scheduled = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: its successor looks by itself
            if shift.thread is threading.current_thread():
                shift.loop.call_soon(self._drain, shift)
            else:
                shift.loop.call_soon_threadsafe(self._drain, shift)

    def dismiss(self, shift: Shift) -> None:
        """End a loop as soon as it turns again."""
        super().dismiss(shift)
        assert isinstance(shift, WireShift)
        if shift.loop is None:
            return
        with contextlib.suppress(RuntimeError):
            shift.loop.call_soon_threadsafe(shift.loop.stop)

    def relieve(self) -> None:
        """A new loop waits for nobody of the old one."""
        self._lives.clear()
        super().relieve()

    def request_start(self, life: Incarnation) -> None:
        """Give the predecessor's cancelled tasks a moment to end, then start."""
        name = life.mailbox.name
        deadline_mono = self.office.mono() + GRACE_S

        def start(shift: Shift) -> bool:
            assert isinstance(shift, WireShift)
            assert shift.loop is not None
            old = self._lives.get(name)
            if old is not None and old.actor is not None and old.actor.tasks and self.office.mono() < deadline_mono:
                shift.loop.call_later(BREATH_S, self.ring)
                return False
            self._lives[name] = life
            shift.start(life)
            return True

        self._order(start)

    def is_stuck(self, judge_from_mono: float, now_mono: float) -> Incarnation | None:
        """A handler that takes too long, or a task that does not let the loop turn."""
        stuck = super().is_stuck(judge_from_mono, now_mono)
        shift = self.shift
        if stuck is not None or shift.busy is not None or shift.thread is None:
            return stuck
        culprit = self._running_task_of()
        if culprit is None:
            return None
        silent_s = now_mono - max(shift.heartbeat_mono + BEAT_S, judge_from_mono)
        return culprit if silent_s > culprit.mailbox.spec.hang_s else None

    def _running_task_of(self) -> Incarnation | None:
        task = asyncio.current_task(self.shift.loop)
        lives = [box.incumbent for box in self.mailboxes if box.incumbent is not None and box.incumbent.running]
        if not lives:
            return None
        named = [life for life in lives if task is not None and life.mailbox.name == task.get_name()]
        return (named or lives)[0]

    def work(self, shift: Shift) -> None:
        """Turn the loop until dismissed."""
        assert isinstance(shift, WireShift)
        assert shift.loop is not None
        loop = shift.loop
        loop.call_soon(self._beat, shift)
        loop.call_soon(self._drain, shift)
        try:
            loop.run_forever()
        finally:
            shift.held = True  # the loop turns once more to clean up, and must serve nobody then
            shift.dismissed.set()
            _clean_up(loop)

    def _beat(self, shift: WireShift) -> None:
        shift.heartbeat_mono = self.office.mono()
        asyncio.get_running_loop().call_later(BEAT_S, self._beat, shift)

    def _drain(self, shift: WireShift) -> None:
        try:
            self._serve_all(shift)
        except BaseException as failure:  # a loop swallows what is no SystemExit; a broken desk must end its thread
            raise ThreadKilled(str(failure)) from failure

    def _serve_all(self, shift: WireShift) -> None:
        shift.scheduled = False
        self.do_chores(shift)  # an order that must wait has arranged to be looked at again
        for mailbox in self.mailboxes:
            if shift.goes_home():
                return
            shift.serve(mailbox)
        if not self.office.frozen and self.mail_waits():
            self.ring()


def _clean_up(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on a loop, give it a moment, cut what is still connected, close it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    with contextlib.suppress(BaseException):  # nothing a dying task does may keep the thread
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=CLEANUP_S))
        loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), CLEANUP_S))
        loop.run_until_complete(asyncio.wait_for(loop.shutdown_default_executor(), CLEANUP_S))
    with contextlib.suppress(BaseException):
        # on a busy machine a good-bye may take longer than that moment; asyncio itself would leave its socket open
        for transport in list(getattr(loop, "_transports", {}).values()):
            transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
