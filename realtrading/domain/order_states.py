"""An order's states as a table: what may follow what, what late evidence may undo, and the venue's words for it.

The theory.

1. An order is born PENDING, in our memory, before any byte leaves (seed M-7): it has our id and no exchange id.
2. What we know comes from three roads (answer, stream, query) that overtake each other. So every state may be the
   *first* thing we hear: PENDING goes to any other state, a fill may come before the confirmation, a whole life in
   one answer.
3. Silence is a state of its own. UNKNOWN means "may live", counts as exposure, and only a fact ends it, so it goes
   everywhere but back to PENDING: PENDING says "our own request is still on its way", and after a doubt it is not.
4. Between live states time runs one way: NEW, PARTIALLY_FILLED, and out. A report that would go back is a late one and
   changes nothing. A partly filled order was accepted, so it can no longer be REJECTED.
5. FILLED, CANCELLED, REJECTED and EXPIRED absorb. CANCELLED covers every cancel: by us, by a person at the exchange's
   own page, by the exchange itself (seed M-1); EXPIRED is its own end with its own event, because nobody wanted it.
6. A final state was concluded from evidence, and evidence can be late or wrong: a fill after the cancel's answer, an
   order that turns up after its absence was "proved". Such facts are applied through REVISIONS, never through
   TRANSITIONS, and each is an alarm (`MergeKind.REVISED`): the house had already told everybody that this order was
   over.
7. An illegal move is our bug: `checked_move` raises and changes nothing. A report that asks for one is the venue's
   matter: `merge` keeps the state and asks.
"""
from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from realtrading.errors import HouseError


class OrderState(enum.StrEnum):
    """Where an order is. The seed's seven, and UNKNOWN: nobody knows, so it counts as live."""

    PENDING = "Pending"
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"
    UNKNOWN = "Unknown"


_PENDING, _NEW, _PARTLY, _UNKNOWN = OrderState.PENDING, OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN
_FILLED, _CANCELLED, _REJECTED, _EXPIRED = (
    OrderState.FILLED,
    OrderState.CANCELLED,
    OrderState.REJECTED,
    OrderState.EXPIRED,
)

TERMINAL: Final = frozenset({_FILLED, _CANCELLED, _REJECTED, _EXPIRED})
"""The ends of an order's life."""

LIVE: Final = frozenset(OrderState) - TERMINAL
"""What counts as exposure: it trades, or might."""

ACTIVE: Final = frozenset({_NEW, _PARTLY})
"""What the venue has confirmed as resting: only these can be cancelled there."""

TRANSITIONS: Final[Mapping[OrderState, frozenset[OrderState]]] = MappingProxyType(
    {
        _PENDING: frozenset({_NEW, _PARTLY, _FILLED, _CANCELLED, _REJECTED, _EXPIRED, _UNKNOWN}),
        _UNKNOWN: frozenset({_NEW, _PARTLY, _FILLED, _CANCELLED, _REJECTED, _EXPIRED}),
        _NEW: frozenset({_PARTLY, _FILLED, _CANCELLED, _REJECTED, _EXPIRED, _UNKNOWN}),
        _PARTLY: frozenset({_FILLED, _CANCELLED, _EXPIRED, _UNKNOWN}),
        _FILLED: frozenset(),
        _CANCELLED: frozenset(),
        _REJECTED: frozenset(),
        _EXPIRED: frozenset(),
    }
)
"""What may follow what."""

REVISIONS: Final[Mapping[OrderState, frozenset[OrderState]]] = MappingProxyType(
    {
        _CANCELLED: frozenset({_FILLED}),
        _EXPIRED: frozenset({_FILLED}),
        _REJECTED: frozenset({_NEW, _PARTLY, _FILLED, _CANCELLED, _EXPIRED}),
    }
)
"""What late evidence may make of an end: the last fills of a cancelled order; a life that a refusal had denied."""

STATE_OF_STATUS: Final[Mapping[str, OrderState]] = MappingProxyType(
    {
        "NEW": _NEW,
        "PENDING_NEW": _NEW,
        "PARTIALLY_FILLED": _PARTLY,
        "PENDING_CANCEL": _NEW,
        "FILLED": _FILLED,
        "CANCELED": _CANCELLED,
        "REJECTED": _REJECTED,
        "EXPIRED": _EXPIRED,
        "EXPIRED_IN_MATCH": _EXPIRED,
    }
)
"""The venue's word -> our state. PENDING_NEW is known to the venue and waits for its order list; PENDING_CANCEL still
lives (quantity tells whether it is partly filled). A word that is not here keeps the state and means: ask."""


class IllegalTransition(HouseError):
    """The house tried to move an order where the table does not lead. Nothing was changed."""


def checked_move(old: OrderState, new: OrderState) -> None:
    """Return if `new` may follow `old`, else raise `IllegalTransition`. To stay is no move and always allowed."""
    if new is not old and new not in TRANSITIONS[old]:
        raise IllegalTransition(f"an order cannot go from {old} to {new}")
