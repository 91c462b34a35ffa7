"""When silence is proof: an order that may have been sent, and that the exchange does not know, certainly never lived.

"Order does not exist" alone is no proof: the request may still be under way, it may wait inside the exchange, and the
exchange answers queries from memory and then from a database that lags behind. A false proof is the dearest mistake
there is (the intent would be decided anew while its order lives), so the rule waits out every delay, one after the
other.
"""
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .orders import RealOrder

RECV_WINDOW_S: Final = 3
"""A request signed at the last allowed moment is refused by the exchange when it is older than this."""

ABSENCE_MARGIN_S: Final = 15
"""A request let in at the end of that window may wait 10 s for the matching engine (the exchange's own time-out); the
rest covers the lag of its query side and the uncertainty of our reading of its clock."""

LOOKS_APART_S: Final = 5
"""Two answers nearer than this may come from the same lagging copy."""

Look = tuple[datetime, bool | None]
"""One answered reading that said "does not exist": when it was asked (server time), and whether open orders or history
showed the order (None: these were not read)."""


def provable(order: RealOrder, at: datetime) -> bool:
    """True when a look at this moment (server time) can prove anything: before it the order might still be on its way."""
    if order.valid_until is None:
        return False
    return at >= order.valid_until + timedelta(seconds=RECV_WINDOW_S + ABSENCE_MARGIN_S)


def until_apart(looks: Sequence[Look]) -> timedelta:
    """How long until another look is far enough from the first one to prove something together with it; zero: it is now."""
    asked = [at for at, _ in looks]
    return max(timedelta(0), timedelta(seconds=LOOKS_APART_S) - (max(asked) - min(asked)))


def denied(order: RealOrder, looks: Sequence[Look]) -> bool:
    """True when the exchange does not know an order any more that it had confirmed as working, in answers 15 s apart.

    It forgets none that lives: so the account is not the one that it was.
    """
    if order.exchange_order_id is None or order.is_terminal():
        return False
    since = [asked_at for asked_at, _ in looks if order.venue_at is None or asked_at > order.venue_at]
    return len(since) > 1 and max(since) - min(since) >= timedelta(seconds=ABSENCE_MARGIN_S)


def absence_proved(order: RealOrder, looks: Sequence[Look], server_now: datetime) -> bool:
    """True when the order certainly never lived.

    All of it: nothing was ever heard of the order; the server's clock is past `valid_until` + recvWindow + margin,
    and so is the newest look (an earlier one could not have seen what was still to come); that look also read open
    orders and history; an earlier look lies at least `LOOKS_APART_S` before it; and no look found the order in a
    list.
    """
    if order.valid_until is None or order.exchange_order_id is not None or order.executed_quantity:
        return False
    if not looks or any(in_history for _, in_history in looks):
        return False
    asked_at, in_history = max(looks, key=lambda look: look[0])
    oldest_at = min(at for at, _ in looks)
    return (
        in_history is False
        and server_now >= asked_at
        and provable(order, asked_at)
        and asked_at - oldest_at >= timedelta(seconds=LOOKS_APART_S)
    )
