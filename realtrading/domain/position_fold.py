"""The arithmetic of positions: fills, one after the other, into what is open, what it cost and what it has earned.

Average cost, netted per key (seed M-6): a fill on the open side adds, one on the other side closes, and what is left
of it opens the other side (a flip). Long and short are the same sums with the sign turned.

Sums are exact. Only the *share* of the cost that a partial close releases is a quotient and is rounded; what stays open
keeps the exact rest, so whenever a position is flat, its result is exactly what was received minus what was paid.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from .fills import OrderFill
from .values import ZERO, Side, ratio

ENTRY_ORDERS_KEPT: Final = 64
"""A position that never goes flat is built by ever more orders; beyond this many only the newest are named."""

CUT: Final = "cut"
"""Order id of an entry that is no fill: quantity taken out because the wallet holds less."""


@attrs.frozen(kw_only=True)
class LegFill:
    """A fill as positions book it: signed base change after a base fee, signed quote change after a quote fee."""

    order_id: str
    trade_id: int
    side: Side
    price: Decimal
    base_delta: Decimal
    quote_delta: Decimal
    commission: Decimal
    commission_asset: str
    at: datetime

    @property
    def key(self) -> tuple[datetime, int]:
        """Its place in history: the venue's time, then its trade id."""
        return (self.at, self.trade_id)


@attrs.frozen(kw_only=True)
class OpenLeg:
    """What is open: signed `quantity`, what it cost (long: quote spent, short: quote received), and its story so far.

    `number` counts the positions of the key; `price` is the last fill's; `entry_price` is the cost per unit, rounded.
    """

    number: int
    long: bool
    quantity: Decimal
    cost: Decimal
    realized: Decimal
    commissions: Mapping[str, Decimal]
    entry_order_ids: tuple[str, ...]
    entry_price: Decimal
    price: Decimal
    opened_at: datetime


@attrs.frozen(kw_only=True)
class Folded:
    """The fold's whole state after some fills. Totals are over all positions of the key, the open one included."""

    leg: OpenLeg | None = None
    realized_total: Decimal = ZERO
    commissions: Mapping[str, Decimal] = attrs.field(factory=dict)
    closed: int = 0


def leg_fill(order_id: str, side: Side, fill: OrderFill, base: str, quote: str) -> LegFill:
    """The fill as it moves base and quote, whoever's side and in whatever asset its fee was paid."""
    sign = 1 if side is Side.BUY else -1
    base_fee = fill.commission if fill.commission_asset == base else ZERO
    quote_fee = fill.commission if fill.commission_asset == quote else ZERO
    return LegFill(
        order_id=order_id,
        trade_id=fill.trade_id,
        side=side,
        price=fill.price,
        base_delta=sign * fill.quantity - base_fee,
        quote_delta=-sign * fill.quote_quantity - quote_fee,
        commission=fill.commission,
        commission_asset=fill.commission_asset,
        at=fill.timestamp,
    )


def fold(folded: Folded, fill: LegFill, base: str, quote: str) -> tuple[Folded, OpenLeg | None]:
    """One fill further; also the leg it has closed (quantity 0), if it has.

    A leg keeps its fees: those in the quote asset reduce its result at once, those in a third asset are listed.
    """
    if fill.order_id == CUT:
        return _cut(folded, fill)
    quote_fee = fill.commission if fill.commission_asset == quote else ZERO
    cash = fill.quote_delta + quote_fee
    third = fill.commission and fill.commission_asset not in (base, quote)
    others = {fill.commission_asset: fill.commission} if third else {}
    leg, delta = folded.leg, fill.base_delta
    if leg is None:
        return _with(folded, _open(folded, fill, delta, cash, quote_fee, others))
    if not delta or (delta > 0) == leg.long:
        return _with(folded, _add(leg, fill, cash, quote_fee, others))
    if abs(delta) <= abs(leg.quantity):
        return _with(folded, _close(leg, fill, delta, cash, quote_fee, others))
    # over-close: the part that closes takes its share of cash and fee, the rest opens the other side
    part = -leg.quantity
    part_cash, part_fee = ratio(cash * part, delta), ratio(quote_fee * part, delta)
    folded, closed = _with(folded, _close(leg, fill, part, part_cash, part_fee, others))
    folded, _ = _with(folded, _open(folded, fill, delta - part, cash - part_cash, quote_fee - part_fee, {}))
    return folded, closed


def _open(
    folded: Folded, fill: LegFill, delta: Decimal, cash: Decimal, fee: Decimal, others: Mapping[str, Decimal]
) -> OpenLeg:
    # a fee may eat a whole crumb: then nothing opens, and what was paid for it is lost
    cost = (-cash if delta > 0 else cash) if delta else ZERO
    return OpenLeg(
        number=folded.closed + 1,
        long=delta > 0 if delta else fill.side is Side.BUY,
        quantity=delta,
        cost=cost,
        realized=-fee if delta else cash - fee,
        commissions=others,
        entry_order_ids=(fill.order_id,),
        entry_price=ratio(cost, abs(delta)) if delta else fill.price,
        price=fill.price,
        opened_at=fill.at,
    )


def _add(leg: OpenLeg, fill: LegFill, cash: Decimal, fee: Decimal, others: Mapping[str, Decimal]) -> OpenLeg:
    ids = leg.entry_order_ids
    if fill.order_id not in ids:
        ids = (*ids, fill.order_id)[-ENTRY_ORDERS_KEPT:]
    quantity = leg.quantity + fill.base_delta
    cost = leg.cost + (-cash if leg.long else cash)
    return attrs.evolve(
        leg,
        quantity=quantity,
        cost=cost,
        realized=leg.realized - fee,
        commissions=summed(leg.commissions, others),
        entry_order_ids=ids,
        entry_price=ratio(cost, abs(quantity)),
        price=fill.price,
    )


def _close(
    leg: OpenLeg, fill: LegFill, delta: Decimal, cash: Decimal, fee: Decimal, others: Mapping[str, Decimal]
) -> OpenLeg:
    released = released_cost(leg, delta)
    gain = cash - released if leg.long else released + cash
    return attrs.evolve(
        leg,
        quantity=leg.quantity + delta,
        cost=leg.cost - released,
        realized=leg.realized + gain - fee,
        commissions=summed(leg.commissions, others),
        price=fill.price,
    )


def released_cost(leg: OpenLeg, delta: Decimal) -> Decimal:
    """The share of the leg's cost that goes with `delta` of its quantity; all of it, exactly, with the last of it."""
    return leg.cost if delta == -leg.quantity else ratio(leg.cost * abs(delta), abs(leg.quantity))


def _cut(folded: Folded, fill: LegFill) -> tuple[Folded, OpenLeg | None]:
    """Quantity that is no longer there leaves at average cost: nothing was earned or lost by it here."""
    leg = folded.leg
    if leg is None or (fill.base_delta > 0) == leg.long:
        return folded, None
    delta = fill.base_delta if abs(fill.base_delta) < abs(leg.quantity) else -leg.quantity
    cost = leg.cost - released_cost(leg, delta)
    return _with(folded, attrs.evolve(leg, quantity=leg.quantity + delta, cost=cost))


def _with(folded: Folded, leg: OpenLeg) -> tuple[Folded, OpenLeg | None]:
    """The state after the leg has moved, totals moved by as much; the leg again, if it is closed now."""
    known = folded.leg
    before, listed = (known.realized, known.commissions) if known is not None else (ZERO, {})
    more = {asset: fee - listed.get(asset, ZERO) for asset, fee in leg.commissions.items()}
    over = not leg.quantity
    after = attrs.evolve(
        folded,
        leg=None if over else leg,
        realized_total=folded.realized_total + leg.realized - before,
        commissions=summed(folded.commissions, more),
        closed=folded.closed + int(over),
    )
    return after, leg if over else None


def summed(left: Mapping[str, Decimal], right: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    """Both sums per asset as one."""
    if not right:
        return left
    return {asset: left.get(asset, ZERO) + right.get(asset, ZERO) for asset in {**left, **right}}
