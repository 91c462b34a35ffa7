"""Counters for the scrape, fed by the feed's events and the venue's requests. Written by few threads, read by any.

Each counter is a dict entry replaced by one assignment; a reader may be one event behind, never wrong in kind. Sums of money
are Decimals here and become floats only on the exposition page.
"""
from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import attrs

from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.domain.orders import RealOrder
from realtrading.domain.values import ZERO, Now
from realtrading.runtime import events as machinery
from realtrading.runtime.mailbox import Missed
from realtrading.runtime.metrics import Histogram
from realtrading.venue.port import RequestSeen

Labels = tuple[str, ...]

EXCHANGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECONCILE_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

SEEN_MAX = 20_000
"""Orders whose counted fills are remembered; the oldest are forgotten, long after they are final."""


def _counts() -> defaultdict[Labels, int]:
    return defaultdict(int)


def _sums() -> defaultdict[Labels, Decimal]:
    return defaultdict(lambda: ZERO)


@attrs.define
class Tally:
    """Everything that is counted, by label values in the order the exporter names them."""

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
    stream_events: defaultdict[Labels, int] = attrs.field(factory=_counts)
    connected: dict[Labels, int] = attrs.field(factory=dict)
    gaps: defaultdict[Labels, int] = attrs.field(factory=_counts)
    reconcile_runs: defaultdict[Labels, int] = attrs.field(factory=_counts)
    reconcile_seconds: Histogram = attrs.field(factory=lambda: Histogram(RECONCILE_BUCKETS))
    reconcile_success_utc_s: float = 0.0
    discrepancies: defaultdict[Labels, int] = attrs.field(factory=_counts)
    unresolved: dict[Labels, int] = attrs.field(factory=dict)
    acknowledged: dict[Labels, Histogram] = attrs.field(factory=dict)
    missed: int = 0
    escalations: defaultdict[Labels, int] = attrs.field(factory=_counts)
    _seen_fills: dict[str, int] = attrs.field(factory=dict)
    _sent_at: dict[str, float] = attrs.field(factory=dict)

    def request(self, seen: RequestSeen) -> None:
        """One finished request to the exchange (wire thread)."""
        self.requests[(seen.endpoint, seen.method, seen.status)] += 1
        seconds = self.request_seconds.get((seen.endpoint, seen.method))
        if seconds is None:
            seconds = self.request_seconds[(seen.endpoint, seen.method)] = Histogram(EXCHANGE_BUCKETS)
        seconds.observe(seen.seconds)
        if seen.code:
            self.errors[(str(seen.code),)] += 1

    def news(self, event: object) -> None:
        """The machinery's own news."""
        if isinstance(event, machinery.ActorGivenUp):
            self.escalations[(event.name,)] += 1

    def count(self, message: object, now: Now) -> None:
        """One event of the feed (feed thread)."""
        if isinstance(message, e.OrderDenied):
            origin, _, _ = str(message.reason).partition("_")
            self.rejections[(message.order.symbol, origin.lower(), str(message.reason))] += 1
            self.decisions[(str(message.reason), "deny")] += 1
        elif isinstance(message, e.OrderEvent):
            self._order(message, now)
        elif isinstance(message, e.ReconciliationComplete):
            self._reconciled(message, now)
        elif isinstance(message, e.ReconciliationFailed):
            self.reconcile_runs[(message.trigger, "failed")] += 1
        elif isinstance(message, e.DiscrepancyFound):
            found = message.discrepancy
            self.discrepancies[(str(found.kind), str(found.resolution))] += 1
        elif isinstance(message, e.BreakerChanged):
            self._breaker(message)
        elif isinstance(message, r.StreamConnected | r.MarketStreamConnected):
            self.connected[(stream_of(message),)] = 1
        elif isinstance(message, r.StreamLost | r.MarketStreamLost):
            self.connected[(stream_of(message),)] = 0
            self.reconnects[(stream_of(message),)] += 1
        elif isinstance(message, Missed):
            self.missed += message.count

    def _order(self, event: e.OrderEvent, now: Now) -> None:
        order = event.order
        if isinstance(event, e.OrderSubmitted):
            self.submitted[(order.symbol, order.side, str(order.order_type), order.strategy)] += 1
            self.decisions[("all", "pass")] += 1
            self._sent_at[order.id] = now.mono
            return
        sent = self._sent_at.pop(order.id, None)
        if sent is not None and not isinstance(event, e.OrderUnknown):
            kind = (str(order.order_type),)
            seconds = self.acknowledged.get(kind)
            if seconds is None:
                seconds = self.acknowledged[kind] = Histogram(EXCHANGE_BUCKETS)
            seconds.observe(now.mono - sent)
        self._fills_of(order)
        if isinstance(event, e.OrderRejected):
            self.rejections[(order.symbol, "exchange", order.reason)] += 1
        if order.is_terminal() and not isinstance(event, e.OrderRevised | e.OrderAdopted):
            self.closed[(order.symbol, order.side, str(order.state).lower())] += 1

    def _fills_of(self, order: RealOrder) -> None:
        """Count the fills of an order that were not counted yet; order events carry all of them, so none is missed."""
        counted = self._seen_fills.get(order.id, 0)
        for fill in order.fills[counted:]:
            self.fills[(order.symbol, order.side, "maker" if fill.is_maker else "taker")] += 1
            self.traded[(order.symbol, order.side)] += fill.quote_quantity
            self.commission[(fill.commission_asset,)] += fill.commission
        self._seen_fills[order.id] = max(counted, len(order.fills))
        while len(self._seen_fills) > SEEN_MAX:
            del self._seen_fills[next(iter(self._seen_fills))]

    def _reconciled(self, event: e.ReconciliationComplete, now: Now) -> None:
        self.reconcile_runs[(event.trigger, "clean" if event.clean else "unclean")] += 1
        self.reconcile_seconds.observe(event.duration_s)
        self.reconcile_success_utc_s = now.utc.timestamp()
        kinds = {str(found.kind) for found in event.unresolved}
        for labels in list(self.unresolved):
            self.unresolved[labels] = 0
        for kind in kinds:
            self.unresolved[(kind,)] = sum(1 for found in event.unresolved if found.kind == kind)

    def _breaker(self, event: e.BreakerChanged) -> None:
        kind, _, rest = event.changed.partition(":")
        if rest and any(str(cause.kind) == kind for cause in event.causes):
            self.trips[(kind,)] += 1


def stream_of(message: object) -> str:
    """Which stream a connection report is about."""
    return "market" if isinstance(message, r.MarketStreamConnected | r.MarketStreamLost) else "user_data"
