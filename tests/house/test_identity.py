"""One account, one house: copies of a journal are told apart by the runs that the exchange shows."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from house.conftest import Engines
from house.invariants import expect_invariants
from house.kit import LOT, ROOT, SYMBOL, Judge, quiet, violations, wait_ready, write_config
from matrix.evidence import judged
from processes import Processes
from realtrading.domain import breaker
from realtrading.domain.identity import EXIT_SUPERSEDED
from realtrading.domain.values import round_down
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.journal.backup import backup, restore
from waiting import wait_until


@pytest.fixture(autouse=True)
def listed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing lags here: a restored journal need not wait until all is in the account's lists."""
    monkeypatch.setattr(breaker, "LISTED_AFTER", timedelta(seconds=0.5))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Daemons of one test."""
    started = Processes(tmp_path)
    yield started
    assert not started.end_all()


def bought(engine: RealTradingEngine) -> None:
    """One lot, filled."""
    order = engine.buy(SYMBOL, quantity=LOT).wait(10)
    assert order is not None
    assert order.state == "Filled", order


def far_below(engine: RealTradingEngine) -> Decimal:
    """A price at which a buy rests."""
    return round_down(engine.quotes[SYMBOL].bid / 2, Decimal("0.01"))


def places(judge: Judge, prefix: str) -> int:
    """Place requests seen from houses with this prefix."""
    return sum(seen["place_requests"] for name, seen in judge.places().items() if name.startswith(f"{prefix}_"))


@pytest.mark.matrix("B8", invariants="G12")
def test_a_house_that_moved_is_refused_at_its_old_place(engines: Engines, judge: Judge, tmp_path: Path) -> None:
    """Stop, backup, restore elsewhere, start, trade: the old folder's next start is refused by name, and signs nothing."""
    old = engines(prefix="mv").start()
    bought(old)
    assert old.stop()
    backup(tmp_path / "journal.db", tmp_path / "carried.db")
    restore(tmp_path / "carried.db", tmp_path / "new.db")
    new = engines(prefix="mv", journal_path=tmp_path / "new.db").start()
    bought(new)
    count = places(judge, "mv")

    sentence = rf"a newer instance trades on this account: order mv_\w+ is of run {new.run}"
    with pytest.raises(BadInput, match=sentence) as refused:
        engines(prefix="mv").start()

    assert refused.value.exit_code == EXIT_SUPERSEDED
    with judged("G12"):
        assert places(judge, "mv") == count
    bought(new)
    quiet(new)
    assert violations(judge, new) == []


@pytest.mark.matrix("B8", invariants="G12")
def test_a_house_that_runs_on_ends_when_its_copy_trades(engines: Engines, judge: Judge, tmp_path: Path) -> None:
    """Both run for a moment: the older one hears the newer one's order, says so once, signs nothing more and is failed."""
    old = engines(prefix="mw").start()
    bought(old)
    backup(tmp_path / "journal.db", tmp_path / "carried.db")
    restore(tmp_path / "carried.db", tmp_path / "new.db")
    new = engines(prefix="mw", journal_path=tmp_path / "new.db").start()
    resting = old.buy(SYMBOL, quantity="0.004", price=far_below(old), rests=True)
    wait_until(lambda: resting.order is not None and resting.order.state == "New", 5, "it rests")
    wait_until(lambda: resting.id in new.orders, 20, "the newer one has heard of it")
    wait_ready(new)
    bought(new)
    wait_until(lambda: old.failure is not None, 5, "the old one has heard of it")
    count = places(judge, "mw")

    with pytest.raises(BadInput, match=f"a newer instance .* of run {new.run}"):
        old.buy(SYMBOL, quantity=LOT)
    assert old.failure_code == EXIT_SUPERSEDED
    assert old.stop()

    with judged("G12"):
        assert places(judge, "mw") == count
    new.cancel(resting.id)
    wait_until(lambda: new.orders[resting.id].state == "Cancelled", 10, "and cancels it")
    quiet(new)
    assert violations(judge, new) == []


def test_a_daemon_ends_with_its_own_code(engines: Engines, judge: Judge, processes: Processes, tmp_path: Path) -> None:
    """The process of the older instance ends in order, with one sentence and exit code 7; so does its next start."""
    here = tmp_path / "here"
    here.mkdir()
    config = write_config(here, judge, prefix="mx")
    command = ("-m", "realtrading", "run", "--config", str(config))
    daemon = processes.python(*command, cwd=ROOT)
    daemon.wait_for_line("ready, run", 30)
    backup(here / "journal.db", here / "carried.db")
    restore(here / "carried.db", tmp_path / "journal.db")
    new = engines(prefix="mx").start()
    bought(new)

    assert daemon.wait(20) == EXIT_SUPERSEDED, str(daemon)
    again = processes.python(*command, cwd=ROOT)
    assert again.wait(20) == EXIT_SUPERSEDED, str(again)

    for each in (daemon, again):
        told = [line for line in each.err if "a newer instance trades on this account" in line]
        assert len(told) == 1, str(each)
        processes.forget(each)


def lost_after_backup(engine: RealTradingEngine, judge: Judge, folder: Path) -> str:
    """Trade, take a backup, trade on, leave an order working; then the disk is lost. Returns the working order's id."""
    bought(engine)
    backup(folder / "journal.db", folder / "early.db")
    bought(engine)
    sold = engine.sell(SYMBOL, quantity=LOT).wait(10)
    assert sold is not None
    assert sold.state == "Filled"
    resting = engine.buy(SYMBOL, quantity="0.004", price=engine.quotes[SYMBOL].bid, rests=True)
    wait_until(lambda: resting.order is not None and resting.order.state == "New", 5, "it rests")
    assert engine.stop()
    for each in folder.glob("journal.db*"):
        each.unlink()
    judge.call("step", trades=3_000)
    return resting.id


@pytest.mark.matrix("B8", invariants="G1 G3 G4")
def test_an_old_backup_after_a_dead_disk_takes_everything_over(engines: Engines, judge: Judge, tmp_path: Path) -> None:
    """What the lost journal had traded is adopted and booked, also what filled meanwhile: books as if nothing was lost."""
    first = engines(prefix="my").start()
    working = lost_after_backup(first, judge, tmp_path)
    restore(tmp_path / "early.db", tmp_path / "journal.db")

    second = engines(prefix="my").start()

    assert second.run > first.run
    quiet(second)
    assert second.orders[working].state == "Filled"
    held = [engine.position_books[f"user/{SYMBOL}"].quantity for engine in (first, second)]
    assert held[1] - held[0] == Decimal("0.003996")
    expect_invariants(judge, second, second.ear)  # type: ignore[attr-defined]
    bought(second)
    assert second.stop()
    third = engines(prefix="my").start()  # and the marker is spent: it is an ordinary journal again
    bought(third)
    quiet(third)
    assert violations(judge, third) == []


def test_an_old_copy_that_nobody_restored_is_refused(engines: Engines, judge: Judge, tmp_path: Path) -> None:
    """A file put back by hand is an old memory by accident: refused before anything is sent."""
    first = engines(prefix="mz").start()
    bought(first)
    assert first.stop()
    shutil.copyfile(tmp_path / "journal.db", tmp_path / "old.db")
    second = engines(prefix="mz").start()
    bought(second)
    assert second.stop()
    for each in tmp_path.glob("journal.db*"):
        each.unlink()
    shutil.copyfile(tmp_path / "old.db", tmp_path / "journal.db")
    count = places(judge, "mz")

    with pytest.raises(BadInput, match=f"of run {second.run}, which this journal never had"):
        engines(prefix="mz").start()

    assert places(judge, "mz") == count
