"""What an amount is worth in the reporting asset, through quotes: direct, inverse, or over one bridge asset.

No path means None and never a guess: an entry is then refused, while exits, fees and the ledger never wait for a price.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from .values import ONE, ZERO, Quote, SymbolRules, ratio


def mark(quote: Quote) -> Decimal:
    """The price a position is valued at: the last trade, held inside the present bid and ask.

    A thin book does not drag it away from where trades happen, and an old trade does not hold it where nobody quotes.
    """
    return min(max(quote.last, quote.bid), quote.ask)


@attrs.frozen(kw_only=True)
class Valuation:
    """Converts into `reporting_asset` over the known `quotes` and symbol `rules` (both keyed by symbol)."""

    reporting_asset: str
    quotes: Mapping[str, Quote]
    rules: Mapping[str, SymbolRules]

    def rate(self, asset: str, since_mono: float | None = None) -> Decimal | None:
        """Reporting-asset price of one unit of `asset`, or None without a path. Quotes before `since_mono` (seconds)
        are ignored."""
        if asset == self.reporting_asset:
            return ONE
        direct = self._step(asset, self.reporting_asset, since_mono)
        if direct is not None:
            return direct
        for bridge in self._neighbours(asset):
            first = self._step(asset, bridge, since_mono)
            second = self._step(bridge, self.reporting_asset, since_mono)
            if first is not None and second is not None:
                return first * second
        return None

    def value(self, amount: Decimal, asset: str, since_mono: float | None = None) -> Decimal | None:
        """`amount` of `asset` in the reporting asset, or None without a path. Nothing is worth nothing in any asset."""
        if not amount:
            return ZERO
        rate = self.rate(asset, since_mono)
        return None if rate is None else amount * rate

    def _neighbours(self, asset: str) -> Iterator[str]:
        """Assets one symbol away, in the order of the symbols' names, so that equal knowledge gives the equal path."""
        for symbol in sorted(self.rules):
            rules = self.rules[symbol]
            if asset == rules.base:
                yield rules.quote
            elif asset == rules.quote:
                yield rules.base

    def _step(self, asset: str, other: str, since_mono: float | None) -> Decimal | None:
        price = self._price(asset, other, since_mono)
        if price is not None:
            return price
        price = self._price(other, asset, since_mono)
        return None if price is None else ratio(ONE, price)

    def _price(self, base: str, quote: str, since_mono: float | None) -> Decimal | None:
        symbol = base + quote
        rules, heard = self.rules.get(symbol), self.quotes.get(symbol)
        if rules is None or heard is None or (rules.base, rules.quote) != (base, quote):
            return None
        if since_mono is not None and heard.mono < since_mono:
            return None
        price = mark(heard)
        return price if price > ZERO else None
