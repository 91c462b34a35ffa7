"""A scripted Binance on the loopback for one test: answers what it is told, remembers what it was asked."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import attrs
from aiohttp import WSMsgType, web

from realtrading.domain.commands import PlaceCancel, QueryOrder, TakeSnapshot
from realtrading.domain.orders import RealOrder
from realtrading.domain.values import OrderType, Role, Side
from realtrading.venue.binance_venue import BinanceVenue
from realtrading.venue.port import RequestSeen, StreamReport
from realtrading.venue.urls import VenueUrls

KEY = "canaryKeyCanaryKeyCanaryKey"
SECRET = "canarySecretCanarySecretCanarySecret"
SYMBOL = "BTCUSDT"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.frozen
class Asked:
    """One REST request as it came in."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]


def drop(request: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class Loopback:
    """Starts with sensible answers; tests replace them.

    `asked` are the REST requests, `said` the WebSocket frames received, `handshake` answers instead of a WebSocket.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.said: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.market: list[web.WebSocketResponse] = []
        self.streams_asked = ""
        self.clock_ahead_ms = 0
        self.before_reply: list[str] = []
        self.after_reply: list[str] = []
        self.subscribe_reply: dict[str, Any] | None = {"status": 200, "result": {"subscriptionId": 0}}
        self.handshake: Handler | None = None
        self.answers_pings = True
        self._answers: dict[tuple[str, str], Handler] = {("GET", "time"): self._time}
        self._runner: web.AppRunner | None = None
        self.port = 0

    # -- scripting ------------------------------------------------------------------

    def answer(self, method: str, path: str, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """From now on this endpoint answers so; a str body is sent as HTML."""

        async def handler(request: web.Request) -> web.StreamResponse:
            if isinstance(body, str):
                return web.Response(text=body, status=status, headers=headers, content_type="text/html")
            return web.json_response(body, status=status, headers=headers)

        self._answers[method, path] = handler

    def do(self, method: str, path: str, handler: Handler) -> None:
        """From now on this endpoint does that."""
        self._answers[method, path] = handler

    def in_turn(self, method: str, path: str, *bodies: Any) -> None:
        """Answer these bodies one after the other; a tuple is (status, body)."""
        left = list(bodies)

        async def handler(request: web.Request) -> web.StreamResponse:
            status, body = left[0] if isinstance(left[0], tuple) else (200, left[0])
            if len(left) > 1:
                left.pop(0)
            return web.json_response(body, status=status)

        self._answers[method, path] = handler

    def count(self, method: str, path: str) -> int:
        """How often this endpoint was asked."""
        return sum(1 for each in self.asked if (each.method, each.path) == (method, path))

    async def event(self, event: object) -> None:
        """Send one event on the newest connection's subscription."""
        await self.sockets[-1].send_str(json.dumps({"subscriptionId": 0, "event": event}))

    async def say(self, frame: str) -> None:
        """Send one raw frame on the newest connection."""
        await self.sockets[-1].send_str(frame)

    def cut(self) -> None:
        """End every WebSocket without a close frame."""
        for each in [*self.sockets, *self.market]:
            transport = each._req.transport if each._req is not None else None
            if transport is not None:
                transport.abort()

    # -- serving --------------------------------------------------------------------

    @property
    def urls(self) -> VenueUrls:
        """Where it is."""
        host = f"127.0.0.1:{self.port}"
        return VenueUrls(rest=f"http://{host}", ws_api=f"ws://{host}", stream=f"ws://{host}/")

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/ws-api/v3", self._ws_api)
        app.router.add_get("/stream", self._stream)
        app.router.add_route("*", "/api/v3/{path:.+}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def _time(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"serverTime": int(time.time() * 1000) + self.clock_ahead_ms})

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        pairs = parse_qsl(request.rel_url.raw_query_string) + parse_qsl(await request.text())
        assert len(dict(pairs)) == len(pairs), "a parameter was sent twice"
        self.asked.append(Asked(request.method, path, dict(pairs), dict(request.headers)))
        handler = self._answers.get((request.method, path))
        if handler is None:
            return web.json_response({"code": -1000, "msg": "unscripted"}, status=500)
        return await handler(request)

    async def _ws_api(self, request: web.Request) -> web.StreamResponse:
        if self.handshake is not None:
            return await self.handshake(request)
        socket = web.WebSocketResponse(autoping=self.answers_pings)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            self.said.append(said)
            if self.subscribe_reply is not None:
                reply = json.dumps({"id": said["id"], **self.subscribe_reply})
                for frame in [*self.before_reply, reply, *self.after_reply]:
                    await socket.send_str(frame)
        return socket

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.streams_asked = request.query["streams"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.market.append(socket)
        async for _message in socket:
            pass
        return socket


class Heard:
    """Everything a venue delivered, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.reports: list[StreamReport] = []

    def __call__(self, report: StreamReport) -> None:
        self.reports.append(report)

    def of(self, kind: type) -> list[Any]:
        """Those of one kind."""
        return [each for each in self.reports if isinstance(each, kind)]


async def until(condition: Callable[[], Any], what: str, deadline_s: float = 10.0) -> Any:
    """The first truthy result of `condition`, asked on every turn of the loop; fails after `deadline_s` seconds."""
    ends_at, never = time.monotonic() + deadline_s, asyncio.get_running_loop().create_future()
    while not (result := condition()):
        assert time.monotonic() < ends_at, f"not within {deadline_s} s: {what}"
        await asyncio.wait([never], timeout=0.001)
    return result


@attrs.frozen
class Stage:
    """A loopback exchange, a venue that uses it, what was delivered and which requests were seen."""

    exchange: Loopback
    venue: BinanceVenue
    heard: Heard
    seen: list[RequestSeen]


@contextlib.asynccontextmanager
async def stage(*, connected: bool = True) -> AsyncIterator[Stage]:
    """A venue at a loopback exchange, connected as generation 1 unless told otherwise."""
    exchange, heard, seen = Loopback(), Heard(), list[RequestSeen]()
    await exchange.start()
    venue = BinanceVenue(exchange.urls, KEY, SECRET, utc=lambda: datetime.now(UTC), mono=time.monotonic, on_request=seen.append)
    try:
        if connected:
            await venue.connect(1, heard)
        yield Stage(exchange, venue, heard, seen)
    finally:
        await venue.close()
        await exchange.stop()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run one scenario on a loop of its own."""
    asyncio.run(asyncio.wait_for(scenario, 60))


def order(number: int = 1, **changes: Any) -> RealOrder:
    """A market buy of 0.01 BTC, or what `changes` make of it."""
    now = datetime.now(UTC)
    given: dict[str, Any] = {
        "id": f"rt_1_demo_n{number}",
        "strategy": "demo",
        "role": Role.ENTRY,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "original_quantity": Decimal("0.01"),
        "quote_quantity": None,
        "price": None,
        "created_at": now,
        "updated_at": now,
    }
    return RealOrder(**(given | changes))


def full_answer(**changes: Any) -> dict[str, Any]:
    """A FULL answer to `order()`, resting, or what `changes` make of it."""
    answer = {
        "symbol": SYMBOL,
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "rt_1_demo_n1",
        "transactTime": 1507725176595,
        "price": "0.00000000",
        "origQty": "0.01000000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": "BUY",
        "workingTime": 1507725176595,
        "selfTradePreventionMode": "NONE",
        "fills": [],
    }
    return answer | changes


CANCEL = PlaceCancel(id="rt_1_demo_n1", symbol=SYMBOL, exchange_order_id=28, cancel_id="rt_1_demo_c1")
ROW = full_answer(updateTime=1507725176595, time=1507725176595, status="NEW", type="LIMIT")
ACCOUNT = {"uid": 1001, "balances": [{"asset": "BTC", "free": "1.5", "locked": "0.5"}]}


def query(*, known: int | None = None, prove: bool = False) -> QueryOrder:
    """Ask for `order()`."""
    now = datetime.now(UTC)
    return QueryOrder(id="rt_1_demo_n1", symbol=SYMBOL, exchange_order_id=known, created_at=now, prove=prove)


def snap(cursor: int = 0, generation: int = 1) -> TakeSnapshot:
    """Ask for a snapshot of the one symbol."""
    return TakeSnapshot(token="token", generation=generation, symbols=(SYMBOL,), cursors={SYMBOL: cursor})
