"""Reconciliation as a pure diff between what the house holds and what the venue told."""
from __future__ import annotations

import enum

import attrs


class DiscrepancyKind(enum.StrEnum):
    """What differed."""

    ORDER_MISSING_AT_VENUE = "order_missing_at_venue"
    ORDER_UNKNOWN_TO_US = "order_unknown_to_us"
    ORDER_STATE = "order_state"
    FILL_MISSED = "fill_missed"
    FILL_GAP = "fill_gap"
    BALANCE_DRIFT = "balance_drift"
    EXTERNAL_TRADE = "external_trade"
    FOREIGN_ORDER = "foreign_order"


class Resolution(enum.StrEnum):
    """What was done about it."""

    HEALED = "healed"
    EXPLAINED = "explained"
    WATCHED = "watched"
    UNRESOLVED = "unresolved"


@attrs.frozen(kw_only=True)
class Discrepancy:
    """One difference: the key it is about, both sides as text, what was done and why."""

    kind: DiscrepancyKind
    key: str
    engine: str
    exchange: str
    resolution: Resolution
    detail: str
