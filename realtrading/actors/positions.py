"""The positions keeper: what the house bought, per strategy and symbol, folded from the fills orders tells."""
from __future__ import annotations

from typing import ClassVar

from realtrading.domain.events import (
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
)
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import BookChange, PositionBook, book_order, settle
from realtrading.domain.reports import RulesReported
from realtrading.domain.values import Now, SymbolRules

from .keeper import Draft, Handler, MoneyKeeper


class PositionsActor(MoneyKeeper):
    """Positions. Tables: positions (durable), rules (ephemeral)."""

    owns = (PositionOpened, PositionUpdated, PositionClosed, PositionCut, PositionBookSettled, RulesHeard)

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
        draft.say(PositionsStated(books=tuple(draft.rows("positions").values())))

    def archived(self, message: OrderArchived, now: Now, draft: Draft) -> None:
        """The order left the tables: its trade ids need not be kept either."""
        row: PositionBook | None = draft.row("positions", f"{message.strategy}/{message.symbol}")
        if row is not None and message.id in row.booked:
            draft.say(PositionBookSettled(book=settle(row, [message.id])))

    def rules(self, message: RulesReported, now: Now, draft: Draft) -> None:
        """Remember what a symbol's base and quote are."""
        for rules in message.rules:
            draft.say(RulesHeard(rules=rules))

    handlers: ClassVar[dict[type, Handler]] = {
        OrderPartiallyFilled: filled,
        OrderFilled: filled,
        OrderCancelled: filled,
        OrderExpired: filled,
        OrderRevised: filled,
        OrdersStated: stated,
        OrderArchived: archived,
        RulesReported: rules,
    }


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
