"""The whole process stands still or loses its supervisor: the service manager notices, and nothing is sent twice."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from house.invariants import run_of
from house.kit import ROOT, Judge, dripper, engine_for, quiet, settings_for, violations, wait_ready, write_config
from matrix.evidence import judged
from processes import Processes, Running
from realtrading.domain.events import KeeperLost
from realtrading.journal.readers import opened
from realtrading.journal.records import IntentRecorded
from waiting import wait_until

WATCHDOG_S = 1.0


class Manager:
    """Plays systemd: hears the daemon's notifications, and says when the watchdog was last fed."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.fed_mono: float | None = None

    def listen(self) -> None:
        """Take in what came."""
        while True:
            try:
                said = self._socket.recv(4096)
            except BlockingIOError:
                return
            if b"WATCHDOG=1" in said.split(b"\n"):
                self.fed_mono = time.monotonic()

    def starved(self) -> bool:
        """Whether the watchdog's time is over."""
        self.listen()
        return self.fed_mono is not None and time.monotonic() - self.fed_mono > WATCHDOG_S

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager with a watchdog of one second."""
    played = Manager(tmp_path)
    yield played
    played.close()


def daemon(processes: Processes, judge: Judge, *how: str, manager: Manager | None = None, prefix: str) -> Running:
    """A daemon that trades."""
    config = write_config(processes.folder, judge, strategies=(dripper(),), prefix=prefix, circuit_breaker_errors=1_000)
    env = {} if manager is None else {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    started = processes.python(*(how or ("-m", "realtrading")), "run", "--config", str(config), cwd=ROOT, env=env)
    started.wait_for_line("ready, run", 30)
    return started


def sent(judge: Judge, prefix: str) -> list[dict[str, object]]:
    """The place requests of one engine."""
    return [each for each in judge.requests(kind="place") if each["client_order_id"].startswith(f"{prefix}_")]


def expect_recovered(judge: Judge, folder: Path, prefix: str) -> None:
    """The next run on this journal explains everything that the last one left at the exchange."""
    engine = engine_for(settings_for(judge, folder, prefix=prefix, journal_path=folder / "journal.db"))
    engine.start()
    try:
        with judged("G13"):
            wait_ready(engine, 40)
            quiet(engine, 40)
        with judged("G1", "G3", "G4"):
            assert [] == violations(judge, engine)
    finally:
        engine.stop()


@pytest.mark.matrix("A6", invariants="G1 G3 G10")
def test_a_call_that_keeps_the_gil_starves_the_watchdog_and_the_next_start_explains_all(
    judge: Judge, processes: Processes, manager: Manager
) -> None:
    """No thread of ours can run, the supervisor's neither: the watchdog is not fed, systemd aborts, and nothing is lost."""
    script = str(Path(__file__).with_name("breaks_inside.py"))
    started = daemon(processes, judge, script, "gil", "1", manager=manager, prefix="gi")
    wait_until(lambda: sent(judge, "gi"), 10, "it trades")
    wait_until(manager.starved, 20, "the watchdog is not fed any more")
    with judged("G10"):
        count = len(sent(judge, "gi"))
        wait_until(lambda: time.monotonic() - (manager.fed_mono or 0) > 2 * WATCHDOG_S, 5, "a while")
        assert count == len(sent(judge, "gi")), "a process that stands still sends nothing"
    os.kill(started.pid, signal.SIGABRT)
    assert started.wait(10) == -signal.SIGABRT
    processes.forget(started)
    expect_recovered(judge, processes.folder, "gi")


@pytest.mark.matrix("A9", invariants="G10")
def test_a_daemon_whose_supervisor_breaks_exits_70_within_two_seconds(judge: Judge, processes: Processes) -> None:
    """One line says so, systemd starts it again, and what was under way is explained."""
    script = str(Path(__file__).with_name("breaks_inside.py"))
    started = daemon(processes, judge, script, "supervisor", "0.5", prefix="sv")
    line = "actor supervisor cannot be kept alive"
    started.wait_for_line(line, 10)
    told = time.monotonic()
    assert started.wait(10) == 70, str(started)
    with judged("G10"):
        assert time.monotonic() - told < 2
        seen = judge.requests()[-1]["seq"]
        assert [] == judge.requests(since=seen, kind="place")
    processes.forget(started)
    assert not any("Traceback" in each for each in started.err)
    expect_recovered(judge, processes.folder, "sv")


@pytest.mark.matrix("F2", invariants="G12")
def test_a_process_that_stood_still_discards_what_is_stale_and_trades_on(judge: Judge, processes: Processes) -> None:
    """Stopped for 6 s in the middle of orders: nobody is judged for it, what was decided before is not signed after its
    time, and the run numbers at the exchange never overlap."""
    started = daemon(processes, judge, prefix="sl")
    wait_until(lambda: len(sent(judge, "sl")) > 5, 10, "it trades")
    os.kill(started.pid, signal.SIGSTOP)
    stopped_ms = judge.call("clock", skew_ms=0)["now_ms"]
    wait_until(lambda: judge.call("clock", skew_ms=0)["now_ms"] > stopped_ms + 6_000, 10, "six seconds")
    os.kill(started.pid, signal.SIGCONT)
    wait_until(lambda: [each for each in sent(judge, "sl") if each["at_ms"] > stopped_ms + 6_000], 15, "it trades again")
    started.send(signal.SIGTERM)
    assert started.wait(25) == 0, str(started)
    with opened(processes.folder / "journal.db") as reader:
        events = [stored.event for stored in reader.events()]
    assert [] == [event for event in events if isinstance(event, KeeperLost)]
    with judged("G12"):
        runs = [run_of(str(each["client_order_id"])) for each in sent(judge, "sl")]
        assert all(before <= after for before, after in pairwise(runs))
        orders = {event.order.id: event.order for event in events if isinstance(event, IntentRecorded)}
        for each in sent(judge, "sl"):
            valid_until = orders[str(each["client_order_id"])].valid_until
            assert valid_until is not None
            assert each["code"] == -1021 or int(str(each["at_ms"])) <= valid_until.timestamp() * 1000 + 3_000
    expect_recovered(judge, processes.folder, "sl")
