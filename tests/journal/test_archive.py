"""Old records move into archives: nothing is lost whenever that is killed, and everything is still found."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import attrs
import pytest

from journal.samples import START, client_id, fill, filled, intent, opened, placed, record
from realtrading.domain.balances import LedgerLine
from realtrading.domain.events import BalanceUpdated, OrderArchived, PositionBookSettled
from realtrading.domain.positions import PositionBook
from realtrading.domain.values import Side
from realtrading.errors import BadInput
from realtrading.journal import readers
from realtrading.journal.archives import ArchiveMissing
from realtrading.journal.archiving import archive
from realtrading.journal.backup import backup, restore
from realtrading.journal.errors import JournalDamaged
from realtrading.journal.life import life_of
from realtrading.journal.store import Record
from realtrading.journal.verify import verify
from waiting import wait_until

DAYS = 10
PER_DAY = 20
TESTS = Path(__file__).resolve().parent.parent


def day(number: int) -> date:
    """The day so many days after the journal's first."""
    return (START + timedelta(days=number)).date()


def records_of_day(number: int, run: int) -> list[Record]:
    """A day's orders: most are filled, booked and archived, the last one rests for ever."""
    records = []
    for counter in range(number * PER_DAY + 1, (number + 1) * PER_DAY):
        name = client_id(counter, run)
        trade = fill(counter, "0.5", "100", "0.0005", "BTC")
        line = LedgerLine(asset="BTC", opening=START_BTC, orders={name: trade.quantity - trade.commission})
        booked = BalanceUpdated(asset="BTC", free=START_BTC, locked=START_BTC, line=line)
        over = OrderArchived(id=name, strategy="demo", symbol="BTCUSDT")
        records += [intent(counter, run), placed(counter, run), filled(counter, Side.BUY, trade), record(booked), record(over)]
    book = PositionBook(strategy="demo", symbol="BTCUSDT", base="BTC", quote="USDT")
    records += [record(PositionBookSettled(book=book)), intent((number + 1) * PER_DAY, run)]
    return [attrs.evolve(one, at=START + timedelta(days=number)) for one in records]


START_BTC = fill(1, "2", "1", "0", "BTC").quantity


@pytest.fixture(scope="module")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of ten days, one run each but the last two, at rest."""
    path = tmp_path_factory.mktemp("ten") / "journal.db"
    for number in range(DAYS - 1):
        with opened(path, utc=lambda at=START + timedelta(days=number): at) as journal:
            run = journal.begin_run()
            journal.append(records_of_day(number, run))
            if number == DAYS - 2:
                journal.append(records_of_day(DAYS - 1, run))
    return path


@pytest.fixture
def path(ten_days: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copy(ten_days, tmp_path / "journal.db"))


def told(path: Path) -> tuple[object, ...]:
    """Everything a journal says, wherever it lies."""
    with readers.opened(path) as reader:
        return list(reader.events()), reader.rows("orders"), reader.rows("journal"), reader.last_seq(), reader.runs()


def test_moved_records_are_found_and_verified(path: Path) -> None:
    """After one archive and after a second: all records, rows, lives and the ledger are as before, the chain is whole
    and ends as before, the journal's file is smaller, and each file holds its part.
    """
    before, truth = verify(path), told(path)
    lives = {name: life_of(path, name) for name in (client_id(3, 1), client_id(85, 5), client_id(200, 9), "rt_1_demo_nzz")}
    money = readers.fold_engine_ledger(path)
    size = path.stat().st_size
    files = []
    for until, records in ((4, 98 * 4), (8, 98 * 8)):
        moved = archive(path, day(until)).archive
        assert moved is not None
        files.append(moved.file)
        assert (moved.last_seq, moved.run, moved.last_at[:10]) == (records, until, str(day(until - 1)))
        assert verify(path) == before
        assert (verify(path).archived, verify(path).missing) == (records, ())
        assert told(path) == truth
        assert {name: life_of(path, name) for name in lives} == lives
        assert readers.fold_engine_ledger(path) == money
    assert len(lives[client_id(3, 1)]) == 5
    assert path.stat().st_size < size / 2
    assert files == ["journal.db.1-392.archive", "journal.db.393-784.archive"]
    assert [file.stat().st_mode & 0o777 for file in path.parent.glob("*.archive")] == [0o600, 0o600]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT min(seq), count(*) FROM events").fetchone() == (785, len(truth[0]) - 784)  # type: ignore[arg-type]


def test_the_house_goes_on_without_its_archives(path: Path) -> None:
    """A start gives the same rows and digest, takes the next run and new records, archives or no archives; `verify` says
    which is missing and still finds the rest sound.
    """
    with opened(path) as journal:
        digest = journal.last_state_digest()
    moved = archive(path, day(6)).archive
    assert moved is not None
    path.with_name(moved.file).rename(path.with_name("elsewhere"))
    with opened(path) as journal:
        assert (journal.last_state_digest(), journal.notes) == (digest, ())
        assert journal.begin_run() == DAYS
        journal.append([intent(500, DAYS)])
    report = verify(path)
    assert (report.ok, report.missing) == (True, (moved.file,))
    with pytest.raises(ArchiveMissing, match=f"records 1 to {6 * 98} are in archive {moved.file}, which is not in"):
        life_of(path, client_id(3, 1))
    assert [one.type for one in life_of(path, client_id(500, DAYS))] == ["IntentRecorded"]
    path.with_name("elsewhere").rename(path.with_name(moved.file))
    assert verify(path).missing == ()


def test_an_archived_id_is_never_recorded_again(path: Path) -> None:
    """An intent whose record left the journal is a duplicate as before, and so is any other of those runs."""
    archive(path, day(6))
    with opened(path) as journal:
        run = journal.begin_run()
        done = journal.append([intent(3, 1), intent(9999, 6), intent(1, run)])
    assert done.duplicates == {client_id(3, 1), client_id(9999, 6)}
    assert done.recorded == {client_id(1, run)}


def test_the_last_record_stays_and_nothing_is_nothing(path: Path) -> None:
    """Before the first day there is nothing to move; before the end of time all but the last record moves."""
    before = path.read_bytes()
    assert archive(path, day(0)).archive is None
    assert list(path.parent.glob("*.archive")) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] == verify(path).records
    moved = archive(path, date(9999, 12, 31)).archive
    assert moved is not None
    assert moved.last_seq == verify(path).records - 1
    assert archive(path, date(9999, 12, 31)).archive is None
    assert len(path.read_bytes()) < len(before)


def test_rows_are_made_again_through_archives(path: Path) -> None:
    """Damaged rows come back from the checkpoint that archiving left, or through the archives from all records; with
    neither the start refuses.
    """
    with opened(path) as journal:
        digest = journal.last_state_digest()
    moved = archive(path, day(6)).archive
    assert moved is not None
    for without, source in ((False, "from checkpoint"), (True, "from all records")):
        with closing(sqlite3.connect(path)) as connection:
            if without:
                connection.execute("DELETE FROM checkpoints")
            connection.execute("DELETE FROM current WHERE tbl = 'orders'")
            connection.commit()
        with opened(path) as journal:
            assert journal.last_state_digest() == digest
            assert source in journal.notes[0]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM current WHERE tbl = 'orders'")
        connection.commit()
    path.with_name(moved.file).unlink()
    with pytest.raises(JournalDamaged, match="current rows are not those"):
        opened(path)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE pages SET records = zeroblob(9) WHERE first_seq = 257", "its page of record 257 was altered"),
        ("DELETE FROM pages WHERE first_seq = 257", "record 257 is missing"),
        ("DELETE FROM pages WHERE first_seq = 513", "does not end with record 588"),
        ("PRAGMA application_id = 1", "is not an archive of a journal"),
    ],
)
def test_a_damaged_archive_is_named(path: Path, statement: str, sentence: str) -> None:
    """`verify` names the archive and what is wrong with it; the house starts all the same."""
    moved = archive(path, day(6)).archive
    assert moved is not None
    with closing(sqlite3.connect(path.with_name(moved.file))) as connection:
        connection.execute(statement)
        connection.commit()
    problem = verify(path).problem or ""
    assert sentence in problem
    assert moved.file in problem
    opened(path).close()


def test_no_flipped_bit_of_an_archive_becomes_a_wrong_value(path: Path) -> None:
    """Of 60 single flipped bits each is found by `verify`, or changes nothing that can be read."""
    truth = told(path)
    moved = archive(path, day(6)).archive
    assert moved is not None
    file = path.with_name(moved.file)
    clean = file.read_bytes()
    chance = random.Random("archive")
    found = 0
    for _ in range(60):
        damaged = bytearray(clean)
        damaged[chance.randrange(len(clean))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        if verify(path).ok:
            assert told(path) == truth
        else:
            found += 1
    assert found > 30


def test_a_record_of_the_journal_that_was_altered_is_not_archived(path: Path) -> None:
    """What would be moved is checked first, from the first record on; then nothing is moved."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET sender = 'me' WHERE seq = 5")
        connection.commit()
    with pytest.raises(JournalDamaged, match="record 5 was altered"):
        archive(path, day(6))
    assert list(path.parent.glob("*archive*")) == []


def test_what_a_killed_archive_left_is_taken_over(path: Path) -> None:
    """A whole file that no commit named, and a half-written one, do not stand in the way; anything else does (6)."""
    before = verify(path)
    copy = Path(shutil.copy(path, path.with_name("copy.db")))
    moved = archive(path, day(6)).archive
    assert moved is not None
    whole, half = copy.with_name("copy.db.1-588.archive"), copy.with_name("copy.db.1-588.archive.new")
    shutil.copy(path.with_name(moved.file), whole)
    half.write_bytes(b"half")
    assert archive(copy, day(6)).archive == attrs.evolve(moved, file="copy.db.1-588.archive")
    assert verify(copy) == before
    other = copy.with_name("copy.db.589-686.archive")
    shutil.copy(whole, other)
    with pytest.raises(BadInput, match="is in the way: it is not the archive of records 589 to 686") as refused:
        archive(copy, day(7))
    assert refused.value.exit_code == 6
    assert (verify(copy), verify(copy).archived) == (before, 588)


def test_a_journal_in_use_is_not_archived(path: Path) -> None:
    """While a house runs the lock refuses, and nothing changes."""
    with opened(path):
        with pytest.raises(BadInput, match="already in use by another process") as refused:
            archive(path, day(6))
    assert refused.value.exit_code == 75
    assert list(path.parent.glob("*archive*")) == []


def test_killed_anywhere_nothing_is_lost(path: Path, tmp_path: Path) -> None:
    """Killed at eight moments between beginning and end: the journal and its archive hold every record, the next try
    completes, and no half file stays.
    """
    before, truth = verify(path), told(path)
    began = time.monotonic()
    child = archiving(Path(shutil.copy(path, tmp_path / "timed.db")))
    assert child.stdout is not None
    assert child.stdout.readline() == "go\n"
    began = time.monotonic()
    child.communicate(timeout=60)
    length = time.monotonic() - began
    for step in range(8):
        folder = tmp_path / str(step)
        folder.mkdir()
        copy = Path(shutil.copy(path, folder / "journal.db"))
        child = archiving(copy)
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
        at = time.monotonic() + length * step / 7
        wait_until(lambda at=at: time.monotonic() >= at, 60, "the moment to kill")  # type: ignore[misc]
        child.kill()
        child.communicate(timeout=60)
        assert verify(copy) == before
        assert verify(copy).missing == ()
        archive(copy, day(6))
        assert verify(copy).archived == 588
        assert told(copy) == truth
        assert list(folder.glob("*.new")) == []


@pytest.mark.parametrize("kib", [0, 4, 24, 60, 200, 500])
def test_a_full_disk_moves_nothing_or_all(path: Path, kib: int) -> None:
    """Whatever file cannot grow, one sentence says so (4), every record is where it was, and no half file stays."""
    before, truth = verify(path), told(path)
    child = archiving(path, str(kib * 1024))
    output, _ = child.communicate(timeout=60)
    code, _, rest = output.splitlines()[-1].partition(" ")
    assert code in ("0", "4"), output
    assert code == "0" or "cannot be" in rest, output
    assert verify(path) == before
    assert told(path) == truth
    assert list(path.parent.glob("*.new")) == []
    archive(path, day(6))
    assert verify(path).archived == 588


def archiving(path: Path, *more: str) -> subprocess.Popen[str]:
    """A process that archives six days."""
    command = [sys.executable, "-m", "journal.archiving_child", str(path), str(day(6)), *more]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)


def test_a_backup_needs_no_archive(path: Path, tmp_path: Path) -> None:
    """A journal with archives is backed up and restored as any other; where its archives lie beside it they are found."""
    moved = archive(path, day(6)).archive
    assert moved is not None
    (tmp_path / "there").mkdir()
    assert backup(path, tmp_path / "there" / "copy.db") == verify(path)
    assert restore(tmp_path / "there" / "copy.db", tmp_path / "there" / "journal.db").ok
    assert verify(tmp_path / "there" / "journal.db").missing == (moved.file,)
    shutil.copy(path.with_name(moved.file), tmp_path / "there")
    assert verify(tmp_path / "there" / "journal.db").missing == ()
