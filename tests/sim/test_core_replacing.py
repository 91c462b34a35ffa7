"""Cancel-replace with its half successes, and amendments that keep an order's place."""

from decimal import Decimal as D

import pytest

from realtrading.sim.errors import BinanceError, ReplaceFailed
from sim.core_kit import ANN, BOB, NOW, exchange, funds, limit, official, quote, rules, shape, user_events
from sim.test_core_lists import OTO


@pytest.fixture
def made():
    """One resting buy of ANN's."""
    made = exchange()
    made.pair("BTCUSDT").history.open_at(D(100), NOW - 1)
    quote(made, [("98", "50")], [("101", "50")])
    made.place(ANN, limit("BUY", "90", "2", newClientOrderId="old"), NOW)
    return made


def replace(made, over_limit=None, **changes):
    """Replace the resting order by one at 91, with these parameters changed."""
    given = limit("BUY", "91", "2", newClientOrderId="new") | {
        "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "old",
    } | changes  # fmt: skip
    return made.replace(ANN, given, NOW + 1, over_limit=over_limit)


def halves(failed):
    return failed.value.data["cancelResult"], failed.value.data["newOrderResult"]


def live(made):
    return [each["clientOrderId"] for each in made.open_orders(ANN, {}, NOW)]


def test_both_steps_succeed(made, shared_dir):
    """The old order is cancelled, the new one placed; the answer has the official shape."""
    answer = replace(made)
    assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert live(made) == ["new"]
    sample = official(shared_dir, "rest/post_order_cancelReplace.success")
    assert shape(answer) == shape(sample)
    assert funds(made, ANN)["USDT"] == ("9818", "182")


def test_a_failed_cancel_stops_when_told_so(made, shared_dir):
    """STOP_ON_FAILURE: the new order is not attempted, -2022 under 400."""
    with pytest.raises(ReplaceFailed) as failed:
        replace(made, cancelOrigClientOrderId="nobody")
    assert (failed.value.code, failed.value.status) == (-2022, 400)
    assert halves(failed) == ("FAILURE", "NOT_ATTEMPTED")
    sample = official(shared_dir, "rest/post_order_cancelReplace.error_cancel_failed_stop_on_failure")
    assert failed.value.body() == sample
    assert live(made) == ["old"]


def test_a_failed_cancel_does_not_stop_when_told_so(made):
    """ALLOW_FAILURE: the new order stands beside the old one, -2021 under 409."""
    with pytest.raises(ReplaceFailed) as failed:
        replace(made, cancelOrigClientOrderId="nobody", cancelReplaceMode="ALLOW_FAILURE")
    assert (failed.value.code, failed.value.status) == (-2021, 409)
    assert halves(failed) == ("FAILURE", "SUCCESS")
    assert live(made) == ["old", "new"]


def test_a_cancel_without_a_new_order_is_the_dangerous_half(made, shared_dir):
    """The new order is refused after the cancel: nothing is left, and the answer says so."""
    with pytest.raises(ReplaceFailed) as failed:
        made.replace(
            ANN,
            {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "2", "price": "102",
             "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "old"},
            NOW + 1,
        )  # fmt: skip
    assert (failed.value.code, failed.value.status) == (-2021, 409)
    assert halves(failed) == ("SUCCESS", "FAILURE")
    assert failed.value.data["newOrderResponse"] == {"code": -2010, "msg": "Order would immediately match and take."}
    assert shape(failed.value.body()) == shape(official(shared_dir, "rest/post_order_cancelReplace.error_new_order_failed"))
    assert live(made) == []
    assert funds(made, ANN)["USDT"] == ("10000", "0")


def test_filters_speak_before_the_cancel(made):
    """A new order that breaks a filter refuses the whole request: the old order stays."""
    with pytest.raises(BinanceError, match="PRICE_FILTER"):
        replace(made, price="91.001")
    assert live(made) == ["old"]


def test_both_steps_fail(made):
    """Nothing to cancel and nothing to pay with: -2022, and both halves say why."""
    with pytest.raises(ReplaceFailed) as failed:
        replace(made, cancelOrigClientOrderId="nobody", cancelReplaceMode="ALLOW_FAILURE", quantity="900")
    assert (failed.value.code, halves(failed)) == (-2022, ("FAILURE", "FAILURE"))


@pytest.mark.parametrize("mode", [None, "DO_NOTHING"])
def test_over_the_order_count_nothing_is_done(made, mode):
    """The count refuses the request as it would a placement."""
    more = {} if mode is None else {"orderRateLimitExceededMode": mode}
    with pytest.raises(BinanceError) as refused:
        replace(made, over_limit=BinanceError(-1015, "Too many new orders.", 429), **more)
    assert (refused.value.code, refused.value.status) == (-1015, 429)
    assert live(made) == ["old"]


def test_over_the_order_count_a_cancel_may_be_all_that_is_done(made):
    """CANCEL_ONLY: the old order goes, the new one is refused inside the answer."""
    with pytest.raises(ReplaceFailed) as failed:
        replace(made, over_limit=BinanceError(-1015, "Too many new orders.", 429), orderRateLimitExceededMode="CANCEL_ONLY")
    assert halves(failed) == ("SUCCESS", "FAILURE")
    assert failed.value.data["newOrderResponse"]["code"] == -1015
    assert live(made) == []


def test_an_amendment_keeps_the_place_and_frees_the_rest(made, shared_dir):
    """Less of it, still first in the queue; REPLACED names the old id in C; the difference is free again."""
    made.place(BOB, limit("BUY", "90", "1", newClientOrderId="later"), NOW)
    made.take_events()
    wanted = {"symbol": "BTCUSDT", "origClientOrderId": "old", "newQty": "0.5", "newClientOrderId": "less"}
    answer = made.amend(ANN, wanted, NOW)
    assert shape(answer) == shape(official(shared_dir, "rest/put_order_amend_keepPriority.single"))
    (report,) = user_events(made, ANN)
    assert (report["x"], report["X"], report["c"], report["C"], report["q"]) == ("REPLACED", "NEW", "less", "old", "0.50000000")
    assert funds(made, ANN)["USDT"] == ("9955", "45")
    quote(made, [], [("101", "50")])
    made.place(BOB, limit("SELL", "90", "0.5", selfTradePreventionMode="NONE"), NOW)
    assert made.query(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "less"}, NOW)["status"] == "FILLED"


def test_without_an_id_of_ours_the_order_gets_one_of_theirs(made):
    """newClientOrderId left out: the order is known by a random id from then on, not by ours."""
    answer = made.amend(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "old", "newQty": "1"}, NOW)
    assert answer["amendedOrder"]["clientOrderId"] != "old"
    with pytest.raises(BinanceError) as refused:
        made.query(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "old"}, NOW)
    assert refused.value.code == -2013


@pytest.mark.parametrize(
    ("qty", "code", "text"),
    [
        ("2", -2038, "The requested action would change no state; rejecting"),
        ("3", -2038, "Order amend (quantity increase) is not supported."),
        ("0.0001", -1013, "Filter failure: LOT_SIZE"),
        ("0.001", -1013, "Filter failure: NOTIONAL"),
    ],
)
def test_refused_amendments(made, qty, code, text):
    """Only a smaller quantity that the filters allow; the order stays as it was."""
    with pytest.raises(BinanceError) as refused:
        made.amend(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "old", "newQty": qty}, NOW)
    assert (refused.value.code, refused.value.msg) == (code, text)
    assert made.query(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "old"}, NOW)["origQty"] == "2.00000000"


def test_amendments_are_counted_and_listed(shared_dir):
    """MAX_NUM_ORDER_AMENDS ends it; GET /order/amendments tells all of them in the official shape."""
    made = exchange(rules(max_num_order_amends=2))
    placed = made.place(ANN, limit("BUY", "90", "3", newClientOrderId="a"), NOW)
    for qty in ("2", "1"):
        made.amend(ANN, {"symbol": "BTCUSDT", "orderId": str(placed["orderId"]), "newQty": qty}, NOW)
    with pytest.raises(BinanceError, match="MAX_NUM_ORDER_AMENDS"):
        made.amend(ANN, {"symbol": "BTCUSDT", "orderId": str(placed["orderId"]), "newQty": "0.5"}, NOW)
    told = made.amendments(ANN, {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])}, NOW)
    assert [(each["origQty"], each["newQty"]) for each in told] == [("3.00000000", "2.00000000"), ("2.00000000", "1.00000000")]
    assert shape(told) == shape(official(shared_dir, "rest/get_order_amendments"))


def test_a_pending_leg_may_be_amended(made, shared_dir):
    """A leg that waits is reduced too; the list says UPDATED."""
    made.place_oto(ANN, OTO, NOW)
    made.take_events()
    answer = made.amend(ANN, {"symbol": "BTCUSDT", "origClientOrderId": "stop", "newQty": "1"}, NOW)
    sample = official(shared_dir, "rest/put_order_amend_keepPriority.in_order_list")
    sample["amendedOrder"]["stopPrice"] = "1"
    assert shape(answer) == shape(sample)
    assert [event["l"] for event in user_events(made, ANN, "listStatus")] == ["UPDATED"]
