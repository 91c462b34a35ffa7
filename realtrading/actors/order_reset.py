"""What orders does when the exchange no longer knows what it knew: nothing is merged, and balances are asked to judge.

The spot testnet gives each account a new beginning about once a month. Orders, trades and balances of before are gone,
so nothing of that snapshot may be booked, adopted or called a drift. A copy of the exchange's data that lags cannot look
so: the cursor names a trade that was listed long ago, and an acknowledged order is only called gone by two answers far
apart.
"""
from __future__ import annotations

from collections.abc import Iterable

import attrs

from realtrading.domain.commands import JudgeReset
from realtrading.domain.events import Entry, Event, OrdersCompared
from realtrading.domain.orders import denied
from realtrading.domain.reports import SnapshotTaken
from realtrading.domain.values import Now

from .keeper import Draft
from .order_events import Watch


@attrs.frozen(kw_only=True)
class GoneNoted(Event):
    """Since when (monotonic) every round has found known things gone from the account; None: none are (ephemeral)."""

    durable = False
    since_mono: float | None

    def entries(self) -> Iterable[Entry]:
        """The one row."""
        return (("reset", "since", self.since_mono),)


def gone(message: SnapshotTaken, draft: Draft) -> tuple[str, ...]:
    """What the journal knows and the exchange does not, in words."""
    found = [f"trade {draft.row('cursors', symbol)} of {symbol}" for symbol in message.gone]
    for order in draft.rows("orders").values():
        watch: Watch | None = draft.row("watches", order.id)
        if watch is not None and denied(order, watch.looks):
            found.append(f"order {order.id}")
    return tuple(found)


def suspected(message: SnapshotTaken, now: Now, draft: Draft) -> bool:
    """True when this snapshot may be of an account that was reset: then the round ends without a fact taken from it."""
    missing = gone(message, draft)
    since_mono: float | None = draft.row("reset", "since")
    if not missing:
        if since_mono is not None:
            draft.say(GoneNoted(since_mono=None))
        return False
    if since_mono is None:
        since_mono = now.mono
        draft.say(GoneNoted(since_mono=since_mono))
    draft.say(OrdersCompared(token=message.token, discrepancies=(), pending=missing))
    draft.say(JudgeReset(snapshot=message, token=message.token, gone=missing, for_s=now.mono - since_mono))
    return True
