"""Scripted faults over real sockets: what clients live through, and what the judge can see of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from sim.dealing import Answered, Dealer, Ws, dealing, until

PRICE = "30000.00"


def run(test: Any, **settings: Any) -> None:
    """Run one async test body on a fresh exchange."""

    async def body() -> None:
        balances = {"USDT": Decimal(10000), "BTC": Decimal(1)}
        async with dealing(**{"symbols": ("BTCUSDT",), "balances": balances, **settings}) as dealer:
            await test(dealer)

    asyncio.run(body())


async def rest(dealer: Dealer, client_id: str) -> Answered:
    """Place one resting order."""
    return await dealer.order("BUY", "LIMIT", "0.01", PRICE, newClientOrderId=client_id)


async def fault(dealer: Dealer, action: str, match: dict[str, Any] | None = None, **params: Any) -> None:
    """Script one fault; params are the action's."""
    await dealer.sim("POST", "/faults", name=f"the {action}", action=action, match=match or {}, params=params)


async def place_counts(dealer: Dealer, client_id: str) -> dict[str, int]:
    """Place requests seen and orders created of one client id, as the judge sees them."""
    counts: dict[str, int] = (await dealer.sim("GET", "/requests"))["by_client_id"].get(client_id, {})
    return counts


@pytest.mark.parametrize(("action", "created"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped_place(action: str, created: int) -> None:
    """The connection ends without an answer; the judge sees one request, and an order only if it was dropped after."""

    async def body(dealer: Dealer) -> None:
        await fault(dealer, action, {"kind": "place", "client_order_id": "lost-"})
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await rest(dealer, "lost-1")
        assert await place_counts(dealer, "lost-1") == {"place_requests": 1, "orders_created": created}
        entry = (await dealer.sim("GET", "/requests"))["requests"][-1]
        assert (entry["answered"], entry["executed"], entry["faults"]) == (False, created == 1, [f"the {action}"])
        fired = (await dealer.sim("GET", "/faults"))["faults"][0]
        assert (fired["fired"], fired["firings"][0]["seq"]) == (1, entry["seq"])
        assert len((await dealer.signed("GET", "/openOrders", symbol="BTCUSDT")).json) == created
        assert (await rest(dealer, "lost-2")).status == 200, "the fault is spent"

    run(body)


@pytest.mark.parametrize(("params", "status", "begins"), [
    ({"status": 503}, 503, '{"code":-1008'), ({"status": 504}, 504, '{"code":-1007'),
    ({"status": 502, "body": "html"}, 502, "<html>"), ({"status": 500, "body": "empty"}, 500, ""),
    ({"status": 403}, 403, "<html>"), ({"status": 400, "code": -1001, "msg": "no"}, 400, '{"code":-1001,"msg":"no"}'),
    ({"status": 429, "retry_after": 7}, 429, '{"code":-1003'),
])  # fmt: skip
@pytest.mark.parametrize("when", ["before", "after"])
def test_bad_statuses(when: str, params: dict[str, Any], status: int, begins: str) -> None:
    """Any 4xx or 5xx with a JSON, HTML or empty body, before accepting (no order) or after (an order)."""

    async def body(dealer: Dealer) -> None:
        await fault(dealer, f"status_{when}", {"kind": "place"}, **params)
        answer = await rest(dealer, "odd-1")
        assert answer.status == status
        assert answer.text.startswith(begins)
        assert (answer.text == "") == (begins == "")
        assert answer.headers.get("Retry-After") == ("7" if "retry_after" in params else None)
        created = 1 if when == "after" else 0
        assert await place_counts(dealer, "odd-1") == {"place_requests": 1, "orders_created": created}

    run(body)


@pytest.mark.parametrize(("params", "kind"), [
    ({}, "application/json"), ({"body": "html"}, "text/html"), ({"body": "empty"}, "text/plain"),
])  # fmt: skip
def test_answer_garbage(params: dict[str, str], kind: str) -> None:
    """The order is accepted, but the answer is 200 with a body that is no JSON: torn, a page, or nothing."""

    async def body(dealer: Dealer) -> None:
        await fault(dealer, "answer_garbage", {"kind": "place"}, **params)
        answer = await rest(dealer, "g-1")
        with pytest.raises(ValueError):
            _ = answer.json
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind)
        assert await place_counts(dealer, "g-1") == {"place_requests": 1, "orders_created": 1}

    run(body)


def test_delays() -> None:
    """delay_before: nothing happens meanwhile; delay_after: the order is there before its answer."""

    async def body(dealer: Dealer) -> None:
        await fault(dealer, "delay_after", {"client_order_id": "slow"}, ms=300)
        asked = asyncio.create_task(rest(dealer, "slow"))

        async def accepted() -> bool:
            return (await place_counts(dealer, "slow")).get("orders_created") == 1

        await until(accepted, "the order")
        assert not asked.done()
        assert (await asked).status == 200
        await fault(dealer, "delay_before", {"client_order_id": "late"}, ms=1500)
        late = await dealer.order("BUY", "LIMIT", "0.01", PRICE, newClientOrderId="late", recvWindow="1000")
        assert late.refusal == (400, -1021), "the window is judged when the order reaches the engine"

    run(body)


def test_query_lag() -> None:
    """For a while queries do not know an accepted order; a cancel does."""

    async def body(dealer: Dealer) -> None:
        await fault(dealer, "query_lag", {"client_order_id": "fresh"}, ms=400)
        order_id = str((await rest(dealer, "fresh")).json["orderId"])
        by_id = {"symbol": "BTCUSDT", "orderId": order_id}
        assert (await dealer.signed("GET", "/order", **by_id)).refusal == (400, -2013)
        by_client = await dealer.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="fresh")
        assert by_client.refusal == (400, -2013)
        assert (await dealer.signed("GET", "/openOrders", symbol="BTCUSDT")).json == []

        async def known() -> bool:
            return (await dealer.signed("GET", "/order", **by_id)).status == 200

        await until(known, "the replica")
        await fault(dealer, "query_lag", {"client_order_id": "next"}, ms=60_000)
        order_id = str((await rest(dealer, "next")).json["orderId"])
        assert (await dealer.signed("DELETE", "/order", symbol="BTCUSDT", orderId=order_id)).status == 200

    run(body)


async def reports(ws: Ws, count: int) -> list[str]:
    """Client ids of the next execution reports."""
    return [(await ws.event("executionReport"))["c"] for _ in range(count)]


def test_event_faults() -> None:
    """Events of the user stream are dropped, doubled, delayed and reordered as scripted, by client id."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await ws.subscribe()
            event = {"event": "executionReport"}
            await fault(dealer, "drop_event", {**event, "client_order_id": "a"})
            await fault(dealer, "duplicate_event", {**event, "client_order_id": "b"})
            await fault(dealer, "reorder_events", {**event, "client_order_id": "c"}, ms=60_000)
            for client_id in ("a", "b", "c", "d"):
                assert (await rest(dealer, client_id)).status == 200
            assert await reports(ws, 2) == ["b", "b"]
            first = await ws.next()
            assert first["event"]["e"] == "outboundAccountPosition", "b's balances"
            second = await ws.next()
            assert second["event"]["e"] == "outboundAccountPosition", "c's balances come before c's report"
            assert await reports(ws, 2) == ["c", "d"]
            await fault(dealer, "delay_event", {**event, "client_order_id": "e"}, ms=300)
            await rest(dealer, "e")
            await rest(dealer, "f")
            assert await reports(ws, 2) == ["f", "e"]

    run(body)


def test_stream_faults() -> None:
    """cut_stream ends the stream instead of telling of the order; silent_stream keeps it open but mute."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await ws.subscribe()
            await fault(dealer, "silent_stream", {"client_order_id": "mute"}, ms=300)
            await rest(dealer, "mute")
            assert (await ws.call("ping"))["status"] == 200
            assert ws.events == []

            async def speaks() -> bool:
                await dealer.sim("POST", "/deposit", asset="USDT", amount="1")
                await ws.call("ping")
                return bool(ws.events)

            await until(speaks, "the end of the silence")
            await fault(dealer, "cut_stream", {"client_order_id": "cut"})
            assert (await rest(dealer, "cut")).status == 200
            end = ws.socket
            while (message := await end.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
                assert '"c":"cut"' not in message.data
            assert end.close_code == 1006

    run(body)


def test_faults_over_websocket() -> None:
    """The same faults work for orders of the WebSocket API: dropped connection, error frame, garbage."""

    async def body(dealer: Dealer) -> None:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        order["price"] = PRICE
        async with dealer.ws() as ws:
            await fault(dealer, "status_after", {"transport": "ws", "method": "order.place"}, status=504)
            frame = await ws.signed("order.place", **order, newClientOrderId="w-1")
            assert (frame["status"], frame["error"]["code"]) == (504, -1007)
            assert (await ws.signed("order.status", symbol="BTCUSDT", origClientOrderId="w-1"))["status"] == 200
            await fault(dealer, "drop_after", {"kind": "place", "transport": "ws"})
            with pytest.raises(TypeError):
                await ws.signed("order.place", **order, newClientOrderId="w-2")
        assert await place_counts(dealer, "w-2") == {"place_requests": 1, "orders_created": 1}

    run(body)


def test_burst_and_stray_frames() -> None:
    """A subscribe reply and the events after it can arrive in one piece; any frame can be sent to all connections."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await fault(dealer, "burst", {"method": "userDataStream.subscribe.signature"}, ms=300)
            asked = asyncio.create_task(ws.subscribe())

            async def subscribed() -> bool:
                return bool((await dealer.sim("GET", "/state"))["user_subscriptions"])

            await until(subscribed, "the subscription")
            await dealer.sim("POST", "/deposit", asset="USDT", amount="3")
            assert await asked == 0
            assert (await ws.event("balanceUpdate"))["d"] == "3.00000000"
            stray = {"id": None, "status": 401, "error": {"code": -2015, "msg": "revoked"}}
            assert (await dealer.sim("POST", "/frame", frame=stray)) == {"sent": 1}
            while (frame := await ws.next()) != stray:
                assert frame["event"]["e"] == "outboundAccountPosition"

    run(body)


def test_a_corrupted_event_is_the_event_but_for_what_was_done_to_it() -> None:
    """Fields set, left out, or written as text that is no JSON; the order itself is what it was."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await ws.subscribe()
            await fault(dealer, "corrupt_event", {"event": "executionReport"}, set={"z": "9"}, drop=["l"], raw={"L": "NaN"})
            await rest(dealer, "t-1")
            told = (await ws.next())["event"]
            assert (told["e"], told["c"], told["z"], str(told["L"])) == ("executionReport", "t-1", "9", "nan")
            assert "l" not in told
        order = await dealer.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="t-1")
        assert Decimal(order.json["executedQty"]) == 0

    run(body)


def test_a_storm_a_long_frame_and_a_connection_that_hangs() -> None:
    """A frame so many times and so long; after a freeze nothing is said and nothing answered, and nothing closed."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await ws.subscribe()
            assert await dealer.sim("POST", "/frame", frame={"id": 1}, times=300) == {"sent": 1}
            assert [await ws.next() for _ in range(300)] == [{"id": 1}] * 300
            await dealer.sim("POST", "/frame", frame="7", length=20)
            assert await ws.next() == int("7" * 20)
            assert await dealer.sim("POST", "/freeze", streams="user") == {"frozen": 1}
            await dealer.sim("POST", "/deposit", asset="USDT", amount="3")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.next(), 0.2)
            assert (await dealer.sim("GET", "/state"))["user_subscriptions"] == 1

    run(body)
