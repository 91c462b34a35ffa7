"""Virtual time: an asyncio loop whose clock jumps to the next timer, so that tasks of the wire desk need no real second."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 3, 1, 12, tzinfo=UTC)
START_S = 1_000.0


class _Jumps:
    """The selector of a loop without files: to wait is to move the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let `timeout` seconds pass."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen again: the simulation is stuck")
        self._loop.pass_s(timeout)
        return []

    def close(self) -> None:
        """Nothing is held."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Single-threaded, no files, no real time: the same calls give the same order of callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = START_S
        self._selector = _Jumps(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Virtual monotonic seconds."""
        return self._now_s

    def pass_s(self, seconds: float) -> None:
        """Move the clock."""
        self._now_s += seconds

    def true_utc(self) -> datetime:
        """What an ideal clock shows: the exchange's time."""
        return EPOCH + timedelta(seconds=self._now_s - START_S)

    def true_ms(self) -> int:
        """The same as epoch milliseconds."""
        return int(EPOCH.timestamp() * 1000) + int((self._now_s - START_S) * 1000)

    async def passing(self, seconds: float) -> None:
        """Let virtual time pass for one task; no real second goes by."""
        over = self.create_future()
        timer = self.call_later(seconds, _over, over)
        try:
            await over
        finally:
            timer.cancel()

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no files."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in another thread."""


def _over(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
