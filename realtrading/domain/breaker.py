"""The circuit breaker: causes with scope and token, the error count, the gate number."""
from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import attrs

from .limits import RealTradingConfig
from .orders import RealOrder
from .reasons import Reason
from .values import Now


class CauseKind(enum.StrEnum):
    """Why new exposure is not let through."""

    ERRORS = "ERRORS"
    UNCONFIRMED = "UNCONFIRMED"
    ACCOUNT_RESET = "ACCOUNT_RESET"
    STREAM_LOST = "STREAM_LOST"
    KEEPER_LOST = "KEEPER_LOST"
    DRIFT = "DRIFT"
    BACKLOG = "BACKLOG"
    CLOCK = "CLOCK"
    LOSS = "LOSS"
    MANUAL = "MANUAL"


ACCOUNT = "account"
"""The widest scope; the others are symbol:…, asset:… and strategy:…."""

SEALED_MAX = timedelta(seconds=30)
"""A start whose positions nobody could confirm for so long lets exits go by what the journal says."""

LISTED_AFTER = timedelta(seconds=15)
"""No list of the exchange lags so far behind: what a lost memory did until its end is in it."""

_RESTORED = "restored-"


@attrs.frozen(kw_only=True)
class BreakerCause:
    """One reason to be open. The same kind and scope again replaces the token; a fact naming the token removes it.

    `sealed`: what positions say is not confirmed, so exits do not pass either; they might sell what is not there.
    """

    kind: CauseKind
    scope: str
    token: str
    detail: str
    opened_at: datetime
    sealed: bool = False


@attrs.frozen(kw_only=True)
class CircuitBreakerState:
    """The seed's view: open or not, consecutive errors, since when (UTC), the last error.

    M-5: this `error_count` is the only one in the house; the engine's `consecutive_errors` shows it. M-9: the
    errors that open it and the probe that closes it each have their event (`has_opened`, `has_closed`), and
    `last_error` stays readable after the close. `half_open`: the cooldown is over and one probe may pass; `probe` is
    the order that is out as the probe, `probe_at` when it passed (UTC).
    """

    is_open: bool = False
    error_count: int = 0
    opened_at: datetime | None = None
    last_error: str | None = None
    half_open: bool = False
    probe: str | None = None
    probe_at: datetime | None = None


@attrs.frozen(kw_only=True)
class BreakerBook:
    """Everything the breaker keeps. `gate` grows whenever a cause opens: what passed under an older number is void."""

    state: CircuitBreakerState = CircuitBreakerState()
    causes: tuple[BreakerCause, ...] = ()
    gate: int = 0

    def cause(self, kind: CauseKind, scope: str = ACCOUNT) -> BreakerCause | None:
        """The open cause of this kind and scope, if there is one."""
        return next((cause for cause in self.causes if (cause.kind, cause.scope) == (kind, scope)), None)


@attrs.frozen(kw_only=True)
class Pass:
    """The order may go on. `gate` None: it passes shut gates too. `probe`: it is the probe; say `probe_sent`."""

    gate: int | None
    probe: bool = False


@attrs.frozen(kw_only=True)
class Blocked:
    """The order may not go on, because of `cause`."""

    reason: Reason
    cause: BreakerCause


_ERRORS_OF_THE_VENUE = frozenset({
    Reason.VENUE_NOT_REACHED,
    Reason.VENUE_REJECTED,
    Reason.VENUE_THROTTLED,
    Reason.VENUE_CREDENTIALS,
    Reason.VENUE_CLOCK,
    Reason.VENUE_PARAMETER,
})

COUNTS_AS_ERROR: Mapping[Reason, bool] = {reason: reason in _ERRORS_OF_THE_VENUE for reason in Reason}
"""Which refusals are errors in the breaker's eyes. An empty wallet, a filter, a post-only order that would have taken,
and every refusal of our own are expected answers. An unknown outcome counts when it becomes unknown, so its proof of
absence (VENUE_ABSENT) does not count again."""


def open_cause(
    book: BreakerBook, kind: CauseKind, scope: str, token: str, detail: str, now: Now, *, sealed: bool = False
) -> BreakerBook:
    """Open (or renew, with a new token) the cause of this kind and scope. The same token told again changes nothing.

    A renewed cause keeps its place, its seal and the moment it first opened, except ERRORS, whose cooldown starts afresh.
    """
    before = book.cause(kind, scope)
    if before is not None and (before.token == token or (is_restored(before) and token != listed(before))):
        return book  # what is found while a lost memory is looked for belongs to that
    since = now.utc if before is None or kind is CauseKind.ERRORS else before.opened_at
    sealed = sealed or (before is not None and before.sealed)
    cause = BreakerCause(kind=kind, scope=scope, token=token, detail=detail, opened_at=since, sealed=sealed)
    if before is None:
        causes = (*book.causes, cause)
    else:
        causes = tuple(cause if old is before else old for old in book.causes)
    return _with_causes(attrs.evolve(book, gate=book.gate + 1), causes)


def restored(run: int) -> str:
    """The token of UNCONFIRMED at the first start of a restored journal: no round covers it before it `is_listed`."""
    return f"{_RESTORED}{run}"


def listed(cause: BreakerCause) -> str:
    """The token that such a cause goes on under when it `is_listed`."""
    return f"listed-{cause.token}"


def is_restored(cause: BreakerCause) -> bool:
    """True for UNCONFIRMED of a restored journal while the account's lists may not be whole."""
    return cause.token.startswith(_RESTORED)


def is_listed(cause: BreakerCause, now: Now) -> bool:
    """True when all that a lost memory traded must be in the account's lists, and a round may confirm it."""
    return is_restored(cause) and now.utc - cause.opened_at >= LISTED_AFTER


def unsealed(book: BreakerBook) -> BreakerBook:
    """Positions are confirmed: exits pass again, but not while it is not certain that the account's lists are whole."""
    return _unsealed(book, lambda cause: not is_restored(cause))


def unsealed_by_time(book: BreakerBook, now: Now) -> BreakerBook:
    """Exits do not wait for ever for a round that does not come: what the journal says of positions must do then."""
    return _unsealed(book, lambda cause: now.utc - cause.opened_at >= SEALED_MAX)


def _unsealed(book: BreakerBook, which: Callable[[BreakerCause], bool]) -> BreakerBook:
    def opens(cause: BreakerCause) -> bool:
        return cause.sealed and cause.kind is CauseKind.UNCONFIRMED and which(cause)

    if not any(opens(cause) for cause in book.causes):
        return book
    causes = tuple(attrs.evolve(cause, sealed=False) if opens(cause) else cause for cause in book.causes)
    return _with_causes(book, causes)


def close_cause(book: BreakerBook, kind: CauseKind, scope: str, token: str) -> BreakerBook:
    """Remove the cause if it still carries `token`; a fact about an older token removes nothing."""
    cause = book.cause(kind, scope)
    if cause is None or cause.token != token:
        return book
    return _with_causes(book, tuple(old for old in book.causes if old is not cause))


def without(book: BreakerBook, kind: CauseKind) -> BreakerBook:
    """The book with no cause of this kind, in whatever scope."""
    return _with_causes(book, tuple(cause for cause in book.causes if cause.kind is not kind))


def close_by_hand(book: BreakerBook, scope: str) -> BreakerBook:
    """A person's word: remove the MANUAL and LOSS causes of this scope, whatever their tokens."""
    by_hand = (CauseKind.MANUAL, CauseKind.LOSS)
    causes = tuple(cause for cause in book.causes if cause.kind not in by_hand or cause.scope != scope)
    return book if len(causes) == len(book.causes) else _with_causes(book, causes)


def error_seen(book: BreakerBook, detail: str, now: Now, config: RealTradingConfig) -> BreakerBook:
    """One more consecutive error. At `circuit_breaker_errors` ERRORS opens; while half-open any error opens it afresh.

    An error while it is open is counted and remembered, but does not lengthen the cooldown.
    """
    count = book.state.error_count + 1
    book = attrs.evolve(book, state=attrs.evolve(book.state, error_count=count, last_error=detail))
    is_open = book.cause(CauseKind.ERRORS) is not None
    if (is_open and not book.state.half_open) or (not is_open and count < config.circuit_breaker_errors):
        return book
    book = attrs.evolve(book, state=attrs.evolve(book.state, half_open=False, probe=None, probe_at=None))
    what = f"{count} consecutive errors, last: {detail}"
    return open_cause(book, CauseKind.ERRORS, ACCOUNT, f"errors-{book.gate + 1}", what, now)


def success_seen(book: BreakerBook, order_id: str, now: Now) -> BreakerBook:
    """The venue took an order. Closed: the count starts over. Half-open: the probe's success removes ERRORS, another's
    does not; nor does any while it is open. A reconnect is not a success, so a flapping line cannot hide errors.
    """
    cause = book.cause(CauseKind.ERRORS)
    if cause is not None and not (book.state.half_open and book.state.probe == order_id):
        return book
    if cause is None and not book.state.error_count:
        return book
    book = attrs.evolve(book, state=attrs.evolve(book.state, error_count=0))
    return book if cause is None else close_cause(book, cause.kind, cause.scope, cause.token)


def tick(book: BreakerBook, now: Now, config: RealTradingConfig) -> BreakerBook:
    """Time passed: after the cooldown ERRORS becomes half-open; a probe nobody heard of for as long is given up for
    another. Other causes ignore the clock."""
    cause = book.cause(CauseKind.ERRORS)
    if cause is None:
        return book
    cooldown = timedelta(seconds=config.circuit_breaker_cooldown_secs)
    state = book.state
    if not state.half_open and now.utc - cause.opened_at >= cooldown:
        return attrs.evolve(book, state=attrs.evolve(state, half_open=True, probe=None, probe_at=None))
    if state.probe_at is not None and now.utc - state.probe_at >= cooldown:
        return attrs.evolve(book, state=attrs.evolve(state, probe=None, probe_at=None))
    return book


def probe_sent(book: BreakerBook, order_id: str, now: Now) -> BreakerBook:
    """`order_id` passed as the probe (`Pass.probe`)."""
    if book.state.probe == order_id:
        return book
    return attrs.evolve(book, state=attrs.evolve(book.state, probe=order_id, probe_at=now.utc))


def probe_returned(book: BreakerBook, order_id: str) -> BreakerBook:
    """The probe ended without saying anything about the venue (refused as expected, or never sent): another may try."""
    if book.state.probe != order_id:
        return book
    return attrs.evolve(book, state=attrs.evolve(book.state, probe=None, probe_at=None))


def may_pass(book: BreakerBook, order: RealOrder, reduces: bool) -> Pass | Blocked:
    """May the order go on? Orders that only reduce pass every cause that is not sealed; a shut door must never keep
    anyone in the room.

    `reduces` is risk's judgement by quantities. The role alone opens nothing: an order that calls itself an exit and
    adds exposure is an entry. Of several causes in scope a reset of the account is named, else the oldest.
    """
    causes = sorted(book.causes, key=lambda cause: cause.kind is not CauseKind.ACCOUNT_RESET)
    if reduces:
        seal = next((cause for cause in causes if cause.sealed and in_scope(cause.scope, order)), None)
        if seal is not None:
            return Blocked(reason=Reason[f"BREAKER_{seal.kind.name}"], cause=seal)
        return Pass(gate=None)
    probe = False
    for cause in causes:
        if not in_scope(cause.scope, order):
            continue
        if cause.kind is CauseKind.ERRORS and book.state.half_open and book.state.probe in (None, order.id):
            probe = True
            continue
        return Blocked(reason=Reason[f"BREAKER_{cause.kind.name}"], cause=cause)
    return Pass(gate=book.gate, probe=probe)


def in_scope(scope: str, order: RealOrder) -> bool:
    """Does a cause of this scope concern the order?

    An asset concerns every symbol whose name begins or ends with it: that may stop one order too many, never one too
    few, and needs no symbol rules.
    """
    kind, _, name = scope.partition(":")
    if kind == "symbol":
        return order.symbol == name
    if kind == "strategy":
        return order.strategy == name
    if kind == "asset":
        return order.symbol.startswith(name) or order.symbol.endswith(name)
    return True


def has_opened(before: BreakerBook, after: BreakerBook) -> bool:
    """The first cause appeared: say `CircuitBreakerOpened`."""
    return after.state.is_open and not before.state.is_open


def has_closed(before: BreakerBook, after: BreakerBook) -> bool:
    """The last cause is gone: say `CircuitBreakerClosed`."""
    return before.state.is_open and not after.state.is_open


def _with_causes(book: BreakerBook, causes: tuple[BreakerCause, ...]) -> BreakerBook:
    """`book` with these causes and the seed's view of them."""
    state = attrs.evolve(
        book.state,
        is_open=bool(causes),
        opened_at=min((cause.opened_at for cause in causes), default=None),
    )
    if not any(cause.kind is CauseKind.ERRORS for cause in causes):
        state = attrs.evolve(state, half_open=False, probe=None, probe_at=None)
    return attrs.evolve(book, state=state, causes=causes)
