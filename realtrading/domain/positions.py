"""What the house bought or was given, per (strategy, symbol): a book that is a function of the set of its fills.

Decided here (seed's open questions): M-6 one netted position per key; fills of the other side close it, what is over
opens the other side. SHORT is what such sums can come to and is shown as it is; on spot risk refuses the order that
would lead there. Dust (what is too little to sell, left by fees in the base asset) stays an open position, because it
is still ours and the sum must hold; `is_dust` tells those who count positions.

Fills are folded in the order of the venue's clock. A fill that comes late is put in its place and what follows is
folded again; for this the newest fills are kept beside the fold of all older ones. A fill that is later than even
those is booked right behind the older ones: quantity and cash stay exact, only the split between two neighbouring
positions may differ.
"""
from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from realtrading.errors import HouseError

from .orders import RealOrder
from .position import LONG, SHORT, RealPosition
from .position_fold import CUT, Folded, LegFill, OpenLeg, fold, leg_fill
from .values import ZERO, Side, SymbolRules, round_down

__all__ = [
    "LONG",
    "SHORT",
    "BookChange",
    "Booked",
    "LegFill",
    "PositionBook",
    "RealPosition",
    "Step",
    "book_order",
    "cut",
    "cut_to",
    "is_dust",
    "settle",
]

FILLS_KEPT: Final = 32
"""How many fills a late one may be behind and still find its place. Each book is written whole with every event."""


@attrs.frozen(kw_only=True)
class PositionBook:
    """Everything positions keeps for one (strategy, symbol).

    `position` is what is open and `cost` its exact cost; `realized_total` and `commissions` are lifetime totals over
    all positions of this key. `leg` are the newest fills, `settled` the fold of all before them. `booked` maps each
    retained order to the trade ids already booked, so a total told twice changes nothing.
    """

    strategy: str
    symbol: str
    base: str
    quote: str
    position: RealPosition | None = None
    leg: tuple[LegFill, ...] = ()
    booked: Mapping[str, frozenset[int]] = attrs.field(factory=dict)
    realized_total: Decimal = ZERO
    commissions: Mapping[str, Decimal] = attrs.field(factory=dict)
    positions_closed: int = 0
    cost: Decimal = ZERO
    settled: Folded = attrs.field(factory=Folded)

    @property
    def key(self) -> str:
        """The row's key: strategy/symbol."""
        return f"{self.strategy}/{self.symbol}"

    @property
    def quantity(self) -> Decimal:
        """Signed managed quantity: positive long, negative short."""
        if self.position is None:
            return ZERO
        return self.position.quantity if self.position.side == LONG else -self.position.quantity

    def marked(self, price: Decimal) -> PositionBook:
        """The book seen at another market price."""
        if self.position is None or self.position.current_price == price:
            return self
        return attrs.evolve(self, position=self.position.update_price(price))


class BookChange(enum.Enum):
    """What happened to a position."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@attrs.frozen(kw_only=True)
class Step:
    """One change of one position, and the book after the whole booking. A closed position has quantity 0."""

    change: BookChange
    position: RealPosition
    book: PositionBook


@attrs.frozen(kw_only=True)
class Booked:
    """The book after a booking, and what it did, in order: a flip closes one position, then opens another."""

    book: PositionBook
    steps: tuple[Step, ...] = ()


def book_order(book: PositionBook, order: RealOrder, base: str, quote: str, now_utc: datetime) -> Booked:
    """Book those fills of `order` that are not in the book yet. `HouseError` when it is not the order's book."""
    if (order.strategy, order.symbol, base, quote) != (book.strategy, book.symbol, book.base, book.quote):
        raise HouseError(f"order {order.id} of {order.strategy}/{order.symbol} does not belong into book {book.key}")
    known = book.booked.get(order.id, frozenset())
    new = [leg_fill(order.id, order.side, fill, base, quote) for fill in order.fills if fill.trade_id not in known]
    if not new:
        return Booked(book=book)
    booked = {**book.booked, order.id: known | {fill.trade_id for fill in new}}
    return _booked(attrs.evolve(book, booked=booked), sorted(new, key=_place), now_utc)


def cut(book: PositionBook, quantity: Decimal, now_utc: datetime) -> Booked:
    """Take up to `quantity` base units (> 0) out of the open position at average cost: the wallet does not hold them.

    It is no sale of ours, so nothing is earned or lost by it and the entry price stays.
    """
    if quantity <= 0 or book.position is None:
        return Booked(book=book)
    last = book.leg[-1] if book.leg else None
    long = book.position.side == LONG
    entry = LegFill(
        order_id=CUT,
        trade_id=last.trade_id if last is not None else 0,
        side=Side.SELL if long else Side.BUY,
        price=book.position.current_price,
        base_delta=-quantity if long else quantity,
        quote_delta=ZERO,
        commission=ZERO,
        commission_asset="",
        at=now_utc if last is None else max(now_utc, last.at),
    )
    return _booked(book, [entry], now_utc)


def cut_to(books: Iterable[PositionBook], held: Decimal, now_utc: datetime) -> list[Booked]:
    """Cut the long books of one base asset until they manage no more than `held`; the newest position first."""
    long = [book for book in books if book.position is not None and book.quantity > 0]
    excess = sum((book.quantity for book in long), ZERO) - held
    cuts = []
    for book in sorted(long, key=_opened, reverse=True):
        if excess > 0:
            part = min(excess, book.quantity)
            cuts.append(cut(book, part, now_utc))
            excess -= part
    return cuts


def settle(book: PositionBook, order_ids: Iterable[str]) -> PositionBook:
    """The book without the trade ids of archived orders, whose oldest fills now only live on in the fold."""
    gone = set(order_ids)
    booked = {order_id: ids for order_id, ids in book.booked.items() if order_id not in gone}
    spent = 0
    while spent < len(book.leg) and book.leg[spent].order_id not in booked:
        spent += 1
    return _shortened(attrs.evolve(book, booked=booked), spent)


def is_dust(quantity: Decimal, rules: SymbolRules, price: Decimal) -> bool:
    """True when `quantity` (base units, unsigned) at `price` is too little for the venue to take an order over it."""
    sellable = round_down(quantity, rules.step) if rules.step else quantity
    return not sellable or sellable < rules.quantity_min or sellable * price < rules.notional_min


# -- folding ------------------------------------------------------------------


def _place(fill: LegFill) -> tuple[datetime, int]:
    return fill.key


def _opened(book: PositionBook) -> datetime:
    assert book.position is not None
    return book.position.created_at


def _booked(book: PositionBook, new: list[LegFill], now_utc: datetime) -> Booked:
    """Append the new fills, or fold again from where the earliest of them belongs."""
    late = bool(book.leg) and new[0].key < book.leg[-1].key
    fills = tuple(sorted((*book.leg, *new), key=_place)) if late else (*book.leg, *new)
    folded = book.settled if late else _folded(book)
    closed: list[OpenLeg] = []
    for fill in fills if late else new:
        folded, over = fold(folded, fill, book.base, book.quote)
        if over is not None:
            closed.append(over)
    after = attrs.evolve(
        book,
        leg=fills,
        realized_total=folded.realized_total,
        commissions=folded.commissions,
        positions_closed=folded.closed,
        cost=folded.leg.cost if folded.leg is not None else ZERO,
        position=None if folded.leg is None else _position(book, folded.leg, now_utc, late),
    )
    after = _shortened(after, len(fills) - FILLS_KEPT)
    return Booked(book=after, steps=tuple(_steps(book, after, closed, now_utc)))


def _folded(book: PositionBook) -> Folded:
    """The fold's state as the book holds it."""
    position = book.position
    leg = None
    if position is not None:
        leg = OpenLeg(
            number=book.positions_closed + 1,
            long=position.side == LONG,
            quantity=book.quantity,
            cost=book.cost,
            realized=position.realized_pnl,
            commissions=position.commissions,
            entry_order_ids=position.entry_order_ids,
            entry_price=position.entry_price,
            price=position.current_price,
            opened_at=position.created_at,
        )
    return Folded(
        leg=leg, realized_total=book.realized_total, commissions=book.commissions, closed=book.positions_closed
    )


def _shortened(book: PositionBook, count: int) -> PositionBook:
    """The book with its `count` oldest kept fills moved into the fold of the older ones."""
    if count <= 0:
        return book
    settled = book.settled
    for fill in book.leg[:count]:
        settled, _ = fold(settled, fill, book.base, book.quote)
    return attrs.evolve(book, leg=book.leg[count:], settled=settled)


def _position(book: PositionBook, leg: OpenLeg, now_utc: datetime, late: bool) -> RealPosition:
    """The leg as a position; what was attached to it (stops, a newer market price) stays attached."""
    known = book.position
    fresh = RealPosition(
        id=f"{book.strategy}-{book.symbol}-{leg.number}",
        strategy=book.strategy,
        symbol=book.symbol,
        side=LONG if leg.long else SHORT,
        quantity=abs(leg.quantity),
        entry_price=leg.entry_price,
        current_price=leg.price,
        unrealized_pnl=ZERO,
        realized_pnl=leg.realized,
        commissions=leg.commissions,
        entry_order_ids=leg.entry_order_ids,
        created_at=leg.opened_at,
        updated_at=now_utc,
    )
    if known is None or known.id != fresh.id:
        return fresh.update_price(leg.price)
    attached = attrs.evolve(
        fresh,
        stop_loss=known.stop_loss,
        take_profit=known.take_profit,
        stop_loss_order_id=known.stop_loss_order_id,
        take_profit_order_id=known.take_profit_order_id,
    )
    return attached.update_price(known.current_price if late else leg.price)


def _steps(old: PositionBook, new: PositionBook, closed: list[OpenLeg], now_utc: datetime) -> Iterable[Step]:
    """What listeners must hear to follow from the old book to the new one."""
    told = old.position
    said = set()
    for leg in closed:
        if leg.number > old.positions_closed:
            position = _position(old, leg, now_utc, False)
            said.add(position.id)
            yield Step(change=BookChange.CLOSED, position=position, book=new)
    now = new.position
    if told is not None and told.id not in said and (now is None or now.id != told.id):
        # late fills have joined the position with an earlier one: it ends, and takes the difference with it
        pnl = told.realized_pnl + new.realized_total - old.realized_total
        over = attrs.evolve(told, quantity=ZERO, unrealized_pnl=ZERO, realized_pnl=pnl, updated_at=now_utc)
        yield Step(change=BookChange.CLOSED, position=over, book=new)
    if now is not None:
        same = told is not None and told.id == now.id
        yield Step(change=BookChange.UPDATED if same else BookChange.OPENED, position=now, book=new)
