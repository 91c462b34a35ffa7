"""History stands still: what was recorded under one configuration is recovered unchanged under another."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from house.conftest import Engines
from house.kit import KEY, ROOT, SECRET, SYMBOL, WIDE, Judge, dripper, quiet, violations, write_config
from processes import Processes
from realtrading.domain.commands import OpenBreaker
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.journal.readers import opened
from realtrading.journal.store import Binding, Journal
from waiting import wait_until

OTHER = "ETHUSDT"
TABLES = ("orders", "positions", "ledger", "day", "cursors")
HALF = attrs.evolve(
    WIDE,
    **{
        name: getattr(WIDE, name) / 2
        for name in (
            "max_position_size_usdt", "max_total_exposure_usdt", "max_daily_loss_usdt", "max_order_value_usdt",
            "risk_per_trade_percent",
        )
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A simulator with two markets."""
    started = Processes(tmp_path_factory.mktemp("judge"))
    try:
        yield Judge(started, symbols=(SYMBOL, OTHER))
    finally:
        problems = started.end_all()
    assert not problems, "\n".join(problems)


def rows(engine: RealTradingEngine) -> dict[str, dict[str, Any]]:
    """What the journal holds now."""
    with opened(engine.settings.journal_path) as reader:
        return {table: reader.rows(table) for table in (*TABLES, "breaker")}


def held(engine: RealTradingEngine) -> dict[str, dict[str, Any]]:
    """The same out of the engine's tables."""
    owners = {"orders": "orders", "cursors": "orders", "positions": "positions", "ledger": "balances", "day": "risk"}
    return {table: dict(engine.house.tables(owners[table])[table].snapshot()) for table in TABLES}


def best_bid(engine: RealTradingEngine, symbol: str) -> Decimal:
    quote = engine.house.mailbox("market_stream") and engine._board.get(symbol)
    assert quote is not None
    return quote.bid


def test_a_journal_recovers_under_another_configuration(engines: Engines, judge: Judge) -> None:
    """Limits halved, a symbol removed, the strategy renamed: orders, positions, results, ledger and causes are the same."""
    both = attrs.evolve(dripper(lot=Decimal("0.01")), symbols=(SYMBOL, OTHER))
    first = engines(symbols=(SYMBOL, OTHER), strategies=(both,), prefix="hi").start()
    done = {(symbol, side) for symbol in (SYMBOL, OTHER) for side in ("BUY", "SELL")}
    wait_until(lambda: done <= {(o.symbol, o.side) for o in first.orders.values() if o.state == "Filled"}, 15, "both trade")
    first.stop_strategies()
    first.buy(OTHER, quantity="0.01").wait(5)
    resting = first.buy(OTHER, quantity="0.02", price=best_bid(first, OTHER), rests=True)
    wait_until(lambda: resting.order is not None and resting.order.state == "New", 5, "the limit rests")
    quiet(first)
    first.house.post(OpenBreaker(scope=f"symbol:{SYMBOL}", by="test", detail="to be found again"))
    assert first.settled()
    live = held(first)
    assert first.stop()
    before = rows(first)
    assert {table: before[table] for table in TABLES} == live
    assert before["positions"][f"user/{OTHER}"].quantity > 0
    assert any(book.realized_total for book in before["positions"].values())

    renamed = attrs.evolve(dripper("drop"), use=dripper().use.replace("Dripper", "Idle"))
    second = engines(symbols=(SYMBOL,), strategies=(renamed,), limits=HALF, prefix="hi")
    second.start(ready_timeout_s=None)
    assert held(second) == {table: before[table] for table in TABLES}
    wait_until(lambda: second.is_reconciled, 15, "the first round is clean")
    assert second.settled()
    after = rows(second)
    for table in ("orders", "positions", "day"):  # a cursor moves on with every round
        assert after[table] == before[table], table
    booked = [{key: attrs.evolve(line, agreed_at=None) for key, line in each["ledger"].items()} for each in (before, after)]
    assert booked[0] == booked[1]  # when a round agreed is no booking
    causes = {(cause.kind, cause.scope, cause.token, cause.detail) for cause in after["breaker"]["state"][1]}
    assert causes == {(cause.kind, cause.scope, cause.token, cause.detail) for cause in before["breaker"]["state"][1]}
    assert causes
    assert second.balances == {asset: line.total for asset, line in before["ledger"].items()}
    assert violations(judge, second) == []

    judge.call("step", trades=2_000)
    filled = wait_until(lambda: second.orders[resting.id].is_terminal() and second.orders[resting.id], 10, "it is filled")
    assert filled.state == "Filled"
    quiet(second)
    book = second.position_books[f"user/{OTHER}"]
    assert book.quantity > before["positions"][f"user/{OTHER}"].quantity
    assert violations(judge, second) == []


def bare_journal(path: Path, mode: str, uid: int | None) -> None:
    """A journal that belongs to this mode and account."""
    journal = Journal.open(
        path, binding=Binding(mode=mode, account_uid=uid), durability="process", code_version="1",
        config_digest="0" * 64, utc=lambda: datetime.now(UTC),
    )  # fmt: skip
    journal.begin_run()
    journal.close()


def refused(engine: RealTradingEngine) -> BadInput:
    with pytest.raises(BadInput) as caught:
        engine.start()
    return caught.value


def test_a_journal_of_another_mode_is_refused_before_any_request(engines: Engines, judge: Judge, tmp_path: Path) -> None:
    """Exit code 5, and the exchange has heard nothing."""
    bare_journal(tmp_path / "journal.db", "testnet", None)
    seen = judge.call("requests")["seq"]
    wrong = refused(engines())
    assert wrong.exit_code == 5
    assert "testnet" in str(wrong)
    assert judge.call("requests")["seq"] == seen


def test_an_account_that_is_not_the_journals_is_refused_before_any_request(
    engines: Engines, judge: Judge, tmp_path: Path
) -> None:
    """`confirm_account` names another uid than the journal: exit code 5, and the exchange has heard nothing."""
    bare_journal(tmp_path / "journal.db", "simulated", 2002)
    seen = judge.call("requests")["seq"]
    wrong = refused(engines(confirm_account=1001))
    assert wrong.exit_code == 5
    assert "2002" in str(wrong)
    assert judge.call("requests")["seq"] == seen


@pytest.mark.parametrize("said", [True, False], ids=["by the configuration", "by the journal"])
def test_a_key_of_another_account_is_refused_before_any_order(
    said: bool, engines: Engines, judge: Judge, tmp_path: Path
) -> None:
    """The exchange tells another uid than is meant: exit code 5 after reads only, no stream, no actor, no order."""
    if not said:
        bare_journal(tmp_path / "journal.db", "simulated", 2002)
    seen = judge.call("requests")["seq"]
    engine = engines(confirm_account=2002 if said else None)
    wrong = refused(engine)
    assert wrong.exit_code == 5
    assert "1001" in str(wrong)
    asked = judge.requests(since=seen)
    assert asked
    assert {each["method"] for each in asked} == {"GET"}
    assert not [each for each in asked if each["kind"] in ("place", "cancel")]
    assert engine.run == 0


def test_the_daemon_refuses_another_modes_journal(judge: Judge, processes: Processes) -> None:
    """`realtrading run` exits 5 with one line that names both modes, before any request."""
    config = write_config(processes.folder, judge)
    bare_journal(processes.folder / "journal.db", "testnet", None)
    seen = judge.call("requests")["seq"]
    daemon = processes.python("-m", "realtrading", "run", "--config", str(config), cwd=ROOT)
    assert daemon.wait(30) == 5
    lines = [line for line in daemon.err if "journal" in line]
    assert len(lines) == 1
    assert "testnet" in lines[0]
    assert "simulated" in lines[0]
    assert judge.call("requests")["seq"] == seen
    assert not [line for line in daemon.err if KEY in line or SECRET in line]
