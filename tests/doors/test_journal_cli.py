"""`realtrading journal`: verify, backup, restore, orders, order; beside a running daemon, and every mistake in words."""

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from daemons import start_daemon, write_config
from journal.samples import client_id, fill, filled, intent, opened, order, placed, record
from processes import Processes
from realtrading.__main__ import call
from realtrading.domain.balances import LedgerLine
from realtrading.domain.events import BalanceUpdated, OrderArchived, OrderRejected, PositionOpened
from realtrading.domain.orders import OrderState
from realtrading.domain.positions import PositionBook, RealPosition, book_order
from realtrading.domain.values import Side
from realtrading.journal import backup as copies
from realtrading.journal.readers import opened as opened_for_reading
from realtrading.journal.verify import verify
from serving import start_simulator
from waiting import wait_until

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
    """A journal at rest: order 1 from intent to ledger, order 2 resting."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1)])
        journal.append([placed(1)])
        journal.append(bought())
        journal.append([intent(2), placed(2)])
    return path


def bought() -> list[Any]:
    """Order 1 is filled, and positions and balances book it; the ledger line is told twice."""
    trade = fill(7, "0.5", "100", "0.0005", "BTC")
    event = filled(1, Side.BUY, trade)
    done = event.event.order  # type: ignore[attr-defined]
    empty = PositionBook(strategy="demo", symbol="BTCUSDT", base="BTC", quote="USDT")
    change = book_order(empty, done, "BTC", "USDT", done.updated_at)
    assert isinstance(change.book.position, RealPosition)
    position = PositionOpened(position=change.book.position, book=change.book, order=done)
    line = LedgerLine(asset="USDT", opening=change.book.quantity * 0 + 1000, orders={done.id: trade.quote_quantity * -1})
    told = BalanceUpdated(asset="USDT", free=line.total, locked=line.total * 0, line=line)
    return [
        attrs.evolve(event, letter_seq=30, cause=21),
        record(position, 31, "positions"),
        record(told, 32, "balances"),
        record(told, 33, "balances"),
    ]


def damage(path: Path) -> None:
    """Change one record on disk, as no program of ours could."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET sender = 'nobody' WHERE seq = 3")
    connection.close()


def test_a_sound_journal_is_said_to_be_sound(cli: Cli, path: Path) -> None:
    """Exit 0, the counts, and the chain to be noted; as JSON one object with schema, digest and chain in full."""
    report = verify(path)
    code, out, err = cli("verify", path)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"sound: 9 records, {report.rows} current rows, digest {report.digest[:16]}"
    assert report.chain in out.splitlines()[1]
    code, out, _ = cli("verify", path, "--json")
    told = json.loads(out)
    assert code == 0
    assert told == {
        "schema": 1, "command": "journal verify", "path": str(path), "sound": True, "problem": None,
        "records": 9, "rows": report.rows, "chain": report.chain, "digest": report.digest,
        "archived": 0, "missing_archives": [],
    }  # fmt: skip
    with opened(path) as journal:
        assert journal.last_state_digest() == told["digest"]


def test_damage_is_a_failed_verdict(cli: Cli, path: Path) -> None:
    """Exit 11 from every command, with the bad record's number; a backup of it is not made, nor is it restored."""
    damage(path)
    code, out, _ = cli("verify", path)
    assert code == 11
    assert "record 3 was altered" in out
    code, out, _ = cli("verify", path, "--json")
    assert (code, json.loads(out)["sound"]) == (11, False)
    for typed in (
        ("backup", path, path.with_name("copy.db")),
        ("restore", path, path.with_name("copy.db")),
        ("order", path, client_id(1)),
        ("orders", path),
    ):
        code, out, err = cli(*typed)
        assert (code, out) == (11, ""), typed
        assert "record 3 was altered" in err
        assert str(path) in err
        assert [] == list(path.parent.glob("copy.db*"))


def test_a_backup_is_the_journal_at_one_moment(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Made while the house writes: one file, verified, readable where nothing can be written; the house goes on."""
    copy = tmp_path / "copy.db"
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(3)])
        digest, seq = journal.last_state_digest(), journal.last_seq
        code, out, err = cli("backup", path, copy, "--json")
        journal.append([placed(3)])
        assert journal.verify().ok
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["digest"], told["records"], told["sound"]) == (digest, seq, True)
    assert ["copy.db"] == [each.name for each in tmp_path.glob("copy.db*")]
    assert copy.stat().st_mode & 0o777 == 0o600
    folder = tmp_path / "carried"
    folder.mkdir()
    shutil.copy(copy, folder)
    (folder / "copy.db").chmod(0o400)
    assert verify(folder / "copy.db").digest == digest


def test_backups_while_the_house_writes_are_each_whole(path: Path, tmp_path: Path) -> None:
    """Every copy verifies and ends at a record that was committed, however many follow."""
    ends = []
    with opened(path) as journal:
        journal.begin_run()
        for number in range(5):
            journal.append([intent(10 + number)])
            ends.append((journal.last_seq, copies.backup(path, tmp_path / f"copy{number}.db").records))
            journal.checkpoint()
    assert all(seq == records for seq, records in ends)


def test_a_restored_journal_is_the_same_and_goes_on(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Same chain and digest; the next run's number is higher than any it held."""
    copy, other = tmp_path / "copy.db", tmp_path / "other" / "journal.db"
    other.parent.mkdir()
    before = verify(path)
    assert cli("backup", path, copy)[0] == 0
    code, out, _ = cli("restore", copy, other)
    assert code == 0
    assert "9 records" in out
    assert verify(other) == before
    with opened_for_reading(path) as reader:
        runs = [run.run for run in reader.runs()]
    with opened(other) as journal:
        assert journal.begin_run() > max(runs)
        assert journal.append([intent(1)]).duplicates == {client_id(1)}


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_nothing_is_overwritten(cli: Cli, path: Path, tmp_path: Path, suffix: str) -> None:
    """Exit 6, and what was there has its bytes still; also when only a lost journal's log is there."""
    there = tmp_path / f"there.db{suffix}"
    there.write_bytes(b"mine")
    for command in ("backup", "restore"):
        code, _, err = cli(command, path, tmp_path / "there.db")
        assert code == 6
        assert f"{there} is there already and is not overwritten" in err
    assert there.read_bytes() == b"mine"


def test_a_backup_onto_itself_is_refused(cli: Cli, path: Path) -> None:
    """The journal is never its own backup."""
    before = path.read_bytes()
    assert cli("backup", path, path)[0] == 6
    assert path.read_bytes() == before


def test_a_place_in_use_is_refused(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Exit 6 where a process holds the lock of the journal that would be made."""
    with opened(tmp_path / "held.db"):
        (tmp_path / "held.db").unlink()
        (tmp_path / "held.db-wal").unlink(missing_ok=True)
        code, _, err = cli("restore", path, tmp_path / "held.db")
    assert code == 6
    assert "already in use by another process" in err


def test_an_interrupted_backup_does_not_stand_in_the_way(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Half a copy that a killed process left is made anew, and never taken for a backup."""
    (tmp_path / "copy.db.new").write_bytes(b"half a copy" * 1000)
    assert cli("backup", path, tmp_path / "copy.db")[0] == 0
    assert verify(tmp_path / "copy.db") == verify(path)
    assert not (tmp_path / "copy.db.new").exists()


# 32768 bytes are what SQLite needs to look at the journal beside its writer
FULL_DISK = """
import resource, signal, sys
from realtrading.__main__ import call
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (33_000, resource.RLIM_INFINITY))
sys.exit(call(sys.argv[1:]))
"""


def test_a_full_disk_leaves_no_half_copy(path: Path, tmp_path: Path, processes: Processes) -> None:
    """Exit 4 with the destination's name, nothing of it on disk, and the journal is as it was."""
    for command in ("backup", "restore"):
        running = processes.python("-c", FULL_DISK, "journal", command, str(path), str(tmp_path / "copy.db"))
        assert running.wait(30) == 4, str(running)
        assert running.err[-1].startswith(f"realtrading: {tmp_path / 'copy.db'} cannot be written: ")
    assert [] == [each.name for each in tmp_path.glob("copy.db*") if each.suffix != ".lock"]
    assert verify(path).ok


def test_mistakes_are_told_in_one_sentence(cli: Cli, path: Path, tmp_path: Path) -> None:
    """Each with its exit code and the path or id at fault, on one line of stderr."""
    (tmp_path / "text.db").write_text("hello, this is no database at all\n" * 10)
    (tmp_path / "empty.db").touch()
    stranger = tmp_path / "stranger.db"
    with closing(sqlite3.connect(stranger)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    missing, folder = tmp_path / "missing.db", tmp_path / "no" / "where.db"
    table: list[tuple[tuple[object, ...], int, str]] = [
        (("verify", missing), 4, f"journal {missing} cannot be opened: No such file"),
        (("verify", tmp_path), 4, f"journal {tmp_path} is a folder"),
        (("verify", tmp_path / "text.db"), 4, "is not a journal: it is not an SQLite database"),
        (("verify", tmp_path / "empty.db"), 4, "is an empty file"),
        (("verify", stranger), 4, "not a journal of realtrading"),
        (("orders", missing), 4, str(missing)),
        (("order", missing, "x"), 4, str(missing)),
        (("backup", missing, tmp_path / "a"), 4, str(missing)),
        (("backup", path, folder), 4, f"{folder} cannot be written"),
        (("restore", missing, tmp_path / "a"), 4, str(missing)),
        (("restore", path, folder), 4, f"{folder} cannot be written: there is no folder {folder.parent}"),
        (("order", path, "rt_1_demo_n9"), 8, "knows no order 'rt_1_demo_n9'"),
        (("order", path, "\udcff"), 8, "knows no order"),
        (("order", path), 2, "Missing argument 'ID'"),
        (("verify",), 2, "Missing argument 'PATH'"),
        (("verify", path, "--yaml"), 2, "No such option"),
        (("mend", path), 2, "No such command 'mend'"),
    ]
    for typed, wanted, words in table:
        code, out, err = cli(*typed)
        assert (code, out) == (wanted, ""), (typed, err)
        assert words in err, typed
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "a").exists()


def test_the_orders_of_a_journal(cli: Cli, path: Path) -> None:
    """Every order it holds with state, quantities and average, oldest first."""
    code, out, _ = cli("orders", path, "--json")
    told = json.loads(out)
    assert (code, told["schema"], told["command"]) == (0, 1, "journal orders")
    assert [(one["id"], one["state"], one["executed"], one["quantity"]) for one in told["orders"]] == [
        (client_id(1), "Filled", "0.5", "0.5"),
        (client_id(2), "New", "0", "0.5"),
    ]
    lines = cli("orders", path)[1].splitlines()
    assert lines[0].split() == [client_id(1), "Filled", "BTCUSDT", "BUY", "MARKET", "0.5,", "0.5", "filled"]
    assert lines[1].split() == [client_id(2), "New", "BTCUSDT", "BUY", "MARKET", "0.5"]


def test_no_orders_is_an_answer(cli: Cli, tmp_path: Path) -> None:
    """A journal without orders says so, exit 0."""
    with opened(tmp_path / "journal.db") as journal:
        journal.begin_run()
    assert cli("orders", tmp_path / "journal.db")[:2] == (0, "no orders: none was recorded, or all are archived\n")


def test_an_orders_life_from_intent_to_ledger(cli: Cli, path: Path) -> None:
    """One step per record with its letters, state and quantities; a ledger line once per change, other orders never."""
    with opened(path) as journal:
        journal.begin_run()
        journal.append([record(OrderArchived(id=client_id(1), strategy="demo", symbol="BTCUSDT"), 50)])
    code, out, _ = cli("order", path, client_id(1), "--json")
    told = json.loads(out)
    assert (code, told["id"], told["code_versions"]) == (0, client_id(1), {"1": "0.1.0", "2": "0.1.0"})
    steps = [(s["seq"], s["type"], s["letter"], s["cause"], s.get("state"), s.get("executed")) for s in told["steps"]]
    assert steps == [
        (2, "IntentRecorded", 1, None, "Pending", "0"),
        (3, "OrderPlaced", 1, None, "New", "0"),
        (4, "OrderFilled", 30, 21, "Filled", "0.5"),
        (5, "PositionOpened", 31, 30, "Filled", "0.5"),
        (6, "BalanceUpdated", 32, 31, None, None),
        (11, "OrderArchived", 50, 49, None, None),
    ]
    assert told["steps"][2]["fills"] == [
        {"trade_id": 7, "price": "100", "quantity": "0.5", "quote": "50", "fee": "0.0005", "fee_asset": "BTC"}
    ]
    assert told["steps"][3]["position"] == "0.4995"
    assert (told["steps"][4]["asset"], told["steps"][4]["effect"]) == ("USDT", "-50")
    lines = cli("order", path, client_id(1))[1].splitlines()
    assert lines[0] == f"{client_id(1)}: 6 records"
    assert lines[3].split()[:3] == ["#4", "2026-11-22", "12:00:00.000"]
    assert "1:30 < 21" in lines[3]
    assert "Filled, 0.5 of 0.5 filled" in lines[3]
    assert lines[3].endswith("trade 7: 0.5 at 100, fee 0.0005 BTC")
    assert lines[5].endswith("ledger: -50 USDT")


def test_a_refused_order_tells_why(cli: Cli, tmp_path: Path) -> None:
    """The reason of an end is part of the time line."""
    path = tmp_path / "journal.db"
    dead = attrs.evolve(order(1), state=OrderState.REJECTED, reason="VENUE_FILTER")
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1), record(OrderRejected(order=dead, reason="VENUE_FILTER: LOT_SIZE"))])
    assert cli("order", path, client_id(1))[1].splitlines()[-1].endswith("VENUE_FILTER: LOT_SIZE")


PACER = '[strategy.pace]\nuse = "realtrading.strategies:Pacer"\n[strategy.pace.config]\nbudget = 500\n'


def stopped(daemon: Any) -> None:
    """End the daemon in order."""
    daemon.send(signal.SIGTERM)
    assert daemon.wait(30) == 0, str(daemon)


def test_a_house_moves_to_another_machine(cli: Cli, processes: Processes, tmp_path: Path) -> None:
    """A backup beside the running daemon; then stop, backup, restore elsewhere, start: same digest, a higher run."""
    ready = start_simulator(processes, "--symbol", "BTCUSDT", "--speed", "1", "--balance", "USDT=10000")
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        write_config(folder, ready, more=f'{PACER}[journal]\npath = "journal.db"\n')
    old = start_daemon(processes, here / "realtrading.toml")
    run = int(old.wait_for_line(r"ready, run (\d+)", 30)[1])
    wait_until(lambda: json.loads(cli("orders", here / "journal.db", "--json")[1])["orders"], 20, "an order in the journal")
    assert cli("backup", here / "journal.db", here / "early.db")[0] == 0
    assert old.process.poll() is None
    stopped(old)
    assert cli("backup", here / "journal.db", here / "carried.db")[0] == 0
    assert cli("restore", here / "carried.db", there / "journal.db")[0] == 0
    old_report, new_report = verify(here / "journal.db"), verify(there / "journal.db")
    assert old_report == new_report
    assert old_report.records > verify(here / "early.db").records > 0
    new = start_daemon(processes, there / "realtrading.toml")
    assert int(new.wait_for_line(r"ready, run (\d+)", 30)[1]) > run
    stopped(new)
    after = verify(there / "journal.db")
    assert after.ok
    assert after.records > new_report.records
