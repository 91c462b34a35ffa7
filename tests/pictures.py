"""Orders, quotes, books and pictures with sane values, for tests of risk and breaker; each takes what matters."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.balances import LedgerLine
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook, RealPosition
from realtrading.domain.risk import RiskDay
from realtrading.domain.risk_picture import Picture
from realtrading.domain.valuation import Valuation
from realtrading.domain.values import Now, OrderType, Quote, Role, Side, SymbolRules

D = Decimal
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float = 0) -> Now:
    """The moment `seconds` after the tests' start."""
    return Now(mono=1000.0 + seconds, utc=START + timedelta(seconds=seconds))


def order(
    id: str = "rt_1_s_n1",
    *,
    symbol: str = "BTCUSDT",
    side: Side = Side.BUY,
    quantity: str = "0.001",
    price: str | None = None,
    **more: Any,
) -> RealOrder:
    """A market order, or with `price` a limit order."""
    given: dict[str, Any] = {
        "strategy": "s",
        "role": Role.ENTRY,
        "order_type": OrderType.MARKET if price is None else OrderType.LIMIT,
        "quote_quantity": None,
        "created_at": START,
        "updated_at": START,
    }
    return RealOrder(
        id=id,
        symbol=symbol,
        side=side,
        original_quantity=D(quantity),
        price=None if price is None else D(price),
        **(given | more),
    )


def rules(base: str = "BTC", quote: str = "USDT", **more: Any) -> SymbolRules:
    """Rules of a trading symbol: tick 0.01, step 0.00001, notional at least 5 USDT."""
    given: dict[str, Any] = {
        "status": "TRADING",
        "tick": D("0.01"),
        "step": D("0.00001"),
        "quantity_min": D("0.00001"),
        "quantity_max": D(9000),
        "price_min": D("0.01"),
        "price_max": D(1000000),
        "notional_min": D(5) if quote == "USDT" else D("0.0001"),
    }
    return SymbolRules(symbol=base + quote, base=base, quote=quote, **(given | more))


def quote(symbol: str = "BTCUSDT", bid: str = "49990", ask: str = "50000", last: str = "", age: float = 0) -> Quote:
    """A quote `age` seconds old at the tests' start; the last trade was at the bid unless said."""
    heard = at(-age)
    return Quote(symbol=symbol, bid=D(bid), ask=D(ask), last=D(last or bid), at=heard.utc, mono=heard.mono)


def book(
    quantity: str = "0",
    entry: str = "50000",
    *,
    base: str = "BTC",
    quote: str = "USDT",
    strategy: str = "s",
    **more: Any,
) -> PositionBook:
    """A book with an open position of the signed `quantity`, or a flat one."""
    size = D(quantity)
    position = None
    if size:
        position = RealPosition(
            id="p",
            strategy=strategy,
            symbol=base + quote,
            side="LONG" if size > 0 else "SHORT",
            quantity=abs(size),
            entry_price=D(entry),
            current_price=D(entry),
            unrealized_pnl=D(0),
            realized_pnl=D(0),
            commissions={},
            created_at=START,
            updated_at=START,
        )
    return PositionBook(strategy=strategy, symbol=base + quote, base=base, quote=quote, position=position, **more)


def line(asset: str = "USDT", total: str = "10000") -> LedgerLine:
    """A ledger line that holds `total`."""
    return LedgerLine(asset=asset, opening=D(total))


def valuation(
    quotes: tuple[Quote, ...] = (), symbols: tuple[SymbolRules, ...] = (), reporting_asset: str = "USDT"
) -> Valuation:
    """Knows these quotes and rules."""
    return Valuation(
        reporting_asset=reporting_asset,
        quotes={heard.symbol: heard for heard in quotes},
        rules={known.symbol: known for known in symbols},
    )


def picture(wanted: RealOrder | None = None, **more: Any) -> Picture:
    """A flat house with 10,000 USDT that knows all it must to let a small BTCUSDT or ETHUSDT entry pass."""
    wanted = order() if wanted is None else wanted
    worth = more.pop("valuation", None)
    if worth is None:
        quotes = (quote(), quote("ETHUSDT", "2499", "2500"))
        worth = valuation(quotes, (rules(), rules("ETH")))
    given: dict[str, Any] = {
        "rules": worth.rules.get(wanted.symbol),
        "quote": worth.quotes.get(wanted.symbol),
        "positions": {},
        "commitments": {},
        "ledger": {"USDT": line()},
        "day": RiskDay(day=START.date(), start={}),
        "config": RealTradingConfig(),
        "symbols": frozenset(worth.rules),
        "now": at(),
    }
    return Picture(order=wanted, valuation=worth, **(given | more))


def limits(**changed: Any) -> RealTradingConfig:
    """Limits so wide that only the `changed` ones can say no."""
    wide = RealTradingConfig(
        max_position_size_usdt=D(10**9),
        max_total_exposure_usdt=D(10**9),
        max_daily_loss_usdt=D(10**9),
        max_order_value_usdt=D(10**9),
        max_positions=100,
        risk_per_trade_percent=D(100),
    )
    # a position is never allowed more than the whole
    changed.setdefault("max_position_size_usdt", changed.get("max_total_exposure_usdt", D(10**9)))
    return attrs.evolve(wide, **changed)
