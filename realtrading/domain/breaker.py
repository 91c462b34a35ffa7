"""The circuit breaker: causes with scope and token, the error count, the gate number."""
from __future__ import annotations

import enum
from datetime import datetime

import attrs


class CauseKind(enum.StrEnum):
    """Why new exposure is not let through."""

    ERRORS = "ERRORS"
    UNCONFIRMED = "UNCONFIRMED"
    STREAM_LOST = "STREAM_LOST"
    KEEPER_LOST = "KEEPER_LOST"
    DRIFT = "DRIFT"
    BACKLOG = "BACKLOG"
    CLOCK = "CLOCK"
    LOSS = "LOSS"
    MANUAL = "MANUAL"


ACCOUNT = "account"
"""The widest scope; the others are symbol:…, asset:… and strategy:…."""


@attrs.frozen(kw_only=True)
class BreakerCause:
    """One reason to be open. The same kind and scope again replaces the token; only a fact naming the token removes it."""

    kind: CauseKind
    scope: str
    token: str
    detail: str
    opened_at: datetime


@attrs.frozen(kw_only=True)
class CircuitBreakerState:
    """The seed's view: open or not, consecutive errors, since when (UTC), the last error. `half_open`: one probe may pass."""

    is_open: bool = False
    error_count: int = 0
    opened_at: datetime | None = None
    last_error: str | None = None
    half_open: bool = False
    probe: str | None = None
