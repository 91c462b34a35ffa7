"""Market streams: raw and combined, control frames, timed payloads; and the market that feeds them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from sim.dealing import DEADLINE_S, Dealer, dealing, until


def run(test: Any, **settings: Any) -> None:
    """Run one async test body on a fresh exchange."""

    async def body() -> None:
        async with dealing(**{"symbols": ("BTCUSDT", "ETHUSDT"), **settings}) as dealer:
            await test(dealer)

    asyncio.run(body())


def test_raw_and_combined() -> None:
    """A raw stream sends bare payloads, a combined one wraps them with the stream's name."""

    async def body(dealer: Dealer) -> None:
        both = "/stream?streams=btcusdt@trade/ethusdt@bookTicker"
        async with dealer.ws("/ws/btcusdt@trade") as raw, dealer.ws(both) as combined:
            await until(lambda: _connected(dealer, 2), "both connections")
            await dealer.sim("POST", "/step", trades=20)
            trade = await raw.next()
            assert (trade["e"], trade["s"]) == ("trade", "BTCUSDT")
            seen: dict[str, Any] = {}
            while len(seen) < 2:
                frame = await combined.next()
                seen[frame["stream"]] = frame["data"]
            assert seen["btcusdt@trade"]["s"] == "BTCUSDT"
            assert set(seen["ethusdt@bookTicker"]) == {"u", "s", "b", "B", "a", "A"}

    run(body)


def test_control_frames() -> None:
    """SUBSCRIBE, LIST_SUBSCRIPTIONS, UNSUBSCRIBE and the combined property answer as documented."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws("/ws") as ws:
            assert await _say(ws, "SUBSCRIBE", ["btcusdt@aggTrade", "ethusdt@trade"], 1) == {"result": None, "id": 1}
            assert (await _say(ws, "LIST_SUBSCRIPTIONS", None, 2))["result"] == ["btcusdt@aggTrade", "ethusdt@trade"]
            assert await _say(ws, "UNSUBSCRIBE", ["ethusdt@trade"], 3) == {"result": None, "id": 3}
            assert (await _say(ws, "LIST_SUBSCRIPTIONS", None, 4))["result"] == ["btcusdt@aggTrade"]
            await dealer.sim("POST", "/step", trades=3)
            assert (await ws.next())["e"] == "aggTrade"
        async with dealer.ws("/ws/btcusdt@trade") as ws:
            assert (await _say(ws, "GET_PROPERTY", ["combined"], 1))["result"] is False
            assert (await _say(ws, "SET_PROPERTY", ["combined", True], 2))["result"] is None
            await dealer.sim("POST", "/step", trades=1)
            assert (await ws.next())["stream"] == "btcusdt@trade"

    run(body)


@pytest.mark.parametrize(("frame", "code"), [
    ("no json", 3), ("[]", 2), ('{"id":1}', 2), ('{"method":"DANCE","id":1}', 2), ('{"method":"SUBSCRIBE","id":-1}', 2),
    ('{"method":"SUBSCRIBE","params":[5],"id":1}', 2), ('{"method":"SUBSCRIBE","params":"x","id":1}', 2),
    ('{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0),
    ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1),
])  # fmt: skip
def test_bad_control_frames(frame: str, code: int) -> None:
    """A control frame that cannot be used is answered with an error, and the stream goes on."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws("/ws/btcusdt@trade") as ws:
            await ws.socket.send_str(frame)
            assert (await ws.next())["error"]["code"] == code
            await dealer.sim("POST", "/step", trades=1)
            assert (await ws.next())["e"] == "trade"

    run(body)


def test_who_talks_too_fast_is_disconnected() -> None:
    """The sixth message within a second ends the connection."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws("/ws") as ws:
            for number in range(6):
                await ws.socket.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
            for number in range(5):
                assert (await ws.next())["id"] == number
            assert (await ws.socket.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.CLOSE

    run(body)


@pytest.mark.parametrize(("stream", "fields"), [
    ("btcusdt@ticker", {"e", "c", "b", "a", "n"}), ("btcusdt@miniTicker", {"e", "c", "o"}),
    ("btcusdt@kline_1m", {"e", "k"}), ("btcusdt@avgPrice", {"e", "w"}), ("btcusdt@depth@100ms", {"U", "u", "b", "a"}),
    ("btcusdt@depth10@100ms", {"lastUpdateId", "bids", "asks"}),
])  # fmt: skip
def test_timed_streams(stream: str, fields: set[str]) -> None:
    """Tickers, candles and depth speak by themselves while the market moves."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws(f"/ws/{stream}") as ws:
            assert fields <= set(await ws.next())

    run(body, speed=200.0)


def test_diff_depth_has_no_holes() -> None:
    """Consecutive depth updates join: U is the last u plus one; applied to a snapshot they give the present book."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws("/ws/btcusdt@depth@100ms") as ws:
            await until(lambda: _connected(dealer, 1), "the connection")
            snapshot = (await dealer.get("/depth", symbol="BTCUSDT", limit="5000")).json
            book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
            last = snapshot["lastUpdateId"]
            for _ in range(3):
                await dealer.sim("POST", "/step", trades=5)
                update = await ws.next()
                assert update["U"] <= last + 1 <= update["u"] + 1
                last = update["u"]
                for side, rows in (("bids", update["b"]), ("asks", update["a"])):
                    book[side] |= dict(rows)
            now = (await dealer.get("/depth", symbol="BTCUSDT", limit="5000")).json
            for side in ("bids", "asks"):
                assert {p: q for p, q in book[side].items() if q != "0.00000000"} == dict(now[side])

    run(body, symbols=("BTCUSDT",))


def test_shutdown_notice() -> None:
    """serverShutdown comes bare on raw streams and as stream !serverShutdown on combined ones."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws("/ws/btcusdt@trade") as raw, dealer.ws("/stream?streams=btcusdt@trade") as combined:
            await until(lambda: _connected(dealer, 2), "both connections")
            await dealer.sim("POST", "/shutdown_notice")
            assert (await raw.next())["e"] == "serverShutdown"
            assert (await combined.next())["stream"] == "!serverShutdown"

    run(body)


def test_tape_pace_and_end() -> None:
    """With a duration the whole tape is played in that time and then stands still; quotes stay."""

    async def body(dealer: Dealer) -> None:
        assert (await dealer.sim("GET", "/state"))["started"] is False
        await dealer.sim("POST", "/start")

        async def finished() -> bool:
            return bool((await dealer.sim("GET", "/state"))["finished"])

        await until(finished, "the end of the tape", 30)
        state = await dealer.sim("GET", "/state")
        assert state["played"] == state["tape_trades"]
        before = (await dealer.get("/ticker/bookTicker", symbol="BTCUSDT")).json
        assert float(before["bidPrice"]) > 0
        assert (await dealer.get("/ticker/bookTicker", symbol="BTCUSDT")).json == before

    run(body, symbols=("BTCUSDT",), duration=1.0, hold=True)


async def _connected(dealer: Dealer, count: int) -> bool:
    return bool((await dealer.sim("GET", "/state"))["market_connections"] == count)


async def _say(ws: Any, method: str, params: Any, number: int) -> Any:
    frame = {"method": method, "id": number} | ({} if params is None else {"params": params})
    await ws.socket.send_str(json.dumps(frame))
    return await ws.next()
