"""The balances keeper: the ledger per asset, folded from orders' fills; the venue's account answers are evidence only."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import attrs

from realtrading.domain.balances import (
    LedgerLine,
    effects,
    line_with_order,
    opened_with,
    opening,
    remembering,
    settle,
    with_flow,
    with_report,
)
from realtrading.domain.commands import AcceptDifference, CompareBalances, ExplainBalances, JudgeReset
from realtrading.domain.events import (
    BalancesCompared,
    BalancesStated,
    BalanceUpdated,
    DifferencesMeasured,
    ExternalTradeSeen,
    OrderArchived,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderPartiallyFilled,
    OrderRevised,
    OrdersStated,
    RulesHeard,
    WalletStated,
)
from realtrading.domain.flows import is_history_of
from realtrading.domain.movements import flow_key, trade_key
from realtrading.domain.orders import RealOrder
from realtrading.domain.reconciliation import (
    Discrepancy,
    DiscrepancyKind,
    Resolution,
    changed_since,
    diff_balances,
    residuals,
)
from realtrading.domain.reports import AccountReported, FlowReported, MovementsFound, RulesReported, SnapshotTaken
from realtrading.domain.values import ZERO, Now, SymbolRules, plain

from . import balance_causes, balance_reset
from .keeper import Draft, Handler, MoneyKeeper, hear_rules

CLOCK_SLACK = timedelta(milliseconds=250)
"""Our reading of the venue's clock may be wrong by so much: a line changed that close to the question is not compared."""


AGREED_EVERY = timedelta(days=1)
"""A line that agrees round after round is not written each time for that: what happened since is asked for so far back."""


class BalancesActor(MoneyKeeper):
    """Balances. Tables: ledger (durable), measured and rules (ephemeral)."""

    owns = (BalanceUpdated, DifferencesMeasured, RulesHeard)

    def filled(self, message: OrderEvent, now: Now, draft: Draft) -> None:
        """Put the order's total effect into each asset's line."""
        book(draft, message.order, now)

    def stated(self, message: OrdersStated, now: Now, draft: Draft) -> None:
        """Heal from the total of totals, and settle what is archived."""
        for order in message.orders:
            book(draft, order, now)
        held = {order.id for order in message.orders}
        for line in draft.rows("ledger").values():
            settled = line
            for order_id in line.orders:
                if order_id not in held:
                    settled = settle(settled, order_id)
            if settled is not line:
                say(draft, settled)
        draft.say(BalancesStated(lines=tuple(draft.rows("ledger").values())))

    def archived(self, message: OrderArchived, now: Now, draft: Draft) -> None:
        """The order left the tables: its effect moves into the settled sum."""
        for line in draft.rows("ledger").values():
            if message.id in line.orders:
                say(draft, settle(line, message.id))

    def account(self, message: AccountReported, now: Now, draft: Draft) -> None:
        """Keep the venue's word beside the ledger."""
        for asset, (free, locked) in message.balances.items():
            line: LedgerLine | None = draft.row("ledger", asset)
            if line is None or (line.reported_at is not None and line.reported_at > message.venue_at):
                continue
            if (line.reported_free, line.reported_locked) != (free, locked):
                say(draft, with_report(line, free, locked, message.venue_at))

    def flow(self, message: FlowReported, now: Now, draft: Draft) -> None:
        """A deposit, withdrawal or transfer; one that a history told first moves nothing more."""
        line = line_of(draft, message.asset, now)
        identity = flow_key(message.venue_at, message.amount)
        kind = "deposit" if message.amount > 0 else "withdrawal"
        if identity not in line.seen and is_history_of(line, message.venue_at, message.amount):
            self.keep(draft, message.asset, identity, now)
            return
        self.moved(draft, line, kind, identity, message.amount, now, told_of=message.venue_at)

    def external(self, message: ExternalTradeSeen, now: Now, draft: Draft) -> None:
        """A trade of somebody else's order on this account."""
        for asset, delta in message.deltas.items():
            identity = trade_key(f"{message.symbol}:{message.trade_id}")
            line = line_of(draft, asset, now)
            self.moved(draft, line, "external_trade", identity, delta, now, told_of=message.venue_at)

    def moved(
        self,
        draft: Draft,
        line: LedgerLine,
        kind: str,
        identity: str,
        delta: Decimal,
        now: Now,
        *,
        told_of: datetime | None = None,
    ) -> None:
        """Apply a classified movement once, and take it out of the difference that was measured.

        `told_of` is when a movement happened that nobody asked for: what came after the question is not in the difference.
        """
        changed = with_flow(line, kind, identity, delta)
        if changed != line:
            say(draft, attrs.evolve(changed, changed_at=now.utc))
            balance_causes.lessen(draft, line.asset, delta, told_of)

    def line(self, draft: Draft, asset: str, now: Now) -> LedgerLine:
        """The asset's line as it stands, or as it begins."""
        return line_of(draft, asset, now)

    def keep(self, draft: Draft, asset: str, identity: str, now: Now) -> None:
        """Remember an identity that is to move nothing (more)."""
        line = line_of(draft, asset, now)
        kept = remembering(line, identity)
        if kept != line:
            say(draft, kept)

    def compare(self, message: CompareBalances, now: Now, draft: Draft) -> None:
        """Compare the ledger with a snapshot; assets never seen before open their line with it."""
        snapshot = message.snapshot
        moving = {
            line.asset
            for line in draft.rows("ledger").values()
            if line.changed_at is not None and changed_since(line.changed_at, message.asked_at - CLOCK_SLACK, now.utc)
        }
        skipped = frozenset(message.in_flight_assets | moving)
        unopened = list(self.open_lines(draft, snapshot, skipped))
        found = [*diff_balances(draft.rows("ledger"), snapshot, skipped), *unopened]
        before = balance_causes.measure(draft, message, residuals(draft.rows("ledger"), snapshot, skipped), skipped)
        for asset, (free, locked) in snapshot.balances.items():
            self.evidence(draft, asset, free, locked, snapshot.asked_at)
        drifting = {difference.key for difference in found}
        agreed = {
            line.asset: line.total
            for line in draft.rows("ledger").values()
            if line.asset not in skipped and line.asset not in drifting
        }
        self.agree(draft, agreed, before, snapshot.asked_at)
        draft.say(WalletStated(token=message.token, totals=agreed))
        draft.say(
            BalancesCompared(token=message.token, discrepancies=tuple(found), skipped=tuple(sorted(skipped)))
        )

    def agree(self, draft: Draft, agreed: Iterable[str], before: Iterable[str], at: datetime) -> None:
        """Note now and then, and whenever a difference is over, that a line agrees."""
        over = frozenset(before)
        for asset in agreed:
            line: LedgerLine = draft.row("ledger", asset)
            if line.agreed_at is None or asset in over or at - line.agreed_at >= AGREED_EVERY:
                say(draft, attrs.evolve(line, agreed_at=at))

    def open_lines(self, draft: Draft, snapshot: SnapshotTaken, skipped: frozenset[str]) -> Iterable[Discrepancy]:
        """Open what was never opened. What is moving just now cannot be: the round must not be clean without it.

        Only the first snapshot opens lines by itself. What appears later was not there then, and came from somewhere.
        """
        lines = draft.rows("ledger")
        waiting = {asset for asset, line in lines.items() if not line.opened}
        if not first_look_is_over(lines.values()):
            waiting |= snapshot.balances.keys() - lines.keys()
        for asset in sorted(waiting):
            free, locked = snapshot.balances.get(asset, (ZERO, ZERO))
            line = lines.get(asset, LedgerLine(asset=asset, opening=ZERO, opened=False))
            if asset not in skipped:
                say(draft, opened_with(line, free, locked, snapshot.asked_at))
                continue
            if asset not in lines:
                say(draft, line)
            yield Discrepancy(
                kind=DiscrepancyKind.BALANCE_DRIFT,
                key=asset,
                engine="not opened",
                exchange=plain(free + locked),
                resolution=Resolution.WATCHED,
                detail="it moves while its opening balance is looked at; looked at again",
            )

    def evidence(self, draft: Draft, asset: str, free: Decimal, locked: Decimal, at: datetime) -> None:
        """Keep a snapshot's word about one asset, if it is newer than what we have and says something else."""
        line: LedgerLine | None = draft.row("ledger", asset)
        if line is None or (line.reported_at is not None and line.reported_at >= at):
            return
        if (line.reported_free, line.reported_locked) != (free, locked):
            say(draft, with_report(line, free, locked, at))

    handlers: ClassVar[dict[type, Handler]] = {
        OrderPartiallyFilled: filled,
        OrderFilled: filled,
        OrderCancelled: filled,
        OrderExpired: filled,
        OrderRevised: filled,
        OrdersStated: stated,
        OrderArchived: archived,
        AccountReported: account,
        FlowReported: flow,
        ExternalTradeSeen: external,
        CompareBalances: compare,
        ExplainBalances: balance_causes.ask,
        MovementsFound: balance_causes.found,
        AcceptDifference: balance_causes.accept,
        JudgeReset: balance_reset.judge,
        RulesReported: hear_rules,
    }


def first_look_is_over(lines: Iterable[LedgerLine]) -> bool:
    """Whether the first snapshot has opened all its lines: only then was one said to agree.

    One that is open says less: the process may have died when some of the first openings were on disk.
    """
    return any(line.agreed_at is not None for line in lines)


def line_of(draft: Draft, asset: str, now: Now) -> LedgerLine:
    """The asset's line. One nobody ever saw opens at zero, or, before the first snapshot was compared, not yet."""
    line: LedgerLine | None = draft.row("ledger", asset)
    if line is not None:
        return line
    if first_look_is_over(draft.rows("ledger").values()):
        return opening(asset, ZERO, ZERO, now.utc)
    return LedgerLine(asset=asset, opening=ZERO, opened=False)


def book(draft: Draft, order: RealOrder, now: Now) -> None:
    """Replace the order's effect on each asset it touched by its new total."""
    if not order.fills:
        return
    rules: SymbolRules = draft.row("rules", order.symbol)
    for asset in effects(order, rules.base, rules.quote):
        line = line_of(draft, asset, now)
        changed = line_with_order(line, order, rules.base, rules.quote)
        if changed != line:
            say(draft, attrs.evolve(changed, changed_at=now.utc))


def say(draft: Draft, line: LedgerLine) -> None:
    """Say a line's new total: locked is the venue's word, free is what our total leaves beside it."""
    locked = ZERO if line.reported_locked is None else line.reported_locked
    draft.say(BalanceUpdated(asset=line.asset, free=line.total - locked, locked=locked, line=line))


