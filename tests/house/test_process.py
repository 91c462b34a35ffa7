"""What befalls a whole process: told to end, stopped and continued, killed for its memory, started twice, out of descriptors
or threads. It ends or goes on in order, and the next life's books are the exchange's.
"""

import contextlib
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from crash_points.tracing import environment, strace
from house.fault_kit import PATIENT, Stand
from house.kill9 import PREFIX, Campaign, Point
from house.kit import ROOT, Ear, engine_for, settings_for
from matrix.evidence import judged
from processes import Processes, Running
from realtrading.journal.readers import opened
from realtrading.journal.records import IntentRecorded
from waiting import DeadlinePassed, wait_until

VALID_S = 5.0
"""So long a decision may be signed."""


@pytest.fixture
def campaign(processes: Processes, tmp_path: Path) -> Campaign:
    """A simulator, and daemons that trade there one after the other on one journal."""
    return Campaign(processes, tmp_path)


def expect_right(run: Campaign) -> None:
    """G1 to G8, G12 and G13: another life finds everything, its books are the exchange's, and no two lives overlapped."""
    run.judge.heal()
    with judged("G12"):
        lives = [int(each["client_order_id"].split("_")[1], 36) for each in run.judge.requests(kind="place")]
        assert lives == sorted(lives)
    engine = engine_for(settings_for(run.judge, run.journal.parent, prefix=PREFIX, limits=PATIENT))
    ear = Ear()
    engine.subscribe(ear)
    began = run.judge.call("requests")["seq"]
    try:
        engine.start()
        assert Stand(run.judge, engine, ear, began).healed().clean
    finally:
        engine.stop(10)
    with judged("G1", "G2", "G3", "G4", "G8"):
        assert run.violations() == []


def sent(run: Campaign, more: int) -> None:
    """Until the exchange has seen so many more place requests."""
    goal = run.seen() + more
    wait_until(lambda: run.seen() >= goal, 20, f"{more} more orders")


# -- SIGTERM ----------------------------------------------------------------------------------------------------------


def _before_it_is_ready(run: Campaign) -> Running:
    daemon = run.processes.python("-m", "realtrading", "run", "--config", str(run.config), cwd=ROOT)
    daemon.wait_for_line("metrics at", 20)
    return daemon


def _when_ready(run: Campaign) -> Running:
    return run.start(run.config)


def _after_three_orders(run: Campaign) -> Running:
    daemon = run.start(run.config)
    sent(run, 3)
    return daemon


def _while_an_answer_is_held_back(run: Campaign) -> Running:
    daemon = run.start(run.config)
    run.wait_for(Point("executed", 2))
    return daemon


def _in_a_storm_of_fills(run: Campaign) -> Running:
    daemon = run.start(run.config)
    sent(run, 2)
    run.judge.call("step", trades=2_000)
    return daemon


MOMENTS = (_before_it_is_ready, _when_ready, _after_three_orders, _while_an_answer_is_held_back, _in_a_storm_of_fills)


@pytest.mark.slow
@pytest.mark.matrix("B13", invariants="G1 G8")
def test_told_to_end_at_any_moment_a_daemon_ends_in_order(campaign: Campaign) -> None:
    """SIGTERM while starting, ready, trading, unanswered, in a storm: exit code 0 within 20 s, each on the same journal."""
    for moment in MOMENTS:
        daemon = moment(campaign)
        began = time.monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.wait(20) == 0, f"{moment.__name__}: {daemon}"
        assert time.monotonic() - began < 20
        assert not any("Traceback" in line for line in daemon.err)
        campaign.judge.heal()
    assert campaign.seen() >= 7
    expect_right(campaign)


# -- SIGSTOP ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.matrix("B14", invariants="G1 G12")
@pytest.mark.matrix("F2", invariants="G12")
def test_stopped_and_continued_a_daemon_discards_what_is_stale(campaign: Campaign) -> None:
    """Frozen for longer than a decision is valid: it lives on, trades again, and signs nothing decided before."""
    daemon = campaign.start(campaign.config)
    sent(campaign, 2)
    daemon.send(signal.SIGSTOP)
    until = time.monotonic() + VALID_S + 2
    wait_until(lambda: time.monotonic() > until, VALID_S + 7, "the pause is over")
    daemon.send(signal.SIGCONT)
    sent(campaign, 2)
    daemon.send(signal.SIGTERM)
    assert daemon.wait(20) == 0, str(daemon)
    assert not [line for line in daemon.err if re.search(r"\bhang|is dead", line)]
    with opened(campaign.journal) as reader:
        events = [(stored.at.timestamp(), stored.event) for stored in reader.events(types=["IntentRecorded"])]
    decided = {event.order.id: at for at, event in events if isinstance(event, IntentRecorded)}
    for asked in campaign.judge.requests(kind="place"):
        if asked["executed"]:
            assert asked["at_ms"] / 1000 - decided[asked["client_order_id"]] < VALID_S + 1
    expect_right(campaign)


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.matrix("B15", invariants="G1 G2 G3 G4 G5 G6 G7 G8")
def test_starved_of_memory_and_killed_for_it_a_daemon_leaves_nothing_wrong(campaign: Campaign) -> None:
    """No more memory while it trades, then the kernel's SIGKILL, if it has not ended by itself: as after any kill."""
    daemon = campaign.start(campaign.config)
    sent(campaign, 2)
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    limit = int(status.partition("VmSize:")[2].split()[0]) * 1024
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (limit, limit))
    with contextlib.suppress(DeadlinePassed):
        wait_until(lambda: daemon.process.poll() is not None, 3, "it starves")
    daemon.send(signal.SIGKILL)
    assert daemon.wait(10) in (-signal.SIGKILL, 1, 70), str(daemon)
    campaign.processes.forget(daemon)
    expect_right(campaign)


# -- twice ------------------------------------------------------------------------------------------------------------

NINETEEN = """
import sys
from realtrading.__main__ import call
sys.exit(0 if [call(sys.argv[1:]) for _ in range(19)] == [75] * 19 else 1)
"""


@pytest.mark.matrix("B16", invariants="G12")
def test_a_second_daemon_ends_at_once_and_asks_nobody(campaign: Campaign, tmp_path: Path) -> None:
    """Twenty starts beside a running one: exit code 75 and a sentence with its pid, within a second, and no request."""
    first = campaign.start(campaign.silent)
    wait_until(lambda: campaign.judge.call("state")["user_subscriptions"], 5, "it is connected")
    arguments = ("run", "--config", str(campaign.silent))
    since, began = campaign.judge.call("requests")["seq"], os.times()
    second = campaign.processes.python("-m", "realtrading", *arguments, cwd=ROOT)
    code = second.wait(20)
    spent = os.times()
    more = campaign.processes.python("-c", NINETEEN, *arguments, cwd=ROOT)
    assert (code, more.wait(60)) == (75, 0), f"{second} {more}"
    # the processor's time, for the wall's is shared with whatever runs beside
    assert spent.children_user + spent.children_system - began.children_user - began.children_system < 1.5
    assert "in use" in second.err[-1]
    assert len([line for line in more.err if "in use" in line]) == 19
    with judged("G12"):
        assert {each["path"] for each in campaign.judge.requests(since)} <= {"/api/v3/time"}, "the first one's own"
        assert len(campaign.intents()) == campaign.seen() == 0
    first.send(signal.SIGTERM)
    assert first.wait(20) == 0


# -- descriptors and threads ------------------------------------------------------------------------------------------


@pytest.mark.matrix("B18", invariants="G13")
def test_out_of_descriptors_a_daemon_waits_and_goes_on(campaign: Campaign) -> None:
    """No new socket while its streams are cut: no order, no busy loop; with descriptors again it trades."""
    daemon = campaign.start(campaign.config)
    sent(campaign, 2)
    usual = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, usual[1]))
    campaign.judge.call("cut", streams="all")
    began_s, before = cpu_seconds(daemon.pid), campaign.seen()
    until = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > until, 5, "three seconds without")
    assert daemon.process.poll() is None, str(daemon)
    assert cpu_seconds(daemon.pid) - began_s < 1.5
    assert campaign.seen() - before <= 2
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, usual)
    sent(campaign, 2)
    daemon.send(signal.SIGTERM)
    assert daemon.wait(20) == 0, str(daemon)
    expect_right(campaign)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


FEW = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.mark.parametrize("descriptors", [6, 10, 14])
@pytest.mark.matrix("B18", invariants="G13")
def test_too_few_descriptors_end_a_start_with_a_sentence(descriptors: int, processes: Processes, campaign: Campaign) -> None:
    """Whichever file or socket is the first that cannot be had: a sentence with the reason, and no order."""
    command = ("-m", "realtrading", "run", "--config", str(campaign.config))
    daemon = processes.python("-c", FEW, str(descriptors), *command, cwd=ROOT)
    with judged("G13"):
        assert daemon.wait(20) in (4, 5, 75), str(daemon)
    assert not any("Traceback" in line for line in daemon.err)
    assert daemon.err[-1].startswith("realtrading: ")
    assert campaign.seen() == 0


@pytest.mark.parametrize("given", [4, 8])
@pytest.mark.matrix("B18", invariants="G13")
def test_too_few_threads_end_a_start_with_a_sentence(given: int, processes: Processes, campaign: Campaign) -> None:
    """The system refuses every further thread: no zombie, no order, exit code 70."""
    program = strace()
    if program is None:
        pytest.skip("no strace on PATH nor in .tools (`make tools`)")
    inject = f"inject=clone,clone3:error=EAGAIN:when={given}+"
    traced = (program, "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", "trace=clone,clone3", "-e", inject, "--")
    command = (sys.executable, "-m", "realtrading", "run", "--config", str(campaign.config))
    daemon = processes.start(*traced, *command, cwd=ROOT, env=environment())
    with judged("G13"):
        assert daemon.wait(30) in (1, 70), str(daemon)
    processes.forget(daemon)
    assert not any("Traceback" in line for line in daemon.err)
    assert "can't start new thread" in daemon.err[-1]
    assert campaign.seen() == 0
