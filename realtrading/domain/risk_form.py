"""Rules every order must keep, exits included: is it well formed, and does it fit what the symbol allows?"""
from __future__ import annotations

from .limits import is_above_zero
from .orders import RealOrder
from .reasons import Reason
from .risk_picture import Picture, Verdict
from .values import OrderType, Side, SymbolRules, plain


def malformed(picture: Picture) -> Verdict | None:
    """The order must be one the house can send: known words, plain numbers above 0, and exactly one kind of size."""
    wrong = _shape(picture.order)
    return None if wrong is None else Verdict(reason=Reason.RISK_MALFORMED, detail=wrong)


def _shape(order: RealOrder) -> str | None:
    side: object = order.side
    if not isinstance(side, Side):  # a plain "BUY" would pass for a sell wherever sides are compared by identity
        return f"side {side!r}"
    if not isinstance(order.order_type, OrderType):
        return f"order type {order.order_type!r} is not one the house sends"
    if order.stop_price is not None:
        return f"a {order.order_type} order takes no stop price"
    wrong = _sizes(order)
    if wrong is not None:
        return wrong
    if order.order_type is OrderType.MARKET:
        return "a MARKET order takes no price" if order.price is not None else _no_time_in_force(order)
    if order.price is None:
        return f"a {order.order_type} order needs a price"
    if not is_above_zero(order.price):
        return f"price {order.price}"
    return _no_time_in_force(order) if order.order_type is OrderType.LIMIT_MAKER else None


def _sizes(order: RealOrder) -> str | None:
    if order.quote_quantity is None:
        return None if is_above_zero(order.original_quantity) else f"quantity {order.original_quantity}"
    if order.order_type is not OrderType.MARKET:
        return "only a MARKET order may be sized by quote amount"
    if not is_above_zero(order.quote_quantity):
        return f"quote amount {order.quote_quantity}"
    # a NaN is not zero either; comparing it would raise
    if not order.original_quantity.is_zero():
        return "quantity and quote amount together"
    return None


def _no_time_in_force(order: RealOrder) -> str | None:
    return None if order.time_in_force is None else f"a {order.order_type} order takes no time in force"


def rules_present(picture: Picture) -> Verdict | None:
    """Nothing is sent for a symbol whose filters are not known."""
    if picture.rules is not None:
        return None
    return Verdict(reason=Reason.RISK_RULES_MISSING, detail=f"the rules of {picture.order.symbol} are not known")


def filters_kept(picture: Picture) -> Verdict | None:
    """Price on the tick, quantity on the step, both and the notional inside their bounds, as the venue asks."""
    order, rules = picture.order, picture.rules
    if rules is None:
        return rules_present(picture)
    if rules.order_types and order.order_type not in rules.order_types:
        return Verdict(reason=Reason.RISK_MALFORMED, detail=f"{rules.symbol} takes no {order.order_type} orders")
    return _price_filter(order, rules) or _quantity_filter(order, rules) or _notional_filter(picture, rules)


def _price_filter(order: RealOrder, rules: SymbolRules) -> Verdict | None:
    price = order.price
    if price is None:
        return None
    wrong = None
    if rules.tick and price % rules.tick:
        wrong = f"is not a multiple of the tick {plain(rules.tick)}"
    elif price < rules.price_min:
        wrong = f"is below {plain(rules.price_min)}"
    elif rules.price_max and price > rules.price_max:
        wrong = f"is above {plain(rules.price_max)}"
    return None if wrong is None else Verdict(reason=Reason.RISK_FILTER_PRICE, detail=f"price {plain(price)} {wrong}")


def _quantity_filter(order: RealOrder, rules: SymbolRules) -> Verdict | None:
    if order.quote_quantity is not None:
        return None  # the venue cuts what it buys for the amount to the step itself
    quantity, market = order.original_quantity, order.order_type is OrderType.MARKET
    largest = [rules.quantity_max] + [rules.market_quantity_max] * market
    steps = [rules.step] + [rules.market_step] * market
    wrong = None
    if quantity < rules.quantity_min:
        wrong = f"is below {plain(rules.quantity_min)}"
    for bound in largest:
        if bound and quantity > bound:
            wrong = f"is above {plain(bound)}"
    for step in steps:
        if step and quantity % step:
            wrong = f"is not a multiple of the step {plain(step)}"
    if wrong is None:
        return None
    return Verdict(reason=Reason.RISK_FILTER_QUANTITY, detail=f"quantity {plain(quantity)} {wrong}")


def _notional_filter(picture: Picture, rules: SymbolRules) -> Verdict | None:
    """A market order's notional is an estimate here (the venue takes its own average), so it never stops an exit."""
    unchecked = not rules.notional_min_applies_to_market or picture.reduces or picture.worst is None
    if picture.order.order_type is OrderType.MARKET and unchecked:
        return None
    if picture.cost >= rules.notional_min:
        return None
    detail = f"notional {plain(picture.cost)} {rules.quote} is below {plain(rules.notional_min)}"
    return Verdict(reason=Reason.RISK_FILTER_NOTIONAL, detail=detail)


def position_sufficient(picture: Picture) -> Verdict | None:
    """On spot a sell may take only what its strategy manages and no other live order has a claim on: no shorts."""
    order = picture.order
    if order.side is not Side.SELL or picture.reduces:
        return None
    asked = plain(order.original_quantity) if order.quote_quantity is None else f"for {plain(order.quote_quantity)}"
    detail = (
        f"sell {asked} {order.symbol}, but {order.strategy} manages {plain(picture.managed)}, "
        f"of which live orders hold {plain(picture.held)}"
    )
    return Verdict(reason=Reason.RISK_POSITION_INSUFFICIENT, detail=detail)


