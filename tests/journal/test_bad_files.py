"""Whatever is in the journal's place, a person gets one sentence and an exit code, and the file stays as it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from journal.samples import client_id, intent, opened
from realtrading.errors import BadInput
from realtrading.journal import readers
from realtrading.journal.files import SCHEMA_VERSION
from realtrading.journal.verify import verify


def _newer(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def _folderless(path: Path) -> None:
    path.parent.rmdir()


CASES: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "empty": (lambda path: path.touch(), "is an empty file", 4),
    "folder": (lambda path: path.mkdir(), "is a folder", 4),
    "text": (lambda path: path.write_text("hello, journal\r\n" * 200), "is not an SQLite database", 4),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 32), "is not an SQLite database", 4),
    "short": (lambda path: path.write_bytes(b"SQLite format 3\0"), "is not an SQLite database", 4),
    "pipe": (lambda path: os.mkfifo(path), "is not a regular file", 4),
    "dangling link": (lambda path: path.symlink_to(path.parent / "no" / "where"), "there is no folder", 4),
    "other database": (_other_database, "not a journal of realtrading", 4),
    "newer schema": (_newer, f"has schema {SCHEMA_VERSION + 1}, written by a newer version and left untouched", 4),
    "no folder": (_folderless, "there is no folder", 4),
    "lost journal": (
        lambda path: path.with_name(path.name + "-wal").write_bytes(b"log"),
        "is missing, but its log journal.db-wal is there",
        4,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    """Each mistake has its sentence naming the path, its exit code, and leaves every byte as it was."""
    make, sentence, code = CASES[case]
    folder = tmp_path / "state"
    folder.mkdir()
    path = folder / "journal.db"
    make(path)
    before = _bytes_of(folder)
    with pytest.raises(BadInput) as refusal:
        opened(path)
    assert sentence in str(refusal.value)
    assert "journal" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == code
    after = _bytes_of(folder)
    after.pop("journal.db.lock", None)
    before.pop("journal.db.lock", None)
    assert after == before


@pytest.mark.parametrize("case", ["empty", "folder", "text", "short", "other database", "newer schema"])
def test_readers_refuse_the_same(tmp_path: Path, case: str) -> None:
    """Whoever only looks gets the same sentence."""
    make, sentence, code = CASES[case]
    path = tmp_path / "journal.db"
    make(path)
    for look in (readers.read_orders, verify):
        with pytest.raises(BadInput) as refusal:
            look(path)
        assert sentence in str(refusal.value)
        assert refusal.value.exit_code == code


def test_a_reader_does_not_create(tmp_path: Path) -> None:
    """Looking at a journal that is not there names it and creates nothing."""
    with pytest.raises(BadInput, match="No such file"):
        readers.read_orders(tmp_path / "journal.db")
    assert os.listdir(tmp_path) == []


def test_a_forbidden_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that this user may not read and write is named so."""
    path = tmp_path / "journal.db"
    opened(path).close()
    # root may read everything, so the answer of the kernel is played
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BadInput, match="cannot be read and written: permission denied"):
        opened(path)


def test_a_second_opening_is_refused_at_once(tmp_path: Path) -> None:
    """While a house has it open, another gets exit code 75 and the pid; a link to it is the same journal; afterwards it
    is free.
    """
    path = tmp_path / "journal.db"
    link = tmp_path / "link.db"
    with opened(path):
        link.symlink_to(path)
        for way in (path, link):
            with pytest.raises(BadInput, match=rf"already in use by another process \(pid {os.getpid()}\)") as refusal:
                opened(way)
            assert refusal.value.exit_code == 75
    opened(path).close()


def test_an_unfinished_birth_leaves_no_trace(tmp_path: Path) -> None:
    """What a process left behind that died while making the journal is thrown away."""
    path = tmp_path / "journal.db"
    (tmp_path / "journal.db.new").write_bytes(b"half a database")
    (tmp_path / "journal.db.new-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1)])
        assert list(journal.rows("orders")) == [client_id(1)]
        assert journal.verify().ok
    assert not (tmp_path / "journal.db.new").exists()


def test_the_journal_is_for_its_user_alone(tmp_path: Path) -> None:
    """Nobody else on the machine may read what the house trades."""
    with opened(tmp_path / "journal.db") as journal:
        journal.begin_run()
        modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in os.listdir(tmp_path)}
    assert modes
    assert set(modes.values()) == {0o600}


def _bytes_of(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}
