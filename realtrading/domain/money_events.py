"""What positions, balances and risk say: new totals of books, ledger lines, holds and the risk day."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import attrs

from .balances import LedgerLine
from .event import Entry, Event
from .orders import RealOrder
from .positions import PositionBook, RealPosition
from .reasons import Reason
from .risk import Commitment, RiskDay


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
class DifferencesMeasured(Event):
    """Balances' note of the round `token` (ephemeral): by how much the exchange holds more than the ledger says, for each
    asset that differs; `skipped` could not be compared; `asked_at` is the venue's clock; `asked` is whose cause was asked for.
    """

    durable: ClassVar[bool] = False
    token: str
    residuals: Mapping[str, Decimal]
    skipped: tuple[str, ...]
    watched: tuple[str, ...]
    asked_at: datetime
    asked: tuple[str, ...] = ()

    def entries(self) -> Iterable[Entry]:
        """The one row: only the last round's note is kept."""
        return (("measured", "measured", self),)


@attrs.frozen(kw_only=True)
class BalancesExplained(Event):
    """balances' answer to `ExplainBalances`: the wholly explained assets with what it was, what could not be asked."""

    durable: ClassVar[bool] = False
    token: str
    explained: Mapping[str, str]
    unanswered: tuple[str, ...]


@attrs.frozen(kw_only=True)
class DifferenceAccepted(Event):
    """A person answers for a difference that nothing explains: it was booked as an "other" flow."""

    token: str
    asset: str
    amount: Decimal
    by: str
    reason: str


@attrs.frozen(kw_only=True)
class AcceptanceRefused(Event):
    """The amount is not the difference, or there is none: nothing was booked."""

    durable: ClassVar[bool] = False
    token: str
    detail: str


@attrs.frozen(kw_only=True)
class WalletStated(Event):
    """What the wallet holds, for the assets on which ledger and venue agreed in the round `token` (balances -> positions).

    `totals` are as of the round's OrdersStated: positions compares them with what it managed at that very moment.
    """

    durable: ClassVar[bool] = False
    token: str
    totals: Mapping[str, Decimal]


@attrs.frozen(kw_only=True)
class ManagedNoted(Event):
    """Positions' note of what it managed per base asset when the round `token` was stated (ephemeral)."""

    durable: ClassVar[bool] = False
    token: str
    managed: Mapping[str, Decimal]

    def entries(self) -> Iterable[Entry]:
        """The one row: only the last round's note is kept."""
        return (("managed", "managed", self),)


@attrs.frozen(kw_only=True)
class BalancesStated(Event):
    """Total of totals: every ledger line."""

    durable: ClassVar[bool] = False
    lines: tuple[LedgerLine, ...]


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
