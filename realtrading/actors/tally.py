"""Counters for the scrape, fed by the feed's events, the venue's requests and the journal's commits.

Each counter is written by one thread and read by any: an entry is replaced by one assignment, so a reader may be one event
behind, never wrong in kind. Sums of money are Decimals here and become floats only on the exposition page. Labels are closed
sets: what is in none of them is called `other`.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.domain.orders import OrderFill, RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reconciliation import DiscrepancyKind
from realtrading.domain.values import ZERO, Now, OrderType, Quote, Side, ratio
from realtrading.runtime import events as machinery
from realtrading.runtime.mailbox import Missed
from realtrading.runtime.metrics import INSIDE_BUCKETS_S, Histogram
from realtrading.venue.port import RequestSeen

from .board import Board

Labels = tuple[str, ...]

EXCHANGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECONCILE_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SLIPPAGE_BUCKETS = (-0.01, -0.005, -0.002, -0.001, -0.0005, 0.0, 0.0005, 0.001, 0.002, 0.005, 0.01)

ORIGINS: Mapping[str, str] = {"HOUSE": "state", "RISK": "risk", "BREAKER": "breaker", "VENUE": "exchange"}
"""First word of a reason -> who said no."""

ANY_ROAD = "any"
"""Fills reach an order by answer, user stream or lookup, whichever is first: one road, as far as the lag goes."""

CODES = frozenset({
    *("-1000", "-1001", "-1002", "-1003", "-1006", "-1007", "-1008", "-1013", "-1015", "-1016", "-1020", "-1021", "-1022"),
    *("-1034", "-1100", "-1101", "-1102", "-1104", "-1111", "-1121", "-1125"),
    *("-2010", "-2011", "-2013", "-2014", "-2015", "-2021", "-2022", "-2026", "-2038"),
})
"""The exchange's error codes that are shown by number."""

SEEN_MAX = 20_000
"""Orders whose counted fills are remembered; the oldest are forgotten, long after they are final."""


def _counts() -> defaultdict[Labels, int]:
    return defaultdict(int)


def _sums() -> defaultdict[Labels, Decimal]:
    return defaultdict(lambda: ZERO)


@attrs.define(kw_only=True)
class _Sent:
    """What is remembered of an order until the exchange's first word, and of its fills until it is over."""

    at: datetime
    touch: Decimal | None
    waiting: bool = True


@attrs.define(kw_only=True)
class Tally:
    """Everything that is counted, by label values in the catalogue's order."""

    submitted: defaultdict[Labels, int] = attrs.field(factory=_counts)
    closed: defaultdict[Labels, int] = attrs.field(factory=_counts)
    rejections: defaultdict[Labels, int] = attrs.field(factory=_counts)
    fills: defaultdict[Labels, int] = attrs.field(factory=_counts)
    traded: defaultdict[Labels, Decimal] = attrs.field(factory=_sums)
    commission: defaultdict[Labels, Decimal] = attrs.field(factory=_sums)
    decisions: defaultdict[Labels, int] = attrs.field(factory=_counts)
    trips: defaultdict[Labels, int] = attrs.field(factory=_counts)
    requests: defaultdict[Labels, int] = attrs.field(factory=_counts)
    request_seconds: dict[Labels, Histogram] = attrs.field(factory=dict)
    errors: defaultdict[Labels, int] = attrs.field(factory=_counts)
    reconnects: defaultdict[Labels, int] = attrs.field(factory=_counts)
    connected: dict[Labels, int] = attrs.field(factory=dict)
    gaps: defaultdict[Labels, int] = attrs.field(factory=_counts)
    rules_at: datetime | None = None
    runs: defaultdict[Labels, int] = attrs.field(factory=_counts)
    round_seconds: Histogram = attrs.field(factory=lambda: Histogram(RECONCILE_BUCKETS_S))
    clean_at: datetime | None = None
    discrepancies: defaultdict[Labels, int] = attrs.field(factory=_counts)
    unresolved: Mapping[Labels, int] = attrs.field(factory=dict)
    acknowledged: dict[Labels, Histogram] = attrs.field(
        factory=lambda: {(str(kind),): Histogram(EXCHANGE_BUCKETS_S) for kind in OrderType}
    )
    intents: Histogram = attrs.field(factory=lambda: Histogram(INSIDE_BUCKETS_S))
    lag: Histogram = attrs.field(factory=lambda: Histogram(EXCHANGE_BUCKETS_S))
    slippage: dict[Labels, Histogram] = attrs.field(
        factory=lambda: {(str(kind),): Histogram(SLIPPAGE_BUCKETS) for kind in OrderType}
    )
    commits: Histogram = attrs.field(factory=lambda: Histogram(EXCHANGE_BUCKETS_S))
    escalations: defaultdict[Labels, int] = attrs.field(factory=_counts)
    commands: defaultdict[Labels, int] = attrs.field(factory=_counts)
    _offset_s: float = 0.0
    _lost: dict[str, str] = attrs.field(factory=dict)
    _open: frozenset[tuple[str, str]] | None = None
    _counted: dict[str, int] = attrs.field(factory=dict)
    _over: dict[str, None] = attrs.field(factory=dict)
    _sent: dict[str, _Sent] = attrs.field(factory=dict)

    def request(self, seen: RequestSeen) -> None:
        """One finished request to the exchange (wire thread; before the start the preflight's)."""
        self.requests[(seen.endpoint, seen.method, seen.status)] += 1
        seconds = self.request_seconds.get((seen.endpoint, seen.method))
        if seconds is None:
            seconds = self.request_seconds[(seen.endpoint, seen.method)] = Histogram(EXCHANGE_BUCKETS_S)
        seconds.observe(seen.seconds)
        if seen.code:
            code = str(seen.code)
            self.errors[(code if code in CODES else "other",)] += 1

    def committed(self, seconds: float) -> None:
        """One transaction of the journal (its thread)."""
        self.commits.observe(seconds)

    def news(self, event: object) -> None:
        """The machinery's own news (supervisor's thread)."""
        if isinstance(event, machinery.ActorGivenUp):
            self.escalations[(event.name,)] += 1

    def count(self, message: object, now: Now, board: Board) -> None:
        """One message of the feed (its thread). `board` has the quote that an order's trades are held to."""
        if isinstance(message, e.OrderDenied):
            self._refused(message.order, str(message.reason))
        elif isinstance(message, e.OrderEvent):
            self._order(message, board)
        elif isinstance(message, e.ReconciliationComplete):
            self._reconciled(message, now)
        elif isinstance(message, e.ReconciliationFailed):
            self.runs[(message.trigger, "failed")] += 1
        elif isinstance(message, e.DiscrepancyFound):
            found = message.discrepancy
            self.discrepancies[(str(found.kind), str(found.resolution))] += 1
            if found.kind is DiscrepancyKind.FILL_MISSED:
                self.gaps[("user_data",)] += 1
        elif isinstance(message, e.BreakerChanged):
            self._breaker(message)
        elif isinstance(message, r.StreamConnected | r.MarketStreamConnected):
            self._connected(stream_of(message))
        elif isinstance(message, r.StreamLost | r.MarketStreamLost):
            self.connected[(stream_of(message),)] = 0
            self._lost[stream_of(message)] = why_lost(message.detail)
        elif isinstance(message, e.OperatorCommanded):
            self.commands[(message.command,)] += 1
        elif isinstance(message, r.RulesReported):
            self.rules_at = now.utc
        elif isinstance(message, r.ClockMeasured):
            self._offset_s = message.offset_s
        elif isinstance(message, Missed):
            self._open = None  # what opened and closed in between is not known

    # -- orders ---------------------------------------------------------------

    def _order(self, event: e.OrderEvent, board: Board) -> None:
        order = event.order
        if isinstance(event, e.OrderSubmitted):
            self.submitted[(order.symbol, order.side, type_of(order), order.strategy)] += 1
            self.decisions[("all", "pass")] += 1
            self.intents.observe(max(0.0, (order.updated_at - order.created_at).total_seconds()))
            self._sent[order.id] = _Sent(at=order.updated_at, touch=touch(board.get(order.symbol), order.side))
            return
        self._answered(event)
        self._fills_of(event)
        if isinstance(event, e.OrderRejected):
            self._refused(order, order.reason)
        if order.is_terminal() and order.id not in self._over:
            self.closed[(order.symbol, order.side, str(order.state).lower())] += 1
            self._over[order.id] = None
            forget_oldest(self._over)
            if not order.missing_quantity:
                self._sent.pop(order.id, None)

    def _refused(self, order: RealOrder, reason: str) -> None:
        """By risk, by the breaker, by the exchange, or because of the order's own state."""
        known = reason if reason in Reason.__members__ else "other"
        origin = ORIGINS.get(known.partition("_")[0], "exchange")
        self.rejections[(order.symbol, origin, known)] += 1
        if origin == "risk":
            self.decisions[(rule_of(known), "deny")] += 1
        elif origin == "breaker" and order.id not in self._sent:  # it came to the gate, so every rule had let it pass
            self.decisions[("all", "pass")] += 1

    def _answered(self, event: e.OrderEvent) -> None:
        """The exchange's first word about an order; a doubt or our own refusal is none."""
        sent = self._sent.get(event.order.id)
        if sent is None or not sent.waiting or isinstance(event, e.OrderCancelRequested):
            return
        sent.waiting = False
        ours = isinstance(event, e.OrderRejected) and not event.order.reason.startswith("VENUE_")
        seconds = self.acknowledged.get((type_of(event.order),))
        if seconds is not None and not ours and not isinstance(event, e.OrderUnknown):
            seconds.observe(max(0.0, (event.order.updated_at - sent.at).total_seconds()))

    def _fills_of(self, event: e.OrderEvent) -> None:
        """Count what was not counted yet. Events carry all fills, so none is missed; an order first heard of in the middle
        of its life brings only its new ones.
        """
        order = event.order
        new = len(getattr(event, "fills", ()))
        counted = self._counted.get(order.id, len(order.fills) - new)
        for fill in order.fills[counted:]:
            self.fills[(order.symbol, order.side, "maker" if fill.is_maker else "taker")] += 1
            self.traded[(order.symbol, order.side)] += fill.quote_quantity
            self.commission[(fill.commission_asset,)] += fill.commission
            self._timed(order, fill)
        self._counted[order.id] = max(counted, len(order.fills))
        forget_oldest(self._counted)
        forget_oldest(self._sent)

    def _timed(self, order: RealOrder, fill: OrderFill) -> None:
        lag_s = (order.updated_at - fill.timestamp).total_seconds() + self._offset_s
        self.lag.observe(max(0.0, lag_s))
        sent, slippage = self._sent.get(order.id), self.slippage.get((type_of(order),))
        if sent is not None and sent.touch and slippage is not None:
            worse = fill.price - sent.touch if order.side is Side.BUY else sent.touch - fill.price
            slippage.observe(float(ratio(worse, sent.touch)))

    # -- rounds, breaker, streams ----------------------------------------------

    def _reconciled(self, event: e.ReconciliationComplete, now: Now) -> None:
        self.runs[(event.trigger, "clean" if event.clean else "unclean")] += 1
        self.round_seconds.observe(event.duration_s)
        if event.clean:
            self.clean_at = now.utc
        found: dict[Labels, int] = {}
        for each in event.unresolved:
            found[(str(each.kind),)] = found.get((str(each.kind),), 0) + 1
        self.unresolved = found

    def _breaker(self, event: e.BreakerChanged) -> None:
        """Count causes that were not open before. What is open when we begin to listen was counted by nobody, or before."""
        before = self._open
        self._open = frozenset((str(cause.kind), cause.scope) for cause in event.causes)
        for cause in event.causes:
            if before is not None and (str(cause.kind), cause.scope) not in before:
                self.trips[(str(cause.kind), cause.token.partition("-")[0])] += 1

    def _connected(self, stream: str) -> None:
        self.connected[(stream,)] = 1
        reason = self._lost.pop(stream, None)
        if reason is not None:
            self.reconnects[(stream, reason)] += 1


def forget_oldest(memory: dict[str, _Sent] | dict[str, int] | dict[str, None]) -> None:
    """Keep a memory of orders at its size."""
    while len(memory) > SEEN_MAX:
        del memory[next(iter(memory))]


def type_of(order: RealOrder) -> str:
    """The order's type as a label."""
    return str(order.order_type) if order.order_type in OrderType.__members__ else "other"


def rule_of(reason: str) -> str:
    """A risk reason as the name of its rule."""
    return reason.removeprefix("RISK_").lower()


def touch(quote: Quote | None, side: Side) -> Decimal | None:
    """The best price an order of this side would meet."""
    return None if quote is None else quote.ask if side is Side.BUY else quote.bid


REASONS_LOST = ("actor", "age", "venue", "connection")
"""Why streams end."""


def why_lost(detail: str) -> str:
    """A closed word for why a stream ended."""
    words = {"the stream actor": "actor", "older than": "age", "the venue said": "venue", "the market stream ended": "venue"}
    return next((reason for word, reason in words.items() if word in detail), "connection")


def stream_of(message: object) -> str:
    """Which stream a connection report is about."""
    return "market" if isinstance(message, r.MarketStreamConnected | r.MarketStreamLost) else "user_data"
