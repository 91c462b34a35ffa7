"""Stops and trailing stops: when they wake, what they say, and what they hold until then."""

from decimal import Decimal as D

import pytest

from realtrading.sim.errors import BinanceError
from sim.core_kit import ANN, BOB, NOW, exchange, funds, limit, market, quote, rules, user_events

WIDE = rules(max_price=D(1_000_000), min_notional=D(0))


def stop(side, kind, qty="1", **more):
    """A stop order's parameters; `price` makes it a limit one."""
    order = {"symbol": "BTCUSDT", "side": side, "type": kind, "quantity": qty} | more
    return order | ({"timeInForce": "GTC"} if kind.endswith("LIMIT") else {})


@pytest.fixture
def made():
    """Last price 100; the house's quotes leave room for what the tests do."""
    made = exchange(funds={"USDT": "1000000", "BTC": "100"})
    made.pair("BTCUSDT").history.open_at(D(100), NOW - 1)
    quote(made, [("99", "50"), ("80", "500")], [("101", "50"), ("120", "500")])
    return made


def trade_at(made, price, now_ms=NOW + 1, qty="0.001"):
    """A trade between parties outside at this price, and what follows from it."""
    pair = made.pair("BTCUSDT")
    made.matcher.play(pair, D(price), D(qty), now_ms, buy=True)
    made.aftermath.run(pair, now_ms)
    made.core.settle_positions(now_ms)


def status(made, order_id, uid=ANN):
    return made.query(uid, {"symbol": "BTCUSDT", "orderId": str(order_id)}, NOW)


@pytest.mark.parametrize(
    ("side", "kind", "stop_price", "still", "wakes"),
    [
        ("SELL", "STOP_LOSS", "95", "95.01", "95"),
        ("BUY", "STOP_LOSS", "105", "104.99", "105"),
        ("SELL", "TAKE_PROFIT", "105", "104.99", "105"),
        ("BUY", "TAKE_PROFIT", "95", "95.01", "95"),
    ],
)
def test_a_stop_wakes_at_its_price_and_not_before(made, side, kind, stop_price, still, wakes):
    """A stop at market does nothing one tick before its price; at its price a second NEW comes and it is filled."""
    quote(made, [("94", "50")], [("106", "50")])
    placed = made.place(ANN, stop(side, kind, stopPrice=stop_price), NOW)
    assert (placed["status"], placed["workingTime"], placed["stopPrice"]) == ("NEW", -1, f"{D(stop_price):.8f}")
    assert "fills" in placed
    assert not placed["fills"]
    assert status(made, placed["orderId"])["isWorking"] is False
    trade_at(made, still)
    assert status(made, placed["orderId"])["executedQty"] == "0.00000000"
    made.take_events()
    trade_at(made, wakes)
    reports = user_events(made, ANN)
    assert [(each["x"], each["X"]) for each in reports] == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert (reports[0]["w"], reports[0]["W"], reports[0]["P"]) == (True, NOW + 1, f"{D(stop_price):.8f}")
    assert status(made, placed["orderId"])["status"] == "FILLED"


def test_the_first_report_of_a_stop_says_that_it_does_not_work(made):
    """`w` is false and there is no `W` until the price is reached, as in Binance's stop reports."""
    made.take_events()
    made.place(ANN, stop("SELL", "STOP_LOSS_LIMIT", price="94", stopPrice="95"), NOW)
    (report,) = user_events(made, ANN)
    assert (report["x"], report["X"], report["w"], "W" in report) == ("NEW", "NEW", False, False)
    assert (report["o"], report["P"], report["p"]) == ("STOP_LOSS_LIMIT", "95.00000000", "94.00000000")


def test_a_woken_stop_limit_rests_when_the_market_has_jumped_over_it(made):
    """A gap through stop and limit leaves the order on the book, unfilled: it protects nothing any more."""
    quote(made, [("80", "500")], [("120", "500")])
    placed = made.place(ANN, stop("SELL", "STOP_LOSS_LIMIT", price="94", stopPrice="95"), NOW)
    trade_at(made, "85")
    found = status(made, placed["orderId"])
    assert (found["status"], found["isWorking"], found["executedQty"]) == ("NEW", True, "0.00000000")
    made.place(BOB, limit("BUY", "94", "1"), NOW + 2)
    assert status(made, placed["orderId"])["status"] == "FILLED"


def test_a_stop_holds_its_funds_until_it_ends(made):
    """A sell locks its quantity, a buy what it costs at its price, or at its stop; a cancel frees it."""
    sold = made.place(ANN, stop("SELL", "STOP_LOSS", "2", stopPrice="95"), NOW)
    bought = made.place(ANN, stop("BUY", "STOP_LOSS", "2", stopPrice="110"), NOW)
    capped = made.place(ANN, stop("BUY", "STOP_LOSS_LIMIT", "2", price="111", stopPrice="110"), NOW)
    assert funds(made, ANN) == {"BTC": ("98", "2"), "USDT": ("999558", "442")}
    for each in (sold, bought, capped):
        made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": str(each["orderId"])}, NOW)
    assert funds(made, ANN) == {"BTC": ("100", "0"), "USDT": ("1000000", "0")}


def test_a_buy_stop_that_became_too_dear_expires(made):
    """The price jumped so far that the account cannot pay: the order ends and everything is free again."""
    poor = exchange(funds={"USDT": "220", "BTC": "0"})
    poor.pair("BTCUSDT").history.open_at(D(100), NOW - 1)
    quote(poor, [("99", "50")], [("150", "50")])
    placed = poor.place(ANN, stop("BUY", "STOP_LOSS", "2", stopPrice="110"), NOW)
    trade_at(poor, "149")
    assert status(poor, placed["orderId"])["status"] == "EXPIRED"
    assert funds(poor, ANN)["USDT"] == ("220", "0")


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        (stop("SELL", "STOP_LOSS", stopPrice="100"), -2010, "Order would trigger immediately."),
        (stop("BUY", "STOP_LOSS", stopPrice="99"), -2010, "Order would trigger immediately."),
        (stop("SELL", "TAKE_PROFIT", stopPrice="99"), -2010, "Order would trigger immediately."),
        (stop("SELL", "STOP_LOSS"), -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"),
        (stop("SELL", "STOP_LOSS", stopPrice="95", price="94"), -1106, "Parameter 'price' sent when not required."),
        (stop("SELL", "STOP_LOSS", stopPrice="95", timeInForce="GTC"), -1106,
         "Parameter 'timeInForce' sent when not required."),
        (limit("SELL", "120", "1", stopPrice="95"), -1106, "Parameter 'stopPrice' sent when not required."),
        (stop("SELL", "STOP_LOSS", stopPrice="95.001"), -1013, "Filter failure: PRICE_FILTER"),
        (stop("SELL", "STOP_LOSS", trailingDelta="9"), -1013, "Filter failure: TRAILING_DELTA"),
        (stop("SELL", "STOP_LOSS", trailingDelta="2001"), -1013, "Filter failure: TRAILING_DELTA"),
        (stop("SELL", "STOP_LOSS", "101", stopPrice="95"), -1013, "Filter failure: MARKET_LOT_SIZE"),
        (stop("SELL", "STOP_LOSS_LIMIT", "101", price="94", stopPrice="95"), -2010,
         "Account has insufficient balance for requested action."),
    ],
)  # fmt: skip
def test_refused_stops(made, params, code, text):
    """A bad stop gets Binance's code and text, and locks nothing."""
    before = funds(made, ANN)
    with pytest.raises(BinanceError) as refused:
        made.place(ANN, params, NOW)
    assert (refused.value.code, refused.value.msg) == (code, text)
    assert funds(made, ANN) == before


def test_the_sixth_stop_of_a_symbol_is_one_too_many(made):
    """MAX_NUM_ALGO_ORDERS counts stops only, and only live ones."""
    made.place(ANN, limit("BUY", "90", "1"), NOW)
    placed = [made.place(ANN, stop("SELL", "STOP_LOSS", stopPrice="95"), NOW) for _ in range(5)]
    with pytest.raises(BinanceError, match="MAX_NUM_ALGO_ORDERS"):
        made.place(ANN, stop("SELL", "STOP_LOSS", stopPrice="95"), NOW)
    made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": str(placed[0]["orderId"])}, NOW)
    assert made.place(ANN, stop("SELL", "STOP_LOSS", stopPrice="95"), NOW)["status"] == "NEW"


def test_max_position_counts_what_is_held_and_what_is_coming():
    """MAX_POSITION refuses a buy that could take free, locked and open buys above it; a sell is not asked."""
    made = exchange(rules(max_position=D(12)))
    quote(made, [("99", "50")], [("101", "50")])
    made.place(ANN, limit("BUY", "90", "1.5"), NOW)
    with pytest.raises(BinanceError, match="MAX_POSITION"):
        made.place(ANN, limit("BUY", "90", "0.6"), NOW)
    assert made.place(ANN, limit("BUY", "90", "0.5"), NOW)["status"] == "NEW"
    assert made.place(ANN, limit("SELL", "110", "1"), NOW)["status"] == "NEW"


SCENARIOS = [
    ("BUY", "STOP_LOSS_LIMIT", "45000", "44000", "500", ("39000", "37000", "44000", "45000", "46000", "42000"), "44100"),
    ("SELL", "STOP_LOSS_LIMIT", "38000", "39000", "1000", ("41500", "39000", "37000", "41000"), "36900"),
    ("BUY", "TAKE_PROFIT_LIMIT", "38500", "38000", "850", ("42000", "38000", "37000", "39000", "38000"), "40145"),
    ("SELL", "TAKE_PROFIT_LIMIT", "41000", "42000", "750", ("41500", "39000", "42000", "45000", "44000", "46500"), "43012.5"),
    ("SELL", "STOP_LOSS_LIMIT", "39000", None, "700", ("42000", "39500", "45500"), "42315"),
]  # fmt: skip


@pytest.mark.parametrize(("side", "kind", "price", "stop_price", "delta", "path", "wakes"), SCENARIOS)
def test_trailing_stops_do_what_binance_s_own_scenarios_say(side, kind, price, stop_price, delta, path, wakes):
    """The five scenarios of Binance's trailing stop FAQ, A to E: asleep one tick before, awake at the price it names."""
    made = exchange(WIDE, funds={"USDT": "1000000", "BTC": "10"})
    made.pair("BTCUSDT").history.open_at(D(40_000), NOW - 1)
    given = {"trailingDelta": delta, "price": price} | ({} if stop_price is None else {"stopPrice": stop_price})
    placed = made.place(ANN, stop(side, kind, **given), NOW)
    assert placed["trailingDelta"] == int(delta)
    assert ("trailingTime" in placed) is (stop_price is None), "without a stop price it follows from the start"
    for each in path:
        trade_at(made, each)
        assert status(made, placed["orderId"])["isWorking"] is False, each
    before = D(wakes) + (D("-0.01") if side == "BUY" else D("0.01"))
    trade_at(made, before)
    assert status(made, placed["orderId"])["isWorking"] is False
    assert "trailingTime" in status(made, placed["orderId"])
    trade_at(made, wakes)
    assert status(made, placed["orderId"])["isWorking"] is True


def test_a_woken_stop_may_wake_another(made):
    """What a woken stop trades at is a price too: stops fall like dominoes, in the order of their prices."""
    quote(made, [("96", "1"), ("94", "1"), ("92", "10")], [("106", "50")])
    first = made.place(ANN, stop("SELL", "STOP_LOSS", "2", stopPrice="97"), NOW)
    second = made.place(BOB, stop("SELL", "STOP_LOSS", "1", stopPrice="95"), NOW)
    trade_at(made, "97")
    assert status(made, first["orderId"])["status"] == "FILLED"
    assert status(made, second["orderId"], BOB)["status"] == "FILLED"
    assert made.my_trades(BOB, {"symbol": "BTCUSDT"}, NOW)[0]["price"] == "92.00000000"


def test_an_order_of_an_account_wakes_stops_too(made):
    """Not only the tape moves the last price: an account's own trade does."""
    placed = made.place(ANN, stop("SELL", "STOP_LOSS", stopPrice="85"), NOW)
    made.place(BOB, market("SELL", "51"), NOW)
    assert status(made, placed["orderId"])["status"] == "FILLED"
