"""The engine in one line, for the service manager's status and whoever reads it."""
from __future__ import annotations

import decimal
from decimal import Decimal

from realtrading.domain.values import EXACT
from realtrading.engine import RealTradingEngine

from .machine import state_of
from .money import pnl_day
from .view import View, view_of

CENT = Decimal("0.01")


def status_line(engine: RealTradingEngine) -> str:
    """Such as "running 3 symbols, 4 open orders, 1 position, day +12.40 USDT", with the reason while it is not running."""
    view = view_of(engine, lambda: None, {})
    with decimal.localcontext(EXACT):
        what = _what(view)
    state = state_of(view)
    if state == "running":
        return f"running {what}"
    why = engine.failure or engine.why_not_ready()
    return f"{state.replace('_', ' ')}: {why or 'wait'} [{what}]"


def _what(view: View) -> str:
    orders = sum(1 for order in view.orders.values() if order.is_live())
    positions = sum(1 for book in view.books.values() if book.quantity)
    parts = [_many(len(view.symbols), "symbol"), _many(orders, "open order"), _many(positions, "position")]
    result = pnl_day(view)
    if result is not None:
        parts.append(f"day {result.quantize(CENT):+f} {view.settings.reporting_asset}")
    return ", ".join(parts)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
