"""Orders the house has forgotten and meets again: archived ones, and those older than its journal. No fill counts twice."""
from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from bench import CONFIG, RULES, Bench, D, a_board
from order_factories import EXCHANGE_ID, ORDER_ID, SYMBOL, T0, a_report, a_snapshot, a_trade, at
from realtrading.actors.balances import BalancesActor
from realtrading.actors.orders import OrdersActor
from realtrading.actors.positions import PositionsActor
from realtrading.domain.balances import opening
from realtrading.domain.events import FillsRecalled, OrderArchived
from realtrading.domain.identity import OwnRuns
from realtrading.domain.reports import ExecutionReport, ExecutionReported, OrderLookedUp, StreamConnected, TradeReport
from realtrading.runtime.ticker import Tick

FIRST = a_trade(5, "1", fee="0.001", fee_asset="BTC")
LATE = a_trade(9, "0.5", fee="0.0005", fee_asset="BTC", seconds=3700)
OPENED = Decimal(1000)


@attrs.frozen
class Three:
    """Orders, and the two keepers that book what orders says."""

    orders: Bench
    positions: Bench
    balances: Bench

    def tell(self, message: object) -> list[Any]:
        """Hand a message to orders, and what it says to whom it concerns."""
        said = self.orders.tell(message)
        for word in said:
            for keeper in (self.positions, self.balances):
                if type(word) in keeper.keeper.handlers:
                    keeper.mono = self.orders.mono
                    keeper.tell(word)
        return said

    def asked(self, order_id: str, report: ExecutionReport, trades: Iterable[TradeReport]) -> list[Any]:
        """The venue's whole answer about an order."""
        answer = {"id": order_id, "report": report, "trades": tuple(trades), "in_history": None}
        return self.tell(OrderLookedUp(**answer, asked_at=at(3800), answered_at=at(3800)))

    @property
    def managed(self) -> Decimal:
        """Base quantity of the position."""
        row = self.positions.row("positions", f"grid/{SYMBOL}")
        return D(0) if row is None else row.quantity

    @property
    def wallet(self) -> dict[str, Decimal]:
        """What the ledger says the account holds."""
        return {asset: line.total for asset, line in self.balances.keeper.tables["ledger"].items()}


@pytest.fixture
def three() -> Three:
    orders = OrdersActor(config=CONFIG, board=a_board(), prefix="rt", symbols=(SYMBOL,), own_runs=OwnRuns())
    found = Three(Bench(orders), Bench(PositionsActor()), Bench(BalancesActor()))
    for bench in (found.orders, found.positions, found.balances):
        bench.keeper.tables.put("rules", SYMBOL, RULES)
    for asset in ("BTC", "USDT"):
        found.balances.keeper.tables.put("ledger", asset, opening(asset, OPENED, D(0), T0))
    found.tell(StreamConnected(generation=1))
    return found


def test_a_fill_of_an_archived_order_is_booked_and_the_older_ones_not_again(three: Three) -> None:
    """Orders has forgotten it, positions and ledger have settled it; the venue tells all of its trades, old and new."""
    three.tell(ExecutionReported(report=a_report("FILLED", "1", FIRST), generation=1))
    three.orders.keeper.tables.put("cursors", SYMBOL, 5)
    three.orders.later(3700)
    archived = three.tell(Tick("orders"))
    over = a_report("FILLED", "1.5", seconds=3700)
    three.tell(attrs.evolve(a_snapshot(cursors={SYMBOL: 9}), trades=(LATE,)))
    three.asked(f"#{SYMBOL}:{EXCHANGE_ID}", over, (FIRST, LATE))
    three.asked(ORDER_ID, over, (FIRST, LATE))

    assert [word.id for word in archived if isinstance(word, OrderArchived)] == [ORDER_ID]
    assert three.orders.row("orders", ORDER_ID).missing_quantity == 0
    assert three.managed == D("1.4985")
    assert three.wallet == {"BTC": OPENED + D("1.4985"), "USDT": OPENED - 150}


def test_an_order_older_than_the_journal_brings_only_what_came_after_it(three: Three) -> None:
    """Its first fill is in the opening balance, and those coins are nobody's position; the next one is booked."""
    three.orders.keeper.tables.put("cursors", SYMBOL, 5)
    three.tell(ExecutionReported(report=a_report("PARTIALLY_FILLED", "1.5", LATE, original="2"), generation=1))
    three.asked(ORDER_ID, a_report("PARTIALLY_FILLED", "1.5", original="2"), (FIRST, LATE))

    assert three.orders.row("orders", ORDER_ID).missing_quantity == 0
    assert three.managed == D("0.4995")
    assert three.wallet == {"BTC": OPENED + D("0.4995"), "USDT": OPENED - 50}


def test_a_recall_told_twice_moves_nothing(three: Three) -> None:
    """One message may arrive twice, and the ledger's total must not care."""
    three.orders.keeper.tables.put("cursors", SYMBOL, 5)
    three.tell(ExecutionReported(report=a_report("PARTIALLY_FILLED", "1.5", LATE, original="2"), generation=1))
    said = three.asked(ORDER_ID, a_report("PARTIALLY_FILLED", "1.5", original="2"), (FIRST, LATE))
    before = three.wallet
    (recalled,) = (word for word in said if isinstance(word, FillsRecalled))
    for keeper in (three.positions, three.balances):
        keeper.tell(recalled)

    assert three.wallet == before
    assert three.managed == D("0.4995")
