"""Order types, price-time priority, self-trade prevention: what trades, at which price, and how orders end."""

from decimal import Decimal as D

import pytest

from realtrading.sim.errors import BinanceError
from sim.core_kit import ANN, BOB, NOW, exchange, funds, limit, market, quote, rules, user_events


def fills(answer):
    return [(fill["price"], fill["qty"]) for fill in answer["fills"]]


def test_better_prices_first_then_earlier_orders():
    """A buyer meets the cheapest seller first, and of two at one price the one who came first."""
    made = exchange()
    late = made.place(ANN, limit("SELL", "101", "1"), NOW)
    first = made.place(ANN, limit("SELL", "100", "1"), NOW + 1)
    second = made.place(ANN, limit("SELL", "100", "1"), NOW + 2)
    answer = made.place(BOB, limit("BUY", "101", "2.5"), NOW + 3)
    assert fills(answer) == [
        ("100.00000000", "1.00000000"), ("100.00000000", "1.00000000"), ("101.00000000", "0.50000000")
    ]  # fmt: skip
    done = {row["orderId"]: row["executedQty"] for row in made.all_orders(ANN, {"symbol": "BTCUSDT"}, NOW)}
    assert done == {
        late["orderId"]: "0.50000000", first["orderId"]: "1.00000000", second["orderId"]: "1.00000000"
    }  # fmt: skip


def test_trades_happen_at_the_makers_price_and_the_difference_is_freed():
    """A buyer willing to pay 105 who meets 100 pays 100; nothing stays locked."""
    made = exchange()
    made.place(ANN, limit("SELL", "100", "1"), NOW)
    made.place(BOB, limit("BUY", "105", "1"), NOW)
    assert funds(made, BOB) == {"BTC": ("11", "0"), "USDT": ("9900", "0")}
    assert funds(made, ANN) == {"BTC": ("9", "0"), "USDT": ("10100", "0")}


def test_a_resting_order_locks_what_it_may_spend_and_frees_it_as_it_fills():
    """Locked is price times what is open; a partial fill unlocks its share."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "2"), NOW)
    assert funds(made, ANN)["USDT"] == ("9800", "200")
    made.place(BOB, limit("SELL", "100", "0.5"), NOW)
    assert funds(made, ANN) == {"BTC": ("10.5", "0"), "USDT": ("9800", "150")}
    order = made.open_orders(ANN, {"symbol": "BTCUSDT"}, NOW)[0]
    assert (order["status"], order["executedQty"], order["cummulativeQuoteQty"]) == (
        "PARTIALLY_FILLED", "0.50000000", "50.00000000"
    )  # fmt: skip


def test_a_better_price_frees_the_difference_at_once():
    """A buyer at 105 who gets half at 100 keeps only the open half locked, at 105."""
    made = exchange()
    made.place(ANN, limit("SELL", "100", "1"), NOW)
    made.place(BOB, limit("BUY", "105", "2"), NOW)
    assert funds(made, BOB)["USDT"] == ("9795", "105")


def test_accounts_come_before_the_house_at_the_same_price():
    """At one price a resting account order is met first, the synthetic level after it."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "5")])
    made.place(ANN, limit("SELL", "100", "1"), NOW)
    made.place(BOB, market("BUY", "2"), NOW)
    assert [trade["price"] for trade in made.trades("BTCUSDT")] == ["100.00000000", "100.00000000"]
    assert funds(made, ANN)["USDT"] == ("10100", "0")
    assert made.depth("BTCUSDT")["asks"] == [["100.00000000", "4.00000000"]]


def test_a_market_order_over_several_levels_is_several_trades():
    """A market order walks the book level by level."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "1"), ("101", "2"), ("103", "5")])
    answer = made.place(ANN, market("BUY", "3.5"), NOW)
    assert answer["status"] == "FILLED"
    assert fills(answer) == [
        ("100.00000000", "1.00000000"), ("101.00000000", "2.00000000"), ("103.00000000", "0.50000000")
    ]  # fmt: skip
    assert answer["cummulativeQuoteQty"] == "353.50000000"
    assert funds(made, ANN) == {"BTC": ("13.5", "0"), "USDT": ("9646.5", "0")}


def test_a_market_order_that_exhausts_the_book_ends_expired():
    """The book runs dry: EXPIRED with what was filled, and the reason in answer, report and query."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "1")])
    answer = made.place(ANN, market("BUY", "3"), NOW)
    assert (answer["status"], answer["executedQty"], answer["expiryReason"]) == (
        "EXPIRED", "1.00000000", "INSUFFICIENT_LIQUIDITY"
    )  # fmt: skip
    reports = user_events(made, ANN)
    assert [(report["x"], report["X"], report["z"]) for report in reports] == [
        ("NEW", "NEW", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "1.00000000"),
        ("EXPIRED", "EXPIRED", "1.00000000"),
    ]
    assert reports[-1]["eR"] == "INSUFFICIENT_LIQUIDITY"
    assert made.query(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
    assert funds(made, ANN) == {"BTC": ("11", "0"), "USDT": ("9900", "0")}


def test_a_market_buy_by_quote_amount_never_spends_more():
    """quoteOrderQty buys whole steps for at most that amount and is FILLED when no further step is affordable."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "1"), ("103", "5")])
    answer = made.place(ANN, market("BUY", quoteOrderQty="250"), NOW)
    assert answer["status"] == "FILLED"
    assert answer["executedQty"] == answer["origQty"] == "2.45600000"
    assert answer["cummulativeQuoteQty"] == "249.96800000"
    assert answer["origQuoteOrderQty"] == "250.00000000"
    assert funds(made, ANN)["USDT"] == ("9750.032", "0")


def test_a_market_sell_by_quote_amount_sells_what_brings_it():
    """quoteOrderQty on SELL sells as many whole steps as the amount is worth."""
    made = exchange()
    quote(made, [("100", "5")], [("101", "5")])
    answer = made.place(ANN, market("SELL", quoteOrderQty="50.05"), NOW)
    assert (answer["status"], answer["executedQty"], answer["cummulativeQuoteQty"]) == (
        "FILLED", "0.50000000", "50.00000000"
    )  # fmt: skip


def test_a_quote_amount_larger_than_the_book_ends_expired():
    """A quoteOrderQty that the book cannot serve takes all there is and ends EXPIRED."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "1")])
    answer = made.place(ANN, market("BUY", quoteOrderQty="500"), NOW)
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "1.00000000")
    assert funds(made, ANN) == {"BTC": ("11", "0"), "USDT": ("9900", "0")}


def test_a_quote_amount_on_an_empty_book_is_refused():
    """With nobody on the other side a quote-amount order is rejected by the engine."""
    made = exchange()
    with pytest.raises(BinanceError) as refused:
        made.place(ANN, market("BUY", quoteOrderQty="500"), NOW)
    assert (refused.value.code, refused.value.msg) == (
        -2010, "Order book liquidity is less than symbol minimum quantity."
    )  # fmt: skip


def test_ioc_takes_what_is_there_and_expires_the_rest():
    """IOC never rests."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "1"), ("102", "5")])
    answer = made.place(ANN, limit("BUY", "101", "3", timeInForce="IOC"), NOW)
    assert (answer["status"], answer["executedQty"], answer["expiryReason"]) == (
        "EXPIRED", "1.00000000", "UNFILLED_IOC_QUANTITY_EXPIRED"
    )  # fmt: skip
    assert made.open_orders(ANN, {}, NOW) == []
    assert funds(made, ANN)["USDT"] == ("9900", "0")


@pytest.mark.parametrize(("qty", "status", "done"), [("3", "FILLED", "3.00000000"), ("3.5", "EXPIRED", "0.00000000")])
def test_fok_is_all_or_nothing(qty, status, done):
    """FOK fills whole when the reachable levels hold enough, else it expires without a trade."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "1"), ("101", "2"), ("103", "9")])
    answer = made.place(ANN, limit("BUY", "102", qty, timeInForce="FOK"), NOW)
    assert (answer["status"], answer["executedQty"]) == (status, done)
    assert answer.get("expiryReason") == (None if status == "FILLED" else "UNFILLED_FOK_ORDER_EXPIRED")


def test_fok_does_not_count_on_what_prevention_would_stop():
    """An own order in the way of an EXPIRE_TAKER FOK makes it unfillable; EXPIRE_MAKER looks past it."""
    for mode, status in (("EXPIRE_TAKER", "EXPIRED"), ("EXPIRE_MAKER", "FILLED")):
        made = exchange()
        made.place(ANN, limit("SELL", "100", "1"), NOW)
        made.place(BOB, limit("SELL", "101", "5"), NOW)
        answer = made.place(ANN, limit("BUY", "101", "2", timeInForce="FOK", selfTradePreventionMode=mode), NOW)
        assert answer["status"] == status


def test_limit_maker_rests_or_is_refused():
    """LIMIT_MAKER below the ask rests; one that would take is refused with Binance's text and leaves no trace."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "5")])
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1"}
    assert made.place(ANN, order | {"price": "99.99"}, NOW)["status"] == "NEW"
    with pytest.raises(BinanceError) as refused:
        made.place(ANN, order | {"price": "100"}, NOW)
    assert (refused.value.code, refused.value.msg) == (-2010, "Order would immediately match and take.")
    assert len(made.all_orders(ANN, {"symbol": "BTCUSDT"}, NOW)) == 1


def test_order_and_trade_ids_collide_across_symbols():
    """Ids are unique per symbol only: two symbols hand out the same ones."""
    made = exchange(rules(), rules("ETHUSDT", "ETH"), funds={"USDT": "10000", "BTC": "10", "ETH": "10"})
    answers = []
    for symbol in ("BTCUSDT", "ETHUSDT"):
        quote(made, [("99", "5")], [("100", "5")], symbol)
        answers.append(made.place(ANN, market("BUY", "1", symbol), NOW))
    assert answers[0]["orderId"] == answers[1]["orderId"]
    assert answers[0]["fills"][0]["tradeId"] == answers[1]["fills"][0]["tradeId"]


STP = [
    ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED", "1.00000000"),
    ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", "0.00000000"),
    ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", "0.00000000"),
    ("NONE", "FILLED", "FILLED", "1.00000000"),
]


@pytest.mark.parametrize(("mode", "maker", "taker", "done"), STP)
def test_self_trade_prevention(mode, maker, taker, done):
    """Each mode ends the order it names; with NONE an account trades with itself and its totals stand still."""
    made = exchange()
    made.place(ANN, limit("SELL", "100", "1"), NOW)
    made.place(BOB, limit("SELL", "101", "5"), NOW)
    made.take_events()
    answer = made.place(ANN, limit("BUY", "101", "1", selfTradePreventionMode=mode), NOW + 5)
    own = made.query(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)
    assert (own["status"], answer["status"], answer["executedQty"]) == (maker, taker, done)
    if mode == "NONE":
        assert funds(made, ANN) == {"BTC": ("10", "0"), "USDT": ("10000", "0")}
        assert "preventedMatches" not in answer
        return
    prevented = [report for report in user_events(made, ANN) if report["x"] == "TRADE_PREVENTION"]
    assert {report["i"] for report in prevented} == (
        {1} if mode == "EXPIRE_MAKER" else {answer["orderId"]} if mode == "EXPIRE_TAKER" else {1, answer["orderId"]}
    )
    assert all(report["v"] == 1 and report["pL"] == "100.00000000" for report in prevented)
    assert answer["preventedMatches"][0]["makerOrderId"] == 1
    listed = made.prevented_matches(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)
    assert [match["selfTradePreventionMode"] for match in listed] == [mode]
    locked = D(1) if own["status"] == "NEW" else D(0)
    assert funds(made, ANN)["BTC"][1] == str(locked)


def test_the_book_shows_accounts_and_house_together():
    """Depth merges resting orders with the synthetic levels, best first."""
    made = exchange()
    quote(made, [("99", "5"), ("98", "1")], [("100", "5")])
    made.place(ANN, limit("BUY", "99", "1"), NOW)
    made.place(ANN, limit("BUY", "98.5", "2"), NOW)
    assert made.depth("BTCUSDT")["bids"] == [
        ["99.00000000", "6.00000000"], ["98.50000000", "2.00000000"], ["98.00000000", "1.00000000"]
    ]  # fmt: skip
    assert made.ticker_book("BTCUSDT")["bidQty"] == "6.00000000"


def test_house_quotes_may_not_cross_a_resting_order():
    """Laying quotes over an account's resting order is a mistake of the driver, not a trade."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1"), NOW)
    with pytest.raises(ValueError, match="cross"):
        quote(made, [("99", "1")], [("100", "1")])


@pytest.mark.parametrize("mode", ["DECREMENT", "TRANSFER"])
def test_decrement_takes_the_same_quantity_from_both(mode):
    """The smaller order ends EXPIRED_IN_MATCH, the larger stays with less of it, and less of it locked (Binance's STP FAQ)."""
    made = exchange()
    maker = made.place(ANN, limit("BUY", "100", "6", selfTradePreventionMode=mode), NOW)
    made.take_events()
    taker = made.place(ANN, limit("SELL", "100", "2", selfTradePreventionMode=mode), NOW)
    assert (taker["status"], taker["executedQty"], taker["preventedQuantity"]) == (
        "EXPIRED_IN_MATCH", "0.00000000", "2.00000000",
    )  # fmt: skip
    (match,) = taker["preventedMatches"]
    assert (match["takerPreventedQuantity"], match["makerPreventedQuantity"]) == ("2.00000000", "2.00000000")
    found = made.query(ANN, {"symbol": "BTCUSDT", "orderId": str(maker["orderId"])}, NOW)
    assert (found["status"], found["origQty"], found["preventedQuantity"]) == ("NEW", "6.00000000", "2.00000000")
    reports = [(each["x"], each["X"], each["A"], each["B"]) for each in user_events(made, ANN) if "A" in each]
    assert reports == [
        ("TRADE_PREVENTION", "NEW", "2.00000000", "2.00000000"),
        ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "2.00000000", "2.00000000"),
    ]
    assert funds(made, ANN) == {"BTC": ("10", "0"), "USDT": ("9600", "400")}
    made.place(BOB, limit("SELL", "100", "4"), NOW)
    found = made.query(ANN, {"symbol": "BTCUSDT", "orderId": str(maker["orderId"])}, NOW)
    assert (found["status"], found["executedQty"]) == ("FILLED", "4.00000000")
    assert made.open_orders(ANN, {}, NOW) == []
    assert funds(made, ANN)["USDT"] == ("9600", "0")
