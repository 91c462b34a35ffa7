"""Clocks that disagree: a request refused for its time is a sure no, and nothing new passes until the clock is right."""

import time
from datetime import timedelta

import pytest

from house.fault_kit import PLACE, Stands, quick_ticks
from matrix.evidence import judged
from realtrading import clock as house_clock
from realtrading import opening
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from waiting import wait_until


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's clock is measured every 0.2 s instead of every 30 s."""
    quick_ticks(monkeypatch, user_stream=0.2)


@pytest.mark.parametrize("skew_ms", [4_000, -4_000])
@pytest.mark.matrix("C10", invariants="G17")
@pytest.mark.matrix("F1", invariants="G17")
def test_a_clock_that_is_off_shuts_the_door_until_it_is_right(skew_ms: int, stand_at: Stands, quick_clock: None) -> None:
    """-1021 is a sure no; the clock is measured at once, orders wait outside while it is off, and pass when it is not."""
    stand = stand_at()
    stand.skew(skew_ms)
    first = stand.buy()
    refused = first.wait(5)
    assert refused is not None
    assert refused.reason in (Reason.VENUE_CLOCK, Reason.BREAKER_CLOCK)
    wait_until(lambda: stand.now_open() == {"CLOCK"}, 5, "the cause is open")
    blocked = stand.buy()
    assert blocked.wait(5) is not None
    assert blocked.detail.startswith(str(Reason.BREAKER_CLOCK))
    with judged("G17"):
        assert not stand.was_unknown(first)
        assert stand.engine.gauges.clock_offset_s == pytest.approx(skew_ms / 1000, abs=0.3)
        stand.skew(0)
        wait_until(lambda: stand.engine.is_ready, 5, "measured well again")
    stand.trades_on()
    assert stand.healed().clean


@pytest.mark.matrix("C10", invariants="G17")
def test_a_refused_timestamp_is_told_to_the_breaker_without_waiting_for_the_next_measurement(stand_at: Stands) -> None:
    """The measurement that follows a -1021 opens CLOCK at once: the regular one would come half a minute later."""
    stand = stand_at()
    stand.skew(4_000)
    refused = stand.buy().wait(5)
    assert refused is not None
    assert refused.reason == Reason.VENUE_CLOCK
    wait_until(lambda: stand.now_open() == {"CLOCK"}, 3, "the breaker knows")
    with judged("G17"):
        assert refused.state is OrderState.REJECTED
        stand.skew(0)
        stand.judge.call("cut", streams="user")
        wait_until(lambda: stand.engine.is_ready, 5, "a new connection measures again")
    assert stand.healed().clean


@pytest.mark.matrix("C10", invariants="G17")
def test_a_cancel_with_a_wrong_timestamp_is_sent_again_with_a_right_one(stand_at: Stands) -> None:
    """Refused for its time only, so nothing was done: measured, sent again, cancelled."""
    stand = stand_at()
    ticket = stand.resting()
    stand.skew(4_000)
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    with judged("G17"):
        assert [each["code"] for each in stand.asked("cancel")] == [-1021, 0]
    stand.skew(0)
    stand.judge.call("cut", streams="user")
    assert stand.healed().clean


@pytest.mark.parametrize("step_s", [3_600, -3_600, 2, -2])
@pytest.mark.matrix("F1", invariants="G10 G17")
def test_our_own_clock_that_jumps_shuts_the_door_and_changes_no_deadline(
    step_s: int, stand_at: Stands, quick_clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's wall clock is set while an order's outcome is unknown: it is found as soon as ever, what rests goes on
    resting, and until the clock is right again (or its error measured away) nothing new is signed."""
    jumped = [timedelta(0)]
    usual = house_clock.utc_now
    for place in (house_clock, opening):
        monkeypatch.setattr(place, "utc_now", lambda: usual() + jumped[0])
    stand = stand_at()
    resting = stand.resting()
    stand.mute()
    stand.fault("query_lag", PLACE, ms=2_000)
    stand.fault("drop_after", PLACE)
    ticket = stand.buy()
    stand.until(ticket, OrderState.UNKNOWN)
    began = time.monotonic()
    jumped[0] = timedelta(seconds=step_s)
    with judged("G17"):
        stand.until(ticket, OrderState.FILLED, deadline_s=6)
        assert 1 < time.monotonic() - began < 6
        wait_until(lambda: "CLOCK" in stand.now_open(), 5, "the breaker knows")
        assert stand.state(resting) is OrderState.NEW
    blocked = stand.buy()
    assert blocked.wait(5) is not None
    assert blocked.detail.startswith(str(Reason.BREAKER_CLOCK))
    jumped[0] = timedelta(0)
    wait_until(lambda: stand.engine.is_ready, 5, "measured well again")
    stand.skewed = True  # the journal's moments are those of our clock
    with judged("G10"):
        assert len(stand.asked("place")) == 2
    stand.judge.heal()
    stand.trades_on()
    assert stand.healed(fired=False).clean
