"""The exchange gives the account a new beginning: recognised by evidence, named, and ended by an audited rebase."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from house.conftest import Engines
from house.kit import LOT, SYMBOL, Judge, quiet, violations, write_config
from realtrading.__main__ import call
from realtrading.actors import balance_reset, order_rounds
from realtrading.domain import order_absence
from realtrading.domain.breaker import CauseKind
from realtrading.domain.events import DiscrepancyFound, OrderAdopted, PositionCut
from realtrading.domain.values import round_down
from realtrading.engine import RealTradingEngine
from realtrading.journal.life import life_of
from realtrading.journal.readers import opened
from realtrading.journal.records import AccountRebased
from realtrading.journal.verify import verify
from waiting import wait_until

CERTAIN_S = 2.0

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run one command; returns exit code, output and errors."""

    def run(*typed: str) -> tuple[int, str, str]:
        code = call(list(typed))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture(autouse=True)
def certain_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing lags here: two seconds of evidence are enough, and a trade is listed as soon as it is made."""
    monkeypatch.setattr(balance_reset, "CERTAIN_S", CERTAIN_S)
    monkeypatch.setattr(order_absence, "ABSENCE_MARGIN_S", CERTAIN_S)
    monkeypatch.setattr(order_rounds, "READABLE", timedelta(0))


def kinds(engine: RealTradingEngine) -> set[str]:
    """The kinds of the open causes."""
    return {str(cause.kind) for cause in engine.breaker_book.causes}


def far_below(engine: RealTradingEngine) -> Decimal:
    """A price at which a buy rests."""
    return round_down(engine.quotes[SYMBOL].bid / 2, Decimal("0.01"))


def traded(engine: RealTradingEngine) -> None:
    """A position, and an order that rests far away; the round that has moved the cursor past the trade is over."""
    assert engine.buy(SYMBOL, quantity="0.01").wait(10).state == "Filled"  # type: ignore[union-attr]
    resting = engine.buy(SYMBOL, quantity="0.004", price=far_below(engine), rests=True)
    wait_until(lambda: resting.order is not None and resting.order.state == "New", 5, "it rests")
    quiet(engine)
    done = engine.reconcile(10)
    assert done is not None
    assert done.clean


def reset(judge: Judge) -> None:
    """What the testnet does about once a month."""
    judge.call("reset", USDT="5000", BTC="2", ETH="3")


def test_a_reset_account_is_named_and_nothing_else_is_concluded(engines: Engines, judge: Judge) -> None:
    """Known orders and trades are gone: no drift, no adoption, no cut; entries and exits are shut, and it says why."""
    engine = engines().start()
    traded(engine)
    before = engine.balances, engine.position_books
    reset(judge)

    wait_until(lambda: "ACCOUNT_RESET" in kinds(engine), 30, "the reset is named")

    count = len(judge.requests(kind="place"))
    entry, leave = engine.buy(SYMBOL, quantity=LOT), engine.sell(SYMBOL, quantity="0.005")
    assert [ticket.wait(10).reason for ticket in (entry, leave)] == ["BREAKER_ACCOUNT_RESET", "BREAKER_ACCOUNT_RESET"]  # type: ignore[union-attr]
    assert len(judge.requests(kind="place")) == count
    assert "DRIFT" not in kinds(engine)
    assert (engine.balances, engine.position_books) == before
    ear = engine.ear  # type: ignore[attr-defined]
    assert not ear.of(OrderAdopted)
    assert not ear.of(PositionCut)
    assert not [each for each in ear.of(DiscrepancyFound) if each.discrepancy.resolution == "unresolved"]
    (cause,) = [cause for cause in engine.breaker_book.causes if cause.kind is CauseKind.ACCOUNT_RESET]
    assert "the exchange does not know" in cause.detail
    assert "balances differ (BTC, ETH, USDT)" in cause.detail
    assert engine.balances["BTC"] == before[0]["BTC"] != Decimal(2)


def named(engine: RealTradingEngine, judge: Judge) -> None:
    """Trade, be reset, and see it."""
    traded(engine)
    reset(judge)
    wait_until(lambda: "ACCOUNT_RESET" in kinds(engine), 30, "the reset is named")


def test_a_rebase_begins_anew_and_keeps_the_past(engines: Engines, judge: Judge, tmp_path: Path, cli: Cli) -> None:
    """A new opening balance as at a first start; orders' lives stay readable, ids stay unique, the next start trades."""
    first = engines(prefix="rb").start()
    named(first, judge)
    (resting,) = [order.id for order in first.orders.values() if order.state == "New"]
    bought = next(order.id for order in first.orders.values() if order.state == "Filled")
    held = first.position_books[f"user/{SYMBOL}"].quantity
    assert first.stop()
    config = write_config(tmp_path, judge, prefix="rb")

    dry = cli("journal", "rebase", "--config", str(config), "--reason", "monthly reset", "--dry-run", "--json")
    assert dry[0] == 0
    assert json.loads(dry[1])["orders"] == [resting]
    code, out, _ = cli("journal", "rebase", "--config", str(config), "--reason", "monthly reset")
    assert code == 0
    assert "ended 1 live orders, 1 positions" in out
    assert verify(tmp_path / "journal.db").ok

    second = engines(prefix="rb").start()
    assert {asset: second.balances[asset] for asset in judge.totals()} == judge.totals()
    assert second.unmanaged == judge.totals()
    assert second.positions == {}
    assert kinds(second) == set()
    assert second.buy(SYMBOL, quantity=LOT).wait(10).state == "Filled"  # type: ignore[union-attr]
    quiet(second)
    assert violations(judge, second) == []
    assert second.run > first.run
    journal = tmp_path / "journal.db"
    assert [one.type for one in life_of(journal, resting)][-2:] == ["OrderExpired", "OrderArchived"]
    assert {"IntentRecorded", "OrderFilled", "OrderArchived"} <= {one.type for one in life_of(journal, bought)}
    with opened(journal) as reader:
        (told,) = [stored.event for stored in reader.events(types=["AccountRebased"])]
    assert isinstance(told, AccountRebased)
    assert (told.reason, told.orders, told.positions) == ("monthly reset", (resting,), {f"user/{SYMBOL}": held})


def test_a_reset_found_at_the_start_sells_nothing(engines: Engines, judge: Judge) -> None:
    """Reset while the engine is down: an exit of the very first moment waits for the first round, and is not let through."""
    first = engines(prefix="rc").start()
    traded(first)
    assert first.stop()
    reset(judge)
    count = len(judge.requests(kind="place"))
    second = engines(prefix="rc").start(ready_timeout_s=None)
    leave = second.sell(SYMBOL, quantity="0.005")

    wait_until(lambda: "ACCOUNT_RESET" in kinds(second), 30, "the reset is named")

    assert leave.wait(10).state == "Rejected"  # type: ignore[union-attr]
    assert len(judge.requests(kind="place")) == count


def test_only_orders_tell_of_a_reset_where_nothing_was_traded(engines: Engines, judge: Judge) -> None:
    """No trade, so no cursor: an order that the exchange had confirmed and twice, far apart, does not know tells it."""
    reset(judge)
    engine = engines().start()
    resting = engine.buy(SYMBOL, quantity="0.004", price=far_below(engine), rests=True)
    wait_until(lambda: resting.order is not None and resting.order.state == "New", 5, "it rests")
    judge.call("reset", USDT="7000")

    wait_until(lambda: "ACCOUNT_RESET" in kinds(engine), 40, "the reset is named")

    assert f"does not know order {resting.id}" in engine.why_not_ready()
