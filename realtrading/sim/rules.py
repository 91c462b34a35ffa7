"""One symbol's trading rules: what exchangeInfo says about it, and the filters an order must pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from . import errors
from .numbers import ZERO, wire

ORDER_TYPES = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
)  # fmt: skip
STP_MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")


@attrs.frozen(kw_only=True)
class PercentPrice:
    """PERCENT_PRICE_BY_SIDE: how far a limit price may be from the average price, as factors of it."""

    bid_up: Decimal = Decimal(5)
    bid_down: Decimal = Decimal("0.2")
    ask_up: Decimal = Decimal(5)
    ask_down: Decimal = Decimal("0.2")


@attrs.frozen(kw_only=True)
class TrailingDelta:
    """TRAILING_DELTA: the deltas a trailing stop may have, in hundredths of a percent, above and below the market."""

    min_above: int = 10
    max_above: int = 2000
    min_below: int = 10
    max_below: int = 2000


@attrs.frozen(kw_only=True)
class SymbolRules:
    """The rules of one spot symbol. Prices are in quote per base, quantities in base, notionals in quote.

    `market_max_qty` is MARKET_LOT_SIZE's maximum; `max_notional` None means no upper bound;
    `percent_price` None leaves PERCENT_PRICE_BY_SIDE out, `max_position` None MAX_POSITION; `trailing` None: the symbol
    takes no trailing stops.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_price: Decimal
    max_price: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    min_notional: Decimal
    max_notional: Decimal | None = None
    notional_filter: str = "NOTIONAL"
    min_notional_on_market: bool = True
    avg_price_mins: int = 5
    percent_price: PercentPrice | None = None
    max_num_orders: int = 200
    max_num_algo_orders: int = 5
    max_num_order_lists: int = 20
    max_num_order_amends: int = 10
    max_position: Decimal | None = None
    trailing: TrailingDelta | None = attrs.field(factory=TrailingDelta)
    oco_allowed: bool = True
    oto_allowed: bool = True
    replace_allowed: bool = True
    amend_allowed: bool = True
    status: str = "TRADING"
    order_types: tuple[str, ...] = ORDER_TYPES
    base_precision: int = 8
    quote_precision: int = 8
    default_stp: str = "EXPIRE_MAKER"
    allowed_stp: tuple[str, ...] = STP_MODES

    def check_price(self, price: Decimal) -> None:
        """Raise -1111 or the PRICE_FILTER failure for a limit price outside the rules."""
        _check_precision("price", price, self.quote_precision)
        if price <= 0:
            raise errors.invalid_message("Invalid price.")
        too_low = bool(self.min_price) and price < self.min_price
        too_high = bool(self.max_price) and price > self.max_price
        if too_low or too_high or (self.tick and price % self.tick):
            raise errors.filter_failure("PRICE_FILTER")

    def check_quantity(self, quantity: Decimal, *, market: bool) -> None:
        """Raise -1111 or the LOT_SIZE / MARKET_LOT_SIZE failure for a quantity outside the rules."""
        _check_precision("quantity", quantity, self.base_precision)
        if quantity <= 0:
            raise errors.invalid_message("Invalid quantity.")
        if not self.min_qty <= quantity <= self.max_qty or (self.step and quantity % self.step):
            raise errors.filter_failure("LOT_SIZE")
        if market and quantity > self.market_max_qty:
            raise errors.filter_failure("MARKET_LOT_SIZE")

    def check_quote_quantity(self, amount: Decimal) -> None:
        """Raise -1111 or -1013 for a quoteOrderQty that is no amount of the quote asset."""
        _check_precision("quoteOrderQty", amount, self.quote_precision)
        if amount <= 0:
            raise errors.invalid_message("Invalid quote order qty.")

    def check_notional(self, notional: Decimal, *, market: bool) -> None:
        """Raise the NOTIONAL (or MIN_NOTIONAL) failure; for market orders `notional` uses the average price."""
        low = notional < self.min_notional and (self.min_notional_on_market or not market)
        high = self.max_notional is not None and notional > self.max_notional and not market
        if low or high:
            raise errors.filter_failure(self.notional_filter)

    def check_percent_price(self, price: Decimal, average: Decimal, *, buy: bool) -> None:
        """Raise the PERCENT_PRICE_BY_SIDE failure for a limit price too far from `average`."""
        rule = self.percent_price
        if rule is None or average <= 0:
            return
        lowest = average * (rule.bid_down if buy else rule.ask_down)
        highest = average * (rule.bid_up if buy else rule.ask_up)
        if not lowest <= price <= highest:
            raise errors.filter_failure("PERCENT_PRICE_BY_SIDE")

    def check_trailing(self, delta: int, *, above: bool) -> None:
        """Raise -2010 where trailing stops are not offered, or the TRAILING_DELTA failure."""
        rule = self.trailing
        if rule is None:
            raise errors.rejected("Trailing stop orders are not supported for this symbol.")
        lowest, highest = (rule.min_above, rule.max_above) if above else (rule.min_below, rule.max_below)
        if not lowest <= delta <= highest:
            raise errors.filter_failure("TRAILING_DELTA")

    def check_position(self, held: Decimal, wanted: Decimal) -> None:
        """Raise the MAX_POSITION failure when a buy of `wanted` on top of `held` (open buys included) is too much."""
        if self.max_position is not None and held + wanted > self.max_position:
            raise errors.filter_failure("MAX_POSITION")

    def filters(self) -> list[dict[str, Any]]:
        """The `filters` array of exchangeInfo."""
        listed: list[dict[str, Any]] = [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": wire(self.min_price),
                "maxPrice": wire(self.max_price),
                "tickSize": wire(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": wire(self.min_qty),
                "maxQty": wire(self.max_qty),
                "stepSize": wire(self.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": wire(ZERO),
                "maxQty": wire(self.market_max_qty),
                "stepSize": wire(ZERO),
            },
            self._notional_json(),
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_num_orders},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": self.max_num_order_lists},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_num_algo_orders},
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": self.max_num_order_amends},
        ]
        if self.percent_price is not None:
            listed.insert(3, self._percent_json(self.percent_price))
        if self.max_position is not None:
            listed.append({"filterType": "MAX_POSITION", "maxPosition": wire(self.max_position)})
        if self.trailing is not None:
            listed.append(self._trailing_json(self.trailing))
        return listed

    def _trailing_json(self, rule: TrailingDelta) -> dict[str, Any]:
        return {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": rule.min_above,
            "maxTrailingAboveDelta": rule.max_above,
            "minTrailingBelowDelta": rule.min_below,
            "maxTrailingBelowDelta": rule.max_below,
        }

    def _notional_json(self) -> dict[str, Any]:
        if self.notional_filter == "MIN_NOTIONAL":
            return {
                "filterType": "MIN_NOTIONAL",
                "minNotional": wire(self.min_notional),
                "applyToMarket": self.min_notional_on_market,
                "avgPriceMins": self.avg_price_mins,
            }
        return {
            "filterType": "NOTIONAL",
            "minNotional": wire(self.min_notional),
            "applyMinToMarket": self.min_notional_on_market,
            "maxNotional": wire(self.max_notional if self.max_notional is not None else Decimal(9000000)),
            "applyMaxToMarket": False,
            "avgPriceMins": self.avg_price_mins,
        }

    def _percent_json(self, rule: PercentPrice) -> dict[str, Any]:
        return {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": f"{rule.bid_up:f}",
            "bidMultiplierDown": f"{rule.bid_down:f}",
            "askMultiplierUp": f"{rule.ask_up:f}",
            "askMultiplierDown": f"{rule.ask_down:f}",
            "avgPriceMins": self.avg_price_mins,
        }

    def to_exchange_info(self) -> dict[str, Any]:
        """The symbol's entry in exchangeInfo, every official field."""
        return {
            "symbol": self.symbol,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetPrecision": self.base_precision,
            "quoteAsset": self.quote,
            "quotePrecision": self.quote_precision,
            "quoteAssetPrecision": self.quote_precision,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(self.order_types),
            "icebergAllowed": False,
            "ocoAllowed": self.oco_allowed,
            "otoAllowed": self.oto_allowed,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": self.trailing is not None,
            "cancelReplaceAllowed": self.replace_allowed,
            "amendAllowed": self.amend_allowed,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self.filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": self.default_stp,
            "allowedSelfTradePreventionModes": list(self.allowed_stp),
        }


def _check_precision(name: str, value: Decimal, decimals: int) -> None:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > decimals and value != round(value, decimals):
        raise errors.bad_precision(name)
