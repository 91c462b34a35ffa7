"""What balances does about a difference: measure it, ask for its cause, book what explains it, or what a person accepts."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from realtrading.domain.balances import LedgerLine
from realtrading.domain.commands import AcceptDifference, CompareBalances, ExplainBalances, QueryMovements
from realtrading.domain.events import AcceptanceRefused, BalancesExplained, DifferenceAccepted, DifferencesMeasured
from realtrading.domain.flows import explain
from realtrading.domain.movements import FlowKind, Movement, told_of
from realtrading.domain.reports import MovementsFound
from realtrading.domain.values import ZERO, Now, plain

from .keeper import Draft

if TYPE_CHECKING:
    from .balances import BalancesActor

SINCE_UNKNOWN = timedelta(days=7)
"""How far back to ask when no line ever noted when it agreed: a journal of an older version."""
SINCE_MAX = timedelta(days=89)
"""The venue's histories answer for 90 days at once."""
WORDS_MAX = 3


def measured_in(draft: Draft) -> DifferencesMeasured | None:
    """What the last round measured."""
    found: DifferencesMeasured | None = draft.row("measured", "measured")
    return found


def measure(
    draft: Draft, message: CompareBalances, residuals: Mapping[str, Decimal], skipped: Iterable[str]
) -> Iterable[str]:
    """Note the differences of a round, and return the assets that differed before. What was skipped differs as it did."""
    last = measured_in(draft)
    before = {} if last is None else last.residuals
    kept = {asset: amount for asset, amount in before.items() if asset in skipped}
    fresh = DifferencesMeasured(
        token=message.token,
        residuals={**kept, **residuals},
        skipped=tuple(sorted(skipped)),
        watched=tuple(sorted(message.snapshot.cursors)),
        asked_at=message.snapshot.asked_at,
    )
    draft.say(fresh)
    return {*before, *(() if last is None else last.asked)}


def lessen(draft: Draft, asset: str, delta: Decimal, told_of: datetime | None) -> None:
    """Something was booked: the measured difference is smaller by that, unless it happened after the measuring began."""
    last = measured_in(draft)
    if last is not None and asset in last.residuals and (told_of is None or told_of < last.asked_at):
        left = last.residuals[asset] - delta
        others = {each: amount for each, amount in last.residuals.items() if each != asset}
        draft.say(attrs.evolve(last, residuals={**others, asset: left} if left else others))


def ask(self: BalancesActor, message: ExplainBalances, now: Now, draft: Draft) -> None:
    """Ask the venue's histories what happened since the assets last agreed."""
    last = measured_in(draft)
    assets = () if last is None else tuple(sorted(last.residuals.keys() - set(last.skipped)))
    if last is None or not assets:
        draft.say(BalancesExplained(token=message.token, explained={}, unanswered=()))
        return
    draft.say(attrs.evolve(last, asked=assets))
    draft.say(
        QueryMovements(
            token=message.token,
            since=since(draft.rows("ledger"), assets, last.asked_at),
            assets=assets,
            others=last.skipped,
            watched=last.watched,
        )
    )


def since(lines: Mapping[str, LedgerLine], assets: Iterable[str], asked_at: datetime) -> datetime:
    """Since when the cause must have happened. An asset that no line knows was not there when others last agreed."""
    noted = [line.agreed_at for line in lines.values() if line.agreed_at is not None]
    latest = max(noted, default=asked_at - SINCE_UNKNOWN)
    agreed = [lines[asset].agreed_at if asset in lines else None for asset in assets]
    return max(min((latest if each is None else each for each in agreed), default=latest), asked_at - SINCE_MAX)


def found(self: BalancesActor, message: MovementsFound, now: Now, draft: Draft) -> None:
    """Book what explains the measured differences exactly, and say of which assets nothing is left to explain."""
    last = measured_in(draft)
    if last is None or last.token != message.token:
        draft.say(BalancesExplained(token=message.token, explained={}, unanswered=message.unanswered))
        return
    asked = {asset: amount for asset, amount in last.residuals.items() if asset not in last.skipped}
    lines = draft.rows("ledger")
    begin = since(lines, asked, last.asked_at)
    explanation = explain(asked, message.movements, lines, begin, last.skipped)
    for asset, key in explanation.told:
        self.keep(draft, asset, key, now)
    for movement in explanation.booked:
        for asset, delta in movement.deltas.items():
            self.moved(draft, self.line(draft, asset, now), str(movement.kind), movement.key(asset), delta, now)
    after = measured_in(draft)
    left = {} if after is None else after.residuals
    explained = {asset: _words(asset, explanation.booked) for asset in last.asked if asset not in left}
    draft.say(BalancesExplained(token=message.token, explained=explained, unanswered=message.unanswered))


def accept(self: BalancesActor, message: AcceptDifference, now: Now, draft: Draft) -> None:
    """Book what a person answers for, if it is the whole difference of the last round to the last digit."""
    last = measured_in(draft)
    residual = ZERO if last is None else last.residuals.get(message.asset, ZERO)
    if not residual or residual != message.amount:
        differs = f"exchange - engine = {plain(residual)}" if residual else "engine and exchange agree on it"
        draft.say(AcceptanceRefused(token=message.token, detail=f"{message.asset}={plain(message.amount)}: {differs}"))
        return
    key = f"{FlowKind.OTHER}|{now.utc.isoformat()}|{message.amount}|{message.token}"
    self.moved(draft, self.line(draft, message.asset, now), str(FlowKind.OTHER), key, message.amount, now)
    draft.say(
        DifferenceAccepted(
            token=message.token, asset=message.asset, amount=message.amount, by=message.by, reason=message.reason
        )
    )


def _words(asset: str, booked: Iterable[Movement]) -> str:
    """What explains the asset's difference; a difference that went away by itself meanwhile has no movement."""
    told = told_of(asset, [movement for movement in booked if asset in movement.deltas])
    more = f"; and {len(told) - WORDS_MAX} more" if len(told) > WORDS_MAX else ""
    return "; ".join(told[:WORDS_MAX]) + more if told else "the stream told it meanwhile"
