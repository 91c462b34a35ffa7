"""Order lists: OCO, OTO, OTOCO; which orders wait, which exclude each other, and who is told."""

from decimal import Decimal as D

import pytest

from realtrading.sim.errors import BinanceError
from sim.core_kit import (
    ANN,
    BOB,
    NOW,
    TENTH_PERCENT,
    exchange,
    funds,
    limit,
    market,
    official,
    quote,
    rules,
    shape,
    user_events,
)

OCO = {
    "symbol": "BTCUSDT", "side": "SELL", "quantity": "2", "listClientOrderId": "pair",
    "aboveType": "LIMIT_MAKER", "abovePrice": "110", "aboveClientOrderId": "target",
    "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "95", "belowPrice": "94", "belowTimeInForce": "GTC",
    "belowClientOrderId": "stop",
}  # fmt: skip
OTO = {
    "symbol": "BTCUSDT", "listClientOrderId": "chain",
    "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "99", "workingQuantity": "2",
    "workingTimeInForce": "GTC", "workingClientOrderId": "entry",
    "pendingType": "STOP_LOSS", "pendingSide": "SELL", "pendingQuantity": "2", "pendingStopPrice": "95",
    "pendingClientOrderId": "stop",
}  # fmt: skip
OTOCO = {
    **{name: value for name, value in OTO.items() if not name.startswith("pending")},
    "pendingSide": "SELL", "pendingQuantity": "2",
    "pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "110", "pendingAboveClientOrderId": "target",
    "pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": "95", "pendingBelowClientOrderId": "stop",
}  # fmt: skip


@pytest.fixture
def made():
    """Last price 100, nobody near it but the house."""
    made = exchange(funds={"USDT": "100000", "BTC": "10"})
    made.pair("BTCUSDT").history.open_at(D(100), NOW - 1)
    quote(made, [("98", "50"), ("80", "500")], [("101", "50"), ("120", "500")])
    return made


def trade_at(made, price, qty="0.001", now_ms=NOW + 1, *, buy=True):
    pair = made.pair("BTCUSDT")
    made.matcher.play(pair, D(price), D(qty), now_ms, buy=buy)
    made.aftermath.run(pair, now_ms)
    made.core.settle_positions(now_ms)


def by_name(made, name, uid=ANN):
    return made.query(uid, {"symbol": "BTCUSDT", "origClientOrderId": name}, NOW)


def status(made, *names):
    return tuple(by_name(made, name)["status"] for name in names)


def listed(made, name="pair"):
    return made.query_list(ANN, {"origClientOrderId": name}, NOW)


def test_an_oco_locks_its_quantity_once_and_says_what_it_is(made):
    """Two live orders under one list, the stop first; one lock for both; listStatus and both reports name the list."""
    made.take_events()
    answer = made.place_oco(ANN, OCO, NOW)
    assert [each["clientOrderId"] for each in answer["orders"]] == ["stop", "target"]
    assert (answer["contingencyType"], answer["listStatusType"], answer["listOrderStatus"]) == (
        "OCO", "EXEC_STARTED", "EXECUTING",
    )  # fmt: skip
    assert [each["workingTime"] for each in answer["orderReports"]] == [-1, NOW]
    assert funds(made, ANN)["BTC"] == ("8", "2")
    told = [event for target, who, event in made.take_events() if target == "user" and who == ANN]
    assert [each["e"] for each in told] == ["listStatus", "executionReport", "executionReport", "outboundAccountPosition"]
    assert {each.get("g") for each in told[:3]} == {answer["orderListId"]}
    assert len(made.open_orders(ANN, {"symbol": "BTCUSDT"}, NOW)) == 2
    assert made.open_lists(ANN, {}, NOW) == [listed(made)]


def test_a_filled_target_ends_the_stop(made):
    """The target's first fill, also a partial one, expires the stop with OCO_TRIGGER; the rest of it lives on."""
    made.place_oco(ANN, OCO, NOW)
    made.take_events()
    made.place(BOB, limit("BUY", "110", "0.5"), NOW)  # takes the house first
    quote(made, [("98", "50")], [])
    made.place(BOB, limit("BUY", "110", "0.5"), NOW + 1)
    assert status(made, "target", "stop") == ("PARTIALLY_FILLED", "EXPIRED")
    assert by_name(made, "stop")["expiryReason"] == "OCO_TRIGGER"
    assert funds(made, ANN)["BTC"] == ("8", "1.5")
    made.place(BOB, limit("BUY", "110", "1.5"), NOW + 2)
    assert status(made, "target") == ("FILLED",)
    assert (listed(made)["listStatusType"], listed(made)["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert [event["l"] for event in user_events(made, ANN, "listStatus")] == ["ALL_DONE"]
    assert funds(made, ANN)["BTC"] == ("8", "0")


def test_a_woken_stop_ends_the_target_and_takes_over_its_funds(made):
    """The stop wakes: the target expires first, then the stop sells what the target held."""
    made.place_oco(ANN, OCO, NOW)
    made.take_events()
    trade_at(made, "95")
    reports = [(each["c"], each["x"], each["X"]) for each in user_events(made, ANN)]
    assert reports == [("target", "EXPIRED", "EXPIRED"), ("stop", "NEW", "NEW"), ("stop", "TRADE", "FILLED")]
    assert funds(made, ANN)["BTC"] == ("8", "0")
    assert listed(made)["listOrderStatus"] == "ALL_DONE"


def test_an_oco_that_buys_locks_the_dearer_leg(made):
    """A buy's lock is what the dearer leg needs; when the cheaper one is left the rest becomes free."""
    params = {
        "symbol": "BTCUSDT", "side": "BUY", "quantity": "1",
        "aboveType": "STOP_LOSS_LIMIT", "aboveStopPrice": "105", "abovePrice": "106", "aboveTimeInForce": "GTC",
        "belowType": "LIMIT_MAKER", "belowPrice": "97", "belowClientOrderId": "low",
    }  # fmt: skip
    made.place_oco(ANN, params, NOW)
    assert funds(made, ANN)["USDT"] == ("99894", "106")
    quote(made, [], [("101", "50")])
    made.place(BOB, limit("SELL", "97", "0.5"), NOW)
    assert funds(made, ANN)["USDT"] == ("99903", "48.5")


@pytest.mark.parametrize("name", ["stop", "target"])
def test_cancelling_one_leg_cancels_the_list(made, name):
    """DELETE /order of one leg, as of the list itself, ends both and frees the lock."""
    made.place_oco(ANN, OCO, NOW)
    made.take_events()
    made.cancel(ANN, {"symbol": "BTCUSDT", "origClientOrderId": name}, NOW)
    assert status(made, "stop", "target") == ("CANCELED", "CANCELED")
    assert funds(made, ANN)["BTC"] == ("10", "0")
    assert [event["L"] for event in user_events(made, ANN, "listStatus")] == ["ALL_DONE"]


def test_the_list_is_cancelled_as_a_whole(made, shared_dir):
    """DELETE /orderList answers as Binance does: the orders under their own ids, the reports under the cancel's."""
    made.place_oco(ANN, OCO, NOW)
    answer = made.cancel_list(ANN, {"symbol": "BTCUSDT", "listClientOrderId": "pair", "newClientOrderId": "gone"}, NOW)
    assert [each["clientOrderId"] for each in answer["orders"]] == ["stop", "target"]
    assert [(each["origClientOrderId"], each["clientOrderId"]) for each in answer["orderReports"]] == [
        ("stop", "gone"), ("target", "gone"),
    ]  # fmt: skip
    assert shape(answer) == shape(official(shared_dir, "rest/delete_orderList"))
    with pytest.raises(BinanceError) as refused:
        made.cancel_list(ANN, {"symbol": "BTCUSDT", "listClientOrderId": "pair"}, NOW)
    assert refused.value.code == -2011


def test_cancel_all_answers_a_list_as_a_list(made):
    """DELETE /openOrders answers orders and lists mixed, each list once."""
    made.place(ANN, limit("BUY", "90", "1"), NOW)
    made.place_oco(ANN, OCO, NOW)
    single, pair = made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)
    assert single["status"] == "CANCELED"
    assert "orderReports" not in single
    assert [each["status"] for each in pair["orderReports"]] == ["CANCELED", "CANCELED"]
    assert made.open_orders(ANN, {}, NOW) == []


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"belowStopPrice": "101", "belowPrice": "100.5"}, -2010,
         "The relationship of the prices for the orders is not correct."),
        ({"abovePrice": "99"}, -2010, "The relationship of the prices for the orders is not correct."),
        ({"aboveType": "STOP_LOSS", "aboveStopPrice": "110", "abovePrice": None}, -1197,
         "A stop loss order in a sell OCO must be below."),
        ({"side": "BUY"}, -1165, "A limit order in a buy OCO must be below."),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowTimeInForce": None}, -1168,
         "At least one OCO order must be contingent."),
        ({"belowType": "MARKET"}, -1158, "Order type not supported in OCO."),
        ({"quantity": "11"}, -2010, "Account has insufficient balance for requested action."),
        ({"aboveClientOrderId": "stop"}, -2010, "Duplicate order sent."),
        ({"abovePrice": "110.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"aboveColour": "red"}, -1104, "Not all sent parameters were read; read '12' parameter(s) but was sent '13'."),
        ({"belowPrice": None}, -1102, "Mandatory parameter 'belowPrice' was not sent, was empty/null, or malformed."),
    ],
)  # fmt: skip
def test_refused_ocos(made, changes, code, text):
    """A bad OCO gets Binance's code and text, under the leg's own parameter names; nothing is placed or locked."""
    params = {name: value for name, value in (OCO | changes).items() if value is not None}
    with pytest.raises(BinanceError) as refused:
        made.place_oco(ANN, params, NOW)
    assert (refused.value.code, refused.value.msg) == (code, text)
    assert made.open_orders(ANN, {}, NOW) == []
    assert made.open_lists(ANN, {}, NOW) == []
    assert funds(made, ANN)["BTC"] == ("10", "0")


def test_a_pending_order_sleeps_until_the_working_one_is_filled_completely(made):
    """30 % filled is not filled: the stop stays PENDING_NEW, locks nothing, and the price passing it wakes nothing."""
    made.place_oto(ANN, OTO, NOW)
    assert status(made, "entry", "stop") == ("NEW", "PENDING_NEW")
    quote(made, [], [("101", "50")])
    made.place(BOB, limit("SELL", "99", "0.6"), NOW)
    trade_at(made, "94")  # fills 0.001 more on its way
    assert status(made, "entry", "stop") == ("PARTIALLY_FILLED", "PENDING_NEW")
    assert funds(made, ANN)["BTC"] == ("10.601", "0")
    trade_at(made, "100")
    made.place(BOB, limit("SELL", "99", "1.399"), NOW + 2)
    quote(made, [("95", "50")], [("101", "50")])
    assert status(made, "entry", "stop") == ("FILLED", "NEW")
    assert funds(made, ANN)["BTC"] == ("10", "2")
    trade_at(made, "95")
    assert status(made, "stop") == ("FILLED",)
    assert listed(made, "chain")["listOrderStatus"] == "ALL_DONE"


def test_a_working_order_filled_at_once_still_answers_pending(made):
    """The answer says PENDING_NEW although the stop is live by then: whoever wants to know must ask."""
    answer = made.place_oto(ANN, OTO | {"workingPrice": "101"}, NOW)
    assert [each["status"] for each in answer["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert status(made, "stop") == ("NEW",)


def test_a_working_order_that_ends_unfilled_takes_the_pending_ones_with_it(made):
    """An IOC that found nothing: the pending order expires with OTO_PHASE_ONE_EXPIRED."""
    made.place_oto(ANN, OTO | {"workingTimeInForce": "IOC", "workingPrice": "97"}, NOW)
    assert status(made, "entry", "stop") == ("EXPIRED", "EXPIRED")
    assert by_name(made, "stop")["expiryReason"] == "OTO_PHASE_ONE_EXPIRED"
    assert listed(made, "chain")["listOrderStatus"] == "ALL_DONE"


def test_a_pending_order_is_refused_when_its_turn_comes_and_it_cannot_be_placed():
    """Fee in base: two bought, less than two received. The stop for two is REJECTED, and the position is unprotected."""
    made = exchange(fee=TENTH_PERCENT, funds={"USDT": "100000", "BTC": "0"})
    made.pair("BTCUSDT").history.open_at(D(100), NOW - 1)
    quote(made, [("98", "50")], [("101", "50")])
    made.take_events()
    made.place_oto(ANN, OTO | {"workingPrice": "101"}, NOW)
    (rejected,) = [each for each in user_events(made, ANN) if each["x"] == "REJECTED"]
    assert (rejected["c"], rejected["X"], rejected["r"]) == ("stop", "REJECTED", "INSUFFICIENT_BALANCES")
    assert funds(made, ANN)["BTC"] == ("1.998", "0")
    assert status(made, "entry", "stop") == ("FILLED", "REJECTED")


def test_a_stop_that_the_price_has_passed_is_refused_at_its_turn(made):
    """The stop would wake at once: REJECTED with the reason that a placement would have had."""
    made.place_oto(ANN, OTO, NOW)
    made.take_events()
    quote(made, [("90", "50")], [("101", "50")])
    trade_at(made, "94", qty="3")  # the trade that fills the entry on its way down is itself below the stop
    reports = [(each["c"], each["x"], each["r"]) for each in user_events(made, ANN)]
    assert reports[-1] == ("stop", "REJECTED", "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY")


def test_an_otoco_places_both_legs_and_they_exclude_each_other(made):
    """Entry filled, then target and stop live under one lock; the stop wakes and the target ends."""
    answer = made.place_otoco(ANN, OTOCO, NOW)
    assert [each["clientOrderId"] for each in answer["orders"]] == ["entry", "stop", "target"]
    assert answer["contingencyType"] == "OTO"
    quote(made, [], [("101", "50")])
    made.place(BOB, limit("SELL", "99", "2"), NOW)
    assert status(made, "entry", "stop", "target") == ("FILLED", "NEW", "NEW")
    assert funds(made, ANN)["BTC"] == ("10", "2")
    quote(made, [("94", "50")], [("101", "50")])
    trade_at(made, "95")
    assert status(made, "stop", "target") == ("FILLED", "EXPIRED")
    assert funds(made, ANN)["BTC"] == ("10", "0")


def test_cancelling_the_working_order_cancels_all(made):
    """A cancelled entry leaves no leg behind."""
    made.place_otoco(ANN, OTOCO, NOW)
    made.cancel(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "entry"}, NOW)
    assert status(made, "entry", "stop", "target") == ("CANCELED", "CANCELED", "CANCELED")
    assert funds(made, ANN) == {"BTC": ("10", "0"), "USDT": ("100000", "0")}


def test_lists_are_counted_against_their_filter():
    """MAX_NUM_ORDER_LISTS: an OTOCO counts as one; finished lists do not count."""
    made = exchange(rules(max_num_order_lists=2))
    quote(made, [("98", "50")], [("101", "50")])
    for name in ("one", "two"):
        names = {
            "listClientOrderId": name, "workingClientOrderId": f"{name}-entry",
            "pendingAboveClientOrderId": f"{name}-target", "pendingBelowClientOrderId": f"{name}-stop",
        }  # fmt: skip
        made.place_otoco(ANN, OTOCO | names, NOW)
    with pytest.raises(BinanceError, match="MAX_NUM_ORDER_LISTS"):
        made.place_oto(ANN, OTO, NOW)
    made.cancel_list(ANN, {"symbol": "BTCUSDT", "listClientOrderId": "one"}, NOW)
    assert made.place_oto(ANN, OTO, NOW)["listOrderStatus"] == "EXECUTING"


def test_a_symbol_may_offer_no_lists():
    """ocoAllowed and otoAllowed false: refused, and exchangeInfo says so."""
    made = exchange(rules(oco_allowed=False, oto_allowed=False))
    for place, params in ((made.place_oco, OCO), (made.place_oto, OTO)):
        with pytest.raises(BinanceError, match="not supported for this symbol"):
            place(ANN, params, NOW)
    told = made.exchange_info("BTCUSDT", now_ms=NOW)["symbols"][0]
    assert (told["ocoAllowed"], told["otoAllowed"]) == (False, False)


def test_list_answers_have_the_official_shape(made, shared_dir):
    """Placing and reading lists: the official keys and types, but for icebergQty, which is not offered here."""
    oco = official(shared_dir, "rest/post_orderList_oco")
    for each in oco["orderReports"]:
        each.pop("icebergQty", None)
    answer = made.place_oco(ANN, OCO, NOW)
    assert shape(answer) == shape(oco)
    assert [shape(each) for each in answer["orderReports"]] == [shape(each) for each in oco["orderReports"]]
    chained = official(shared_dir, "rest/post_orderList_otoco")
    made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)
    answer = made.place_otoco(ANN, OTOCO, NOW)
    assert shape(answer) == shape(chained)
    found = listed(made)
    assert shape(found) == shape(official(shared_dir, "rest/get_orderList"))
    assert shape(made.all_lists(ANN, {}, NOW)) == shape(official(shared_dir, "rest/get_allOrderList"))
    made.take_events()
    made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)
    (told,) = user_events(made, ANN, "listStatus")
    assert shape(told) == shape(official(shared_dir, "user_stream/listStatus.EXEC_STARTED"))


def test_lists_are_found_by_id_window_and_count(made):
    """GET /allOrderList pages from an id; the two ways to name a window's start exclude each other."""
    ids = []
    for count in range(3):
        names = {"listClientOrderId": f"l{count}", "aboveClientOrderId": f"a{count}", "belowClientOrderId": f"b{count}"}
        ids.append(made.place_oco(ANN, OCO | names, NOW + count)["orderListId"])
    assert [each["orderListId"] for each in made.all_lists(ANN, {"fromId": str(ids[1]), "limit": "1"}, NOW)] == [ids[1]]
    assert [each["orderListId"] for each in made.all_lists(ANN, {"limit": "2"}, NOW)] == ids[1:]
    assert made.all_lists(BOB, {}, NOW) == []
    with pytest.raises(BinanceError) as refused:
        made.all_lists(ANN, {"fromId": "0", "startTime": str(NOW)}, NOW)
    assert refused.value.code == -1128


def test_self_trade_prevention_of_one_leg_ends_the_other(made):
    """A leg that ended because it met its own account leaves no orphan."""
    made.place_oco(ANN, OCO, NOW)
    quote(made, [("98", "50")], [])
    made.place(ANN, limit("BUY", "110", "1", selfTradePreventionMode="EXPIRE_MAKER"), NOW)
    assert status(made, "target", "stop") == ("EXPIRED_IN_MATCH", "EXPIRED")
    assert funds(made, ANN)["BTC"] == ("10", "0")


def test_a_market_order_may_wait_for_its_entry(made):
    """OTO with a MARKET sell pending: bought, then sold at once."""
    params = {name: value for name, value in OTO.items() if name != "pendingStopPrice"} | {"pendingType": "MARKET"}
    made.place_oto(ANN, params | {"workingPrice": "101"}, NOW)
    assert status(made, "entry", "stop") == ("FILLED", "FILLED")
    assert made.place(ANN, market("SELL", "1"), NOW)["status"] == "FILLED"
