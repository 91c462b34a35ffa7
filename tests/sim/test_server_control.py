"""The judge's door, /sim/…: hand-made orders, lies, the request log, and requests that make no sense."""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from realtrading.sim.operations import OPERATIONS
from sim.dealing import Dealer, dealing
from sim.garbage import odd_params

PRICE = "30000.00"
SIGNED = ("timestamp", "recvWindow", "signature")


def run(test: Any) -> None:
    """Run one async test body on a fresh exchange."""

    async def body() -> None:
        async with dealing(symbols=("BTCUSDT",), balances={"USDT": Decimal(10000), "BTC": Decimal(1)}) as dealer:
            await test(dealer)

    asyncio.run(body())


def test_hand_made_orders_and_flows() -> None:
    """The judge can trade on the user's account; events tell of it, the place counters do not."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await ws.subscribe()
            made = await dealer.sim("POST", "/orders", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
                                    quantity="0.01", price=PRICE, newClientOrderId="by-hand")  # fmt: skip
            assert made["status"] == "NEW"
            assert (await ws.event("executionReport"))["c"] == "by-hand"
            assert (await dealer.sim("GET", "/requests"))["by_client_id"] == {}
            await dealer.sim("POST", "/cancel", symbol="BTCUSDT", origClientOrderId="by-hand")
            assert (await ws.event("executionReport"))["x"] == "CANCELED"
            await dealer.sim("POST", "/withdraw", asset="USDT", amount="1000")
            assert (await ws.event("balanceUpdate"))["d"] == "-1000.00000000"
            ledger = await dealer.sim("GET", "/ledger")
            assert ledger["totals"]["1001"]["USDT"] == "9000"
            assert [order["clientOrderId"] for order in ledger["orders"]] == ["by-hand"]

    run(body)


def test_an_account_is_reset() -> None:
    """Open orders, trades and balances are gone and replaced, the stream is cut without a word, and trading goes on."""

    async def body(dealer: Dealer) -> None:
        await dealer.order("BUY", "MARKET", "0.01")
        await dealer.order("BUY", "LIMIT", "0.01", timeInForce="GTC", price="1000.00", newClientOrderId="rests")
        told = await dealer.sim("POST", "/reset", USDT="500", ETH="2")
        assert told["uid"] == 1001
        rows = (await dealer.signed("GET", "/account")).json["balances"]
        assert {row["asset"]: (row["free"], row["locked"]) for row in rows if row["free"] != "0.00000000"} == {
            "USDT": ("500.00000000", "0.00000000"), "ETH": ("2.00000000", "0.00000000"),
        }  # fmt: skip
        for path in ("/openOrders", "/allOrders", "/myTrades"):
            assert (await dealer.signed("GET", path, symbol="BTCUSDT")).json == []
        gone = await dealer.signed("GET", "/order", symbol="BTCUSDT", origClientOrderId="rests")
        assert gone.json["code"] == -2013
        assert (await dealer.order("BUY", "MARKET", "0.001")).json["status"] == "FILLED"
        assert len((await dealer.sim("GET", "/ledger"))["trades"]) >= 1

    run(body)


def test_lies() -> None:
    """The account answer can be wrong by a hair, one fill can be hidden; the ledger of truth stays true."""

    async def body(dealer: Dealer) -> None:
        await dealer.sim("POST", "/lies", account_offset={"USDT": "0.00000001"}, hide_fill={"symbol": "BTCUSDT"})
        rows = (await dealer.signed("GET", "/account")).json["balances"]
        assert {row["asset"]: row["free"] for row in rows}["USDT"] == "10000.00000001"
        hidden = (await dealer.order("BUY", "MARKET", "0.001", newClientOrderId="h-1")).json
        assert Decimal(hidden["executedQty"]) < Decimal("0.001")
        assert sum(Decimal(each["qty"]) for each in hidden["fills"]) == Decimal(hidden["executedQty"])
        shown = (await dealer.signed("GET", "/myTrades", symbol="BTCUSDT")).json
        truth = (await dealer.sim("GET", "/ledger"))["trades"]
        assert len(shown) == len(truth) - 1
        assert sum(Decimal(each["qty"]) for each in truth) == Decimal("0.001")

    run(body)


@pytest.mark.parametrize(("path", "given", "named"), [
    ("/faults", {"action": "explode"}, "explode"), ("/cut", {"streams": "rivers"}, "streams"),
    ("/clock", {}, "skew_ms"), ("/frame", {"frame": 1}, "frame"),
    ("/step", {"trades": -1}, "trades"), ("/lies", {"white": True}, "white"), ("/limits", {"speed": 1}, "speed"),
    ("/lies", {"account_offset": {"USDT": "1e-8"}}, "USDT"), ("/deposit", {"asset": "USDT", "amount": "-1"}, "amount"),
    ("/silence", {}, "ms"), ("/orders", {"uid": "x"}, "uid"), ("/lies", {"hide_fill": 3}, "hide_fill"),
    ("/withdraw", {"asset": "USDT", "amount": "10000000"}, "USDT"),
    ("/deposit", {"uid": 7, "asset": "USDT", "amount": "1"}, "7"),
])  # fmt: skip
def test_bad_control_requests(path: str, given: dict[str, Any], named: str) -> None:
    """A control request that cannot be used is refused with 400 and a sentence that names what is wrong."""

    async def body(dealer: Dealer) -> None:
        answer = await dealer.ask("POST", f"/sim{path}", data=json.dumps(given).encode())
        assert answer.status == 400, answer.text
        assert named in answer.text
        broken = await dealer.ask("POST", f"/sim{path}", data=b"{broken")
        assert broken.status == 400

    run(body)


def test_request_log() -> None:
    """The log counts from one, tells kinds and outcomes, and can be read from a number on."""

    async def body(dealer: Dealer) -> None:
        await dealer.get("/ping")
        first = (await dealer.sim("GET", "/requests"))["seq"]
        await dealer.order("BUY", "LIMIT", "0.01", PRICE, newClientOrderId="log-1")
        await dealer.signed("DELETE", "/order", symbol="BTCUSDT", origClientOrderId="nobody")
        log = (await dealer.ask("GET", f"/sim/requests?since={first}")).json
        assert [(each["kind"], each["status"], each["code"]) for each in log["requests"]] == [
            ("place", 200, 0), ("cancel", 400, -2011)]  # fmt: skip
        assert [each["seq"] for each in log["requests"]] == [first + 1, first + 2]
        assert log["requests"][0]["client_order_id"] == "log-1"

    run(body)


def test_clear_faults() -> None:
    """Faults can be cleared by name or all at once."""

    async def body(dealer: Dealer) -> None:
        for action in ("drop_before", "answer_garbage"):
            await dealer.sim("POST", "/faults", name=f"the {action}", action=action)
        assert (await dealer.ask("DELETE", "/sim/faults?name=the%20drop_before")).json == {"removed": 1}
        assert (await dealer.ask("DELETE", "/sim/faults")).json == {"removed": 1}
        assert (await dealer.get("/ping")).status == 200

    run(body)


def test_signed_nonsense_breaks_nothing() -> None:
    """Every operation, by REST and WebSocket, with odd parameters rightly signed: refused or answered, never a bug."""

    async def body(dealer: Dealer) -> None:
        await dealer.sim("POST", "/limits", weight_1m=10_000_000, orders_10s=10_000, orders_1d=10_000)
        rng = random.Random(20261122)
        statuses = set()
        async with dealer.ws() as ws:
            for each in OPERATIONS * 6:
                assert each.rest is not None
                params = {name: value for name, value in odd_params(rng).items() if name not in SIGNED}
                answer = await dealer.signed(each.rest[0], each.rest[1].removeprefix("/api/v3"), **params)
                frame = await ws.signed(each.name, **params)
                assert answer.status in (200, 400), answer.text
                statuses |= {answer.status, frame["status"]}
        assert statuses == {200, 400}

    run(body)
