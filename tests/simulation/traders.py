"""Small seeded strategies: they buy, sell what they hold, rest, cancel; two of them meet on one symbol."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from realtrading.domain.values import OrderType, TimeInForce
from realtrading.strategies import Strategy
from realtrading.strategies.base import IntentRefused

if TYPE_CHECKING:
    from .world import World

WORTH = (Decimal(60), Decimal(240), Decimal(450))


class Trader(Strategy):
    """Acts at about every third timer, unless the world converges: then it rests."""

    def __init__(self, name: str, world: "World") -> None:
        super().__init__()
        self._who, self.world = name, world

    def on_timer(self, ctx: Any) -> None:
        """Perhaps propose something."""
        self.world.timers[self._who] += 1
        slot = f"{self._who} {self.world.timers[self._who]}"
        self.dice = self.world.script.dice(slot)
        drawn = "order" if self.world.wanted and self.dice.random() < 0.3 else None
        if self.world.script.happens(slot, drawn) is None or not self.world.wanted:
            return
        symbol = self.dice.choice(ctx.symbols)
        quote = ctx.quote(symbol)
        if quote is None:
            return
        try:
            self.act(ctx, symbol, quote)
        except IntentRefused:
            return

    def act(self, ctx: Any, symbol: str, quote: Any) -> None:
        """One of the things a strategy may do."""
        dice = self.dice
        what = dice.random()
        live = [order for order in ctx.orders if order.cancel_requested_at is None]
        held = ctx.round_quantity(symbol, max(ctx.position(symbol), Decimal(0)))
        if live and what < 0.25:
            ctx.cancel(dice.choice(live).id)
        elif held and what < 0.5:
            part = ctx.round_quantity(symbol, held * dice.choice((Decimal(1), Decimal("0.6"))))
            if dice.random() < 0.5:
                ctx.sell(symbol, quantity=part)
            else:
                price = ctx.round_price(symbol, quote.ask * dice.choice((Decimal("0.999"), Decimal("1.0003"), Decimal("1.01"))))
                ctx.sell(symbol, quantity=part, price=price, rests=dice.random() < 0.5)
        else:
            self.enter(ctx, symbol, quote)

    def enter(self, ctx: Any, symbol: str, quote: Any) -> None:
        """An entry in one of the shapes the house sends."""
        dice = self.dice
        quantity = ctx.round_quantity(symbol, dice.choice(WORTH) / quote.ask)
        shape = dice.randrange(6)
        if shape == 0:
            ctx.buy(symbol, quantity=quantity)
        elif shape == 1:
            ctx.buy(symbol, quote_quantity=dice.choice(WORTH))
        elif shape == 2:
            ctx.buy(symbol, quantity=quantity, order_type=OrderType.LIMIT)
        elif shape == 3:
            tif = dice.choice((TimeInForce.IOC, TimeInForce.FOK))
            ctx.buy(symbol, quantity=quantity, price=ctx.round_price(symbol, quote.ask), time_in_force=tif)
        elif shape == 4:
            price = ctx.round_price(symbol, quote.bid * Decimal("0.9998"))
            ctx.buy(symbol, quantity=quantity, price=price, order_type=OrderType.LIMIT_MAKER, rests=dice.random() < 0.5)
        else:
            ctx.buy(symbol, quantity=quantity, price=ctx.round_price(symbol, quote.bid), rests=dice.random() < 0.4)
