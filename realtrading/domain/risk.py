"""Limits as pure rules, and the commitments they are judged against."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import attrs

from .values import Side


@attrs.frozen(kw_only=True)
class Commitment:
    """What one order may still do: `ceiling` (original quantity; cumulative once final) minus `applied` (booked by positions).

    Merged only by maximum of `applied`, and by finality of `ceiling`; so order, repetition and lateness do not matter.
    `worst_price` (quote per base) values it; `reduces` marks an order judged to reduce managed quantity only.
    """

    order_id: str
    strategy: str
    symbol: str
    side: Side
    ceiling: Decimal
    applied: Decimal
    final: bool
    worst_price: Decimal
    reduces: bool


@attrs.frozen(kw_only=True)
class RiskDay:
    """The day the daily loss is counted in. `start` maps each position book to its result (reporting asset) at the roll."""

    day: date
    start: Mapping[str, Decimal]
    breached: bool = False
