"""What a trade costs: rates per role and side, taken in base, quote or BNB."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from .numbers import ZERO, down, wire


@attrs.frozen(kw_only=True)
class Rates:
    """One part of the commission as fractions of the trade; maker/taker by role, buyer/seller by side, added up."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    buyer: Decimal = ZERO
    seller: Decimal = ZERO

    def of(self, *, is_maker: bool, is_buyer: bool) -> Decimal:
        """The fraction taken from one trade."""
        return (self.maker if is_maker else self.taker) + (self.buyer if is_buyer else self.seller)

    def to_json(self) -> dict[str, str]:
        """Binance's shape of one commission part."""
        return {
            "maker": wire(self.maker),
            "taker": wire(self.taker),
            "buyer": wire(self.buyer),
            "seller": wire(self.seller),
        }


@attrs.frozen(kw_only=True)
class FeeSchedule:
    """All rates of the exchange.

    `bnb_discount`: what remains to be paid of the standard part when it is paid in BNB (0.75 = a quarter off).
    `bnb_prices`: price of one BNB in each quote asset, used while no BNB+quote symbol trades here.
    """

    standard: Rates = attrs.field(factory=lambda: Rates(maker=Decimal("0.001"), taker=Decimal("0.001")))
    special: Rates = attrs.field(factory=Rates)
    tax: Rates = attrs.field(factory=Rates)
    bnb_discount: Decimal = Decimal("0.75")
    bnb_prices: Mapping[str, Decimal] = attrs.field(factory=dict)

    def fraction(self, *, is_maker: bool, is_buyer: bool, in_bnb: bool) -> Decimal:
        """The whole fraction of one trade; only the standard part gets the BNB discount."""
        standard = self.standard.of(is_maker=is_maker, is_buyer=is_buyer)
        if in_bnb:
            standard *= self.bnb_discount
        return (
            standard
            + self.special.of(is_maker=is_maker, is_buyer=is_buyer)
            + self.tax.of(is_maker=is_maker, is_buyer=is_buyer)
        )

    def amount(self, traded: Decimal, *, is_maker: bool, is_buyer: bool, in_bnb: bool = False) -> Decimal:
        """The fee for `traded` (an amount of the fee's asset), cut to the exchange's grain."""
        return down(traded * self.fraction(is_maker=is_maker, is_buyer=is_buyer, in_bnb=in_bnb))

    def to_json(self, symbol: str, *, bnb_enabled: bool) -> dict[str, Any]:
        """The answer of GET /api/v3/account/commission."""
        return {
            "symbol": symbol,
            "standardCommission": self.standard.to_json(),
            "specialCommission": self.special.to_json(),
            "taxCommission": self.tax.to_json(),
            "discount": self.discount_json(bnb_enabled=bnb_enabled),
        }

    def discount_json(self, *, bnb_enabled: bool) -> dict[str, Any]:
        """The discount part of the commission answers."""
        return {
            "enabledForAccount": bnb_enabled,
            "enabledForSymbol": True,
            "discountAsset": "BNB",
            "discount": wire(self.bnb_discount),
        }
