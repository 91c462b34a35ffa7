"""Live state, recorded state and recovered state are one, and a connection that drops costs no order."""

from decimal import Decimal
from typing import Any

from house.conftest import Engines
from house.kit import LOT, SYMBOL, Ear, Judge, dripper, quiet, violations, wait_ready
from realtrading.domain.breaker import CauseKind
from realtrading.engine import RealTradingEngine
from realtrading.journal.readers import opened
from realtrading.runtime.spec import FaultKind
from realtrading.topology import ACTORS
from waiting import wait_until


def recovered_tables(engine: RealTradingEngine) -> dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]]:
    """(actor, table) -> the live table and the journal's, for all that a cold start would put back."""
    found = {}
    with opened(engine.settings.journal_path) as reader:
        for row in ACTORS:
            for kept, own in row.recovers:
                found[(row.name, own)] = (dict(engine.house.tables(row.name)[own].snapshot()), reader.rows(kept))
    return found


def busy(engine: RealTradingEngine, judge: Judge) -> None:
    """Fills, a rest, a cancel, a refusal, a restart, a foreign trade, a deposit."""
    wait_until(lambda: sum(o.state == "Filled" for o in engine.orders.values()) >= 10, 20, "ten orders are filled")
    engine.buy(SYMBOL, quantity="1000").wait(5)
    engine.sell(SYMBOL, quantity="5").wait(5)
    engine.inject("positions", FaultKind.EXCEPTION)
    judge.call("deposit", asset="USDT", amount="12.5")
    judge.call("orders", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.003")
    wait_ready(engine)
    engine.buy(SYMBOL, quantity=LOT).wait(5)
    engine.stop_strategies()
    quiet(engine)
    done = engine.reconcile(20)
    assert done is not None
    assert done.clean, done.unresolved
    quiet(engine)


def test_live_state_recorded_state_and_recovered_state_agree(engines: Engines, judge: Judge) -> None:
    """After a busy run each durable table equals the journal's rows; the next engine starts with exactly these."""
    first = engines(strategies=(dripper(rest=True),), prefix="re").start()
    busy(first, judge)
    tables = recovered_tables(first)
    assert len(tables) == sum(len(row.recovers) for row in ACTORS) > 8
    for place, (live, recorded) in tables.items():
        assert live == recorded, place
    assert all(live for place, (live, _) in tables.items())
    assert violations(judge, first) == []
    assert first.stop()

    second = engines(prefix="re")
    second.start(ready_timeout_s=None)
    for place, (_, recorded) in recovered_tables(second).items():
        if place[0] != "breaker":  # it begins a run open, and that is not written down
            assert recorded == tables[place][1], place
            assert dict(second.house.tables(place[0])[place[1]].snapshot()) == tables[place][0], place
    wait_until(lambda: second.is_reconciled, 15, "reconciled")
    assert second.buy(SYMBOL, quantity=LOT).wait(10).state == "Filled"  # type: ignore[union-attr]
    quiet(second)
    assert violations(judge, second) == []


def test_a_dropped_stream_under_a_burst_of_orders_is_no_error_of_the_venue(engines: Engines, judge: Judge) -> None:
    """Orders that meet the gap are refused for the stream's sake; ERRORS, and its cooldown of minutes, stays shut."""
    engine = engines().start()
    ear: Ear = engine.ear  # type: ignore[attr-defined]
    tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(5)]
    judge.call("cut", streams="all")
    tickets += [engine.buy(SYMBOL, quantity=LOT) for _ in range(40)]
    assert all(ticket.wait(20) is not None and ticket.is_final for ticket in tickets)
    wait_until(lambda: any(CauseKind.STREAM_LOST in causes for causes in ear.causes()), 10, "the loss was a cause")
    wait_ready(engine)
    assert not any(CauseKind.ERRORS in causes for causes in ear.causes())
    states = {(str(ticket.order.state), ticket.order.reason) for ticket in tickets if ticket.order is not None}
    assert states <= {("Filled", ""), ("Rejected", "BREAKER_STREAM_LOST"), ("Rejected", "BREAKER_GATE_MOVED")}
    again = engine.buy(SYMBOL, quantity=LOT).wait(10)
    assert again is not None
    assert again.state == "Filled"
    quiet(engine)
    assert violations(judge, engine) == []


def test_what_is_working_at_the_exchange_is_found_again_and_filled(engines: Engines, judge: Judge) -> None:
    """A resting order left by one run is filled between the runs: the next run books it before it trades."""
    first = engines(prefix="rf").start()
    first.buy(SYMBOL, quantity=LOT).wait(5)
    quote = first.quotes[SYMBOL]
    resting = first.buy(SYMBOL, quantity="0.004", price=quote.bid, rests=True)
    wait_until(lambda: resting.order is not None and resting.order.state == "New", 5, "it rests")
    assert first.stop()
    judge.call("step", trades=3_000)
    second = engines(prefix="rf").start()
    order = second.orders[resting.id]
    assert order.state == "Filled"
    assert order.executed_quantity == Decimal("0.004")
    quiet(second)
    assert second.position_books[f"user/{SYMBOL}"].quantity == Decimal("0.004995")
    assert violations(judge, second) == []
