"""A small Binance client of the tests' own, and a simulated exchange that lives as long as a `with` block."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yarl

from realtrading.sim.server import SimServer
from realtrading.sim.settings import SimSettings

KEY, SECRET = "test-key", "test-secret"
DEADLINE_S = 10
PAUSE_S = 0.01


class Answered:
    """One HTTP answer."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def refusal(self) -> tuple[int, int]:
        """Status and Binance's code."""
        return self.status, self.json["code"]


class Dealer:
    """Speaks to one simulated exchange, by hand: nothing is retried, nothing is hidden."""

    def __init__(self, http: aiohttp.ClientSession, server: SimServer) -> None:
        self.http = http
        self.server = server
        self.ready = server.ready()

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, data: Any = None) -> Answered:
        url = self.ready["rest_url"].removesuffix("/api") + path
        async with self.http.request(method, _exact(url), headers=headers, data=data) as response:
            return Answered(response.status, response.headers, await response.text())

    async def get(self, path: str, **params: str) -> Answered:
        """An unsigned GET below /api/v3."""
        return await self.ask("GET", f"/api/v3{path}" + (f"?{urlencode(params)}" if params else ""))

    async def signed(self, method: str, path: str, *, key: str | None = KEY, secret: str = SECRET, body: bool = False,
                     **params: Any) -> Answered:  # fmt: skip
        """A signed call below /api/v3, in the query or (POST, DELETE) in the body."""
        params = {"timestamp": str(self.now_ms()), **params}
        text = urlencode({name: value for name, value in params.items() if value is not None})
        text += "&signature=" + sign(secret, text)
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        if not body:
            return await self.ask(method, f"/api/v3{path}?{text}", headers=headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await self.ask(method, f"/api/v3{path}", headers=headers, data=text.encode())

    async def order(self, side: str, kind: str, quantity: str, price: str | None = None, **more: Any) -> Answered:
        """POST /order on the first symbol."""
        limit = {"price": price, "timeInForce": "GTC"} if price else {}
        wanted = {"symbol": self.symbol, "side": side, "type": kind, "quantity": quantity, **limit, **more}
        return await self.signed("POST", "/order", **wanted)

    async def sim(self, method: str, path: str, **given: Any) -> Any:
        """A /sim call; returns its JSON."""
        answer = await self.ask(method, f"/sim{path}", data=json.dumps(given).encode() if given else None)
        assert answer.status == 200, answer.text
        return answer.json

    @property
    def symbol(self) -> str:
        return self.ready["symbols"][0]

    def now_ms(self) -> int:
        return self.server.floor.clock.now_ms()

    @asynccontextmanager
    async def ws(self, path: str = "/ws-api/v3") -> AsyncIterator[Ws]:
        """A WebSocket connection."""
        async with self.http.ws_connect(self.ready["stream_url"].rstrip("/") + path, autoping=False) as socket:
            yield Ws(socket, self)


class Ws:
    """One WebSocket connection; frames that were not asked for are kept in `events`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, dealer: Dealer) -> None:
        self.socket = socket
        self.dealer = dealer
        self.events: list[Any] = []
        self._id = 0

    async def call(self, method: str, **params: Any) -> Any:
        """One request; returns its reply frame."""
        self._id += 1
        await self.socket.send_str(json.dumps({"id": self._id, "method": method, "params": params}))
        return await self.reply(self._id)

    async def signed(self, method: str, *, secret: str = SECRET, **params: Any) -> Any:
        """One signed request; returns its reply frame."""
        params = {"apiKey": KEY, "timestamp": self.dealer.now_ms(), **params}
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return await self.call(method, **params, signature=sign(secret, text))

    async def reply(self, frame_id: Any) -> Any:
        while True:
            frame = await self.next()
            if isinstance(frame, dict) and "id" in frame and frame["id"] == frame_id:
                return frame
            self.events.append(frame)

    async def next(self) -> Any:
        """The next JSON frame."""
        return json.loads(await self.socket.receive_str(timeout=DEADLINE_S))

    async def event(self, kind: str) -> Any:
        """The next user event of a kind; others before it are dropped."""
        while True:
            frame = self.events.pop(0) if self.events else await self.next()
            if frame.get("event", {}).get("e") == kind:
                return frame["event"]

    async def subscribe(self) -> int:
        """Subscribe to the account's events."""
        frame = await self.signed("userDataStream.subscribe.signature")
        assert frame["status"] == 200, frame
        return frame["result"]["subscriptionId"]


def sign(secret: str, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _exact(url: str) -> Any:
    return yarl.URL(url, encoded=True)


@asynccontextmanager
async def dealing(**settings: Any) -> AsyncIterator[Dealer]:
    """A simulated exchange in step mode on a free port, and a client of it; no bug inside may stay unseen."""
    pace = {} if {"speed", "duration"} & settings.keys() else {"step": True}
    server = SimServer.build(SimSettings(**{"key": KEY, "secret": SECRET, "port": 0, **pace, **settings}))
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Dealer(http, server)
        assert server.floor.internal_errors == []
    finally:
        await server.stop()


async def until(condition: Any, what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until an async condition holds."""
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, f"still waiting for {what}"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), PAUSE_S)
