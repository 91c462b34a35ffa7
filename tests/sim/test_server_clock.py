"""The simulator's clocks, with time in the test's hand."""

from __future__ import annotations

import pytest

from realtrading.sim.clock import Pace, SimClock


def test_skew() -> None:
    """Server time is the host's wall clock plus the skew."""
    clock = SimClock(wall_ms=lambda: 5000)
    assert clock.now_ms() == 5000
    clock.skew_ms = -1500
    assert clock.now_ms() == 3500


@pytest.mark.parametrize(("pace", "points"), [
    (Pace(span_ms=46_000, duration_s=20), {0.0: 0, 10.0: 23_000, 20.0: 46_000, 99.0: 46_000}),
    (Pace.at_speed(46_000, 2, endless=False), {1.0: 2_000, 23.0: 46_000, 24.0: 46_000}),
    (Pace.at_speed(46_000, 1, endless=True), {46.0: 46_000, 92.0: 92_000}),
    (Pace(span_ms=0, duration_s=0), {0.0: 0, 5.0: 0}),
])  # fmt: skip
def test_pace(pace: Pace, points: dict[float, int]) -> None:
    """The span is scaled to the run: linear from the start, standing at the end unless endless."""
    assert pace.position_ms(100.0) is None
    pace.start(100.0)
    pace.start(150.0)
    assert {elapsed: pace.position_ms(100.0 + elapsed) for elapsed in points} == points
