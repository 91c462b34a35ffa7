"""The venue's clock by the sharpest of a few questions, measured against made-up clocks."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from realtrading.domain.reports import ClockMeasured
from realtrading.venue.clock import ServerClock

START = datetime(2026, 1, 2, 12, tzinfo=UTC)
AHEAD_MS = 2_000


class World:
    """Our time, which only moves while a question is on its way; the server is 2 s ahead."""

    def __init__(self, *trips: tuple[float, float]) -> None:
        self.passed_s = 0.0
        self._trips = list(trips)
        self.clock = ServerClock(lambda: START + timedelta(seconds=self.passed_s), lambda: 100 + self.passed_s)

    async def ask(self) -> int:
        """The server's answer after one trip: seconds there, seconds back; a negative one breaks off."""
        there_s, back_s = self._trips.pop(0)
        if there_s < 0:
            raise ConnectionError
        self.passed_s += there_s
        server_ms = int((START + timedelta(seconds=self.passed_s)).timestamp() * 1000) + AHEAD_MS
        self.passed_s += back_s
        return server_ms

    def measure(self, times: int) -> ClockMeasured:
        return asyncio.run(self.clock.measure(self.ask, times))


def test_the_shortest_trip_wins() -> None:
    """Slow and lopsided answers are outvoted by the sharpest one, whose half trip bounds the error."""
    world = World((0.4, 0.0), (0.01, 0.03), (0.0, 0.5))
    measured = world.measure(3)
    assert measured.uncertainty_s == pytest.approx(0.0205)
    assert abs(measured.offset_s - 2) <= measured.uncertainty_s
    assert world.clock.server_time(START) == START + timedelta(seconds=measured.offset_s)


def test_a_symmetric_trip_is_exact() -> None:
    """Half the round trip is taken off, so an even way there and back leaves only the milliseconds' rounding."""
    assert abs(World((0.3, 0.3)).measure(1).offset_s - 2) <= 0.0011


def test_a_question_that_fails_ends_the_round() -> None:
    """What was measured before counts; without any answer the failure comes through and the offset stays."""
    world = World((0.1, 0.1), (-1, 0), (0.001, 0.001))
    assert world.measure(3).uncertainty_s == pytest.approx(0.1005)
    nothing = World((-1, 0))
    with pytest.raises(ConnectionError):
        nothing.measure(3)
    assert nothing.clock.server_time(START) == START


def test_requests_are_stamped_by_the_houses_clock() -> None:
    """The number python-binance adds to its own reading leads to our time plus the offset, whatever its reading is."""
    world = World((0.0, 0.0))
    world.measure(1)
    stamped_s = datetime.now(UTC).timestamp() + world.clock.stamp_offset_ms() / 1000
    assert abs(stamped_s - (START.timestamp() + 2)) < 0.5
