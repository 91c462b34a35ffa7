"""The REST door: Binance's endpoints, headers, refusals; signatures over what was really sent."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sim.dealing import KEY, SECRET, Dealer, dealing, sign


def run(test: Any) -> None:
    """Run one async test body on a fresh exchange."""

    async def body() -> None:
        balances = {"USDT": Decimal(10000), "BTC": Decimal(1)}
        async with dealing(symbols=("BTCUSDT", "ETHUSDT"), balances=balances) as dealer:
            await test(dealer)

    asyncio.run(body())


async def best_bid(dealer: Dealer) -> Decimal:
    """Best bid of the first symbol."""
    return Decimal((await dealer.get("/ticker/bookTicker", symbol=dealer.symbol)).json["bidPrice"])


PUBLIC = {
    "/ping": {}, "/time": {}, "/exchangeInfo": {}, "/depth": {"symbol": "BTCUSDT"}, "/trades": {"symbol": "BTCUSDT"},
    "/historicalTrades": {"symbol": "BTCUSDT"}, "/aggTrades": {"symbol": "BTCUSDT"},
    "/klines": {"symbol": "BTCUSDT", "interval": "1m"}, "/uiKlines": {"symbol": "BTCUSDT", "interval": "1s"},
    "/avgPrice": {"symbol": "BTCUSDT"}, "/ticker/price": {}, "/ticker/bookTicker": {},
    "/ticker/24hr": {"symbol": "BTCUSDT"},
}  # fmt: skip
PRIVATE = {
    "/account": {}, "/openOrders": {}, "/allOrders": {"symbol": "BTCUSDT"}, "/myTrades": {"symbol": "BTCUSDT"},
    "/account/commission": {"symbol": "BTCUSDT"}, "/rateLimit/order": {},
    "/myPreventedMatches": {"symbol": "BTCUSDT", "preventedMatchId": "1"},
}  # fmt: skip


def test_every_public_endpoint_answers() -> None:
    """All public endpoints answer 200 without a key, and say how much weight was used."""

    async def body(dealer: Dealer) -> None:
        await dealer.sim("POST", "/step", trades=5)
        used = 0
        for path, params in PUBLIC.items():
            answer = await dealer.get(path, **params)
            assert answer.status == 200, (path, answer.text)
            assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) > used, path
            used = int(answer.headers["X-MBX-USED-WEIGHT-1M"])
        assert used == 1 + 1 + 20 + 5 + 25 + 25 + 4 + 2 + 2 + 2 + 4 + 4 + 2
        assert abs((await dealer.get("/time")).json["serverTime"] - dealer.now_ms()) < 1000

    run(body)


def test_every_private_endpoint_answers() -> None:
    """All account reads answer 200 to a signed request and 401 without a key."""

    async def body(dealer: Dealer) -> None:
        for path, params in PRIVATE.items():
            assert (await dealer.signed("GET", path, **params)).status == 200, path
            assert (await dealer.signed("GET", path, key=None, **params)).refusal == (401, -2014)
            assert (await dealer.signed("GET", path, key="nobody", **params)).refusal == (401, -2015)

    run(body)


def test_exchange_info_by_symbols() -> None:
    """exchangeInfo answers for one symbol, for a JSON list (encoded or raw), and -1121 or -1100 for nonsense."""

    async def body(dealer: Dealer) -> None:
        def names(answer: Any) -> list[str]:
            return [each["symbol"] for each in answer.json["symbols"]]

        assert names(await dealer.get("/exchangeInfo")) == ["BTCUSDT", "ETHUSDT"]
        assert names(await dealer.get("/exchangeInfo", symbol="ETHUSDT")) == ["ETHUSDT"]
        assert names(await dealer.get("/exchangeInfo", symbols='["BTCUSDT","ETHUSDT"]')) == ["BTCUSDT", "ETHUSDT"]
        assert names(await dealer.ask("GET", '/api/v3/exchangeInfo?symbols=["ETHUSDT"]')) == ["ETHUSDT"]
        assert (await dealer.get("/exchangeInfo", symbol="NOPE")).refusal == (400, -1121)
        assert (await dealer.get("/exchangeInfo", symbols="[1]")).refusal == (400, -1100)
        limits = {each["rateLimitType"] for each in (await dealer.get("/exchangeInfo")).json["rateLimits"]}
        assert limits == {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}

    run(body)


def test_order_life() -> None:
    """A market buy fills, a resting limit locks its cost and is cancelled; the body may carry the parameters too."""

    async def body(dealer: Dealer) -> None:
        bid = await best_bid(dealer)
        bought = await dealer.order("BUY", "MARKET", "0.01", body=True, newClientOrderId="buy-1")
        assert bought.json["status"] == "FILLED"
        assert sum(Decimal(fill["qty"]) for fill in bought.json["fills"]) == Decimal("0.01")
        assert bought.headers["X-MBX-ORDER-COUNT-10S"] == "0", "the first taker fill gave the count back"
        price = f"{(bid * Decimal('0.9')).quantize(Decimal('0.01')):f}"
        resting = await dealer.order("BUY", "LIMIT", "0.01", price, newClientOrderId="r-1", newOrderRespType="RESULT")
        assert (resting.json["status"], "fills" in resting.json) == ("NEW", False)
        assert resting.headers["X-MBX-ORDER-COUNT-1D"] == "1"
        assert resting.headers["X-MBX-USED-WEIGHT-1M"] == bought.headers["X-MBX-USED-WEIGHT-1M"], "free"
        account = (await dealer.signed("GET", "/account")).json
        locked = {row["asset"]: Decimal(row["locked"]) for row in account["balances"]}
        assert locked["USDT"] == Decimal(price) * Decimal("0.01")
        shown = (await dealer.signed("GET", "/order", symbol=dealer.symbol, origClientOrderId="r-1")).json
        assert (shown["status"], shown["orderId"]) == ("NEW", resting.json["orderId"])
        gone = await dealer.signed("DELETE", "/order", body=True, symbol=dealer.symbol, origClientOrderId="r-1")
        assert gone.json["status"] == "CANCELED"
        assert (await dealer.signed("GET", "/openOrders", symbol=dealer.symbol)).json == []
        trades = (await dealer.signed("GET", "/myTrades", symbol=dealer.symbol)).json
        assert {trade["orderId"] for trade in trades} == {bought.json["orderId"]}

    run(body)


def test_ack_and_test_orders() -> None:
    """ACK has no status; a test order makes no order and can tell its commission."""

    async def body(dealer: Dealer) -> None:
        ack = await dealer.order("BUY", "MARKET", "0.01", newOrderRespType="ACK")
        assert set(ack.json) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
        wanted = {"symbol": dealer.symbol, "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        assert (await dealer.signed("POST", "/order/test", **wanted)).json == {}
        told = await dealer.signed("POST", "/order/test", computeCommissionRates="true", **wanted)
        assert told.json["standardCommissionForOrder"]["taker"] == "0.00100000"
        assert len((await dealer.signed("GET", "/allOrders", symbol=dealer.symbol)).json) == 1

    run(body)


@pytest.mark.parametrize(("method", "path", "params", "refusal"), [
    ("POST", "/order", {"symbol": "NOPE", "side": "BUY", "type": "MARKET", "quantity": "1"}, (400, -1121)),
    ("POST", "/order", {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "5"}, (400, -2010)),
    ("POST", "/order", {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.00001", "price": "1.00",
                        "timeInForce": "GTC"}, (400, -1013)),
    ("POST", "/order", {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}, (400, -1102)),
    ("POST", "/order", {"side": "BUY", "type": "MARKET", "quantity": "1"}, (400, -1102)),
    ("GET", "/order", {"symbol": "BTCUSDT", "origClientOrderId": "never"}, (400, -2013)),
    ("DELETE", "/order", {"symbol": "BTCUSDT", "origClientOrderId": "never"}, (400, -2011)),
    ("DELETE", "/openOrders", {}, (400, -1102)),
    ("DELETE", "/openOrders", {"symbol": "BTCUSDT"}, (400, -2011)),
    ("GET", "/account", {"timestamp": None}, (400, -1102)),
    ("GET", "/account", {"timestamp": "1500000000000"}, (400, -1021)),
    ("GET", "/account", {"timestamp": "99999999999999"}, (400, -1021)),
    ("GET", "/account", {"recvWindow": "60001"}, (400, -1131)),
    ("GET", "/account", {"secret": "wrong"}, (400, -1022)),
    ("GET", "/myTrades", {}, (400, -1102)),
])  # fmt: skip
def test_refusals(method: str, path: str, params: dict[str, Any], refusal: tuple[int, int]) -> None:
    """Each kind of bad request has Binance's status and code; a refused request costs its weight."""

    async def body(dealer: Dealer) -> None:
        answer = await dealer.signed(method, path, **params)
        assert answer.refusal == refusal, answer.text
        assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) >= 1

    run(body)


def test_signature_covers_the_raw_text() -> None:
    """Query and body are signed as sent, one after the other; the query's value wins; percent-encoding matters."""

    async def body(dealer: Dealer) -> None:
        headers = {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
        query = f"symbol=BTCUSDT&newClientOrderId=both-1&timestamp={dealer.now_ms()}"
        form = "symbol=NOPE&side=BUY&type=MARKET&quantity=0.01"
        path = f"/api/v3/order?{query}"
        right, swapped = sign(SECRET, query + form), sign(SECRET, form + query)
        mixed = await dealer.ask("POST", path, headers=headers, data=f"{form}&signature={right}".encode())
        assert mixed.json["clientOrderId"] == "both-1", mixed.text
        wrong = await dealer.ask("POST", path, headers=headers, data=f"{form}&signature={swapped}".encode())
        assert wrong.refusal == (400, -1022)
        encoded = f"symbol=%EF%BC%91&timestamp={dealer.now_ms()}"
        good = await dealer.ask("GET", f"/api/v3/myTrades?{encoded}&signature={sign(SECRET, encoded)}", headers=headers)
        assert good.refusal == (400, -1100), "signature right, symbol illegal"
        plain = encoded.replace("%EF%BC%91", "\uff11")
        bad = await dealer.ask("GET", f"/api/v3/myTrades?{encoded}&signature={sign(SECRET, plain)}", headers=headers)
        assert bad.refusal == (400, -1022)
        twice = f"symbol=BTCUSDT&symbol=ETHUSDT&timestamp={dealer.now_ms()}"
        dup = await dealer.ask("GET", f"/api/v3/myTrades?{twice}&signature={sign(SECRET, twice)}", headers=headers)
        assert dup.refusal == (400, -1101)
        empty = await dealer.ask("GET", f"/api/v3/account?timestamp={dealer.now_ms()}", headers=headers)
        assert empty.refusal == (400, -1102)

    run(body)


def test_paths_nobody_serves() -> None:
    """Listen keys are gone (410), unknown paths 404, wrong verbs 405, all with the web server's HTML page."""

    async def body(dealer: Dealer) -> None:
        for verb in ("POST", "PUT", "DELETE"):
            gone = await dealer.ask(verb, "/api/v3/userDataStream")
            assert (gone.status, "410 Gone" in gone.text) == (410, True)
        for path, status in (("/api/v3/nothing", 404), ("/api/v1/order", 404), ("/nothing", 404)):
            page = await dealer.ask("GET", path)
            assert (page.status, page.headers["Content-Type"].partition(";")[0]) == (status, "text/html")
        assert (await dealer.ask("PUT", "/api/v3/order")).status == 405

    run(body)


def test_throttling() -> None:
    """Over the weight limit the answer is 429 with Retry-After in seconds, then 418, for every path of this address."""

    async def body(dealer: Dealer) -> None:
        await dealer.sim("POST", "/limits", weight_1m=30, ban_after=1)
        statuses = [await dealer.get("/exchangeInfo") for _ in range(3)]
        assert [each.status for each in statuses] == [200, 429, 418]
        assert statuses[1].json["code"] == -1003
        assert 1 <= int(statuses[1].headers["Retry-After"]) <= 60
        assert 100 <= int(statuses[2].headers["Retry-After"]) <= 120
        assert (await dealer.get("/ping")).status == 418
        await dealer.sim("POST", "/limits", weight_1m=6000, reset=True)
        assert (await dealer.get("/ping")).status == 200

    run(body)


def test_too_many_orders() -> None:
    """At the account's order limit a new order is refused with -1015 and status 429; cancels still pass."""

    async def body(dealer: Dealer) -> None:
        await dealer.sim("POST", "/limits", orders_1d=1)
        bid = await best_bid(dealer)
        price = f"{(bid * Decimal('0.9')).quantize(Decimal('0.01')):f}"
        assert (await dealer.order("BUY", "LIMIT", "0.01", price, newClientOrderId="one")).status == 200
        assert (await dealer.order("BUY", "LIMIT", "0.01", price)).refusal == (429, -1015)
        counts = (await dealer.signed("GET", "/rateLimit/order")).json
        assert [row["count"] for row in counts if row["interval"] == "DAY"] == [1]
        assert (await dealer.signed("DELETE", "/order", symbol=dealer.symbol, origClientOrderId="one")).status == 200

    run(body)


def test_clock_skew() -> None:
    """The server's clock can be set wrong: its time moves, and honest timestamps fall out of the window."""

    async def body(dealer: Dealer) -> None:
        honest = dealer.now_ms()
        await dealer.sim("POST", "/clock", skew_ms=-30_000)
        assert (await dealer.get("/time")).json["serverTime"] < honest
        ahead = await dealer.signed("GET", "/account", timestamp=str(honest))
        assert (ahead.refusal, ahead.json["msg"]) == (
            (400, -1021), "Timestamp for this request was 1000ms ahead of the server's time.")  # fmt: skip

    run(body)
