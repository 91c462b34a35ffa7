"""A start is bounded by checkpoints, never depends on one, and makes damaged rows whole from one."""

from __future__ import annotations

import runpy
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from journal.samples import client_id, fill, filled, intent, opened, placed, record
from realtrading.domain.events import OrderArchived, TradesCursorMoved
from realtrading.domain.values import Side
from realtrading.journal import checkpoints, recovery, store
from realtrading.journal.codec import ROWS
from realtrading.journal.errors import JournalDamaged
from realtrading.journal.files import connected_for_reading
from realtrading.journal.store import Journal, Record
from realtrading.journal.verify import verify

EVERY = 40


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints are made after few records."""
    monkeypatch.setattr(store, "KEPT_EVERY", EVERY)
    monkeypatch.setattr(store, "KEPT_FORCED", EVERY)


@pytest.fixture
def path(tmp_path: Path, often: None) -> Path:
    """A journal of 201 records with three checkpoints, the last one before its end."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        for counter in range(1, 51):
            journal.append(life(counter))
    return path


def life(counter: int) -> list[Record]:
    """Four records about an order, which every other time leaves the tables."""
    trade = fill(counter, "0.5", "100", "0.0005", "BTC")
    over = OrderArchived(id=client_id(counter), strategy="demo", symbol="BTCUSDT")
    last = record(over) if counter % 2 else record(TradesCursorMoved(symbol="BTCUSDT", trade_id=counter))
    return [intent(counter), placed(counter), filled(counter, Side.BUY, trade), last]


def points_of(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM checkpoints ORDER BY seq")]


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for trigger in ("events_are_never_changed", "events_are_never_deleted"):
            connection.execute(f"DROP TRIGGER {trigger}")
        assert connection.execute(statement).rowcount > 0
        connection.commit()


def tables_of(journal: Journal) -> dict[str, dict[str, object]]:
    return {table: journal.rows(table) for table in ROWS}


def test_the_last_three_checkpoints_stay(path: Path) -> None:
    """Each is made when enough records came since the one before; older ones go, and the journal is sound."""
    assert points_of(path) == [121, 161, 201]
    assert verify(path).ok


def test_rows_from_any_checkpoint_and_from_none_have_one_digest(path: Path) -> None:
    """The rows folded from each checkpoint, and from the first record on, are those that the house kept."""
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(999, 2)])
        told = journal.last_state_digest()
    with connected_for_reading(path) as connection:
        points = list(checkpoints.sound(connection))
        digests = {point.seq: checkpoints.state_of(recovery.rows_after(connection, path, point)).hex() for point in points}
        digests[0] = checkpoints.state_of(recovery.rows_of_all(connection, path)).hex()
    assert digests == dict.fromkeys((0, 121, 161, 201), told)


@pytest.mark.parametrize("bad", [1, 2, 3])
@pytest.mark.parametrize(
    "damage",
    [
        "rows = zeroblob(length(rows))",
        "rows = x'00'",
        "state = zeroblob(32)",
        "chain = zeroblob(32)",
        "crc = crc + 1",
        "rows = (SELECT rows FROM checkpoints ORDER BY seq LIMIT 1), crc = 7",
    ],
)
def test_a_bad_checkpoint_falls_back(path: Path, bad: int, damage: str) -> None:
    """With one, two or all three bad the start gives the same rows and digest, says which were bad, and drops them."""
    with opened(path) as journal:
        truth, digest = tables_of(journal), journal.last_state_digest()
    change(path, f"UPDATE checkpoints SET {damage} WHERE seq IN (SELECT seq FROM checkpoints ORDER BY seq DESC LIMIT {bad})")
    damaged = [201, 161, 121][:bad]
    assert "checkpoint 201" in (verify(path).problem or "")
    with opened(path) as journal:
        assert tables_of(journal) == truth
        assert journal.last_state_digest() == digest
        assert [note.split(" of ")[0] for note in journal.notes] == [f"checkpoint {seq}" for seq in damaged]
        assert points_of(path) == [121, 161, 201][:-bad]
    assert verify(path).ok


ROW_DAMAGES = {
    "altered": "UPDATE current SET value = replace(value, '0.50', '0.60') WHERE key = 'rt_1_demo_n6'",
    "stale": "UPDATE current SET seq = 3 WHERE key = 'BTCUSDT'",
    "lost": "DELETE FROM current WHERE key = 'rt_1_demo_n2'",
    "all lost": "DELETE FROM current",
    "exchanged": "UPDATE current SET value = (SELECT value FROM current WHERE key = 'rt_1_demo_n2') WHERE key = 'rt_1_demo_n4'",
}


@pytest.mark.parametrize("without", [0, 1, 3])
@pytest.mark.parametrize("damage", ROW_DAMAGES)
def test_damaged_rows_are_made_again(path: Path, damage: str, without: int) -> None:
    """Current rows that are not what the records left are made again from the newest good checkpoint, from the one
    before, or from all records; `verify` had named the damage, and the start says what it did.
    """
    with opened(path) as journal:
        truth, digest = tables_of(journal), journal.last_state_digest()
    change(path, ROW_DAMAGES[damage])
    if without:
        worst = f"(SELECT seq FROM checkpoints ORDER BY seq DESC LIMIT {without})"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"UPDATE checkpoints SET crc = 0 WHERE seq IN {worst}")
            connection.commit()
    assert not verify(path).ok
    with opened(path) as journal:
        assert tables_of(journal) == truth
        assert journal.last_state_digest() == digest
        source = {0: "checkpoint 201 and", 1: "checkpoint 161 and", 3: "all records"}[without]
        assert source in journal.notes[-1]
        journal.begin_run()
        journal.append([intent(1000, 2)])
    assert verify(path).ok
    with opened(path) as journal:
        assert journal.notes == ()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM events WHERE seq > 190", "current rows are not those that record 190 left behind"),
        ("DELETE FROM events", "current rows are not those that record 0 left behind"),
        ("UPDATE events SET sender = 'me' WHERE seq = 201", "record 201 was altered"),
    ],
)
def test_lost_records_are_never_papered_over(path: Path, statement: str, sentence: str) -> None:
    """Rows that know more than the records are not made again from fewer records: that would forget orders."""
    change(path, statement)
    with pytest.raises(JournalDamaged, match=sentence):
        opened(path)


def test_every_record_since_the_checkpoint_is_checked_at_a_start(tmp_path: Path) -> None:
    """Without a checkpoint a start finds an altered record however old; with one, those after it."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        for counter in range(1, 101):
            journal.append(life(counter))
    change(path, "UPDATE events SET sender = 'me' WHERE seq = 5")
    with pytest.raises(JournalDamaged, match="record 5 was altered"):
        opened(path)


def test_a_checkpoint_is_made_in_an_idle_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment that moves the log makes it when it is due, not the append; and an orderly end does."""
    monkeypatch.setattr(store, "KEPT_EVERY", EVERY)
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        for counter in range(1, 21):
            journal.append(life(counter))
        assert points_of(path) == []
        journal.checkpoint()
        journal.checkpoint()
        assert points_of(path) == [81]
        for counter in range(21, 41):
            journal.append(life(counter))
    assert points_of(path) == [81, 161]


def test_a_journal_of_a_house_that_rots_stops(path: Path) -> None:
    """A checkpoint is never made of rows that are not what the records left: the house ends instead."""
    journal = opened(path)
    journal.begin_run()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM current WHERE key = 'BTCUSDT'")
        connection.commit()
    with pytest.raises(JournalDamaged, match="current rows are not those that record 202 left behind"):
        journal._writer.keep_checkpoint()
    assert journal.failed
    journal.close()
    with opened(path) as healed:
        assert healed.rows("cursors") == {"BTCUSDT": 50}


def test_a_start_after_100_000_events_takes_seconds(tmp_path: Path, lives: Callable[..., object]) -> None:
    """10^5 events since the last checkpoint, every one checked: under 10 s, and under one when there is a checkpoint;
    same digest, also of the rows made from all records.
    """
    path = tmp_path / "journal.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "KEPT_EVERY", 10**9)
        patch.setattr(store, "KEPT_FORCED", 10**9)
        with opened(path) as journal:
            records = lives(journal.begin_run())
            while journal.last_seq < 100_000:
                journal.append(list(islice(records, 2000)))  # type: ignore[call-overload]
    assert points_of(path) == []
    took, digest = _start(path)
    assert took < 10
    assert len(points_of(path)) == 1
    again, same = _start(path)
    assert (again < 1, same) == (True, digest)
    with connected_for_reading(path) as connection:
        assert checkpoints.state_of(recovery.rows_of_all(connection, path)).hex() == digest


def _start(path: Path) -> tuple[float, str]:
    began = time.perf_counter()
    with opened(path) as journal:
        return time.perf_counter() - began, journal.last_state_digest()


@pytest.fixture
def lives() -> Callable[..., object]:
    """What benchmarks/journal_start.py writes."""
    file = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "journal_start.py"
    made = runpy.run_path(str(file))["lives"]
    return lambda run: made(run, archived=True)
