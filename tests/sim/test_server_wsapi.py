"""The WebSocket API door: frames, signatures, user data streams and their ends."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtrading.sim import connections
from sim.dealing import DEADLINE_S, KEY, Dealer, Ws, dealing


def run(test: Any) -> None:
    """Run one async test body with one WebSocket API connection to a fresh exchange."""

    async def body() -> None:
        balances = {"USDT": Decimal(10000), "BTC": Decimal(1)}
        async with dealing(symbols=("BTCUSDT",), balances=balances) as dealer, dealer.ws() as ws:
            await test(dealer, ws)

    asyncio.run(body())


READS = {
    "ping": {}, "time": {}, "exchangeInfo": {"symbols": ["BTCUSDT"]}, "depth": {"symbol": "BTCUSDT", "limit": 5},
    "ticker.price": {}, "ticker.book": {}, "ticker.24hr": {"symbol": "BTCUSDT"},
    "klines": {"symbol": "BTCUSDT", "interval": "1m"}, "uiKlines": {"symbol": "BTCUSDT", "interval": "1m"},
    "avgPrice": {"symbol": "BTCUSDT"}, "trades.recent": {"symbol": "BTCUSDT"},
    "trades.historical": {"symbol": "BTCUSDT"}, "trades.aggregate": {"symbol": "BTCUSDT"},
}  # fmt: skip
SIGNED = {
    "openOrders.status": {}, "allOrders": {"symbol": "BTCUSDT"}, "myTrades": {"symbol": "BTCUSDT"},
    "account.status": {}, "account.commission": {"symbol": "BTCUSDT"}, "account.rateLimits.orders": {},
}  # fmt: skip


def test_methods_answer() -> None:
    """Every method answers 200 with its result and the weight used so far."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        for method, params in READS.items():
            frame = await ws.call(method, **params)
            assert (frame["status"], "result" in frame) == (200, True), (method, frame)
            assert frame["rateLimits"][-1]["rateLimitType"] == "REQUEST_WEIGHT"
        for method, params in SIGNED.items():
            frame = await ws.signed(method, **params)
            assert frame["status"] == 200, (method, frame)

    run(body)


def test_rate_limits_can_be_left_out() -> None:
    """returnRateLimits=false silences the rate limits of one reply, or in the URL of all."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        assert "rateLimits" in await ws.call("ping")
        assert "rateLimits" not in await ws.call("time", returnRateLimits=False)
        async with dealer.ws("/ws-api/v3?returnRateLimits=false") as silent:
            assert "rateLimits" not in await silent.call("ping")

    run(body)


def test_order_life_with_events() -> None:
    """place → events → status → cancel: replies and events tell the same story, ORDERS limits only with the order."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        assert await ws.subscribe() == 0
        placed = await ws.signed("order.place", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
                                 quantity="0.01", price="30000.00", newClientOrderId="ws-1")  # fmt: skip
        assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
        assert [row["rateLimitType"] for row in placed["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
        report = await ws.event("executionReport")
        assert (report["x"], report["c"], report["i"]) == ("NEW", "ws-1", placed["result"]["orderId"])
        position = await ws.event("outboundAccountPosition")
        assert {row["a"]: row["l"] for row in position["B"]}["USDT"] == "300.00000000"
        status = await ws.signed("order.status", symbol="BTCUSDT", orderId=report["i"])
        assert status["result"]["status"] == "NEW"
        gone = await ws.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="ws-1", newClientOrderId="gone-1")
        assert (gone["result"]["origClientOrderId"], gone["result"]["clientOrderId"]) == ("ws-1", "gone-1")
        report = await ws.event("executionReport")
        assert (report["x"], report["C"], report["c"]) == ("CANCELED", "ws-1", "gone-1")
        again = await ws.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="ws-1")
        assert (again["status"], again["error"]["code"]) == (400, -2011)
        test = await ws.signed("order.test", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
        assert test["result"] == {}
        none = await ws.signed("openOrders.cancelAll", symbol="BTCUSDT")
        assert none["error"]["code"] == -2011

    run(body)


@pytest.mark.parametrize(("frame", "status", "code"), [
    ("no json", 400, -1135),
    ("[1]", 400, -1135),
    ("{}", 400, -1135),
    ('{"id":null,"method":5}', 400, -1135),
    ('{"id":null,"method":"ping","params":[]}', 400, -1135),
    ('{"id":1.5,"method":"ping"}', 400, -1100),
    ('{"id":{"a":1},"method":"ping"}', 400, -1100),
    ('{"id":NaN,"method":"ping"}', 400, -1135),
    ("[" * 5000, 400, -1135),
    ('{"id":null,"method":"nothing.there"}', 400, -1020),
    ('{"id":null,"method":"userDataStream.start"}', 410, -1020),
    ('{"id":null,"method":"userDataStream.subscribe"}', 401, -1002),
    ('{"id":null,"method":"account.status","params":{"timestamp":1}}', 401, -2014),
    ('{"id":null,"method":"account.status","params":{"apiKey":"nobody","timestamp":1}}', 401, -2015),
    ('{"id":null,"method":"account.status","params":{"apiKey":"test-key"}}', 400, -1102),
    ('{"id":null,"method":"depth","params":{"symbol":null}}', 400, -1102),
    ('{"id":null,"method":"depth","params":{"symbol":{"a":["\\ud800"]}}}', 400, -1100),
    ('{"id":null,"method":"userDataStream.unsubscribe","params":{"subscriptionId":7}}', 400, -2036),
])  # fmt: skip
def test_bad_frames(frame: str, status: int, code: int) -> None:
    """A frame that cannot be used gets an error reply, and the connection goes on working."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        await ws.socket.send_str(frame)
        reply = await ws.reply(None)
        assert (reply["status"], reply["error"]["code"]) == (status, code), reply
        assert (await ws.call("ping"))["status"] == 200

    run(body)


def test_an_error_names_its_request() -> None:
    """An error reply carries the id of the frame whenever it can be read."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        for rest in ('"method":5', '"method":"ping","params":7', '"method":"x"'):
            await ws.socket.send_str(f'{{"id":"a-1",{rest}}}')
            assert (await ws.next())["id"] == "a-1"

    run(body)


def test_published_requests_are_well_signed(shared_dir: Path) -> None:
    """At its own time the documentation's signed order is accepted as published, and refused with one digit changed."""
    request = json.loads((shared_dir / "binance/ws_api/_signing.order.place.hmac_ascii.json").read_text())
    example = json.loads((shared_dir / "binance/signing.json").read_text())

    async def body() -> None:
        key, secret = example["example_api_key"], example["example_secret_key"]
        async with dealing(key=key, secret=secret) as dealer, dealer.ws() as ws:
            dealer.server.floor.clock.wall_ms = lambda: request["params"]["timestamp"]
            reply = await ws.call("order.place", **request["params"])
            assert (reply["status"], reply["result"]["price"]) == (200, "52000.00000000"), reply
            forged = await ws.call("order.place", **(request["params"] | {"quantity": "0.02000000"}))
            assert forged["error"]["code"] == -1022

    asyncio.run(body())


def test_signature_is_checked() -> None:
    """A wrong secret is -1022; HMAC keys cannot log on; sessions tell their state."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        assert (await ws.signed("account.status", secret="wrong"))["error"]["code"] == -1022
        assert (await ws.signed("session.logon"))["error"] == {
            "code": -4056, "msg": "HMAC_SHA256 API key is not supported."}  # fmt: skip
        status = (await ws.call("session.status"))["result"]
        assert (status["apiKey"], status["userDataStream"]) == (None, False)
        await ws.subscribe()
        assert (await ws.call("session.status"))["result"]["userDataStream"] is True

    run(body)


def test_one_subscription_per_account() -> None:
    """A second subscription is -2035; ids count up; unsubscribing says eventStreamTerminated and then silence."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        assert await ws.subscribe() == 0
        second = await ws.signed("userDataStream.subscribe.signature")
        assert (second["status"], second["error"]["code"]) == (400, -2035)
        assert (await ws.call("session.subscriptions"))["result"] == [{"subscriptionId": 0}]
        ended = await ws.call("userDataStream.unsubscribe", subscriptionId=0)
        assert (ended["status"], ended["result"]) == (200, {})
        assert ws.events.pop()["event"]["e"] == "eventStreamTerminated"
        await dealer.sim("POST", "/deposit", asset="USDT", amount="5")
        assert await ws.subscribe() == 1
        assert ws.events == []
        await dealer.sim("POST", "/deposit", asset="USDT", amount="7")
        assert (await ws.event("balanceUpdate"))["d"] == "7.00000000"
        assert (await ws.call("userDataStream.unsubscribe"))["status"] == 200

    run(body)


def test_throttled_frames() -> None:
    """Over the limit the reply is 429 with the epoch millisecond at which to come back."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        await dealer.sim("POST", "/limits", weight_1m=20)
        reply = await ws.call("exchangeInfo")
        assert (reply["status"], reply["error"]["code"]) == (429, -1003)
        data = reply["error"]["data"]
        assert 0 < data["retryAfter"] - data["serverTime"] <= 60_000

    run(body)


def test_shutdown_notice_and_cuts() -> None:
    """serverShutdown has no subscription id; a cut comes with or without a close frame, as asked."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        await ws.subscribe()
        await dealer.sim("POST", "/shutdown_notice")
        notice = await ws.next()
        assert (notice["event"]["e"], "subscriptionId" in notice) == ("serverShutdown", False)
        assert (await dealer.sim("POST", "/cut", streams="user"))["cut"] == 1
        end = await ws.socket.receive(timeout=DEADLINE_S)
        assert end.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert ws.socket.close_code == 1006, "no close frame"
        async with dealer.ws() as other:
            await other.subscribe()
            await dealer.sim("POST", "/cut", streams="all", close_frame=True)
            assert (await other.socket.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.CLOSE

    run(body)


def test_client_pings_are_answered() -> None:
    """A client's ping comes back as a pong with the same payload."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        await ws.socket.ping(b"are you there")
        pong = await ws.socket.receive(timeout=DEADLINE_S)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"are you there")

    run(body)


def test_server_pings_and_drops_the_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server pings at its interval; who does not answer in time is cut."""
    monkeypatch.setattr(connections, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(connections, "PONG_WITHIN_S", 0.2)

    async def body(dealer: Dealer, ws: Ws) -> None:
        for _ in range(6):  # longer than PONG_WITHIN_S: who answers stays
            ping = await ws.socket.receive(timeout=DEADLINE_S)
            assert ping.type is aiohttp.WSMsgType.PING
            await ws.socket.pong(ping.data)
        while (message := await ws.socket.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.PING:
            assert message.data.isdigit(), "the payload is a time"
        assert ws.socket.close_code == 1006

    run(body)


def test_key_is_needed_in_params() -> None:
    """The key travels in the parameters: a header does not count."""

    async def body(dealer: Dealer, ws: Ws) -> None:
        async with dealer.http.ws_connect(dealer.ready["ws_api_url"], headers={"X-MBX-APIKEY": KEY}) as socket:
            await socket.send_str('{"id":"a","method":"account.status","params":{"timestamp":1}}')
            assert json.loads(await socket.receive_str())["error"]["code"] == -2014

    run(body)
