"""The daemon behind `realtrading run`: systemd (or a person) starts it; SIGTERM ends it in order."""
from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from realtrading.domain.settings import Settings
from realtrading.doors.cli.timed_fault import TimedFault, timed_faults
from realtrading.doors.metrics import open_metrics
from realtrading.doors.socket.desk import Desk
from realtrading.doors.socket.place import folder_of
from realtrading.doors.socket.server import Door
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput, HouseError, RealTradingError
from realtrading.metrics.status import status_line
from realtrading.runtime.systemd import Notifier
from realtrading.runtime.words import in_one_line

EXIT_HOUSE_DEAD = 70
EXIT_OCCUPIED = 75

SWITCH_INTERVAL_S = 0.0005
"""How long a thread that computes may keep the interpreter from the others. With CPython's 5 ms one busy thread (a strategy
that counts) costs every hop between actors' desks about 3 ms; with 0.5 ms a tenth of that, and idle threads cost nothing."""

POLL_S = 0.05
STATUS_EVERY_S = 5.0
PREFLIGHT_MAX_S = 60.0
EXTENSION_S = 3 * STATUS_EVERY_S
STOP_S = 20.0
STOP_BROKEN_S = 2.0
"""With a keeper down nothing can settle any more, and waiting for it would only delay the next start."""


def serve(settings: Settings, base_dir: Path, faults: Sequence[str], end_now: Callable[[int], None]) -> int:
    """Build the engine and what belongs to it, and run until the end. Returns the exit code."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    timed = timed_faults(faults, settings)

    def dead(actor: str, failure: BaseException) -> None:
        say(f"{actor} is dead, nothing is sent any more: {in_one_line(failure)}")
        end_now(EXIT_HOUSE_DEAD)

    engine = RealTradingEngine(settings, base_dir=base_dir, on_fatal=dead)
    notifier = Notifier.from_environment()
    metrics = open_metrics(engine, settings.metrics_listen, watchdog_fed_utc_s=lambda: notifier.last_fed_utc_s)
    door = None
    try:
        if metrics is not None:
            say(f"metrics at {metrics.url}")
        door = open_door(engine)
        return Daemon(engine, notifier, timed).run()
    finally:
        if door is not None:
            door.close()
        if metrics is not None:
            metrics.close()


def open_door(engine: RealTradingEngine) -> Door:
    """Begin to answer at the socket. Raises `BadInput`: who has the socket also has the journal."""
    try:
        return Door(folder_of(engine.settings, engine.base_dir), Desk(engine))
    except BadInput as refused:
        if refused.exit_code != EXIT_OCCUPIED:
            raise
        sentence = f"{refused}: its journal {engine.settings.journal_path} is in use"
        raise BadInput(sentence, exit_code=EXIT_OCCUPIED) from refused


def say(text: str) -> None:
    """One line for whoever started us."""
    sys.stderr.write(f"realtrading: {text}\n")
    sys.stderr.flush()


class Daemon:
    """One engine between its start and its end, and what the service manager is told meanwhile."""

    def __init__(self, engine: RealTradingEngine, notifier: Notifier, faults: Sequence[TimedFault]) -> None:
        self.engine = engine
        self.notifier = notifier
        self.faults = sorted(faults, key=lambda fault: fault.after_s)
        self.told_to_stop = threading.Event()
        self.ready_mono: float | None = None
        self.status_due_mono = 0.0

    def run(self) -> int:
        """Start, serve until told to stop or until it cannot go on, stop. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_signal)
        signal.signal(signal.SIGHUP, self.on_hangup)
        self.notifier.status("asking the exchange who we are")
        self.notifier.extend_timeout(PREFLIGHT_MAX_S)
        try:
            self.engine.start(ready_timeout_s=None)
        except HouseError as broken:
            say(str(broken))
            return EXIT_HOUSE_DEAD
        self.notifier.watch(self.engine.house.healthy)
        try:
            return self.serve()
        finally:
            self.notifier.close()
            self.notifier.stopping("stopping; working orders stay at the exchange")
            say("stopping; working orders stay at the exchange")
            if not self.engine.stop(STOP_S if self.engine.failure is None else STOP_BROKEN_S):
                say("some threads did not end in time")

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Asked to end: the loop sees it."""
        self.told_to_stop.set()

    def on_hangup(self, number: int, frame: FrameType | None) -> None:
        """Settings are read at the start and never again: whoever hung up must not end a house that trades."""
        say("settings are not read again while it runs: stop and start to change them")

    def serve(self) -> int:
        """Look at the engine a few times a second, and say what changed."""
        while not self.told_to_stop.wait(POLL_S):
            if self.engine.failure is not None:
                say(self.engine.failure)
                return self.engine.failure_code
            now_mono = time.monotonic()
            if self.ready_mono is None and self.engine.is_reconciled:
                self.ready_mono = now_mono
                self.notifier.ready(status_line(self.engine))
                say(f"ready, run {self.engine.run}, mode {self.engine.settings.mode}")
            self.inject_due(now_mono)
            if now_mono >= self.status_due_mono:
                self.status_due_mono = now_mono + STATUS_EVERY_S
                if self.ready_mono is None:
                    self.notifier.extend_timeout(EXTENSION_S)
                self.notifier.status(status_line(self.engine))
        return 0

    def inject_due(self, now_mono: float) -> None:
        """Make actors fail whose time has come, counted from READY."""
        while self.ready_mono is not None and self.faults and now_mono >= self.ready_mono + self.faults[0].after_s:
            fault = self.faults.pop(0)
            try:
                self.engine.inject(fault.actor, fault.kind)
            except RealTradingError as refused:
                say(f"no fault: {refused}")
