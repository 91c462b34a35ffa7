"""Planted lies: the answers change, the ledger of truth does not."""

from decimal import Decimal as D

from sim.core_kit import ANN, BOB, NOW, TENTH_PERCENT, exchange, funds, limit, market, quote, user_events


def test_a_false_balance_shows_in_the_account_answer_only():
    """account_offset shifts the account answer; events and truth stay as they are."""
    made = exchange()
    made.lies.account_offset["BTC"] = D("0.00000001")
    balances = {row["asset"]: row["free"] for row in made.account(ANN, {}, NOW)["balances"]}
    assert balances == {"USDT": "10000.00000000", "BTC": "10.00000001"}
    made.deposit(ANN, "BTC", D(1), NOW)
    assert user_events(made, ANN, "outboundAccountPosition")[0]["B"][0]["f"] == "11.00000000"
    assert funds(made, ANN)["BTC"] == ("11", "0")


def test_a_hidden_fill_is_in_no_answer_and_in_the_truth():
    """The second fill of a market order vanishes from place answer, reports, query, trades and account."""
    made = exchange(fee=TENTH_PERCENT)
    quote(made, [("99", "5")], [("100", "1"), ("101", "1"), ("102", "5")])
    made.lies.hide_trade(lambda fill: fill.price == 101)
    answer = made.place(ANN, market("BUY", "3"), NOW)
    assert (answer["status"], answer["executedQty"], answer["cummulativeQuoteQty"]) == (
        "EXPIRED", "2.00000000", "202.00000000"
    )  # fmt: skip
    assert [fill["price"] for fill in answer["fills"]] == ["100.00000000", "102.00000000"]
    events = made.take_events()
    reports = [event for _, uid, event in events if uid == ANN and event["e"] == "executionReport"]
    assert [(report["x"], report["X"], report["z"]) for report in reports] == [
        ("NEW", "NEW", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "1.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "2.00000000"),
        ("EXPIRED", "EXPIRED", "2.00000000"),
    ]
    position = next(event for _, uid, event in events if uid == ANN and event["e"] == "outboundAccountPosition")
    shown = {row["a"]: row["f"] for row in position["B"]}
    assert shown == {"BTC": "11.99800000", "USDT": "9798.00000000"}
    assert {row["asset"]: row["free"] for row in made.account(ANN, {}, NOW)["balances"]} == shown
    assert [row["price"] for row in made.my_trades(ANN, {"symbol": "BTCUSDT"}, NOW)] == ["100.00000000", "102.00000000"]
    assert made.query(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)["executedQty"] == "2.00000000"
    truth = made.ledger_of_truth()
    assert truth["orders"][0]["status"] == "FILLED"
    assert truth["orders"][0]["executedQty"] == "3"
    assert [trade["hidden"] for trade in truth["trades"]] == [False, True, False]
    assert funds(made, ANN) == {"BTC": ("12.997", "0"), "USDT": ("9697", "0")}


def test_only_one_fill_is_hidden():
    """The lie is told once: the next fill is in every answer again."""
    made = exchange()
    quote(made, [("99", "5")], [("100", "5")])
    made.lies.hide_trade()
    first = made.place(ANN, market("BUY", "1"), NOW)
    second = made.place(ANN, market("BUY", "1"), NOW)
    assert (first["executedQty"], second["executedQty"]) == ("0.00000000", "1.00000000")
    assert [row["orderId"] for row in made.my_trades(ANN, {"symbol": "BTCUSDT"}, NOW)] == [second["orderId"]]


def test_a_hidden_partial_fill_of_a_resting_order_looks_like_none():
    """The resting order still says NEW, stays open and can be cancelled; the truth has the fill."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "2"), NOW)
    made.lies.hide_trade(lambda fill: fill.uid == ANN)
    made.place(BOB, limit("SELL", "100", "0.5"), NOW)
    order = made.open_orders(ANN, {}, NOW)[0]
    assert (order["status"], order["executedQty"]) == ("NEW", "0.00000000")
    assert [report["x"] for report in user_events(made, ANN)] == ["NEW"]
    assert made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)["executedQty"] == "0.00000000"
    assert made.ledger_of_truth()["orders"][0]["executedQty"] == "0.5"
