"""Fits budget, balance and limits to a market: any quote asset, any number of decimals, whole quantities too."""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.values import ONE, SymbolRules, amount, plain, ratio, round_down, round_up
from realtrading.errors import BadInput

from .simulator import Ready

TRADES_MIN = 50
SPAN_MIN_S = 2.0
MOVES_MIN = 10

GRAIN = Decimal("0.00000001")
SMALLEST_ORDERS = 20
"""The budget in the exchange's smallest orders: a position can be taken and left in parts."""

SMALL_SHARE = Decimal("0.3")
"""The share of the budget that Pacer's small entries take."""

ROUND_STEPS = 1000
"""Pacer trades multiples of so many steps if it can: the fees are whole steps then."""

WHOLE_STEPS = 10
"""A small entry is at least so many steps: the fee must not eat most of it where only whole quantities trade."""

LEVELS_TAKEN = 2
"""A large order is about what so many levels of the book hold: some of them fill in parts."""

BALANCE_BUDGETS = 20


@attrs.frozen(kw_only=True)
class Market:
    """A symbol's rules and its first best offers: what each level of the ask side is worth, best first (quote units)."""

    rules: SymbolRules
    price: Decimal
    asks: tuple[Decimal, ...]

    @classmethod
    def of(cls, exchange_info: Mapping[str, Any], depth: Mapping[str, Any]) -> Market:
        """From the answers of `exchangeInfo` (one symbol) and `depth`."""
        told = exchange_info["symbols"][0]
        levels = [(amount(price), amount(size)) for price, size in depth["asks"]]
        if not levels:
            raise BadInput(f"nobody offers {told['symbol']}: there is no market to trade on")
        return cls(rules=_rules(told), price=levels[0][0], asks=tuple(price * size for price, size in levels))


def _rules(told: Mapping[str, Any]) -> SymbolRules:
    filters = {each["filterType"]: each for each in told["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    return SymbolRules(
        symbol=told["symbol"],
        base=told["baseAsset"],
        quote=told["quoteAsset"],
        status=told["status"],
        tick=amount(price["tickSize"]),
        step=amount(lot["stepSize"]),
        quantity_min=amount(lot["minQty"]),
        quantity_max=amount(lot["maxQty"]),
        price_min=amount(price["minPrice"]),
        price_max=amount(price["maxPrice"]),
        notional_min=amount(filters["NOTIONAL"]["minNotional"]),
    )


@attrs.frozen(kw_only=True)
class Sizes:
    """What the demo trades with, in the quote asset: the strategy's budget and the account's opening balance."""

    budget: Decimal
    balance: Decimal

    def limits(self) -> RealTradingConfig:
        """Limits wide enough for the budget and no wider than needed; breaker and rounds run faster than in earnest,
        as a demo has no five minutes."""
        return RealTradingConfig(
            max_position_size_usdt=2 * self.budget,
            max_total_exposure_usdt=2 * self.budget,
            max_daily_loss_usdt=self.balance / 2,
            max_positions=1,
            risk_per_trade_percent=Decimal(10),
            max_order_value_usdt=2 * self.budget,
            circuit_breaker_cooldown_secs=1,
            reconciliation_interval_secs=5,
        )


def sizes_of(market: Market) -> Sizes:
    """Budget and balance for this market."""
    step_value = market.rules.step * market.price
    floor = max(market.rules.quantity_min * market.price, WHOLE_STEPS * step_value)
    wanted = max(
        SMALLEST_ORDERS * market.rules.notional_min,
        ratio(2 * floor, SMALL_SHARE),
        ratio(ROUND_STEPS * step_value, SMALL_SHARE),
        sum(market.asks[:LEVELS_TAKEN], Decimal(0)),
    )
    # more than the book shows cannot be bought at once; half of it can, also when it has moved meanwhile
    visible = ratio(sum(market.asks, Decimal(0)), Decimal(2))
    budget = round_up(_two_digits(min(wanted, visible)), GRAIN)
    return Sizes(budget=budget, balance=BALANCE_BUDGETS * budget)


def _two_digits(value: Decimal) -> Decimal:
    """`value` cut to two digits, for people."""
    return round_down(value, ONE.scaleb(value.adjusted() - 1))


def check_tape(ready: Ready, tape: str) -> None:
    """Refuse a tape on which nothing can be shown. Raises `BadInput` naming span and trades."""
    if ready.tape_trades < TRADES_MIN or ready.tape_span_s < SPAN_MIN_S or ready.tape_moves < MOVES_MIN:
        raise too_short(ready, tape, f"it takes {TRADES_MIN} trades, {SPAN_MIN_S:g} s and {MOVES_MIN} moves of the price")


def too_short(ready: Ready, tape: str, why: str) -> BadInput:
    """The error that says that a tape is no good."""
    span = plain(round_down(Decimal(str(ready.tape_span_s)), Decimal("0.001")))
    return BadInput(
        f"{tape}: too short or too still to trade: {ready.tape_trades} trades over {span} s, "
        f"the price moves {ready.tape_moves} times ({why})"
    )
