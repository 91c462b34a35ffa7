"""Orders of ours that are not in the tables: archived, lost with a disk, or proved absent and alive all the same."""
from __future__ import annotations

from typing import Any

import pytest

from actors.test_orders import ID, TICK, a_report, a_snapshot, a_trade, bench, placed, submitted
from bench import CONFIG, START, Bench, D, of, one
from realtrading.actors.breaker import BreakerActor
from realtrading.domain.breaker import ACCOUNT, CauseKind
from realtrading.domain.commands import QueryOrder, Reconcile
from realtrading.domain.events import (
    Error,
    ExternalTradeSeen,
    OrderAdopted,
    OrderArchived,
    OrderCancelled,
    OrderFilled,
    OrderPartiallyFilled,
    OrderRevised,
    OrdersCompared,
)
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import ExecutionReported, OrderLookedUp, PlacementRefused, StreamConnected
from realtrading.domain.values import Now

__all__ = ["bench"]


def archived(bench: Bench, *reports: Any, cursor: int) -> None:
    """Submit, hear these reports, pass the cursor, and wait until the order has left the tables."""
    submitted(bench)
    for report in reports:
        bench.tell(ExecutionReported(report=report, generation=1))
    bench.keeper.tables.put("cursors", "BTCUSDT", cursor)
    bench.later(3000)
    assert of(bench.tell(TICK), OrderArchived)


def found(bench: Bench, key: str, report: Any, *trades: Any) -> list[Any]:
    """The exchange's answer to the question about an order: itself and all of its trades."""
    now = bench.now.utc
    return bench.tell(
        OrderLookedUp(id=key, report=report, trades=trades, in_history=None, asked_at=now, answered_at=now)
    )


def test_a_fill_after_the_archive_is_booked_and_what_was_booked_is_not(bench: Bench) -> None:
    """Cancelled with 0.4 filled and archived; a late trade of 0.2 is booked alone, and asked for with all others first."""
    old, late = a_trade(5, "0.4"), a_trade(9, "0.2")
    archived(bench, a_report("CANCELED", "0.4", old), cursor=5)

    said = bench.tell(ExecutionReported(report=a_report("CANCELED", "0.6", late), generation=1))
    assert of(said, OrderAdopted) == []
    said = found(bench, one(said, QueryOrder).id, a_report("CANCELED", "0.6"), old, late)

    order = one(said, OrderCancelled).order
    assert [fill.trade_id for fill in order.fills] == [9]
    assert (order.executed_quantity, order.missing_quantity, order.original_quantity) == (D("0.2"), 0, D("0.6"))
    repeated = bench.tell(ExecutionReported(report=a_report("CANCELED", "0.6", late, old), generation=1))
    assert of(repeated, OrderCancelled) == []
    assert bench.row("orders", ID) == order


def test_a_round_finds_the_late_trade_of_an_archived_order(bench: Bench) -> None:
    """The stream said nothing: the trade lies above the cursor, and its order is ours."""
    old, late = a_trade(5, "0.4"), a_trade(9, "0.2")
    archived(bench, a_report("CANCELED", "0.4", old), cursor=5)
    bench.tell(StreamConnected(generation=1))

    said = bench.tell(a_snapshot(trades=(late,), cursors={"BTCUSDT": 9}))
    said = found(bench, one(said, QueryOrder).id, a_report("CANCELED", "0.6"), old, late)

    assert [fill.trade_id for fill in bench.row("orders", ID).fills] == [9]
    assert of(said, ExternalTradeSeen) == []


def test_an_order_that_was_proved_absent_and_archived_turns_up_alive(bench: Bench) -> None:
    """Nothing was executed and it was refused: a word that it lives is news all the same."""
    submitted(bench)
    bench.tell(PlacementRefused(id=ID, reason=Reason.VENUE_ABSENT, code=0, message="", sent=True))
    bench.keeper.tables.put("cursors", "BTCUSDT", 5)
    bench.later(3000)
    assert of(bench.tell(TICK), OrderArchived)

    said = bench.tell(ExecutionReported(report=a_report("NEW"), generation=1))

    assert one(said, OrderAdopted).order.id == ID
    assert bench.row("orders", ID).state is OrderState.NEW


def test_an_order_that_was_only_archived_is_not_taken_in_again(bench: Bench) -> None:
    """A report without an end, of an order whose every trade is accounted for: asked about, and left where it is."""
    bench.keeper.tables.put("cursors", "BTCUSDT", 5)
    old = a_trade(5, "1")

    said = bench.tell(ExecutionReported(report=a_report("PARTIALLY_FILLED", "1", old), generation=1))
    said = found(bench, one(said, QueryOrder).id, a_report("FILLED", "1"), old)

    assert of(said, OrderAdopted) == []
    assert of(said, ExternalTradeSeen) == []
    assert bench.row("unmatched", "#BTCUSDT:7") is None


def test_a_new_journal_takes_in_what_is_left_of_an_open_order(bench: Bench) -> None:
    """Half filled before the first round: that half is in the opening balance, and only what comes after it is booked."""
    bench.tell(StreamConnected(generation=1))
    half, rest = a_trade(5, "0.5"), a_trade(9, "0.5")
    working = a_report("PARTIALLY_FILLED", "0.5")

    said = bench.tell(a_snapshot(open_orders=(working,), cursors={"BTCUSDT": 5}))
    key = one(said, QueryOrder).id
    assert one(said, OrdersCompared).pending == (key,)
    assert not one(said, OrdersCompared).confirmed
    adopted = found(bench, key, working, half)
    assert of(adopted, OrderPartiallyFilled) == []
    said = bench.tell(ExecutionReported(report=a_report("FILLED", "1", rest), generation=1))

    order = one(said, OrderFilled).order
    assert [fill.trade_id for fill in order.fills] == [9]
    assert (order.executed_quantity, order.original_quantity, order.missing_quantity) == (D("0.5"), D("0.5"), 0)


def test_before_the_first_round_nothing_is_taken_in(bench: Bench) -> None:
    """Nobody knows yet which trades the opening balance holds: a round is wished for."""
    said = bench.tell(ExecutionReported(report=a_report("NEW", client_id="rt_1_grid_n9"), generation=1))

    assert one(said, Reconcile).trigger == "adoption"
    assert of(said, OrderAdopted) == []


@pytest.mark.parametrize("kind", [OrderAdopted, OrderRevised])
def test_late_evidence_closes_the_gate_and_is_an_alarm(kind: type, bench: Bench) -> None:
    """An order nobody knew, or an end that was none: nothing new until a clean round has seen it, and an Error says why."""
    placed(bench)
    order = bench.row("orders", ID)
    breaker = Bench(BreakerActor(config=CONFIG, began=Now(mono=100.0, utc=START)))

    said = breaker.tell(kind(order=order) if kind is OrderAdopted else kind(order=order, detail="it lived"))

    (cause,) = breaker.row("breaker", "state")[1]
    assert (cause.kind, cause.scope, cause.opened_at) == (CauseKind.UNCONFIRMED, ACCOUNT, START)
    assert one(said, Reconcile).token == cause.token
    assert ID in one(said, Error).message
