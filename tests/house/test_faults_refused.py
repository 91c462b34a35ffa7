"""Refusals, bans and reads without an answer: certain is certain, silence is kept, and a failed look concludes nothing."""

from typing import Any

import attrs
import pytest

from house.fault_kit import PATIENT, PLACE, QUERY, Stands, name_of
from matrix.evidence import judged
from realtrading.domain.events import CircuitBreakerClosed, CircuitBreakerOpened, ReconciliationFailed
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from waiting import wait_until


@pytest.mark.matrix("C16", invariants="G10")
def test_three_unknown_outcomes_open_the_breaker_and_a_probe_closes_it(stand_at: Stands) -> None:
    """The seed's rule on the wire: three errors in a row open it, after the cooldown one probe's success closes it."""
    stand = stand_at(limits=attrs.evolve(PATIENT, circuit_breaker_errors=3, circuit_breaker_cooldown_secs=1))
    stand.fault("status_before", PLACE, count=3, status=401, code=-2015, msg="Invalid API-key, IP, or permissions.")
    refused = [stand.buy().wait(5) for _ in range(3)]
    assert [order and order.reason for order in refused] == [Reason.VENUE_CREDENTIALS] * 3
    wait_until(lambda: stand.now_open() == {"ERRORS"}, 5, "open")
    blocked = stand.buy()
    assert blocked.wait(5) is not None
    assert blocked.detail.startswith(str(Reason.BREAKER_ERRORS))
    assert len(stand.asked("place")) == 3
    wait_until(lambda: stand.engine.circuit_breaker.half_open, 5, "the cooldown is over")
    stand.trades_on()
    wait_until(lambda: stand.engine.is_ready, 5, "closed by its probe")
    assert len(stand.ear.of(CircuitBreakerOpened)) == 1
    assert len(stand.ear.of(CircuitBreakerClosed)) == 2, "at the start and now"
    assert stand.healed().clean


@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.matrix("C8", invariants="G11")
def test_a_throttled_placement_is_refused_and_the_house_is_silent_as_long_as_asked(status: int, stand_at: Stands) -> None:
    """Refused for sure; until the venue's Retry-After has passed no request at all leaves the house, then it goes on."""
    stand = stand_at()
    stand.fault("status_before", PLACE, status=status, retry_after=2)
    first = stand.buy()
    refused = first.wait(5)
    assert refused is not None
    assert refused.reason == Reason.VENUE_THROTTLED
    seen = stand.judge.call("requests")["seq"]
    second = stand.buy()
    also = second.wait(5)
    assert also is not None
    assert also.reason == Reason.VENUE_THROTTLED
    with judged("G11"):
        assert stand.judge.requests(seen) == [], "nothing was sent during the silence"
        asked_at = stand.asked("place")[0]["at_ms"]
        wait_until(lambda: stand.engine.gauges.silent_until_utc and stand.engine.reconcile(1), 10, "the silence is over")
        later = stand.judge.requests(seen)
        assert min(each["at_ms"] for each in later) >= asked_at + 1_900
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.parametrize(("action", "params"), [
    ("status_before", {"status": 429, "retry_after": 1}),
    ("status_before", {"status": 418, "retry_after": 1}),
    ("status_before", {"status": 503}),
    ("status_before", {"status": 403}),
    ("answer_garbage", {"body": "html"}),
    ("drop_after", {}),
], ids=name_of)  # fmt: skip
def test_a_query_without_an_answer_is_asked_again(action: str, params: dict[str, Any], stand_at: Stands) -> None:
    """An order of unknown outcome whose question fails too stays unknown and is asked about until a fact answers."""
    stand = stand_at()
    stand.mute()
    stand.fault("drop_after", PLACE)
    stand.fault(action, QUERY, count=1 if "retry_after" in params else 3, **params)
    ticket = stand.buy()
    stand.until(ticket, OrderState.FILLED, deadline_s=15)
    assert stand.healed().clean
    assert stand.was_unknown(ticket)


@pytest.mark.parametrize(("action", "params", "path"), [
    ("status_before", {"status": 429, "retry_after": 1}, "/api/v3/openOrders"),
    ("status_before", {"status": 418, "retry_after": 1}, "/api/v3/account"),
    ("status_before", {"status": 503, "body": "html"}, "/api/v3/account"),
    ("drop_after", {}, "/api/v3/myTrades"),
    ("answer_garbage", {}, "/api/v3/time"),
], ids=name_of)  # fmt: skip
def test_a_snapshot_without_an_answer_fails_its_round_and_another_follows(
    action: str, params: dict[str, Any], path: str, stand_at: Stands
) -> None:
    """A round that lacks any answer concludes nothing; what was wished is looked at again until it is answered."""
    stand = stand_at()
    stand.trades_on()
    stand.fault(action, {"path": path}, **params)
    found = stand.engine.reconcile(15)
    assert found is not None
    assert found.clean
    assert stand.ear.of(ReconciliationFailed)
    assert stand.causes() == set(), "a failed look shuts nothing by itself"
    assert stand.healed().clean
