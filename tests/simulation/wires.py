"""The unreliable network between the production venue room and the exchange core: only the HTTP/WebSocket client is replaced.

`PaperVenue` is `BinanceVenue` with a wire whose client is `PaperClient`: outcome table, look-ups and their paging, silence,
clock, translation, user stream and generations are the production code.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import aiohttp
import attrs

from realtrading.domain.values import Quote
from realtrading.errors import VenueUnknown
from realtrading.venue.answers import Answer, Failure, from_body
from realtrading.venue.binance_venue import BinanceVenue
from realtrading.venue.client import RECV_WINDOW_MS, REQUEST_TIMEOUT_S
from realtrading.venue.fields import to_ms
from realtrading.venue.flows import Flows
from realtrading.venue.held import Held
from realtrading.venue.lookups import Lookups
from realtrading.venue.urls import VenueUrls
from realtrading.venue.wire import Wire

from .exchanges import AHEAD_MS, Exchanges

ENGINE_TIMEOUT_S = 10.0
HANDSHAKE_S = 0.02
URLS = VenueUrls(rest="http://127.0.0.1:1", ws_api="ws://127.0.0.1:1", stream="ws://127.0.0.1:1")

Sink = Callable[[object], None]


class PaperWsApi:
    """One subscription: events travel in order, unless the nemesis holds, doubles, loses or swaps them."""

    def __init__(self, net: Exchanges) -> None:
        self.net = net
        self.ended: str | None = None
        self.subscribed = False
        self._sink: Sink = lambda event: None
        self._on_end: Callable[[str], None] = lambda detail: None
        self._free_at = 0.0
        self.on_the_way: dict[int, Mapping[str, Any]] = {}
        self._count = 0

    def open_for(self, on_event: Sink, on_end: Callable[[str], None]) -> None:
        """As the production class."""
        self._on_end = on_end

    async def connect(self) -> None:
        """The handshake."""
        await self.net.loop.passing(HANDSHAKE_S)
        if self.net.nemesis.refuses_connections():
            raise ConnectionRefusedError("simulated")

    def attach(self, subscription_id: int, sink: Sink) -> None:
        """From now on events go to `sink`."""
        self._sink = sink

    def carry(self, event: Mapping[str, Any]) -> None:
        """One event sets out."""
        delays, in_turn, told = self.net.nemesis.event_delays(event)
        for delay in delays:
            at = max(self._free_at, self.net.loop.time() + delay) if in_turn else self.net.loop.time() + delay
            if in_turn:
                self._free_at = at
            self._count += 1
            self.on_the_way[self._count] = told
            self.net.loop.call_at(at, self._arrive, self._count)

    def _arrive(self, number: int) -> None:
        event = self.on_the_way.pop(number, None)
        if event is not None and self.ended is None:
            self._sink(event)

    def tell_end(self, event: Mapping[str, Any]) -> None:
        """The exchange's last words on this connection; then it cuts."""
        self._sink(event)
        self.net.loop.call_later(5.0, self.end, "cut after it was announced")

    def end(self, detail: str) -> None:
        """The connection is over: what was on its way is lost, and the owner hears of it once."""
        if self.ended is not None:
            return
        self.ended = detail
        self.drop()
        self._on_end(detail)

    def drop(self) -> None:
        """Lose what is on its way."""
        self.on_the_way.clear()
        if self in self.net.streams:
            self.net.streams.remove(self)

    async def close(self) -> None:
        """As the production class."""
        self.end("closed by us")


class Silence:
    """Until when one wire was told to send nothing."""

    def __init__(self) -> None:
        self.until_s = self.skew_s = 0.0

    def begin(self, net: Exchanges, seconds: float) -> None:
        """The answer is in."""
        self.until_s, self.skew_s = net.loop.time() + seconds, net.nemesis.world.skew_s


class PaperClient:
    """One client of one generation: each request meets its fate on the way there and back."""

    def __init__(self, net: Exchanges, stamp: Callable[[], datetime], silence: Silence) -> None:
        self.net = net
        self._stamp = stamp
        self.silence = silence
        self.ws_api = PaperWsApi(net)

    async def call(self, method: str, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
        """Send one request once. Raises what the transport would raise."""
        net, kind = self.net, f"{method} {path}"
        stamped_ms = to_ms(self._stamp()) if signed else None
        given = {name: str(value) for name, value in params.items()}
        net.on_request(kind, self.silence)
        fate = net.nemesis.fate(kind)
        if kind == "post order":
            net.on_place(given, self._stamp())
        if fate.never_leaves:
            await net.loop.passing(fate.there_s)
            raise aiohttp.ConnectionTimeoutError("simulated: never reached")
        if kind == "post order":
            net.pending[given["newClientOrderId"]] = given
        answered: asyncio.Future[tuple[int, Any]] = net.loop.create_future()
        if fate.lost_there:
            if kind == "post order":
                net.loop.call_later(4.5, net.pending.pop, given["newClientOrderId"], None)
        else:
            net.loop.call_later(fate.there_s, self._arrive, (method, path, given, stamped_ms), fate, answered)
        if fate.reset_s is not None:
            net.loop.call_later(fate.reset_s, _fail, answered)
        status, body = await asyncio.wait_for(answered, REQUEST_TIMEOUT_S)
        if status in (429, 418):
            self.silence.begin(net, body["retry"])
            return from_body(status, {"Retry-After": str(body.pop("retry"))}, json.dumps(body).encode())
        if isinstance(body, bytes):
            return from_body(status, {"Content-Type": "text/html"}, body)
        return from_body(status, {}, json.dumps(body).encode())

    def _arrive(self, request: tuple[str, str, Mapping[str, str], int | None], fate: Any, answered: Any) -> None:
        method, path, given, stamped_ms = request
        if fate.refused is not None:
            self.net.pending.pop(given.get("newClientOrderId", ""), None)
            self._back(fate.refused, fate, answered)
        elif fate.inside_s and not self.net.nemesis.ban_left_s() and self._in_window(stamped_ms):
            # let in, then it waits for the matching engine, which asks no more how old it is
            self.net.loop.call_later(fate.inside_s, self._execute, method, path, given, fate, answered)
            if fate.inside_s > ENGINE_TIMEOUT_S - 0.5:
                body = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
                self.net.loop.call_later(ENGINE_TIMEOUT_S, self._back, (503, body), fate, answered)
        else:
            answer = self.net.serve(method, path, given, stamped_ms)
            self.net.pending.pop(given.get("newClientOrderId", ""), None)
            self._back(fate.answer or answer, fate, answered)

    def _in_window(self, stamped_ms: int | None) -> bool:
        return stamped_ms is None or -AHEAD_MS < self.net.loop.true_ms() - stamped_ms <= RECV_WINDOW_MS

    def _execute(self, method: str, path: str, given: Mapping[str, str], fate: Any, answered: Any) -> None:
        answer = self.net.serve(method, path, given, None)
        self.net.pending.pop(given.get("newClientOrderId", ""), None)
        self._back(fate.answer or answer, fate, answered)

    def _back(self, answer: tuple[int, Any], fate: Any, answered: Any) -> None:
        if not fate.lost_back:
            self.net.loop.call_later(fate.back_s, _settle, answered, answer)

    async def _ws_api_request(self, name: str, signed: bool, params: Mapping[str, Any]) -> Answer:
        """Subscribe, or ask whether it still is: all that goes over this connection."""
        net, stamped_ms = self.net, to_ms(self._stamp())
        await net.loop.passing(HANDSHAKE_S)
        if name == "session.subscriptions":
            return Answer(status=200, payload=[{"subscriptionId": 0}] if self.ws_api.subscribed else [])
        if net.nemesis.refuses_connections() or self.ws_api.ended is not None:
            return Answer(status=0, failure=Failure.LOST, message="simulated")
        if net.nemesis.ban_left_s():
            return Answer(status=429, code=-1003, retry_after_s=net.nemesis.ban_left_s())
        age_ms = net.loop.true_ms() - stamped_ms
        if not -AHEAD_MS < age_ms <= RECV_WINDOW_MS:
            return Answer(status=400, code=-1021, message="Timestamp for this request is outside of the recvWindow.")
        self.ws_api.subscribed = True
        net.streams.append(self.ws_api)
        await net.loop.passing(HANDSHAKE_S)
        return Answer(status=200, payload={"subscriptionId": 0})

    async def close_connection(self) -> None:
        """As the production class."""
        await self.ws_api.close()


def _fail(answered: "asyncio.Future[Any]") -> None:
    if not answered.done():
        answered.set_exception(ConnectionResetError("simulated"))


def _settle(answered: "asyncio.Future[Any]", answer: tuple[int, Any]) -> None:
    if not answered.done():
        answered.set_result(answer)


class PaperWire(Wire):
    """The production wire with a paper client."""

    net: Exchanges
    silence: Silence

    def _present(self) -> Held:
        if self._held is None:
            client: Any = PaperClient(self.net, self.clock.now, self.silence)
            self._held = Held(client)
            self._spawn(self._life(self._held))
        return self._held


class PaperVenue(BinanceVenue):
    """The production venue over the paper wire; quotes come straight from the exchange's book ticker."""

    def __init__(self, net: Exchanges, *, utc: Callable[[], datetime], mono: Callable[[], float]) -> None:
        urls = attrs.evolve(URLS, has_wallet=net.has_wallet)
        super().__init__(urls, "key", "secret", utc=utc, mono=mono, on_request=lambda seen: None)
        self._net = net
        self._wire = PaperWire(
            urls, "key", "secret", gauges=self.gauges, utc=utc, mono=mono, on_request=lambda seen: None
        )
        self._wire.net, self._wire.silence = net, Silence()
        self._lookups = Lookups(self._wire.get_in_turn)
        self._fates = Lookups(self._wire.get)
        self._flows = Flows(self._wire.get_in_turn, has_wallet=urls.has_wallet)

    async def watch_quotes(self, symbols: Sequence[str], on_quote: Callable[[Quote], None]) -> None:
        """Best prices until the nemesis cuts them."""
        net, place = self._net, object()
        await net.loop.passing(HANDSHAKE_S)
        if net.nemesis.refuses_connections():
            raise VenueUnknown("No market stream: simulated.")
        ended: asyncio.Future[None] = net.loop.create_future()

        def hear(symbol: str, bid: Decimal, ask: Decimal) -> None:
            if symbol in symbols and bid and ask:
                net.loop.call_later(HANDSHAKE_S, tell, symbol, bid, ask)

        def tell(symbol: str, bid: Decimal, ask: Decimal) -> None:
            if not ended.done():
                on_quote(Quote(symbol=symbol, bid=bid, ask=ask, last=bid, at=self._utc(), mono=self._mono()))

        net.watchers[place] = hear
        net.nemesis.quote_streams[place] = ended
        try:
            for symbol in symbols:
                touch = net.exchange.ticker_book(symbol)
                hear(symbol, Decimal(touch["bidPrice"]), Decimal(touch["askPrice"]))
            await ended
        finally:
            net.watchers.pop(place, None)
            net.nemesis.quote_streams.pop(place, None)
