"""The venue as the hands see it.

A few coroutines that answer with domain reports and never raise for the venue's sake.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from realtrading.domain.commands import ListOpenOrders, PlaceCancel, QueryMovements, QueryOrder, TakeSnapshot
from realtrading.domain.orders import RealOrder
from realtrading.domain.reports import (
    AccountReported,
    CancelAnswered,
    ClockMeasured,
    EventUnreadable,
    ExecutionReported,
    FlowReported,
    LookupFailed,
    MovementsFound,
    OpenOrdersListed,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    RulesReported,
    SnapshotTaken,
    StreamLost,
)
from realtrading.domain.values import Quote


@attrs.frozen(kw_only=True)
class StreamEnding:
    """The generation still speaks and will not for long: another one is to be connected beside it."""

    generation: int
    detail: str


StreamReport = ExecutionReported | AccountReported | FlowReported | EventUnreadable | StreamEnding | StreamLost


@attrs.frozen(kw_only=True)
class RequestSeen:
    """One finished request, for metrics.

    Endpoint template, method, status class ("2xx", "4xx", …, "none"), seconds.
    """

    endpoint: str
    method: str
    status: str
    code: int
    seconds: float


@attrs.define(kw_only=True)
class VenueGauges:
    """Latest readings of the venue's limits; written on the wire thread, read by the scrape.

    `used` and `maximum` are keyed `weight_1m`, `orders_10s`, `orders_1d`, `raw_5m`. `oddities` counts what the venue
    sent that could not be used: malformed_event, malformed_frame, malformed_quote, malformed_ticker,
    missing_ticker, stray_event, stray_reply. `heard` counts what came over the streams by (stream, event), `heard_at` is
    when the stream's last one came.
    """

    used: dict[str, int] = attrs.field(factory=dict)
    maximum: dict[str, int] = attrs.field(factory=dict)
    silent_until_utc: datetime | None = None
    clock_offset_s: float | None = None
    oddities: dict[str, int] = attrs.field(factory=dict)
    heard: dict[tuple[str, str], int] = attrs.field(factory=dict)
    heard_at: dict[str, datetime] = attrs.field(factory=dict)

    def hear(self, stream: str, event: str, at: datetime) -> None:
        """Count one event of a stream."""
        self.heard[(stream, event)] = self.heard.get((stream, event), 0) + 1
        self.heard_at[stream] = at


class Venue(Protocol):
    """One account at one venue. Everything runs on the wire desk's asyncio loop; no method raises for what the venue
    does, except `connect`, `account_uid`, `client_ids` and `rules`, which raise `VenueRefused`, `VenueUnknown` or
    `VenueThrottled` with one sentence.
    """

    gauges: VenueGauges

    async def connect(
        self, generation: int, deliver: Callable[[StreamReport], None], *, beside: bool = False
    ) -> None:
        """Build a fresh client for this generation (dropping the old one) and subscribe its user stream.

        From then on `deliver` is called on the loop for each report, and exactly once with `StreamLost` when the
        generation ends for whatever reason (error dict, silence, `eventStreamTerminated`). `StreamEnding` comes before,
        when the end can be foreseen (`serverShutdown`, age). With `beside` the present generation goes on until the
        new one is subscribed, and then ends without a `StreamLost`; when it cannot be had, the present one stays.
        """

    async def check_stream(self) -> None:
        """Ask the venue whether it still lists the user stream's subscription; if not, the generation ends."""

    async def close(self) -> None:
        """End everything; idempotent; leaves no task or socket."""

    async def account_uid(self) -> int:
        """The account's uid: the one question asked before anything else."""

    async def client_ids(self, symbols: Sequence[str]) -> frozenset[str]:
        """Client ids of the symbols' open orders and of their newest thousand: who has traded here lately?"""

    async def rules(self, symbols: Sequence[str]) -> RulesReported:
        """Symbol rules; an unknown symbol raises `VenueRefused` naming it."""

    async def measure_clock(self) -> ClockMeasured | LookupFailed:
        """Ask the server's time a few times, keep the sharpest, use it for signing from now on."""

    def server_time(self, utc: datetime) -> datetime:
        """Our reading `utc` corrected by the measured offset."""

    async def place(
        self, order: RealOrder, *, unheard: bool = False
    ) -> PlacementAcknowledged | PlacementRefused | PlacementUnknown:
        """Sign and send the order exactly once (never re-sent by anybody below).

        While no generation is connected it is refused, unless it may go `unheard`: an exit finds a door even then, and
        its answer or a query must tell what no stream can.
        """

    async def cancel(self, command: PlaceCancel) -> CancelAnswered:
        """Cancel by exchange id with our own cancel id."""

    async def query(self, command: QueryOrder) -> OrderLookedUp | LookupFailed:
        """Ask for one order (by exchange id if known, else client id), its trades, and with `prove` the histories."""

    async def list_open(self, command: ListOpenOrders) -> OpenOrdersListed | LookupFailed:
        """The open orders of one symbol, when the weight for routine reads allows it."""

    async def snapshot(self, command: TakeSnapshot) -> SnapshotTaken | LookupFailed:
        """Everything a reconciliation round needs, `asked_at` taken first; trades are paged to the end."""

    async def movements(self, command: QueryMovements) -> MovementsFound:
        """What the wallet's histories, and trades in symbols that nobody watches, tell; what cannot be asked is named."""

    async def watch_quotes(self, symbols: Sequence[str], on_quote: Callable[[Quote], None]) -> None:
        """Stream best bid/ask and trades of `symbols` into `on_quote` until the stream ends; then return or raise
        `VenueUnknown`. The caller starts it again. `Quote.at`/`mono` are receipt times.
        """
