"""Balances as a ledger: opening + fills - fees + classified flows, per asset, exact."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from .values import ZERO


@attrs.frozen(kw_only=True)
class LedgerLine:
    """One asset. `orders` maps each retained order to its total effect on this asset (fees included); `settled` is the sum
    over archived orders; `flows` sums classified movements by kind; `reported_*` is the venue's latest word (evidence only).
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

    @property
    def total(self) -> Decimal:
        """What the house says the account holds of the asset."""
        return self.opening + self.settled + sum(self.orders.values(), ZERO) + sum(self.flows.values(), ZERO)
