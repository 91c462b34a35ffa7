"""A keeper on a bench: handle one message, put what it owns, look at what it said. No house, no thread, no clock."""
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from realtrading.actors.board import Board
from realtrading.domain.settings import RealTradingConfig
from realtrading.domain.values import Now, Quote, SymbolRules
from realtrading.runtime.actor import Keeper

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
D = Decimal

RULES = SymbolRules(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    status="TRADING",
    tick=D("0.01"),
    step=D("0.00001"),
    quantity_min=D("0.00001"),
    quantity_max=D("9000"),
    price_min=D("0.01"),
    price_max=D("1000000"),
    notional_min=D("5"),
    order_types=("LIMIT", "LIMIT_MAKER", "MARKET"),
)

CONFIG = RealTradingConfig(
    max_position_size_usdt=D(1000),
    max_total_exposure_usdt=D(2000),
    max_daily_loss_usdt=D(100),
    max_positions=2,
    risk_per_trade_percent=D(50),
    max_order_value_usdt=D(500),
    order_timeout_secs=60,
    stale_order_timeout_secs=120,
    reconciliation_interval_secs=300,
)


class Bench:
    """`tell` hands one message to the keeper at the bench's moment and returns what it said."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.mono = 100.0

    @property
    def now(self) -> Now:
        return Now(mono=self.mono, utc=START + timedelta(seconds=self.mono - 100.0))

    def later(self, seconds: float) -> None:
        self.mono += seconds

    def tell(self, message: object) -> list[Any]:
        said = list(self.keeper.handle(message, self.now))
        for word in said:
            if isinstance(word, self.keeper.owns):
                self.put(word)
        return said

    def put(self, event: Any) -> None:
        for table, key, value in event.entries():
            self.keeper.tables.put(table, key, value)

    def row(self, table: str, key: str) -> Any:
        return self.keeper.tables[table].get(key)


def of(said: list[Any], kind: type) -> list[Any]:
    """The words of exactly one kind."""
    return [word for word in said if type(word) is kind]


def one(said: list[Any], kind: type) -> Any:
    """The one word of a kind."""
    found = of(said, kind)
    assert len(found) == 1, [type(word).__name__ for word in said]
    return found[0]


def a_board(bid: str = "100", ask: str = "101", mono: float = 100.0, symbol: str = "BTCUSDT") -> Board:
    """A board with one quote."""
    board = Board()
    board.put(Quote(symbol=symbol, bid=D(bid), ask=D(ask), last=D(bid), at=START, mono=mono))
    return board
