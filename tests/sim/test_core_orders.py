"""Cancels, client ids, queries and user events of the simulated exchange."""

import pytest

from realtrading.sim.errors import BinanceError
from sim.core_kit import ANN, BOB, NOW, exchange, funds, limit, market, quote, rules, user_events

DAY = 86_400_000


def test_cancel_swaps_the_client_ids():
    """The cancel's own id becomes clientOrderId; the order's id is origClientOrderId, C in the report; funds return."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="mine"), NOW)
    made.take_events()
    answer = made.cancel(
        ANN, {"symbol": "BTCUSDT", "origClientOrderId": "mine", "newClientOrderId": "undo"}, NOW + 7
    )
    assert (answer["clientOrderId"], answer["origClientOrderId"], answer["status"]) == ("undo", "mine", "CANCELED")
    assert answer["transactTime"] == NOW + 7
    events = made.take_events()
    report = next(event for _, uid, event in events if uid == ANN and event["e"] == "executionReport")
    assert (report["x"], report["X"]) == ("CANCELED", "CANCELED")
    assert (report["c"], report["C"], report["i"]) == ("undo", "mine", 1)
    position = next(event for _, uid, event in events if uid == ANN and event["e"] == "outboundAccountPosition")
    assert {"a": "USDT", "f": "10000.00000000", "l": "0.00000000"} in position["B"]
    assert funds(made, ANN)["USDT"] == ("10000", "0")


@pytest.mark.parametrize("found", [True, False])
def test_lookup_by_the_original_id_after_a_cancel_is_a_switch(found):
    """The order is always found by its order id and the cancel's id; by its original id only when switched so."""
    made = exchange(lookup_after_cancel=not found)
    made.lookup_after_cancel = found
    assert made.lookup_after_cancel is found
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="mine"), NOW)
    made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1", "newClientOrderId": "undo"}, NOW)
    for params in ({"orderId": "1"}, {"origClientOrderId": "undo"}):
        assert made.query(ANN, {"symbol": "BTCUSDT"} | params, NOW)["clientOrderId"] == "undo"
    by_original = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    if found:
        assert made.query(ANN, by_original, NOW)["orderId"] == 1
    else:
        with pytest.raises(BinanceError, match="Order does not exist"):
            made.query(ANN, by_original, NOW)
    assert made.ledger_of_truth()["orders"][0]["clientOrderId"] == "mine"


def test_a_cancel_id_does_not_hide_an_open_order():
    """A cancel that calls itself like another open order leaves that order findable by its id."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="one"), NOW)
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="two"), NOW)
    made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1", "newClientOrderId": "two"}, NOW)
    found = made.query(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "two"}, NOW)
    assert (found["orderId"], found["status"]) == (2, "NEW")


def test_cancel_keeps_what_was_filled():
    """Cancelling a partially filled order answers the executed part and frees only the rest."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "2"), NOW)
    made.place(BOB, limit("SELL", "100", "0.5"), NOW)
    answer = made.cancel(ANN, {"symbol": "BTCUSDT", "orderId": "1", "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}, NOW)
    assert (answer["executedQty"], answer["cummulativeQuoteQty"]) == ("0.50000000", "50.00000000")
    assert funds(made, ANN) == {"BTC": ("10.5", "0"), "USDT": ("9950", "0")}


def test_cancel_all_takes_every_open_order_of_the_symbol_under_one_cancel_id():
    """All open orders of that symbol and account are cancelled, nothing else."""
    made = exchange(rules(), rules("ETHUSDT", "ETH"))
    for price in ("100", "101"):
        made.place(ANN, limit("BUY", price, "1"), NOW)
    made.place(ANN, limit("BUY", "100", "1", "ETHUSDT"), NOW)
    made.place(BOB, limit("BUY", "100", "1"), NOW)
    answers = made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)
    assert [answer["orderId"] for answer in answers] == [1, 2]
    assert len({answer["clientOrderId"] for answer in answers}) == 1
    assert [order["symbol"] for order in made.open_orders(ANN, {}, NOW)] == ["ETHUSDT"]
    assert len(made.open_orders(BOB, {"symbol": "BTCUSDT"}, NOW)) == 1


def test_accounts_see_only_their_own():
    """Another account's order id is no order at all."""
    made = exchange()
    made.place(ANN, limit("BUY", "100", "1", newClientOrderId="mine"), NOW)
    for params in ({"orderId": "1"}, {"origClientOrderId": "mine"}):
        with pytest.raises(BinanceError, match="Order does not exist"):
            made.query(BOB, {"symbol": "BTCUSDT"} | params, NOW)
    assert made.all_orders(BOB, {"symbol": "BTCUSDT"}, NOW) == []


def test_an_order_without_client_id_gets_one():
    """The exchange makes a 22-character id, different each time, the same for the same seed."""
    ids = []
    for _ in range(2):
        made = exchange(seed=3)
        ids.append([made.place(ANN, limit("BUY", "100", "1"), NOW)["clientOrderId"] for _ in range(2)])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2
    assert all(len(each) == 22 and each.isalnum() for each in ids[0])


def test_all_orders_by_id_by_window_and_latest():
    """allOrders answers from an id on, of a window, or the latest; oldest first."""
    made = exchange()
    for index in range(6):
        made.place(ANN, limit("BUY", "100", "1"), NOW + index * DAY // 4)

    def ids(**params):
        return [row["orderId"] for row in made.all_orders(ANN, {"symbol": "BTCUSDT"} | params, NOW)]

    assert ids() == [1, 2, 3, 4, 5, 6]
    assert ids(limit="2") == [5, 6]
    assert ids(orderId="3", limit="2") == [3, 4]
    assert ids(startTime=str(NOW + DAY // 4), endTime=str(NOW + DAY // 2)) == [2, 3]
    assert ids(startTime=str(NOW)) == [1, 2, 3, 4, 5]


def test_my_trades_by_order_by_id_by_window_and_latest():
    """myTrades pages by fromId, filters by order and window, and answers the latest otherwise."""
    made = exchange()
    quote(made, [("99", "50")], [("100", "1"), ("101", "1"), ("102", "50")])
    made.place(ANN, market("BUY", "3"), NOW)
    made.place(ANN, market("SELL", "1"), NOW + 1000)

    def ids(**params):
        return [row["id"] for row in made.my_trades(ANN, {"symbol": "BTCUSDT"} | params, NOW)]

    assert ids() == [1, 2, 3, 4]
    assert ids(limit="2") == [3, 4]
    assert ids(fromId="2", limit="2") == [2, 3]
    assert ids(orderId="2") == [4]
    assert ids(orderId="1", fromId="3") == [3]
    assert ids(startTime=str(NOW + 1)) == [4]
    assert ids(endTime=str(NOW)) == [1, 2, 3]
    assert made.my_trades(BOB, {"symbol": "BTCUSDT"}, NOW) == []


def test_reports_come_in_the_order_things_happened():
    """Taker NEW, then per trade taker and maker, then the balances; execution ids rise; z grows to q."""
    made = exchange()
    made.place(BOB, limit("SELL", "100", "1"), NOW)
    made.place(BOB, limit("SELL", "101", "1"), NOW)
    made.take_events()
    made.place(ANN, limit("BUY", "101", "2", strategyId="7", strategyType="1000001"), NOW)
    events = [(uid, event) for kind, uid, event in made.take_events() if kind == "user"]
    assert [(uid, event["e"], event.get("x")) for uid, event in events] == [
        (ANN, "executionReport", "NEW"),
        (ANN, "executionReport", "TRADE"), (BOB, "executionReport", "TRADE"),
        (ANN, "executionReport", "TRADE"), (BOB, "executionReport", "TRADE"),
        (ANN, "outboundAccountPosition", None), (BOB, "outboundAccountPosition", None),
    ]  # fmt: skip
    reports = [event for _, event in events if event["e"] == "executionReport"]
    assert [event["I"] for event in reports] == sorted({event["I"] for event in reports})
    mine = [event for uid, event in events if uid == ANN and event.get("x") == "TRADE"]
    assert [(event["z"], event["X"], event["m"], event["t"]) for event in mine] == [
        ("1.00000000", "PARTIALLY_FILLED", False, 1), ("2.00000000", "FILLED", False, 2)
    ]  # fmt: skip
    assert (mine[0]["j"], mine[0]["J"]) == (7, 1_000_001)
    theirs = [event for uid, event in events if uid == BOB and event.get("x") == "TRADE"]
    assert [(event["i"], event["m"], event["w"]) for event in theirs] == [(1, True, False), (2, True, False)]


def test_deposits_and_withdrawals():
    """Coins from outside change the free balance, emit balanceUpdate with a signed amount, and never overdraw."""
    made = exchange()
    made.deposit(ANN, "USDT", made.core.ledger.accounts[ANN].free("BTC"), NOW)
    made.withdraw(ANN, "BTC", made.core.ledger.accounts[ANN].free("BTC"), NOW)
    updates = user_events(made, ANN, "balanceUpdate")
    assert [(event["a"], event["d"]) for event in updates] == [("USDT", "10.00000000"), ("BTC", "-10.00000000")]
    assert funds(made, ANN) == {"BTC": ("0", "0"), "USDT": ("10010", "0")}
    with pytest.raises(ValueError, match="cannot take"):
        made.withdraw(ANN, "BTC", made.core.ledger.accounts[BOB].free("BTC"), NOW)


def test_account_answer_and_its_zero_balances():
    """The account lists held and listed assets; omitZeroBalances leaves the empty ones out."""
    made = exchange(rules(), rules("ETHUSDT", "ETH"))
    made.place(ANN, limit("BUY", "100", "1"), NOW + 5)
    account = made.account(ANN, {}, NOW)
    assert (account["uid"], account["updateTime"]) == (ANN, NOW + 5)
    assert [row["asset"] for row in account["balances"]] == ["USDT", "BTC", "ETH"]
    assert account["balances"][0] == {"asset": "USDT", "free": "9900.00000000", "locked": "100.00000000"}
    slim = made.account(ANN, {"omitZeroBalances": "true"}, NOW)
    assert [row["asset"] for row in slim["balances"]] == ["USDT", "BTC"]


def test_signed_envelope_parameters_are_not_the_orders():
    """timestamp, signature, recvWindow and apiKey are the servers' business and no unread parameters."""
    made = exchange()
    signed = {"timestamp": "1", "signature": "ab", "recvWindow": "5000", "apiKey": "k"}
    assert made.place(ANN, limit("BUY", "100", "1") | signed, NOW)["status"] == "NEW"
    assert len(made.open_orders(ANN, signed, NOW)) == 1
