"""A program, not a test: python-binance, with nothing but its URLs changed, does all a client does on a simulator.

`python foreign_trader.py READY_LINE` trades with Client, then with AsyncClient, and prints `traded`. It is a process of
its own because python-binance leaves event loops open.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from binance import AsyncClient, BinanceSocketManager, Client
from binance.exceptions import BinanceAPIException

DEADLINE_S = 10
SYMBOL = "BTCUSDT"


def sync_client(ready: dict[str, Any]) -> Any:
    """python-binance's Client with its URL changed."""
    class LocalClient(Client):
        API_URL = ready["rest_url"]

    return LocalClient(ready["key"], ready["secret"])


def refused(code: int, call: Callable[..., Any], **params: Any) -> None:
    """The call is refused with this code."""
    try:
        answered: Any = call(**params)
    except BinanceAPIException as refusal:
        answered = refusal.code
    assert answered == code, answered


def balances(client: Any) -> dict[str, tuple[Decimal, Decimal]]:
    """Free and locked of each asset."""
    rows = client.get_account()["balances"]
    return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}


def read_markets(client: Any) -> Decimal:
    """All public reads; returns the best bid."""
    info = client.get_exchange_info()
    assert [each["symbol"] for each in info["symbols"]] == [SYMBOL, "ETHUSDT"]
    assert client.get_symbol_info(SYMBOL)["quoteAsset"] == "USDT"
    assert abs(client.get_server_time()["serverTime"]) > 0
    quote = client.get_orderbook_ticker(symbol=SYMBOL)
    book = client.get_order_book(symbol=SYMBOL, limit=5)
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
    assert Decimal(client.get_symbol_ticker(symbol=SYMBOL)["price"]) > 0
    assert client.get_ticker(symbol=SYMBOL)["symbol"] == SYMBOL
    assert len(client.get_klines(symbol=SYMBOL, interval="1m", limit=2)[-1]) == 12
    assert client.get_recent_trades(symbol=SYMBOL, limit=5) is not None
    assert Decimal(client.get_avg_price(symbol=SYMBOL)["price"]) > 0
    return Decimal(quote["bidPrice"])


def trade(client: Any, ready: dict[str, Any]) -> None:
    """Everything a client does with its own money, and every way to be refused."""
    bid = read_markets(client)
    client.create_test_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.001")
    before = balances(client)
    bought = client.order_market_buy(symbol=SYMBOL, quantity="0.002")
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.00200000")
    fee = sum(Decimal(fill["commission"]) for fill in bought["fills"])
    after = balances(client)
    assert after["BTC"][0] - before["BTC"][0] == Decimal("0.002") - fee
    assert before["USDT"][0] - after["USDT"][0] == Decimal(bought["cummulativeQuoteQty"])
    by_quote = client.order_market_buy(symbol=SYMBOL, quoteOrderQty="100")
    assert by_quote["status"] == "FILLED"
    assert Decimal(90) < Decimal(by_quote["cummulativeQuoteQty"]) <= Decimal(100)

    price = f"{(bid * Decimal('0.9')).quantize(Decimal('0.01')):f}"
    resting = client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=price)
    assert resting["status"] == "NEW"
    assert balances(client)["USDT"][1] == Decimal(price) * Decimal("0.01")
    assert [each["orderId"] for each in client.get_open_orders(symbol=SYMBOL)] == [resting["orderId"]]
    assert client.get_order(symbol=SYMBOL, orderId=resting["orderId"])["status"] == "NEW"
    gone = client.cancel_order(symbol=SYMBOL, orderId=resting["orderId"])
    assert gone["status"] == "CANCELED"
    assert balances(client)["USDT"][1] == 0
    trades = client.get_my_trades(symbol=SYMBOL)
    assert {bought["orderId"], by_quote["orderId"]} <= {each["orderId"] for each in trades}
    assert resting["orderId"] in {each["orderId"] for each in client.get_all_orders(symbol=SYMBOL)}

    refused(-2010, client.order_market_sell, symbol=SYMBOL, quantity="50")
    refused(-2010, client.order_limit_buy, symbol=SYMBOL, quantity="10", price=price)
    refused(-1013, client.order_limit_buy, symbol=SYMBOL, quantity="0.00001", price=price)
    refused(-1121, client.order_market_buy, symbol="NOPEUSDT", quantity="1")
    refused(-2011, client.cancel_order, symbol=SYMBOL, orderId=resting["orderId"])
    refused(-2013, client.get_order, symbol=SYMBOL, orderId=10**9)
    stranger = type(client)(ready["key"], "not the secret")
    refused(-1022, stranger.get_account)
    stranger.close_connection()


def protect(client: Any) -> None:
    """Stops and order lists, placed, replaced and cancelled."""
    bid = Decimal(client.get_orderbook_ticker(symbol=SYMBOL)["bidPrice"])

    def near(factor: str) -> str:
        return f"{(bid * Decimal(factor)).quantize(Decimal('0.01')):f}"

    stop = client.create_order(
        symbol=SYMBOL, side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="0.002", stopPrice=near("0.8"),
        price=near("0.79"), newOrderRespType="RESULT",
    )  # fmt: skip
    assert (stop["status"], stop["workingTime"]) == ("NEW", -1)
    moved = client.cancel_replace_order(
        symbol=SYMBOL, side="SELL", type="STOP_LOSS", quantity="0.002", trailingDelta="500", cancelOrderId=stop["orderId"],
        cancelReplaceMode="STOP_ON_FAILURE",
    )  # fmt: skip
    assert (moved["cancelResult"], moved["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    refused(
        -2022, client.cancel_replace_order, symbol=SYMBOL, side="SELL", type="STOP_LOSS", quantity="0.002",
        trailingDelta="500", cancelOrderId=stop["orderId"], cancelReplaceMode="STOP_ON_FAILURE",
    )  # fmt: skip
    pair = client.create_oco_order(
        symbol=SYMBOL, side="SELL", quantity="0.002", aboveType="LIMIT_MAKER", abovePrice=near("1.2"),
        belowType="STOP_LOSS", belowStopPrice=near("0.8"),
    )  # fmt: skip
    assert [each["type"] for each in pair["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]
    assert balances(client)["BTC"][1] == Decimal("0.004"), "the trailing stop's, and the pair's once"
    refused(
        -2010, client.create_oco_order, symbol=SYMBOL, side="SELL", quantity="0.002", aboveType="LIMIT_MAKER",
        abovePrice=near("0.9"), belowType="STOP_LOSS", belowStopPrice=near("0.8"),
    )  # fmt: skip
    assert [each["orderListId"] for each in client.get_open_oco_orders()] == [pair["orderListId"]]
    assert client.cancel_order(symbol=SYMBOL, orderId=pair["orders"][0]["orderId"])["status"] == "CANCELED"
    assert client.get_open_oco_orders() == []
    client.cancel_order(symbol=SYMBOL, orderId=moved["newOrderResponse"]["orderId"])
    assert client.get_open_orders(symbol=SYMBOL) == []
    assert balances(client)["BTC"][1] == 0


async def trade_async(ready: dict[str, Any]) -> None:
    """AsyncClient: REST, WebSocket API orders, user stream and market streams."""
    class LocalAsyncClient(AsyncClient):
        API_URL = ready["rest_url"]
        WS_API_URL = ready["ws_api_url"]

    class LocalSocketManager(BinanceSocketManager):
        STREAM_URL = ready["stream_url"]

    client = await LocalAsyncClient.create(ready["key"], ready["secret"])
    try:
        manager = LocalSocketManager(client)
        async with manager.trade_socket(SYMBOL) as market:
            print_ = await asyncio.wait_for(market.recv(), DEADLINE_S)
            assert (print_["e"], print_["s"]) == ("trade", SYMBOL)
        async with manager.multiplex_socket([f"{SYMBOL.lower()}@bookTicker", f"{SYMBOL.lower()}@depth5@100ms"]) as both:
            seen = {(await asyncio.wait_for(both.recv(), DEADLINE_S))["stream"].partition("@")[2] for _ in range(30)}
            assert seen == {"bookTicker", "depth5@100ms"}
        async with manager.user_socket() as user:
            bid = Decimal((await client.get_orderbook_ticker(symbol=SYMBOL))["bidPrice"])
            price = f"{(bid * Decimal('0.9')).quantize(Decimal('0.01')):f}"
            placed = await client.ws_create_order(
                symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.001", price=price
            )
            assert placed["status"] == "NEW"
            assert (await next_report(user))["i"] == placed["orderId"]
            bought = await client.create_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.001")
            assert bought["status"] == "FILLED"
            report = await next_report(user)
            while report["X"] != "FILLED":
                report = await next_report(user)
            assert (report["i"], report["z"]) == (bought["orderId"], "0.00100000")
            gone = await client.ws_cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
            assert gone["status"] == "CANCELED"
            assert (await next_report(user))["x"] == "CANCELED"
            chain = await client.ws_create_otoco_order(
                symbol=SYMBOL, workingType="LIMIT", workingSide="BUY", workingPrice=price, workingQuantity="0.001",
                workingTimeInForce="GTC", pendingSide="SELL", pendingQuantity="0.001", pendingAboveType="LIMIT_MAKER",
                pendingAbovePrice=f"{Decimal(price) * 2:f}", pendingBelowType="STOP_LOSS",
                pendingBelowStopPrice=f"{(Decimal(price) / 2).quantize(Decimal('0.01')):f}",
            )  # fmt: skip
            assert [each["status"] for each in chain["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
            assert {(await next_report(user))["i"] for _ in range(3)} == {each["orderId"] for each in chain["orders"]}
            await client.ws_cancel_order(symbol=SYMBOL, orderId=chain["orders"][0]["orderId"])
            assert {(await next_report(user))["x"] for _ in range(3)} == {"CANCELED"}
    finally:
        # close_connection() would wait 10 s for its idle read loop; the end of the event loop cancels it as well
        await client.session.close()


async def next_report(user: Any) -> dict[str, Any]:
    """The user stream's next executionReport."""
    while True:
        event: dict[str, Any] = await asyncio.wait_for(user.recv(), DEADLINE_S)
        assert event["e"] != "error", event
        if event["e"] == "executionReport":
            return event


def main() -> None:
    """Trade with both clients on the exchange of the ready line."""
    ready = json.loads(sys.argv[1])
    client = sync_client(ready)
    trade(client, ready)
    protect(client)
    client.close_connection()
    asyncio.run(trade_async(ready))
    print("traded")


if __name__ == "__main__":
    main()
