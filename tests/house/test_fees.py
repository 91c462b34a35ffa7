"""Fees in whatever asset the exchange takes them, judged to the last digit from its ledger."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from house.conftest import Engines
from house.kit import SYMBOL, Judge, quiet, violations
from processes import Processes
from realtrading.engine import RealTradingEngine


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Processes]:
    """The simulators of one test."""
    started = Processes(tmp_path)
    yield started
    problems = started.end_all()
    assert not problems, "\n".join(problems)


def filled(engine: RealTradingEngine, symbol: str, side: str, quantity: str) -> dict[str, Decimal]:
    """One order that is filled at once; its fees by asset."""
    ticket = engine.submit(symbol, side, quantity=quantity)
    order = ticket.wait(10)
    assert order is not None
    assert order.state == "Filled", ticket.detail
    fees: dict[str, Decimal] = {}
    for fill in order.fills:
        fees[fill.commission_asset] = fees.get(fill.commission_asset, Decimal(0)) + fill.commission
    quiet(engine)
    return fees


def test_bnb_runs_out_in_the_middle_of_an_order(engines: Engines, exchange: Processes) -> None:
    """The first fills pay in BNB, the rest in the coin that was bought: both are booked, and the position lacks the latter."""
    judge = Judge(exchange, balances=("USDT=1000000", "BNB=0.005"), more=("--step", "--bnb-fee"))
    engine = engines(at=judge).start()
    fees = filled(engine, SYMBOL, "BUY", "0.05")

    assert fees.keys() == {"BNB", "BTC"}, engine.orders
    assert engine.balances["BNB"] == Decimal("0.005") - fees["BNB"]
    assert engine.position_books[f"user/{SYMBOL}"].quantity == Decimal("0.05") - fees["BTC"]
    assert violations(judge, engine) == []
    done = engine.reconcile(10)
    assert done is not None
    assert done.clean, done.unresolved


def test_bnb_is_traded_while_it_pays_the_fees(engines: Engines, exchange: Processes) -> None:
    """Fees come out of the very coin that is bought and sold: position, ledger and exchange agree, before and after."""
    judge = Judge(exchange, symbols=("BNBUSDT",), balances=("USDT=1000000", "BNB=1"), more=("--step", "--bnb-fee"))
    engine = engines(at=judge, symbols=("BNBUSDT",)).start()

    bought = filled(engine, "BNBUSDT", "BUY", "3")
    sold = filled(engine, "BNBUSDT", "SELL", "1")

    assert bought.keys() == sold.keys() == {"BNB"}
    book = engine.position_books["user/BNBUSDT"]
    assert book.quantity == Decimal(2) - bought["BNB"] - sold["BNB"]
    assert engine.balances["BNB"] == Decimal(3) - bought["BNB"] - sold["BNB"]
    assert engine.unmanaged["BNB"] == 1
    assert violations(judge, engine) == []
    done = engine.reconcile(10)
    assert done is not None
    assert done.clean, done.unresolved
