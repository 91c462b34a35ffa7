"""The simulator's clocks: what time the wire shows, and how far along the tape the market is."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import define, field


def _host_ms() -> int:
    return time.time_ns() // 1_000_000


@define
class SimClock:
    """Server time in epoch milliseconds: the host's wall clock plus a skew that may be changed while running."""

    skew_ms: int = 0
    wall_ms: Callable[[], int] = _host_ms

    def now_ms(self) -> int:
        """The simulated exchange's present time, epoch milliseconds."""
        return self.wall_ms() + self.skew_ms


@define
class Pace:
    """Maps elapsed real seconds to a position on the tape (milliseconds since its first trade).

    `duration_s` is how many real seconds the whole span takes; nothing moves before `start`. An `endless` tape is
    played in a loop, so its position goes on counting; the others stay at their end.
    """

    span_ms: int
    duration_s: float
    endless: bool = False
    started_at: float | None = field(default=None, init=False)

    @classmethod
    def at_speed(cls, span_ms: int, speed: float, *, endless: bool) -> Pace:
        """The recorded pace times `speed` (1 = as recorded)."""
        return cls(span_ms, span_ms / 1000 / speed, endless)

    def start(self, mono_s: float) -> None:
        """Begin at this reading of the monotonic clock; a second start changes nothing."""
        if self.started_at is None:
            self.started_at = mono_s

    def position_ms(self, mono_s: float) -> int | None:
        """The tape position at this reading of the monotonic clock, None before the start."""
        if self.started_at is None:
            return None
        elapsed_s = mono_s - self.started_at
        if self.duration_s <= 0 or (elapsed_s >= self.duration_s and not self.endless):
            return self.span_ms
        return int(self.span_ms * (elapsed_s / self.duration_s))
