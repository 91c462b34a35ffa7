"""What balances does when orders found known trades gone from the account: were its balances replaced, too?"""
from __future__ import annotations

from typing import TYPE_CHECKING

from realtrading.domain.commands import JudgeReset
from realtrading.domain.events import AccountResetSeen, BalancesCompared
from realtrading.domain.reconciliation import diff_balances
from realtrading.domain.values import Now

from .keeper import Draft

if TYPE_CHECKING:
    from .balances import BalancesActor

CERTAIN_S = 15.0
"""No copy of the exchange's data lags so long: what is gone for this time, while balances differ, is gone."""

CERTAIN_ALONE_S = 300.0
"""With equal balances (the account begins with what it had) only a list that stays short says it."""

NAMED_MAX = 3


def judge(self: BalancesActor, message: JudgeReset, now: Now, draft: Draft) -> None:
    """Compare, book nothing, and say what it looks like; the round is not clean."""
    differ = [found.key for found in diff_balances(draft.rows("ledger"), message.snapshot)]
    certain = message.for_s >= (CERTAIN_S if differ else CERTAIN_ALONE_S)
    balances = f"balances differ ({', '.join(differ[:NAMED_MAX])})" if differ else "balances are as they were"
    detail = f"the exchange does not know {', '.join(message.gone[:NAMED_MAX])} any more, and {balances}"
    draft.say(AccountResetSeen(token=message.token, certain=certain, detail=detail))
    draft.say(BalancesCompared(token=message.token, discrepancies=(), skipped=()))
