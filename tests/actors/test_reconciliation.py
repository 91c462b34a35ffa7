"""The reconciliation keeper: when it looks, what it waits for, and what it concludes."""
from __future__ import annotations

from typing import Any

import attrs
import pytest

from bench import CONFIG, Bench, of, one
from realtrading.actors.reconciliation import (
    BETWEEN_S,
    CAUSE_AGAIN_S,
    ROUND_DEADLINE_S,
    SKIPPED_AGAIN_S,
    ReconciliationActor,
)
from realtrading.actors.reconciliation_plan import Plan
from realtrading.domain.commands import ExplainBalances, PrepareSnapshot, Reconcile
from realtrading.domain.events import (
    BalancesCompared,
    BalancesExplained,
    DiscrepancyFound,
    OrdersCompared,
    ReconciliationComplete,
    ReconciliationFailed,
)
from realtrading.domain.reconciliation import CAUSE_WEIGHT, Discrepancy, DiscrepancyKind, Resolution, round_weight
from realtrading.domain.reports import LookupFailed, StreamConnected, StreamLost
from realtrading.runtime.ticker import Tick

TICK = Tick("reconciliation")
DRIFT = Discrepancy(
    kind=DiscrepancyKind.BALANCE_DRIFT,
    key="USDT",
    engine="100",
    exchange="99",
    resolution=Resolution.WATCHED,
    detail="exchange - engine = -1",
)


@pytest.fixture
def bench() -> Bench:
    return Bench(ReconciliationActor(config=CONFIG, run=5, symbols=1))


def begun(bench: Bench) -> str:
    """Connect; returns the token of the round that begins with it."""
    token: str = one(bench.tell(StreamConnected(generation=1)), PrepareSnapshot).token
    return token


def compared(bench: Bench, token: str, *drift: Discrepancy, pending: tuple[str, ...] = ()) -> list[Any]:
    bench.tell(OrdersCompared(token=token, discrepancies=(), pending=pending))
    return bench.tell(BalancesCompared(token=token, discrepancies=drift, skipped=()))


def ended(
    bench: Bench, token: str, *drift: Discrepancy, pending: tuple[str, ...] = (), why: dict[str, str] | None = None
) -> list[Any]:
    """The round's end; whoever is asked for the cause of a difference knows what `why` tells, by default nothing."""
    said = compared(bench, token, *drift, pending=pending)
    if of(said, ExplainBalances):
        said = bench.tell(BalancesExplained(token=token, explained=why or {}, unanswered=()))
    return said


def suspected(bench: Bench) -> str:
    """One round has seen the drift; returns the token of the next one."""
    ended(bench, begun(bench), DRIFT)
    return again(bench)


def again(bench: Bench, seconds: float = 1.0) -> str:
    """The token of the round that is repeated by then."""
    bench.later(seconds)
    token: str = one(bench.tell(TICK), PrepareSnapshot).token
    return token


def test_a_new_generation_begins_a_round(bench: Bench) -> None:
    """Subscribe, then look: whatever was missed in between must be found."""
    assert begun(bench) == "round-5-1"


def test_without_a_stream_a_wish_waits(bench: Bench) -> None:
    """Nothing can be compared while nothing is heard; the wish is covered by the first round."""
    before = bench.tell(Reconcile(trigger="keeper", token="keeper-orders-9"))
    token = begun(bench)

    complete = one(ended(bench, token), ReconciliationComplete)

    assert of(before, PrepareSnapshot) == []
    assert complete.covers == ("keeper-orders-9", "generation-1")
    assert complete.clean


def test_a_wish_during_a_round_gets_a_round_of_its_own(bench: Bench) -> None:
    """A round covers only what was wished before its first question."""
    token = begun(bench)
    bench.tell(Reconcile(trigger="keeper", token="late"))

    first = one(ended(bench, token), ReconciliationComplete)
    bench.later(BETWEEN_S)
    second = one(ended(bench, one(bench.tell(TICK), PrepareSnapshot).token), ReconciliationComplete)

    assert "late" not in first.covers
    assert second.covers == ("late",)


def test_a_failed_look_up_is_never_none(bench: Bench) -> None:
    """The round is void, nothing is concluded, and it is tried again."""
    token = begun(bench)

    said = bench.tell(LookupFailed(subject=token, detail="HTTP 503"))
    bench.later(1)

    assert one(said, ReconciliationFailed).detail == "HTTP 503"
    assert of(said, ReconciliationComplete) == []
    assert one(bench.tell(TICK), PrepareSnapshot).token == "round-5-2"


def test_a_round_without_an_end_fails(bench: Bench) -> None:
    """Every wait has a deadline."""
    begun(bench)
    bench.later(ROUND_DEADLINE_S + 1)

    assert "30" in one(bench.tell(TICK), ReconciliationFailed).detail


def test_a_lost_stream_voids_the_round(bench: Bench) -> None:
    """Half a photograph proves nothing; the next generation looks again and covers the old wishes."""
    bench.tell(Reconcile(trigger="operator", token="mine"))
    begun(bench)
    said = bench.tell(StreamLost(generation=1, detail="cut"))
    bench.later(5)
    token = one(bench.tell(StreamConnected(generation=2)), PrepareSnapshot).token

    assert len(of(said, ReconciliationFailed)) == 1
    assert "mine" in one(ended(bench, token), ReconciliationComplete).covers


def test_a_difference_counts_only_when_a_second_look_repeats_it(bench: Bench) -> None:
    """First seen: suspected, looked at again at once. Seen twice: unresolved."""
    first = one(ended(bench, begun(bench), DRIFT), ReconciliationComplete)
    bench.later(1)
    said = ended(bench, one(bench.tell(TICK), PrepareSnapshot).token, DRIFT)
    second = one(said, ReconciliationComplete)

    assert (first.clean, first.unresolved, first.covers) == (False, (), ())
    assert [found.resolution for found in second.unresolved] == [Resolution.UNRESOLVED]
    assert one(said, DiscrepancyFound).discrepancy.key == "USDT"


def test_a_suspicion_outlives_a_round_that_could_not_compare(bench: Bench) -> None:
    """A skipped asset was not found in order: the round is not clean, and the next look that repeats the drift counts."""
    ended(bench, begun(bench), DRIFT)
    bench.later(1.0)
    token = one(bench.tell(TICK), PrepareSnapshot).token
    bench.tell(OrdersCompared(token=token, discrepancies=(), pending=()))
    skipping = one(
        bench.tell(BalancesCompared(token=token, discrepancies=(), skipped=("USDT",))), ReconciliationComplete
    )
    bench.later(5.0)
    third = one(ended(bench, one(bench.tell(TICK), PrepareSnapshot).token, DRIFT), ReconciliationComplete)

    assert (skipping.clean, skipping.covers) == (False, ())
    assert [found.key for found in third.unresolved] == ["USDT"]


def test_a_suspicion_that_does_not_repeat_is_none(bench: Bench) -> None:
    """The photograph was of a moving thing: the second one is clean."""
    ended(bench, begun(bench), DRIFT)
    bench.later(1)

    complete = one(ended(bench, one(bench.tell(TICK), PrepareSnapshot).token), ReconciliationComplete)

    assert complete.clean
    assert complete.covers == ("generation-1",)


def test_an_open_end_repeats_the_round_with_growing_pauses(bench: Bench) -> None:
    """An order still to be asked about keeps the wishes open; the rounds do not hammer the venue."""
    token = begun(bench)
    pauses = []
    for _ in range(4):
        ended(bench, token, pending=("rt_1_grid_n1",))
        waited = 0.0
        again: list[Any] = []
        while not again:
            bench.later(0.25)
            waited += 0.25
            again = of(bench.tell(TICK), PrepareSnapshot)
        token = again[0].token
        pauses.append(waited)

    assert pauses == [0.5, 1.0, 2.0, 5.0]


def test_pauses_never_grow_beyond_what_convergence_can_wait_for() -> None:
    """Everything is to end in a named state within a minute, and a drift needs two looks: ten seconds at most."""
    assert max(Plan(repeats=repeats).pause_s for repeats in range(50)) == 10.0


def test_the_interval_begins_a_round(bench: Bench) -> None:
    """reconciliation_interval_secs: so long after the last one, look again."""
    ended(bench, begun(bench))
    bench.later(CONFIG.reconciliation_interval_secs - 1)
    early = bench.tell(TICK)
    bench.later(1)
    due = bench.tell(TICK)

    assert of(early, PrepareSnapshot) == []
    assert one(due, PrepareSnapshot).generation == 1


def test_many_wishes_are_one_round(bench: Bench) -> None:
    """A hundred foreign trades are one look, not a hundred."""
    ended(bench, begun(bench))
    bench.later(10)
    said = [word for index in range(100) for word in bench.tell(Reconcile(trigger="foreign", token=f"t{index}"))]

    assert len(of(said, PrepareSnapshot)) == 1


def test_a_drift_by_another_amount_is_a_new_suspicion(bench: Bench) -> None:
    """While the house trades a photograph may miss a fill on its way; only the same amount twice is a drift."""
    ended(bench, begun(bench), DRIFT)
    bench.later(1)
    other = attrs.evolve(DRIFT, exchange="98", detail="exchange - engine = -2")

    complete = one(ended(bench, one(bench.tell(TICK), PrepareSnapshot).token, other), ReconciliationComplete)

    assert (complete.clean, complete.unresolved) == (False, ())


def test_an_asset_that_moved_is_looked_at_again_soon(bench: Bench) -> None:
    """An asset that is traded all the time is compared in one of many looks, not in one look in five minutes."""
    token = begun(bench)
    bench.tell(OrdersCompared(token=token, discrepancies=(), pending=()))
    bench.tell(BalancesCompared(token=token, discrepancies=(), skipped=("USDT",)))
    bench.later(SKIPPED_AGAIN_S)

    assert len(of(bench.tell(TICK), PrepareSnapshot)) == 1


def test_the_cause_is_asked_for_before_anybody_cries(bench: Bench) -> None:
    """Seen twice, the round does not end yet: first the histories are read."""
    said = compared(bench, suspected(bench), DRIFT)

    assert one(said, ExplainBalances).token == "round-5-2"
    assert of(said, ReconciliationComplete) == []


def test_an_explained_difference_is_told_with_its_cause_and_looked_at_once_more(bench: Bench) -> None:
    """No drift; but only the next round, in which both sides agree, is clean."""
    said = ended(bench, suspected(bench), DRIFT, why={"USDT": "withdrawal 7 moved -1 USDT"})
    first = one(said, ReconciliationComplete)
    last = one(ended(bench, again(bench)), ReconciliationComplete)

    found = one(said, DiscrepancyFound).discrepancy
    assert (found.resolution, found.detail) == (
        Resolution.EXPLAINED, "exchange - engine = -1: withdrawal 7 moved -1 USDT"
    )  # fmt: skip
    assert (first.unresolved, first.clean, first.covers) == ((), False, ())
    assert (last.clean, last.covers) == (True, ("generation-1",))


def test_what_no_history_explains_is_named_with_what_could_not_be_asked(bench: Bench) -> None:
    """A failed query is never "none": it stands beside the difference."""
    compared(bench, suspected(bench), DRIFT)
    told = BalancesExplained(token="round-5-2", explained={}, unanswered=("dust (HTTP 503)",))

    (found,) = one(bench.tell(told), ReconciliationComplete).unresolved

    assert found.detail == "exchange - engine = -1; no history explains it; not answered: dust (HTTP 503)"


def test_the_same_question_is_not_asked_in_every_round(bench: Bench) -> None:
    """Histories are dear: the same difference is asked about again after half a minute, another one at once."""
    ended(bench, suspected(bench), DRIFT)
    more = attrs.evolve(DRIFT, exchange="98", detail="exchange - engine = -2")
    at_once = compared(bench, again(bench), DRIFT)
    other = ended(bench, again(bench, 2.0), more)
    bench.later(CAUSE_AGAIN_S)
    later = compared(bench, one(bench.tell(TICK), PrepareSnapshot).token, more)

    assert of(at_once, ExplainBalances) == []
    assert len(one(at_once, ReconciliationComplete).unresolved) == 1
    assert len(one(other, ReconciliationComplete).unresolved) == 1
    assert len(of(later, ExplainBalances)) == 1


def test_histories_that_never_come_do_not_hide_the_difference(bench: Bench) -> None:
    """The round ends at its deadline all the same, with the drift in it."""
    compared(bench, suspected(bench), DRIFT)
    bench.later(ROUND_DEADLINE_S + 1)

    (found,) = one(bench.tell(TICK), ReconciliationComplete).unresolved

    assert "no answer within 30 s" in found.detail


@pytest.mark.parametrize("symbols", [1, 5, 20, 60, 100])
@pytest.mark.parametrize("why", ["nothing ends", "somebody wishes all the time", "a difference stays"])
def test_rounds_leave_weight_to_orders(symbols: int, why: str) -> None:
    """G11: whatever makes them repeat, the rounds of any minute stay below 80 % of the venue's 6000 a minute."""
    bench = Bench(ReconciliationActor(config=CONFIG, run=5, symbols=symbols))
    spent: list[tuple[float, int]] = []
    said = bench.tell(StreamConnected(generation=1))
    while bench.mono < 100.0 + 300:
        for word in said:
            if isinstance(word, PrepareSnapshot):
                spent.append((bench.mono, round_weight(symbols, first=not spent)))
                drift = (DRIFT,) if why == "a difference stays" else ()
                pending = ("rt_1_grid_n1",) if why == "nothing ends" else ()
                done = compared(bench, word.token, *drift, pending=pending)
                if of(done, ExplainBalances):
                    spent.append((bench.mono, CAUSE_WEIGHT))
                    bench.tell(BalancesExplained(token=word.token, explained={}, unanswered=()))
        bench.later(0.25)
        said = bench.tell(TICK)
        if why == "somebody wishes all the time":
            said += bench.tell(Reconcile(trigger="foreign", token=f"w{bench.mono}"))
    worst = max(sum(weight for at, weight in spent if begin <= at < begin + 60) for begin, _ in spent)
    assert worst < 0.8 * 6000
    assert len(spent) >= 5
