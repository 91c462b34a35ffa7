"""The venue's clock as we know it: our UTC plus a measured offset, used for signing and for proofs of absence."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from realtrading.domain.reports import ClockMeasured

from .fields import from_ms

_RESOLUTION_S = 0.0005  # the venue tells whole milliseconds, rounded down


class ServerClock:
    """Server time by the sharpest of a few questions. Until the first measurement the offset is zero."""

    def __init__(self, utc: Callable[[], datetime], mono: Callable[[], float]) -> None:
        self._utc = utc
        self._mono = mono
        self._offset = timedelta()

    def server_time(self, utc: datetime) -> datetime:
        """Our reading `utc` corrected by the offset."""
        return utc + self._offset

    def now(self) -> datetime:
        """Server time now, as far as we know."""
        return self._utc() + self._offset

    def stamp_offset_ms(self) -> float:
        """What must be added to `time.time() * 1000` to get server time.

        Python-binance stamps its requests that way.
        """
        return self.now().timestamp() * 1000 - time.time() * 1000

    async def measure(self, ask: Callable[[], Awaitable[int]], times: int) -> ClockMeasured:
        """Ask (server milliseconds) up to `times` times, keep the answer with the shortest round trip.

        An error of `ask` ends the round; it comes through only when there was no answer before it.
        """
        best: tuple[float, timedelta] | None = None
        for _ in range(times):
            before, began = self._utc(), self._mono()
            try:
                server_ms = await ask()
            except Exception:
                if best is None:
                    raise
                break
            trip_s = self._mono() - began
            middle = before + timedelta(seconds=trip_s / 2)
            offset = from_ms(server_ms) + timedelta(seconds=_RESOLUTION_S) - middle
            if best is None or trip_s < best[0]:
                best = (trip_s, offset)
        if best is None:
            raise ValueError("a clock is measured with at least one question")
        self._offset = best[1]
        return ClockMeasured(offset_s=best[1].total_seconds(), uncertainty_s=best[0] / 2 + _RESOLUTION_S)
