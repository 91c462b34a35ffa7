"""The positions keeper: what the house bought, per strategy and symbol, folded from the fills orders tells."""
from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar

from realtrading.domain.events import (
    ManagedNoted,
    OrderArchived,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderPartiallyFilled,
    OrderRevised,
    OrdersStated,
    PositionBookSettled,
    PositionClosed,
    PositionCut,
    PositionOpened,
    PositionsStated,
    PositionUpdated,
    RulesHeard,
    WalletStated,
)
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import BookChange, PositionBook, book_order, cut_to, settle
from realtrading.domain.reports import RulesReported
from realtrading.domain.values import ZERO, Now, SymbolRules, plain

from .keeper import Draft, Handler, MoneyKeeper, hear_rules


class PositionsActor(MoneyKeeper):
    """Positions. Tables: positions (durable), rules (ephemeral)."""

    owns = (ManagedNoted, PositionOpened, PositionUpdated, PositionClosed, PositionCut, PositionBookSettled, RulesHeard)

    def filled(self, message: OrderEvent, now: Now, draft: Draft) -> None:
        """Book whatever of the order is not booked yet."""
        book(draft, message.order, now)

    def stated(self, message: OrdersStated, now: Now, draft: Draft) -> None:
        """Heal from the total of totals: book what was missed, forget orders that are archived, state everything."""
        for order in message.orders:
            book(draft, order, now)
        held = {order.id for order in message.orders}
        for row in draft.rows("positions").values():
            gone = [order_id for order_id in row.booked if order_id not in held]
            if gone:
                draft.say(PositionBookSettled(book=settle(row, gone)))
        books = tuple(draft.rows("positions").values())
        if message.token:
            draft.say(ManagedNoted(token=message.token, managed=managed(books)))
        draft.say(PositionsStated(books=books))

    def wallet(self, message: WalletStated, now: Now, draft: Draft) -> None:
        """Nobody manages what the wallet does not hold: what somebody else sold or withdrew is cut, newest first."""
        note: ManagedNoted | None = draft.row("managed", "managed")
        if note is None or note.token != message.token:
            return
        for base, held in message.totals.items():
            short = note.managed.get(base, ZERO) - held
            if short <= 0:
                continue
            books = [row for row in draft.rows("positions").values() if row.base == base]
            for booked in cut_to(books, managed(books).get(base, ZERO) - short, now.utc):
                detail = f"the wallet holds {plain(held)} {base}, {plain(short)} less than was managed"
                draft.say(PositionCut(book=booked.book, detail=detail))

    def archived(self, message: OrderArchived, now: Now, draft: Draft) -> None:
        """The order left the tables: its trade ids need not be kept either."""
        row: PositionBook | None = draft.row("positions", f"{message.strategy}/{message.symbol}")
        if row is not None and message.id in row.booked:
            draft.say(PositionBookSettled(book=settle(row, [message.id])))

    handlers: ClassVar[dict[type, Handler]] = {
        OrderPartiallyFilled: filled,
        OrderFilled: filled,
        OrderCancelled: filled,
        OrderExpired: filled,
        OrderRevised: filled,
        OrdersStated: stated,
        OrderArchived: archived,
        WalletStated: wallet,
        RulesReported: hear_rules,
    }


def managed(books: Iterable[PositionBook]) -> dict[str, Decimal]:
    """Long quantity per base asset over all strategies."""
    sums: dict[str, Decimal] = {}
    for row in books:
        if row.quantity > 0:
            sums[row.base] = sums.get(row.base, ZERO) + row.quantity
    return sums


def book(draft: Draft, order: RealOrder, now: Now) -> None:
    """Book an order's fills into its strategy's position and say what that did."""
    if not order.fills:
        return
    row: PositionBook | None = draft.row("positions", f"{order.strategy}/{order.symbol}")
    if row is None:
        rules: SymbolRules = draft.row("rules", order.symbol)
        row = PositionBook(strategy=order.strategy, symbol=order.symbol, base=rules.base, quote=rules.quote)
    booked = book_order(row, order, row.base, row.quote, now.utc)
    for step in booked.steps:
        if step.change is BookChange.CLOSED:
            draft.say(
                PositionClosed(
                    position=step.position, book=step.book, order=order, pnl=step.position.realized_pnl
                )
            )
        elif step.change is BookChange.OPENED:
            draft.say(PositionOpened(position=step.position, book=step.book, order=order))
        else:
            draft.say(PositionUpdated(position=step.position, book=step.book, order=order))
