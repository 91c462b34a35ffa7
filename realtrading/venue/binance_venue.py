"""Binance spot as the house's venue: one account, one generation of connections at a time, every outcome a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from realtrading.domain.commands import ListOpenOrders, PlaceCancel, QueryMovements, QueryOrder, TakeSnapshot
from realtrading.domain.orders import RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    CancelAnswered,
    ClockMeasured,
    ExecutionReport,
    LookupFailed,
    MovementsFound,
    OpenOrdersListed,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    RulesReported,
    SnapshotTaken,
    TradeReport,
)
from realtrading.domain.values import Quote
from realtrading.errors import HouseError, VenueRefused, VenueUnknown

from .answers import Answer
from .fields import Unreadable, record
from .flows import Flows
from .lookups import BAD_SYMBOL, Lookups, ReadFailed
from .outcomes import Outcome, judge
from .placing import cancelled, client_id, placement, refused
from .port import RequestSeen, StreamReport, VenueGauges
from .snapshots import take
from .streams import MarketSockets, QuoteStream
from .translate import execution_from_order
from .urls import VenueUrls
from .wire import CLOCK_CODE, Wire

_ILLEGAL_CHARACTERS = -1100
QUESTION_S = 2.5
"""A question about one order that is not answered by then is put anew: its connection may have died with the venue."""


class BinanceVenue:
    """One account at Binance. Make and use it inside one running asyncio loop; `port.Venue` says what each method
    promises.

    A generation that ended refuses placements until the next `connect` has succeeded, but those that may go `unheard`;
    these, cancels and reads go on over REST until the venue is closed. During a silence the venue asked for (429, 418)
    nothing is sent at all, cancels included. `connect` that raises began no generation, so no `StreamLost` follows.
    `on_request` hears of every request; it must not raise.
    """

    def __init__(
        self,
        urls: VenueUrls,
        key: str,
        secret: str,
        *,
        utc: Callable[[], datetime],
        mono: Callable[[], float],
        on_request: Callable[[RequestSeen], None],
    ) -> None:
        self.gauges = VenueGauges()
        self._urls = urls
        self._utc = utc
        self._mono = mono
        self._wire = Wire(urls, key, secret, gauges=self.gauges, utc=utc, mono=mono, on_request=on_request)
        self._lookups = Lookups(self._wire.get_in_turn)
        self._fates = Lookups(self._wire.get)
        self._flows = Flows(self._wire.get_in_turn, has_wallet=urls.has_wallet)
        self._quotes: dict[QuoteStream, asyncio.AbstractEventLoop] = {}

    # -- connection -----------------------------------------------------------------

    async def connect(self, generation: int, deliver: Callable[[StreamReport], None], *, beside: bool = False) -> None:
        """See `port.Venue.connect`. Raises `VenueRefused`, `VenueThrottled`, `VenueUnknown`."""
        await self._wire.connect(generation, deliver, beside=beside)

    async def check_stream(self) -> None:
        """See `port.Venue.check_stream`."""
        await self._wire.check_stream()

    async def close(self) -> None:
        """End everything; requests still on their way end as unknown. Idempotent."""
        for stream, loop in list(self._quotes.items()):
            if loop is asyncio.get_running_loop():  # another's was replaced, and closes what it had
                await stream.close()
        await self._wire.close()

    async def measure_clock(self) -> ClockMeasured | LookupFailed:
        """Ask the server's time a few times, keep the sharpest, sign by it from now on."""
        try:
            return await self._wire.measure()
        except Exception as error:
            return self._failed("clock", error)

    def server_time(self, utc: datetime) -> datetime:
        """Our reading `utc` corrected by the measured offset."""
        return self._wire.clock.server_time(utc)

    # -- the first questions ------------------------------------------------------------

    async def account_uid(self) -> int:
        """The account's uid. Raises `VenueRefused`, `VenueThrottled`, `VenueUnknown`."""
        try:
            return (await self._lookups.account()).uid
        except ReadFailed as error:
            self._wire.refuse("tell the account", error)

    async def client_ids(self, symbols: Sequence[str]) -> frozenset[str]:
        """See `port.Venue.client_ids`. Raises `VenueRefused`, `VenueThrottled`, `VenueUnknown`."""
        try:
            asked = (self._lookups.open_orders, self._lookups.newest_orders)
            lists = [await read(symbol) for symbol in symbols for read in asked]
        except ReadFailed as error:
            self._wire.refuse("tell the newest orders", error)
        return frozenset(order.client_id for orders in lists for order in orders)

    async def rules(self, symbols: Sequence[str]) -> RulesReported:
        """Symbol rules, in the order asked.

        Raises `VenueRefused` naming an unknown symbol, `VenueThrottled`, `VenueUnknown`.
        """
        try:
            rules, limits = await self._lookups.exchange_info(list(symbols))
        except ReadFailed as error:
            if error.answer.code not in (BAD_SYMBOL, _ILLEGAL_CHARACTERS):
                self._wire.refuse("tell the symbols' rules", error)
            if len(symbols) == 1:
                raise VenueRefused(self._wire.redact(f"Binance does not know the symbol {symbols[0]!r}.")) from None
            # one answer for all does not say which: ask again one by one
            return RulesReported(rules=tuple([rule for each in symbols for rule in (await self.rules([each])).rules]))
        self._wire.limits.note_maximum(limits)
        return RulesReported(rules=rules)

    # -- orders -----------------------------------------------------------------------

    async def place(
        self, order: RealOrder, *, unheard: bool = False
    ) -> PlacementAcknowledged | PlacementRefused | PlacementUnknown:
        """Sign and send the order exactly once; whatever happens is one of the three. See `port.Venue.place`."""
        try:
            params = placement(order)
        except HouseError as error:
            return refused(order, Reason.HOUSE_FAULT, str(error))
        if not (self._wire.alive or unheard):
            return refused(order, Reason.BREAKER_STREAM_LOST, "between two connections")
        limits = self._wire.limits
        if not unheard and limits.orders_are_over():
            return refused(order, Reason.VENUE_THROTTLED, "too many orders in ten seconds: the rest is kept for exits")
        limits.note_order_sent()
        began = self._mono()
        try:
            answer = await self._wire.send("post", "order", params)
            return self._placed(order, answer, self._mono() - began)
        except Exception as error:  # it may be out already
            return PlacementUnknown(id=order.id, detail=self._wire.redact(f"{type(error).__name__}: {error}"))

    def _placed(
        self, order: RealOrder, answer: Answer, latency_s: float
    ) -> PlacementAcknowledged | PlacementRefused | PlacementUnknown:
        verdict = judge(answer)
        if verdict.outcome is Outcome.DONE:
            try:
                report = execution_from_order(record(answer.payload))
            except Unreadable as error:
                return PlacementUnknown(id=order.id, detail=f"HTTP {answer.status}, but {error}")
            if (report.client_id, report.symbol, report.side) != (order.id, order.symbol, order.side):
                return PlacementUnknown(id=order.id, detail=f"HTTP {answer.status}, but the answer is about another order")
            return PlacementAcknowledged(id=order.id, report=report, latency_s=latency_s)
        if verdict.reason is None:
            return PlacementUnknown(id=order.id, detail=self._wire.redact(str(answer)))
        if answer.code == CLOCK_CODE:
            self._wire.measure_soon()
        return PlacementRefused(
            id=order.id,
            reason=verdict.reason,
            code=answer.code,
            message=self._wire.redact(str(answer) if answer.failure else answer.message),
            sent=answer.failure is None,
        )

    async def cancel(self, command: PlaceCancel) -> CancelAnswered:
        """Cancel by exchange id with our own cancel id. Anything but a readable yes means: ask about the order."""
        try:
            params: dict[str, str | int] = {
                "symbol": command.symbol,
                "orderId": command.exchange_order_id,
                "newClientOrderId": client_id(command.cancel_id),
            }
            answer = await self._wire.send_again_on_time("delete", "order", params)
            report = cancelled(command, answer)
            return CancelAnswered(
                id=command.id,
                certain=report is not None,
                report=report,
                code=answer.code,
                message=self._wire.redact(str(answer) if answer.failure else answer.message),
            )
        except Exception as error:
            message = self._wire.redact(f"{type(error).__name__}: {error}")
            return CancelAnswered(id=command.id, certain=False, report=None, code=0, message=message)

    # -- reads ------------------------------------------------------------------------

    async def query(self, command: QueryOrder) -> OrderLookedUp | LookupFailed:
        """One order with its trades, and with `prove` whether open orders or history show it.

        All of it or `LookupFailed`.
        """
        try:
            async with asyncio.timeout(QUESTION_S):
                return await self._look_up(command)
        except Exception as error:
            return self._failed(command.id, error)

    async def _look_up(self, command: QueryOrder) -> OrderLookedUp:
        asked_at = self._wire.clock.now()
        # whose order made a trade is the very question then: the answer's own client id is wanted, not what we call it
        named = None if command.id.startswith("#") else command.id
        report = await self._fates.order(command.symbol, command.exchange_order_id, named)
        in_history = None
        if command.prove:
            listed = await self._listed(command, report)
            in_history, report = listed is not None, report or listed
        trades: tuple[TradeReport, ...] = ()
        if report is not None and report.executed_quantity:
            trades = await self._fates.trades_of(command.symbol, report.exchange_order_id)
        return OrderLookedUp(
            id=command.id,
            report=report,
            trades=trades,
            in_history=in_history,
            asked_at=asked_at,
            answered_at=self._wire.clock.now(),
        )

    async def _listed(self, command: QueryOrder, report: ExecutionReport | None) -> ExecutionReport | None:
        created_at = self.server_time(command.created_at)
        found = await self._fates.open_orders(command.symbol)
        found += await self._fates.orders_since(command.symbol, created_at, self._wire.clock.now())
        known = report.exchange_order_id if report is not None else command.exchange_order_id
        for each in found:
            if each.client_id == command.id or each.exchange_order_id == known:
                return attrs.evolve(each, client_id=command.id)
        return None

    async def list_open(self, command: ListOpenOrders) -> OpenOrdersListed | LookupFailed:
        """The open orders of one symbol, all of them or `LookupFailed`."""
        asked_at = self._wire.clock.now()
        try:
            found = await self._lookups.open_orders(command.symbol)
        except Exception as error:
            return self._failed(f"open orders of {command.symbol}", error)
        return OpenOrdersListed(symbol=command.symbol, orders=tuple(found), asked_at=asked_at)

    async def snapshot(self, command: TakeSnapshot) -> SnapshotTaken | LookupFailed:
        """A whole reconciliation round of one generation.

        Any part missing, or another generation meanwhile: `LookupFailed`.
        """
        try:
            return await take(self._lookups, command, self._mono, lambda: self._same_generation(command))
        except Exception as error:
            return self._failed(command.token, error)

    async def movements(self, command: QueryMovements) -> MovementsFound:
        """See `port.Venue.movements`."""
        found, unanswered = await self._flows.since(command, self._wire.clock.now())
        told = tuple(map(self._wire.redact, unanswered))
        return MovementsFound(token=command.token, movements=found, unanswered=told)

    def _same_generation(self, command: TakeSnapshot) -> None:
        if self._wire.generation != command.generation:
            raise VenueUnknown(f"generation {command.generation} is over")

    def _failed(self, subject: str, error: Exception) -> LookupFailed:
        detail = str(error) if isinstance(error, (ReadFailed, VenueUnknown)) else f"{type(error).__name__}: {error}"
        return LookupFailed(subject=subject, detail=self._wire.redact(detail))

    # -- quotes -----------------------------------------------------------------------

    async def watch_quotes(self, symbols: Sequence[str], on_quote: Callable[[Quote], None]) -> None:
        """See `port.Venue.watch_quotes`. Several watches may run at once, each on its own connection."""
        if self._wire.closed:
            raise VenueUnknown("This venue is closed.")
        stream = QuoteStream(symbols, on_quote, self._wire.odd, self._utc, self._mono)
        self._quotes[stream] = asyncio.get_running_loop()
        try:
            try:
                await stream.open(MarketSockets(self._wire.client(), self._urls.stream))
            except Exception as error:
                raise VenueUnknown(self._wire.redact(f"No market stream: {type(error).__name__}: {error}.")) from None
            await self._seed(stream, symbols)
            await stream.run()
        finally:
            self._quotes.pop(stream, None)
            await stream.close()

    async def _seed(self, stream: QuoteStream, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            try:
                stream.seed(symbol, await self._lookups.ticker(symbol))
            except ReadFailed:
                # the stream will tell, only later
                self._wire.odd("missing_ticker")
