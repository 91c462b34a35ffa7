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


PAUSE_S = 0.05
"""Between two orders of a symbol: a stepped market's book is finite."""


class Dripper(Strategy):
    """One order at a time; what it holds it sells next."""

    Config = DripConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.turn = 0
        self.not_before_mono: dict[str, float] = {}

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
            if ctx.now.mono >= self.not_before_mono.get(symbol, 0):
                self.not_before_mono[symbol] = ctx.now.mono + PAUSE_S
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


class Metronome(Strategy):
    """Every quarter of a second a buy, a sell of what is free, and now and then a limit that rests until the next.

    It does not wait for the outcome of anything, so that one order of unknown fate does not end the traffic.
    """

    Config = DripConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.turn = 0

    def on_timer(self, ctx: Any) -> None:
        if ctx.stale or ctx.stopping or len(ctx.orders) > 15:
            return
        self.turn += 1
        for symbol in ctx.symbols:
            quote = ctx.quote(symbol)
            if quote is not None:
                self.beat(ctx, symbol, quote)

    def beat(self, ctx: Any, symbol: str, quote: Any) -> None:
        for order in ctx.orders:
            if order.symbol == symbol and order.price is not None and order.cancel_requested_at is None:
                ctx.cancel(order.id)
        selling = sum((o.remaining_quantity for o in ctx.orders if o.symbol == symbol and o.side == "SELL"), Decimal(0))
        free = ctx.round_quantity(symbol, max(ctx.position(symbol) - selling, Decimal(0)))
        if free * quote.bid > 60:
            ctx.sell(symbol, quantity=ctx.round_quantity(symbol, free * Decimal("0.7")))
        ctx.buy(symbol, quantity=self.config.lot)
        if self.config.rest and self.turn % 3 == 0:
            ctx.buy(symbol, quantity=self.config.lot, price=ctx.round_price(symbol, quote.bid * Decimal("0.99")), rests=True)


class Idle(Strategy):
    """Looks on."""
