"""The example strategy: paces up and down through every kind of order. It shows the house at work; it earns nothing.

It never looks where the price goes: each round trip costs the spread and the fees. Run it where the money is not real.
"""
from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.events import OrderDenied, OrderEvent, OrderRejected, PositionEvent
from realtrading.domain.orders import RealOrder
from realtrading.domain.values import (
    ZERO,
    OrderType,
    Quote,
    Side,
    SymbolRules,
    TimeInForce,
    plain,
    ratio,
    round_down,
    round_up,
)

from .base import Strategy
from .context import Context

ENTRY_MARGIN = Decimal("1.5")
"""An entry is worth this many times the venue's smallest order: it can still be sold when the price has fallen."""

EXIT_MARGIN = Decimal("1.2")
"""The venue values a market order at a past average, not at the quote: what is close to its minimum is kept."""

LAST_MARGIN = Decimal("1.02")
EIGHT_PLACES = Decimal("1e-8")
DEEP = Decimal("0.9")
"""Days of a wild market may pass in seconds; an order that is to be cancelled must not be met even then."""

SHY = Decimal("0.0002")
"""A limit that was meant to rest and took instead (the market ran towards it) is put so much further away next time."""

ROUND_STEPS = 1000
"""Fees are tenths of a percent: of a multiple of so many steps the fee is whole steps too, and no dust stays behind."""

BACK_OFF_S = 0.25
BACK_OFF_MAX_S = 2.0
LAST_TRIES = 8


class How(enum.Enum):
    """The kinds of order it uses."""

    MARKET = "market"
    REST = "a limit that leads its side of the book"
    DEEP = "a limit too far away to be met"


@attrs.frozen
class Move:
    """One order of the cycle. A buy spends `share` of the budget, a sell takes all that can be sold."""

    side: Side
    how: How
    share: Decimal = ZERO


SMALL, LARGE = Decimal("0.3"), Decimal("0.9")
CYCLE = (
    Move(Side.BUY, How.MARKET, SMALL),
    Move(Side.SELL, How.MARKET),
    Move(Side.BUY, How.DEEP, SMALL),
    Move(Side.BUY, How.MARKET, LARGE),
    Move(Side.SELL, How.REST),
    Move(Side.SELL, How.MARKET),
    Move(Side.BUY, How.MARKET, SMALL),
    Move(Side.SELL, How.MARKET),
    Move(Side.BUY, How.REST, LARGE),
    Move(Side.SELL, How.REST),
    Move(Side.SELL, How.MARKET),
)
"""A quick round trip; an order to be cancelled; a trip that leaves patiently; a quick one; one patient both ways."""


@attrs.frozen(kw_only=True)
class PacerConfig:
    """`budget`: what a symbol's position may be worth at most, in its quote asset. `patience`: seconds a resting order
    waits before it is cancelled. `pause`: seconds between two orders."""

    budget: Decimal = attrs.field(validator=attrs.validators.gt(ZERO))
    patience: float = attrs.field(default=1.2, validator=attrs.validators.gt(0))
    pause: float = attrs.field(default=0.2, validator=attrs.validators.ge(0))


class Pacer(Strategy):
    """Trades each of its symbols by CYCLE, one live order at a time, and ends flat when stopped.

    What cannot be sold, because it is less than the venue's smallest order, is kept and sold with the next round.
    """

    Config = PacerConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.lanes: dict[str, Lane] = {}

    def on_start(self, ctx: Context) -> None:
        """Refuse a budget that buys nothing; whatever an earlier life has left is cancelled and sold."""
        for symbol in ctx.symbols:
            rules = ctx.rules(symbol)
            if rules is not None and self.config.budget * SMALL < rules.notional_min * ENTRY_MARGIN:
                least = round_up(ratio(rules.notional_min * ENTRY_MARGIN, SMALL), EIGHT_PLACES)
                raise ValueError(
                    f"a budget of {plain(self.config.budget)} {rules.quote} is too small for {symbol}, "
                    f"it takes {plain(least)}"
                )
        self.on_timer(ctx)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        """Most of the steps are taken here."""
        self.lane(quote.symbol).step(ctx)

    def on_order(self, ctx: Context, event: OrderEvent | OrderDenied) -> None:
        """A no makes it wait longer each time."""
        lane = self.lane(event.order.symbol)
        if isinstance(event, (OrderDenied, OrderRejected)):
            lane.back_off(ctx)
        elif event.order.order_type is OrderType.LIMIT and event.order.is_terminal():
            lane.learn(event.order)
        lane.step(ctx)

    def on_position(self, ctx: Context, event: PositionEvent) -> None:
        """A fill: orders pass again."""
        lane = self.lane(event.position.symbol)
        lane.refusals = 0
        lane.step(ctx)

    def on_timer(self, ctx: Context) -> None:
        """Also when no price moves, an order may have waited long enough."""
        for symbol in ctx.symbols:
            self.lane(symbol).step(ctx)

    def on_stop(self, ctx: Context) -> None:
        """Begin to wind down; the lanes see `ctx.stopping` from here on."""
        for lane in self.lanes.values():
            lane.refusals = 0
        self.on_timer(ctx)

    def lane(self, symbol: str) -> Lane:
        """The symbol's lane, made when first needed."""
        if symbol not in self.lanes:
            self.lanes[symbol] = Lane(symbol=symbol, config=self.config)
        return self.lanes[symbol]


@attrs.define(kw_only=True)
class Lane:
    """The cycle of one symbol: `turn` is the next move, `since_mono` when each live order was first seen."""

    symbol: str
    config: PacerConfig
    turn: int = 0
    refusals: int = 0
    resume_mono: float = 0.0
    patience_s: float = 0.0
    how: How = How.MARKET
    shy: dict[Side, Decimal] = attrs.field(factory=lambda: dict.fromkeys(Side, ZERO))
    since_mono: dict[str, float] = attrs.field(factory=dict)
    cancelled: set[str] = attrs.field(factory=set)

    def step(self, ctx: Context) -> None:
        """Do whatever is due now, if anything is."""
        rules, quote = ctx.rules(self.symbol), ctx.quote(self.symbol)
        if ctx.stale or rules is None or quote is None or quote.bid <= ZERO:
            return
        live = [order for order in ctx.orders if order.symbol == self.symbol]
        if live:
            self.mind(ctx, live)
            return
        self.since_mono.clear()
        self.cancelled.clear()
        if ctx.now.mono < self.resume_mono or not ctx.settled(self.symbol):
            return
        if ctx.stopping:
            if self.refusals < LAST_TRIES:
                self.sell(ctx, rules, quote, How.MARKET, LAST_MARGIN)
            return
        for _ in CYCLE:
            move = CYCLE[self.turn % len(CYCLE)]
            self.turn += 1
            if self.make(ctx, rules, quote, move):
                return

    def mind(self, ctx: Context, live: list[RealOrder]) -> None:
        """Cancel what has waited long enough; after a restart that is whatever is found, as nobody knows since when."""
        for order in live:
            waited_s = ctx.now.mono - self.since_mono.setdefault(order.id, ctx.now.mono)
            over = ctx.stopping or waited_s >= self.patience_s
            if over and order.order_type is not OrderType.MARKET and order.id not in self.cancelled:
                ctx.cancel(order.id)
                self.cancelled.add(order.id)

    def learn(self, order: RealOrder) -> None:
        """Step back after a resting order that took, come close again after one that nobody met."""
        if self.how is not How.REST:
            return
        if any(not fill.is_maker for fill in order.fills):
            self.shy[order.side] = max(self.shy[order.side] * 2, SHY)
        elif not order.fills:
            self.shy[order.side] = ZERO

    def back_off(self, ctx: Context) -> None:
        """Wait, each time twice as long."""
        self.refusals += 1
        pause_s: float = min(BACK_OFF_S * 2.0 ** min(self.refusals, 8), BACK_OFF_MAX_S)
        self.resume_mono = ctx.now.mono + pause_s

    def make(self, ctx: Context, rules: SymbolRules, quote: Quote, move: Move) -> bool:
        """Propose the move's order; False when there is nothing to sell, or no room to buy."""
        if move.side is Side.SELL:
            return self.sell(ctx, rules, quote, move.how, EXIT_MARGIN)
        return self.buy(ctx, rules, quote, move)

    def sell(self, ctx: Context, rules: SymbolRules, quote: Quote, how: How, margin: Decimal) -> bool:
        """All that can be sold."""
        price = quote.bid
        if how is How.REST:
            price = round_up(leading(quote, rules.tick, Side.SELL) * (1 + self.shy[Side.SELL]), rules.tick)
        quantity = self.fitting(ctx, rules, how, max(ctx.position(self.symbol), ZERO))
        if quantity < rules.quantity_min or quantity <= ZERO or quantity * price < rules.notional_min * margin:
            return False
        if how is How.MARKET:
            ctx.sell(self.symbol, quantity=quantity)
        else:
            ctx.sell(self.symbol, quantity=quantity, price=price, time_in_force=TimeInForce.GTC, rests=True)
        return self.proposed(ctx, how)

    def buy(self, ctx: Context, rules: SymbolRules, quote: Quote, move: Move) -> bool:
        """For the move's share of the budget, as far as there is room."""
        price = quote.ask
        if move.how is How.REST:
            price = round_down(leading(quote, rules.tick, Side.BUY) * (1 - self.shy[Side.BUY]), rules.tick)
        elif move.how is How.DEEP:
            price = ctx.round_price(self.symbol, quote.bid * DEEP)
        if price <= ZERO or price < rules.price_min:
            return False
        room = self.config.budget - max(ctx.position(self.symbol), ZERO) * quote.ask
        wanted = self.worth(rules, price, min(self.config.budget * move.share, room))
        quantity = self.fitting(ctx, rules, move.how, wanted)
        if quantity * price > room or quantity < rules.quantity_min or quantity * price < rules.notional_min:
            return False
        if move.how is How.MARKET:
            ctx.buy(self.symbol, quantity=quantity)
        else:
            ctx.buy(self.symbol, quantity=quantity, price=price, time_in_force=TimeInForce.GTC, rests=True)
        return self.proposed(ctx, move.how)

    def worth(self, rules: SymbolRules, price: Decimal, value: Decimal) -> Decimal:
        """The quantity that `value` buys, in round numbers of steps if they are enough, but not less than an entry."""
        step = max(rules.step, rules.market_step) or EIGHT_PLACES
        least = round_up(ratio(rules.notional_min * ENTRY_MARGIN, price), step)
        exact = ratio(max(value, ZERO), price)
        in_round_steps = round_down(exact, step * ROUND_STEPS)
        return in_round_steps if in_round_steps >= least else max(round_down(exact, step), least)

    def fitting(self, ctx: Context, rules: SymbolRules, how: How, quantity: Decimal) -> Decimal:
        """`quantity` cut to the steps, and to what the venue takes at most."""
        bounds = [rules.quantity_max] + [rules.market_quantity_max] * (how is How.MARKET)
        return ctx.round_quantity(self.symbol, min([quantity, *(bound for bound in bounds if bound)]))

    def proposed(self, ctx: Context, how: How) -> bool:
        """Remember how long this order may wait and when the next one may come."""
        self.patience_s = self.config.patience / 3 if how is How.DEEP else self.config.patience
        self.resume_mono = ctx.now.mono + self.config.pause
        self.how = how
        return True


def leading(quote: Quote, tick: Decimal, side: Side) -> Decimal:
    """The price one tick better than the best of its side, or that best price when there is no room in between."""
    if quote.ask - quote.bid <= tick:
        return quote.bid if side is Side.BUY else quote.ask
    return quote.bid + tick if side is Side.BUY else quote.ask - tick
