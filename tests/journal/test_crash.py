"""What survives a kill, a torn log and a full disk: everything acknowledged, nothing half."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from crash_points.power import CALLS, Disk, File, steps
from crash_points.tracing import environment, strace
from journal.samples import client_id, intent, opened, record
from matrix.evidence import judged
from processes import Processes, Running
from realtrading.domain.events import TradesCursorMoved
from realtrading.journal.fold import fold_rows
from realtrading.journal.store import Journal
from waiting import wait_until

TESTS = Path(__file__).resolve().parent.parent
PAGE = 4096


def _house(processes: Processes, path: Path, *arguments: str) -> Running:
    environment = {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS), str(TESTS / "child")])}
    return processes.python("-m", "journal.appending", str(path), *arguments, env=environment)


def _counters(running: Running) -> list[int]:
    return [int(line) for line in running.out if line.isdigit()]


def _assert_sound(journal: Journal) -> None:
    report = journal.verify()
    assert report.ok, report.problem
    folded = fold_rows(one.event for one in journal.events())
    assert {table: journal.rows(table) for table in folded} == folded


@pytest.mark.parametrize("durability", ["process", "power"])
def test_kill_9_loses_nothing_that_was_acknowledged(processes: Processes, tmp_path: Path, durability: str) -> None:
    """Killed at points chosen by seed over commits, again and again on one journal: every acknowledged record is
    there.
    """
    path = tmp_path / "journal.db"
    chance = random.Random(f"kills under {durability}")
    for run in range(1, 7):
        commits = chance.randint(1, 300)
        house = _house(processes, path, durability, str(run))
        wait_until(lambda house=house, commits=commits: len(_counters(house)) >= commits, 60, f"{commits} commits")
        house.send(signal.SIGKILL)
        assert house.wait(10) == -signal.SIGKILL
        processes.forget(house)
        acknowledged = [client_id(counter, run) for counter in _counters(house)]
        with opened(path) as journal:
            intents = list(journal.events(types=["IntentRecorded"]))
            recorded = [one.order_id for one in intents if one.run == run]
            # one more may be on disk: committed, and killed before it could say so
            assert recorded[: len(acknowledged)] == acknowledged
            assert len(recorded) <= len(acknowledged) + 1
            assert journal.client_runs_seen() == run
            _assert_sound(journal)


@pytest.mark.matrix("B6", invariants="G7")
def test_a_torn_log_gives_back_an_earlier_whole_state(tmp_path: Path) -> None:
    """Cut at any byte, the log yields the journal as it stood after some commit: never a half batch, never a broken
    chain.
    """
    path = tmp_path / "journal.db"
    states: dict[int, str] = {}
    with opened(path) as journal:
        journal.begin_run()
        for number in range(40):
            journal.append([intent(number), record(TradesCursorMoved(symbol="BTCUSDT", trade_id=number))])
            states[journal.last_seq] = journal.last_state_digest()
        states[1] = states.get(1, "")
        whole, log = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    chance = random.Random("torn")
    found = set()
    for cut in [1, 4095, len(log) - 1, *(chance.randint(1, len(log)) for _ in range(40))]:
        folder = tmp_path / "torn"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        torn = folder / "journal.db"
        torn.write_bytes(whole)
        torn.with_name("journal.db-wal").write_bytes(log[:-cut])
        with opened(torn) as journal:
            _assert_sound(journal)
            assert journal.last_seq == 0 or journal.last_seq in states
            assert journal.last_seq <= 1 or journal.last_state_digest() == states[journal.last_seq]
            found.add(journal.last_seq)
    with judged("G7"):
        assert len(found) > 10


def test_a_flipped_byte_in_the_log_cuts_it_there(tmp_path: Path) -> None:
    """A log damaged in the middle is the journal before that commit, whole; nothing behind the damage is believed."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        for number in range(40):
            journal.append([intent(number)])
        whole, log = path.read_bytes(), bytearray(path.with_name("journal.db-wal").read_bytes())
    log[len(log) // 2] ^= 0x10
    torn = tmp_path / "torn.db"
    torn.write_bytes(whole)
    torn.with_name("torn.db-wal").write_bytes(log)
    with opened(torn) as journal:
        recorded = [one.order_id for one in journal.events(types=["IntentRecorded"])]
        assert recorded == [client_id(number) for number in range(len(recorded))]
        assert 5 < len(recorded) < 40
        _assert_sound(journal)


def test_a_checkpoint_that_was_cut_short_is_no_damage(tmp_path: Path) -> None:
    """However many pages a checkpoint had moved when the process died, the log has them all: the journal opens, whole.

    `crash_points` found it: page 1 was there and said that the file is longer than it is.
    """
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        whole = bytearray(path.read_bytes())
        for number in range(60):
            journal.append([intent(number)])
        written = (journal.last_seq, journal.last_state_digest())
        log = path.with_name("journal.db-wal").read_bytes()
    pages = _pages_of(log)
    for count in range(len(pages) + 1):
        folder = tmp_path / f"cut-{count}"
        folder.mkdir()
        cut = bytearray(whole)
        for number in sorted(pages)[:count]:
            end = number * PAGE
            cut.extend(bytes(max(0, end - len(cut))))
            cut[end - PAGE : end] = pages[number]
        (folder / "journal.db").write_bytes(cut)
        (folder / "journal.db-wal").write_bytes(log)
        with opened(folder / "journal.db") as journal:
            assert (journal.last_seq, journal.last_state_digest()) == written
            _assert_sound(journal)


def _pages_of(log: bytes) -> dict[int, bytes]:
    """Page number -> its last content in a write-ahead log of one generation."""
    frames = range(32, len(log), 24 + PAGE)
    return {int.from_bytes(log[at : at + 4], "big"): log[at + 24 : at + 24 + PAGE] for at in frames}


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_full_disk_acknowledges_nothing_more(processes: Processes, tmp_path: Path, durability: str) -> None:
    """When the file system takes no more bytes, that batch and every later one is refused; what was acknowledged is all
    there.
    """
    path = tmp_path / "journal.db"
    house = _house(processes, path, durability, "1", "300000")
    assert house.wait(60) == 0, house
    acknowledged = _counters(house)
    assert len(acknowledged) > 5
    failed, again = house.out[-2:]
    assert re.match(r"failed: journal \S+ failed: (disk I/O error|database or disk is full)", failed)
    assert "takes nothing more" in again
    with opened(path) as journal:
        recorded = [one.order_id for one in journal.events(types=["IntentRecorded"])]
        assert recorded == [client_id(counter) for counter in acknowledged]
        _assert_sound(journal)
        journal.begin_run()
        assert journal.append([intent(10_000)]).duplicates == frozenset()


UPGRADE = "import sys; from journal.samples import opened; opened(sys.argv[1], durability='power').close()"


@pytest.mark.matrix("B5", invariants="G7")
@pytest.mark.matrix("B19", invariants="G7")
def test_an_upgrade_that_loses_its_power_is_done_again(processes: Processes, tmp_path: Path) -> None:
    """Whatever an upgrade to the present schema had written when the power failed: the journal opens with all it held."""
    program = strace()
    if program is None:
        pytest.skip("no strace on PATH nor in .tools (`make tools`)")
    old = TESTS / "recordings" / "journals" / "schema-0001.db"
    with opened(Path(shutil.copy(old, tmp_path / "whole.db"))) as journal:
        digest = journal.last_state_digest()
    folder, log = tmp_path / "state", tmp_path / "strace.txt"
    folder.mkdir()
    path = Path(shutil.copy(old, folder / "journal.db"))
    traced = (program, "-f", "-y", "-xx", "-s", "70000", "-e", f"trace={CALLS}", "-o", str(log))
    running = processes.start(*traced, sys.executable, "-c", UPGRADE, str(path), env=environment(), cwd=TESTS)
    assert running.wait(30) == 0, running
    recording = list(steps(log.read_text().splitlines(), folder, ["journal.db"]))
    assert len(recording) > 20
    chance = random.Random("upgrade")
    for moment in range(len(recording) + 1):
        disk = Disk()
        disk.live["journal.db"] = File(synced=bytearray(old.read_bytes()))
        disk.durable = dict(disk.live)
        for step in recording[:moment]:
            disk.do(step)
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in disk.lost(chance).items():
            (folder / name).write_bytes(content)
        with opened(path) as journal, judged("G7"):
            assert journal.last_state_digest() == digest, f"before step {moment}"
            assert journal.verify().ok
