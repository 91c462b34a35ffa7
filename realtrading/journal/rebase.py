"""Begin a new opening balance after the account was reset: what the journal held is closed as what it was, audited.

Everything that the next start would go on from leaves the current rows in one transaction with the record that says who
did it and why; every earlier record stays. The day's loss, the gate number and all other causes of the breaker stay, too:
a reset is no way around a limit.
"""
from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.breaker import BreakerBook, CauseKind, without
from realtrading.domain.events import BreakerChanged, Event, OrderArchived, OrderExpired, PositionBookSettled, PositionCut
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.positions import PositionBook, cut, settle
from realtrading.domain.values import EXACT, plain
from realtrading.journal.records import AccountRebased, Record
from realtrading.journal.store import Journal

GONE = "ACCOUNT_RESET"
SENDER = "rebase"


@attrs.frozen(kw_only=True)
class Rebased:
    """What a rebase ends: live orders, positions (key -> base quantity), ledger totals and trade cursors.

    `named`: the engine had recognised a reset; without it a person acts on what nobody else has seen.
    """

    orders: tuple[str, ...]
    positions: Mapping[str, Decimal]
    ledger: Mapping[str, Decimal]
    cursors: Mapping[str, int]
    named: bool


def look(journal: Journal) -> Rebased:
    """What a rebase would end."""
    _, causes = journal.rows("breaker").get("state", (None, ()))
    books: Mapping[str, PositionBook] = journal.rows("positions")
    with decimal.localcontext(EXACT):
        return Rebased(
            orders=tuple(order.id for order in journal.rows("orders").values() if not order.is_terminal()),
            positions={key: book.quantity for key, book in books.items() if book.quantity},
            ledger={asset: line.total for asset, line in journal.rows("ledger").items()},
            cursors=journal.rows("cursors"),
            named=any(cause.kind is CauseKind.ACCOUNT_RESET for cause in causes),
        )


def rebase(journal: Journal, author: str, reason: str) -> Rebased:
    """End it, in one commit of a run of its own; the next start takes a new opening balance as a first start does."""
    ended, at = look(journal), journal.now()
    journal.begin_run()
    with decimal.localcontext(EXACT):
        events = [*_closed(journal, ended, author, reason, at)]
    journal.append([Record(letter_seq=0, cause=None, sender=SENDER, at=at, event=event) for event in events])
    return ended


def _closed(journal: Journal, ended: Rebased, author: str, reason: str, at: datetime) -> Iterable[Event]:
    for order in journal.rows("orders").values():
        yield from _order_closed(order, at)
    for book in journal.rows("positions").values():
        yield from _position_closed(book, at)
    yield AccountRebased(
        author=author,
        reason=reason,
        account_uid=journal.binding.account_uid,
        orders=ended.orders,
        positions=ended.positions,
        ledger=ended.ledger,
        cursors=ended.cursors,
    )
    yield from _reset_over(journal.rows("breaker"), journal.rows("gate"), author)


def _order_closed(order: RealOrder, at: datetime) -> Iterable[Event]:
    if not order.is_terminal():
        gone = attrs.evolve(order, state=OrderState.EXPIRED, reason=GONE, updated_at=at)
        yield OrderExpired(order=gone, fills=())
    yield OrderArchived(id=order.id, strategy=order.strategy, symbol=order.symbol)


def _position_closed(book: PositionBook, at: datetime) -> Iterable[Event]:
    """What it was is in the detail; what it earned before stays in the book. No gain or loss is made up."""
    if book.quantity:
        detail = f"the account was reset: {plain(book.quantity)} {book.base} are gone with it"
        book = cut(book, abs(book.quantity), at).book
        yield PositionCut(book=book, detail=detail)
    if book.booked:
        yield PositionBookSettled(book=settle(book, book.booked))


def _reset_over(breaker: Mapping[str, Any], gate: Mapping[str, int], author: str) -> Iterable[Event]:
    if "state" not in breaker:
        return
    state, causes = breaker["state"]
    after = without(BreakerBook(state=state, causes=causes, gate=gate.get("gate", 0)), CauseKind.ACCOUNT_RESET)
    if after.causes != causes:
        changed = f"{CauseKind.ACCOUNT_RESET} over: rebased by {author}"
        yield BreakerChanged(state=after.state, causes=after.causes, gate=after.gate, changed=changed)
