"""What one trade does to the wallet: the only place that knows which way base, quote and fee move."""
from __future__ import annotations

from decimal import Decimal

from .reports import TradeReport
from .values import ZERO, Side


def trade_deltas(trade: TradeReport, base: str, quote: str) -> dict[str, Decimal]:
    """Signed change per asset, fee included: a buy brings base and costs quote, a sell the other way round."""
    sign = 1 if trade.side is Side.BUY else -1
    deltas: dict[str, Decimal] = {base: sign * trade.quantity, quote: -sign * trade.quote_quantity}
    if trade.commission:
        deltas[trade.commission_asset] = deltas.get(trade.commission_asset, ZERO) - trade.commission
    return deltas
