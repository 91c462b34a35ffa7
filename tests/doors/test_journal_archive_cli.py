"""`realtrading journal archive` at the command line: what it tells, and what the other commands tell afterwards."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from journal.samples import START, client_id, intent, opened, placed
from realtrading.__main__ import call
from realtrading.journal.verify import verify

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `realtrading journal …`: exit code, stdout, stderr."""

    def run(*typed: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call(["journal", *map(str, typed)])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, told.out, told.err

    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of two days, begun on 2026-11-22, an order on each."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        for counter in (1, 2):
            at = START + timedelta(days=counter - 1)
            journal.append([attrs.evolve(one, at=at) for one in (intent(counter), placed(counter))])
    return path


def test_what_was_moved_is_told(cli: Cli, path: Path) -> None:
    """Records and file, sizes, and what to do; as JSON one object; a second time there is nothing to move."""
    chain = verify(path).chain
    code, out, err = cli("archive", path, "--before", "2026-11-23")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"records 1 to 3 are in {path}.1-3.archive"
    assert lines[1].startswith(f"{path}: 0.")
    assert lines[2] == "next: back both up; where the journal goes, its archives go with it"
    code, out, _ = cli("archive", path, "--before", "2026-11-23", "--json")
    told = json.loads(out)
    assert (code, told["archive"], told["command"], told["before"]) == (0, None, "journal archive", "2026-11-23")
    code, out, _ = cli("archive", path, "--before", "2026-11-23")
    assert out.startswith("nothing to move")
    code, out, _ = cli("archive", path, "--before", "2027-01-01", "--json")
    told = json.loads(out)
    assert (told["archive"], told["first"], told["last"]) == (f"{path}.4-4.archive", 4, 4)
    assert verify(path).chain == chain


def test_what_lies_in_an_archive_is_found(cli: Cli, path: Path) -> None:
    """`order` tells the same life as before, `orders` the same list, and `verify` counts what lies in archives."""
    before = {typed: cli(*typed)[1] for typed in (("order", path, client_id(1)), ("orders", path))}
    assert cli("archive", path, "--before", "2026-11-23")[0] == 0
    assert {typed: cli(*typed)[1] for typed in before} == before
    code, out, _ = cli("verify", path)
    assert (code, out.splitlines()[0]) == (
        0,
        f"sound: 5 records (3 of them in archives), {verify(path).rows} current rows, digest {verify(path).digest[:16]}",
    )


def test_a_missing_archive_is_named(cli: Cli, path: Path) -> None:
    """`verify` says which is not there and goes on; an order that may be in it is not called unknown (exit 4)."""
    cli("archive", path, "--before", "2026-11-23")
    Path(f"{path}.1-3.archive").unlink()
    code, out, _ = cli("verify", path)
    assert code == 0
    assert "archive journal.db.1-3.archive is not beside it: its records were not read" in out
    assert json.loads(cli("verify", path, "--json")[1])["missing_archives"] == ["journal.db.1-3.archive"]
    code, out, err = cli("order", path, client_id(1))
    assert (code, out) == (4, "")
    assert "records 1 to 3 are in archive journal.db.1-3.archive, which is not in" in err
    assert cli("order", path, client_id(2))[0] == 0


def test_a_running_house_keeps_its_journal(cli: Cli, path: Path) -> None:
    """Exit 6 while a process has it; nothing is moved."""
    with opened(path):
        code, _, err = cli("archive", path, "--before", "2026-11-23")
    assert code == 6
    assert "already in use by another process" in err
    assert list(path.parent.glob("*.archive")) == []
