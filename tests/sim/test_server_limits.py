"""Rate limits: clock-aligned windows, 429 then 418, and unfilled order counts that fills give back."""

from __future__ import annotations

import pytest

from realtrading.sim.errors import BinanceError
from realtrading.sim.limits import Limits, LimitSettings, Throttled, Window

MINUTE = 60_000
NOON = 1_700_000_040_000  # start of a minute


def test_windows_are_aligned_to_the_clock() -> None:
    """A count made in the last millisecond of a minute is gone in the next minute's first."""
    window = Window(MINUTE)
    assert window.add(7, NOON + MINUTE - 1) == 7
    assert window.count(NOON + MINUTE - 1) == 7
    assert window.count(NOON + MINUTE) == 0
    assert window.ends_at(NOON + 1) == NOON + MINUTE


def test_weight_limit_then_ban() -> None:
    """Over the weight limit: 429 until the minute ends; who does not slow down is banned, and longer the next time."""
    limits = Limits(LimitSettings(weight_1m=10, ban_after=2, ban_ms=120_000))
    limits.admit("a", 10, NOON, raw=True)
    limits.charge("a", 10, NOON)
    for _ in range(2):
        with pytest.raises(Throttled) as slow:
            limits.admit("a", 1, NOON + 500, raw=True)
        assert (slow.value.status, slow.value.code, slow.value.retry_at_ms) == (429, -1003, NOON + MINUTE)
        assert slow.value.msg.startswith("Too much request weight used; current limit is 10 request weight per 1 MIN")
    with pytest.raises(Throttled) as banned:
        limits.admit("a", 1, NOON + 500, raw=True)
    assert (banned.value.status, banned.value.retry_at_ms) == (418, NOON + 500 + 120_000)
    assert f"IP banned until {NOON + 500 + 120_000}" in banned.value.msg
    limits.admit("b", 1, NOON + 500, raw=True)
    with pytest.raises(Throttled):
        limits.admit("a", 1, NOON + 120_499, raw=True)
    later = NOON + 4 * MINUTE
    limits.admit("a", 10, later, raw=True)
    limits.charge("a", 10, later)
    for _ in range(3):
        with pytest.raises(Throttled) as again:
            limits.admit("a", 1, later, raw=True)
    assert again.value.retry_at_ms == later + 240_000


def test_raw_requests_count_on_rest_only() -> None:
    """The raw request limit is about REST: WebSocket calls do not count."""
    limits = Limits(LimitSettings(raw_5m=2))
    for _ in range(5):
        limits.admit("a", 1, NOON, raw=False)
    limits.admit("a", 1, NOON, raw=True)
    limits.admit("a", 1, NOON, raw=True)
    with pytest.raises(Throttled) as slow:
        limits.admit("a", 1, NOON, raw=True)
    assert "2 requests per 5 MINUTE" in slow.value.msg


def test_order_counts() -> None:
    """At the order limit the answer is -1015 with status 429; first fills give room back, never below zero."""
    limits = Limits(LimitSettings(orders_10s=2, orders_1d=100))
    for _ in range(2):
        limits.admit_order(1001, NOON)
        limits.count_order(1001, 1, NOON)
    with pytest.raises(BinanceError) as refusal:
        limits.admit_order(1001, NOON)
    assert (refusal.value.code, refusal.value.status) == (-1015, 429)
    assert refusal.value.msg == "Too many new orders; current limit is 2 orders per 10 SECOND."
    limits.count_order(1001, -1, NOON)
    assert limits.order_counts(1001, NOON) == (1, 1)
    limits.count_order(1001, -5, NOON)
    assert limits.order_counts(1001, NOON) == (0, 0)
    assert [row["count"] for row in limits.order_limits(1001, NOON)] == [0, 0]


@pytest.mark.parametrize("given", [{"weight": 1}, {"weight_1m": 0}, {"weight_1m": "9"}, {"orders_10s": True}])
def test_settings_refuse_nonsense(given: dict[str, object]) -> None:
    """Unknown limits and values that are no positive integers are refused."""
    with pytest.raises(ValueError):
        LimitSettings().changed(given)
