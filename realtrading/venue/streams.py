"""The streams of one generation.

The account's own events, and quotes. Each ends once, for whatever reason, and says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
from binance.ws.streams import BinanceSocketManager

from realtrading.domain.reports import EventUnreadable, StreamLost
from realtrading.domain.values import Quote
from realtrading.errors import VenueUnknown

from .answers import Answer, Failure
from .client import RECV_WINDOW_MS, GatewayClient
from .fields import Unreadable, positive, read_event, record, text, whole
from .market_data import touch
from .port import StreamEnding, StreamReport
from .salvage import orders_named, sample, text_of
from .sockets import OneConnection
from .translate import EndOfStream, Malformed, user_event

LIFETIME_S = 23 * 3600.0
"""The venue cuts every connection at 24 h; ours are given up an hour before."""

LOGGED_FIRST, LOGGED_THEN = 20, 1000
"""Of what cannot be used the first pieces of a connection are logged, then one of so many; all are counted."""

_log = logging.getLogger("realtrading.venue")


class UserStream:
    """The account's event stream of one generation.

    After `open` every report goes to `deliver`, last of all one `StreamLost`.
    """

    def __init__(
        self,
        client: GatewayClient,
        generation: int,
        deliver: Callable[[StreamReport], None],
        on_oddity: Callable[[str], None],
    ) -> None:
        self._client = client
        self._generation = generation
        self._deliver = deliver
        self._on_oddity = on_oddity
        self._age: asyncio.TimerHandle | None = None
        self._begun = False
        self._subscription_id = -1
        self._unusable = 0
        client.ws_api.open_for(self._hear, self._ended)
        client.ws_api.on_unreadable = self._unreadable

    @property
    def alive(self) -> bool:
        """True while events can come."""
        return self._begun and self._client.ws_api.ended is None

    async def open(self) -> Answer:
        """Connect and subscribe.

        Raises what the handshake raises; an answer that is not `ok` means there is no stream.
        """
        await self._client.ws_api.connect()
        answer: Answer = await self._client._ws_api_request(
            "userDataStream.subscribe.signature", True, {"recvWindow": RECV_WINDOW_MS}
        )
        if not answer.ok:
            return answer
        try:
            subscription_id = whole(record(answer.payload), "subscriptionId")
        except Unreadable as error:
            return Answer(status=answer.status, message=str(error))
        self._subscription_id = subscription_id
        self._client.ws_api.attach(subscription_id, self._hear)
        if self._client.ws_api.ended is not None:
            return Answer(status=0, failure=Failure.LOST, message=self._client.ws_api.ended)
        # only from here on is there a generation whose end must be told
        self._begun = True
        self._age = asyncio.get_running_loop().call_later(LIFETIME_S, self._wane, "connection is older than 23 h")
        return answer

    def end(self, detail: str) -> None:
        """Give the generation up."""
        self._client.ws_api.end(detail)

    async def check(self) -> Answer | None:
        """Ask whether the venue still lists this subscription; end the generation when it answers without it."""
        if not self.alive:
            return None
        answer: Answer = await self._client._ws_api_request("session.subscriptions", False, {})
        if answer.ok and self._subscription_id not in _listed(answer.payload):
            self.end("the venue lists this subscription no longer")
        return answer

    def hand_over(self) -> None:
        """End without a word about it: another generation is subscribed beside this one, so nothing is missed."""
        self._begun = False
        self.end("another generation took its place")

    def _wane(self, detail: str) -> None:
        if self._begun and self._client.ws_api.ended is None:
            self._deliver(StreamEnding(generation=self._generation, detail=detail))

    def _hear(self, event: object) -> None:
        if self._client.ws_api.ended is not None:
            return
        heard = user_event(event, self._generation)
        if isinstance(heard, EndOfStream) and heard.soon and self._begun:
            self._wane(f"the venue said {heard.detail}")
        elif isinstance(heard, EndOfStream):
            self.end(f"the venue said {heard.detail}")
        elif isinstance(heard, Malformed):
            self._on_oddity("malformed_event")
            self._quarantine(heard.what, heard.detail, json.dumps(event))
        elif heard is not None:
            self._deliver(heard)

    def _unreadable(self, detail: str, frame: bytes) -> None:
        if self._client.ws_api.ended is None:
            self._quarantine("frame", detail, text_of(frame))

    def _quarantine(self, what: str, detail: str, told: str) -> None:
        """Log a sample of what cannot be used, and have the orders that it may have been about looked at."""
        self._unusable += 1
        if self._unusable <= LOGGED_FIRST or not self._unusable % LOGGED_THEN:
            _log.warning("user stream: %s cannot be used: %s (%d so far): %s", what, detail, self._unusable, sample(told))
        if self._begun:
            clients, numbers = orders_named(told)
            self._deliver(
                EventUnreadable(
                    what=what,
                    detail=detail,
                    client_ids=clients,
                    exchange_order_ids=numbers,
                    generation=self._generation,
                )
            )

    def _ended(self, detail: str) -> None:
        if self._age is not None:
            self._age.cancel()
        if self._begun:
            self._deliver(StreamLost(generation=self._generation, detail=detail))


def _listed(payload: object) -> list[int]:
    """The ids in an answer to session.subscriptions."""
    rows = payload if isinstance(payload, list) else []
    return [row["subscriptionId"] for row in rows if isinstance(row, dict) and "subscriptionId" in row]


class _MarketSocket(OneConnection):
    """A combined market stream: every frame goes to `on_frame`."""

    on_frame: Callable[[bytes], None]

    def _take(self, frame: bytes) -> None:
        self.on_frame(frame)


class MarketSockets(BinanceSocketManager):  # type: ignore[misc]  # the library is untyped
    """python-binance's socket manager with a literal address and sockets that are used once."""

    def __init__(self, client: GatewayClient, stream_url: str) -> None:
        super().__init__(client)
        self._address = f"{stream_url}/"

    def _get_socket(self, path: str, stream_url: str | None = None, prefix: str = "ws/", **_unused: Any) -> _MarketSocket:
        return _MarketSocket(url=stream_url or self._address, path=path, prefix=prefix)


@attrs.define
class _Ticker:
    """What is known of one symbol."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None


class QuoteStream:
    """Best prices and last trades of some symbols, folded into quotes, until the connection ends."""

    def __init__(
        self,
        symbols: Sequence[str],
        on_quote: Callable[[Quote], None],
        on_oddity: Callable[[str], None],
        utc: Callable[[], datetime],
        mono: Callable[[], float],
    ) -> None:
        self._tickers = {symbol: _Ticker() for symbol in symbols}
        self._on_quote = on_quote
        self._on_oddity = on_oddity
        self._utc = utc
        self._mono = mono
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._socket: _MarketSocket | None = None

    def seed(self, symbol: str, ticker: object) -> None:
        """Begin with REST's 24 h ticker, so that a quiet symbol has a last price.

        The stream's own words come before it.
        """
        known = self._tickers[symbol]
        try:
            payload = record(ticker)
            bid, ask = touch(payload, "bidPrice", "askPrice")
            last = positive(payload, "lastPrice")
        except Unreadable:
            self._on_oddity("malformed_ticker")
            return
        if known.bid is None:
            known.bid, known.ask = bid, ask
        known.last = known.last or last
        self._tell(symbol, known)

    async def open(self, sockets: MarketSockets) -> None:
        """Connect. Raises what the handshake raises."""
        names = [f"{symbol.lower()}@{kind}" for symbol in self._tickers for kind in ("bookTicker", "trade")]
        self._socket = sockets.multiplex_socket(names)
        assert self._socket is not None
        self._socket.on_frame = self._hear
        self._socket.watch(self._ended)
        await self._socket.connect()

    async def run(self) -> None:
        """Return when the venue announced its shutdown or the connection grew old.

        `VenueUnknown` when it was lost.
        """
        try:
            detail = await asyncio.wait_for(asyncio.shield(self._over), LIFETIME_S)
        except TimeoutError:
            return
        if detail != "serverShutdown":
            raise VenueUnknown(f"The market stream ended: {detail}.")

    async def close(self) -> None:
        """Leave no socket and no task. Idempotent."""
        if self._socket is not None:
            await self._socket.close()

    def _ended(self, detail: str) -> None:
        if not self._over.done():
            self._over.set_result(detail)

    def _hear(self, frame: bytes) -> None:
        try:
            message = record(read_event(frame))
            data = record(message.get("data", message), "data")
            if data.get("e") == "serverShutdown":
                self._end("serverShutdown")
                return
            symbol = text(data, "s")
            known = self._tickers.get(symbol)
            if known is None:
                raise Unreadable("a symbol nobody asked for")
            if text(data, "e", "bookTicker") == "trade":
                known.last = positive(data, "p")
            else:
                known.bid, known.ask = touch(data, "b", "a")
        except Unreadable:
            self._on_oddity("malformed_quote")
            return
        self._tell(symbol, known)

    def _end(self, detail: str) -> None:
        if self._socket is not None:
            self._socket.end(detail)

    def _tell(self, symbol: str, known: _Ticker) -> None:
        if known.bid is not None and known.ask is not None and known.last is not None:
            self._on_quote(
                Quote(symbol=symbol, bid=known.bid, ask=known.ask, last=known.last, at=self._utc(), mono=self._mono())
            )
