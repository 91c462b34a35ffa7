"""The breaker keeper: what shuts the gate, what opens it again, and what passes all the same."""
from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from bench import CONFIG, START, Bench, D, of, one
from order_factories import an_order
from realtrading.actors.breaker import BreakerActor, book_of
from realtrading.domain.breaker import CauseKind, open_cause
from realtrading.domain.commands import CloseBreaker, GateOrder, OpenBreaker, Reconcile, RecordOrder
from realtrading.domain.events import (
    BreakerChanged,
    CircuitBreakerClosed,
    CircuitBreakerOpened,
    KeeperLost,
    LimitBreached,
    MailboxFilled,
    OrderBlocked,
    OrderDenied,
    OrderPlaced,
    OrderRejected,
    OrderRevised,
    OrderUnknown,
    ReconciliationComplete,
)
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reconciliation import Discrepancy, DiscrepancyKind, Resolution
from realtrading.domain.reports import ClockMeasured, StreamLost
from realtrading.domain.values import Now
from realtrading.runtime.ticker import Tick

LOST = KeeperLost(name="orders", cause="crash", letter="VetOrder", token=9)
DRIFT = Discrepancy(
    kind=DiscrepancyKind.BALANCE_DRIFT,
    key="USDT",
    engine="100",
    exchange="99",
    resolution=Resolution.UNRESOLVED,
    detail="exchange - engine = -1",
)


@pytest.fixture
def bench() -> Bench:
    return Bench(BreakerActor(config=CONFIG, began=Now(mono=100.0, utc=START)))


def gate(bench: Bench, *, reduces: bool = False, id: str = "rt_1_grid_n1", strategy: str = "grid") -> list[Any]:
    order = an_order(id=id, strategy=strategy)
    return bench.tell(GateOrder(order=order, reduces=reduces, valid_until_mono=200.0))


def a_round(token: str, *covers: str, clean: bool = True, unresolved: tuple[Discrepancy, ...] = ()) -> Any:
    return ReconciliationComplete(
        discrepancies=len(unresolved),
        unresolved=unresolved,
        trigger="timer",
        token=token,
        generation=1,
        covers=covers,
        clean=clean,
        duration_s=0.1,
    )


def rejected(reason: Reason | str) -> OrderRejected:
    order = an_order().moved(OrderState.REJECTED, START, str(reason))
    return OrderRejected(order=order, reason=str(reason))


def kinds(bench: Bench) -> list[CauseKind]:
    state = bench.row("breaker", "state")
    return [] if state is None else [cause.kind for cause in state[1]]


def test_an_order_passes_with_the_gates_number(bench: Bench) -> None:
    """Nothing is wrong: the order goes to the journal, its deadline with it."""
    record = one(gate(bench), RecordOrder)

    assert (record.gate, record.valid_until_mono) == (0, 200.0)


def test_a_lost_keeper_shuts_the_gate_and_asks_for_a_look(bench: Bench) -> None:
    """A restart is closed: the cause, the wish, and a higher gate number."""
    said = bench.tell(LOST)

    assert one(said, CircuitBreakerOpened).reason.startswith("KEEPER_LOST")
    assert one(said, Reconcile).token == "keeper-orders-9"
    assert one(said, BreakerChanged).gate == 1
    assert one(gate(bench), OrderBlocked).reason is Reason.BREAKER_KEEPER_LOST


def test_what_only_reduces_passes_a_shut_gate_without_a_number(bench: Bench) -> None:
    """A shut door must never keep you in the room."""
    bench.tell(LOST)

    assert one(gate(bench, reduces=True), RecordOrder).gate is None


def test_only_a_round_that_covers_the_token_opens_it(bench: Bench) -> None:
    """A round that began before the keeper was lost proves nothing about it."""
    bench.tell(LOST)
    bench.tell(a_round("round-1", "timer-1"))
    still = kinds(bench)
    said = bench.tell(a_round("round-2", "keeper-orders-9"))

    assert still == [CauseKind.KEEPER_LOST]
    assert kinds(bench) == []
    assert len(of(said, CircuitBreakerClosed)) == 1


def test_an_unclean_round_opens_nothing(bench: Bench) -> None:
    """Covered but not clean: the cause stays."""
    twin = attrs.evolve(DRIFT, kind=DiscrepancyKind.ORDER_UNKNOWN_TO_US, key="BTCUSDT:7")
    bench.tell(LOST)
    bench.tell(a_round("round-2", "keeper-orders-9", clean=False, unresolved=(twin,)))

    assert CauseKind.KEEPER_LOST in kinds(bench)


def test_a_drift_of_one_asset_keeps_only_that_asset_shut(bench: Bench) -> None:
    """All orders and fills are accounted for: what the account waited for is over, the asset's own cause stays."""
    bench.tell(LOST)
    bench.tell(a_round("round-2", "keeper-orders-9", clean=False, unresolved=(DRIFT,)))

    assert kinds(bench) == [CauseKind.DRIFT]


def test_the_same_keeper_lost_again_needs_a_newer_round(bench: Bench) -> None:
    """The same kind and scope replaces the token: the older round's answer is void."""
    bench.tell(LOST)
    bench.tell(KeeperLost(name="orders", cause="crash", letter="VetOrder", token=12))

    bench.tell(a_round("round-1", "keeper-orders-9"))

    assert kinds(bench) == [CauseKind.KEEPER_LOST]


def test_a_lost_strategy_shuts_only_itself(bench: Bench) -> None:
    """One strategy's crash is not its neighbour's."""
    bench.tell(KeeperLost(name="strategy:grid", cause="crash", letter="QuotesMoved", token=3))

    assert len(of(gate(bench, strategy="grid"), OrderBlocked)) == 1
    assert len(of(gate(bench, strategy="other"), RecordOrder)) == 1


def test_a_lost_stream_shuts_and_asks(bench: Bench) -> None:
    """Nothing is heard: nothing new is sent."""
    said = bench.tell(StreamLost(generation=4, detail="cut"))

    assert one(said, Reconcile).token == "stream-4"
    assert one(gate(bench), OrderBlocked).reason is Reason.BREAKER_STREAM_LOST


def test_drift_shuts_its_asset_until_a_round_finds_it_gone(bench: Bench) -> None:
    """Drift of USDT stops BTCUSDT; the next round without it opens the door again."""
    bench.tell(a_round("round-1", clean=False, unresolved=(DRIFT,)))
    blocked = gate(bench)
    bench.tell(a_round("round-2", "round-2-wish"))

    assert one(blocked, OrderBlocked).reason is Reason.BREAKER_DRIFT
    assert kinds(bench) == []


def test_circuit_breaker_errors_in_a_row_open_it(bench: Bench) -> None:
    """circuit_breaker_errors: so many errors of the venue in a row, unknown outcomes included."""
    for count in range(CONFIG.circuit_breaker_errors - 1):
        bench.tell(OrderUnknown(order=an_order(), detail=f"time-out {count}"))
    before = kinds(bench)
    bench.tell(rejected(Reason.VENUE_REJECTED))

    assert before == []
    assert kinds(bench) == [CauseKind.ERRORS]


def test_an_order_the_house_died_over_is_no_error_of_the_venue(bench: Bench) -> None:
    """Three crashes of ours with an order under way say nothing about the exchange."""
    for _ in range(10):
        bench.tell(OrderUnknown(order=an_order(), detail="found after a restart", ours=True))

    assert kinds(bench) == []


@pytest.mark.parametrize(
    "reason",
    [Reason.VENUE_INSUFFICIENT_BALANCE, Reason.VENUE_WOULD_TAKE, Reason.VENUE_FILTER, "INSUFFICIENT_BALANCES"],
)
def test_expected_refusals_are_no_errors(bench: Bench, reason: Reason | str) -> None:
    """An empty wallet, whoever words it, says nothing about the venue."""
    for _ in range(10):
        bench.tell(rejected(reason))

    assert kinds(bench) == []


def test_after_the_cooldown_one_probe_passes_and_its_success_closes(bench: Bench) -> None:
    """circuit_breaker_cooldown_secs: half-open, one order, and success ends it."""
    for _ in range(CONFIG.circuit_breaker_errors):
        bench.tell(rejected(Reason.VENUE_REJECTED))
    bench.later(CONFIG.circuit_breaker_cooldown_secs)
    bench.tell(Tick("breaker"))

    probe = gate(bench, id="rt_1_grid_n2")
    second = gate(bench, id="rt_1_grid_n3")
    bench.tell(OrderPlaced(order=an_order(id="rt_1_grid_n2")))

    assert len(of(probe, RecordOrder)) == 1
    assert len(of(second, OrderBlocked)) == 1
    assert kinds(bench) == []


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)], ids=str)
def test_setting_the_clock_neither_ends_the_cooldown_nor_makes_it_last(bench: Bench, step: timedelta) -> None:
    """It lasts as long as it lasts, whatever somebody does to the clock on the wall."""

    def tick_after(seconds: float) -> None:
        mono = 100.0 + seconds
        now = Now(mono=mono, utc=START + timedelta(seconds=seconds) + step)
        for word in bench.keeper.handle(Tick("breaker"), now):
            for entry in word.entries():  # type: ignore[attr-defined]
                bench.keeper.tables.put(*entry)

    for _ in range(CONFIG.circuit_breaker_errors):
        bench.tell(rejected(Reason.VENUE_REJECTED))
    tick_after(CONFIG.circuit_breaker_cooldown_secs - 0.1)
    too_early = gate(bench, id="rt_1_grid_n2")
    tick_after(CONFIG.circuit_breaker_cooldown_secs)
    probe = gate(bench, id="rt_1_grid_n3")

    assert len(of(too_early, OrderBlocked)) == len(of(probe, RecordOrder)) == 1


def test_a_probe_that_never_left_gives_its_place_back(bench: Bench) -> None:
    """Denied inside the house, the probe told nothing about the venue."""
    for _ in range(CONFIG.circuit_breaker_errors):
        bench.tell(rejected(Reason.VENUE_REJECTED))
    bench.later(CONFIG.circuit_breaker_cooldown_secs)
    bench.tell(Tick("breaker"))
    gate(bench, id="rt_1_grid_n2")

    bench.tell(OrderDenied(order=an_order(id="rt_1_grid_n2"), reason=Reason.HOUSE_FAULT, detail="died"))

    assert len(of(gate(bench, id="rt_1_grid_n3"), RecordOrder)) == 1


def test_a_bad_clock_shuts_and_a_good_one_opens(bench: Bench) -> None:
    """More than half a second off, or not readable to that: no clock to sign with."""
    bench.tell(ClockMeasured(offset_s=0.6, uncertainty_s=0.01))
    off = kinds(bench)
    bench.tell(ClockMeasured(offset_s=0.1, uncertainty_s=0.6))
    blurred = kinds(bench)
    bench.tell(ClockMeasured(offset_s=0.1, uncertainty_s=0.01))

    assert (off, blurred, kinds(bench)) == ([CauseKind.CLOCK], [CauseKind.CLOCK], [])


def test_a_loss_stays_shut_until_a_person_resumes(bench: Bench) -> None:
    """No round and no cooldown ends a loss halt; a person does."""
    day = START.date()
    bench.tell(
        LimitBreached(reason=Reason.RISK_DAILY_LOSS, scope="account", limit=D(100), value=D(101), day=day)
    )
    bench.later(10_000)
    bench.tell(Tick("breaker"))
    bench.tell(a_round("round-1", f"loss-{day}"))
    still = kinds(bench)
    bench.tell(CloseBreaker(scope="account", by="anna", detail="seen"))

    assert still == [CauseKind.LOSS]
    assert kinds(bench) == []


def test_a_person_can_shut_any_scope(bench: Bench) -> None:
    """By hand, one symbol: its entries stop, nothing else does."""
    bench.tell(OpenBreaker(scope="symbol:BTCUSDT", by="anna", detail="news"))

    assert one(gate(bench), OrderBlocked).reason is Reason.BREAKER_MANUAL


def test_a_backlog_shuts_until_a_round_is_clean(bench: Bench) -> None:
    """A money mailbox that fills faster than it is read."""
    said = bench.tell(MailboxFilled(name="orders", waiting=10_001))
    token = one(said, Reconcile).token

    bench.tell(a_round("round-1", token))

    assert of(said, CircuitBreakerOpened)
    assert kinds(bench) == []


def test_late_contrary_evidence_shuts(bench: Bench) -> None:
    """A fill after a final state: nothing new until a clean round has seen it."""
    order: RealOrder = an_order()
    said = bench.tell(OrderRevised(order=order, detail="fill after CANCELED"))

    assert kinds(bench) == [CauseKind.UNCONFIRMED]
    assert one(said, Reconcile).trigger == "revision"


def test_a_breaker_that_reads_its_memory_again_wishes_for_what_is_open_there(bench: Bench) -> None:
    """The journal may hold the cause of an earlier start, whose token no round of this run covers: it would never close."""
    bench.tell(OpenBreaker(scope="account", by="user", detail="stop"))
    book = book_of(bench.row("breaker", "state"), 1)
    old = open_cause(book, CauseKind.UNCONFIRMED, "account", "run-3", "start", bench.now)
    bench.keeper.tables.put("breaker", "state", (old.state, old.causes))

    said = bench.tell(KeeperLost(name="breaker", cause="crash", letter="Tick", token=9))

    wished = [wish.token for wish in of(said, Reconcile)]
    assert wished == ["keeper-breaker-9", "run-3"]
    bench.tell(a_round("round-1", *wished))
    assert [cause.kind for cause in bench.row("breaker", "state")[1]] == [CauseKind.MANUAL]
