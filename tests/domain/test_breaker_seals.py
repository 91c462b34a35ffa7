"""Sealed causes: while nobody can say what is held, exits do not pass either; and how that ends."""
from datetime import timedelta

import pytest

from pictures import at, order
from realtrading.domain import breaker
from realtrading.domain.breaker import ACCOUNT, Blocked, BreakerBook, CauseKind, Pass
from realtrading.domain.reasons import Reason
from realtrading.domain.values import Role, Side

LEAVE = order(side=Side.SELL, role=Role.EXIT)


def sealed(token: str = "run-7", kind: CauseKind = CauseKind.UNCONFIRMED) -> BreakerBook:
    """A start: nothing is confirmed yet."""
    return breaker.open_cause(BreakerBook(), kind, ACCOUNT, token, "start", at(0), sealed=True)


def leaves(book: BreakerBook) -> bool:
    """True when an order that only reduces may pass."""
    return isinstance(breaker.may_pass(book, LEAVE, reduces=True), Pass)


def test_an_exit_waits_until_positions_are_confirmed() -> None:
    """Sealed: refused by name. Confirmed: exits pass, entries still do not."""
    refused = breaker.may_pass(sealed(), LEAVE, reduces=True)
    assert isinstance(refused, Blocked)
    assert refused.reason is Reason.BREAKER_UNCONFIRMED

    confirmed = breaker.unsealed(sealed())

    assert leaves(confirmed)
    assert isinstance(breaker.may_pass(confirmed, order(), reduces=False), Blocked)
    assert breaker.unsealed(confirmed) is confirmed


def test_an_exit_does_not_wait_for_ever() -> None:
    """30 s without a round that could confirm them: then what the journal says of positions must do."""
    book = sealed()
    assert not leaves(breaker.unsealed_by_time(book, at(29.9)))
    assert leaves(breaker.unsealed_by_time(book, at(30)))


def test_renewing_a_sealed_cause_does_not_open_it() -> None:
    """Late evidence during the start gives the cause another token, and no exit another chance."""
    renewed = breaker.open_cause(sealed(), CauseKind.UNCONFIRMED, ACCOUNT, "revised", "late", at(1))
    assert renewed.causes[0].token == "revised"
    assert not leaves(renewed)


@pytest.mark.parametrize("seconds", [0.0, 14.9, 15.0])
def test_a_restored_journal_waits_until_the_lists_are_whole(seconds: float) -> None:
    """For 15 s no round can confirm it and nothing renews it; then it goes on under a token that a round covers."""
    book = sealed(breaker.restored(7))
    assert breaker.unsealed(book) is book
    assert breaker.open_cause(book, CauseKind.UNCONFIRMED, ACCOUNT, "adopted-x", "found", at(1)) is book
    (cause,) = book.causes
    assert breaker.is_listed(cause, at(seconds)) == (seconds >= 15)
    listed = breaker.open_cause(book, cause.kind, cause.scope, breaker.listed(cause), cause.detail, at(15))
    assert leaves(breaker.unsealed(listed))


def test_a_reset_is_named_first_and_neither_time_nor_a_round_opens_its_seal() -> None:
    """An older cause stands beside it: the one that needs a person is told; entries and exits are shut until it is gone."""
    older = breaker.open_cause(BreakerBook(), CauseKind.STREAM_LOST, ACCOUNT, "s", "cut", at(0))
    book = breaker.open_cause(older, CauseKind.ACCOUNT_RESET, ACCOUNT, "reset", "gone", at(1), sealed=True)
    waited = breaker.unsealed_by_time(breaker.unsealed(book), at(3600))
    for reduces in (True, False):
        answer = breaker.may_pass(waited, LEAVE, reduces=reduces)
        assert isinstance(answer, Blocked)
        assert answer.reason is Reason.BREAKER_ACCOUNT_RESET
    assert leaves(breaker.without(waited, CauseKind.ACCOUNT_RESET))


def test_the_wait_is_longer_than_any_lag_of_the_lists() -> None:
    """The two limits stand in that order, or a restored journal would let exits go before it was looked at."""
    assert breaker.SEALED_MAX > breaker.LISTED_AFTER == timedelta(seconds=15)
