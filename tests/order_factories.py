"""Small makers of orders, reports, trades and books: a test names only what it is about."""
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from realtrading.domain.events import ReconciliationComplete
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.reports import ExecutionReport, SnapshotTaken, TradeReport
from realtrading.domain.values import OrderType, Role, Side

T0 = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SYMBOL, BASE, QUOTE = "BTCUSDT", "BTC", "USDT"
ORDER_ID = "rt_1_grid_n1"
EXCHANGE_ID = 900


def a_round(*, clean: bool = True) -> ReconciliationComplete:
    """The end of a reconciliation round."""
    return ReconciliationComplete(
        discrepancies=0,
        unresolved=(),
        trigger="start",
        token="round-1",
        generation=1,
        covers=(),
        clean=clean,
        duration_s=0.1,
    )


def at(seconds: float) -> datetime:
    """`seconds` after the tests' beginning of time."""
    return T0 + timedelta(seconds=seconds)


def D(text: str | int | Decimal) -> Decimal:
    """An exact amount."""
    return Decimal(text)


def an_order(
    side: Side = Side.BUY,
    quantity: str | None = "1",
    *,
    id: str = ORDER_ID,
    strategy: str = "grid",
    quote_quantity: str | None = None,
    price: str | None = "100",
    symbol: str = SYMBOL,
    valid_until: datetime | None = None,
) -> RealOrder:
    """A PENDING limit order over 1 BTC at 100; by quote amount when `quantity` is None."""
    return RealOrder.new(
        id=id,
        strategy=strategy,
        role=Role.ENTRY,
        symbol=symbol,
        side=side,
        order_type=OrderType.LIMIT if quantity is not None else OrderType.MARKET,
        quantity=None if quantity is None else D(quantity),
        quote_quantity=None if quote_quantity is None else D(quote_quantity),
        price=None if price is None else D(price),
        now_utc=T0,
        valid_until=valid_until,
    )


def a_trade(
    trade_id: int,
    quantity: str | Decimal,
    price: str | Decimal = "100",
    *,
    side: Side = Side.BUY,
    fee: str | Decimal = "0",
    fee_asset: str = "BNB",
    seconds: float | None = None,
    exchange_id: int = EXCHANGE_ID,
    symbol: str = SYMBOL,
) -> TradeReport:
    """A trade; by default `trade_id` seconds after the beginning."""
    return TradeReport(
        symbol=symbol,
        trade_id=trade_id,
        exchange_order_id=exchange_id,
        side=side,
        price=D(price),
        quantity=D(quantity),
        quote_quantity=D(price) * D(quantity),
        commission=D(fee),
        commission_asset=fee_asset,
        is_maker=False,
        venue_at=at(trade_id if seconds is None else seconds),
    )


def a_report(
    status: str,
    executed: str | Decimal = "0",
    *trades: TradeReport,
    side: Side = Side.BUY,
    original: str = "1",
    quote: str | Decimal | None = None,
    seconds: float = 1,
    client_id: str = ORDER_ID,
    exchange_id: int = EXCHANGE_ID,
    symbol: str = SYMBOL,
    reason: str = "NONE",
    order_type: str = "LIMIT",
    time_in_force: str = "GTC",
    price: str = "100",
) -> ExecutionReport:
    """A report of the venue; its quote total is 100 per executed unit unless given."""
    return ExecutionReport(
        symbol=symbol,
        client_id=client_id,
        exchange_order_id=exchange_id,
        side=side,
        order_type=order_type,
        status=status,
        price=D(price),
        stop_price=D(0),
        original_quantity=D(original),
        executed_quantity=D(executed),
        cumulative_quote=D(executed) * 100 if quote is None else D(quote),
        time_in_force=time_in_force,
        trades=trades,
        venue_at=at(seconds),
        reason=reason,
    )


def a_book(strategy: str = "grid") -> PositionBook:
    """An empty book of the tests' symbol."""
    return PositionBook(strategy=strategy, symbol=SYMBOL, base=BASE, quote=QUOTE)


def a_snapshot(
    *reports: ExecutionReport,
    balances: dict[str, tuple[Decimal, Decimal]] | None = None,
    cursors: dict[str, int] | None = None,
    seconds: float = 100,
) -> SnapshotTaken:
    """A snapshot asked for 100 s after the beginning."""
    return SnapshotTaken(
        token="round-1",
        generation=1,
        account_uid=7,
        asked_at=at(seconds),
        answered_at=at(seconds + 1),
        open_orders=reports,
        trades=(),
        cursors={SYMBOL: 50} if cursors is None else cursors,
        balances={} if balances is None else balances,
    )
