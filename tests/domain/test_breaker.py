"""The circuit breaker: what opens it, what closes it, and whom it lets pass."""

import attrs
import pytest

from pictures import at, order
from realtrading.domain import breaker
from realtrading.domain.breaker import ACCOUNT, COUNTS_AS_ERROR, Blocked, BreakerBook, CauseKind, Pass
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.values import Role, Side

CONFIG = RealTradingConfig()
COOLDOWN = CONFIG.circuit_breaker_cooldown_secs


def open_by_errors(count: int = 3, when: float = 0) -> BreakerBook:
    """A breaker that has seen `count` errors in a row."""
    book = BreakerBook()
    for number in range(count):
        book = breaker.error_seen(book, f"error {number + 1}", at(when), CONFIG)
    return book


def half_open() -> BreakerBook:
    """A breaker opened by errors at 0 whose cooldown is over."""
    return breaker.tick(open_by_errors(), at(COOLDOWN), CONFIG)


def with_cause(
    kind: CauseKind, scope: str = ACCOUNT, token: str = "t1", book: BreakerBook | None = None
) -> BreakerBook:
    """A breaker with this cause."""
    return breaker.open_cause(book or BreakerBook(), kind, scope, token, "why", at())


def blocked(book: BreakerBook, wanted: RealOrder) -> Reason | None:
    """The reason the order is blocked for as an entry, or None."""
    answer = breaker.may_pass(book, wanted, reduces=False)
    return answer.reason if isinstance(answer, Blocked) else None


# -- errors, cooldown, probe --------------------------------------------------


def test_two_errors_do_not_open_it_and_the_third_does() -> None:
    """`circuit_breaker_errors` consecutive errors open cause ERRORS, with the count and the last error in view."""
    two = open_by_errors(2)
    assert (two.state.is_open, two.state.error_count, two.gate) == (False, 2, 0)
    three = breaker.error_seen(two, "error 3", at(7), CONFIG)
    assert three.state.is_open
    assert three.state.last_error == "error 3"
    assert three.state.opened_at == at(7).utc
    assert three.gate == 1
    assert blocked(three, order()) is Reason.BREAKER_ERRORS
    assert "3 consecutive errors" in three.causes[0].detail


def test_the_number_of_errors_is_the_setting() -> None:
    """With circuit_breaker_errors = 1 the first error opens it."""
    book = breaker.error_seen(BreakerBook(), "no", at(), attrs.evolve(CONFIG, circuit_breaker_errors=1))
    assert book.state.is_open


def test_a_success_between_errors_starts_the_count_over() -> None:
    """Only consecutive errors count."""
    book = breaker.success_seen(open_by_errors(2), "a", at())
    assert book.state.error_count == 0
    book = breaker.error_seen(breaker.error_seen(book, "x", at(), CONFIG), "y", at(), CONFIG)
    assert not book.state.is_open


def test_a_success_without_errors_changes_nothing() -> None:
    """The same value comes back, so that nobody has to tell it."""
    book = BreakerBook()
    assert breaker.success_seen(book, "a", at()) is book


def test_errors_while_open_are_counted_but_do_not_lengthen_the_cooldown() -> None:
    """An exit that fails while it is open must not keep it open for ever."""
    book = breaker.error_seen(open_by_errors(), "another", at(200), CONFIG)
    assert (book.state.error_count, book.state.last_error, book.gate) == (4, "another", 1)
    assert breaker.tick(book, at(COOLDOWN), CONFIG).state.half_open


def test_a_success_while_open_does_not_close_it() -> None:
    """Only time and then the probe do; an exit's success is no probe."""
    book = open_by_errors()
    assert breaker.success_seen(book, "an-exit", at(1)) is book
    half = half_open()
    assert breaker.success_seen(half, "an-exit", at(COOLDOWN)) is half


def test_the_cooldown_is_the_setting() -> None:
    """One second before its end nothing happens; at its end it is half-open, still open to the eye."""
    book = open_by_errors()
    assert breaker.tick(book, at(COOLDOWN - 1), CONFIG) is book
    half = breaker.tick(book, at(COOLDOWN), CONFIG)
    assert half.state.half_open
    assert half.state.is_open
    assert breaker.tick(half, at(COOLDOWN + 1), CONFIG) is half
    short = attrs.evolve(CONFIG, circuit_breaker_cooldown_secs=10)
    assert breaker.tick(book, at(10), short).state.half_open


def test_half_open_lets_one_probe_pass_and_no_second() -> None:
    """The first entry passes with the gate number, the next is blocked; the probe itself may be asked again."""
    half = half_open()
    assert breaker.may_pass(half, order("a"), reduces=False) == Pass(gate=1, probe=True)
    out = breaker.probe_sent(half, "a", at(COOLDOWN))
    assert blocked(out, order("b")) is Reason.BREAKER_ERRORS
    assert breaker.may_pass(out, order("a"), reduces=False) == Pass(gate=1, probe=True)
    assert breaker.probe_sent(out, "a", at(COOLDOWN + 5)) is out


def test_the_probes_success_closes_it() -> None:
    """ERRORS goes, the count starts over, the last error stays readable."""
    out = breaker.probe_sent(half_open(), "a", at(COOLDOWN))
    closed = breaker.success_seen(out, "a", at(COOLDOWN + 1))
    assert closed.causes == ()
    assert closed.state.last_error == "error 3"
    assert not (closed.state.is_open)
    assert not (closed.state.half_open)
    assert not (closed.state.probe)
    assert not (closed.state.error_count)
    assert breaker.has_closed(out, closed)
    assert not breaker.has_opened(out, closed)


def test_the_probes_failure_opens_it_afresh() -> None:
    """Closed again to everybody, with a new token, a new gate number and the whole cooldown before it."""
    out = breaker.probe_sent(half_open(), "a", at(COOLDOWN))
    again = breaker.error_seen(out, "still ill", at(COOLDOWN + 2), CONFIG)
    assert not again.state.half_open
    assert again.state.probe is None
    assert again.gate == 2
    assert blocked(again, order("c")) is Reason.BREAKER_ERRORS
    assert breaker.tick(again, at(2 * COOLDOWN), CONFIG) is again
    assert breaker.tick(again, at(2 * COOLDOWN + 2), CONFIG).state.half_open


def test_a_probe_that_said_nothing_about_the_venue_frees_its_place() -> None:
    """Refused for an empty wallet, or never sent: another order may be the probe."""
    out = breaker.probe_sent(half_open(), "a", at(COOLDOWN))
    freed = breaker.probe_returned(out, "a")
    assert breaker.may_pass(freed, order("b"), reduces=False) == Pass(gate=1, probe=True)
    assert breaker.probe_returned(out, "other") is out


def test_a_probe_nobody_hears_of_is_given_up_after_a_cooldown() -> None:
    """A lost probe must not shut the house for ever."""
    out = breaker.probe_sent(half_open(), "a", at(COOLDOWN))
    assert breaker.tick(out, at(2 * COOLDOWN - 1), CONFIG) is out
    late = breaker.tick(out, at(2 * COOLDOWN), CONFIG)
    assert late.state.probe is None
    assert late.state.half_open


def test_half_open_waives_errors_only() -> None:
    """Another cause in scope still blocks, so no probe goes out into a lost stream."""
    both = with_cause(CauseKind.STREAM_LOST, book=half_open())
    assert blocked(both, order()) is Reason.BREAKER_STREAM_LOST


def test_time_opens_nothing_but_errors() -> None:
    """Other causes ignore the cooldown: only their own fact removes them."""
    book = with_cause(CauseKind.DRIFT)
    assert breaker.tick(book, at(10 * COOLDOWN), CONFIG) is book


# -- causes -------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(CauseKind))
def test_every_kind_of_cause_blocks_entries_with_its_own_reason(kind: CauseKind) -> None:
    """Each cause has a reason of its name."""
    assert blocked(with_cause(kind), order()) is Reason(f"BREAKER_{kind.value}")


@pytest.mark.parametrize("kind", list(CauseKind))
def test_reducing_orders_pass_every_cause(kind: CauseKind) -> None:
    """A shut door must never keep anyone in the room; such a pass carries no gate number."""
    sell = order(side=Side.SELL, role=Role.EXIT)
    assert breaker.may_pass(with_cause(kind), sell, reduces=True) == Pass(gate=None)


def test_calling_itself_an_exit_opens_nothing() -> None:
    """An order that adds exposure is an entry, whatever its role says."""
    assert blocked(with_cause(CauseKind.LOSS), order(role=Role.EXIT)) is Reason.BREAKER_LOSS


def test_a_closed_breaker_lets_pass_with_its_gate_number() -> None:
    """The gateway compares that number at the last moment."""
    book = breaker.close_cause(with_cause(CauseKind.CLOCK), CauseKind.CLOCK, ACCOUNT, "t1")
    assert breaker.may_pass(book, order(), reduces=False) == Pass(gate=1)


@pytest.mark.parametrize(
    ("scope", "blocks"),
    [
        (ACCOUNT, True),
        ("symbol:BTCUSDT", True),
        ("symbol:BTCUSD", False),
        ("symbol:ETHUSDT", False),
        ("asset:BTC", True),
        ("asset:USDT", True),
        ("asset:ETH", False),
        ("strategy:s", True),
        ("strategy:other", False),
    ],
)
def test_a_cause_blocks_only_inside_its_scope(scope: str, blocks: bool) -> None:
    """Account, symbol, asset and strategy."""
    assert (blocked(with_cause(CauseKind.DRIFT, scope), order()) is not None) is blocks


def test_the_oldest_cause_in_scope_is_named() -> None:
    """Later ones follow when it is gone."""
    book = with_cause(CauseKind.UNCONFIRMED)
    book = with_cause(CauseKind.MANUAL, book=book)
    assert blocked(book, order()) is Reason.BREAKER_UNCONFIRMED
    book = breaker.close_cause(book, CauseKind.UNCONFIRMED, ACCOUNT, "t1")
    assert blocked(book, order()) is Reason.BREAKER_MANUAL
    assert book.state.is_open


def test_the_same_cause_again_replaces_the_token_and_only_the_new_token_closes_it() -> None:
    """A fact about an older token removes nothing; the cause keeps its place and its age."""
    first = with_cause(CauseKind.STREAM_LOST, token="g1")
    second = breaker.open_cause(first, CauseKind.STREAM_LOST, ACCOUNT, "g2", "again", at(9))
    assert len(second.causes) == 1
    assert second.causes[0].opened_at == at().utc
    assert second.gate == 2
    assert breaker.close_cause(second, CauseKind.STREAM_LOST, ACCOUNT, "g1") is second
    assert not breaker.close_cause(second, CauseKind.STREAM_LOST, ACCOUNT, "g2").state.is_open


def test_renewing_one_cause_leaves_the_others() -> None:
    """The other causes stay, in their order."""
    book = with_cause(CauseKind.CLOCK, book=with_cause(CauseKind.DRIFT, "asset:BTC"))
    book = breaker.open_cause(book, CauseKind.DRIFT, "asset:BTC", "t2", "more", at())
    assert [(cause.kind, cause.token) for cause in book.causes] == [(CauseKind.DRIFT, "t2"), (CauseKind.CLOCK, "t1")]


def test_the_same_word_twice_changes_nothing() -> None:
    """A message that arrives twice moves no gate and tells no event."""
    book = with_cause(CauseKind.KEEPER_LOST)
    assert with_cause(CauseKind.KEEPER_LOST, book=book) is book
    assert breaker.close_cause(book, CauseKind.CLOCK, ACCOUNT, "t1") is book


def test_kinds_and_scopes_are_separate_causes() -> None:
    """Closing one leaves the other open."""
    book = with_cause(CauseKind.DRIFT, "asset:ETH", book=with_cause(CauseKind.DRIFT, "asset:BTC"))
    book = breaker.close_cause(book, CauseKind.DRIFT, "asset:ETH", "t1")
    assert [cause.scope for cause in book.causes] == ["asset:BTC"]


def test_the_gate_grows_with_every_opening_and_never_falls() -> None:
    """What passed under an older number is void, even when the cause is gone by then."""
    book = with_cause(CauseKind.CLOCK)
    book = breaker.close_cause(book, CauseKind.CLOCK, ACCOUNT, "t1")
    assert book.gate == 1
    assert with_cause(CauseKind.CLOCK, token="t2", book=book).gate == 2


def test_a_person_removes_what_waits_for_a_person_and_nothing_else() -> None:
    """MANUAL and LOSS of the named scope go, whatever their tokens; a lost stream stays lost."""
    book = with_cause(CauseKind.MANUAL, token="a", book=with_cause(CauseKind.LOSS, token="2026-03-01"))
    book = with_cause(CauseKind.STREAM_LOST, book=with_cause(CauseKind.MANUAL, "symbol:BTCUSDT", book=book))
    left = breaker.close_by_hand(book, ACCOUNT)
    assert [(c.kind, c.scope) for c in left.causes] == [
        (CauseKind.MANUAL, "symbol:BTCUSDT"),
        (CauseKind.STREAM_LOST, ACCOUNT),
    ]
    assert breaker.close_by_hand(left, ACCOUNT) is left


def test_open_and_closed_are_told_once() -> None:
    """The seed's two events mark the first cause's coming and the last one's going."""
    none, one = BreakerBook(), with_cause(CauseKind.CLOCK)
    two = with_cause(CauseKind.DRIFT, book=one)
    assert breaker.has_opened(none, one)
    assert not breaker.has_opened(one, two)
    assert not breaker.has_closed(two, one)
    assert breaker.has_closed(one, none)


def test_half_open_ends_with_its_cause_only() -> None:
    """Another cause closing does not lose the probe's state."""
    both = breaker.probe_sent(with_cause(CauseKind.CLOCK, book=half_open()), "a", at(COOLDOWN))
    left = breaker.close_cause(both, CauseKind.CLOCK, ACCOUNT, "t1")
    assert left.state.half_open
    assert left.state.probe == "a"


# -- what counts --------------------------------------------------------------


def test_every_reason_is_classified() -> None:
    """A new reason must be decided, not defaulted: the table names exactly the reasons there are."""
    assert set(COUNTS_AS_ERROR) == set(Reason)


@pytest.mark.parametrize(
    ("reason", "counts"),
    [
        (Reason.VENUE_INSUFFICIENT_BALANCE, False),
        (Reason.VENUE_FILTER, False),
        (Reason.VENUE_WOULD_TAKE, False),
        (Reason.VENUE_ABSENT, False),
        (Reason.RISK_DAILY_LOSS, False),
        (Reason.HOUSE_EXPIRED, False),
        (Reason.BREAKER_GATE_MOVED, False),
        (Reason.VENUE_REJECTED, True),
        (Reason.VENUE_NOT_REACHED, True),
        (Reason.VENUE_THROTTLED, True),
        (Reason.VENUE_CREDENTIALS, True),
        (Reason.VENUE_CLOCK, True),
        (Reason.VENUE_PARAMETER, True),
    ],
)
def test_expected_refusals_are_no_errors_of_the_venue(reason: Reason, counts: bool) -> None:
    """An empty wallet says nothing about the venue's health; a refused signature does."""
    assert COUNTS_AS_ERROR[reason] is counts
