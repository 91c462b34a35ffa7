"""Bytes that changed on disk are found and named; they never become a wrong value."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from journal.samples import client_id, intent, opened, placed, record
from matrix.evidence import judged
from realtrading.domain.events import TradesCursorMoved
from realtrading.errors import BadInput
from realtrading.journal import readers
from realtrading.journal.codec import ROWS
from realtrading.journal.errors import EXIT_DAMAGED, JournalDamaged
from realtrading.journal.verify import verify

Content = tuple[list[Any], dict[str, Any], Any, list[Any]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of some two hundred records, all in the file itself."""
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        journal.bind(7)
        for counter in range(1, 100):
            journal.append([intent(counter), placed(counter)])
        journal.append([record(TradesCursorMoved(symbol="BTCUSDT", trade_id=99))])
    return path


def _copy(sound: Path, folder: Path) -> Path:
    return Path(shutil.copy(sound, folder / "journal.db"))


def _content(path: Path) -> Content:
    with readers.opened(path) as reader:
        return list(reader.events()), {table: reader.rows(table) for table in ROWS}, reader.binding(), reader.runs()


@pytest.mark.matrix("B7", invariants="G7")
def test_no_flipped_bit_becomes_a_wrong_value(sound: Path, tmp_path: Path) -> None:
    """Of 200 single flipped bits, each is found by `verify`, or sits where it changes nothing that can be read."""
    path = _copy(sound, tmp_path)
    clean = bytes(path.read_bytes())
    truth = _content(path)
    chance = random.Random("flips")
    found = 0
    for _ in range(200):
        position, bit = chance.randrange(len(clean)), 1 << chance.randrange(8)
        damaged = bytearray(clean)
        damaged[position] ^= bit
        path.write_bytes(damaged)
        try:
            sound_still = verify(path).ok
        except BadInput:
            sound_still = False
        found += not sound_still
        with suppress(BadInput):
            assert _content(path) == truth, f"bit {bit} of byte {position} became a value"
        if sound_still:
            assert _content(path) == truth, f"bit {bit} of byte {position} was not found"
    with judged("G7"):
        assert found > 100


def test_no_flipped_bit_is_recovered_from(sound: Path, tmp_path: Path) -> None:
    """Of 50 single flipped bits, opening for trading either refuses or gives exactly the rows that were written."""
    path = _copy(sound, tmp_path)
    clean = bytes(path.read_bytes())
    with readers.opened(path) as reader:
        truth = {table: reader.rows(table) for table in ROWS}
    chance = random.Random("recovery")
    refused, sentences = 0, []
    for _ in range(50):
        damaged = bytearray(clean)
        damaged[chance.randrange(len(clean))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            with opened(path) as journal:
                assert {table: journal.rows(table) for table in ROWS} == truth
        except BadInput as refusal:
            refused += 1
            sentences.append(str(refusal))
    assert refused > 5
    assert [sentence for sentence in sentences if str(path) not in sentence] == []


def _change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for trigger in ("events_are_never_changed", "events_are_never_deleted"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "sentence", "at_opening"),
    [
        ("UPDATE events SET sender = 'me' WHERE seq = 5", "record 5 was altered", False),
        (
            "UPDATE events SET payload = replace(payload, '0.50', '0.60') WHERE seq = 198",
            "record 198 was altered",
            True,
        ),
        ("UPDATE events SET at = '2026-11-22T12:00:01+00:00' WHERE seq = 5", "record 5 was altered", False),
        ("DELETE FROM events WHERE seq = 7", "record 7 is missing", False),
        ("DELETE FROM events WHERE seq = 1", "record 1 is missing", False),
        ("DELETE FROM events WHERE seq > 190", "its current rows are not those that record 190 left behind", True),
        ("DELETE FROM events", "its current rows are not those that record 0 left behind", True),
        ("UPDATE events SET chain = zeroblob(32) WHERE seq = 9", "record 9 does not continue record 8", False),
        (
            "UPDATE current SET value = replace(value, '0.50', '0.60') WHERE key = 'rt_1_demo_n5'",
            "row orders/rt_1_demo_n5 of record 11",
            False,
        ),
        ("UPDATE current SET seq = 3 WHERE key = 'BTCUSDT'", "row cursors/BTCUSDT of record 3 was altered", False),
        (
            "DELETE FROM current WHERE key = 'BTCUSDT'",
            "its current rows are not those that record 200 left behind",
            False,
        ),
        ("UPDATE meta SET value = 'live' WHERE key = 'mode'", "its fact 'mode' was altered", True),
        ("DELETE FROM meta WHERE key = 'mode'", "does not say its mode", True),
        ("UPDATE runs SET code_version = '9'", "run 1 was altered", False),
    ],
)
def test_a_changed_record_is_named(sound: Path, tmp_path: Path, statement: str, sentence: str, at_opening: bool) -> None:
    """`verify` names the first record, row or fact that is not what was written; opening refuses what the records
    cannot make whole again.
    """
    path = _copy(sound, tmp_path)
    _change(path, statement)
    report = verify(path)
    assert sentence in (report.problem or "")
    assert not report.ok
    if at_opening:
        with pytest.raises(JournalDamaged) as damage:
            opened(path)
        assert sentence in str(damage.value)
        assert damage.value.exit_code == EXIT_DAMAGED


def test_a_consistent_forgery_of_one_row_is_found(sound: Path, tmp_path: Path) -> None:
    """A row put back to an older value with a checksum that fits is not what the last record left behind."""
    path = _copy(sound, tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM current WHERE key = 'rt_1_demo_n5'")
    connection.execute(
        "INSERT INTO current SELECT tbl, 'rt_1_demo_n5', value, seq, crc FROM current WHERE key = 'rt_1_demo_n6'"
    )
    connection.commit()
    connection.close()
    assert "row orders/rt_1_demo_n5" in (verify(path).problem or "")


def test_a_sound_journal_is_found_sound(sound: Path) -> None:
    """The report counts what was read, and its chain ends as the journal's does."""
    report = verify(sound)
    assert (report.ok, report.problem, report.records, report.rows) == (True, None, 200, 102)
    assert len(bytes.fromhex(report.chain)) == 32
    assert min(readers.read_orders(sound)) == client_id(1)


def test_damage_in_the_middle_stops_reading_there(sound: Path, tmp_path: Path) -> None:
    """Reading gives the records before the damage and then refuses; it does not skip."""
    path = _copy(sound, tmp_path)
    _change(path, "UPDATE events SET sender = 'me' WHERE seq = 50")
    with readers.opened(path) as reader:
        events = reader.events()
        assert [next(events).seq for _ in range(49)] == list(range(1, 50))
        with pytest.raises(JournalDamaged, match="record 50 was altered"):
            next(events)
