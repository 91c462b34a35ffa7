"""Balances as a ledger: opening + fills - fees + classified flows, per asset, exact.

The venue's own account answers are evidence beside the ledger, never its source: only so can a difference be seen at
all.

Decided here (seed's M-3): an asset has free and locked. What is held in all is the ledger's `total`; how much of it is
locked is the venue's word (`reported_locked`), for it also locks for orders that are not ours.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from .orders import RealOrder
from .values import ZERO, Side

FLOWS_REMEMBERED: Final = 256
"""Identities kept per asset, of trades and of flows each: the same one is told again within days, not months later."""


@attrs.frozen(kw_only=True)
class LedgerLine:
    """One asset. `orders` maps each retained order to its total effect on this asset (fees included); `settled` is the
    sum over archived orders; `flows` sums classified movements by kind, `seen` their newest identities; `fees` is the
    total of fees ever paid in this asset, `fees_by_order` its part from retained orders; `reported_*` is the venue's
    latest word (evidence only). `opened` False: something was booked before the first snapshot told what was there, so
    `opening` is not known yet and `total` is only what moved. `agreed_at` (the venue's clock) is a moment not long before
    the last at which both sides agreed: what explains a later difference happened after it.
    """

    asset: str
    opening: Decimal
    settled: Decimal = ZERO
    orders: Mapping[str, Decimal] = attrs.field(factory=dict)
    fees: Decimal = ZERO
    fees_by_order: Mapping[str, Decimal] = attrs.field(factory=dict)
    flows: Mapping[str, Decimal] = attrs.field(factory=dict)
    seen: tuple[str, ...] = ()
    reported_free: Decimal | None = None
    reported_locked: Decimal | None = None
    reported_at: datetime | None = None
    changed_at: datetime | None = None
    opened: bool = True
    agreed_at: datetime | None = None

    @property
    def total(self) -> Decimal:
        """What the house says the account holds of the asset."""
        return self.opening + self.settled + sum(self.orders.values(), ZERO) + sum(self.flows.values(), ZERO)


def opening(asset: str, free: Decimal, locked: Decimal, at: datetime) -> LedgerLine:
    """The line of an asset seen for the first time: everything the account held at that moment (UTC)."""
    return LedgerLine(
        asset=asset, opening=free + locked, reported_free=free, reported_locked=locked, reported_at=at
    )


def opened_with(line: LedgerLine, free: Decimal, locked: Decimal, at: datetime) -> LedgerLine:
    """A line that was not opened yet, opened so that its total is what the account held at that moment (UTC)."""
    moved = line.total - line.opening
    return attrs.evolve(with_report(line, free, locked, at), opening=free + locked - moved, opened=True)


def effects(order: RealOrder, base: str, quote: str) -> dict[str, tuple[Decimal, Decimal]]:
    """The order's total effect by now: asset -> (signed change with fees, fees). Base and quote are always in it."""
    sign = 1 if order.side is Side.BUY else -1
    deltas = {base: ZERO, quote: ZERO}
    fees = {base: ZERO, quote: ZERO}
    for fill in order.fills:
        deltas[base] += sign * fill.quantity
        deltas[quote] -= sign * fill.quote_quantity
        if fill.commission:
            asset = fill.commission_asset
            deltas[asset] = deltas.get(asset, ZERO) - fill.commission
            fees[asset] = fees.get(asset, ZERO) + fill.commission
    return {asset: (delta, fees[asset]) for asset, delta in deltas.items()}


def line_with_order(line: LedgerLine, order: RealOrder, base: str, quote: str) -> LedgerLine:
    """The line with the order's effect on it put in place of what it was. Telling it again changes nothing."""
    delta, fee = effects(order, base, quote).get(line.asset, (ZERO, ZERO))
    known_delta = line.orders.get(order.id, ZERO)
    known_fee = line.fees_by_order.get(order.id, ZERO)
    if (delta, fee) == (known_delta, known_fee):
        return line
    return attrs.evolve(
        line,
        orders={**line.orders, order.id: delta},
        fees=line.fees + fee - known_fee,
        fees_by_order={**line.fees_by_order, order.id: fee} if fee else line.fees_by_order,
    )


def with_flow(line: LedgerLine, kind: str, identity: str, amount: Decimal) -> LedgerLine:
    """The line with a movement that was no trade of ours (deposit, withdrawal, foreign trade …), each identity once."""
    if identity in line.seen:
        return line
    flows = {**line.flows, kind: line.flows.get(kind, ZERO) + amount}
    return remembering(attrs.evolve(line, flows=flows), identity)


def remembering(line: LedgerLine, identity: str) -> LedgerLine:
    """The line with an identity that moves nothing (any more), so that it moves nothing later either."""
    if identity in line.seen:
        return line
    alike = [known for known in line.seen if known.startswith("trade:") == identity.startswith("trade:")]
    oldest = alike[0] if len(alike) >= FLOWS_REMEMBERED else None
    return attrs.evolve(line, seen=(*(known for known in line.seen if known != oldest), identity))


def with_report(line: LedgerLine, free: Decimal, locked: Decimal, at: datetime) -> LedgerLine:
    """The line with the venue's word beside it; the ledger does not move. An older word than known is dropped."""
    if line.reported_at is not None and at < line.reported_at:
        return line
    return attrs.evolve(line, reported_free=free, reported_locked=locked, reported_at=at)


def settle(line: LedgerLine, order_id: str) -> LedgerLine:
    """The line after the order was archived: its effect moves into the settled sum, the total stays."""
    if order_id not in line.orders:
        return line
    return attrs.evolve(
        line,
        settled=line.settled + line.orders[order_id],
        orders={known: delta for known, delta in line.orders.items() if known != order_id},
        fees_by_order={known: fee for known, fee in line.fees_by_order.items() if known != order_id},
    )


def drift(line: LedgerLine) -> Decimal:
    """What the venue says more (or, negative, less) than the ledger; 0 while it has said nothing."""
    if line.reported_free is None or line.reported_locked is None:
        return ZERO
    return line.reported_free + line.reported_locked - line.total
