"""The reconciliation keeper: decides when to look, follows one round at a time, and says what came of it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from realtrading.domain.commands import ExplainBalances, PrepareSnapshot, Reconcile
from realtrading.domain.events import (
    BalancesCompared,
    BalancesExplained,
    DiscrepancyFound,
    OrdersCompared,
    ReconciliationComplete,
    ReconciliationFailed,
)
from realtrading.domain.reconciliation import (
    CAUSE_WEIGHT,
    WEIGHT_AT_ONCE,
    Resolution,
    confirm,
    round_weight,
)
from realtrading.domain.reports import LookupFailed, StreamConnected, StreamLost
from realtrading.domain.settings import RealTradingConfig
from realtrading.domain.values import Now
from realtrading.runtime.ticker import Tick

from .keeper import Draft, Handler, MoneyKeeper
from .reconciliation_plan import Plan, PlanChanged, Round, because, united, unresolved, wondering

ROUND_DEADLINE_S = 30.0
BETWEEN_S = 0.25
"""Two rounds never follow each other faster: many wishes are one round's work."""

CAUSE_AGAIN_S = 30.0
"""The cause of the same differences is not asked for again sooner: the histories that tell it are dear."""

SKIPPED_AGAIN_S = 10
"""A round that could not compare every asset, because it moved, is followed by the next one at the latest so soon."""


class ReconciliationActor(MoneyKeeper):
    """Reconciliation. Tables: plan (ephemeral)."""

    owns = (PlanChanged,)

    def __init__(self, *, config: RealTradingConfig, run: int, symbols: int) -> None:
        super().__init__()
        self.config = config
        self.run = run
        self.symbols = symbols

    def weight(self, plan: Plan) -> float:
        """What the next round costs."""
        return round_weight(self.symbols, first=plan.counter == 0)

    def plan(self, draft: Draft) -> Plan:
        """The plan as it stands."""
        plan: Plan | None = draft.row("plan", "plan")
        return Plan() if plan is None else plan

    def wish(self, message: Reconcile, now: Now, draft: Draft) -> None:
        """Somebody wants a look; a round that starts from now on covers it."""
        plan = self.plan(draft)
        plan = attrs.evolve(plan, wishes=united(plan.wishes, (message.token,)), trigger=message.trigger)
        self.go_on(plan, now, draft)

    def connected(self, message: StreamConnected, now: Now, draft: Draft) -> None:
        """A new generation: whatever was missed in between must be found."""
        plan = self.plan(draft)
        token = f"generation-{message.generation}"
        plan = attrs.evolve(
            plan,
            generation=message.generation,
            round=None,
            wishes=united(plan.wishes, (token,), plan.round.covers if plan.round else ()),
            trigger="stream" if plan.last_done_mono is not None else "start",
            not_before_mono=now.mono,
        )
        self.go_on(plan, now, draft)

    def lost(self, message: StreamLost, now: Now, draft: Draft) -> None:
        """Without a stream nothing can be compared: the round in progress is void."""
        plan = self.plan(draft)
        if plan.generation == message.generation:
            if plan.round is not None:
                plan = self.fail(plan, message.detail, now, draft)
            draft.say(PlanChanged(plan=attrs.evolve(plan, generation=None)))

    def go_on(self, plan: Plan, now: Now, draft: Draft) -> None:
        """Start a round if one is wanted and possible; keep the plan."""
        wanted = bool(plan.wishes) and plan.round is None and plan.generation is not None
        rested = plan.last_done_mono is None or now.mono - plan.last_done_mono >= BETWEEN_S
        cost = self.weight(plan)
        bill = plan.spending(cost, now.mono)
        affordable = bill.spent <= max(WEIGHT_AT_ONCE, cost)
        if wanted and rested and affordable and now.mono >= plan.not_before_mono:
            plan = bill
            assert plan.generation is not None
            counter = plan.counter + 1
            token = f"round-{self.run}-{counter}"
            draft.say(PrepareSnapshot(token=token, generation=plan.generation))
            plan = attrs.evolve(
                plan,
                counter=counter,
                wishes=(),
                round=Round(
                    token=token,
                    trigger=plan.trigger,
                    generation=plan.generation,
                    covers=plan.wishes,
                    started_mono=now.mono,
                ),
            )
        draft.say(PlanChanged(plan=plan))

    def fail(self, plan: Plan, detail: str, now: Now, draft: Draft) -> Plan:
        """Void the round: nothing is concluded from it, and its wishes are wished again."""
        assert plan.round is not None
        draft.say(
            ReconciliationFailed(
                trigger=plan.round.trigger, token=plan.round.token, generation=plan.round.generation, detail=detail
            )
        )
        return attrs.evolve(
            plan,
            round=None,
            wishes=united(plan.round.covers, plan.wishes),
            trigger=plan.round.trigger,
            not_before_mono=now.mono + plan.pause_s,
            repeats=plan.repeats + 1,
        )

    def lookup_failed(self, message: LookupFailed, now: Now, draft: Draft) -> None:
        """The snapshot could not be taken: a failed query is never "none"."""
        plan = self.plan(draft)
        if plan.round is not None and plan.round.token == message.subject:
            draft.say(PlanChanged(plan=self.fail(plan, message.detail, now, draft)))

    def orders_compared(self, message: OrdersCompared, now: Now, draft: Draft) -> None:
        """Orders merged the snapshot; wait for balances, unless the round was void."""
        plan = self.plan(draft)
        if plan.round is None or plan.round.token != message.token:
            return
        if message.pending == ("generation changed",):
            draft.say(PlanChanged(plan=self.fail(plan, "the stream changed during the round", now, draft)))
            return
        draft.say(PlanChanged(plan=attrs.evolve(plan, round=attrs.evolve(plan.round, orders=message))))

    def balances_compared(self, message: BalancesCompared, now: Now, draft: Draft) -> None:
        """Both have compared: ask for the cause of what two looks repeat, or conclude."""
        plan = self.plan(draft)
        if plan.round is None or plan.round.token != message.token or plan.round.orders is None:
            return
        certain = unresolved(confirm(plan.suspects, message.discrepancies))
        about = tuple((found.key, found.detail) for found in certain)
        plan = attrs.evolve(plan, round=attrs.evolve(plan.round, compared=message))
        if not about or (about == plan.asked_about and now.mono - plan.asked_mono < CAUSE_AGAIN_S):
            self.conclude(plan, {}, now, draft)
            return
        draft.say(ExplainBalances(token=message.token))
        plan = plan.spending(CAUSE_WEIGHT, now.mono)
        draft.say(PlanChanged(plan=attrs.evolve(plan, asked_about=about, asked_mono=now.mono)))

    def explained(self, message: BalancesExplained, now: Now, draft: Draft) -> None:
        """The histories were read: conclude."""
        plan = self.plan(draft)
        if plan.round is not None and plan.round.token == message.token and plan.round.compared is not None:
            self.conclude(attrs.evolve(plan, unanswered=message.unanswered), message.explained, now, draft)

    def conclude(self, plan: Plan, explained: Mapping[str, str], now: Now, draft: Draft) -> None:
        """Say what the round found. What was explained is looked at once more: only then is the wallet what it seems."""
        done = plan.round
        assert done is not None
        assert done.orders is not None
        assert done.compared is not None
        compared = confirm(plan.suspects, done.compared.discrepancies)
        healed = [because(found, explained[found.key]) for found in compared if found.key in explained]
        certain = [wondering(found, plan.unanswered) for found in unresolved(compared) if found.key not in explained]
        # what could not be compared this time is no less suspected, nor is its drift over
        unseen = tuple(found for found in plan.suspects if found.key in done.compared.skipped)
        watched = (found for found in compared if found.resolution is Resolution.WATCHED and found.key not in explained)
        suspects = (*watched, *unseen)
        left = (*unresolved(done.orders.discrepancies), *certain)
        for discrepancy in (*healed, *certain):
            draft.say(DiscrepancyFound(discrepancy=discrepancy))
        open_ends = bool(done.orders.pending or suspects or healed)
        draft.say(
            ReconciliationComplete(
                discrepancies=len(done.orders.discrepancies) + len(healed) + len(certain),
                unresolved=left,
                trigger=done.trigger,
                token=done.token,
                generation=done.generation,
                covers=() if open_ends else done.covers,
                clean=not left and not open_ends,
                duration_s=now.mono - done.started_mono,
                confirmed=done.orders is not None and done.orders.confirmed,
            )
        )
        again = open_ends or bool(certain)
        plan = attrs.evolve(
            plan,
            round=None,
            wishes=united(done.covers, plan.wishes) if again else plan.wishes,
            trigger=done.trigger if again else "timer",
            suspects=(*certain, *suspects),
            not_before_mono=now.mono + plan.pause_s if again else now.mono,
            repeats=plan.repeats + 1 if again else 0,
            skipped=bool(done.compared.skipped),
            last_done_mono=now.mono,
        )
        self.go_on(plan, now, draft)

    def tick(self, message: Tick, now: Now, draft: Draft) -> None:
        """Time: a round too long, a date reached, a wish that was waiting."""
        plan = self.plan(draft)
        before = plan
        if plan.round is not None and now.mono - plan.round.started_mono > ROUND_DEADLINE_S:
            if plan.round.compared is not None:
                plan = attrs.evolve(plan, unanswered=(f"no answer within {ROUND_DEADLINE_S:g} s",))
                self.conclude(plan, {}, now, draft)
                return
            plan = self.fail(plan, f"no end within {ROUND_DEADLINE_S:g} s", now, draft)
        every = self.config.reconciliation_interval_secs
        if plan.skipped:
            every = min(every, SKIPPED_AGAIN_S)
        due = plan.last_done_mono is not None and now.mono - plan.last_done_mono >= every
        if due and not plan.wishes and plan.round is None:
            plan = attrs.evolve(plan, wishes=(f"timer-{plan.counter}",), trigger="timer")
        if plan is not before or (plan.wishes and plan.round is None):
            self.go_on(plan, now, draft)

    handlers: ClassVar[dict[type, Handler]] = {
        Reconcile: wish,
        StreamConnected: connected,
        StreamLost: lost,
        LookupFailed: lookup_failed,
        OrdersCompared: orders_compared,
        BalancesCompared: balances_compared,
        BalancesExplained: explained,
        Tick: tick,
    }
