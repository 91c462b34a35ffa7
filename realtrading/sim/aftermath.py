"""What follows from trades and ends of orders: stops that their price wakes, and the other orders of a list.

Binance documents that pending orders sleep until the working order is filled completely, and that an OCO's legs exclude
each other. It does not say what happens to an order that is refused when its turn comes: here it ends REJECTED, with the
reason that a refusal at placement would have had, and the leg beside it with it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from . import errors
from .core import Core
from .errors import BinanceError
from .lists import OrderList
from .matching import Matcher
from .numbers import ZERO, reserve
from .orders import Order
from .pair import Pair

BASIS = Decimal(10_000)
OCO_TRIGGER = "OCO_TRIGGER"
REASONS = {
    "Account has insufficient balance for requested action.": "INSUFFICIENT_BALANCES",
    "Order would trigger immediately.": "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    "Order would immediately match and take.": "WOULD_MATCH_IMMEDIATELY",
}


class Aftermath:
    """Runs after everything that trades or ends orders, until nothing follows any more."""

    def __init__(self, core: Core, matcher: Matcher) -> None:
        self.core = core
        self.matcher = matcher

    def run(self, pair: Pair, now_ms: int) -> None:
        """Bring lists and stops of one symbol up to what happened, in the order in which it happened."""
        while pair.stirred or pair.moved:
            if pair.stirred:
                order = pair.stirred.popleft()
                listed = self.core.lists[order.list_id]
                if listed.is_live:
                    self._follow(pair, listed, order, now_ms)
                continue
            price = pair.moved.popleft()
            for order in list(pair.stops.values()):
                follow(order, price, now_ms)
                if order.order_id in pair.stops and reached(order, price):
                    self._wake(pair, order, now_ms)

    def start(self, pair: Pair, order: Order, now_ms: int) -> None:
        """Let an admitted order whose funds are locked do what it came for: wait for its price, or trade."""
        if order.is_stop:
            order.working, order.working_ms = False, None
            pair.stops[order.order_id] = order
            last = pair.history.last_price
            if last is not None and not order.stop:
                follow(order, last, now_ms)
            self.core.report(pair, order, "NEW", now_ms)
            return
        order.working, order.working_ms = True, now_ms
        self.core.report(pair, order, "NEW", now_ms)
        self.trade(pair, order, now_ms)

    def trade(self, pair: Pair, order: Order, now_ms: int) -> None:
        """Match a working order, and end it or let it rest."""
        if order.tif != "FOK" or not self.matcher.reach(pair, order).exhausted:
            self.matcher.take(pair, order, now_ms)
        if not order.is_live:
            return
        if order.at_market:
            self.core.expire(pair, order, "INSUFFICIENT_LIQUIDITY", now_ms)
        elif order.tif == "IOC":
            self.core.expire(pair, order, "UNFILLED_IOC_QUANTITY_EXPIRED", now_ms)
        elif order.tif == "FOK":
            self.core.expire(pair, order, "UNFILLED_FOK_ORDER_EXPIRED", now_ms)
        else:
            pair.book.own(buy=order.is_buy).add(order)

    def _wake(self, pair: Pair, order: Order, now_ms: int) -> None:
        """The stop's price was reached: it works from now on, a second NEW says so."""
        del pair.stops[order.order_id]
        self._exclude(pair, order, now_ms)
        order.working, order.working_ms, order.updated_ms = True, now_ms, now_ms
        self.core.report(pair, order, "NEW", now_ms)
        if order.is_buy and order.at_market:
            cost = self.matcher.reach(pair, order).cost
            free = self.core.ledger.accounts[order.uid].free(pair.rules.quote)
            if cost > order.locked + free:  # the price ran away from what was set aside
                self.core.expire(pair, order, "EXCHANGE_CANCELED", now_ms)
                return
            self.core.lock(pair, order, max(cost, order.locked))
        self.trade(pair, order, now_ms)

    def _follow(self, pair: Pair, listed: OrderList, order: Order, now_ms: int) -> None:
        if order is listed.working:
            if order.status == "FILLED":
                self._activate(pair, listed, now_ms)
            elif not order.is_live:
                self._end(pair, listed, "OTO_PHASE_ONE_EXPIRED", now_ms)
        else:
            self._exclude(pair, order, now_ms)
        if all(not each.is_live for each in listed.orders):
            listed.finish(now_ms, rejected=all(each.status == "REJECTED" for each in listed.orders))
            self.core.tell_list(listed, now_ms)

    def _exclude(self, pair: Pair, order: Order, now_ms: int) -> None:
        """A leg traded, woke or ended: the other one ends, and what it held goes to the one that lives."""
        listed = self.core.lists.get(order.list_id)
        other = None if listed is None else listed.sibling(order)
        if other is None or not other.is_live or order.expiry_reason == OCO_TRIGGER:
            return
        if order.is_live:
            order.locked, other.locked = order.locked + other.locked, ZERO
        if other.rests:
            pair.book.own(buy=other.is_buy).remove(other)
        self.core.expire(pair, other, OCO_TRIGGER, now_ms)
        if order.is_live:
            self.core.lock(pair, order, need(pair, order))

    def _end(self, pair: Pair, listed: OrderList, reason: str, now_ms: int) -> None:
        for leg in listed.legs:
            if leg.is_live:
                self.core.expire(pair, leg, reason, now_ms)

    def _activate(self, pair: Pair, listed: OrderList, now_ms: int) -> None:
        """The working order is filled completely: the pending orders are placed now, all of them or none."""
        waiting = [leg for leg in listed.legs if leg.status == "PENDING_NEW"]
        if not waiting:
            return
        try:
            for leg in waiting:
                self.check(pair, leg)
            amount = max(self.cost(pair, leg) for leg in waiting)
            self.afford(pair, listed.legs[0], amount)
        except BinanceError as refusal:
            for leg in waiting:
                leg.expiry_reason = "REJECTED"
                self.core.end(pair, leg, "REJECTED", now_ms)
                report = self.core.report(pair, leg, "REJECTED", now_ms)
                report["r"], report["eR"] = REASONS.get(refusal.msg, "NONE"), "REJECTED"
            return
        self.core.lock(pair, listed.holder, amount)
        for leg in waiting:
            if leg.is_live:  # the one before may have traded, woken and excluded this one
                leg.status = "NEW"
                leg.updated_ms = now_ms
                self.start(pair, leg, now_ms)

    def check(self, pair: Pair, order: Order) -> None:
        """Raise -2010 for an order whose moment has passed: a stop that would wake, a maker that would take."""
        last = pair.history.last_price
        if order.is_stop and order.stop and last is not None and meets(order, last):
            raise errors.would_trigger()
        best = pair.book.against(buy=order.is_buy).best()
        crosses = best is not None and (best[0] <= order.price if order.is_buy else best[0] >= order.price)
        if order.type == "LIMIT_MAKER" and crosses:
            raise errors.would_take()

    def afford(self, pair: Pair, order: Order, amount: Decimal) -> None:
        """Raise -2010 when the account has not so much to lock for it."""
        if amount > self.core.ledger.accounts[order.uid].free(pair.spent(order)):
            raise errors.insufficient_balance()

    def cost(self, pair: Pair, order: Order) -> Decimal:
        """What must be locked for the order now, by quantity."""
        if order.is_buy and order.type == "MARKET":
            return self.matcher.reach(pair, order).cost
        return need(pair, order)


def need(pair: Pair, order: Order) -> Decimal:
    """What an order that rests or waits holds: its quantity, or what that costs at its price, or at its stop's."""
    if not order.is_buy:
        return order.remaining
    if order.price:
        return reserve(order.price, order.remaining)
    last = pair.history.last_price or ZERO
    trailed = last * (BASIS + order.trailing) / BASIS if order.trailing is not None else ZERO
    return reserve(max(order.stop, trailed), order.remaining)


class Sided(Protocol):
    """An order, or a request for one."""

    @property
    def side(self) -> str:
        """BUY or SELL."""

    @property
    def type(self) -> str:
        """The order type."""


def rises(order: Sided) -> bool:
    """Whether the stop waits for a price above the market (else below it)."""
    return (order.side == "BUY") == order.type.startswith("STOP_LOSS")


def meets(order: Order, price: Decimal) -> bool:
    """Whether a trade at `price` meets the stop price."""
    return price >= order.stop if rises(order) else price <= order.stop


def reached(order: Order, price: Decimal) -> bool:
    """Whether a trade at `price` wakes the stop; a trailing one has followed that price already.

    Trailing (Binance's trailing stop FAQ): a buy wakes when the price has risen by the delta from its lowest since the
    order follows it, a sell when it has fallen by the delta from its highest.
    """
    if order.trailing is None:
        return meets(order, price)
    if order.best is None:
        return False
    if order.is_buy:
        return price >= order.best * (BASIS + order.trailing) / BASIS
    return price <= order.best * (BASIS - order.trailing) / BASIS


def follow(order: Order, price: Decimal, now_ms: int) -> None:
    """Let a trailing stop follow the price: from its placement on, or from the first trade that meets its stop price."""
    if order.trailing is None:
        return
    if order.best is not None:
        order.best = min(order.best, price) if order.is_buy else max(order.best, price)
    elif not order.stop or meets(order, price):
        order.best, order.trailing_ms = price, now_ms
