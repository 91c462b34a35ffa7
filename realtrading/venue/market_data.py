"""Public market data as domain values: symbol rules, rate limits, and the parts of a quote."""

from __future__ import annotations

from decimal import Decimal

from realtrading.domain.values import ZERO, SymbolRules

from .fields import Payload, Unreadable, flag, positive, rows, text, unsigned, whole

_UNITS = {"SECOND": "s", "MINUTE": "m", "HOUR": "h", "DAY": "d"}
_KINDS = {"REQUEST_WEIGHT": "weight", "ORDERS": "orders", "RAW_REQUESTS": "raw"}


def symbol_rules(payload: Payload) -> SymbolRules:
    """One symbol of exchangeInfo. A filter the symbol does not have reads as zeros: not checked by the venue."""
    filters = {text(row, "filterType"): row for row in rows(payload.get("filters"), "filters")}
    price, lot, market = (filters.get(name, {}) for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE"))
    notional, to_market = _notional(filters)
    order_types = payload.get("orderTypes", [])
    if not isinstance(order_types, list) or not all(isinstance(each, str) for each in order_types):
        raise Unreadable("orderTypes is not a list of texts")
    return SymbolRules(
        symbol=text(payload, "symbol"),
        base=text(payload, "baseAsset"),
        quote=text(payload, "quoteAsset"),
        status=text(payload, "status"),
        tick=unsigned(price, "tickSize", ZERO),
        step=unsigned(lot, "stepSize", ZERO),
        quantity_min=unsigned(lot, "minQty", ZERO),
        quantity_max=unsigned(lot, "maxQty", ZERO),
        price_min=unsigned(price, "minPrice", ZERO),
        price_max=unsigned(price, "maxPrice", ZERO),
        notional_min=notional,
        market_quantity_max=unsigned(market, "maxQty", ZERO),
        market_step=unsigned(market, "stepSize", ZERO),
        notional_min_applies_to_market=to_market,
        order_types=tuple(order_types),
    )


def _notional(filters: dict[str, Payload]) -> tuple[Decimal, bool]:
    """The larger of the old and the new minimum-notional filter, and whether any of them counts for market orders."""
    least, to_market = ZERO, False
    for name, applies in (("MIN_NOTIONAL", "applyToMarket"), ("NOTIONAL", "applyMinToMarket")):
        if name in filters:
            least = max(least, unsigned(filters[name], "minNotional"))
            to_market = to_market or flag(filters[name], applies)
    return least, to_market


def rate_limits(value: object, number: str) -> dict[str, int]:
    """Rows of `rateLimits`, by names like `weight_1m`, `orders_10s`; `number` is the field wanted (`limit`, `count`).

    Rows of an unknown kind, or without that field, are left out: limits are an aid, never a reason to stop reading.
    """
    found: dict[str, int] = {}
    for row in value if isinstance(value, list) else []:
        try:
            kind, unit = _KINDS[row["rateLimitType"]], _UNITS[row["interval"]]
            found[f"{kind}_{whole(row, 'intervalNum')}{unit}"] = whole(row, number)
        except (KeyError, TypeError, Unreadable):
            continue
    return found


def touch(payload: Payload, bid: str, ask: str) -> tuple[Decimal, Decimal]:
    """Best bid and ask; an empty side of the book is unreadable, told by a price of zero or by a size of zero."""
    for size in ("B", "A", "bidQty", "askQty"):
        if size in payload:
            positive(payload, size)
    return positive(payload, bid), positive(payload, ask)
