"""A disk that refuses, stalls, tears or forgets: nothing unrecorded is sent, nothing acknowledged is lost, and the next
start says what is wrong or carries on.
"""

import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crash_points.tracing import Trace, Tracer, environment, strace
from house.conftest import Engines
from house.fault_kit import Stand, Stands
from house.invariants import expect_invariants
from house.kit import LOT, ROOT, SYMBOL, Ear, Judge, dripper, engine_for, quiet, wait_ready, write_config
from matrix.evidence import judged
from processes import Processes, Running
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.journal.readers import opened
from realtrading.journal.records import IntentRecorded
from realtrading.tickets import Ticket
from waiting import wait_until


@pytest.fixture(autouse=True)
def _strace() -> None:
    if strace() is None:
        pytest.skip("no strace on PATH nor in .tools (`make tools`)")


@contextmanager
def disk_trouble(inject: str, folder: Path) -> Iterator[Tracer]:
    """From now on the one running journal's thread meets this, in strace's own words."""
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "desk-journal"]
    assert thread.native_id is not None
    tracer = Tracer(thread.native_id, "journal", folder / "trace.txt", inject)
    try:
        yield tracer
    finally:
        tracer.leave()


def recorded(journal: Path) -> set[str]:
    """The ids of the intents on disk."""
    with opened(journal) as reader:
        events = [stored.event for stored in reader.events(types=["IntentRecorded"])]
    return {event.order.id for event in events if isinstance(event, IntentRecorded)}


def expect_promises_kept(stand: Stand, tickets: list[Ticket]) -> None:
    """G2, G8: what was acknowledged is on disk, and nothing else was sent."""
    on_disk = recorded(Path(stand.engine.settings.journal_path))
    mine = {name for name in stand.judge.places() if name.startswith(f"{stand.engine.settings.prefix}_")}
    with judged("G2", "G8"):
        assert mine <= on_disk
        assert {ticket.id for ticket in tickets if ticket.wait_recorded(0)} <= on_disk


def expect_next_life(stand: Stand) -> None:
    """A new engine on the same journal: confirmed, clean, and its books are the exchange's; it trades on."""
    engine = engine_for(stand.engine.settings)
    ear = Ear()
    engine.subscribe(ear)
    try:
        engine.start()
        again = Stand(stand.judge, engine, ear, stand.judge.call("requests")["seq"])
        again.trades_on()
        assert again.healed().clean
    finally:
        engine.stop(10)


# -- refusing ---------------------------------------------------------------------------------------------------------

FULL = [pytest.param(f"pwrite64:error=ENOSPC:when={when}", id=f"no-space-{when}") for when in ("1", "9", "30+")]
BROKEN = [pytest.param(f"fdatasync:error=EIO:when={when}", id=f"io-error-{when}") for when in ("1", "2+")]


@pytest.mark.parametrize("inject", FULL)
@pytest.mark.matrix("B9", invariants="G8 G10")
def test_a_full_disk_ends_the_house_and_loses_nothing(inject: str, stand_at: Stands, tmp_path: Path) -> None:
    """The write that fails is acknowledged to nobody, nothing is sent after it; with space again the next start is right."""
    expect_the_house_ends(stand_at(), inject, tmp_path)


@pytest.mark.parametrize("inject", BROKEN)
@pytest.mark.matrix("B10", invariants="G8")
def test_a_failed_sync_ends_the_house_and_loses_nothing(inject: str, stand_at: Stands, tmp_path: Path) -> None:
    """Nobody is told that it is on disk, whatever a second sync would say; the next start is right."""
    expect_the_house_ends(stand_at(), inject, tmp_path)


def expect_the_house_ends(stand: Stand, inject: str, folder: Path) -> None:
    """Trade into the trouble; the house ends within 2 s and signs nothing more; another life finds everything."""
    stand.trades_on()
    tickets: list[Ticket] = []
    with disk_trouble(inject, folder) as tracer:
        trade_until_it_fails(stand.engine, tickets)
        with judged("G10"):
            wait_until(lambda: not any(each["status"] == 0 for each in stand.asked("place")), 5, "what was sent is answered")
            seen = len(stand.asked("place"))
            with pytest.raises(BadInput, match="cannot go on: actor journal ended the house"):
                stand.buy()
            assert len(stand.asked("place")) == seen
    assert any("(INJECTED)" in line for line in Trace.read(tracer.log).lines)
    stand.engine.stop()
    expect_promises_kept(stand, tickets)
    expect_next_life(stand)


def trade_until_it_fails(engine: RealTradingEngine, tickets: list[Ticket]) -> None:
    """One order after the other, until the engine has failed."""

    def failed() -> bool:
        if engine.failure is None:
            try:
                tickets.append(engine.buy(SYMBOL, quantity=LOT))
                tickets[-1].wait(0.2)
            except BadInput:
                pass
        return engine.failure is not None

    wait_until(failed, 15, "the journal's failure is the engine's")


# -- stalling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stall_s", "sent"), [(2, True), (6, False)])
@pytest.mark.matrix("B11", invariants="G17")
def test_a_slow_sync_holds_orders_back_and_no_cancel(
    stall_s: int, sent: bool, stand_at: Stands, tmp_path: Path
) -> None:
    """While the disk stalls, a cancel reaches the exchange at once; the order waits, and after its 5 s it is not sent."""
    stand = stand_at()
    resting = stand.resting()
    with disk_trouble(f"fdatasync:delay_enter={stall_s * 1_000_000}:when=1", tmp_path):
        began = time.monotonic()
        ticket = stand.buy()
        stand.engine.cancel(resting.id)
        wait_until(lambda: stand.asked("cancel"), 1.5, "the cancel passes the order that waits for the disk")
        assert len(stand.asked("place")) == 1
        last = ticket.wait(15)
        waited_s = time.monotonic() - began
    assert last is not None
    assert waited_s >= stall_s
    with judged("G17"):
        if sent:
            assert last.state is OrderState.FILLED, ticket.detail
        else:
            assert (last.state, last.reason) == (OrderState.REJECTED, Reason.HOUSE_EXPIRED)
        assert len(stand.asked("place")) == 1 + sent
    stand.until(resting, OrderState.CANCELLED)
    assert stand.healed().clean


# -- torn and damaged -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "cut"), [("tora", 1), ("torb", 24 + 4096), ("torc", 5 * (24 + 4096) + 7)])
@pytest.mark.matrix("B6", invariants="G3 G4 G7")
def test_a_torn_log_is_used_up_to_the_tear(
    prefix: str, cut: int, engines: Engines, judge: Judge, tmp_path: Path
) -> None:
    """The tail is gone and with it the last words about a fill: the house starts, and the exchange tells the rest."""
    first = engines(prefix=prefix).start()
    for _ in range(3):
        first.buy(SYMBOL, quantity=LOT).wait(5)
    quiet(first)
    kept = {name: (tmp_path / name).read_bytes() for name in ("journal.db", "journal.db-wal")}
    words = len(first.orders)
    assert first.stop()
    (tmp_path / "journal.db").write_bytes(kept["journal.db"])
    (tmp_path / "journal.db-wal").write_bytes(kept["journal.db-wal"][:-cut])

    second = engines(prefix=prefix)
    with opened(tmp_path / "journal.db") as reader:
        torn = list(reader.events())
    second.start()
    quiet(second)
    wait_ready(second)
    assert torn
    assert len(second.orders) == words
    expect_invariants(judge, second, second.ear)  # type: ignore[attr-defined]


def damage_last_record(journal: Path) -> None:
    """Change one letter of it on disk, behind SQLite's back."""
    with opened(journal) as reader:
        last = list(reader.events())[-1]
    told = last.at.isoformat().encode()
    content = bytearray(journal.read_bytes())
    place = content.rindex(told)
    assert content.count(told) == 1
    content[place + len(told) - 7] ^= 0x01
    journal.write_bytes(content)


@pytest.mark.matrix("B7", invariants="G7")
def test_a_daemon_does_not_trade_on_a_damaged_journal(
    engines: Engines, judge: Judge, processes: Processes, tmp_path: Path
) -> None:
    """Bits flipped in the last record: the daemon ends with exit code 65 and a sentence that names it; the exchange hears
    nothing.
    """
    engine = engines(prefix="kdam").start()
    engine.buy(SYMBOL, quantity=LOT).wait(5)
    quiet(engine)
    assert engine.stop()
    damage_last_record(tmp_path / "journal.db")
    since = judge.call("requests")["seq"]

    daemon = start(processes, write_config(tmp_path, judge, prefix="kdam", strategies=(dripper(),)))

    with judged("G7"):
        assert daemon.wait(20) == 65, str(daemon)
        assert not judge.requests(since)
    assert re.search(r"journal \S+ is damaged: .*record \d+", daemon.err[-1])


# -- a daemon and a disk that refuses it ------------------------------------------------------------------------------


def start(processes: Processes, config: Path, *, before: tuple[str, ...] = ()) -> Running:
    """A daemon, started through another program when there is one."""
    command = ("-m", "realtrading", "run", "--config", str(config))
    if before:
        return processes.start(*before, sys.executable, *command, cwd=ROOT, env=environment())
    return processes.python(*command, cwd=ROOT)


def under_strace(log: Path, inject: str, *paths: Path) -> tuple[str, ...]:
    """strace around a whole program, looking at these files only."""
    named = [part for path in paths for part in ("-P", str(path))]
    calls = "trace=openat,pwrite64,fdatasync,fsync,ftruncate"
    return (strace() or "", "-f", "--seccomp-bpf", "-qq", "-o", str(log), *named, "-e", calls, "-e", f"inject={inject}", "--")


@pytest.mark.matrix("B10", invariants="G8")
def test_a_daemon_never_syncs_again_after_a_failed_sync(judge: Judge, processes: Processes, tmp_path: Path) -> None:
    """Exit code 70 at once; not one write or sync of the log after the one that failed; the next start is clean."""
    config = write_config(tmp_path, judge, prefix="keio", strategies=(dripper(),))
    log, journal = tmp_path / "strace.txt", tmp_path / "journal.db"
    traced = under_strace(log, "fdatasync:error=EIO:when=4", tmp_path / "journal.db-wal")
    daemon = start(processes, config, before=traced)
    assert daemon.wait(30) == 70, str(daemon)
    processes.forget(daemon)
    assert any(line.startswith("realtrading: journal is dead, nothing is sent any more:") for line in daemon.err)
    assert not any("Traceback" in line for line in daemon.err)
    lines = log.read_text().splitlines()
    (failed,) = [number for number, line in enumerate(lines) if "EIO" in line and "(INJECTED)" in line]
    with judged("G8"):
        assert not [line for line in lines[failed + 1 :] if re.search(r"(pwrite64|fdatasync|fsync|ftruncate)\(", line)]
        assert {name for name in judge.places() if name.startswith("keio_")} <= recorded(journal)
    again = start(processes, config)
    again.wait_for_line("ready, run", 20)
    again.send(signal.SIGTERM)
    assert again.wait(20) == 0


@pytest.mark.matrix("B9", invariants="G8")
def test_a_daemon_does_not_start_on_a_full_disk_and_starts_when_there_is_space(
    judge: Judge, processes: Processes, tmp_path: Path
) -> None:
    """No space for the first record: one sentence, no order; the same command with space again is ready."""
    config = write_config(tmp_path, judge, prefix="kful", strategies=(dripper(),))
    log = tmp_path / "strace.txt"
    full = under_strace(log, "pwrite64:error=ENOSPC:when=1+", tmp_path / "journal.db-wal")
    daemon = start(processes, config, before=full)
    assert daemon.wait(30) in (4, 70), str(daemon)
    processes.forget(daemon)
    assert not any("Traceback" in line for line in daemon.err)
    assert "disk is full" in daemon.err[-1]
    with judged("G8"):
        assert not [name for name in judge.places() if name.startswith("kful_")]
    again = start(processes, config)
    again.wait_for_line("ready, run", 20)


WITHOUT_ROOTS_RIGHTS = (
    "import ctypes, os, sys; [ctypes.CDLL(None).prctl(24, right, 0, 0, 0) for right in (1, 2)]; "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Root may write anywhere. Without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH it is a user like any other."""


def _locked_folder(state: Path) -> None:
    state.chmod(0o500)


def _read_only_file(state: Path) -> None:
    (state / "journal.db").chmod(0o400)


def _somebody_elses(state: Path) -> None:
    if os.geteuid() == 0:
        os.chown(state / "journal.db", 65_534, 65_534)
        (state / "journal.db").chmod(0o600)
    else:
        (state / "journal.db").chmod(0)


def _locked_lock(state: Path) -> None:
    (state / "journal.db.lock").chmod(0o400)


DISK_SAYS = {"EROFS": "journal.db.lock", "EIO": "journal.db"}
"""What opening a file says -> the first file of which a disk would say it: it is opened for writing, or it is not."""
SPOILED: tuple[Callable[[Path], None], ...] = (
    _locked_folder, _read_only_file, _somebody_elses, _locked_lock,
)  # fmt: skip


@pytest.fixture(scope="module")
def settled_journal(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an engine that has traded and stopped, with a configuration file."""
    folder = tmp_path_factory.mktemp("settled")
    config = write_config(folder, judge, prefix="kper")
    started = Processes(folder)
    daemon = start(started, config)
    daemon.wait_for_line("ready, run", 20)
    assert not started.end_all()
    return folder


@pytest.mark.parametrize("spoil", [*SPOILED, "EROFS", "EIO"], ids=lambda each: getattr(each, "__name__", each).strip("_"))
@pytest.mark.matrix("B12", invariants="G15")
def test_a_place_that_cannot_be_written_is_refused_at_the_start(
    spoil: Callable[[Path], None] | str, settled_journal: Path, judge: Judge, processes: Processes, tmp_path: Path
) -> None:
    """One sentence that names the file, exit code 4, no secret in it, and the exchange hears nothing of it."""
    state = tmp_path / "state"
    shutil.copytree(settled_journal, state)
    since = judge.call("requests")["seq"]
    if callable(spoil):
        spoil(state)
        before: tuple[str, ...] = (sys.executable, "-c", WITHOUT_ROOTS_RIGHTS)
    else:
        before = under_strace(tmp_path / "strace.txt", f"openat:error={spoil}", state / DISK_SAYS[str(spoil)])
    try:
        daemon = start(processes, state / "house.toml", before=before)
        assert daemon.wait(20) == 4, str(daemon)
    finally:
        state.chmod(0o700)
    assert len(daemon.err) == 2, "where the metrics are, and why it ends"
    assert re.match(r"realtrading: journal \S+journal.db cannot be ", daemon.err[-1])
    assert not judge.requests(since)
    with judged("G15"):
        for name in ("api_key", "api_secret"):
            assert (settled_journal / name).read_text() not in "\n".join(daemon.err)
