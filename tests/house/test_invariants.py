"""The judges bite: each of them finds the breach that it is there for."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from house.invariants import (
    above_limits,
    backward_steps,
    causes_opened,
    odd_numbers,
    sent_before_recorded,
    shut_spans,
    signed_while_shut,
)
from house.kit import WIDE, Ear
from order_factories import an_order, at
from realtrading.domain.breaker import ACCOUNT, BreakerCause, CauseKind, CircuitBreakerState
from realtrading.domain.events import BreakerChanged, OrderFilled, OrderPlaced, OrderRevised
from realtrading.domain.orders import OrderState
from realtrading.journal.records import IntentRecorded

NAME = "kk_1_user_n1"


def ear(*events: object) -> Ear:
    made = Ear()
    for event in events:
        made(event)
    return made


def order(**changes: Any) -> Any:
    return attrs.evolve(an_order(id=NAME), **changes)


@pytest.mark.parametrize(("first", "second", "bad"), [
    (order(state=OrderState.NEW), order(state=OrderState.PARTIALLY_FILLED, executed_quantity=Decimal("0.1")), False),
    (order(state=OrderState.CANCELLED), order(state=OrderState.NEW), True),
    (order(executed_quantity=Decimal("0.2")), order(executed_quantity=Decimal("0.1")), True),
    (order(), order(executed_quantity=Decimal(10_000)), True),
])  # fmt: skip
def test_an_order_that_goes_backward_is_found(first: Any, second: Any, bad: bool) -> None:
    """G6: out of an end, less executed, more than was wanted; a revision may leave an end."""
    told = ear(OrderPlaced(order=first), OrderFilled(order=second, fills=()))
    assert bool(backward_steps(told)) is bad
    if first.state is OrderState.CANCELLED:
        assert [] == backward_steps(ear(OrderPlaced(order=first), OrderRevised(order=second, fills=(), detail="late")))


@pytest.mark.parametrize("number", [0.5, Decimal("NaN"), Decimal("Infinity"), Decimal("1" * 41)])
def test_a_number_that_is_none_is_found_however_deep(number: object) -> None:
    """G16: floats, what is not finite, what has too many digits."""
    assert [] == list(odd_numbers({"a": (Decimal("1.5"), 7, "0.5")}))
    assert list(odd_numbers({"a": ({"b": [number]},)}))


class Exchange:
    """A judge's door with what the test says."""

    def __init__(self, *, orders: Any = (), trades: Any = (), places: Any = ()) -> None:
        self._truth = {"orders": list(orders), "trades": list(trades)}
        self._places = list(places)

    def truth(self) -> Any:
        return self._truth

    def requests(self, since: int = 0, kind: str | None = None) -> Any:
        return self._places


def engine(**limits: int) -> Any:
    settings = SimpleNamespace(prefix="kk", limits=attrs.evolve(WIDE, **{name: Decimal(n) for name, n in limits.items()}))
    return SimpleNamespace(settings=settings, run=1)


def bought(number: int, time: int, quantity: str, status: str = "FILLED") -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "orderId": number, "clientOrderId": f"kk_1_user_n{number}", "side": "BUY", "time": time,
        "updateTime": time, "status": status, "origQty": quantity, "price": "100",
    }  # fmt: skip


def fill(number: int, time: int, value: str) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "orderId": number, "time": time, "qty": str(Decimal(value) / 100), "quoteQty": value}


def test_exposure_above_a_limit_is_found_at_its_moment() -> None:
    """G5: two filled buys of 100 and one that rests are 300: a limit of 300 holds, one of 250 does not."""
    rests = bought(3, 30, "1", "NEW")
    trades = [fill(1, 10, "100"), fill(2, 20, "100")]
    exchange: Any = Exchange(orders=[bought(1, 10, "1"), bought(2, 20, "1"), rests], trades=trades)
    assert [] == above_limits(exchange, engine(max_position_size_usdt=300, max_total_exposure_usdt=300))
    assert len(above_limits(exchange, engine(max_position_size_usdt=250, max_total_exposure_usdt=300))) == 1
    assert len(above_limits(exchange, engine(max_position_size_usdt=150, max_total_exposure_usdt=150))) == 4


def stored(event: object, seconds: float) -> Any:
    return SimpleNamespace(event=event, at=at(seconds))


def ms(seconds: float) -> int:
    return int(at(seconds).timestamp() * 1000)


def change(*kinds: CauseKind, half_open: bool = False) -> BreakerChanged:
    causes = tuple(BreakerCause(kind=kind, scope=ACCOUNT, token="t", detail="", opened_at=at(0)) for kind in kinds)
    return BreakerChanged(state=CircuitBreakerState(half_open=half_open), causes=causes, gate=1, changed="")


def test_a_request_before_its_record_is_found() -> None:
    """G2: sent and never recorded, or sent before it was recorded."""
    kept = [stored(IntentRecorded(order=order(), gate=1), 10)]
    late: Any = Exchange(places=[{"client_order_id": NAME, "at_ms": ms(10)}])
    early: Any = Exchange(places=[{"client_order_id": NAME, "at_ms": ms(9)}])
    assert [] == sent_before_recorded(late, engine(), kept, skewed=False)
    assert sent_before_recorded(early, engine(), kept, skewed=False)
    assert sent_before_recorded(late, engine(), [], skewed=False)


@pytest.mark.parametrize(("moment", "bad"), [(9.9, False), (10.2, False), (10.3, True), (19.9, True), (20.1, False)])
def test_an_entry_signed_behind_a_shut_door_is_found(moment: float, bad: bool) -> None:
    """G10: a quarter of a second after the cause opened, and until it closed; an exit (no gate) may pass."""
    door = [stored(change(CauseKind.CLOCK), 10), stored(change(), 20)]
    seen: Any = Exchange(places=[{"client_order_id": NAME, "at_ms": ms(moment)}])
    assert bool(signed_while_shut(seen, engine(), [stored(IntentRecorded(order=order(), gate=1), 5), *door])) is bad
    assert [] == signed_while_shut(seen, engine(), [stored(IntentRecorded(order=order(), gate=None), 5), *door])


def test_a_door_that_waits_for_its_probe_is_not_shut() -> None:
    """Half-open, with no cause but the errors, lets the probe through; another cause keeps it shut."""
    ajar = stored(change(CauseKind.ERRORS, half_open=True), 20)
    assert [(ms(10), ms(20))] == list(shut_spans([stored(change(CauseKind.ERRORS), 10), ajar, stored(change(), 30)]))
    both = stored(change(CauseKind.ERRORS, CauseKind.CLOCK, half_open=True), 20)
    assert [(ms(10), ms(30))] == list(shut_spans([stored(change(CauseKind.ERRORS), 10), both, stored(change(), 30)]))


def test_causes_are_counted_as_the_metrics_count_them() -> None:
    """What was open at the first word counts nothing; each later opening counts once, however often it is told."""
    clock, both = change(CauseKind.CLOCK), change(CauseKind.CLOCK, CauseKind.ERRORS)
    assert causes_opened(ear(change(CauseKind.UNCONFIRMED), change(), clock, clock, both)) == 2
