"""A strategy for the house tests: buys and sells one small lot in turn, for as long as it lives."""

from decimal import Decimal
from typing import Any

import attrs

from realtrading.strategies import Strategy


@attrs.frozen(kw_only=True)
class DripConfig:
    """`lot`: quantity of each buy. `rest`: put every fourth buy far below the market and cancel it next time."""

    lot: Decimal = Decimal("0.001")
    rest: bool = False


class Dripper(Strategy):
    """One order at a time; what it holds it sells next."""

    Config = DripConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.turn = 0

    def on_quote(self, ctx: Any, quote: Any) -> None:
        self.step(ctx)

    def on_timer(self, ctx: Any) -> None:
        self.step(ctx)

    def on_order(self, ctx: Any, event: Any) -> None:
        if ctx.orders:
            self.step(ctx)

    def step(self, ctx: Any) -> None:
        for symbol in ctx.symbols:
            live = [order for order in ctx.orders if order.symbol == symbol]
            for order in live:
                if order.price is not None and order.cancel_requested_at is None:
                    ctx.cancel(order.id)
            if live or ctx.stopping or ctx.stale or not ctx.settled(symbol):
                continue
            self.trade(ctx, symbol)

    def trade(self, ctx: Any, symbol: str) -> None:
        held = ctx.round_quantity(symbol, max(ctx.position(symbol), Decimal(0)))
        quote = ctx.quote(symbol)
        if quote is None:
            return
        self.turn += 1
        if self.config.rest and self.turn % 4 == 0:
            ctx.buy(symbol, quantity=self.config.lot, price=ctx.round_price(symbol, quote.bid * Decimal("0.99")), rests=True)
        elif held * quote.bid > 20:
            ctx.sell(symbol, quantity=held)
        else:
            ctx.buy(symbol, quantity=self.config.lot)
