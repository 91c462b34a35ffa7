"""The house's clocks: the only place where an engine asks what time it is."""
from __future__ import annotations

import time
from datetime import UTC, datetime

from realtrading.domain.values import Now


def utc_now() -> datetime:
    """The one wall clock of the house."""
    return datetime.now(UTC)


def clock() -> Now:
    """Both readings of this moment."""
    return Now(mono=time.monotonic(), utc=utc_now())
