"""Every refusal with Binance's code and text, and that a refused order leaves nothing behind."""

from decimal import Decimal as D

import pytest

from realtrading.sim.errors import BinanceError
from realtrading.sim.rules import PercentPrice
from sim.core_kit import ANN, BOB, NOW, exchange, funds, limit, market, quote, rules

BALANCE = "Account has insufficient balance for requested action."
NUMBER = r"legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'."

PLACE = [
    (limit("BUY", "100", "1", symbol="XXXYYY"), -1121, "Invalid symbol."),
    (limit("BUY", "100", "1", symbol="btcusdt"), -1100, "Illegal characters found in parameter 'symbol'; legal"),
    (limit("HOLD", "100", "1"), -1117, "Invalid side."),
    (limit("BUY", "100", "1", type="STOP_LOSS_MARKET"), -1116, "Invalid orderType."),
    (limit("BUY", "100", "1", type="limit"), -1116, "Invalid orderType."),
    (limit("BUY", "100", "1", timeInForce="GTX"), -1115, "Invalid timeInForce."),
    ({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "100"}, -1102,
     "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
    (limit("BUY", "", "1"), -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    (market("BUY"), -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"),
    (market("BUY", "1", timeInForce="GTC"), -1106, "Parameter 'timeInForce' sent when not required."),
    (market("BUY", "1", price="100"), -1106, "Parameter 'price' sent when not required."),
    (market("BUY", "1", quoteOrderQty="100"), -1106, "Parameter 'quoteOrderQty' sent when not required."),
    (limit("BUY", "100", "1", quoteOrderQty="100"), -1106, "Parameter 'quoteOrderQty' sent when not required."),
    (limit("BUY", "100", "1", type="LIMIT_MAKER"), -1106, "Parameter 'timeInForce' sent when not required."),
    (limit("BUY", "100", "1", stopPrice="99"), -1106, "Parameter 'stopPrice' sent when not required."),
    (limit("BUY", "100", "1", icebergQty="0.1"), -2010, "Iceberg orders are not supported for this symbol."),
    (market("BUY", "1", icebergQty="0.1"), -1106, "Parameter 'icebergQty' sent when not required."),
    (limit("BUY", "100", "1", trailingDelta="50"), -1106, "Parameter 'trailingDelta' sent when not required."),
    (limit("BUY", "100", "1", pegPriceType="PRIMARY_PEG"), -2010, "Pegged orders are not supported for this symbol."),
    (limit("BUY", "100", "1", whatever="1"), -1104,
     "Not all sent parameters were read; read '6' parameter(s) but was sent '7'."),
    (limit("BUY", "100", "1", newClientOrderId=""), -1105, "Parameter 'newClientOrderId' was empty."),
    (limit("BUY", "100", "1", newClientOrderId="a b"), -1100, "Illegal characters found in parameter"),
    (limit("BUY", "100", "1", newClientOrderId="x" * 37), -1100, "Illegal characters found in parameter"),
    (limit("BUY", "100", "-1"), -1100, f"Illegal characters found in parameter 'quantity'; {NUMBER}"),
    (limit("BUY", "1e2", "1"), -1100, f"Illegal characters found in parameter 'price'; {NUMBER}"),
    (limit("BUY", "NaN", "1"), -1100, "Illegal characters found in parameter 'price'"),
    (limit("BUY", "1_000", "1"), -1100, "Illegal characters found in parameter 'price'"),
    (limit("BUY", "\uff11\uff10\uff10", "1"), -1100, "Illegal characters found in parameter 'price'"),
    (limit("BUY", "92233720368.54775808", "1"), -1108, "Parameter 'price' overflowed."),
    (limit("BUY", "100", "0"), -1013, "Invalid quantity."),
    (limit("BUY", "0", "1"), -1013, "Invalid price."),
    (market("BUY", quoteOrderQty="0"), -1013, "Invalid quote order qty."),
    (limit("BUY", "100.000000001", "1"), -1111, "Parameter 'price' has too much precision."),
    (limit("BUY", "100", "1.000000001"), -1111, "Parameter 'quantity' has too much precision."),
    (limit("BUY", "100.001", "1"), -1013, "Filter failure: PRICE_FILTER"),
    (limit("BUY", "2000000", "1"), -1013, "Filter failure: PRICE_FILTER"),
    (limit("BUY", "100", "0.0015"), -1013, "Filter failure: LOT_SIZE"),
    (limit("BUY", "100", "5000"), -1013, "Filter failure: LOT_SIZE"),
    (market("SELL", "500"), -1013, "Filter failure: MARKET_LOT_SIZE"),
    (limit("BUY", "100", "0.001"), -1013, "Filter failure: NOTIONAL"),
    (market("BUY", quoteOrderQty="4.99"), -1013, "Filter failure: NOTIONAL"),
    (market("SELL", "0.01"), -1013, "Filter failure: NOTIONAL"),
    (limit("BUY", "100", "1", selfTradePreventionMode="DECREMENT"), -1013,
     "This symbol does not allow the specified self-trade prevention mode."),
    (limit("BUY", "100", "1", selfTradePreventionMode="MAYBE"), -1130,
     "Data sent for parameter 'selfTradePreventionMode' is not valid."),
    (limit("BUY", "100", "1", newOrderRespType="LOUD"), -1130,
     "Data sent for parameter 'newOrderRespType' is not valid."),
    (limit("BUY", "100", "1", strategyType="5"), -1134, "`strategyType` was less than 1000000."),
    (limit("BUY", "100", "1", strategyId="99999999999999999999"), -1108, "Parameter 'strategyId' overflowed."),
    (limit("BUY", "100", "101"), -2010, BALANCE),
    (limit("SELL", "100", "10.001"), -2010, BALANCE),
    (market("BUY", "100"), -2010, BALANCE),
    (market("BUY", quoteOrderQty="10000.01"), -2010, BALANCE),
    (market("SELL", "10.001"), -2010, BALANCE),
]  # fmt: skip


@pytest.mark.parametrize(("params", "code", "text"), PLACE)
def test_place_refusals(params, code, text):
    """A bad place request gets Binance's code and text; no order, no event, no locked balance, also when tested."""
    made = exchange(rules(allowed_stp=("NONE", "EXPIRE_MAKER")))
    quote(made, [("99", "500")], [("101", "500")])
    made.pair("BTCUSDT").history.open_at(D(100), NOW)
    made.take_events()
    with pytest.raises(BinanceError) as refused:
        made.place(ANN, params, NOW)
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert refused.value.msg.startswith(text)
    assert made.all_orders(ANN, {"symbol": "BTCUSDT"}, NOW) == []
    assert made.take_events() == []
    assert funds(made, ANN) == {"BTC": ("10", "0"), "USDT": ("10000", "0")}
    assert made.place(ANN, limit("BUY", "100", "1"), NOW)["status"] == "NEW"


def test_a_client_id_is_taken_only_while_its_order_is_open():
    """Duplicate order sent. while the twin is open; another account may use it; after the fill it is free again."""
    made = exchange()
    order = limit("BUY", "100", "1", newClientOrderId="mine")
    made.place(ANN, order, NOW)
    with pytest.raises(BinanceError) as refused:
        made.place(ANN, order, NOW)
    assert (refused.value.code, refused.value.msg) == (-2010, "Duplicate order sent.")
    made.place(BOB, limit("BUY", "90", "1", newClientOrderId="mine"), NOW)
    made.place(BOB, limit("SELL", "100", "1"), NOW)
    again = made.place(ANN, order, NOW)
    assert again["status"] == "NEW"
    found = made.query(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "mine"}, NOW)
    assert found["orderId"] == again["orderId"]
    assert sum(1 for row in made.ledger_of_truth()["orders"] if row["clientOrderId"] == "mine") == 3


@pytest.mark.parametrize(("amount", "name"), [("50", "LOT_SIZE"), ("300", "MARKET_LOT_SIZE")])
def test_a_quote_amount_must_buy_a_legal_quantity(amount, name):
    """What the amount buys is judged by the lot filters."""
    made = exchange(rules(min_qty=D(1), market_max_qty=D(2)))
    quote(made, [("99", "50")], [("100", "50")])
    with pytest.raises(BinanceError, match=f"Filter failure: {name}"):
        made.place(ANN, market("BUY", quoteOrderQty=amount), NOW)
    assert made.place(ANN, market("BUY", quoteOrderQty="150"), NOW)["executedQty"] == "1.50000000"


def test_order_types_a_symbol_does_not_list():
    """MARKET has its own text, another missing type is an invalid one."""
    made = exchange(rules(order_types=("LIMIT",)))
    with pytest.raises(BinanceError, match="Market orders are not supported for this symbol"):
        made.place(ANN, market("BUY", "1"), NOW)
    maker = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1", "price": "100"}
    with pytest.raises(BinanceError, match="Invalid orderType"):
        made.place(ANN, maker, NOW)


def test_max_num_orders():
    """One open order more than the symbol allows fails the filter; a cancel makes room."""
    made = exchange(rules(max_num_orders=2))
    for price in ("100", "101"):
        made.place(ANN, limit("BUY", price, "1"), NOW)
    with pytest.raises(BinanceError, match="MAX_NUM_ORDERS"):
        made.place(ANN, limit("BUY", "99", "1"), NOW)
    made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)
    assert made.place(ANN, limit("BUY", "99", "1"), NOW)["status"] == "NEW"


def test_percent_price_by_side():
    """A limit price too far from the average price fails, by the factors of its side."""
    made = exchange(rules(percent_price=PercentPrice(bid_up=D(2), bid_down=D("0.5"), ask_up=D(3), ask_down=D("0.8"))))
    made.pair("BTCUSDT").history.open_at(D(100), NOW)
    for side, price in (("BUY", "200.01"), ("BUY", "49.99"), ("SELL", "79.99"), ("SELL", "300.01")):
        with pytest.raises(BinanceError, match="Filter failure: PERCENT_PRICE_BY_SIDE"):
            made.place(ANN, limit(side, price, "1"), NOW)
    assert made.place(ANN, limit("BUY", "50", "1"), NOW)["status"] == "NEW"
    assert made.place(ANN, limit("SELL", "300", "1"), NOW)["status"] == "NEW"


def test_the_older_notional_filter_keeps_its_name():
    """A symbol with MIN_NOTIONAL fails under that name, and market orders are let through when it says so."""
    made = exchange(rules(notional_filter="MIN_NOTIONAL", min_notional_on_market=False))
    quote(made, [("99", "5")], [("100", "5")])
    with pytest.raises(BinanceError, match="Filter failure: MIN_NOTIONAL"):
        made.place(ANN, limit("BUY", "100", "0.01"), NOW)
    assert made.place(ANN, market("BUY", "0.01"), NOW)["status"] == "FILLED"


@pytest.mark.parametrize("status", ["BREAK", "CANCEL_ONLY"])
def test_a_symbol_that_is_not_trading_takes_cancels_only(status):
    """Outside TRADING new orders are refused, cancels pass, and exchangeInfo shows the status."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1"), NOW)
    made.set_status("BTCUSDT", status)
    with pytest.raises(BinanceError) as refused:
        made.place(ANN, limit("BUY", "100", "1"), NOW)
    assert (refused.value.code, refused.value.msg) == (-2010, "Market is closed.")
    assert made.exchange_info(now_ms=NOW)["symbols"][0]["status"] == status
    assert made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)["status"] == "CANCELED"


def test_test_order_checks_and_places_nothing():
    """POST /order/test refuses what the filters refuse and answers {} otherwise."""
    made = exchange()
    assert made.test_order(ANN, limit("BUY", "100", "1"), NOW) == {}
    with pytest.raises(BinanceError, match="LOT_SIZE"):
        made.test_order(ANN, limit("BUY", "100", "0.0015"), NOW)
    assert made.ledger_of_truth()["orders"] == []


CANCEL = [
    ({"symbol": "BTCUSDT"}, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"),
    ({"symbol": "BTCUSDT", "orderId": "99"}, -2011, "Unknown order sent."),
    ({"symbol": "BTCUSDT", "origClientOrderId": "nobody"}, -2011, "Unknown order sent."),
    ({"symbol": "BTCUSDT", "orderId": "2"}, -2011, "Unknown order sent."),
    ({"symbol": "BTCUSDT", "orderId": "1", "origClientOrderId": "other"}, -2039,
     "Client order ID is not correct for this order ID."),
    ({"symbol": "BTCUSDT", "orderId": "one"}, -1100, "Illegal characters found in parameter 'orderId'"),
    ({"symbol": "BTCUSDT", "orderId": "1", "cancelRestrictions": "ONLY_OLD"}, -1145, "Invalid cancelRestrictions"),
    ({"symbol": "BTCUSDT", "orderId": "1", "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}, -2011,
     "Order was not canceled due to cancel restrictions."),
    ({"orderId": "1"}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
]  # fmt: skip


@pytest.mark.parametrize(("params", "code", "text"), CANCEL)
def test_cancel_refusals(params, code, text):
    """A cancel that does not fit gets Binance's code and text, and the order stays open."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="mine"), NOW)
    made.place(BOB, limit("BUY", "100", "1"), NOW)
    with pytest.raises(BinanceError) as refused:
        made.cancel(ANN, params, NOW)
    assert refused.value.code == code
    assert refused.value.msg.startswith(text)
    assert len(made.open_orders(ANN, {}, NOW)) == 1


def test_cancelling_twice_and_cancelling_nothing():
    """What is cancelled is unknown to a second cancel; cancel-all with nothing open is refused."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1"), NOW)
    made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)
    calls = ((made.cancel, {"symbol": "BTCUSDT", "orderId": "1"}), (made.cancel_all, {"symbol": "BTCUSDT"}))
    for call, params in calls:
        with pytest.raises(BinanceError) as refused:
            call(ANN, params, NOW)
        assert (refused.value.code, refused.value.msg) == (-2011, "Unknown order sent.")


READ = [
    ("query", {"symbol": "BTCUSDT", "orderId": "99"}, -2013, "Order does not exist."),
    ("query", {"symbol": "BTCUSDT", "origClientOrderId": "nobody"}, -2013, "Order does not exist."),
    ("query", {"symbol": "BTCUSDT", "orderId": "1", "origClientOrderId": "other"}, -2039, "Client order ID is not"),
    ("open_orders", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ("all_orders", {}, -1102, "Mandatory parameter 'symbol'"),
    ("my_trades", {"symbol": "BTCUSDT", "limit": "0"}, -1130, "Data sent for parameter 'limit' is not valid."),
    ("my_trades", {"symbol": "BTCUSDT", "startTime": "0", "endTime": "86400001"}, -1127,
     "More than 24 hours between startTime and endTime."),
    ("my_trades", {"symbol": "BTCUSDT", "startTime": "0", "fromId": "1"}, -1128,
     "Combination of optional parameters invalid."),
    ("prevented_matches", {"symbol": "BTCUSDT"}, -1102, "Param 'preventedMatchId' or 'orderId' must be sent"),
    ("account", {"omitZeroBalances": "yes"}, -1130, "Data sent for parameter 'omitZeroBalances' is not valid."),
    ("commission", {"symbol": "BTCUSDT", "more": "1"}, -1104, "Not all sent parameters were read"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "params", "code", "text"), READ)
def test_read_refusals(call, params, code, text):
    """Queries that cannot be answered get Binance's code and text."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="mine"), NOW)
    with pytest.raises(BinanceError) as refused:
        getattr(made, call)(ANN, params, NOW)
    assert refused.value.code == code
    assert refused.value.msg.startswith(text)


def test_public_refusals():
    """Unknown symbols and intervals are refused on public data too."""
    made = exchange()
    with pytest.raises(BinanceError) as refused:
        made.depth("NOPE")
    assert refused.value.body() == {"code": -1121, "msg": "Invalid symbol."}
    with pytest.raises(BinanceError) as refused:
        made.klines("BTCUSDT", "7m", now_ms=NOW)
    assert refused.value.body() == {"code": -1120, "msg": "Invalid interval."}
