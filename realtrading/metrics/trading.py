"""The families about orders and fills."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

from realtrading.actors.tally import ANY_ROAD
from realtrading.domain.orders import TERMINAL, OrderState
from realtrading.domain.values import OrderType, Side
from realtrading.runtime.metrics import Family

from .shape import counted, family, moment, observed, single
from .view import View

OUTCOMES = tuple(sorted(str(state).lower() for state in TERMINAL))
LIQUIDITY = ("maker", "taker")


def orders(view: View) -> Iterator[Family]:
    """What became of our orders."""
    tally, symbols = view.tally, view.settings.symbols
    sent = (
        (symbol, side, kind, trader)
        for trader, its_symbols in view.traders
        for symbol, side, kind in product(its_symbols, Side, map(str, OrderType))
    )
    yield family("orders_submitted_total", counted(sent, tally.submitted))
    yield family("orders_closed_total", counted(product(symbols, Side, OUTCOMES), tally.closed))
    yield family("order_rejections_total", dict(tally.rejections))
    live = [order for order in view.orders.values() if order.is_live()]
    unknown = [order for order in live if order.state is OrderState.UNKNOWN]
    open_now = Counter((order.symbol, order.side) for order in live)
    yield family("orders_open", counted(product(symbols, Side), open_now))
    doubtful = Counter((order.symbol,) for order in unknown)
    yield family("orders_unknown", counted(product(symbols), doubtful))
    oldest = min((order.updated_at for order in unknown), default=None)
    yield moment("orders_unknown_oldest_timestamp_seconds", oldest)
    yield family("order_ack_duration_seconds", observed(tally.acknowledged))
    yield single("order_intent_duration_seconds", tally.intents.value())


def fills(view: View) -> Iterator[Family]:
    """Trades of our orders."""
    tally, symbols = view.tally, view.settings.symbols
    yield family("fills_total", counted(product(symbols, Side, LIQUIDITY), tally.fills))
    yield family("fill_apply_lag_seconds", {(ANY_ROAD,): tally.lag.value()})
    yield family("traded_notional_total", counted(product(symbols, Side), tally.traded))
    yield family("commission_paid_total", dict(tally.commission))
    yield family("fill_slippage_ratio", observed(tally.slippage))
