"""What risk looks at for one order, and the numbers its rules draw from it."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property

import attrs

from .balances import LedgerLine
from .limits import RealTradingConfig
from .orders import RealOrder
from .positions import PositionBook
from .reasons import Reason
from .risk import Commitment, RiskDay, hold, worst_price
from .valuation import Valuation, mark
from .values import ZERO, Now, Quote, Side, SymbolRules


@attrs.frozen(kw_only=True)
class Verdict:
    """A rule's no. `detail` holds the numbers, for people."""

    reason: Reason
    detail: str


@attrs.frozen(kw_only=True)
class Picture:
    """All that risk looks at for one order. `rules` and `quote` are those of its symbol, None when unknown.

    `positions` by book key, `commitments` by order id, `ledger` by asset, `symbols` the ones allowed. The numbers
    below may be asked once the order is known to be well formed; they leave out the order's own commitment, so that
    the same order vetted twice is judged the same.
    """

    order: RealOrder
    rules: SymbolRules | None
    quote: Quote | None
    positions: Mapping[str, PositionBook]
    commitments: Mapping[str, Commitment]
    ledger: Mapping[str, LedgerLine]
    day: RiskDay | None
    config: RealTradingConfig
    symbols: frozenset[str]
    valuation: Valuation
    now: Now

    @cached_property
    def others(self) -> tuple[Commitment, ...]:
        """Commitments of other orders that may still do something."""
        return tuple(held for held in self.commitments.values() if held.order_id != self.order.id and held.remaining)

    @cached_property
    def worst(self) -> Decimal | None:
        """The worst price the order may trade at, None when that is not known."""
        return worst_price(self.order, self.quote, self.config)

    @cached_property
    def commitment(self) -> Commitment:
        """What would be held for the order."""
        return hold(self.order, self.worst, self.reduces)

    @cached_property
    def managed(self) -> Decimal:
        """Signed base quantity of the order's own strategy and symbol."""
        book = self.positions.get(f"{self.order.strategy}/{self.order.symbol}")
        return ZERO if book is None else book.quantity

    @cached_property
    def held(self) -> Decimal:
        """Base quantity of `managed` that live orders of the same side may still take."""
        mine = (self.order.strategy, self.order.symbol, self.order.side)
        return sum((c.remaining for c in self.others if (c.strategy, c.symbol, c.side) == mine and c.reduces), ZERO)

    @cached_property
    def reduces(self) -> bool:
        """The whole order only reduces what its strategy manages and no other live order has a claim on."""
        against = self.managed > ZERO if self.order.side is Side.SELL else self.managed < ZERO
        asked = hold(self.order, self.worst, True).ceiling
        return against and asked <= abs(self.managed) - self.held

    @cached_property
    def cost(self) -> Decimal:
        """Quote units the order may come to at its worst price; 0 when that price is not known."""
        if self.order.quote_quantity is not None:
            return self.order.quote_quantity
        return self.order.original_quantity * (self.worst or ZERO)

    @cached_property
    def value(self) -> Decimal | None:
        """`cost` in the reporting asset, by fresh quotes only; None without a path."""
        if self.rules is None:
            return None
        return self.valuation.value(self.cost, self.rules.quote, self.now.mono - self.config.quote_age_max_secs)

    @cached_property
    def exposures(self) -> Mapping[str, Decimal] | Verdict:
        """Value per symbol (reporting asset) beside this order, or why it is not known."""
        return exposures(self.positions.values(), self.others, self.valuation)


def exposures(
    positions: Iterable[PositionBook], commitments: Iterable[Commitment], valuation: Valuation
) -> Mapping[str, Decimal] | Verdict:
    """Value per symbol (reporting asset) of open positions at their mark and live entries at their worst price, or why
    it is not known. Strategies' positions in one symbol add up; they do not net.
    """
    found: dict[str, Decimal] = {}
    for book in positions:
        if book.quantity:
            quote = valuation.quotes.get(book.symbol)
            price = ZERO if quote is None else mark(quote)
            if price <= ZERO:
                return Verdict(reason=Reason.RISK_PRICE_MISSING, detail=f"no price of open position {book.key}")
            value = valuation.value(abs(book.quantity) * price, book.quote)
            if value is None:
                return _no_path(book.quote, valuation)
            found[book.symbol] = found.get(book.symbol, ZERO) + value
    for held in commitments:
        if not held.reduces:
            worth = _worth(held, valuation)
            if isinstance(worth, Verdict):
                return worth
            found[held.symbol] = found.get(held.symbol, ZERO) + worth
    return found


def _worth(held: Commitment, valuation: Valuation) -> Decimal | Verdict:
    rules = valuation.rules.get(held.symbol)
    if rules is None:
        detail = f"no rules of {held.symbol}, where {held.order_id} is live"
        return Verdict(reason=Reason.RISK_RULES_MISSING, detail=detail)
    if not held.worst_price:
        detail = f"no price yet for the live order {held.order_id} in {held.symbol}"
        return Verdict(reason=Reason.RISK_PRICE_MISSING, detail=detail)
    value = valuation.value(held.remaining * held.worst_price, rules.quote)
    return _no_path(rules.quote, valuation) if value is None else value


def _no_path(asset: str, valuation: Valuation) -> Verdict:
    detail = f"no price path from {asset} to {valuation.reporting_asset}"
    return Verdict(reason=Reason.RISK_VALUATION_MISSING, detail=detail)
