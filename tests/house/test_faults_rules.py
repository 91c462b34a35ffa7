"""The exchange changes what it allows while we trade: symbols halt, filters move, money is locked by somebody else."""

from decimal import Decimal

import attrs
import pytest

from house.fault_kit import PATIENT, PLACE, Stand, Stands, quick_ticks
from house.invariants import odd_numbers
from house.kit import LOT, SYMBOL
from matrix.evidence import judged
from realtrading.domain.events import ReconciliationComplete
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.engine import RealTradingEngine
from waiting import wait_until


@pytest.fixture
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clock and rules are read every 0.3 s instead of every 30 s."""
    quick_ticks(monkeypatch, user_stream=0.3)


def refused(stand: Stand, **what: object) -> str:
    """Why this market buy, or this one with other words, was refused."""
    ticket = stand.engine.buy(SYMBOL, **{"quantity": LOT, **what})
    order = ticket.wait(10)
    assert order is not None
    assert order.state is OrderState.REJECTED, order
    return order.reason


def rules_of(engine: RealTradingEngine) -> object:
    """What risk thinks the exchange allows."""
    return engine.rows("risk", "rules")[SYMBOL]


@pytest.mark.matrix("C14", invariants="G10")
@pytest.mark.parametrize("status", ["BREAK", "HALT", "CANCEL_ONLY"])
def test_a_symbol_that_does_not_trade_is_paused_and_resumes(status: str, stand_at: Stands, quick_look: None) -> None:
    """The first order is the exchange's to refuse, or our own reading is faster; then none is sent until it trades again.
    What rests can be cancelled meanwhile."""
    stand = stand_at()
    resting = stand.resting()
    stand.judge.call("symbol", symbol=SYMBOL, status=status)
    assert refused(stand) in (Reason.VENUE_REJECTED, Reason.RISK_SYMBOL_NOT_TRADING)
    wait_until(lambda: rules_of(stand.engine).status == status, 5, "it is known")  # type: ignore[attr-defined]
    with judged("G10"):
        sent = len(stand.asked("place"))
        assert [refused(stand) for _ in range(5)] == [Reason.RISK_SYMBOL_NOT_TRADING] * 5
        assert len(stand.asked("place")) == sent
        stand.engine.cancel(resting.id)
        stand.until(resting, OrderState.CANCELLED)
    stand.judge.call("symbol", symbol=SYMBOL, status="TRADING")
    wait_until(lambda: rules_of(stand.engine).status == "TRADING", 5, "it is seen to trade")  # type: ignore[attr-defined]
    stand.trades_on()
    assert stand.healed().clean


@pytest.mark.matrix("C14", invariants="G10")
def test_maintenance_shuts_the_door_and_ends_by_itself(stand_at: Stands) -> None:
    """Every request is answered 503 and the streams are gone: nothing new passes; over, it reconciles and goes on."""
    stand = stand_at()
    resting = stand.resting()
    stand.fault("status_before", {}, count=None, status=503)
    stand.judge.call("cut", streams="all")
    wait_until(lambda: "STREAM_LOST" in stand.now_open(), 5, "the stream is gone")
    with judged("G10"):
        sent = len(stand.asked("place"))
        assert [refused(stand) for _ in range(5)] == [Reason.BREAKER_STREAM_LOST] * 5
        assert len(stand.asked("place")) == sent
    stand.judge.heal()
    wait_until(lambda: stand.engine.is_ready, 20, "open again")
    stand.trades_on()
    assert stand.state(resting) is OrderState.NEW
    assert stand.healed(fired=False).clean


@pytest.mark.matrix("C15", invariants="G16")
@pytest.mark.parametrize("change", [{"min_notional": "100"}, {"step": "0.01", "min_qty": "0.01"}, {"min_qty": "0.005"}])
def test_filters_that_changed_are_read_after_the_first_refusal(change: dict[str, str], stand_at: Stands) -> None:
    """-1013 once; then the rules are read, orders below them stop in our own house, and one made by them goes through."""
    stand = stand_at()
    before = {"step": "0.00001", "min_qty": "0.00001", "min_notional": "5"}
    stand.judge.call("symbol", symbol=SYMBOL, **change)
    try:
        known = rules_of(stand.engine)
        assert refused(stand) == Reason.VENUE_FILTER
        wait_until(lambda: rules_of(stand.engine) != known, 5, "the rules were read again")
        assert refused(stand).startswith("RISK_FILTER_")
        assert len(stand.asked("place")) == 1, "no loop"
        ticket = stand.engine.buy(SYMBOL, quantity=Decimal("0.01"))
        stand.until(ticket, OrderState.FILLED)
        with judged("G16"):
            assert [] == list(odd_numbers(rules_of(stand.engine)))
    finally:
        stand.judge.call("symbol", symbol=SYMBOL, **before)
    assert stand.healed().clean


def test_rules_are_not_read_for_every_refusal(stand_at: Stands) -> None:
    """Ten orders are refused in a row: the rules are read once in five seconds, whatever is refused."""
    stand = stand_at()
    stand.fault("status_before", PLACE, count=10, status=400, code=-1013, msg="Filter failure: LOT_SIZE")
    assert [refused(stand) for _ in range(10)] == [Reason.VENUE_FILTER] * 10
    assert len([each for each in stand.judge.requests(stand.began) if each["path"].endswith("exchangeInfo")]) <= 4
    assert stand.healed().clean


@pytest.mark.matrix("C16", invariants="G10 G11")
def test_a_revoked_key_is_named_and_not_tried_for_ever(stand_at: Stands) -> None:
    """-2015 to everything: three orders are refused, the breaker opens and names it, and no storm of requests follows."""
    stand = stand_at(limits=attrs.evolve(PATIENT, circuit_breaker_errors=3, circuit_breaker_cooldown_secs=1))
    words = {"status": 401, "code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    stand.fault("status_before", {}, count=None, **words)
    assert [refused(stand) for _ in range(3)] == [Reason.VENUE_CREDENTIALS] * 3
    wait_until(lambda: "ERRORS" in stand.now_open(), 5, "shut")
    state = stand.engine.breaker_book.state
    assert "VENUE_CREDENTIALS" in str(state.last_error)
    seen = stand.judge.call("requests")["seq"]
    with judged("G11"):
        began = stand.judge.call("clock", skew_ms=0)["now_ms"]
        wait_until(lambda: stand.judge.call("clock", skew_ms=0)["now_ms"] > began + 5_000, 10, "five seconds")
        asked = stand.judge.requests(seen)
        assert len(asked) < 100, "a storm"
        assert not [each for each in asked if each["kind"] == "place"]
    stand.judge.heal()
    wait_until(lambda: stand.engine.circuit_breaker.half_open, 15, "the cooldown is over")
    stand.trades_on()
    assert stand.healed(fired=False).clean


@pytest.mark.matrix("C18", invariants="G4")
def test_money_that_is_not_there_is_looked_for_once_per_refusal(stand_at: Stands) -> None:
    """-2010 though our books say enough: certain, not sent again, the account is read anew and agrees; then it goes on."""
    stand = stand_at()
    stand.trades_on()
    rounds = len(stand.ear.of(ReconciliationComplete))
    words = {"status": 400, "code": -2010, "msg": "Account has insufficient balance for requested action."}
    stand.fault("status_before", PLACE, count=3, **words)
    assert [refused(stand) for _ in range(3)] == [Reason.VENUE_INSUFFICIENT_BALANCE] * 3
    wait_until(lambda: len(stand.ear.of(ReconciliationComplete)) > rounds, 10, "the account was read")
    done = stand.ear.of(ReconciliationComplete)[rounds:]
    assert len(done) <= 3
    assert {each.trigger for each in done} == {"foreign"}
    assert len(stand.asked("place")) == 4
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.matrix("C7", invariants="G1")
def test_an_id_that_the_exchange_would_take_again_is_never_used_again(stand_at: Stands) -> None:
    """Once filled, an id is free at the exchange: a second run, and hundreds of orders, use none twice."""
    first = stand_at(prefix="cw")
    for _ in range(30):
        first.buy()
    assert first.healed().clean
    assert first.engine.stop()
    second = stand_at(prefix="cw", journal_path=first.engine.settings.journal_path)
    for _ in range(30):
        second.buy()
    assert second.healed().clean
    with judged("G1"):
        ours = {name: seen for name, seen in second.judge.places().items() if name.startswith("cw_")}
        assert len(ours) == 60
        assert {(seen["place_requests"], seen["orders_created"]) for seen in ours.values()} == {(1, 1)}
