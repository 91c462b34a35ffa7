"""What happened inside the house: noun + participle, one sender per key, heard by many.

An event that changes its owner's state carries the new *total* of one key and says in `entries()` which table rows it
is: the base class of the keepers puts exactly those rows, and recovery puts the same rows from the journal.
`durable` events go to the journal; the others are state that is computed anew after a restart.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import attrs

from .balances import LedgerLine
from .breaker import BreakerCause, CircuitBreakerState
from .orders import OrderFill, RealOrder
from .positions import PositionBook, RealPosition
from .reasons import Reason
from .reconciliation import Discrepancy
from .risk import Commitment, RiskDay

Entry = tuple[str, str, Any]
"""(table, key, value); value None deletes the row."""


@attrs.frozen(kw_only=True)
class Event:
    """Base of all events."""

    durable: ClassVar[bool] = True

    def entries(self) -> Iterable[Entry]:
        """The table rows this event is; none for an announcement."""
        return ()


# -- orders -------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class OrderEvent(Event):
    """An order's new total state."""

    order: RealOrder

    def entries(self) -> Iterable[Entry]:
        """The order's row."""
        return (("orders", self.order.id, self.order),)


@attrs.frozen(kw_only=True)
class OrderAdmitted(OrderEvent):
    """Orders has taken the intent in; nothing is on disk yet, so nobody outside hears of it."""

    durable: ClassVar[bool] = False


@attrs.frozen(kw_only=True)
class OrderSubmitted(OrderEvent):
    """The order is on disk and on its way to the wire. The order's first public event."""


@attrs.frozen(kw_only=True)
class OrderPlaced(OrderEvent):
    """The exchange has confirmed it (seed)."""


@attrs.frozen(kw_only=True)
class OrderPartiallyFilled(OrderEvent):
    """More of it is filled (seed); `fills` are the newly known ones."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderFilled(OrderEvent):
    """All of it is filled (seed)."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderCancelled(OrderEvent):
    """It was cancelled, by us, by hand or by the exchange (seed)."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderRejected(OrderEvent):
    """It certainly never lived (seed): refused by the exchange, or proved absent."""

    reason: str


@attrs.frozen(kw_only=True)
class OrderExpired(OrderEvent):
    """Its time ran out or the book was empty; parts may be filled."""

    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderUnknown(OrderEvent):
    """Nobody knows whether it lives; it counts as live until a fact says otherwise."""

    detail: str


@attrs.frozen(kw_only=True)
class OrderRevised(OrderEvent):
    """Late evidence contradicts a final state, or a fill beyond the order's quantity: applied, and an alarm."""

    detail: str
    fills: tuple[OrderFill, ...] = ()


@attrs.frozen(kw_only=True)
class OrderAdopted(OrderEvent):
    """An order with our prefix was found at the exchange that this journal did not know."""


@attrs.frozen(kw_only=True)
class OrderCancelRequested(OrderEvent):
    """Somebody asked for its end."""


@attrs.frozen(kw_only=True)
class OrderVetoed(Event):
    """Risk said no; the order never reached the disk. Also risk's answer to orders."""

    order: RealOrder
    reason: Reason
    detail: str

    def entries(self) -> Iterable[Entry]:
        """The order's row goes away (it lived in orders' memory only)."""
        return (("orders", self.order.id, None),)


@attrs.frozen(kw_only=True)
class OrderDenied(OrderVetoed):
    """Orders' own public word about a veto, a block or a refusal before the record: the order is not and was not sent."""


@attrs.frozen(kw_only=True)
class OrderBlocked(Event):
    """The breaker said no (breaker -> orders)."""

    durable: ClassVar[bool] = False
    order: RealOrder
    reason: Reason
    detail: str


@attrs.frozen(kw_only=True)
class OrderRecorded(Event):
    """The journal has it on disk (journal -> orders and doors)."""

    durable: ClassVar[bool] = False
    id: str


@attrs.frozen(kw_only=True)
class OrderArchived(Event):
    """A final order leaves the tables; its history stays in the journal (seed S-103)."""

    id: str
    strategy: str
    symbol: str

    def entries(self) -> Iterable[Entry]:
        """The order's row goes away."""
        return (("orders", self.id, None),)


@attrs.frozen(kw_only=True)
class OrdersStated(Event):
    """Total of totals: every order that orders still holds, with its state, after a restart, recovery or reconciliation.

    A listener applies each (idempotently) and drops exactly what is not in it.
    """

    durable: ClassVar[bool] = False
    orders: tuple[RealOrder, ...]


@attrs.frozen(kw_only=True)
class TradesCursorMoved(Event):
    """All of the account's trades of `symbol` up to `trade_id` are known and accounted for."""

    symbol: str
    trade_id: int

    def entries(self) -> Iterable[Entry]:
        """The cursor's row."""
        return (("cursors", self.symbol, self.trade_id),)


@attrs.frozen(kw_only=True)
class ExternalTradeSeen(Event):
    """A trade of an order that is not ours: it moves the wallet, not a position. `deltas`: asset -> signed amount."""

    symbol: str
    trade_id: int
    exchange_order_id: int
    deltas: Mapping[str, Decimal]
    venue_at: datetime


# -- positions ----------------------------------------------------------------


@attrs.frozen(kw_only=True)
class PositionEvent(Event):
    """A position's new total, with the order that moved it and that order's cumulative quantity as booked here."""

    position: RealPosition
    book: PositionBook
    order: RealOrder

    def entries(self) -> Iterable[Entry]:
        """The book's row (strategy/symbol)."""
        return (("positions", self.book.key, self.book),)


@attrs.frozen(kw_only=True)
class PositionOpened(PositionEvent):
    """A position began (seed)."""


@attrs.frozen(kw_only=True)
class PositionUpdated(PositionEvent):
    """It grew or shrank (seed)."""


@attrs.frozen(kw_only=True)
class PositionClosed(PositionEvent):
    """It ended (seed). `pnl` is the whole position's realised result in quote units."""

    pnl: Decimal


@attrs.frozen(kw_only=True)
class PositionCut(Event):
    """The wallet fell below what the house manages: positions were cut to it, newest first. `detail` names why."""

    book: PositionBook
    detail: str

    def entries(self) -> Iterable[Entry]:
        """The book's row."""
        return (("positions", self.book.key, self.book),)


@attrs.frozen(kw_only=True)
class PositionBookSettled(Event):
    """Book-keeping only: orders that are archived left the book's list of booked orders."""

    book: PositionBook

    def entries(self) -> Iterable[Entry]:
        """The book's row."""
        return (("positions", self.book.key, self.book),)


@attrs.frozen(kw_only=True)
class PositionsStated(Event):
    """Total of totals: every position book there is."""

    durable: ClassVar[bool] = False
    books: tuple[PositionBook, ...]


# -- balances -----------------------------------------------------------------


@attrs.frozen(kw_only=True)
class BalanceUpdated(Event):
    """An asset's new total (seed): `free` and `locked` as the house knows them, and the ledger line they come from."""

    asset: str
    free: Decimal
    locked: Decimal
    line: LedgerLine

    def entries(self) -> Iterable[Entry]:
        """The line's row."""
        return (("ledger", self.asset, self.line),)


@attrs.frozen(kw_only=True)
class BalancesStated(Event):
    """Total of totals: every ledger line."""

    durable: ClassVar[bool] = False
    lines: tuple[LedgerLine, ...]


# -- risk ---------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class CommitmentHeld(Event):
    """Risk's hold on one order (ephemeral: computed anew from orders and positions). None frees the row."""

    durable: ClassVar[bool] = False
    order_id: str
    commitment: Commitment | None

    def entries(self) -> Iterable[Entry]:
        """The commitment's row."""
        return (("commitments", self.order_id, self.commitment),)


@attrs.frozen(kw_only=True)
class OrderHeard(Event):
    """Risk's copy of a live order that could not be priced yet (ephemeral)."""

    durable: ClassVar[bool] = False
    order_id: str
    order: RealOrder | None

    def entries(self) -> Iterable[Entry]:
        """The copy's row."""
        return (("orders_heard", self.order_id, self.order),)


@attrs.frozen(kw_only=True)
class PositionHeard(Event):
    """Risk's copy of a position's total (ephemeral)."""

    durable: ClassVar[bool] = False
    book: PositionBook

    def entries(self) -> Iterable[Entry]:
        """The copy's row."""
        return (("positions_heard", self.book.key, self.book),)


@attrs.frozen(kw_only=True)
class BalanceHeard(Event):
    """Risk's copy of a ledger line (ephemeral)."""

    durable: ClassVar[bool] = False
    line: LedgerLine

    def entries(self) -> Iterable[Entry]:
        """The copy's row."""
        return (("balances_heard", self.line.asset, self.line),)


@attrs.frozen(kw_only=True)
class RulesHeard(Event):
    """Symbol rules as last told (ephemeral)."""

    durable: ClassVar[bool] = False
    rules: Any

    def entries(self) -> Iterable[Entry]:
        """The rules' row."""
        return (("rules", self.rules.symbol, self.rules),)


@attrs.frozen(kw_only=True)
class RiskDayUpdated(Event):
    """The risk day's base values."""

    day: RiskDay

    def entries(self) -> Iterable[Entry]:
        """The one row of the day."""
        return (("day", "day", self.day),)


@attrs.frozen(kw_only=True)
class LimitBreached(Event):
    """A loss limit was reached (risk -> breaker, doors)."""

    reason: Reason
    scope: str
    limit: Decimal
    value: Decimal
    day: date


# -- breaker ------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class BreakerChanged(Event):
    """The breaker's new total: all causes, the error count, the gate number and the seed's view of it."""

    state: CircuitBreakerState
    causes: tuple[BreakerCause, ...]
    gate: int
    changed: str

    def entries(self) -> Iterable[Entry]:
        """The breaker's one row, and the gate number beside it for the last look."""
        return (("breaker", "state", (self.state, self.causes)), ("gate", "gate", self.gate))


@attrs.frozen(kw_only=True)
class CircuitBreakerOpened(Event):
    """The first cause appeared (seed)."""

    reason: str


@attrs.frozen(kw_only=True)
class CircuitBreakerClosed(Event):
    """The last cause is gone (seed)."""


# -- reconciliation -----------------------------------------------------------


@attrs.frozen(kw_only=True)
class OrdersCompared(Event):
    """orders' word to reconciliation after merging a snapshot. `pending` ids still need a by-id answer before the round can be clean."""

    durable: ClassVar[bool] = False
    token: str
    discrepancies: tuple[Discrepancy, ...]
    pending: tuple[str, ...]


@attrs.frozen(kw_only=True)
class BalancesCompared(Event):
    """balances' answer. `skipped` assets were not comparable this round."""

    durable: ClassVar[bool] = False
    token: str
    discrepancies: tuple[Discrepancy, ...]
    skipped: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ReconciliationRound(Event):
    """Reconciliation's own protocol state (ephemeral)."""

    durable: ClassVar[bool] = False
    round: Any

    def entries(self) -> Iterable[Entry]:
        """The one row of the round in progress."""
        return (("round", "round", self.round),)


@attrs.frozen(kw_only=True)
class ReconciliationComplete(Event):
    """A round ended with every comparable key compared (seed: `discrepancies`). `clean` when nothing unexplained is left.

    `covers` are the tokens of the causes and requests that were known before the round's first question was asked.
    """

    discrepancies: int
    unresolved: tuple[Discrepancy, ...]
    trigger: str
    token: str
    generation: int
    covers: tuple[str, ...]
    clean: bool
    duration_s: float


@attrs.frozen(kw_only=True)
class ReconciliationFailed(Event):
    """A round could not be finished; nothing was concluded from it."""

    trigger: str
    token: str
    generation: int
    detail: str


@attrs.frozen(kw_only=True)
class DiscrepancyFound(Event):
    """Something differed between the house and the venue, and what was done about it."""

    discrepancy: Discrepancy


# -- house --------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class KeeperLost(Event):
    """An actor's incarnation ended; said to the breaker before its successor starts. `token` is the incarnation's number."""

    name: str
    cause: str
    letter: str
    token: int


@attrs.frozen(kw_only=True)
class MailboxFilled(Event):
    """A money mailbox passed its soft cap."""

    name: str
    waiting: int


@attrs.frozen(kw_only=True)
class ActorRestarted(Event):
    """A new incarnation serves the old mailbox."""

    name: str
    cause: str
    incarnation: int


@attrs.frozen(kw_only=True)
class EngineStarted(Event):
    """A run began."""

    run: int
    mode: str


@attrs.frozen(kw_only=True)
class EngineStopped(Event):
    """A run ended in order."""

    run: int


@attrs.frozen(kw_only=True)
class Error(Event):
    """Something went wrong that has no better word (seed)."""

    message: str


@attrs.frozen(kw_only=True)
class Missed(Event):
    """A slow listener lost `count` events; fresh totals follow."""

    durable: ClassVar[bool] = False
    count: int
