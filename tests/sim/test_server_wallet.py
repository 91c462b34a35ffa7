"""The wallet's histories under /sapi: what moved without an order is told there, in Binance's shapes, within its windows."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sim.dealing import KEY, SECRET, Answered, Dealer, dealing, sign

DAY = 86_400_000


def run(test: Any, **settings: Any) -> None:
    """Run one async test body on a fresh exchange."""

    async def body() -> None:
        funds = {"USDT": Decimal(10000), "BTC": Decimal(1)}
        async with dealing(symbols=("BTCUSDT",), balances=funds, **settings) as dealer:
            await test(dealer)

    asyncio.run(body())


async def ask(dealer: Dealer, path: str, **params: Any) -> Answered:
    """A signed GET below /sapi/v1."""
    text = urlencode({"timestamp": dealer.now_ms(), **params})
    return await dealer.ask("GET", f"/sapi/v1{path}?{text}&signature={sign(SECRET, text)}", headers={"X-MBX-APIKEY": KEY})


def test_what_moves_without_an_order_is_in_its_history_and_in_the_truth() -> None:
    """A deposit, a withdrawal with its fee, two transfers, dust and a conversion: each in its own history, the sum exact."""

    async def body(dealer: Dealer) -> None:
        async with dealer.ws() as ws:
            await ws.subscribe()
            await dealer.sim("POST", "/deposit", asset="USDT", amount="12.5")
            assert (await ws.event("balanceUpdate"))["d"] == "12.50000000"
            await dealer.sim("POST", "/withdraw", asset="USDT", amount="9", fee="1")
            assert (await ws.event("balanceUpdate"))["d"] == "-10.00000000"
            await dealer.sim("POST", "/transfer", asset="BTC", amount="0.5", type="MAIN_FUNDING")
            await dealer.sim("POST", "/transfer", asset="BTC", amount="0.1", type="FUNDING_MAIN")
            assert (await ws.event("balanceUpdate"))["d"] == "-0.50000000"
            assert (await ws.event("balanceUpdate"))["d"] == "0.10000000"
            await dealer.sim("POST", "/dust", asset="BTC", amount="0.00001", gained="0.002", fee="0.00004")
            await dealer.sim("POST", "/convert", fromAsset="USDT", fromAmount="20", toAsset="BNB", toAmount="0.05")
            told = [await ws.event("outboundAccountPosition") for _ in range(3)]  # the last transfer's is the first
            assert [{each["a"] for each in event["B"]} for event in told[1:]] == [{"BTC", "BNB"}, {"USDT", "BNB"}]
        (deposit,) = (await ask(dealer, "/capital/deposit/hisrec")).json
        assert (deposit["coin"], deposit["amount"], deposit["status"], deposit["walletType"]) == ("USDT", "12.50000000", 1, 0)
        (withdrawal,) = (await ask(dealer, "/capital/withdraw/history")).json
        assert (withdrawal["amount"], withdrawal["transactionFee"], withdrawal["status"]) == ("9.00000000", "1.00000000", 6)
        assert time.strptime(withdrawal["applyTime"], "%Y-%m-%d %H:%M:%S")
        out = (await ask(dealer, "/asset/transfer", type="MAIN_FUNDING")).json
        assert (out["total"], out["rows"][0]["amount"], out["rows"][0]["status"]) == (1, "0.50000000", "CONFIRMED")
        assert (await ask(dealer, "/asset/transfer", type="MAIN_MARGIN")).json == {"total": 0}
        dust = (await ask(dealer, "/asset/dribblet")).json["userAssetDribblets"]
        assert dust[0]["userAssetDribbletDetails"][0]["fromAsset"] == "BTC"
        now_ms = dealer.now_ms()
        flow = (await ask(dealer, "/convert/tradeFlow", startTime=now_ms - DAY, endTime=now_ms)).json
        assert [(each["fromAsset"], each["toAmount"], each["orderStatus"]) for each in flow["list"]] == [
            ("USDT", "0.05000000", "SUCCESS")
        ]
        assert flow["moreData"] is False
        (held,) = (await dealer.sim("GET", "/ledger"))["totals"].values()
        assert held == {"USDT": "9982.5", "BTC": "0.59999", "BNB": "0.052"}

    run(body)


def test_windows_pages_and_what_is_refused() -> None:
    """90, 180 and 30 days at most; pages by offset and by number; a limit that cuts says moreData."""

    async def body(dealer: Dealer) -> None:
        now_ms = dealer.now_ms()
        for amount in ("1", "2", "3"):
            await dealer.sim("POST", "/deposit", asset="USDT", amount=amount)
            await dealer.sim("POST", "/transfer", asset="USDT", amount=amount, type="MARGIN_MAIN")
            await dealer.sim("POST", "/convert", fromAsset="USDT", fromAmount=amount, toAsset="BNB", toAmount="0.01")
        paged = [(await ask(dealer, "/capital/deposit/hisrec", limit=2, offset=at)).json for at in (0, 2)]
        assert [[row["amount"] for row in rows] for rows in paged] == [["3.00000000", "2.00000000"], ["1.00000000"]]
        second = (await ask(dealer, "/asset/transfer", type="MARGIN_MAIN", size=2, current=2)).json
        assert (second["total"], [row["amount"] for row in second["rows"]]) == (3, ["1.00000000"])
        cut = (await ask(dealer, "/convert/tradeFlow", startTime=now_ms - DAY, endTime=now_ms + DAY, limit=2)).json
        assert (len(cut["list"]), cut["moreData"]) == (2, True)
        early = {"startTime": now_ms - 2 * DAY, "endTime": now_ms - DAY}
        assert (await ask(dealer, "/capital/deposit/hisrec", **early)).json == []
        for path, days, more in (
            ("/capital/deposit/hisrec", 91, {}), ("/capital/withdraw/history", 91, {}), ("/convert/tradeFlow", 31, {}),
            ("/asset/transfer", 181, {"type": "MAIN_MARGIN"}),
        ):  # fmt: skip
            refused = await ask(dealer, path, startTime=now_ms - days * DAY, endTime=now_ms, **more)
            assert refused.refusal == (400, -1128), path
        assert (await ask(dealer, "/asset/transfer")).refusal == (400, -1102)
        assert (await ask(dealer, "/asset/transfer", type="UMFUTURE_MARGIN")).refusal == (400, -1130)
        assert (await ask(dealer, "/convert/tradeFlow")).refusal == (400, -1102)
        for path, given in (
            ("transfer", {"asset": "USDT", "amount": "1", "type": "MARGIN_UMFUTURE"}),
            ("dust", {"asset": "BNB", "amount": "1", "gained": "1"}),
            ("convert", {"fromAsset": "BTC", "fromAmount": "1", "toAsset": "BTC", "toAmount": "1"}),
            ("withdraw", {"asset": "USDT", "amount": "99999999"}),
        ):
            answer = await dealer.ask("POST", f"/sim/{path}", data=json.dumps(given).encode())
            assert answer.status == 400, path

    run(body)


def test_the_histories_have_weights_of_their_own() -> None:
    """Ten looks at the withdrawals are a minute's worth; the eleventh is 429, and trading's weight is untouched."""

    async def body(dealer: Dealer) -> None:
        answers = [await ask(dealer, "/capital/withdraw/history") for _ in range(11)]
        assert [each.status for each in answers] == [200] * 10 + [429]
        assert answers[9].headers["X-SAPI-USED-UID-WEIGHT-1M"] == "180000"
        assert "X-MBX-USED-WEIGHT-1M" not in answers[9].headers
        assert int(answers[10].headers["Retry-After"]) >= 1
        weights = [each["weight"] for each in (await dealer.sim("GET", "/requests"))["requests"]]
        assert weights == [18_000] * 10 + [0]
        assert (await dealer.get("/ping")).headers["X-MBX-USED-WEIGHT-1M"] == "1"

    run(body)


def test_without_sapi_there_is_nothing() -> None:
    """As on the testnet: 404 and a page, for every one of them."""

    async def body(dealer: Dealer) -> None:
        for path in ("/capital/deposit/hisrec", "/capital/withdraw/history", "/asset/transfer", "/asset/dribblet"):
            answer = await ask(dealer, path)
            assert (answer.status, answer.text[:6]) == (404, "<html>"), path

    run(body, sapi=False)


def test_the_key_s_rights_are_told_and_hold() -> None:
    """apiRestrictions says what the owner set by hand; a key without the right to trade reads, and is refused orders."""

    async def body(dealer: Dealer) -> None:
        told = (await ask(dealer, "/account/apiRestrictions")).json
        assert (told["ipRestrict"], told["enableWithdrawals"], told["enableSpotAndMarginTrading"]) == (True, False, True)
        assert isinstance(told["createTime"], int)
        await dealer.sim("POST", "/key", enableWithdrawals=True, enableSpotAndMarginTrading=False)
        assert (await ask(dealer, "/account/apiRestrictions")).json["enableWithdrawals"] is True
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
        refused = await dealer.signed("POST", "/order", **order)
        assert refused.refusal == (401, -2015)
        assert (await dealer.signed("GET", "/account")).status == 200
        wrong = await dealer.ask("POST", "/sim/key", data=json.dumps({"enableMagic": True}).encode())
        assert (wrong.status, wrong.json) == (400, {"error": "unknown right 'enableMagic'"})

    run(body)
