"""A model of what really becomes of orders at an exchange, for tests that tell a house about it in pieces."""
from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from order_factories import T0
from realtrading.domain.reports import ExecutionReport, TradeReport
from realtrading.domain.values import ZERO, Side

SYMBOLS = {"BTCUSDT": ("BTC", "USDT"), "BNBUSDT": ("BNB", "USDT")}
ASSETS = ("BTC", "USDT", "BNB")
OPENED = Decimal(1_000_000)
STEP = Decimal("0.001")


@attrs.define(kw_only=True)
class TrueOrder:
    """An order as it really is. `status` "" is: not taken by the exchange (yet)."""

    id: str
    symbol: str
    side: Side
    original: Decimal
    valid_until: datetime
    status: str = ""
    accepted_at: datetime | None = None
    exchange_id: int = 0
    trades: list[TradeReport] = attrs.field(factory=list)
    settled: bool = False

    @property
    def executed(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades), ZERO)


@attrs.define
class Exchange:
    """The truth, its clock and its wallet."""

    seconds: int = 0
    orders: dict[str, TrueOrder] = attrs.field(factory=dict)
    wallet: dict[str, Decimal] = attrs.field(factory=lambda: dict.fromkeys(ASSETS, OPENED))
    trades: int = 0

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.seconds)

    def report(self, order: TrueOrder, *trades: TradeReport) -> ExecutionReport:
        """What the exchange says about an order now."""
        return ExecutionReport(
            symbol=order.symbol,
            client_id=order.id,
            exchange_order_id=order.exchange_id,
            side=order.side,
            order_type="LIMIT",
            status=order.status,
            price=Decimal(100),
            stop_price=ZERO,
            original_quantity=order.original,
            executed_quantity=order.executed,
            cumulative_quote=sum((trade.quote_quantity for trade in order.trades), ZERO),
            time_in_force="GTC",
            trades=trades,
            venue_at=self.now,
            reason="NONE",
        )

    def trade(self, order: TrueOrder, quantity: Decimal, price: Decimal, fee_in: str) -> TradeReport:
        """Execute, move the wallet, and say so."""
        self.trades += 1
        base, quote = SYMBOLS[order.symbol]
        worth = quantity * price
        asset = {"base": base, "quote": quote, "BNB": "BNB"}[fee_in]
        fee = {"base": quantity, "quote": worth, "BNB": Decimal("0.1")}[fee_in] / 1000
        sign = 1 if order.side is Side.BUY else -1
        for coin, delta in ((base, sign * quantity), (quote, -sign * worth), (asset, -fee)):
            self.wallet[coin] += delta
        made = TradeReport(
            symbol=order.symbol,
            trade_id=self.trades,
            exchange_order_id=order.exchange_id,
            side=order.side,
            price=price,
            quantity=quantity,
            quote_quantity=worth,
            commission=fee,
            commission_asset=asset,
            is_maker=False,
            venue_at=self.now,
        )
        order.trades.append(made)
        return made
