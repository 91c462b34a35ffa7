"""A difference gets its cause: what balances asks, books and refuses."""
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from actors.test_books import bought, compare, fill
from bench import RULES, START, Bench, D, of, one
from realtrading.actors.balance_causes import SINCE_MAX
from realtrading.actors.balances import AGREED_EVERY, BalancesActor
from realtrading.domain.commands import AcceptDifference, ExplainBalances, QueryMovements
from realtrading.domain.events import (
    AcceptanceRefused,
    BalancesCompared,
    BalancesExplained,
    BalanceUpdated,
    DifferenceAccepted,
    ExternalTradeSeen,
    OrderFilled,
)
from realtrading.domain.movements import FlowKind, Movement
from realtrading.domain.reports import FlowReported, MovementsFound

ASK = ExplainBalances(token="round-1")


@pytest.fixture
def balances() -> Bench:
    """A ledger of 1000 USDT and 2 BTC, opened at the beginning and agreed a minute later."""
    actor = BalancesActor()
    bench = Bench(actor)
    bench.tell(compare({"USDT": "1000", "BTC": "2"}))
    bench.tell(compare({"USDT": "1000", "BTC": "2"}, asked_s=60))
    bench.later(120)
    return bench


def differing(bench: Bench, held: dict[str, str], *moving: str, asked_s: float = 120) -> BalancesCompared:
    """A round in which the exchange holds something else."""
    compared: BalancesCompared = one(bench.tell(compare(held, *moving, asked_s=asked_s)), BalancesCompared)
    return compared


def told(bench: Bench, *movements: Movement, unanswered: tuple[str, ...] = ()) -> list[Any]:
    """The histories are asked and answer."""
    if not bench.row("measured", "measured").asked:
        bench.tell(ASK)
    return bench.tell(MovementsFound(token="round-1", movements=movements, unanswered=unanswered))


def deposit(amount: str, id: str = "d1", seconds: float = 100) -> Movement:
    """A deposit of dollars."""
    at = START + timedelta(seconds=seconds)
    return Movement(kind=FlowKind.DEPOSIT, id=id, at=at, deltas={"USDT": D(amount)})


def test_the_question_names_what_differs_and_since_when(balances: Bench) -> None:
    """Since both sides last agreed; of assets that move nobody knows whether they differ."""
    differing(balances, {"USDT": "1005", "BTC": "2"}, "BTC")
    question = one(balances.tell(ASK), QueryMovements)
    assert (question.assets, question.others) == (("USDT",), ("BTC",))
    assert question.since == START  # noted at the first agreement, and then once a day


def test_agreement_is_written_once_a_day(balances: Bench) -> None:
    """Hundreds of assets that agree in every round are no news."""
    quiet = balances.tell(compare({"USDT": "1000", "BTC": "2"}, asked_s=180))
    later = AGREED_EVERY.total_seconds() + 60
    daily = balances.tell(compare({"USDT": "1000", "BTC": "2"}, asked_s=later))
    assert of(quiet, BalanceUpdated) == []
    assert {word.line.agreed_at for word in of(daily, BalanceUpdated)} == {START + timedelta(seconds=later)}


def test_an_explained_difference_is_booked_and_agrees_from_then_on(balances: Bench) -> None:
    """The ledger holds it under its kind; the same history told again moves nothing; the new agreement is noted at once."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    answer = one(told(balances, deposit("5")), BalancesExplained)
    told(balances, deposit("5"))
    balances.later(60)
    after = one(balances.tell(compare({"USDT": "1005", "BTC": "2"}, asked_s=240)), BalancesCompared)

    line = balances.row("ledger", "USDT")
    assert (line.total, dict(line.flows)) == (D("1005"), {"deposit": D("5")})
    assert answer.explained == {"USDT": "deposit d1 at 2026-03-01 12:01:40 moved 5 USDT"}
    assert after.discrepancies == ()
    assert line.agreed_at != balances.row("ledger", "BTC").agreed_at
    assert line.agreed_at == START + timedelta(seconds=240)


def test_a_difference_that_nothing_explains_stays(balances: Bench) -> None:
    """Nothing is booked, and what could not be asked is passed on."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    said = told(balances, deposit("7"), unanswered=("dust (HTTP 503)",))
    assert of(said, BalanceUpdated) == []
    assert one(said, BalancesExplained) == BalancesExplained(token="round-1", explained={}, unanswered=("dust (HTTP 503)",))


def test_an_answer_about_another_round_books_nothing(balances: Bench) -> None:
    """Its differences are gone: the next round measures anew."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    said = balances.tell(MovementsFound(token="round-0", movements=(deposit("5"),), unanswered=()))
    assert of(said, BalanceUpdated) == []


def test_a_stream_that_was_slow_is_not_booked_twice(balances: Bench) -> None:
    """The histories were faster; the word that comes then is known. And the other way round."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    told(balances, deposit("5"))
    balances.tell(FlowReported(asset="USDT", amount=D("5"), venue_at=START + timedelta(seconds=99.5), generation=1))
    assert balances.row("ledger", "USDT").total == D("1005")
    balances.tell(FlowReported(asset="USDT", amount=D("5"), venue_at=START + timedelta(seconds=110), generation=1))
    assert balances.row("ledger", "USDT").total == D("1010")


def test_what_the_stream_tells_while_the_histories_are_read_is_not_booked_twice(balances: Bench) -> None:
    """The difference is smaller by what was booked meanwhile, and the history of it is known by its amount and time."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    balances.tell(ASK)
    balances.tell(FlowReported(asset="USDT", amount=D("5"), venue_at=START + timedelta(seconds=100), generation=1))
    answer = one(told(balances, deposit("5")), BalancesExplained)
    assert balances.row("ledger", "USDT").total == D("1005")
    assert answer.explained == {"USDT": "the stream told it meanwhile"}


def test_an_asset_that_was_never_there_came_from_somewhere(balances: Bench) -> None:
    """Only the first look opens lines by itself: later coins are asked about, since the others last agreed."""
    found = differing(balances, {"USDT": "1000", "BTC": "2", "ETH": "3"})
    question = one(balances.tell(ASK), QueryMovements)
    assert [(each.key, each.engine, each.exchange) for each in found.discrepancies] == [("ETH", "0", "3")]
    assert question.since == START
    trade = Movement(
        kind=FlowKind.EXTERNAL_TRADE, id="ETHBTC:5", at=START + timedelta(seconds=90), deltas={"ETH": D("3")}
    )
    told(balances, trade)
    line = balances.row("ledger", "ETH")
    assert (line.opening, line.total, line.seen) == (0, D(3), ("trade:ETHBTC:5",))
    balances.tell(
        ExternalTradeSeen(symbol="ETHBTC", trade_id=5, exchange_order_id=1, deltas={"ETH": D(3)}, venue_at=START)
    )
    assert balances.row("ledger", "ETH").total == D(3)


def test_what_moved_during_the_first_look_is_opened_by_a_later_one() -> None:
    """An asset that could not be compared at first is no newcomer."""
    bench = Bench(BalancesActor())
    bench.tell(compare({"USDT": "1000", "BTC": "2"}, "BTC"))
    bench.later(10)
    later = one(bench.tell(compare({"USDT": "1000", "BTC": "2"}, asked_s=10)), BalancesCompared)
    assert later.discrepancies == ()
    assert (bench.row("ledger", "BTC").opening, bench.row("ledger", "BTC").opened) == (D(2), True)


def test_a_first_look_that_was_half_written_is_taken_again() -> None:
    """Killed after any of the first look's words, the next life opens what is missing; none of it is a difference.

    `crash_points` found it: one asset's opening was on disk, the other's was not, and was a drift for ever.
    """
    held = {"BTC": "2", "ETH": "3", "USDT": "1000"}
    words = of(Bench(BalancesActor()).tell(compare(held)), BalanceUpdated)
    assert len(words) == 6
    for written in range(len(words) + 1):
        bench = Bench(BalancesActor())
        for word in words[:written]:
            bench.put(word)
        bench.later(60)
        compared = one(bench.tell(compare(held, asked_s=60)), BalancesCompared)
        assert (compared.discrepancies, compared.skipped) == ((), ())
        assert {asset: bench.row("ledger", asset).opening for asset in held} == {"BTC": D(2), "ETH": D(3), "USDT": D(1000)}


def test_nobody_asks_further_back_than_the_histories_go(balances: Bench) -> None:
    """An engine that slept for a year asks for the last three months."""
    year_s = 365 * 86_400.0
    differing(balances, {"USDT": "1005", "BTC": "2"}, asked_s=year_s)
    assert one(balances.tell(ASK), QueryMovements).since == START + timedelta(seconds=year_s) - SINCE_MAX


def test_a_trade_of_ours_does_not_change_what_differs(balances: Bench) -> None:
    """A fill moves both sides alike: the difference that was measured is explained all the same."""
    balances.keeper.tables.put("rules", "BTCUSDT", RULES)
    differing(balances, {"USDT": "1005", "BTC": "2"})
    balances.tell(OrderFilled(order=bought(fill(1, "1", "100"))))
    told(balances, deposit("5"))
    assert balances.row("ledger", "USDT").total == D("905")


def accept(bench: Bench, amount: str, asset: str = "USDT") -> list[Any]:
    """A person's word."""
    return bench.tell(AcceptDifference(token="door-1", asset=asset, amount=D(amount), by="ann", reason="airdrop"))


def test_a_person_may_answer_for_the_whole_difference(balances: Bench) -> None:
    """It becomes an "other" flow with author and reason, once."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    said = accept(balances, "5.000")
    event = one(said, DifferenceAccepted)
    assert (event.asset, event.amount, event.by, event.reason) == ("USDT", D("5"), "ann", "airdrop")
    assert dict(balances.row("ledger", "USDT").flows) == {"other": D("5")}
    assert one(accept(balances, "5"), AcceptanceRefused).detail == "USDT=5: engine and exchange agree on it"
    assert balances.row("ledger", "USDT").total == D("1005")


def test_what_came_after_the_question_is_not_in_the_difference(balances: Bench) -> None:
    """A withdrawal told after the round that measured changes nothing about what is to be answered for."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    balances.tell(FlowReported(asset="USDT", amount=D("-90"), venue_at=START + timedelta(seconds=121), generation=1))
    assert one(accept(balances, "95"), AcceptanceRefused).detail.endswith("exchange - engine = 5")
    one(accept(balances, "5"), DifferenceAccepted)
    assert balances.row("ledger", "USDT").total == D("915")


@pytest.mark.parametrize("amount", ["5.00000001", "-5", "4"])
def test_nobody_may_answer_for_another_amount(balances: Bench, amount: str) -> None:
    """The refusal names the difference, and nothing is booked."""
    differing(balances, {"USDT": "1005", "BTC": "2"})
    said = accept(balances, amount)
    assert one(said, AcceptanceRefused).detail.endswith("exchange - engine = 5")
    assert of(said, BalanceUpdated) == []
