"""What the venue said. Only hands utter reports; keepers judge them.

Every report is complete and frozen. `generation` is the connection it came over; times called `*_at` are UTC,
`venue_at` is the venue's own clock.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from .movements import Movement
from .reasons import Reason
from .values import Side, SymbolRules


@attrs.frozen(kw_only=True)
class TradeReport:
    """One trade of ours as the venue tells it. Identity: (symbol, trade_id). `commission` is in `commission_asset`."""

    symbol: str
    trade_id: int
    exchange_order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    venue_at: datetime


@attrs.frozen(kw_only=True)
class ExecutionReport:
    """The state of one order as the venue tells it: from the stream, an answer, or a query; all three merge the same way.

    `status` is the venue's own word (an unknown word stays as it is and means: ask). `client_id` is the *order's* id: the
    translator has already undone the stream's habit of putting a cancel's id into `c`. `trades` are the fills this report
    carries (an answer: all so far; the stream: at most one; a query: none). `venue_at` orders reports of one order.
    """

    symbol: str
    client_id: str
    exchange_order_id: int
    side: Side
    order_type: str
    status: str
    price: Decimal
    stop_price: Decimal
    original_quantity: Decimal
    executed_quantity: Decimal
    cumulative_quote: Decimal
    time_in_force: str
    trades: tuple[TradeReport, ...]
    venue_at: datetime
    reason: str = ""


# -- answers to commands ------------------------------------------------------


@attrs.frozen(kw_only=True)
class PlacementAcknowledged:
    """The venue took the order; `report` is its first state, often with fills."""

    id: str
    report: ExecutionReport
    latency_s: float


@attrs.frozen(kw_only=True)
class PlacementRefused:
    """Certainly not live: refused by the venue, never reached it, or stopped by the last look before signing (`sent` False)."""

    id: str
    reason: Reason
    code: int
    message: str
    sent: bool


@attrs.frozen(kw_only=True)
class PlacementUnknown:
    """The request may have been executed. `detail` is evidence for people; only a fact ends this.

    `ours`: the house itself died over it, so it says nothing about the venue.
    """

    id: str
    detail: str
    ours: bool = False


@attrs.frozen(kw_only=True)
class CancelAnswered:
    """A cancel's outcome. `report` is the order's state if the venue told it; `certain` False means: ask about the order."""

    id: str
    certain: bool
    report: ExecutionReport | None
    code: int
    message: str


@attrs.frozen(kw_only=True)
class OrderLookedUp:
    """The answer to one QueryOrder: the order as found, or `report` None = the venue answered -2013 "does not exist".

    `asked_at` and `answered_at` are server time. `in_history` is True when open orders or history since the order's
    creation show it, False when both were read and do not, None when they were not read.
    """

    id: str
    report: ExecutionReport | None
    trades: tuple[TradeReport, ...]
    in_history: bool | None
    asked_at: datetime
    answered_at: datetime


@attrs.frozen(kw_only=True)
class OpenOrdersListed:
    """The answer to `ListOpenOrders`: every open order of the symbol, whoever placed it. `asked_at` is server time."""

    symbol: str
    orders: tuple[ExecutionReport, ...]
    asked_at: datetime


@attrs.frozen(kw_only=True)
class LookupFailed:
    """A query got no answer that can be read. Never to be taken for "none". `subject` is an order id or a round's token."""

    subject: str
    detail: str


# -- account and stream -------------------------------------------------------


@attrs.frozen(kw_only=True)
class ExecutionReported:
    """An execution report from the user stream."""

    report: ExecutionReport
    generation: int


@attrs.frozen(kw_only=True)
class AccountReported:
    """Absolute balances from the stream: asset -> (free, locked). Evidence, never the source of the ledger."""

    balances: Mapping[str, tuple[Decimal, Decimal]]
    venue_at: datetime
    generation: int


@attrs.frozen(kw_only=True)
class FlowReported:
    """Money that came or went without a trade (deposit, withdrawal, transfer). Identity: (asset, venue_at, amount)."""

    asset: str
    amount: Decimal
    venue_at: datetime
    generation: int


@attrs.frozen(kw_only=True)
class EventUnreadable:
    """The user stream said something that cannot be used. The two tuples are what in it looks like an order's names; both
    empty: nobody can tell what it was about.
    """

    what: str
    detail: str
    client_ids: tuple[str, ...]
    exchange_order_ids: tuple[int, ...]
    generation: int


@attrs.frozen(kw_only=True)
class StreamConnected:
    """A new generation is connected and subscribed; its events are being delivered."""

    generation: int


@attrs.frozen(kw_only=True)
class StreamLost:
    """The generation ended: nothing more will come of it, and events may have been missed."""

    generation: int
    detail: str


@attrs.frozen(kw_only=True)
class MarketStreamConnected:
    """Quotes flow."""

    generation: int


@attrs.frozen(kw_only=True)
class MarketStreamLost:
    """Quotes stopped; staleness rules decide what that means."""

    generation: int
    detail: str


@attrs.frozen(kw_only=True)
class QuotesMoved:
    """The quote board changed since the last letter of this kind was consumed; `symbols` names what moved."""

    symbols: frozenset[str]


@attrs.frozen(kw_only=True)
class SnapshotTaken:
    """The venue's whole answer to one reconciliation round.

    `asked_at` is server time before its first request; `generation` the stream generation it was taken in. `open_orders`
    are all open orders of the watched symbols; `trades` all of the account's trades per symbol above the cursor asked
    for, complete up to `cursors` (symbol -> highest trade id seen); `balances` every asset: (free, locked). `gone` are
    symbols whose cursor names a trade that the account does not have (any more).
    """

    token: str
    generation: int
    account_uid: int
    asked_at: datetime
    answered_at: datetime
    open_orders: tuple[ExecutionReport, ...]
    trades: tuple[TradeReport, ...]
    cursors: Mapping[str, int]
    balances: Mapping[str, tuple[Decimal, Decimal]]
    gone: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class MovementsFound:
    """What the histories tell. `unanswered` names what could not be asked, and why: that is never "none"."""

    token: str
    movements: tuple[Movement, ...]
    unanswered: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RulesReported:
    """Symbol rules as the venue tells them now."""

    rules: tuple[SymbolRules, ...]


@attrs.frozen(kw_only=True)
class ClockMeasured:
    """Server clock minus ours, seconds, and half the round trip as its uncertainty."""

    offset_s: float
    uncertainty_s: float


@attrs.frozen(kw_only=True)
class VenueClosed:
    """The connection is dropped for good; nothing more comes from the venue."""
