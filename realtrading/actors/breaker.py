"""The breaker keeper: opens and closes causes, counts errors, and lets orders through to the journal or not."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import ClassVar

import attrs

from realtrading.domain import breaker as rules
from realtrading.domain.breaker import ACCOUNT, BreakerBook, CauseKind, Pass
from realtrading.domain.commands import CloseBreaker, GateOrder, OpenBreaker, Reconcile, RecordOrder
from realtrading.domain.events import (
    AccountResetSeen,
    BreakerChanged,
    CircuitBreakerClosed,
    CircuitBreakerOpened,
    Error,
    KeeperLost,
    LimitBreached,
    MailboxFilled,
    OrderAdopted,
    OrderBlocked,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderPartiallyFilled,
    OrderPlaced,
    OrderRejected,
    OrderRevised,
    OrderUnknown,
    ReconciliationComplete,
)
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.reasons import reason_of
from realtrading.domain.reconciliation import DiscrepancyKind
from realtrading.domain.reports import ClockMeasured, StreamLost
from realtrading.domain.values import Now
from realtrading.runtime.ticker import Tick

from .keeper import Draft, Handler, MoneyKeeper

CLOCK_LIMIT_S = 0.5
"""A clock further off than this, or measured no better than this, is no clock to sign with."""

HEALED_BY_ROUND = (CauseKind.UNCONFIRMED, CauseKind.STREAM_LOST, CauseKind.KEEPER_LOST, CauseKind.BACKLOG)
"""Causes that a reconciliation removes, if it started after they were opened and left nothing but drifts of assets open."""


class BreakerActor(MoneyKeeper):
    """The breaker. Tables: breaker (durable), gate."""

    owns = (BreakerChanged,)

    def __init__(self, *, config: RealTradingConfig, began: Now) -> None:
        """`began` is the moment of the process's start: what is waited for is counted from there."""
        super().__init__()
        self.config = config
        self.began = began

    def handle(self, message: object, now: Now) -> Iterable[object]:
        """As every keeper, by a clock that goes on steadily: whoever sets ours neither ends a wait nor makes it last."""
        steady = self.began.utc + timedelta(seconds=now.mono - self.began.mono)
        return super().handle(message, attrs.evolve(now, utc=steady))

    def book(self, draft: Draft) -> BreakerBook:
        """The breaker's book as it stands."""
        return book_of(draft.row("breaker", "state"), draft.row("gate", "gate"))

    def change(self, draft: Draft, what: str, step: Callable[[BreakerBook], BreakerBook]) -> BreakerBook:
        """Take one step and say it, if it changed anything."""
        before = self.book(draft)
        after = step(before)
        if after == before:
            return after
        draft.say(BreakerChanged(state=after.state, causes=after.causes, gate=after.gate, changed=what))
        if rules.has_opened(before, after):
            draft.say(CircuitBreakerOpened(reason=what))
        if rules.has_closed(before, after):
            draft.say(CircuitBreakerClosed())
        return after

    def open(
        self, draft: Draft, kind: CauseKind, scope: str, token: str, detail: str, now: Now, *, sealed: bool = False
    ) -> None:
        """Open a cause."""
        self.change(
            draft,
            f"{kind}: {detail}",
            lambda book: rules.open_cause(book, kind, scope, token, detail, now, sealed=sealed),
        )

    def close(self, draft: Draft, kind: CauseKind, scope: str, token: str, detail: str) -> None:
        """Close a cause by the token it carries."""
        self.change(draft, f"{kind} over: {detail}", lambda book: rules.close_cause(book, kind, scope, token))

    # -- the gate -------------------------------------------------------------

    def gate(self, message: GateOrder, now: Now, draft: Draft) -> None:
        """Let the order on to the journal with the gate's number, or send it back with the cause."""
        order = message.order
        answer = rules.may_pass(self.book(draft), order, message.reduces)
        if not isinstance(answer, Pass):
            detail = f"{answer.cause.kind} in {answer.cause.scope}: {answer.cause.detail}"
            draft.say(OrderBlocked(order=order, reason=answer.reason, detail=detail))
            return
        if answer.probe:
            self.change(draft, f"probe {order.id}", lambda book: rules.probe_sent(book, order.id, now))
        draft.say(RecordOrder(order=order, gate=answer.gate, valid_until_mono=message.valid_until_mono))

    # -- errors and successes of the venue ------------------------------------

    def succeeded(self, message: OrderEvent, now: Now, draft: Draft) -> None:
        """The venue took an order."""
        order_id = message.order.id
        self.change(draft, f"success of {order_id}", lambda book: rules.success_seen(book, order_id, now))

    def rejected(self, message: OrderRejected, now: Now, draft: Draft) -> None:
        """A refusal: an error of the venue or an expected answer, by the table."""
        order = message.order
        if rules.COUNTS_AS_ERROR[reason_of(order.reason)]:
            self.error(draft, message.reason, now)
        else:
            self.change(draft, f"probe {order.id} told nothing", lambda book: rules.probe_returned(book, order.id))

    def doubted(self, message: OrderUnknown, now: Now, draft: Draft) -> None:
        """An outcome nobody knows; one that the house itself died over is no error of the venue."""
        if message.ours:
            return
        self.error(draft, f"outcome of {message.order.id} unknown: {message.detail}", now)

    def revised(self, message: OrderRevised, now: Now, draft: Draft) -> None:
        """Late evidence contradicted what was final: nothing new until a clean round has seen it."""
        token = f"revised-{message.order.id}-{now.utc.isoformat()}"
        self.open(draft, CauseKind.UNCONFIRMED, ACCOUNT, token, message.detail, now)
        draft.say(Reconcile(trigger="revision", token=token))
        draft.say(Error(message=f"late evidence about {message.order.id}: {message.detail}"))

    def adopted(self, message: OrderAdopted, now: Now, draft: Draft) -> None:
        """An order of ours that nobody here knew is at the exchange: nothing new until a clean round has seen it."""
        token = f"adopted-{message.order.id}"
        detail = f"{message.order.id} lives at the exchange, and no memory of it was left"
        self.open(draft, CauseKind.UNCONFIRMED, ACCOUNT, token, detail, now)
        draft.say(Reconcile(trigger="adoption", token=token))
        draft.say(Error(message=detail))

    def denied(self, message: OrderDenied, now: Now, draft: Draft) -> None:
        """The probe never left the house."""
        order_id = message.order.id
        self.change(draft, f"probe {order_id} not sent", lambda book: rules.probe_returned(book, order_id))

    def error(self, draft: Draft, detail: str, now: Now) -> None:
        """Count one error."""
        self.change(draft, detail, lambda book: rules.error_seen(book, detail, now, self.config))

    # -- causes ---------------------------------------------------------------

    def reset_seen(self, message: AccountResetSeen, now: Now, draft: Draft) -> None:
        """What positions say may be void: not even an exit passes. Once it is certain, only a rebase helps."""
        if message.certain:
            self.open(draft, CauseKind.ACCOUNT_RESET, ACCOUNT, "reset", message.detail, now, sealed=True)
        else:
            token = f"reset-{message.token}"
            known = self.book(draft).cause(CauseKind.UNCONFIRMED)
            if known is None or not known.token.startswith("reset-"):
                self.open(draft, CauseKind.UNCONFIRMED, ACCOUNT, token, message.detail, now, sealed=True)
                draft.say(Reconcile(trigger="reset", token=token))

    def keeper_lost(self, message: KeeperLost, now: Now, draft: Draft) -> None:
        """An actor died: shut until a round that begins after this has found nothing wrong.

        Was it the breaker itself, its memory may be the journal's: what was open there is wished to be looked at again.
        """
        token = f"keeper-{message.name}-{message.token}"
        strategy = message.name.removeprefix("strategy:")
        scope = ACCOUNT if strategy == message.name else f"strategy:{strategy}"
        self.open(draft, CauseKind.KEEPER_LOST, scope, token, f"{message.name} was lost ({message.cause})", now)
        draft.say(Reconcile(trigger="keeper", token=token))
        for cause in self.book(draft).causes if message.name == "breaker" else ():
            if cause.kind in HEALED_BY_ROUND and cause.token != token and not rules.is_restored(cause):
                draft.say(Reconcile(trigger="keeper", token=cause.token))

    def stream_lost(self, message: StreamLost, now: Now, draft: Draft) -> None:
        """Nothing is heard any more."""
        token = f"stream-{message.generation}"
        self.open(draft, CauseKind.STREAM_LOST, ACCOUNT, token, message.detail, now)
        draft.say(Reconcile(trigger="stream", token=token))

    def backlog(self, message: MailboxFilled, now: Now, draft: Draft) -> None:
        """A money mailbox is too full to be trusted with more."""
        token = f"backlog-{message.name}-{now.mono:.3f}"
        detail = f"{message.waiting} letters wait for {message.name}"
        self.open(draft, CauseKind.BACKLOG, ACCOUNT, token, detail, now)
        draft.say(Reconcile(trigger="backlog", token=token))

    def clock(self, message: ClockMeasured, now: Now, draft: Draft) -> None:
        """A clock that is far off, or cannot be read sharply, shuts the door; the next good reading opens it."""
        bad = abs(message.offset_s) > CLOCK_LIMIT_S or message.uncertainty_s > CLOCK_LIMIT_S
        if bad:
            detail = f"clock off by {message.offset_s:+.3f} s (read to {message.uncertainty_s:.3f} s)"
            self.open(draft, CauseKind.CLOCK, ACCOUNT, "clock", detail, now)
        else:
            self.close(draft, CauseKind.CLOCK, ACCOUNT, "clock", "measured well")

    def limit_breached(self, message: LimitBreached, now: Now, draft: Draft) -> None:
        """A loss limit: only a person resumes."""
        detail = f"{message.reason}: {message.value} of {message.limit}"
        self.open(draft, CauseKind.LOSS, message.scope, f"loss-{message.day}", detail, now)

    def reconciled(self, message: ReconciliationComplete, now: Now, draft: Draft) -> None:
        """A round ended: it opens what it found and closes what it has covered and found in order."""
        if message.confirmed:
            self.change(draft, f"{message.token} confirmed the positions", rules.unsealed)
        drifting = {}
        for found in message.unresolved:
            if found.kind is DiscrepancyKind.BALANCE_DRIFT:
                drifting[f"asset:{found.key}"] = found
        for scope, found in drifting.items():
            detail = f"{found.key}: engine {found.engine}, exchange {found.exchange}"
            self.open(draft, CauseKind.DRIFT, scope, message.token, detail, now)
        if not message.covers and not message.clean:
            return
        for cause in self.book(draft).causes:
            healed = cause.kind in HEALED_BY_ROUND and message.settled and cause.token in message.covers
            settled = cause.kind is CauseKind.DRIFT and cause.scope not in drifting
            if healed or settled or (cause.kind is CauseKind.ACCOUNT_RESET and message.clean):
                self.close(draft, cause.kind, cause.scope, cause.token, f"{message.token} was clean")

    # -- people and time ------------------------------------------------------

    def by_hand(self, message: OpenBreaker, now: Now, draft: Draft) -> None:
        """A person shuts a scope."""
        detail = f"{message.by}: {message.detail}"
        self.open(draft, CauseKind.MANUAL, message.scope, f"manual-{now.utc.isoformat()}", detail, now)

    def resumed(self, message: CloseBreaker, now: Now, draft: Draft) -> None:
        """A person opens what people and losses shut."""
        what = f"resumed by {message.by}: {message.detail}"
        self.change(draft, what, lambda book: rules.close_by_hand(book, message.scope))

    def tick(self, message: Tick, now: Now, draft: Draft) -> None:
        """The cooldown of errors; the end of what a start has to wait for."""
        self.change(draft, "cooldown", lambda book: rules.tick(book, now, self.config))
        self.change(draft, "positions could not be confirmed", lambda book: rules.unsealed_by_time(book, now))
        cause = self.book(draft).cause(CauseKind.UNCONFIRMED)
        if cause is not None and rules.is_listed(cause, now):
            token = rules.listed(cause)
            self.open(draft, cause.kind, cause.scope, token, cause.detail, now)
            draft.say(Reconcile(trigger="restored", token=token))

    handlers: ClassVar[dict[type, Handler]] = {
        GateOrder: gate,
        OrderPlaced: succeeded,
        OrderPartiallyFilled: succeeded,
        OrderFilled: succeeded,
        OrderCancelled: succeeded,
        OrderExpired: succeeded,
        OrderRejected: rejected,
        OrderUnknown: doubted,
        OrderRevised: revised,
        OrderAdopted: adopted,
        OrderDenied: denied,
        KeeperLost: keeper_lost,
        StreamLost: stream_lost,
        MailboxFilled: backlog,
        ClockMeasured: clock,
        LimitBreached: limit_breached,
        AccountResetSeen: reset_seen,
        ReconciliationComplete: reconciled,
        OpenBreaker: by_hand,
        CloseBreaker: resumed,
        Tick: tick,
    }


def book_of(row: tuple[rules.CircuitBreakerState, tuple[rules.BreakerCause, ...]] | None, gate: int | None) -> BreakerBook:
    """The breaker's rows as one value; missing rows are a breaker that nothing ever happened to."""
    if row is None:
        return BreakerBook()
    state, causes = row
    return BreakerBook(state=state, causes=causes, gate=gate or 0)
